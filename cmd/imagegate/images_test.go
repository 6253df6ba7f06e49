package main

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestParseImages(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"one on each line", "app:1\nweb:2\n", []string{"app:1", "web:2"}},
		{"no newline at the end", "app:1", []string{"app:1"}},
		{"blank lines and comments", "\n# production\n\n  app:1  \n#web:2\n", []string{"app:1"}},
		{"comment after an image", "app:1 # the shop\n", []string{"app:1"}},
		{"Windows", "\ufeffapp:1\r\nweb:2\r\n", []string{"app:1", "web:2"}},
		{"twice", "app:1\napp:1\n", []string{"app:1", "app:1"}},
		{"a path with spaces", "oci:my images:1\n", []string{"oci:my images:1"}},
		{"a path with a hash", "tar:build#1.tar\n", []string{"tar:build#1.tar"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseImages("list", tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("images (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseImagesRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":          "",
		"only comments":    "# app:1\n\n",
		"two on a line":    "app:1 web:2\n",
		"a tab":            "app:1\tweb:2\n",
		"a control letter": "app:1\x1b[2J\n",
		"NUL":              "app:1\x00\n",
		"not UTF-8":        "app:\xff\n",
		"UTF-16":           "\xff\xfea\x00p\x00",
	} {
		got, err := parseImages("list", text)
		var usage *cmdline.Error
		if !errors.As(err, &usage) {
			t.Errorf("%s: got %q, %v, want a usage error", name, got, err)
		}
	}
}

// Every list names at least one image or is a mistake.
func TestParseImagesIsNeverEmpty(t *testing.T) {
	letters := []rune("a:/ #\t\r\n\x00\ufeffé\u202e\u00a0")
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	for range 20_000 {
		text := make([]rune, random.IntN(20))
		for i := range text {
			text[i] = letters[random.IntN(len(letters))]
		}
		refs, err := parseImages("list", string(text))
		if err == nil && len(refs) == 0 {
			t.Fatalf("seed %d: %q has no image and is no mistake", seed, string(text))
		}
		for _, ref := range refs {
			if ref == "" || ref != strings.TrimSpace(ref) || strings.HasPrefix(ref, "#") || strings.ContainsFunc(ref, unicode.IsControl) {
				t.Fatalf("seed %d: %q names image %q", seed, string(text), ref)
			}
		}
	}
}
