package manifests

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// all asks every rule about workloads.
const all = `version: 1
extends: none
reference: {pin: any, deny-tags: [x]}
workload:
  pod-security: restricted@1.36
  run-as-non-root: true
  starts: true
  capabilities: {allow: [NET_BIND_SERVICE]}
  read-only-root: true
  deny-privileged: true
  deny-host: [network, pid, ipc, ports]
  deny-mounts: [container-runtime]
  deny-ports: [2375, 2376]
  network-policy: default-deny
  runtime-classes: [kata]
  pull-policy: always
`

func mustPolicy(t testing.TB, src string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func noon() time.Time { return time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC) }

// user is the USER of an image and what it resolves to; nil is no user at all.
type user struct {
	spec string
	uid  *int64
}

func uid(n int64) *int64 { return &n }

// imageWith is evidence about an image with a user.
func imageWith(ref string, u user) *evidence.Image {
	_, digest, named := strings.Cut(ref, "@")
	if !named {
		digest = "sha256:" + strings.Repeat("a", 64)
	}
	img := &evidence.Image{
		SchemaVersion: evidence.SchemaVersion, Reference: evidence.Reference{Asked: ref, Source: evidence.SourceRegistry, Name: ref},
		Digest: digest, Platform: "linux/amd64", Platforms: []string{"linux/amd64"}, Config: &evidence.Config{User: u.spec},
		Scan: &evidence.Scan{Need: evidence.NeedUser, User: &evidence.User{Spec: u.spec, UID: u.uid}},
	}
	if u.uid == nil {
		img.Scan.User.Problem = "it is not in /etc/passwd"
	}
	return img
}

// judge judges documents whose images all have one user.
func judge(p *policy.Policy, u user, documents ...string) (policy.ReleaseVerdict, *evidence.Release) {
	r := &evidence.Release{SchemaVersion: evidence.SchemaVersion}
	for i, d := range documents {
		r.Append(Parse(fmt.Sprintf("m%d.yaml", i), []byte(d), Options{}))
	}
	var images []*evidence.Image
	for _, ref := range r.Refs(false) {
		images = append(images, imageWith(ref, u))
	}
	return p.EvaluateRelease(r, images, noon()), r
}

// results are the answers of each rule, the worst over all workloads.
func results(v policy.ReleaseVerdict) map[string]policy.Result {
	worst := []policy.Result{policy.ResultFail, policy.ResultUndecided, policy.ResultWarn, policy.ResultPass, policy.ResultOff}
	out := map[string]policy.Result{}
	add := func(rules []policy.RuleResult) {
		for _, r := range rules {
			if old, ok := out[r.Rule]; !ok || slices.Index(worst, r.Result) < slices.Index(worst, old) {
				out[r.Rule] = r.Result
			}
		}
	}
	add(v.Rules)
	for _, w := range v.Workloads {
		add(w.Rules)
	}
	return out
}

// kubelet is the rule of the kubelet (verifyRunAsNonRoot), written from its types
// alone: whether it starts a container, and as which user, nil for one that is not
// known.
func kubelet(pod *corev1.Pod, image user) (starts bool, runs *int64) {
	c := pod.Spec.Containers[0]
	var nonRoot *bool
	if sc := pod.Spec.SecurityContext; sc != nil {
		nonRoot, runs = sc.RunAsNonRoot, sc.RunAsUser
	}
	if sc := c.SecurityContext; sc != nil {
		if sc.RunAsNonRoot != nil {
			nonRoot = sc.RunAsNonRoot
		}
		if sc.RunAsUser != nil {
			runs = sc.RunAsUser
		}
	}
	// The container runtime tells the kubelet a number or a name.
	name, _, _ := strings.Cut(image.spec, ":")
	var number int64
	_, err := fmt.Sscanf(name+"\n", "%d\n", &number)
	numeric := name == "" || err == nil
	must := nonRoot != nil && *nonRoot
	switch {
	case runs != nil:
		return !must || *runs != 0, runs
	case must && !numeric, must && numeric && number == 0:
		return false, image.uid
	}
	return true, image.uid
}

// The whole matrix of what image, pod and container say about the user agrees with
// the kubelet's rule.
func TestUserMatrix(t *testing.T) {
	p := mustPolicy(t, "version: 1\nextends: none\nreference: {pin: any, deny-tags: [x]}\nworkload: {starts: true, run-as-non-root: true}\n")
	users := []user{
		{"", uid(0)}, {"0", uid(0)}, {"00", uid(0)}, {"+0", uid(0)}, {"0:1000", uid(0)}, {":1000", uid(0)}, {"root", uid(0)}, {"toor", uid(0)},
		{"nobody", uid(65534)}, {"app:app", uid(1000)}, {"1000", uid(1000)}, {"1000:1000", uid(1000)}, {"missing", nil},
	}
	ids := []string{"", "runAsUser: 0", "runAsUser: 1000"}
	bools := []string{"", "runAsNonRoot: true", "runAsNonRoot: false"}
	context := func(parts ...string) string {
		return "{" + strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ") + "}"
	}
	cells := 0
	for _, image := range users {
		for i := range 81 {
			podUser, podBool, ownUser, ownBool := ids[i%3], bools[i/3%3], ids[i/9%3], bools[i/27]
			document := head + "  securityContext: " + context(podUser, podBool) + "\n  containers: [{name: c, image: registry.example.no/a:1, securityContext: " + context(ownUser, ownBool) + "}]\n"
			var pod corev1.Pod
			if err := yaml.Unmarshal([]byte(document), &pod); err != nil {
				t.Fatal(err)
			}
			starts, runs := kubelet(&pod, image)
			want := map[string]policy.Result{"workload.starts": policy.ResultPass, "workload.run-as-non-root": policy.ResultPass}
			if !starts {
				want["workload.starts"] = policy.ResultFail
			}
			switch {
			case runs == nil:
				want["workload.run-as-non-root"] = policy.ResultUndecided
			case *runs == 0:
				want["workload.run-as-non-root"] = policy.ResultFail
			}
			v, _ := judge(p, image, document)
			got := results(v)
			for rule, result := range want {
				if got[rule] != result {
					t.Errorf("USER %q, pod {%s %s}, container {%s %s}: %s is %s, want %s", image.spec, podUser, podBool, ownUser, ownBool, rule, got[rule], result)
				}
			}
			cells++
		}
	}
	if cells != 13*81 {
		t.Errorf("%d cells", cells)
	}
}

func sample(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Each sample fails the rules that it is there for, and gives no verdict where it
// cannot be understood.
func TestSamples(t *testing.T) {
	p := mustPolicy(t, all)
	nonRoot := user{"1000", uid(1000)}
	for name, tt := range map[string]struct {
		decision policy.Decision
		image    user
		fails    string // rules, without "workload."
	}{
		"article":               {policy.Denied, user{"", uid(0)}, "pod-security run-as-non-root starts runtime-classes pull-policy"},
		"hardened":              {policy.Passed, nonRoot, ""},
		"privileged":            {policy.Denied, nonRoot, "deny-privileged capabilities pod-security"},
		"dockersock":            {policy.Denied, nonRoot, "deny-mounts"},
		"dockersock-run":        {policy.Denied, nonRoot, "deny-mounts"},
		"containerdsock":        {policy.Denied, nonRoot, "deny-mounts"},
		"cronjob":               {policy.Denied, nonRoot, "deny-privileged"},
		"override-root":         {policy.Denied, nonRoot, "run-as-non-root"},
		"contradiction":         {policy.Denied, nonRoot, "starts run-as-non-root"},
		"drop-lower":            {policy.Denied, nonRoot, "capabilities pod-security"},
		"drop-all-add-sysadmin": {policy.Denied, nonRoot, "capabilities"},
		"rollout":               {policy.Undecided, nonRoot, ""},
		"typo-privileged":       {policy.Undecided, nonRoot, ""},
		"merge":                 {policy.Denied, nonRoot, "deny-privileged"},
		"helm-raw":              {policy.Undecided, nonRoot, ""},
		"host":                  {policy.Denied, nonRoot, "deny-host deny-ports network-policy"},
		"imagevolume":           {policy.Denied, nonRoot, "pull-policy"},
		"unconfined":            {policy.Denied, nonRoot, "pod-security deny-privileged"},
		"tag-latest":            {policy.Denied, nonRoot, "pod-security"},
		"netpol-ingress-only":   {policy.Denied, nonRoot, "network-policy"},
		"hostprocess-windows":   {policy.Denied, nonRoot, "deny-privileged deny-host"},
		"sysctl":                {policy.Denied, nonRoot, "pod-security"},
	} {
		v, _ := judge(p, tt.image, sample(t, name))
		if v.Decision != tt.decision {
			t.Errorf("%s is %s, want %s: %+v", name, v.Decision, tt.decision, v.Rules)
		}
		got := results(v)
		for _, rule := range strings.Fields(tt.fails) {
			if got["workload."+rule] != policy.ResultFail {
				t.Errorf("%s: workload.%s is %s", name, rule, got["workload."+rule])
			}
		}
	}
	entries, err := os.ReadDir("testdata")
	if err != nil || len(entries) < 22 {
		t.Errorf("%d samples, %v", len(entries), err)
	}
}

// change is a way to write a document in another way.
type change struct {
	name string
	// same is true when the document means the same: then it has the same verdict.
	// Otherwise the verdict must not become a pass.
	same bool
	do   func(string) string
}

// split cuts a stream into its documents.
func split(stream string) []string {
	var out []string
	for _, d := range strings.Split("\n"+stream, "\n---") {
		if strings.TrimSpace(d) != "" {
			out = append(out, strings.TrimPrefix(d, "\n"))
		}
	}
	return out
}

// asJSON writes each document on one line.
func asJSON(stream string, line func(json string, kind, version string) string) string {
	var out []string
	for _, d := range split(stream) {
		j, err := yaml.YAMLToJSON([]byte(d))
		var o struct{ Kind, APIVersion string }
		if err != nil || json.Unmarshal(j, &o) != nil {
			return stream
		}
		out = append(out, line(string(j), o.Kind, o.APIVersion))
	}
	return strings.Join(out, "")
}

func replace(old, new string) func(string) string {
	return func(s string) string { return strings.ReplaceAll(s, old, new) }
}

func changes() []change {
	return []change{
		{"a BOM", true, func(s string) string { return "\xef\xbb\xbf" + s }},
		{"CRLF", true, replace("\n", "\r\n")},
		{"a comment behind the mark", true, func(s string) string {
			return "--- # Source: chart/templates/x.yaml\n" + strings.ReplaceAll(s, "\n---\n", "\n--- # x\n")
		}},
		{"blanks behind the mark", true, func(s string) string { return "---  \n" + strings.ReplaceAll(s, "\n---\n", "\n---\t\n") }},
		{"empty documents", true, func(s string) string { return "---\n---\n# nothing\n---\n" + s + "\n---\n" }},
		{"documents on one line", true, func(s string) string { return asJSON(s, func(j, _, _ string) string { return "--- " + j + "\n" }) }},
		{"a List", true, func(s string) string {
			items := asJSON(s, func(j, _, _ string) string { return j + "," })
			if items == s {
				return s
			}
			return `{"apiVersion":"v1","kind":"List","items":[` + strings.TrimSuffix(items, ",") + "]}"
		}},
		{"typed lists", true, func(s string) string {
			return asJSON(s, func(j, kind, version string) string {
				return fmt.Sprintf("--- {\"apiVersion\":%q,\"kind\":%q,\"items\":[%s]}\n", version, kind+"List", j)
			})
		}},
		{"the other order", true, func(s string) string {
			d := split(s)
			slices.Reverse(d)
			return strings.Join(d, "\n---\n")
		}},
		{"wrong case of privileged", false, replace("privileged:", "Privileged:")},
		{"wrong case of securityContext", false, replace("securityContext:", "securitycontext:")},
		{"wrong case of containers", false, replace("containers:", "Containers:")},
		{"wrong case of kind", false, replace("kind:", "Kind:")},
		{"quoted true", false, replace("true", "\"true\"")},
		{"yes", false, replace("true", "yes")},
		{"quoted zero", false, replace(": 0}", ": \"0\"}")},
		{"octal zero", false, replace(": 0}", ": 00}")},
		{"CAP_", false, replace("SYS_ADMIN", "CAP_SYS_ADMIN")},
		{"lower case", false, replace("SYS_ADMIN", "sys_admin")},
		{"path with ..", false, replace("/run/", "/run/../run/")},
		{"path with slashes", false, replace("/run/", "//run//")},
		{"path by /proc", false, replace("hostPath: {path: /", "hostPath: {path: /proc/1/root/")},
		{"the directory of the socket", false, func(s string) string {
			return strings.NewReplacer("/docker.sock}", "/}", "/containerd.sock}", "}").Replace(s)
		}},
		{"an empty document first", false, func(s string) string { return "{}\n---\n" + s }},
		{"a ConfigMap first", true, func(s string) string { return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n---\n" + s }},
		{"a securityContext twice", false, func(s string) string {
			return strings.Replace(s, "securityContext:", "securityContext: {}\n    securityContext:", 1)
		}},
		{"an anchor", true, func(s string) string { return strings.Replace(s, "name: p,", "name: &anchor p,", 1) }},
		{"a List in a List", true, func(s string) string {
			items := asJSON(s, func(j, _, _ string) string { return j + "," })
			if items == s {
				return s
			}
			inner := `{"apiVersion":"v1","kind":"List","items":[` + strings.TrimSuffix(items, ",") + "]}"
			return `{"apiVersion":"v1","kind":"List","items":[` + inner + `,{"apiVersion":"v1","kind":"List","items":null}]}`
		}},
		{"the end of a document", true, func(s string) string { return s + "\n...\n" }},
		{"a directive", false, func(s string) string { return "%YAML 1.1\n---\n" + s }},
		{"UTF-16", false, func(s string) string {
			out := []byte{0xff, 0xfe}
			for _, c := range utf16.Encode([]rune(s)) {
				out = append(out, byte(c), byte(c>>8))
			}
			return string(out)
		}},
		{"on", false, replace("true", "on")},
		{"TRUE", false, replace("true", "TRUE")},
		{"tabs", false, replace(": ", ":\t")},
		{"a generated name", false, replace("metadata: {name: p", "metadata: {generateName: p-")},
		{"a version that is removed", false, replace("apps/v1", "apps/v1beta2")},
		{"an older version", false, replace("batch/v1", "batch/v1beta1")},
		{"a merge key", false, replace("spec:\n", "spec:\n  <<: {hostNetwork: false, hostPID: false, securityContext: {runAsUser: 5}}\n")},
		{"a number as a key", false, replace("spec:\n", "spec:\n  1: a\n")},
		{"null containers", false, replace("spec:\n", "spec:\n  initContainers: null\n")},
		{"null instead of containers", false, replace("containers:", "containers: null\n  ephemeralContainers:")},
		{"a null list", false, func(s string) string { return "apiVersion: v1\nkind: PodList\nitems: null\n---\n" + s }},
		{"an unknown field", false, func(s string) string { return strings.Replace(s, "spec:\n", "spec:\n  privilege: none\n", 1) }},
	}
}

// However a bad document is written, it does not pass; and what means the same has
// the same verdict.
func TestVerdictsNeverImprove(t *testing.T) {
	p := mustPolicy(t, all)
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		original := sample(t, name)
		for _, u := range []user{{"1000", uid(1000)}, {"", uid(0)}, {"nobody", uid(65534)}} {
			before, _ := judge(p, u, original)
			for _, c := range changes() {
				changed := c.do(original)
				after, r := judge(p, u, changed)
				switch {
				case changed == original:
				case before.Decision != policy.Passed && after.Decision == policy.Passed:
					t.Errorf("%s with USER %q passes with %s:\n%s", name, u.spec, c.name, changed)
				case c.same && before.Decision != after.Decision:
					t.Errorf("%s with USER %q was %s and is %s with %s: %s\n%s", name, u.spec, before.Decision, after.Decision, c.name, problems(r), changed)
				}
			}
		}
	}
}

// Two changes together improve nothing either, and neither does a good release
// beside a bad one.
func TestVerdictsNeverImproveTogether(t *testing.T) {
	p := mustPolicy(t, all)
	files, _ := filepath.Glob("testdata/*.yaml")
	u := user{"1000", uid(1000)}
	good := sample(t, "hardened")
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 1))
		name := strings.TrimSuffix(filepath.Base(files[r.IntN(len(files))]), ".yaml")
		original := sample(t, name)
		if before, _ := judge(p, u, original); before.Decision == policy.Passed {
			continue
		}
		first, second := changes()[r.IntN(len(changes()))], changes()[r.IntN(len(changes()))]
		changed := second.do(first.do(original))
		documents := []string{changed}
		if r.IntN(2) == 0 {
			documents = []string{good, changed}
		}
		if after, _ := judge(p, u, documents...); after.Decision == policy.Passed {
			t.Errorf("%s passes with %s and %s:\n%s", name, first.name, second.name, changed)
		}
	}
}

// Input without a workload gives no verdict.
func TestNothingToJudge(t *testing.T) {
	p := mustPolicy(t, all)
	for name, document := range map[string]string{
		"nothing": "", "a comment": "# nothing\n", "marks": "---\n---\n", "a ConfigMap": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "an empty list": "apiVersion: v1\nkind: List\nitems: []\n",
		"an empty map": "{}\n", "null": "null\n",
	} {
		if v, _ := judge(p, user{}, document); v.Decision != policy.Undecided {
			t.Errorf("%s is %s", name, v.Decision)
		}
	}
}
