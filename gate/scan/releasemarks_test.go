package scan

import (
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

func TestOtherRelease(t *testing.T) {
	many := func(n int, version string) string { return strings.Repeat("lib="+version+" ", n) }
	for _, test := range []struct {
		name, family, release, packages string
		wrong                           bool
	}{
		{"Debian", "debian", "12.4", many(5, "1.2-3+deb12u2") + many(60, "1.2-3"), false},
		{"Debian without updates", "debian", "13", many(60, "1.2-3") + "base-files=13.8", false},
		{"a few chosen packages of Debian", "debian", "13", many(19, "1.2-3"), false},
		{"chosen packages of Debian, some updated", "debian", "13", many(40, "1.2-3") + "a=1-1+deb13u1", false},
		{"backports", "debian", "12.4", many(9, "2.1-1~bpo12+1"), false},
		{"packages of Debian 13 built for 12", "debian", "12.4", many(9, "3.3.1-1+deb13u1~deb12u1"), false},
		{"packages of Debian 12 built for 11, called 12", "debian", "12.4", many(9, "20230311~deb12u1~deb11u1"), true},
		{"packages for Ubuntu on Debian", "debian", "12", many(9, "1.2-3+deb12u2") + many(8, "1.0-1~ubuntu22.04.1"), false},
		{"left over from the release before", "debian", "12", many(9, "1.2-3+deb12u2") + many(8, "1.2-3+deb11u1"), false},
		{"two packages of the release before", "debian", "13", many(2, "1.2-3+deb12u1"), false},
		{"Debian 12 called 13", "debian", "13", many(3, "1.2-3+deb12u1") + many(60, "1.2-3"), true},
		{"Debian called Ubuntu", "ubuntu", "22.04", many(3, "1.2-3+deb12u1") + many(60, "1.2-3"), true},
		{"Debian without updates called Ubuntu", "ubuntu", "22.04", many(60, "1.2-3"), true},
		{"Ubuntu called Debian", "debian", "13", many(30, "1.2-3ubuntu1") + many(30, "1.2-3"), true},
		{"Ubuntu", "ubuntu", "24.04", many(30, "1.2-3ubuntu1.4") + many(30, "1.2-3build1"), false},
		{"Ubuntu with updates", "ubuntu", "24.04", many(30, "1.2-3ubuntu1.4") + many(4, "1.0-0ubuntu0.24.04.1") + many(3, "1.0-0ubuntu0.22.04.1"), false},
		{"Ubuntu 22.04 called 24.04", "ubuntu", "24.04", many(30, "1.2-3ubuntu1.4") + many(4, "1.0-0ubuntu0.22.04.1"), true},
		{"gcc of Ubuntu", "ubuntu", "22.04", many(4, "12.3.0-1ubuntu1~22.04.2"), false},
		{"packages of Ubuntu 24.04 built for 22.04", "ubuntu", "22.04", many(9, "1.2-3ubuntu0.24.04.1~22.04.1"), false},
		{"Rocky", "rocky", "9.6", many(60, "5.1.8-9.el9_4"), false},
		{"modules", "alma", "8.10", many(60, "1:20.19-1.module+el8.10.0+1+2"), false},
		{"Rocky 8 called 9", "rocky", "9.6", many(60, "5.1.8-9.el8_4"), true},
		{"packages of Fedora called Rocky", "rocky", "9.6", many(60, "5.1.8-9.fc41"), true},
		{"Amazon Linux 2", "amazon", "2 (Karoo)", many(60, "5.1.8-9.amzn2.0.1"), false},
		{"Amazon Linux 2023", "amazon", "2023.9.20251110", many(60, "5.1.8-9.amzn2023.0.1"), false},
		{"Amazon Linux 1", "amazon", "AMI release 2018.03", many(60, "5.1.8-9.amzn1"), false},
		{"Amazon Linux 2 called 2023", "amazon", "2023", many(60, "5.1.8-9.amzn2.0.1"), true},
		{"Photon", "photon", "5.0", many(60, "5.1-9.ph5"), false},
		{"Photon 4 called 5", "photon", "5.0", many(60, "5.1-9.ph4"), true},
		{"Azure Linux", "azurelinux", "3.0", many(60, "5.1-9.azl3"), false},
		{"Mariner", "cbl-mariner", "2.0", many(60, "5.1-9.cm2"), false},
		{"Debian without base-files", "debian", "13", many(20, "1.2-3"), true},
		{"Debian with base-files first", "debian", "13", "base-files=13.8 " + many(60, "1.2-3"), false},
		{"more of the release before", "debian", "13", many(2, "1.2-3+deb13u1") + many(3, "1.2-3+deb12u1"), true},
		{"as many of the release before", "debian", "13", many(3, "1.2-3+deb13u1") + many(3, "1.2-3+deb12u1"), false},
		{"a release whose number is one of Amazon Linux 1", "debian", "2018", many(3, "1.2-3+deb12u1"), true},
		{"packages of a language", "debian", "13", "base-files=13.8 " + strings.ReplaceAll(many(30, "1.0+deb12u1"), "lib=", "module="), false},
		{"packages for Debian on Ubuntu", "ubuntu", "24.04", many(30, "1.2-3ubuntu1") + many(3, "1.0-1+deb12u1"), false},
		{"Ubuntu 22.10 called 22.04", "ubuntu", "22.04", many(30, "1.2-3ubuntu1.4") + many(4, "1.0-0ubuntu0.22.10.1"), true},
		{"RPM without marks", "rocky", "9.6", many(60, "1.2-3"), false},
		{"Alpine has no marks", "alpine", "3.23.0", many(60, "5.1-r9"), false},
	} {
		r := &wire.Report{OS: &wire.OS{Family: test.family, Name: test.release}}
		for _, p := range strings.Fields(test.packages) {
			name, version, _ := strings.Cut(p, "=")
			class := evidence.ClassOS
			if name == "module" {
				class = evidence.ClassLanguage
			}
			r.Packages = append(r.Packages, evidence.Package{Name: name, Version: version, Class: class})
		}
		if got := otherRelease(r); (got != "") != test.wrong {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}
