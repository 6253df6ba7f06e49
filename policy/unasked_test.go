package policy

import (
	"slices"
	"testing"
)

// A policy that builds on none names every main question that it does not ask. One
// that builds on the built-in policy names those that it took away.
func TestUnasked(t *testing.T) {
	const user, signatures, workload = "the user that it runs as", "signatures", "how its workload runs it"
	none := "extends: none\n"
	for _, tt := range []struct {
		src  string
		want []string
	}{
		{none + "secrets: {max: 0}", []string{"vulnerabilities", user, "its reference", signatures, workload}},
		{none + "config: {user: any}\nplatforms: [linux/amd64]", []string{"vulnerabilities", user, "its reference", "secrets", signatures, workload}},
		{none + "exploited: {kev: fail}\nsecrets: {max: 0}\nconfig: {user: numeric}\nreference: {deny-tags: [latest]}\nworkload: {deny-privileged: true}", []string{signatures}},
		{none + "vulnerabilities: {max: {high: 0}}\nsecrets: {max: 0}\nconfig: {user: numeric}\nreference: {pin: any}\nworkload: {deny-privileged: true}\nlevels: {workload.deny-privileged: 'off'}", []string{"its reference", signatures, workload}},
		{"config: {user: numeric}", nil},
		{"config: {user: any}\nlevels: {reference.pin: 'off'}", []string{user, "its reference"}},
	} {
		p, err := Parse("policy.yaml", []byte("version: 1\n"+tt.src+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Unasked(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: not asked are %q, want %q", tt.src, got, tt.want)
		}
	}
	if got := Default().Unasked(); len(got) > 0 {
		t.Errorf("the built-in policy does not ask %q", got)
	}
}

// Whoever asks for a signer in any form asks about signatures.
func TestUnaskedSignatures(t *testing.T) {
	for _, src := range []string{byKey + "signatures: {require: [k]}", byKey + "decision: {signed-by: [k], max-age: 7d}"} {
		p, err := Parse("policy.yaml", []byte("version: 1\nextends: none\n"+src+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(p.Unasked(), "signatures") {
			t.Errorf("%s: signatures are not asked", src)
		}
	}
}
