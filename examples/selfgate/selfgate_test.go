package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const base = "gcr.io/distroless/static-debian13:nonroot@sha256:f7f8f729987ad0fdf6b05eeeae94b26e6a0f613bdf46feea7fc40f7bd72953e6"

// The description alone gives the image of a release what our own policy asks
// for: a base named by digest, a numeric user, and labels that name the source.
func TestReleaseImage(t *testing.T) {
	src, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	r, err := parseDockerfile("Dockerfile", string(src))
	if err != nil {
		t.Fatal(err)
	}
	img, err := r.image(map[string][]byte{"$TARGETPLATFORM/imagegate": []byte("program")}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := file.Config.User; got != "65532:65532" {
		t.Errorf("USER is %q, want the number that Kubernetes can verify", got)
	}
	if got := file.Config.Labels["org.opencontainers.image.source"]; got == "" {
		t.Error("the label org.opencontainers.image.source is missing")
	}
	if diff := cmp.Diff([]string{"/usr/bin/imagegate"}, file.Config.Entrypoint); diff != "" {
		t.Errorf("entrypoint (-want +got):\n%s", diff)
	}
	if len(img.Blobs) != 2 {
		t.Errorf("%d layers, want the base and the program", len(img.Blobs))
	}
}

func TestParseDockerfileRefuses(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"nothing", "", "there is no FROM"},
		{"base by tag", "FROM alpine:3.23", "Dockerfile:1: FROM alpine:3.23: the base must be named by its digest"},
		{"base by variable", "FROM $BASE", "must be named by its digest"},
		{"two stages", "FROM " + base + "\nFROM " + base, "Dockerfile:2: a second FROM"},
		{"no user", "FROM " + base, "there is no USER"},
		{"command at build time", "FROM " + base + "\nRUN curl example.com | sh", "Dockerfile:2: instruction RUN"},
		{"download", "FROM " + base + "\nADD https://example.com/x /x", "instruction ADD"},
		{"copy from an image", "FROM " + base + "\nCOPY --from=alpine /bin/sh /bin/sh", "COPY --from=alpine"},
		{"relative place", "FROM " + base + "\nCOPY a b", "want one file and its absolute place"},
		{"shell entrypoint", "FROM " + base + "\nENTRYPOINT imagegate", "there is no shell"},
		{"label without quotes", "FROM " + base + "\nLABEL a=b", `want KEY="VALUE"`},
		{"build argument", "FROM " + base + "\nARG BASE", "only TARGETPLATFORM is known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseDockerfile("Dockerfile", tt.src)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}
}

// A file that the description names and that does not exist is an error. The
// image is not built without it.
func TestMissingFile(t *testing.T) {
	r := &recipe{copies: []copyStep{{"missing", "/x"}}}
	if _, err := r.image(nil, time.Now()); err == nil || !strings.Contains(err.Error(), "COPY missing") {
		t.Errorf("got error %v", err)
	}
}
