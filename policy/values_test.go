package policy

import "testing"

// Long lists are sorted and cut, and say that they were.
func TestFew(t *testing.T) {
	var many []string
	for i := range 30 {
		many = append(many, string(rune('z'-i%26)))
	}
	got := few(many)
	if len(got) != maxDetails+1 || got[0] != "a" || got[maxDetails] != "... and 10 more" {
		t.Errorf("few = %q", got)
	}
	if got := few(many[:maxDetails]); len(got) != maxDetails {
		t.Errorf("few cuts a list that is not too long: %q", got)
	}
	if got := few(nil); got != nil {
		t.Errorf("few(nil) = %q", got)
	}
}
