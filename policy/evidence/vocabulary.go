package evidence

import "strings"

// OSTypes lists what Trivy 0.74 calls the types of OS packages.
func OSTypes() []string {
	return strings.Fields(`activestate alma alpine amazon azurelinux bottlerocket cbl-mariner centos
		centos-stream chainguard coreos debian echo fedora minimos opensuse opensuse-leap
		opensuse-tumbleweed oracle photon redhat rocky sles slem ubuntu wolfi`)
}

// LibraryTypes lists what Trivy 0.74 calls the types of libraries.
func LibraryTypes() []string {
	return strings.Fields(`bitnami bun bundler cargo cocoapods composer composer-vendor conan
		conda-environment conda-pkg dotnet-core gemspec gobinary gomod gradle hex jar javascript julia
		kubernetes node-pkg npm nuget packages-props pip pipenv pnpm poetry pom pub pylock python-pkg
		rustbinary sbt swift uv yarn`)
}

// Classes lists the classes of packages.
func Classes() []Class { return []Class{ClassOS, ClassLanguage} }

// Statuses lists Trivy's words for what the vendor does about a finding.
func Statuses() []string {
	return strings.Fields(`unknown not_affected affected fixed under_investigation will_not_fix fix_deferred end_of_life`)
}

// GapKinds lists the kinds of gaps.
func GapKinds() []GapKind {
	return []GapKind{
		GapUnknownOS, GapUnsupportedOS, GapOSMismatch, GapPackageDatabase, GapNoAdvisories, GapUnsupportedPackages, GapUnidentifiedJars,
		GapScannerErrors, GapJavaDatabase, GapHiddenFiles,
	}
}
