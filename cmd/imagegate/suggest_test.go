package main

import "testing"

func TestSuggestOffersNothingFarAway(t *testing.T) {
	if got := suggest("--frobnicate", []string{"--policy", "-p"}, "see --help"); got != "see --help" {
		t.Errorf("suggest = %q, want the alternative", got)
	}
}
