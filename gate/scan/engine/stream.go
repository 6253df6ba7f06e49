//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"strings"

	"github.com/aquasecurity/trivy-db/pkg/vulnsrc/bucket"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/version"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// stream returns the name of the feed that Trivy's detector for this OS reads:
// a bucket of the database. "" means that Trivy has no detector.
//
// Trivy asks for a feed by name and treats an absent feed as one without
// advisories: alpine 3.999 or a future distribution has no findings. The names
// follow pkg/detector/ospkg/*. A test asks for each of them in a real database.
func stream(os ftypes.OS, repo *ftypes.Repository, contentSets bool) string {
	name := os.Name
	switch os.Family {
	case ftypes.Alpine:
		release := version.Minor(name)
		if repo != nil && repo.Release != "" {
			release = repo.Release // the detector prefers the repositories
		}
		return bucket.NewAlpine(release).Name()
	case ftypes.Alma:
		return bucket.NewAlma(version.Major(name)).Name()
	case ftypes.Rocky:
		return bucket.NewRocky(version.Major(name)).Name()
	case ftypes.Oracle:
		return bucket.NewOracle(version.Major(name)).Name()
	case ftypes.RedHat, ftypes.CentOS:
		return redHatStream(version.Major(name), contentSets)
	case ftypes.Amazon:
		return bucket.NewAmazon(amazonRelease(name)).Name()
	case ftypes.Azure:
		return bucket.NewAzureLinux(version.Minor(name)).Name()
	case ftypes.CBLMariner:
		return bucket.NewMariner(version.Minor(name)).Name()
	case ftypes.Debian:
		return bucket.NewDebian(version.Major(name)).Name()
	case ftypes.Ubuntu:
		return bucket.NewUbuntu(name).Name()
	case ftypes.Photon:
		return bucket.NewPhoton(name).Name()
	case ftypes.OpenSUSETumbleweed:
		return bucket.NewOpenSUSETumbleweed().Name()
	case ftypes.OpenSUSELeap:
		return bucket.NewOpenSUSE(name).Name()
	case ftypes.SLES:
		return bucket.NewSUSELinuxEnterprise(name).Name()
	case ftypes.SLEMicro:
		return bucket.NewSUSELinuxEnterpriseMicro(name).Name()
	default:
		return rolling(os.Family)
	}
}

// rolling returns the feeds that have no releases.
func rolling(family ftypes.OSType) string {
	switch family {
	case ftypes.Wolfi:
		return bucket.NewWolfi("").Name()
	case ftypes.Chainguard:
		return bucket.NewChainguard("").Name()
	case ftypes.Echo:
		return bucket.NewEcho("").Name()
	case ftypes.MinimOS:
		return bucket.NewMinimOS("").Name()
	case ftypes.Bottlerocket:
		return bucket.NewBottlerocket().Name()
	default: // CoreOS has a detector that never finds anything
		return ""
	}
}

// redHatStream returns the feed of Red Hat. Its advisories are in one bucket for
// all releases and are chosen by content set. Trivy knows default content sets of
// these major releases only. For any other release, an image without content sets
// matches no advisory (pkg/detector/ospkg/redhat).
func redHatStream(major string, contentSets bool) string {
	name := bucket.NewRedHat("").Name()
	switch major {
	case "6", "7", "8", "9":
		return name
	}
	if contentSets {
		return name
	}
	return name + " " + major
}

func amazonRelease(name string) string {
	if fields := strings.Fields(name); len(fields) > 0 {
		switch major := version.Major(fields[0]); major {
		case "2", "2022", "2023":
			return major
		}
	}
	return "1"
}
