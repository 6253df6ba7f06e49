package secretpath

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

const secretLine = "GITHUB_PAT=ghp_A1b2C3d4E5A1b2C3d4E5A1b2C3d4E5F6a7B8\n"

// written returns a text in an encoding.
func written(e Encoding, text string) []byte {
	var out bytes.Buffer
	var order binary.ByteOrder = binary.LittleEndian
	if e == UTF16BE || e == UTF32BE {
		order = binary.BigEndian
	}
	switch e.width() {
	case 2:
		_ = binary.Write(&out, order, utf16.Encode([]rune(text)))
	case 4:
		_ = binary.Write(&out, order, []rune(text))
	default:
		out.WriteString(text)
	}
	return out.Bytes()
}

// Text is text in every encoding, with a mark and without, also when a few bytes
// of it are no characters.
func TestEncodingOf(t *testing.T) {
	for name, text := range map[string]string{
		"a secret":         secretLine,
		"short":            "password=1",
		"other letters":    "größe ☃ 漢字\n" + secretLine,
		"astral":           "key 🔑\n" + secretLine,
		"lines of Windows": "a\r\n" + secretLine,
	} {
		for _, e := range []Encoding{Bytes, UTF16LE, UTF16BE, UTF32LE, UTF32BE} {
			for _, mark := range []string{"", "\ufeff"} {
				got := EncodingOf(written(e, mark+text))
				if got != e {
					t.Errorf("%s, mark %q, encoding %d: got %d", name, mark, e, got)
				}
				if b := got.Decode(written(e, mark+text)); string(b) != mark+text {
					t.Errorf("%s, mark %q, encoding %d: decoded to %q", name, mark, e, b)
				}
			}
		}
	}
	for name, tt := range map[string]struct {
		head string
		want Encoding
	}{
		"zeros before":            {strings.Repeat("\x00", 100) + secretLine, Bytes},
		"zeros behind":            {secretLine + "\x00\x00\x00", Bytes},
		"one zero in it":          {"a=1\x00" + secretLine, Bytes},
		"an escape":               {"\x1b[31m" + secretLine, Bytes},
		"Latin-1":                 {"caf\xe9\n" + secretLine, Bytes},
		"an odd byte at the end":  {string(written(UTF16LE, secretLine)) + "x", UTF16LE},
		"half a pair at the end":  {string(written(UTF16LE, secretLine)) + "\x3d\xd8", UTF16LE},
		"nothing":                 {"", NoText},
		"zeros":                   {strings.Repeat("\x00", 600), NoText},
		"an ELF file":             {"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00\x01\x00\x00\x00\x00\x10\x40\x00", NoText},
		"an image":                {"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\x00\x00\x00\x01\x00\x08\x06\x00\x00\x00", NoText},
		"numbers in 32 bits":      {"\x01\x00\x00\x00\x02\x00\x00\x00a\x00\x00\x00b\x00\x00\x00", NoText},
		"numbers behind the text": {"SQLite format 3\x00\x10\x00\x01\x01\x00\x40\x20\x20\x00\x00\x00\x02\x00\x00\x00\x03", NoText},
	} {
		if got := EncodingOf([]byte(tt.head)); got != tt.want {
			t.Errorf("%s: got %d, want %d", name, got, tt.want)
		}
	}
}

// Compressed data is not searched: it would take long and find nothing.
func TestCompressedDataIsNoText(t *testing.T) {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, HeadSize)
	for range 2000 {
		_, _ = r.Read(b)
		if e := EncodingOf(b); e != NoText && !bytes.HasPrefix(b, []byte{0xff, 0xfe}) && !bytes.HasPrefix(b, []byte{0xfe, 0xff}) {
			t.Fatalf("%x: %d", b, e)
		}
	}
}

func FuzzEncodingOf(f *testing.F) {
	for _, e := range []Encoding{Bytes, UTF16LE, UTF16BE, UTF32LE, UTF32BE} {
		f.Add(written(e, "\ufeff"+secretLine))
		f.Add(written(e, secretLine))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e := EncodingOf(b)
		out := e.Decode(b)
		if e >= UTF16LE && !utf8.Valid(out) {
			t.Errorf("encoding %d gives no UTF-8", e)
		}
		if e == NoText && utf8.Valid(b) && len(b) > 0 && len(b) < HeadSize && !bytes.ContainsFunc(b, isControl) {
			t.Errorf("%q is no text", b)
		}
	})
}
