package policy

import (
	"testing"
	"time"
)

func TestInText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Minute: "1 minute", 90 * time.Minute: "1 hour", 24 * time.Hour: "1 day", 30 * time.Hour: "30 hours",
		49 * time.Hour: "2 days", 5 * 24 * time.Hour: "5 days",
	} {
		if got := inText(d); got != want {
			t.Errorf("inText(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestSizeText(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1500: "1.5 kB", 2e6: "2.0 MB", 3e9: "3.0 GB"} {
		if got := sizeText(n); got != want {
			t.Errorf("sizeText(%d) = %q, want %q", n, got, want)
		}
	}
}

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

func TestClip(t *testing.T) {
	long := ""
	for range 100 {
		long += "ø"
	}
	if got := []rune(clip(long)); len(got) != 63 {
		t.Errorf("clip leaves %d characters", len(got))
	}
}
