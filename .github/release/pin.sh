#!/usr/bin/env bash
# Writes the sums of a release into the action and the GitLab component.
#
#   pin.sh VERSION CHECKSUMS
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() {
	printf 'pin: %s\n' "$1" >&2
	exit 1
}

[[ $# == 2 ]] || fail "usage: pin.sh VERSION CHECKSUMS"
version=${1#v}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || fail "\"$version\" is not the number of a release"
name=imagegate_${version//./\\.}
sums=$(grep -E "^[0-9a-f]{64}  ${name}_(linux|darwin|windows)_(amd64|arm64)\.tar\.gz\$" "$2" | LC_ALL=C sort -k 2) ||
	fail "$2 holds no sum of an archive of $version"

for archive in linux_amd64 linux_arm64 darwin_amd64 darwin_arm64 windows_amd64; do
	[[ $(grep -c "  ${name}_$archive\.tar\.gz\$" <<<"$sums") == 1 ]] || fail "$2 does not hold exactly one sum of imagegate_${version}_$archive.tar.gz"
done

# action: the whole file
{
	cat <<-'END'
		# SHA-256 sums of the archives of one release, as sha256sum writes them. The
		# release workflow proposes them after it has published the archives. A commit of
		# the action then pins the program that it runs, byte for byte.
	END
	printf '%s\n' "$sums"
} >.github/action/sums.txt

# component: the lines between the marks, with their indentation
awk -v sums="$(grep _linux_ <<<"$sums")" '
	/# sums begin$/ {
		print
		indent = substr($0, 1, index($0, "#") - 1)
		n = split(sums, line, "\n")
		for (i = 1; i <= n; i++) print indent line[i]
		skip = 1
		marks++
		next
	}
	/# sums end$/ { skip = 0; marks++ }
	/# No release has been published yet\.$/ { next }
	!skip
	END { if (marks != 2) exit 1 }
' templates/gate.yml >templates/gate.yml.new || fail "templates/gate.yml has lost its marks"
mv templates/gate.yml.new templates/gate.yml
