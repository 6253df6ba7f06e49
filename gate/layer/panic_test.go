package layer

import (
	"io"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// panics is a source that panics when it is read, after some bytes.
type panics struct{ r io.Reader }

func (p panics) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if err != nil {
		panic("ouch")
	}
	return n, nil
}

// Each stage has a goroutine of its own, in which a panic would end the program.
func TestPanicOfTheSourceIsAnError(t *testing.T) {
	for _, content := range []string{"", "\x1f\x8b", strings.Repeat("x", 1<<20)} {
		s := Spec{Digest: imagetest.HashOf([]byte(content)).String(), DiffID: imagetest.HashOf(nil).String(),
			MediaType: string(imagetest.MediaTypeOCIGzip), Size: int64(len(content)) + 1}
		_, err := Read(t.Context(), panics{strings.NewReader(content)}, s, NewBudget(DefaultLimits()),
			func(*Entry, io.Reader) error { return nil })
		if err == nil || len(content) < 1<<20 && !strings.Contains(err.Error(), "panic: ouch") {
			t.Errorf("after %d bytes: %v, want an error about the panic", len(content), err)
		}
	}
}
