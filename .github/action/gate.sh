#!/usr/bin/env bash
# The action. It judges images with a released imagegate, which it checks against
# the sums beside this script, or with one that it builds from its own commit when
# that commit belongs to no release. Works with bash 3.2, which is what macOS has.
#
#   gate.sh plan   says whether imagegate has to be built, and which directories to keep
#   gate.sh        judges
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$(cd "$here/../.." && pwd)
releases=https://github.com/imagegate/imagegate/releases/download
work=

trap '[[ -z $work ]] || rm -rf "$work"' EXIT

# finish writes the outputs that imagegate itself did not write, because it never
# ran or was killed, and ends with the code it was given.
finish() {
	local code=$1 verdict=no-verdict
	case $code in
	0) verdict=pass ;;
	1) verdict=fail ;;
	esac
	if [[ -n ${GITHUB_OUTPUT:-} ]]; then
		touch "$GITHUB_OUTPUT"
		grep -q '^verdict[=<]' "$GITHUB_OUTPUT" || printf 'verdict=%s\n' "$verdict" >>"$GITHUB_OUTPUT"
		grep -q '^exit-code[=<]' "$GITHUB_OUTPUT" || printf 'exit-code=%s\n' "$code" >>"$GITHUB_OUTPUT"
	fi
	exit "$code"
}

# refuse ends without a verdict: code 3 when the workflow is wrong, and 2 for any
# other reason.
refuse() {
	local code=$1 message=$2
	message=${message//'%'/%25}
	message=${message//$'\r'/%0D}
	message=${message//$'\n'/%0A}
	printf '::error title=imagegate: no verdict::%s\n' "$message"
	finish "$code"
}

# trim prints its argument without white space around it.
trim() {
	local s=$1
	s=${s#"${s%%[![:space:]]*}"}
	printf '%s' "${s%"${s##*[![:space:]]}"}"
}

# platform prints OS_ARCH the way the archives are named.
platform() {
	local os arch
	case $(uname -s) in
	Linux) os=linux ;;
	Darwin) os=darwin ;;
	MINGW* | MSYS* | CYGWIN*) os=windows ;;
	*) return 1 ;;
	esac
	case $(uname -m) in
	x86_64 | amd64) arch=amd64 ;;
	aarch64 | arm64) arch=arm64 ;;
	*) return 1 ;;
	esac
	printf '%s_%s' "$os" "$arch"
}

# sum prints the SHA-256 sum of a file.
sum() {
	local line
	if command -v sha256sum >/dev/null 2>&1; then
		line=$(sha256sum <"$1")
	else
		line=$(shasum -a 256 <"$1")
	fi
	printf '%s' "${line%% *}"
}

# released prints the version whose sums are beside this script.
released() {
	sed -n 's/^[0-9a-f]\{64\}  imagegate_\([0-9][0-9A-Za-z.-]*\)_linux_amd64\.tar\.gz$/\1/p' "$here/sums.txt"
}

# expected prints the sum that an archive has to have.
expected() {
	sed -n "s/^\([0-9a-f]\{64\}\)  ${1//./\\.}\$/\1/p" "$here/sums.txt"
}

# builds reports whether imagegate has to be built: no program and no release is
# asked for, and this commit of the action belongs to no release.
builds() {
	[[ -z $(trim "${INPUT_BINARY:-}") && -z $(trim "${INPUT_VERSION:-}") && -z $(released) ]]
}

# caches sets the directories in which Go keeps modules and compiled packages.
# They differ from those of the job, so that they can be kept separately.
caches() {
	local root=${XDG_CACHE_HOME:-${HOME:-${RUNNER_TEMP:-/tmp}}/.cache}/imagegate-build
	export GOCACHE=${GOCACHE:-$root/compiled} GOMODCACHE=${GOMODCACHE:-$root/modules}
}

# plan writes what the step that keeps Go's caches needs.
plan() {
	local key='' name
	if builds && name=$(platform); then
		caches
		cat "$source/go.sum" "$source/Makefile" >"$work/key"
		key=imagegate-$name-$(sum "$work/key")
	fi
	{
		printf 'key=%s\n' "$key"
		printf 'compiled=%s\n' "${GOCACHE:-}"
		printf 'modules=%s\n' "${GOMODCACHE:-}"
	} >>"$GITHUB_OUTPUT"
}

# build sets program to an imagegate that is compiled from the source beside this
# script, with the settings of the Makefile: Trivy compiles with no others.
build() {
	local settings line version
	[[ -z $(trim "${INPUT_SHA256:-}") ]] || refuse 3 "the input \"sha256\" needs the input \"version\": it is the sum of one release."
	command -v go >/dev/null 2>&1 || refuse 3 "this commit of the action belongs to no release, so imagegate has to be built, and there is no Go. Add actions/setup-go before this step, or set the input \"binary\" to an imagegate that is there already."
	settings=()
	while IFS= read -r line; do settings+=("$line"); done < <(sed -n 's/^export \(GO[A-Z]*\) *:= */\1=/p' "$source/Makefile")
	[[ ${#settings[@]} -ge 3 ]] || refuse 2 "$source/Makefile does not hold the settings to build with."
	version=${ACTION_REF:-}
	version=0.0.0-dev.${version//[^0-9A-Za-z-]/-}
	caches
	program=$work/imagegate
	if [[ $(platform) == windows_* ]]; then program+=.exe; fi
	printf 'building imagegate from %s: the first time this takes several minutes\n' "$source"
	(cd "$source" && env CGO_ENABLED=0 "${settings[@]}" go build -ldflags "-s -w -X main.version=$version" -o "$program" ./cmd/imagegate) ||
		refuse 2 "imagegate could not be built from $source; the reason is in the log above."
}

# install sets program to a checked imagegate of a release.
install() {
	local version want have archive
	version=$(trim "${INPUT_VERSION:-}")
	version=${version#v}
	want=$(trim "${INPUT_SHA256:-}")
	if [[ -z $version ]]; then
		version=$(released)
		[[ -z $want ]] || refuse 3 "the input \"sha256\" needs the input \"version\": it is the sum of one release."
	fi
	[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || refuse 3 "the input \"version\" must be the number of a release, such as 0.1.0, not \"$version\"."
	archive=imagegate_${version}_$(platform).tar.gz || refuse 2 "there is no imagegate for $(uname -s) on $(uname -m)."
	if [[ -z $want ]]; then
		want=$(expected "$archive")
		[[ -n $want ]] || refuse 3 "there is no sum for $archive in this commit of the action, so it is not run. Use the commit of the action that belongs to version $version, or set the input \"sha256\"."
	fi
	[[ $want =~ ^[0-9a-f]{64}$ ]] || refuse 3 "the input \"sha256\" must be 64 hexadecimal digits in lower case."

	# Relative names from here on: tar of Windows takes the colon of C:\ for a host.
	cd "$work"
	curl --proto '=https' --proto-redir '=https' --tlsv1.2 --fail --location --silent --show-error \
		--retry 3 --connect-timeout 20 --max-time 600 --output archive.tar.gz \
		"$releases/v$version/$archive" || refuse 2 "$releases/v$version/$archive could not be downloaded."
	have=$(sum archive.tar.gz)
	if [[ $have != "$want" ]]; then
		refuse 2 "$archive is not what was released: its SHA-256 sum is $have, and must be $want. It was not run."
	fi
	program=$work/imagegate
	if [[ $archive == *_windows_* ]]; then program+=.exe; fi
	tar -xzf archive.tar.gz "$(basename "$program")"
	cd "$OLDPWD"
}

# add appends each line of $2 to the command line, behind the flag $1 if any.
# A line is one argument: no shell reads it again.
add() {
	local line
	while IFS= read -r line || [[ -n $line ]]; do
		line=$(trim "$line")
		if [[ -n $line ]]; then command+=("$1$line"); fi
	done <<<"$2"
}

work=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/imagegate.XXXXXX")
if [[ ${1:-} == plan ]]; then
	plan
	exit
fi

images=$(trim "${INPUT_IMAGES:-}")
[[ -n $images || -n $(trim "${INPUT_MANIFESTS:-}") ]] || refuse 3 "the input \"images\" names no image. Is the step empty that should have set it?"

program=$(trim "${INPUT_BINARY:-}")
if builds; then
	build
elif [[ -z $program ]]; then
	install
elif ! command -v "$program" >/dev/null 2>&1; then
	refuse 3 "the input \"binary\" is \"$program\", and there is no such program."
fi

# Images go through standard input: none can be taken for a flag there.
command=("$program" check)
if [[ -n $images ]]; then command+=(--images=-); fi
add --manifests= "${INPUT_MANIFESTS:-}"
add --policy= "${INPUT_POLICY:-}"
add --output= "${INPUT_OUTPUTS:-}"
add '' "${INPUT_ARGS:-}"

code=0
"${command[@]}" <<<"${INPUT_IMAGES:-}" || code=$?
finish "$code"
