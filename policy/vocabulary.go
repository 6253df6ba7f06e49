package policy

import "strings"

// osTypes lists what Trivy 0.74 calls the types of OS packages.
func osTypes() []string {
	return strings.Fields(`activestate alma alpine amazon azurelinux bottlerocket cbl-mariner centos
		centos-stream chainguard coreos debian echo fedora minimos opensuse opensuse-leap
		opensuse-tumbleweed oracle photon redhat rocky sles slem ubuntu wolfi`)
}

// libraryTypes lists what Trivy 0.74 calls the types of libraries.
func libraryTypes() []string {
	return strings.Fields(`bitnami bun bundler cargo cocoapods composer composer-vendor conan
		conda-environment conda-pkg dotnet-core gemspec gobinary gomod gradle hex jar javascript julia
		kubernetes node-pkg npm nuget packages-props pip pipenv pnpm poetry pom pub pylock python-pkg
		rustbinary sbt swift uv yarn`)
}

// packageTypes lists every word that vulnerabilities.types knows. A word
// outside this list would silently stop every finding from being judged.
func packageTypes() []string {
	return append(append([]string{typeOS, typeLibrary}, osTypes()...), libraryTypes()...)
}

// severitySources lists the sources that rate findings in Trivy's database.
func severitySources() []string {
	return strings.Fields(`nvd ghsa redhat redhat-oval redhat-csaf-vex debian ubuntu centos rocky fedora
		amazon oracle-oval suse-cvrf alpine arch-linux alma azure cbl-mariner photon ruby-advisory-db
		php-security-advisories nodejs-security-wg glad osv wolfi chainguard bitnami k8s govulndb julia
		seal aqua bottlerocket echo minimos rootio rapidfort`)
}
