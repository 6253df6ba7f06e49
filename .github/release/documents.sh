#!/usr/bin/env bash
# Writes what goes into the archives beside the program: completions for four
# shells and a manual page, all made from the program's own help.
#
#   documents.sh DIRECTORY [PROGRAM]
set -euo pipefail

out=${1:?usage: documents.sh DIRECTORY [PROGRAM]}
program=${2:-}
if [[ -z $program ]]; then
	program=$out/imagegate
	mkdir -p "$out"
	# The same flags as in the build: another set would compile Trivy once more.
	CGO_ENABLED=0 GOTOOLCHAIN=go1.26.8 GOEXPERIMENT=jsonv2 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$program" ./cmd/imagegate
fi

mkdir -p "$out/completions"
"$program" completion bash >"$out/completions/imagegate.bash"
"$program" completion zsh >"$out/completions/_imagegate"
"$program" completion fish >"$out/completions/imagegate.fish"
"$program" completion powershell >"$out/completions/imagegate.ps1"

# verbatim prints help as a manual page shows it: backslashes are escapes there,
# and a line that begins with a dot or a quote is a command.
verbatim() {
	printf '.nf\n'
	"$program" "$@" --help | sed -e 's/\\/\\e/g' -e "s/^\([.']\)/\\\\\&\1/" -e 's/-/\\-/g'
	printf '.fi\n'
}

{
	printf '.TH IMAGEGATE 1\n'
	printf '.SH NAME\nimagegate \\- decide whether a container image may ship\n'
	printf '.SH SYNOPSIS\n.B imagegate\n.I command\n[\n.I options\n]\n'
	printf '.SH DESCRIPTION\n'
	verbatim
	for command in check eval policy db version completion; do
		printf '.SH "IMAGEGATE %s"\n' "$(tr '[:lower:]' '[:upper:]' <<<"$command")"
		verbatim "$command"
	done
	printf '.SH "EXIT STATUS"\n'
	printf '.TP\n.B 0\nEvery image was judged and accepted.\n'
	printf '.TP\n.B 1\nAn image was judged and rejected.\n'
	printf '.TP\n.B 2\nAn image could not be judged, or a report could not be written.\n'
	printf '.TP\n.B 3\nThe command line or the policy file is wrong.\n'
} >"$out/imagegate.1"
if [[ -z ${2:-} ]]; then rm "$program"; fi
