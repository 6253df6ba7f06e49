package examples_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// nightly reads examples/kubernetes/nightly.yaml: its documents by kind and name.
func nightly(t *testing.T) map[string]*yaml.Node {
	t.Helper()
	f, err := os.Open(filepath.Join(root, "examples/kubernetes/nightly.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	docs := map[string]*yaml.Node{}
	for decoder := yaml.NewDecoder(f); ; {
		doc := new(yaml.Node)
		err := decoder.Decode(doc)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			t.Fatal(err)
		}
		top := doc.Content[0]
		docs[text(t, top, "kind")+"/"+text(t, top, "metadata", "name")] = top
	}
}

// at follows keys down a document.
func at(t *testing.T, n *yaml.Node, keys ...string) *yaml.Node {
	t.Helper()
	for _, key := range keys {
		if n = get(n, key); n == nil {
			t.Fatalf("there is no %s", strings.Join(keys, "."))
		}
	}
	return n
}

func text(t *testing.T, n *yaml.Node, keys ...string) string {
	t.Helper()
	return at(t, n, keys...).Value
}

func words(t *testing.T, n *yaml.Node, keys ...string) []string {
	t.Helper()
	var out []string
	for _, c := range at(t, n, keys...).Content {
		out = append(out, c.Value)
	}
	return out
}

// Each pod judges one share, and together they judge all of them.
func TestNightlySharesAddUp(t *testing.T) {
	job := at(t, nightly(t)["CronJob/imagegate-nightly"], "spec", "jobTemplate", "spec")
	container := at(t, job, "template", "spec", "containers").Content[0]
	args := words(t, container, "args")
	n := text(t, job, "completions")
	if !slices.Contains(args, "--shard=$(JOB_COMPLETION_INDEX)/"+n) || text(t, job, "completionMode") != "Indexed" {
		t.Errorf("%s pods, and args %q", n, args)
	}
	if text(t, job, "maxFailedIndexes") != n {
		t.Error("a share that fails ends the others before they have said what they found")
	}
	if args[0] != "check" {
		t.Errorf("args begin with %q", args[0])
	}
	flags := sourceOf(t, "cmd/imagegate/check.go", "cmd/imagegate/flags.go", "cmd/imagegate/shard.go")
	for _, arg := range args[1:] {
		name, value, ok := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if !strings.Contains(flags, `Name: "`+name+`"`) || !ok || value == "" {
			t.Errorf("%s: imagegate check has no such flag, or it needs a value", arg)
		}
	}
	// What args use is defined, by a Secret and not in the open.
	for _, variable := range []string{"JOB_COMPLETION_INDEX", "REDIS_PASSWORD", "IMAGEGATE_CACHE_KEY"} {
		i := slices.IndexFunc(at(t, container, "env").Content, func(n *yaml.Node) bool { return text(t, n, "name") == variable })
		if i < 0 || get(at(t, container, "env").Content[i], "valueFrom") == nil {
			t.Errorf("%s is not taken from elsewhere", variable)
		}
	}
}

func sourceOf(t *testing.T, files ...string) string {
	t.Helper()
	var all strings.Builder
	for _, name := range files {
		src, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(src)
	}
	return all.String()
}

// A refused share is not tried again: another run cannot change the answer and
// must not hide it.
func TestNightlyRetriesOnlyWhatCanHelp(t *testing.T) {
	job := at(t, nightly(t)["CronJob/imagegate-nightly"], "spec", "jobTemplate", "spec")
	rule := at(t, job, "podFailurePolicy", "rules").Content[0]
	if text(t, rule, "action") != "FailIndex" || text(t, rule, "onExitCodes", "operator") != "In" ||
		!slices.Equal(words(t, rule, "onExitCodes", "values"), []string{"1", "3"}) {
		t.Error("exit codes 1 and 3 do not fail their index at once")
	}
	if text(t, rule, "onExitCodes", "containerName") != text(t, at(t, job, "template", "spec", "containers").Content[0], "name") {
		t.Error("the rule is about another container")
	}
	if text(t, job, "template", "spec", "restartPolicy") != "Never" {
		t.Error("podFailurePolicy needs restartPolicy Never")
	}
}

// Every pod runs without privileges, from a file system that it cannot write
// to, within limits.
func TestNightlyIsHardened(t *testing.T) {
	docs := nightly(t)
	for name, pod := range map[string]*yaml.Node{
		"job":   at(t, docs["CronJob/imagegate-nightly"], "spec", "jobTemplate", "spec", "template", "spec"),
		"redis": at(t, docs["Deployment/imagegate-redis"], "spec", "template", "spec"),
	} {
		for _, c := range at(t, pod, "containers").Content {
			got := []string{
				text(t, pod, "securityContext", "runAsNonRoot"), text(t, pod, "automountServiceAccountToken"),
				text(t, pod, "securityContext", "seccompProfile", "type"),
				text(t, c, "securityContext", "readOnlyRootFilesystem"), text(t, c, "securityContext", "allowPrivilegeEscalation"),
				strings.Join(words(t, c, "securityContext", "capabilities", "drop"), " "),
			}
			if want := []string{"true", "false", "RuntimeDefault", "true", "false", "ALL"}; !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
			for _, resource := range []string{"cpu", "memory"} {
				if text(t, c, "resources", "limits", resource) == "" {
					t.Errorf("%s has no limit of %s", name, resource)
				}
			}
			if !strings.Contains(text(t, c, "image"), "@sha256:") {
				t.Errorf("%s: the image is not named by its digest", name)
			}
		}
	}
}

// Redis evicts the oldest entries and does not refuse new ones, asks for a
// password, and is found by the job and the service.
func TestNightlyRedis(t *testing.T) {
	docs := nightly(t)
	redis := at(t, docs["Deployment/imagegate-redis"], "spec", "template")
	args := strings.Join(words(t, at(t, redis, "spec", "containers").Content[0], "args"), " ")
	for _, want := range []string{"--maxmemory 3gb", "--maxmemory-policy allkeys-lru", "--requirepass $(REDIS_PASSWORD)"} {
		if !strings.Contains(args, want) {
			t.Errorf("redis-server is not started with %s", want)
		}
	}
	label := text(t, redis, "metadata", "labels", "app")
	for name, got := range map[string]string{
		"Service":       text(t, docs["Service/imagegate-redis"], "spec", "selector", "app"),
		"Deployment":    text(t, docs["Deployment/imagegate-redis"], "spec", "selector", "matchLabels", "app"),
		"NetworkPolicy": text(t, docs["NetworkPolicy/imagegate-redis"], "spec", "podSelector", "matchLabels", "app"),
	} {
		if got != label {
			t.Errorf("%s selects %q, the pod is %q", name, got, label)
		}
	}
}
