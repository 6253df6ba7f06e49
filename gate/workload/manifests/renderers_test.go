package manifests

import (
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	release "helm.sh/helm/v4/pkg/release/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/imagegate/imagegate/policy"
)

// helmTemplate renders a chart with Helm itself, as helm template does.
func helmTemplate(t *testing.T, dir string, values map[string]any) string {
	t.Helper()
	chart, err := loader.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	client := action.NewInstall(&action.Configuration{})
	client.DryRunStrategy, client.Replace = action.DryRunClient, true
	client.ReleaseName, client.Namespace, client.IncludeCRDs = "web", "shop", true
	rendered, err := client.Run(chart, values)
	if err != nil {
		t.Fatal(err)
	}
	r, ok := rendered.(*release.Release)
	if !ok {
		t.Fatalf("Helm returned %T", rendered)
	}
	out := r.Manifest
	for _, h := range r.Hooks {
		out += "---\n# Source: " + h.Path + "\n" + h.Manifest + "\n"
	}
	return out
}

// The chart that helm create writes is read whole, and judged by what its values
// say.
func TestHelm(t *testing.T) {
	chart, err := chartutil.Create("web", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := mustPolicy(t, "version: 1\nextends: none\nreference: {pin: any, deny-tags: [x]}\nworkload: {run-as-non-root: true, starts: true, deny-privileged: true}\n")
	context := func(fields map[string]any) map[string]any {
		return map[string]any{
			"securityContext": fields, "image": map[string]any{"repository": "registry.example.no/shop/web", "tag": "1.4.2"},
			"autoscaling": map[string]any{"enabled": true}, "ingress": map[string]any{"enabled": true}, "serviceAccount": map[string]any{"create": true},
		}
	}
	for name, tt := range map[string]struct {
		values map[string]any
		image  user
		want   policy.Decision
	}{
		"as it is, image of root":      {context(nil), user{"", uid(0)}, policy.Denied},
		"as it is, image of a user":    {context(nil), user{"10001", uid(10001)}, policy.Passed},
		"asks for a user that is none": {context(map[string]any{"runAsNonRoot": true}), user{"app", uid(10001)}, policy.Denied},
		"names a user":                 {context(map[string]any{"runAsNonRoot": true, "runAsUser": 10001}), user{"10001", uid(10001)}, policy.Passed},
		"privileged":                   {context(map[string]any{"privileged": true}), user{"10001", uid(10001)}, policy.Denied},
	} {
		rendered := helmTemplate(t, chart, tt.values)
		v, r := judge(p, tt.image, rendered)
		if problems(r) != "" || len(r.Workloads) != 2 || len(r.Unknown) > 0 {
			t.Errorf("%s: %d workloads, %s", name, len(r.Workloads), problems(r))
		}
		if v.Decision != tt.want {
			t.Errorf("%s is %s, want %s", name, v.Decision, tt.want)
		}
	}
}

// What kustomize prints is read whole, and its patches count.
func TestKustomize(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "base", "deployment.yaml"), sample(t, "hardened"))
	write(t, filepath.Join(dir, "base", "kustomization.yaml"), "resources: [deployment.yaml]\n")
	write(t, filepath.Join(dir, "prod", "kustomization.yaml"), `resources: [../base]
namespace: prod
images: [{name: registry.example.no/shop/web, newTag: 1.4.3}]
configMapGenerator: [{name: settings, literals: [a=b]}]
patches:
- target: {kind: Deployment}
  patch: |-
    - {op: add, path: /spec/template/spec/containers/0/securityContext/privileged, value: true}
`)
	build := func(overlay string) string {
		m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(dir, overlay))
		if err != nil {
			t.Fatal(err)
		}
		out, err := m.AsYaml()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	p := mustPolicy(t, all)
	u := user{"1000", uid(1000)}
	if v, r := judge(p, u, build("base")); v.Decision != policy.Passed || problems(r) != "" {
		t.Errorf("the base is %s: %s", v.Decision, problems(r))
	}
	v, r := judge(p, u, build("prod"))
	if v.Decision != policy.Denied || results(v)["workload.deny-privileged"] != policy.ResultFail || problems(r) != "" {
		t.Errorf("the overlay is %s: %s", v.Decision, problems(r))
	}
	if got := images(r); len(got) != 1 || !strings.Contains(got[0], ":1.4.3") || r.Workloads[0].Namespace != "prod" {
		t.Errorf("%q in %s", got, r.Workloads[0].Namespace)
	}
}
