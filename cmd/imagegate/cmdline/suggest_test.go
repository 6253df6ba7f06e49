package cmdline

import "testing"

func TestSuggestOffersNothingFarAway(t *testing.T) {
	if got := Suggest("--frobnicate", []string{"--policy", "-p"}, "see --help"); got != "see --help" {
		t.Errorf("suggest = %q, want the alternative", got)
	}
}
