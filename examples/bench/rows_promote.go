package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// promoteRows compare imagegate promote with programs that copy, between two
// registries. The policy asks for no layer, so that what is compared is the copy; and
// imagegate reads everything back.
func (b *bench) promoteRows() ([]row, error) {
	var rows []row
	for _, other := range []struct {
		name string
		copy func(from, to string) []string
	}{
		{"crane", func(from, to string) []string { return []string{b.crane, "copy", "--insecure", from, to} }},
		{"skopeo", func(from, to string) []string {
			return []string{"skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", "docker://" + from, "docker://" + to}
		}},
	} {
		// Each run has a registry of its own: skopeo remembers where blobs are, and
		// registries keep what they have.
		fresh := func(dir string, argv func(from, to string) []string) side {
			return side{steps: []step{{argv(b.registry.ref("fat"), b.freshTarget(dir)+"/prod/fat:1.0.0"), []int{0}}}}
		}
		cold := row{
			id: "promote-" + other.name, title: "fat image, promote", other: other.name + " copy", target: 1, needs: []string{"docker-registry", "skopeo"}, cold: []string{"fat"},
			ours:  func(dir string) side { return fresh(dir, b.promote) },
			their: func(dir string) side { return fresh(dir, other.copy) },
		}
		again := cold
		again.id, again.title, again.cold = "promote-again-"+other.name, "fat image, promote again", nil
		again.target, again.noLayers = 0, true
		host := ""
		side := func(argv func(from, to string) []string) func(string) side {
			return func(string) side {
				return side{steps: []step{{argv(b.registry.ref("fat"), host+"/prod/fat:1.0.0"), []int{0}}}}
			}
		}
		again.ours, again.their = side(b.promote), side(other.copy)
		again.fill = func(ctx context.Context) error {
			host = b.freshTarget(b.work)
			return b.once(ctx, again.their)
		}
		rows = append(rows, cold, again)
	}
	return rows, nil
}

// promote is one run of imagegate promote.
func (b *bench) promote(from, to string) []string {
	return []string{b.gate, "promote", "-p", filepath.Join(b.work, "config.yaml"), "--offline", "--quiet", "--ci", "none", "--cache-dir", b.database, "--cache", noCache, from, to}
}

// freshTarget starts Debian's docker-registry with nothing in it, in place of the one
// before. It returns its host, "" when it did not start: the copy then says so.
func (b *bench) freshTarget(dir string) string {
	b.stopTarget()
	host, err := freeAddress()
	if err != nil {
		return ""
	}
	data, err := os.MkdirTemp(dir, "target-")
	if err != nil {
		return ""
	}
	config := filepath.Join(data, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %s}\n", filepath.Join(data, "blobs"), host)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return ""
	}
	cmd := exec.Command("docker-registry", "serve", config)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	stop, err := startServer(cmd, host)
	b.target = func() {
		stop()
		_ = os.RemoveAll(data)
	}
	if err != nil {
		return ""
	}
	return host
}
