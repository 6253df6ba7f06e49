package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

const releaseImage = "registry.example.no/shop/web:1.4.2"

// goodRelease is a release with one Deployment that meets every rule.
func goodRelease() *evidence.Release {
	at := func(line int) evidence.Place { return evidence.Place{File: "k8s.yaml", Line: line, Column: 3} }
	return &evidence.Release{
		SchemaVersion: evidence.SchemaVersion, PodSecurityVersion: "1.36",
		Documents: []evidence.Document{{File: "k8s.yaml", Kind: evidence.DocumentManifests, SHA256: strings.Repeat("a", 64), Objects: map[string]int{"Deployment": 1}}},
		Workloads: []evidence.Workload{{
			Object:   evidence.Object{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", At: at(1)},
			Document: evidence.DocumentManifests, Template: "spec.template", Labels: map[string]string{"app": "web"}, Runtime: "kata",
			Security: evidence.Security{RunAsNonRoot: ptr(true), RunAsUser: ptr(int64(10001)), Seccomp: "RuntimeDefault"},
			Containers: []evidence.Container{{
				Name: "web", Kind: evidence.ContainerMain, At: at(10), ReadOnlyRoot: true, AllowPrivilegeEscalation: ptr(false), CapabilitiesDrop: []string{"ALL"},
				Image:  evidence.ImageName{Image: releaseImage, Ref: releaseImage, At: at(11), PullPolicy: "Always"},
				Mounts: []evidence.Mount{{Volume: "tmp", Path: "/tmp"}},
				Ports:  []evidence.Port{{Port: 8080, Protocol: "tcp", At: at(20)}},
			}},
			Volumes: []evidence.Volume{{Name: "tmp", Type: "emptyDir"}},
			PodSecurity: []evidence.PodSecurity{{Level: "baseline", Version: "1.0"}, {Level: "restricted", Version: "1.0"},
				{Level: "restricted", Version: "1.19", Violations: []evidence.PodSecurityViolation{{Control: "seccompProfile", Reason: "seccompProfile", Detail: "must be set"}}}},
		}},
		NetworkPolicies: []evidence.NetworkPolicy{{Object: evidence.Object{Kind: "NetworkPolicy", Namespace: "shop", Name: "deny", At: at(40)}, Ingress: true, Egress: true}},
	}
}

// releaseImageOf is the evidence about the image of goodRelease.
func releaseImageOf() *evidence.Image {
	img := goodImage()
	img.Reference.Asked = releaseImage
	return img
}

func service(r *evidence.Release) {
	w := &r.Workloads[0]
	w.Document, w.Kind, w.Namespace, w.Security, w.Containers[0].Security = evidence.DocumentCompose, "service", "", evidence.Security{}, evidence.Security{}
}

type releaseCase struct {
	policy string
	change func(*evidence.Release, *evidence.Image)
	rule   string
	result Result
	in     string // what the answer must say
}

func runReleaseCases(t *testing.T, cases map[string]releaseCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := mustParse(t, "version: 1\nextends: none\nreference: {pin: any, deny-tags: [x]}\n"+c.policy+"\n")
			r, img := goodRelease(), releaseImageOf()
			if c.change != nil {
				c.change(r, img)
			}
			v := p.EvaluateRelease(r, []*evidence.Image{img}, noon())
			got := worstOf(t, v, c.rule)
			record(c.rule, got.Result, p)
			text := fmt.Sprint(got)
			for _, a := range adviceIn(text) {
				a.changesOnlyWhatItNames(t, c.rule)
			}
			if got.Result != c.result || !strings.Contains(text, c.in) {
				t.Errorf("%s: %+v, want %s with %q", c.rule, got, c.result, c.in)
			}
			if stops(got.Result) == (v.Decision == Passed) {
				t.Errorf("%s is %s and the release %s", c.rule, got.Result, v.Decision)
			}
			if stops(got.Result) && (got.Cure == "" || len(got.Problems) == 0) {
				t.Errorf("%s has no cure or no place: %+v", c.rule, got)
			}
		})
	}
}

// worstOf returns the worst answer of a rule about documents and workloads.
func worstOf(t *testing.T, v ReleaseVerdict, rule string) RuleResult {
	t.Helper()
	var found *RuleResult
	look := func(rules []RuleResult) {
		for i := range rules {
			if r := &rules[i]; r.Rule == rule && (found == nil || r.Result.weight() < found.Result.weight()) {
				found = r
			}
		}
	}
	look(v.Rules)
	for _, w := range v.Workloads {
		look(w.Rules)
	}
	if found == nil {
		t.Fatalf("%s has no answer", rule)
	}
	return *found
}

func container(change func(*evidence.Container)) func(*evidence.Release, *evidence.Image) {
	return func(r *evidence.Release, _ *evidence.Image) { change(&r.Workloads[0].Containers[0]) }
}

func pod(change func(*evidence.Workload)) func(*evidence.Release, *evidence.Image) {
	return func(r *evidence.Release, _ *evidence.Image) { change(&r.Workloads[0]) }
}

func release(change func(*evidence.Release)) func(*evidence.Release, *evidence.Image) {
	return func(r *evidence.Release, _ *evidence.Image) { change(r) }
}

// ofImage leaves the user to an image with this USER, resolved to uid.
func ofImage(user string, uid *int64, nonRoot *bool) func(*evidence.Release, *evidence.Image) {
	return func(r *evidence.Release, img *evidence.Image) {
		r.Workloads[0].Security.RunAsUser, r.Workloads[0].Security.RunAsNonRoot = nil, nonRoot
		img.Config.User = user
		img.Scan.User = &evidence.User{Spec: user, UID: uid, Numeric: uid != nil && user == itoa(int(*uid))}
		if uid == nil {
			img.Scan.User.Problem = "it is not in /etc/passwd"
		}
	}
}

func TestDocumentsTable(t *testing.T) {
	problem := evidence.DocumentProblem{At: evidence.Place{File: "k8s.yaml", Line: 7, Column: 5}, Field: "spec.x", Message: "unknown field", Cure: "remove it"}
	digest := "sha256:" + strings.Repeat("d", 64)
	runReleaseCases(t, map[string]releaseCase{
		"all read":               {"", nil, ruleDocuments, ResultPass, "1 document, 1 workload and 1 image"},
		"a problem":              {"", release(func(r *evidence.Release) { r.Documents[0].Problems = []evidence.DocumentProblem{problem} }), ruleDocuments, ResultUndecided, "spec.x: unknown field"},
		"never read":             {"", release(func(r *evidence.Release) { r.Documents[0].SHA256 = "" }), ruleDocuments, ResultUndecided, "was not read"},
		"no documents":           {"", release(func(r *evidence.Release) { r.Documents = nil }), ruleDocuments, ResultUndecided, "no document"},
		"no workload":            {"", release(func(r *evidence.Release) { r.Workloads = nil }), ruleDocuments, ResultUndecided, "no workload was found in k8s.yaml"},
		"written twice":          {"", release(func(r *evidence.Release) { r.Workloads = append(r.Workloads, r.Workloads[0]) }), ruleDocuments, ResultUndecided, "is written twice"},
		"a policy written twice": {"", release(func(r *evidence.Release) { r.NetworkPolicies = append(r.NetworkPolicies, r.NetworkPolicies[0]) }), ruleDocuments, ResultUndecided, "is written twice"},
		"another version":        {"", release(func(r *evidence.Release) { r.SchemaVersion = 9 }), ruleDocuments, ResultUndecided, "schema version 9"},
		"image not judged":       {"", func(_ *evidence.Release, img *evidence.Image) { img.Reference.Asked = "other" }, ruleDocuments, ResultUndecided, "see why at the image itself"},
		"image has no name": {"", container(func(c *evidence.Container) {
			c.Image = evidence.ImageName{Image: "<x>", Problem: "it is a placeholder"}
		}),
			ruleDocuments, ResultUndecided, "placeholder"},
		"another digest": {"", container(func(c *evidence.Container) { c.Image.Image += "@" + digest }), ruleDocuments, ResultUndecided, "was judged"},
		"the digest": {"", func(r *evidence.Release, img *evidence.Image) {
			r.Workloads[0].Containers[0].Image.Image += "@" + img.Digest
		},
			ruleDocuments, ResultPass, ""},
		"the digest of the index": {"", func(r *evidence.Release, img *evidence.Image) {
			img.IndexDigest = digest
			r.Workloads[0].Containers[0].Image.Image += "@" + digest
		}, ruleDocuments, ResultPass, ""},
		"a volume that was not judged": {"", pod(func(w *evidence.Workload) {
			w.Volumes = append(w.Volumes, evidence.Volume{Name: "d", Type: "image", Image: &evidence.ImageName{Image: "data:1", Ref: "data:1"}})
		}), ruleDocuments, ResultUndecided, "data:1"},
		"unknown kind":     {"", unknownRollout, ruleDocuments, ResultUndecided, "argoproj.io/Rollout"},
		"ignored kind":     {"workload: {ignore-kinds: [argoproj.io/Rollout]}", unknownRollout, ruleDocuments, ResultPass, ""},
		"another ignored":  {"workload: {ignore-kinds: [example.no/Rollout]}", unknownRollout, ruleDocuments, ResultUndecided, ""},
		"level off is off": {"workload: {starts: true}\nlevels: {workload.starts: off}", nil, ruleStarts, ResultOff, ""},
		"has a template":   {"workload: {templates: {argoproj.io/Rollout: spec.template}}", unknownRollout, ruleDocuments, ResultUndecided, ""},
	})
}

func unknownRollout(r *evidence.Release, _ *evidence.Image) {
	r.Unknown = []evidence.Object{{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "p", Why: "spec.template looks like a pod template"}}
}

// The cure for a kind that is not known names a key that helps with that object.
func TestUnknownCure(t *testing.T) {
	for want, o := range map[string]evidence.Object{
		"workload: {templates: {keda.sh/ScaledJob: spec.jobTargetRef.template}}; or": {APIVersion: "keda.sh/v1alpha1", Kind: "ScaledJob", PodTemplate: "spec.jobTargetRef.template"},
		"judge its image by itself":              {APIVersion: "monitoring.coreos.com/v1", Kind: "Prometheus"},
		"judge the manifests that it installs":   {APIVersion: "argoproj.io/v1alpha1", Kind: "Application", Installs: true},
		"ignore-kinds: [tekton.dev/Task]":        {APIVersion: "tekton.dev/v1", Kind: "Task", PodTemplate: "spec.steps[0]"},
		"ignore-kinds: [argoproj.io/AnyRollout]": {APIVersion: "argoproj.io/v1", Kind: "AnyRollout", PodTemplate: "spec.template"},
	} {
		if got := unknownCure(&o); !strings.Contains(got, want) || strings.Contains(got, "templates:") != (templateForm.MatchString(o.PodTemplate)) {
			t.Errorf("%s: %s, want %q", o.Kind, got, want)
		}
	}
}

func TestPodSecurityTable(t *testing.T) {
	const p = "workload: {pod-security: "
	runReleaseCases(t, map[string]releaseCase{
		"met":           {p + "baseline@1.36}", nil, rulePodSecurity, ResultPass, "baseline@1.36"},
		"violated":      {p + "restricted@1.36}", nil, rulePodSecurity, ResultFail, "must be set"},
		"older":         {p + "restricted@1.18}", nil, rulePodSecurity, ResultPass, ""},
		"not known yet": {p + "baseline@1.99}", nil, rulePodSecurity, ResultUndecided, "up to 1.36"},
		"not evaluated": {p + "baseline@1.36}", pod(func(w *evidence.Workload) { w.PodSecurity = nil }), rulePodSecurity, ResultUndecided, "not evaluated"},
		"a service":     {p + "baseline@1.36}", release(service), rulePodSecurity, ResultOff, ""},
		"excepted":      {p + "restricted@1.36}\nexceptions:\n- {rule: workload.pod-security, workload: shop/Deployment/web, reason: x, owner: x, expires: 2026-07-01}", nil, rulePodSecurity, ResultWarn, "excepted until"},
	})
}

func TestRunAsNonRootTable(t *testing.T) {
	const p = "workload: {run-as-non-root: true}"
	runReleaseCases(t, map[string]releaseCase{
		"by the pod":           {p, nil, ruleRunAsNonRoot, ResultPass, ""},
		"the container wins":   {p, container(func(c *evidence.Container) { c.Security.RunAsUser = ptr(int64(0)) }), ruleRunAsNonRoot, ResultFail, "runAsUser is 0"},
		"pod is root":          {p, pod(func(w *evidence.Workload) { w.Security.RunAsUser = ptr(int64(0)) }), ruleRunAsNonRoot, ResultFail, "runAsUser is 0"},
		"no such user":         {p, pod(func(w *evidence.Workload) { w.Security.RunAsUser = ptr(int64(-1)) }), ruleRunAsNonRoot, ResultUndecided, "no user"},
		"wraps to root":        {p, pod(func(w *evidence.Workload) { w.Security.RunAsUser = ptr(int64(1 << 32)) }), ruleRunAsNonRoot, ResultUndecided, "no user"},
		"image is root":        {p, ofImage("", ptr(int64(0)), nil), ruleRunAsNonRoot, ResultFail, "USER is not set"},
		"runAsNonRoot alone":   {p, ofImage("", ptr(int64(0)), ptr(true)), ruleRunAsNonRoot, ResultFail, "USER is not set"},
		"name of root":         {p, ofImage("toor", ptr(int64(0)), nil), ruleRunAsNonRoot, ResultFail, "toor"},
		"name":                 {p, ofImage("nobody", ptr(int64(65534)), nil), ruleRunAsNonRoot, ResultPass, ""},
		"name that is missing": {p, ofImage("app", nil, nil), ruleRunAsNonRoot, ResultUndecided, "/etc/passwd"},
		"image not judged": {p, func(r *evidence.Release, img *evidence.Image) {
			r.Workloads[0].Security.RunAsUser, img.Reference.Asked = nil, "x"
		}, ruleRunAsNonRoot, ResultUndecided, "see why at the image itself"},
		"no config": {p, func(r *evidence.Release, img *evidence.Image) {
			r.Workloads[0].Security.RunAsUser, img.Config = nil, nil
		}, ruleRunAsNonRoot, ResultUndecided, noConfig},
		"another platform": {p, func(r *evidence.Release, _ *evidence.Image) {
			r.Workloads[0].Security.RunAsUser, r.Workloads[0].Platforms = nil, []string{"linux/s390x"}
		}, ruleRunAsNonRoot, ResultUndecided, "nodeSelector"},
		"service user": {p, func(r *evidence.Release, _ *evidence.Image) {
			service(r)
			r.Workloads[0].Containers[0].Security.RunAsUser = ptr(int64(0))
		}, ruleRunAsNonRoot, ResultFail, "user is 0"},
		"service user root":  {p, func(r *evidence.Release, _ *evidence.Image) { service(r); r.Workloads[0].Containers[0].User = "root" }, ruleRunAsNonRoot, ResultFail, "uid 0"},
		"service user named": {p, func(r *evidence.Release, _ *evidence.Image) { service(r); r.Workloads[0].Containers[0].User = "app" }, ruleRunAsNonRoot, ResultUndecided, "app"},
		"excepted container": {p + "\nexceptions:\n- {rule: workload.run-as-non-root, workload: shop/Deployment/web/web, reason: x, owner: x, expires: 2026-07-01}",
			ofImage("", ptr(int64(0)), nil), ruleRunAsNonRoot, ResultWarn, "excepted"},
		"excepted elsewhere": {p + "\nexceptions:\n- {rule: workload.run-as-non-root, workload: shop/Deployment/web/other, reason: x, owner: x, expires: 2026-07-01}",
			ofImage("", ptr(int64(0)), nil), ruleRunAsNonRoot, ResultFail, ""},
		"exception ended": {p + "\nexceptions:\n- {rule: workload.run-as-non-root, workload: shop/Deployment/web, reason: x, owner: x, expires: 2020-07-01}",
			ofImage("", ptr(int64(0)), nil), ruleRunAsNonRoot, ResultFail, ""},
	})
}

func TestStartsTable(t *testing.T) {
	const p = "workload: {starts: true}"
	runReleaseCases(t, map[string]releaseCase{
		"runAsUser":          {p, nil, ruleStarts, ResultPass, ""},
		"contradiction":      {p, pod(func(w *evidence.Workload) { w.Security.RunAsUser = ptr(int64(0)) }), ruleStarts, ResultFail, "runAsUser is 0"},
		"root and not asked": {p, pod(func(w *evidence.Workload) { w.Security.RunAsUser, w.Security.RunAsNonRoot = ptr(int64(0)), nil }), ruleStarts, ResultPass, ""},
		"container takes back": {p, func(r *evidence.Release, img *evidence.Image) {
			ofImage("", ptr(int64(0)), ptr(true))(r, img)
			r.Workloads[0].Containers[0].Security.RunAsNonRoot = ptr(false)
		}, ruleStarts, ResultPass, ""},
		"image is root":      {p, ofImage("", ptr(int64(0)), ptr(true)), ruleStarts, ResultFail, "runs as root"},
		"image has a name":   {p, ofImage("nobody", ptr(int64(65534)), ptr(true)), ruleStarts, ResultFail, "is a name"},
		"image has a number": {p, ofImage("1000", ptr(int64(1000)), ptr(true)), ruleStarts, ResultPass, ""},
		"image has 1000:app": {p, ofImage("1000:app", nil, ptr(true)), ruleStarts, ResultPass, ""},
		"image not judged": {p, func(r *evidence.Release, img *evidence.Image) {
			r.Workloads[0].Security.RunAsUser, img.Reference.Asked = nil, "x"
		}, ruleStarts, ResultUndecided, ""},
		"a service":      {p, release(service), ruleStarts, ResultOff, ""},
		"as a warning":   {p + "\nlevels: {workload.starts: warn}", ofImage("", ptr(int64(0)), ptr(true)), ruleStarts, ResultWarn, ""},
		"in force later": {"workload: {starts: {value: true, from: 2099-01-01}}", ofImage("", ptr(int64(0)), ptr(true)), ruleStarts, ResultWarn, "2099-01-01"},
		"a control":      {"workload: {starts: {value: true, control: CIS 1}}", ofImage("", ptr(int64(0)), ptr(true)), ruleStarts, ResultFail, "CIS 1"},
	})
}

func TestWorkloadCapabilitiesTable(t *testing.T) {
	const p = "workload: {capabilities: {allow: [NET_BIND_SERVICE]}}"
	with := func(drop, add []string) func(*evidence.Release, *evidence.Image) {
		return container(func(c *evidence.Container) { c.CapabilitiesDrop, c.CapabilitiesAdd = drop, add })
	}
	all := []string{"ALL"}
	runReleaseCases(t, map[string]releaseCase{
		"drop all":               {p, nil, ruleWorkloadCapabilities, ResultPass, ""},
		"none allowed":           {"workload: {capabilities: {allow: none}}", with(all, []string{"NET_BIND_SERVICE"}), ruleWorkloadCapabilities, ResultFail, "adds NET_BIND_SERVICE"},
		"allowed":                {p, with(all, []string{"NET_BIND_SERVICE"}), ruleWorkloadCapabilities, ResultPass, ""},
		"with CAP_":              {p, with(all, []string{"CAP_NET_BIND_SERVICE"}), ruleWorkloadCapabilities, ResultPass, ""},
		"CAP_SYS_ADMIN":          {p, with(all, []string{"CAP_SYS_ADMIN"}), ruleWorkloadCapabilities, ResultFail, "SYS_ADMIN"},
		"lower case":             {p, with(all, []string{"cap_sys_admin"}), ruleWorkloadCapabilities, ResultFail, "sys_admin"},
		"add ALL":                {p, with(all, all), ruleWorkloadCapabilities, ResultFail, "adds ALL"},
		"drop all in lower case": {p, with([]string{"all"}, nil), ruleWorkloadCapabilities, ResultFail, "does not drop ALL"},
		"drops some":             {p, with([]string{"NET_RAW"}, nil), ruleWorkloadCapabilities, ResultFail, "only NET_RAW"},
		"privileged":             {p, container(func(c *evidence.Container) { c.Privileged = true }), ruleWorkloadCapabilities, ResultFail, "privileged"},
		"an init container": {p, pod(func(w *evidence.Workload) {
			w.Containers = append(w.Containers, evidence.Container{Name: "init", Kind: evidence.ContainerInit, Image: w.Containers[0].Image})
		}), ruleWorkloadCapabilities, ResultFail, "container init"},
		"windows": {p, pod(func(w *evidence.Workload) { w.OS = "windows" }), ruleWorkloadCapabilities, ResultOff, ""},
		"nodes of windows that drop nothing": {p, pod(func(w *evidence.Workload) {
			w.WindowsNodes, w.Containers[0].CapabilitiesDrop = true, nil
		}), ruleWorkloadCapabilities, ResultFail, "does not drop ALL"},
	})
}

func TestReadOnlyRootTable(t *testing.T) {
	const p = "workload: {read-only-root: true}"
	runReleaseCases(t, map[string]releaseCase{
		"read-only":        {p, nil, ruleReadOnlyRoot, ResultPass, ""},
		"writable":         {p, container(func(c *evidence.Container) { c.ReadOnlyRoot = false }), ruleReadOnlyRoot, ResultFail, "can write"},
		"no /tmp":          {p, container(func(c *evidence.Container) { c.Mounts = nil }), ruleReadOnlyRoot, ResultWarn, "/tmp"},
		"read-only /tmp":   {p, container(func(c *evidence.Container) { c.Mounts[0].ReadOnly = true }), ruleReadOnlyRoot, ResultWarn, "/tmp"},
		"a secret at /tmp": {p, pod(func(w *evidence.Workload) { w.Volumes[0].Type = "secret" }), ruleReadOnlyRoot, ResultWarn, "/tmp"},
		"a VOLUME":         {p, func(_ *evidence.Release, img *evidence.Image) { img.Config.Volumes = []string{"/data"} }, ruleReadOnlyRoot, ResultWarn, "/data"},
	})
}

func TestPrivilegedTable(t *testing.T) {
	const p = "workload: {deny-privileged: true}"
	runReleaseCases(t, map[string]releaseCase{
		"none":         {p, nil, ruleDenyPrivileged, ResultPass, ""},
		"privileged":   {p, container(func(c *evidence.Container) { c.Privileged = true }), ruleDenyPrivileged, ResultFail, "privileged"},
		"host process": {p, pod(func(w *evidence.Workload) { w.HostProcess = true }), ruleDenyPrivileged, ResultFail, "host"},
		"its own":      {p, container(func(c *evidence.Container) { c.Security.HostProcess = ptr(true) }), ruleDenyPrivileged, ResultFail, "host"},
		"unmasked":     {p, container(func(c *evidence.Container) { c.ProcMount = "Unmasked" }), ruleDenyPrivileged, ResultFail, "procMount"},
		"escalation":   {p, container(func(c *evidence.Container) { c.AllowPrivilegeEscalation = ptr(true) }), ruleDenyPrivileged, ResultFail, "allowPrivilegeEscalation"},
		"not written":  {p, container(func(c *evidence.Container) { c.AllowPrivilegeEscalation = nil }), ruleDenyPrivileged, ResultPass, ""},
	})
}

func TestHostTable(t *testing.T) {
	const p = "workload: {deny-host: [network, pid, ipc, ports]}"
	port := func(r *evidence.Release, _ *evidence.Image) { r.Workloads[0].Containers[0].Ports[0].Host = 80 }
	runReleaseCases(t, map[string]releaseCase{
		"none":          {p, nil, ruleDenyHost, ResultPass, ""},
		"network":       {p, pod(func(w *evidence.Workload) { w.HostNetwork = true }), ruleDenyHost, ResultFail, "hostNetwork"},
		"pid":           {p, pod(func(w *evidence.Workload) { w.HostPID = true }), ruleDenyHost, ResultFail, "hostPID"},
		"ipc":           {p, pod(func(w *evidence.Workload) { w.HostIPC = true }), ruleDenyHost, ResultFail, "hostIPC"},
		"ports":         {p, port, ruleDenyHost, ResultFail, "port 80"},
		"not asked":     {"workload: {deny-host: [ipc]}", port, ruleDenyHost, ResultPass, ""},
		"of a service":  {p, func(r *evidence.Release, i *evidence.Image) { service(r); port(r, i) }, ruleDenyHost, ResultPass, ""},
		"service's pid": {p, func(r *evidence.Release, _ *evidence.Image) { service(r); r.Workloads[0].HostPID = true }, ruleDenyHost, ResultFail, "pid"},
	})
}

func TestMountsTable(t *testing.T) {
	const p = "workload: {deny-mounts: [container-runtime, /etc/kubernetes]}"
	mount := func(path string) func(*evidence.Release, *evidence.Image) {
		return pod(func(w *evidence.Workload) {
			w.Volumes = append(w.Volumes, evidence.Volume{Name: "s", Type: "hostPath", HostPath: path, At: evidence.Place{File: "k8s.yaml", Line: 30, Column: 1}})
		})
	}
	cases := map[string]releaseCase{
		"none":                 {p, nil, ruleDenyMounts, ResultPass, ""},
		"any path of the host": {"workload: {deny-mounts: [host-path]}", mount("/srv"), ruleDenyMounts, ResultFail, "/srv"},
		"PersistentVolume": {p, release(func(r *evidence.Release) {
			r.PersistentVolumes = []evidence.PersistentVolume{{Object: evidence.Object{Kind: "PersistentVolume", Name: "pv"}, HostPath: "/var/run"}}
		}), ruleDenyMounts, ResultFail, "PersistentVolume pv"},
		"harmless PersistentVolume": {p, release(func(r *evidence.Release) {
			r.PersistentVolumes = []evidence.PersistentVolume{{Object: evidence.Object{Kind: "PersistentVolume", Name: "pv"}, HostPath: "/srv/data"}}
		}), ruleDenyMounts, ResultPass, ""},
		"claim": {p, release(func(r *evidence.Release) {
			r.PersistentVolumes = []evidence.PersistentVolume{{Object: evidence.Object{Kind: "PersistentVolume", Name: "pv"}, HostPath: "/run/docker.sock"}}
			r.VolumeClaims = []evidence.VolumeClaim{{Object: evidence.Object{Kind: "PersistentVolumeClaim", Name: "data", Namespace: "shop"}, Volume: "pv"}}
			r.Workloads[0].Volumes = append(r.Workloads[0].Volumes, evidence.Volume{Name: "d", Type: "persistentVolumeClaim", Claim: "data"})
		}), ruleDenyMounts, ResultFail, "docker.sock"},
		"claim of elsewhere": {p, pod(func(w *evidence.Workload) {
			w.Volumes = append(w.Volumes, evidence.Volume{Name: "d", Type: "persistentVolumeClaim", Claim: "data"})
		}), ruleDenyMounts, ResultPass, "the claim data is in no document"},
	}
	for path, denied := range map[string]bool{
		"/var/run/docker.sock": true, "/run/docker.sock": true, "/run//docker.sock": true, "/var/run/../run/docker.sock": true, "/var/run/": true, "/run": true, "/var": true,
		"/": true, "": true, "/run/containerd/containerd.sock": true, "/run/containerd": true, "/var/run/crio/crio.sock": true, "/run/podman/podman.sock": true,
		"/run/docker.sock/x": true, "/proc/1/root/run/docker.sock": true, "/proc/1/task/1/root/run/docker.sock": true, "/proc/1/root": true, "/proc/self/root/var/run": true, `\\.\pipe\docker_engine`: true,
		"//./pipe/docker_engine": true, "/run/user/1000/docker.sock": true, "/run/user": true, "/run/user/1000/podman/podman.sock": true, "/etc": true, "/etc/kubernetes": true,
		"/etc/kubernetes/pki": true, "/run/k3s": true, " /run/docker.sock": true,
		"~/.docker/run/docker.sock": true, "/home/anna/.colima/default/docker.sock": true, "/root/.docker/desktop/docker-cli.sock": true, "/srv/docker.raw.sock": true,
		"/home/anna/.local/share/containers/podman/machine/podman.sock": true, "/run/host-containerd": true, "/srv/mysqld.sock": false, "/srv/docker-socket": false,
		"/var/log": false, "/etc/ssl": false, "/run/secrets": false, "/srv/docker.sock.d": false, "/var/lib/data": false, "/run/user/1000/data": false, "/etc/kubernetes-data": false,
		"/home/run": false, "/proc": false,
	} {
		c := releaseCase{p, mount(path), ruleDenyMounts, ResultPass, ""}
		if denied {
			c.result = ResultFail
		}
		cases["path "+path] = c
	}
	runReleaseCases(t, cases)
}

func TestWorkloadPortsTable(t *testing.T) {
	const p = "workload: {deny-ports: [2375, 2376]}"
	leads := func(port evidence.ServicePort) func(*evidence.Release, *evidence.Image) {
		return release(func(r *evidence.Release) {
			port.Protocol = "tcp"
			r.Services = []evidence.Service{{Object: evidence.Object{Kind: "Service", Namespace: "shop", Name: "web"}, Ports: []evidence.ServicePort{port}}}
		})
	}
	runReleaseCases(t, map[string]releaseCase{
		"another":      {p, nil, ruleWorkloadPorts, ResultPass, ""},
		"container":    {p, container(func(c *evidence.Container) { c.Ports[0].Port = 2375 }), ruleWorkloadPorts, ResultFail, "2375/tcp"},
		"host":         {p, container(func(c *evidence.Container) { c.Ports[0].Host = 2376 }), ruleWorkloadPorts, ResultFail, "2376"},
		"in a range":   {p, container(func(c *evidence.Container) { c.Ports[0].Port, c.Ports[0].End = 2000, 3000 }), ruleWorkloadPorts, ResultFail, "2000-3000"},
		"exposed":      {p, func(_ *evidence.Release, img *evidence.Image) { img.Config.ExposedPorts = []string{"2375/tcp"} }, ruleWorkloadPorts, ResultFail, "exposes 2375/tcp"},
		"targetPort":   {p, leads(evidence.ServicePort{Port: 80, Target: 2375}), ruleWorkloadPorts, ResultFail, "targetPort"},
		"service port": {p, leads(evidence.ServicePort{Port: 2375, Target: 80}), ruleWorkloadPorts, ResultFail, "leads to port 2375"},
		"a good one":   {p, leads(evidence.ServicePort{Port: 80, Target: 8080}), ruleWorkloadPorts, ResultPass, ""},
	})
}

func TestNetworkPolicyTable(t *testing.T) {
	const p = "workload: {network-policy: default-deny}"
	policies := func(list ...evidence.NetworkPolicy) func(*evidence.Release, *evidence.Image) {
		return release(func(r *evidence.Release) {
			r.NetworkPolicies = nil
			for _, n := range list {
				n.Kind, n.Name = "NetworkPolicy", "p"+itoa(len(r.NetworkPolicies))
				r.NetworkPolicies = append(r.NetworkPolicies, n)
			}
		})
	}
	in := func(namespace string) evidence.Object { return evidence.Object{Namespace: namespace} }
	deny := evidence.NetworkPolicy{Object: in("shop"), Ingress: true, Egress: true}
	allow := evidence.NetworkPolicy{Object: in("shop"), Ingress: true, IngressRules: 1, AllowsAllIngress: true}
	some := evidence.NetworkPolicy{Object: in("shop"), Ingress: true, IngressRules: 1}
	other := evidence.Selector{Labels: map[string]string{"app": "other"}}
	runReleaseCases(t, map[string]releaseCase{
		"denies":                 {p, nil, ruleNetworkPolicy, ResultPass, ""},
		"none":                   {p, policies(), ruleNetworkPolicy, ResultFail, "no NetworkPolicy denies ingress by default in the namespace shop"},
		"ingress alone":          {p, policies(evidence.NetworkPolicy{Object: in("shop"), Ingress: true}), ruleNetworkPolicy, ResultFail, "egress"},
		"ingress is enough":      {"workload: {network-policy: ingress}", policies(evidence.NetworkPolicy{Object: in("shop"), Ingress: true}), ruleNetworkPolicy, ResultPass, ""},
		"two policies":           {p, policies(evidence.NetworkPolicy{Object: in("shop"), Ingress: true}, evidence.NetworkPolicy{Object: in("shop"), Egress: true}), ruleNetworkPolicy, ResultPass, ""},
		"an allow-all":           {p, policies(deny, allow), ruleNetworkPolicy, ResultFail, "allows all ingress"},
		"in the other order":     {p, policies(allow, deny), ruleNetworkPolicy, ResultFail, "allows all ingress"},
		"an allow-all of others": {p, policies(deny, evidence.NetworkPolicy{Object: in("shop"), Selector: other, Ingress: true, IngressRules: 1, AllowsAllIngress: true}), ruleNetworkPolicy, ResultPass, ""},
		"a rule for some":        {p, policies(deny, some), ruleNetworkPolicy, ResultPass, ""},
		"only a rule for some":   {p, policies(some), ruleNetworkPolicy, ResultFail, ""},
		"another namespace":      {p, policies(evidence.NetworkPolicy{Object: in("other"), Ingress: true, Egress: true}), ruleNetworkPolicy, ResultFail, ""},
		"no namespace":           {p, policies(evidence.NetworkPolicy{Object: in(""), Ingress: true, Egress: true}), ruleNetworkPolicy, ResultUndecided, "not all documents name their namespace"},
		"selects others":         {p, policies(evidence.NetworkPolicy{Object: in("shop"), Selector: other, Ingress: true, Egress: true}), ruleNetworkPolicy, ResultFail, ""},
		"foreign":                {p, policies(evidence.NetworkPolicy{Object: in("shop"), Foreign: true}), ruleNetworkPolicy, ResultUndecided, "another API"},
		"network of the host":    {p, pod(func(w *evidence.Workload) { w.HostNetwork = true }), ruleNetworkPolicy, ResultFail, "network of the node"},
		"a service":              {p, release(service), ruleNetworkPolicy, ResultOff, ""},
		"excepted": {p + "\nexceptions:\n- {rule: workload.network-policy, workload: shop/Deployment/web, reason: x, owner: x, expires: 2026-07-01}", policies(),
			ruleNetworkPolicy, ResultWarn, "excepted"},
	})
}

func TestSelects(t *testing.T) {
	labels := map[string]string{"app": "web", "tier": "front"}
	for name, tt := range map[string]struct {
		requirement evidence.SelectorRequirement
		want        bool
	}{
		"in": {evidence.SelectorRequirement{Key: "app", Operator: "In", Values: []string{"web"}}, true}, "not in": {evidence.SelectorRequirement{Key: "app", Operator: "NotIn", Values: []string{"web"}}, false},
		"exists": {evidence.SelectorRequirement{Key: "tier", Operator: "Exists"}, true}, "does not": {evidence.SelectorRequirement{Key: "tier", Operator: "DoesNotExist"}, false},
		"absent in": {evidence.SelectorRequirement{Key: "x", Operator: "In", Values: []string{""}}, false}, "absent not in": {evidence.SelectorRequirement{Key: "x", Operator: "NotIn", Values: []string{"a"}}, true},
		"another value": {evidence.SelectorRequirement{Key: "app", Operator: "NotIn", Values: []string{"db"}}, true},
	} {
		if got := selects(&evidence.Selector{Expressions: []evidence.SelectorRequirement{tt.requirement}}, labels); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRuntimeClassesTable(t *testing.T) {
	const p = "workload: {runtime-classes: [kata, kata-qemu]}"
	handler := func(h string) func(*evidence.Release, *evidence.Image) {
		return release(func(r *evidence.Release) {
			r.RuntimeClasses = []evidence.RuntimeClass{{Object: evidence.Object{Kind: "RuntimeClass", Name: "kata"}, Handler: h}}
		})
	}
	runReleaseCases(t, map[string]releaseCase{
		"allowed":         {p, nil, ruleRuntimeClasses, ResultPass, "kata"},
		"none":            {p, pod(func(w *evidence.Workload) { w.Runtime = "" }), ruleRuntimeClasses, ResultFail, "no runtimeClassName"},
		"another":         {p, pod(func(w *evidence.Workload) { w.Runtime = "runc" }), ruleRuntimeClasses, ResultFail, "runc"},
		"its handler":     {p, handler("kata-qemu"), ruleRuntimeClasses, ResultPass, ""},
		"another handler": {p, handler("runc"), ruleRuntimeClasses, ResultFail, "whose handler is runc"},
	})
}

func TestPullPolicyTable(t *testing.T) {
	const p = "workload: {pull-policy: always}"
	image := func(name, policy string) func(*evidence.Release, *evidence.Image) {
		return container(func(c *evidence.Container) { c.Image.Image, c.Image.PullPolicy = name, policy })
	}
	digest := "@sha256:" + strings.Repeat("a", 64)
	runReleaseCases(t, map[string]releaseCase{
		"always":           {p, nil, rulePullPolicy, ResultPass, ""},
		"if not present":   {p, image(releaseImage, "IfNotPresent"), rulePullPolicy, ResultFail, "IfNotPresent"},
		"not set":          {p, image(releaseImage, ""), rulePullPolicy, ResultFail, "not set"},
		"latest":           {p, image("registry.example.no/shop/web", ""), rulePullPolicy, ResultPass, ""},
		"never":            {p, image("registry.example.no:5000/shop/web", "Never"), rulePullPolicy, ResultFail, "Never"},
		"any is not asked": {"workload: {pull-policy: any}", image(releaseImage, "Never"), rulePullPolicy, ResultOff, ""},
		"volume": {p, pod(func(w *evidence.Workload) {
			w.Volumes = append(w.Volumes, evidence.Volume{Name: "d", Type: "image", Image: &evidence.ImageName{Image: releaseImage, Ref: releaseImage, PullPolicy: "IfNotPresent"}})
		}), rulePullPolicy, ResultFail, ""},
	})
	v := mustParse(t, "version: 1\n"+p).EvaluateRelease(func() *evidence.Release {
		r := goodRelease()
		r.Workloads[0].Containers[0].Image.Image += digest
		r.Workloads[0].Containers[0].Image.PullPolicy = "Never"
		return r
	}(), nil, noon())
	if got := worstOf(t, v, rulePullPolicy); got.Result != ResultPass {
		t.Errorf("a digest with Never: %+v", got)
	}
}
