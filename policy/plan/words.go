package plan

import (
	"regexp"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

// safeName and safeVersion are what may be pasted into a shell. Names and versions
// come from the image, so a package could be called "$(command)".
var (
	safeName    = regexp.MustCompile(`^[A-Za-z0-9@][A-Za-z0-9@/._+:-]*$`)
	safeVersion = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~:^-]*$`)
)

// words returns the command that upgrades the packages of a step, and the advice
// for people.
func words(s *Step) (command, advice string) {
	names := namesOf(s.Packages)
	advice = "upgrade " + strings.Join(names, ", ") + " from " + s.From + " to " + s.To
	for _, n := range names {
		if !safeName.MatchString(n) {
			return "", advice
		}
	}
	if !safeVersion.MatchString(s.To) {
		return "", advice
	}
	if s.Packages[0].Class == evidence.ClassOS {
		return system(ecosystem(&s.Packages[0]), s.Packages[0].Type, names, s.To), advice + " or newer"
	}
	command, advice = library(s.Packages[0].Type, names[0], s.To)
	return fromVendor(s, command, advice)
}

func namesOf(packages []evidence.Package) []string {
	var names []string
	for _, p := range packages {
		if len(names) == 0 || names[len(names)-1] != p.Name {
			names = append(names, p.Name)
		}
	}
	return names
}

// system returns the command of the package manager. It asks for the newest
// version and not for an exact one: distributions keep only that.
func system(ecosystem, family string, names []string, to string) string {
	all := strings.Join(names, " ")
	switch {
	case ecosystem == "deb":
		return "apt-get update && apt-get install --yes --only-upgrade " + all
	case ecosystem == "apk":
		for i, n := range names {
			names[i] = "'" + n + ">=" + to + "'"
		}
		return "apk add --no-cache " + strings.Join(names, " ")
	case ecosystem != "rpm":
		return ""
	case family == "photon" || family == "azurelinux" || family == "cbl-mariner":
		return "tdnf update -y " + all
	case strings.Contains(family, "suse") || strings.HasPrefix(family, "sle"):
		return "zypper --non-interactive update " + all
	}
	return "dnf upgrade -y " + all
}

// library returns the command and the advice of the ecosystem of a language.
func library(kind, name, to string) (command, advice string) {
	dependency := name + " " + to
	switch kind {
	case "node-pkg", "npm", "yarn", "pnpm", "bun":
		return "npm install " + name + "@" + to, "install " + dependency + "; if another package depends on it, set it in \"overrides\" of package.json"
	case "python-pkg", "pip", "pipenv", "poetry", "uv":
		return "pip install --upgrade '" + name + ">=" + to + "'", "require " + name + " >= " + to
	case "gobinary", "gomod":
		if name == "stdlib" {
			return "", "build the program with Go " + strings.TrimPrefix(to, "v") + " or newer"
		}
		to = "v" + strings.TrimPrefix(to, "v")
		return "go get " + name + "@" + to, "require " + name + " " + to + " and build the program again"
	case "jar", "pom", "gradle", "sbt":
		return "", "depend on " + name + ":" + to
	case "gemspec", "bundler":
		return "gem install " + name + " --version " + to, "depend on " + name + " " + to + " or newer in the Gemfile"
	case "composer", "composer-vendor":
		return "composer require " + name + ":^" + strings.TrimPrefix(to, "v"), "require " + dependency
	case "rustbinary", "cargo":
		return "cargo update --package " + name + " --precise " + to, "require " + dependency + " and build the program again"
	case "nuget", "dotnet-core", "packages-props":
		return "dotnet add package " + name + " --version " + to, "reference " + dependency
	}
	return "", "upgrade " + dependency
}
