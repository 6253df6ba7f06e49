package main

import "testing"

func TestEditDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"check", "check", 0},
		{"chekc", "check", 1}, {"valdate", "validate", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 1},
	}
	for _, tt := range tests {
		if got := editDistance(tt.a, tt.b); got != tt.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestSuggestOffersNothingFarAway(t *testing.T) {
	if got := suggest("--frobnicate", []string{"--policy", "-p"}, "see --help"); got != "see --help" {
		t.Errorf("suggest = %q, want the alternative", got)
	}
}
