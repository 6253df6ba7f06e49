package image

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// configFile is what we read of an image config.
type configFile struct {
	Platform
	Created *string          `json:"created"`
	Config  containerConfig  `json:"config"`
	RootFS  rootFS           `json:"rootfs"`
	History []historyElement `json:"history"`
}

type containerConfig struct {
	User         string              `json:"User"`
	Entrypoint   []string            `json:"Entrypoint"`
	Cmd          []string            `json:"Cmd"`
	Env          []string            `json:"Env"`
	Labels       map[string]string   `json:"Labels"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts"`
	Volumes      map[string]struct{} `json:"Volumes"`
	Healthcheck  *healthcheck        `json:"Healthcheck"`
}

type healthcheck struct {
	Test []string `json:"Test"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type historyElement struct {
	CreatedBy  string `json:"created_by"`
	EmptyLayer bool   `json:"empty_layer"`
}

// parseConfig reads a config whose bytes have been verified, and compares it
// with the layers that its manifest lists.
func parseConfig(raw []byte, layers []Descriptor) (*configFile, error) {
	c := new(configFile)
	if err := strictjson.Unmarshal(raw, c, strictjson.AllowUnknownKeys()); err != nil {
		return nil, err
	}
	if c.OS == "" || c.Architecture == "" {
		return nil, fmt.Errorf("it does not say for which operating system and architecture the image is")
	}
	if err := c.Platform.check(); err != nil {
		return nil, err
	}
	if c.RootFS.Type != "layers" {
		return nil, fmt.Errorf("its rootfs.type is %s, not layers", words.Quote(c.RootFS.Type))
	}
	if len(c.RootFS.DiffIDs) != len(layers) {
		return nil, fmt.Errorf("it has %d diff_ids, but the manifest has %d layers", len(c.RootFS.DiffIDs), len(layers))
	}
	if err := checkDiffIDs(c.RootFS.DiffIDs, layers); err != nil {
		return nil, err
	}
	return c, nil
}

// DiffIDs reads the diffIDs of a config.
func DiffIDs(raw []byte) ([]string, error) {
	c := new(configFile)
	if err := strictjson.Unmarshal(raw, c, strictjson.AllowUnknownKeys()); err != nil {
		return nil, err
	}
	return c.RootFS.DiffIDs, nil
}

// checkDiffIDs refuses one blob with two contents. Two blobs with one content
// are common: an empty layer that two tools compressed.
func checkDiffIDs(diffIDs []string, layers []Descriptor) error {
	content := map[string]string{}
	for i, id := range diffIDs {
		if err := CheckDigest(id); err != nil {
			return fmt.Errorf("diff_id %d: %w", i+1, err)
		}
		digest := layers[i].Digest
		if other, seen := content[digest]; seen && other != id {
			return fmt.Errorf("layer %s has two diff_ids, %s and %s", digest, other, id)
		}
		content[digest] = id
	}
	return nil
}

// steps are the history elements that made a layer, by their index.
func (c *configFile) steps() []int {
	var steps []int
	for i, h := range c.History {
		if !h.EmptyLayer {
			steps = append(steps, i)
		}
	}
	return steps
}

// lastBaseStep returns the index of the last history step of the base image, -1
// if there is none. It guesses as Trivy does (fanal/image/image.go,
// GuessBaseImageIndex): the history of a base image ends with a CMD, and the
// steps of a build on that base follow. A CMD among the steps at the very end
// belongs to the image itself.
func (c *configFile) lastBaseStep() int {
	ownLayer := false
	for i := len(c.History) - 1; i >= 0; i-- {
		h := c.History[i]
		if !h.EmptyLayer {
			ownLayer = true
			continue
		}
		if ownLayer && (strings.HasPrefix(h.CreatedBy, "/bin/sh -c #(nop)  CMD") || strings.HasPrefix(h.CreatedBy, "CMD")) {
			return i
		}
	}
	return -1
}

// facts is the config as evidence. Values of environment variables are left
// out: they may be secrets.
func (c *configFile) facts(layers []Descriptor) *evidence.Config {
	f := &evidence.Config{
		User:         c.Config.User,
		Entrypoint:   c.Config.Entrypoint,
		Cmd:          c.Config.Cmd,
		ExposedPorts: slices.Sorted(maps.Keys(c.Config.ExposedPorts)),
		Labels:       c.Config.Labels,
		Volumes:      slices.Sorted(maps.Keys(c.Config.Volumes)),
		Created:      c.created(),
		Layers:       []evidence.Layer{},
	}
	for _, env := range c.Config.Env {
		name, _, _ := strings.Cut(env, "=")
		f.EnvNames = append(f.EnvNames, name)
	}
	if h := c.Config.Healthcheck; h != nil && len(h.Test) > 0 && h.Test[0] != "" && h.Test[0] != "NONE" {
		f.Healthcheck = true
	}
	steps, base := c.steps(), c.lastBaseStep()
	for i, l := range layers {
		layer := evidence.Layer{Digest: l.Digest, DiffID: c.RootFS.DiffIDs[i], MediaType: l.MediaType, Size: l.Size}
		// A history is what a builder says, and some write a step for a layer that
		// another tool dropped. Without one step for each layer, no step belongs
		// to any.
		if len(steps) == len(layers) {
			layer.CreatedBy = c.History[steps[i]].CreatedBy
			layer.Base = steps[i] < base
		}
		f.Size += l.Size
		f.Layers = append(f.Layers, layer)
	}
	return f
}

// created is the build time, nil when it is not told. A malformed time tells
// nothing; neither does Go's zero time, which Docker wrote for "unknown".
func (c *configFile) created() *time.Time {
	if c.Created == nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, *c.Created)
	if err != nil || t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
