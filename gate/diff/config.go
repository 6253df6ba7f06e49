package diff

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// configChanges lists what differs in the configs, and in the operating system.
// Values of environment variables are in no evidence.
func configChanges(old, now *evidence.Image) []ConfigChange {
	before, after := configOf(old), configOf(now)
	out := []ConfigChange{}
	for _, what := range union(before.order, after.order) {
		if a, b := before.values[what], after.values[what]; a != b {
			out = append(out, ConfigChange{what, a, b})
		}
	}
	return out
}

// configFacts are facts about an image, by name.
type configFacts struct {
	order  []string
	values map[string]string
}

func (c *configFacts) add(what, value string) {
	c.order = append(c.order, what)
	c.values[what] = value
}

func configOf(img *evidence.Image) *configFacts {
	c := &configFacts{values: map[string]string{}}
	if sc := img.Scan; sc != nil && sc.OS != nil {
		c.add("operating system", strings.TrimSpace(sc.OS.Family+" "+sc.OS.Release))
	}
	cfg := img.Config
	if cfg == nil {
		return c
	}
	c.add("user", cfg.User)
	c.add("entrypoint", quoted(cfg.Entrypoint))
	c.add("command", quoted(cfg.Cmd))
	c.add("ports", strings.Join(cfg.ExposedPorts, ", "))
	c.add("volumes", strings.Join(cfg.Volumes, ", "))
	c.add("environment", strings.Join(slices.Sorted(slices.Values(cfg.EnvNames)), ", "))
	c.add("health check", map[bool]string{true: "yes"}[cfg.Healthcheck])
	if cfg.Created != nil {
		c.add("created", cfg.Created.UTC().Format(time.RFC3339))
	}
	c.add("layers", fmt.Sprint(len(cfg.Layers)))
	for _, name := range slices.Sorted(maps.Keys(cfg.Labels)) {
		c.add("label "+name, cfg.Labels[name])
	}
	return c
}

func quoted(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return fmt.Sprintf("%q", words)
}

// union returns the names of both lists, each once. Names that only one has come
// last, so that the order does not depend on the side.
func union(a, b []string) []string {
	var out, rest []string
	for _, name := range a {
		if slices.Contains(b, name) {
			out = append(out, name)
		} else {
			rest = append(rest, name)
		}
	}
	for _, name := range b {
		if !slices.Contains(a, name) {
			rest = append(rest, name)
		}
	}
	slices.Sort(rest)
	return append(out, rest...)
}
