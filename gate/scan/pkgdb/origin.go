package pkgdb

import (
	"fmt"
	"regexp"
	"strings"
)

// ThirdParty says why a package does not seem to be of the distribution, "" when
// nothing suggests that. family is Trivy's name of the distribution. known tells
// whether the distribution's advisories know the source of the package in any
// release.
//
// The answer does not affect which packages are matched. It names packages in the
// report, and files of such packages do not count as the distribution's.
func ThirdParty(p *Package, family string, known bool) string {
	switch {
	case p.Key:
		return ""
	case p.Sign != "":
		return p.Sign
	}
	switch family {
	case "debian", "ubuntu":
		return foreignMaintainer(p.Origin, known)
	}
	if vendors := vendorsOf(family); vendors != nil {
		return foreignVendor(p.Origin, vendors)
	}
	return ""
}

func foreignVendor(vendor string, official []string) string {
	if vendor == "" {
		return "it names no vendor"
	}
	for _, prefix := range official {
		if strings.HasPrefix(vendor, prefix) {
			return ""
		}
	}
	return fmt.Sprintf("its vendor is %q", vendor)
}

// vendorsOf lists how the vendors of a distribution's own RPM packages begin.
func vendorsOf(family string) []string {
	switch family {
	case "redhat":
		return []string{"Red Hat"}
	case "centos":
		return []string{"CentOS"}
	case "rocky":
		return []string{"Rocky"}
	case "alma":
		return []string{"AlmaLinux", "CloudLinux"}
	case "oracle":
		return []string{"Oracle America"}
	case "amazon":
		return []string{"Amazon Linux", "Amazon.com"}
	case "fedora":
		return []string{"Fedora Project"}
	case "photon":
		return []string{"VMware", "Broadcom"}
	case "azurelinux", "cbl-mariner":
		return []string{"Microsoft Corporation"}
	case "opensuse", "opensuse-leap", "opensuse-tumbleweed", "sles", "slem":
		return []string{"SUSE", "openSUSE"}
	}
	return nil
}

// foreignMaintainer judges the maintainer of a package of dpkg. Some maintainers
// of Debian use addresses elsewhere, so that such an address counts only for a
// source that Debian's advisories have never named.
func foreignMaintainer(maintainer string, known bool) string {
	address := addressOf(maintainer)
	_, domain, _ := strings.Cut(address, "@")
	for _, own := range []string{"debian.org", "debian.net", "ubuntu.com", "canonical.com"} {
		if domain == own || strings.HasSuffix(domain, "."+own) {
			return ""
		}
	}
	switch {
	case known || privateAddresses[address]:
		return ""
	case maintainer == "":
		return "it names no maintainer"
	}
	return fmt.Sprintf("its maintainer is %q", maintainer)
}

func addressOf(maintainer string) string {
	_, address, _ := strings.Cut(maintainer, "<")
	address, _, _ = strings.Cut(address, ">")
	return strings.ToLower(strings.TrimSpace(address))
}

// privateAddresses belong to maintainers of Debian whose packages are in most
// base images. The list only keeps a report from naming them.
var privateAddresses = map[string]bool{
	"aelmahmoudy@users.sourceforge.net":            true,
	"bob@proulx.com":                               true,
	"cgzones@googlemail.com":                       true,
	"david.sephirot@gmail.com":                     true,
	"debian-init-diversity@chiark.greenend.org.uk": true,
	"debian.axhn@manchmal.in-ulm.de":               true,
	"debian@jff.email":                             true,
	"dkg@fifthhorseman.net":                        true,
	"gioele@svario.it":                             true,
	"gjasny@googlemail.com":                        true,
	"havard.f.aasen@pfft.no":                       true,
	"help-libidn@gnu.org":                          true,
	"hugh.mcmaster@outlook.com":                    true,
	"ileanadumitrescu95@gmail.com":                 true,
	"jrnieder@gmail.com":                           true,
	"kartik.koolks@gmail.com":                      true,
	"md@linux.it":                                  true,
	"miquels@cistron.nl":                           true,
	"mvanderkolff@gmail.com":                       true,
	"sebastian@breakpoint.cc":                      true,
	"sudipm.mukherjee@gmail.com":                   true,
	"tanguy+debian@ortolo.eu":                      true,
	"timo@gaussglocke.de":                          true,
	"tim.ruehsen@gmx.de":                           true,
	"tklauser@distanz.ch":                          true,
	"tytso@mit.edu":                                true,
}

// foreignVersion matches what repositories beside the distribution put into
// versions of dpkg: 1.29.3-1~bookworm, 20.18.0-1nodesource1, 16.4-1.pgdg120+2,
// 8.3.12-1+0~20241007.1+debian12~1.gbp1.deb.sury.org.
var foreignVersion = regexp.MustCompile(`[~+.-]((debian|ubuntu)[.0-9]*[~.-])?` +
	`(stretch|buster|bullseye|bookworm|trixie|forky|duke|xenial|bionic|focal|jammy|noble|oracular|plucky|questing)\b` +
	`|nodesource|pgdg|sury\.org|maria~|~ppa|dotdeb|percona`)

func versionSign(version string) string {
	if found := foreignVersion.FindString(version); found != "" {
		return fmt.Sprintf("its version has %q, which the distribution's own packages have not", strings.Trim(found, "~+.-"))
	}
	return ""
}

// placeSign: distributions leave these directories to others (FHS 3.0, Debian
// Policy 9.1).
func placeSign(path string) string {
	path = strings.TrimPrefix(strings.TrimPrefix(path, "."), "/")
	for _, dir := range []string{"opt/", "usr/local/", "srv/", "home/"} {
		if strings.HasPrefix(path, dir) {
			return "it installs files below /" + strings.TrimSuffix(dir, "/")
		}
	}
	return ""
}
