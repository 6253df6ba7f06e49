package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// recipe is what a Dockerfile of our kind says: one base, files, and settings.
type recipe struct {
	base       string
	user       string
	workdir    string
	entrypoint []string
	labels     map[string]string
	copies     []copyStep
}

// copyStep is one COPY: a file of the build context and its place.
type copyStep struct{ from, to string }

// pinnedBase is the only kind of base that a release is built on.
var pinnedBase = regexp.MustCompile(`^[a-z0-9./:_-]+@sha256:[0-9a-f]{64}$`)

// parseDockerfile reads the few instructions that an image without a shell can
// have. Any other is an error: an image that is built here without it would not
// be the image that Docker builds.
func parseDockerfile(name, src string) (*recipe, error) {
	r := &recipe{labels: map[string]string{}}
	for i, line := range strings.Split(src, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		instruction, rest, _ := strings.Cut(line, " ")
		if err := r.apply(instruction, strings.TrimSpace(rest)); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
	}
	switch {
	case r.base == "":
		return nil, fmt.Errorf("%s: there is no FROM", name)
	case r.user == "":
		return nil, fmt.Errorf("%s: there is no USER, so the image runs as the user of its base", name)
	}
	return r, nil
}

// apply adds one instruction to the recipe.
func (r *recipe) apply(instruction, rest string) error {
	fields := strings.Fields(rest)
	switch instruction {
	case "ARG":
		if rest != "TARGETPLATFORM" {
			return fmt.Errorf("ARG %s: only TARGETPLATFORM is known", rest)
		}
	case "FROM":
		if r.base != "" {
			return fmt.Errorf("a second FROM: the image has one stage")
		}
		if !pinnedBase.MatchString(rest) {
			return fmt.Errorf("FROM %s: the base must be named by its digest", rest)
		}
		r.base = rest
	case "COPY":
		if len(fields) != 2 || !strings.HasPrefix(fields[1], "/") || strings.HasPrefix(fields[0], "--") {
			return fmt.Errorf("COPY %s: want one file and its absolute place", rest)
		}
		r.copies = append(r.copies, copyStep{fields[0], fields[1]})
	case "LABEL":
		key, value, ok := strings.Cut(rest, "=")
		if !ok || len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
			return fmt.Errorf(`LABEL %s: want KEY="VALUE"`, rest)
		}
		r.labels[key] = value[1 : len(value)-1]
	case "USER":
		r.user = rest
	case "WORKDIR":
		r.workdir = rest
	case "ENTRYPOINT":
		if err := json.Unmarshal([]byte(rest), &r.entrypoint); err != nil {
			return fmt.Errorf("ENTRYPOINT %s: want a JSON list, there is no shell", rest)
		}
	default:
		return fmt.Errorf("instruction %s is not one that an image without a shell needs", instruction)
	}
	return nil
}

// image builds the image from the files of the build context. Its base is a
// replacement for distroless: Debian, with one file per package.
func (r *recipe) image(context map[string][]byte, created time.Time) (*imagetest.Parts, error) {
	layers := []imagetest.Layer{rootfs.Distroless("13",
		rootfs.Pkg{Name: "base-files", Version: "13.8+deb13u2"},
		rootfs.Pkg{Name: "media-types", Version: "13.0.0"},
		rootfs.Pkg{Name: "netbase", Version: "6.5"},
		rootfs.Pkg{Name: "tzdata", Version: "2026b-0+deb13u1"},
	)}
	for _, c := range r.copies {
		body, ok := context[c.from]
		if !ok {
			return nil, fmt.Errorf("COPY %s: there is no such file to build from", c.from)
		}
		layers = append(layers, imagetest.Files(imagetest.Program(strings.TrimPrefix(c.to, "/"), body)))
	}
	labels := map[string]string{"org.opencontainers.image.revision": "selfgate"}
	for k, v := range r.labels {
		labels[k] = v
	}
	return imagetest.Spec{
		Layers: layers, User: r.user, Entrypoint: r.entrypoint, Labels: labels, Created: created,
		Config: func(c *v1.ConfigFile) { c.Config.WorkingDir = r.workdir },
	}.Build(), nil
}
