package secretpath

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
)

const secretLine = "GITHUB_PAT=ghp_A1b2C3d4E5A1b2C3d4E5A1b2C3d4E5F6a7B8\n"

func utf16In(order binary.AppendByteOrder, text string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

func utf32In(order binary.AppendByteOrder, text string) string {
	var b []byte
	for _, r := range text {
		b = order.AppendUint32(b, uint32(r))
	}
	return string(b)
}

// head returns what IsText is to see of a file.
func head(t testing.TB, file string) []byte {
	t.Helper()
	b, err := io.ReadAll(io.LimitReader(WithoutZeros(strings.NewReader(file)), HeadSize))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A line in ASCII is found in every encoding, and whatever is around it.
func TestText(t *testing.T) {
	lines := strings.Repeat("a line of text\n", 1000)
	noise := make([]byte, 2*HeadSize)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	le, be := binary.AppendByteOrder(binary.LittleEndian), binary.AppendByteOrder(binary.BigEndian)
	for name, test := range map[string]struct {
		file string
		want bool
	}{
		"UTF-8":                       {secretLine, true},
		"other letters":               {lines + "größe ☃ 漢字\n" + secretLine, true},
		"Latin-1":                     {"caf\xe9\n" + lines + secretLine, true},
		"UTF-16, little":              {utf16In(le, lines+secretLine), true},
		"UTF-16, big":                 {utf16In(be, lines+secretLine), true},
		"UTF-16, with a mark":         {utf16In(le, "\ufeff"+secretLine), true},
		"UTF-16, big, with a mark":    {utf16In(be, "\ufeff"+secretLine), true},
		"UTF-32, little":              {utf32In(le, lines+secretLine), true},
		"UTF-32, big, with a mark":    {utf32In(be, "\ufeff"+lines+secretLine), true},
		"a mark and a zero":           {"\xff\xfe\x00\x00" + utf16In(le, secretLine), true},
		"from an odd byte on":         {"x" + utf16In(le, lines+secretLine), true},
		"behind text":                 {lines + utf16In(le, secretLine), true},
		"behind Chinese":              {utf16In(le, strings.Repeat("的一是不了人我在有他这为之大来以个中上们", 500)+"\n"+secretLine), true},
		"control characters":          {"\x01\x02\x03" + lines + secretLine, true},
		"zeros before":                {strings.Repeat("\x00", 100_000) + secretLine, true},
		"a zero in it":                {"a=1\x00" + lines + secretLine, true},
		"a small file of any kind":    {"\x7fELF\x02\x01\x01" + secretLine, true},
		"nothing":                     {"", false},
		"zeros":                       {strings.Repeat("\x00", 100_000), false},
		"compressed data":             {string(noise), false},
		"an ELF file with long names": {"\x7fELF\x02\x01\x01\x03\x3e\x01" + strings.Repeat("\x01\x40\x02\x18", 64) + strings.Repeat("a_symbol\x00", 1000), false},
		"a program, but only by name": {"\x7fELF" + lines + secretLine, true},
	} {
		if got := IsText(head(t, test.file)); got != test.want {
			t.Errorf("%s: a text: %v, want %v", name, got, test.want)
		}
		read, err := io.ReadAll(WithoutZeros(iotest.HalfReader(strings.NewReader(test.file))))
		if err != nil || test.want && !strings.Contains(string(read), secretLine) {
			t.Errorf("%s: the line is not in what is read, %v", name, err)
		}
	}
}

// Compressed data is not searched: it would take long and find nothing.
func TestCompressedDataIsNoText(t *testing.T) {
	r := rand.NewChaCha8([32]byte{2})
	b := make([]byte, 2*HeadSize)
	for range 1000 {
		_, _ = r.Read(b)
		if IsText(head(t, string(b))) {
			t.Fatalf("%x", b)
		}
	}
}

func FuzzWithoutZeros(f *testing.F) {
	f.Add([]byte(secretLine), 1)
	f.Add([]byte(utf16In(binary.LittleEndian, secretLine)), 3)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		var got bytes.Buffer
		r := WithoutZeros(bytes.NewReader(b))
		if _, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{r}, make([]byte, 1+max(0, size%64))); err != nil {
			t.Fatal(err)
		}
		if want := bytes.ReplaceAll(b, []byte{0}, nil); !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%x became %x", b, got.Bytes())
		}
	})
}
