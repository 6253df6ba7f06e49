package inflate

import (
	"bytes"
	"testing"
)

// Every match is what copying byte by byte gives, and nothing beyond the room for one is
// written.
func TestRepeatMatch(t *testing.T) {
	const at = 300
	start := make([]byte, at+2*room)
	for i := range start {
		start[i] = byte(i * 7)
	}
	for back := 1; back <= at; back++ {
		for length := 3; length <= 258; length++ {
			got, want := bytes.Clone(start), bytes.Clone(start)
			repeatMatch(got, at, back, length)
			for i := at; i < at+length; i++ {
				want[i] = want[i-back]
			}
			if !bytes.Equal(got[:at+length], want[:at+length]) {
				t.Fatalf("a match of %d bytes, %d back, is wrong", length, back)
			}
			if !bytes.Equal(got[at+length+16:], start[at+length+16:]) {
				t.Fatalf("a match of %d bytes, %d back, writes more than 16 bytes too many", length, back)
			}
		}
	}
}
