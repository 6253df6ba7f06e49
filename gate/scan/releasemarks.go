package scan

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Distributions write their release into the versions of packages: deb12u3 and bpo12 of
// Debian, el9, fc41, amzn2023, azl3, cm2 and ph5 of those with RPM, ubuntu0.22.04.1 and
// ~22.04.1 of Ubuntu, which writes a version without its release more often.
var (
	releaseMark       = regexp.MustCompile(`(?:[+~](deb|bpo)|\.(?:module\+)?(el|fc|amzn|azl|cm|ph))(\d+)`)
	releaseMarkUbuntu = regexp.MustCompile(`(?:ubuntu[0-9.]*\.|ubuntu|~)(\d\d\.(?:04|10))\b`)
)

// markedFamilies are the marks of the distributions, by Trivy's names for them.
var markedFamilies = map[string]string{
	"debian": "deb", "ubuntu": "ubuntu",
	"redhat": "el", "centos": "el", "rocky": "el", "alma": "el", "oracle": "el",
	"amazon": "amzn", "azurelinux": "azl", "cbl-mariner": "cm", "photon": "ph",
}

// mark is what the version of a package says of its distribution. release is "" when
// the version names none.
type mark struct{ distribution, release string }

// markOf reads the last mark: 20230311~deb12u1~deb11u1 is Debian 12's package, built
// for Debian 11.
func markOf(version string) mark {
	if strings.Contains(version, "ubuntu") {
		if m := lastMatch(releaseMarkUbuntu, version); m != nil {
			return mark{"ubuntu", m[1]}
		}
		return mark{"ubuntu", ""}
	}
	switch m := lastMatch(releaseMark, version); {
	case m == nil:
		return mark{}
	case m[1] != "":
		return mark{"deb", m[3]}
	default:
		return mark{m[2], m[3]}
	}
}

func lastMatch(pattern *regexp.Regexp, text string) []string {
	all := pattern.FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

const (
	// fewPackages is how many packages of another release an image may have, whatever
	// the rest is.
	fewPackages = 2
	// fullSystem is the number of packages from which on a system of Debian or Ubuntu has
	// base-files, which is essential. Images of a few chosen packages can lack it.
	fullSystem = 20
)

// otherRelease compares the distribution and the release whose advisories were matched
// with the versions of all packages, and returns what contradicts, "" if nothing does. It
// finds a wrong name whose author removed the package that brings the files with the
// name from the package database.
func otherRelease(r *wire.Report) string {
	own, marked := markedFamilies[r.OS.Family]
	if !marked || own == "amzn" && strings.Contains(r.OS.Name, "201") {
		return "" // Amazon Linux 1 calls its packages amzn1, and itself 2018.03
	}
	packages, base, counts := 0, false, map[mark]int{}
	for i := range r.Packages {
		if p := &r.Packages[i]; p.Class == evidence.ClassOS {
			packages++
			base = base || p.Name == "base-files"
			counts[markOf(p.Version)]++
		}
	}
	delete(counts, mark{})
	named, ours := 0, 0 // of this release, of this distribution
	others := map[mark]int{}
	for m, n := range counts {
		switch {
		case m.distribution != own:
			others[m] = n
			continue
		case m.release == "":
		case layer.SameRelease("", m.release, r.OS.Name) && (own != "ubuntu" || m.release == r.OS.Name):
			named += n
		default:
			others[m] = n
		}
		ours += n
	}
	order := func(a, b mark) int { return strings.Compare(a.distribution+a.release, b.distribution+b.release) }
	for _, m := range slices.SortedFunc(maps.Keys(others), order) {
		n, than := others[m], ours
		if m.distribution == own {
			than = named
		}
		if n > fewPackages && n > than {
			return "the versions of its packages say " + m.distribution + m.release
		}
	}
	if (own == "deb" || own == "ubuntu") && packages >= fullSystem && !base && ours == 0 {
		return "none of its packages says so, and base-files, which every such system has, is not among them"
	}
	return ""
}
