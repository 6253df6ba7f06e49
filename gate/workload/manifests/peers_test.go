package manifests

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy"
)

// mapped names the rules that ask what a check of kube-linter asks. One of them must
// not be met where the check reports a finding.
var mapped = map[string][]string{
	"privileged-container":           {"deny-privileged"},
	"privilege-escalation-container": {"deny-privileged", "pod-security"},
	"docker-sock":                    {"deny-mounts"},
	"sensitive-host-mounts":          {"pod-security"},
	"host-network":                   {"deny-host"},
	"host-pid":                       {"deny-host"},
	"host-ipc":                       {"deny-host"},
	"drop-net-raw-capability":        {"capabilities"},
	"no-read-only-root-fs":           {"read-only-root"},
	"unsafe-proc-mount":              {"deny-privileged"},
	"unsafe-sysctls":                 {"pod-security"},
	"non-isolated-pod":               {"network-policy"},
	"writable-host-mount":            {"pod-security"},
}

// randomPod writes a pod whose fields are good or bad by chance.
func randomPod(r *rand.Rand, name string) string {
	pick := func(options ...string) string { return options[r.IntN(len(options))] }
	context := pick("", "", "privileged: true", "privileged: false") + ", " + pick("", "allowPrivilegeEscalation: true", "allowPrivilegeEscalation: false") + ", " +
		pick("", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false") + ", " + pick("", "runAsNonRoot: true", "runAsUser: 0", "runAsUser: 1000") + ", " +
		pick("", "procMount: Unmasked", "procMount: Default") + ", " +
		pick("", "capabilities: {drop: [ALL]}", "capabilities: {drop: [all]}", "capabilities: {drop: [NET_RAW]}", "capabilities: {drop: [ALL], add: [NET_RAW]}", "capabilities: {add: [CAP_SYS_ADMIN]}")
	var fields []string
	for _, f := range strings.Split(context, ", ") {
		if f != "" {
			fields = append(fields, f)
		}
	}
	spec := pick("", "", "  hostNetwork: true\n") + pick("", "", "  hostPID: true\n") + pick("", "", "  hostIPC: true\n") +
		pick("", "", "  securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}\n", "  securityContext: {runAsUser: 0}\n", "  securityContext: {runAsNonRoot: true}\n")
	mount := ""
	if host := pick("", "", "/var/run/docker.sock", "/run/docker.sock", "/var/run", "/etc", "/proc", "/srv/data", "/"); host != "" {
		spec += "  volumes: [{name: h, hostPath: {path: " + host + "}}]\n"
		mount = ", volumeMounts: [{name: h, mountPath: /h" + pick("", ", readOnly: true") + "}]"
	}
	key := pick("containers", "containers", "initContainers")
	spec += "  " + key + ": [{name: c, image: 'registry.example.no/shop/web:1.4.2', securityContext: {" + strings.Join(fields, ", ") + "}" + mount + "}]\n"
	if key == "initContainers" {
		spec += "  containers: [{name: m, image: 'registry.example.no/shop/web:1.4.2'}]\n"
	}
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", namespace: shop, labels: {app: " + name + "}}\nspec:\n" + spec
}

// What kube-linter reports on a rule that is mapped is never met here. Its program is
// named by IMAGEGATE_KUBE_LINTER.
func TestKubeLinter(t *testing.T) {
	program := os.Getenv("IMAGEGATE_KUBE_LINTER")
	if program == "" {
		t.Skip("IMAGEGATE_KUBE_LINTER does not name kube-linter")
	}
	dir := t.TempDir()
	documents := map[string]string{}
	for i := range 400 {
		name := fmt.Sprintf("p%d", i)
		documents[name] = randomPod(rand.New(rand.NewPCG(uint64(i), 7)), name)
		write(t, filepath.Join(dir, name+".yaml"), documents[name])
	}
	p := mustPolicy(t, all)
	seen := map[string]int{}
	for check, rules := range mapped {
		out, _ := exec.Command(program, "lint", "--format", "json", "--do-not-auto-add-defaults", "--include", check, dir).Output()
		var report struct {
			Reports []struct {
				Object struct {
					K8sObject struct{ Name string }
				}
			}
		}
		if err := json.Unmarshal(out, &report); err != nil {
			t.Fatalf("%s: %v", check, err)
		}
		for _, found := range report.Reports {
			name := found.Object.K8sObject.Name
			v, _ := judge(p, user{"1000", uid(1000)}, documents[name])
			got, met := results(v), true
			for _, rule := range rules {
				if r := got["workload."+rule]; r == policy.ResultFail || r == policy.ResultUndecided {
					met = false
				}
			}
			if met {
				t.Errorf("kube-linter reports %s, and %v are met by\n%s", check, rules, documents[name])
			}
			seen[check]++
		}
	}
	t.Logf("findings of kube-linter: %v", seen)
}
