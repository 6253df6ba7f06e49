package manifests

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/imagegate/imagegate/policy"
)

// mappedScores names the rule that asks what a check of kube-score asks.
var mappedScores = map[string]string{
	"container-security-context-privileged":             "deny-privileged",
	"container-security-context-readonlyrootfilesystem": "read-only-root",
	"container-seccomp-profile":                         "pod-security",
	"container-image-pull-policy":                       "pull-policy",
	"pod-networkpolicy":                                 "network-policy",
}

// kubeScore returns which of the checks of kube-score each pod does not meet.
func kubeScore(t *testing.T, program string, files []string) map[string][]string {
	t.Helper()
	out, _ := exec.Command(program, append([]string{"score", "-o", "json", "--enable-optional-test", "container-seccomp-profile"}, files...)...).Output()
	var objects []struct {
		Meta   struct{ Name string } `json:"object_meta"`
		Checks []struct {
			Check   struct{ ID string }
			Grade   int
			Skipped bool
		}
	}
	if err := json.Unmarshal(out, &objects); err != nil {
		t.Fatalf("kube-score: %v", err)
	}
	const met = 10
	found := map[string][]string{}
	for _, o := range objects {
		for _, c := range o.Checks {
			if !c.Skipped && c.Grade < met {
				found[o.Meta.Name] = append(found[o.Meta.Name], c.Check.ID)
			}
		}
	}
	return found
}

// What kube-score reports on a rule that is mapped is never met here. Its program is
// named by IMAGEGATE_KUBE_SCORE.
func TestKubeScore(t *testing.T) {
	program := os.Getenv("IMAGEGATE_KUBE_SCORE")
	if program == "" {
		t.Skip("IMAGEGATE_KUBE_SCORE does not name kube-score")
	}
	dir := t.TempDir()
	documents, files := map[string]string{}, []string{}
	for i := range 400 {
		name := fmt.Sprintf("p%d", i)
		documents[name] = randomPod(rand.New(rand.NewPCG(uint64(i), 11)), name)
		files = append(files, filepath.Join(dir, name+".yaml"))
		write(t, files[i], documents[name])
	}
	p := mustPolicy(t, all)
	seen := map[string]int{}
	for name, checks := range kubeScore(t, program, files) {
		v, _ := judge(p, user{"1000", uid(1000)}, documents[name])
		got := results(v)
		for _, check := range checks {
			rule := mappedScores[check]
			if rule == "" {
				continue
			}
			seen[check]++
			if r := got["workload."+rule]; r != policy.ResultFail && r != policy.ResultUndecided {
				t.Errorf("kube-score reports %s, and %s is met by\n%s", check, rule, documents[name])
			}
		}
	}
	for check := range mappedScores {
		if seen[check] == 0 {
			t.Errorf("kube-score reports %s of no pod", check)
		}
	}
	t.Logf("findings of kube-score: %v", seen)
}
