package manifests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// head begins a Pod; what follows are fields of its spec.
const head = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\nspec:\n"

// oneContainer is a container with more of its fields behind it.
func oneContainer(fields string) string {
	return head + "  containers:\n  - name: c\n    image: registry.example.no/shop/web:1.4.2\n" + fields
}

func images(r *evidence.Release) []string {
	var out []string
	for _, u := range r.Uses() {
		out = append(out, u.Image)
	}
	return out
}

func problems(r *evidence.Release) string {
	var out []string
	for _, d := range r.Documents {
		for _, p := range d.Problems {
			out = append(out, fmt.Sprintf("%s %s: %s (%s)", p.At, p.Field, p.Message, p.Cure))
		}
	}
	return strings.Join(out, "\n")
}

// What cannot be understood is a problem at its place, with the path of the field.
func TestMistakesHaveAPlace(t *testing.T) {
	for name, tt := range map[string]struct{ document, want string }{
		"wrong case":             {oneContainer("    securityContext: {Privileged: true}\n"), "m.yaml:8:23 spec.containers[0].securityContext.Privileged: Pod has no field \"Privileged\" here (write privileged)"},
		"another wrong case":     {oneContainer("    securityContext: {runAsNonroot: true}\n"), "m.yaml:8:23 spec.containers[0].securityContext.runAsNonroot: Pod has no field \"runAsNonroot\" here (write runAsNonRoot)"},
		"unknown field":          {oneContainer("    secureContext: {}\n"), "m.yaml:8:5 spec.containers[0].secureContext"},
		"written twice":          {oneContainer("    securityContext: {privileged: true}\n    securityContext: {}\n"), "m.yaml:9:5 : the key \"securityContext\" is written twice (the first is on line 8: keep one)"},
		"quoted boolean":         {oneContainer("    securityContext: {privileged: \"true\"}\n"), "m.yaml:8:35 spec.containers[0].securityContext.privileged: privileged must be true or false, without quotes"},
		"quoted number":          {oneContainer("    securityContext: {runAsUser: \"0\"}\n"), "m.yaml:8:34 spec.containers[0].securityContext.runAsUser"},
		"number as label":        {strings.Replace(oneContainer(""), "{name: p,", "{name: p, labels: {a: 1},", 1), "m.yaml:3:33 metadata.labels.a"},
		"fraction of a user":     {oneContainer("    securityContext: {runAsUser: 1.5}\n"), "m.yaml:1:1"},
		"no kind":                {"a: b\n", "m.yaml:1:1 : the object has no apiVersion and kind"},
		"wrong case of kind":     {strings.Replace(oneContainer(""), "kind:", "Kind:", 1), "m.yaml:1:1 : the object has no apiVersion and kind"},
		"a list at the top":      {"- apiVersion: v1\n", "this is no object"},
		"a text":                 {"hello\n", "this is no object"},
		"template":               {head + "  containers:\n  - name: c\n    image: {{ .Values.image }}\n", "is this a template that was not rendered? (render it first"},
		"template on a line":     {"{{- if .Values.x }}\n" + oneContainer("") + "{{- end }}\n", "m.yaml:1:1 : the document has a template that was not rendered"},
		"template as name":       {strings.Replace(oneContainer(""), "name: p,", "name: \"{{ .Release.Name }}-p\",", 1), "m.yaml:3:18 metadata.name: \"{{ .Release.Name }}-p\" is no name of an object"},
		"placeholder namespace":  {strings.Replace(oneContainer(""), "shop}", "\"${NS}\"}", 1), "metadata.namespace"},
		"no name":                {strings.Replace(oneContainer(""), "name: p, ", "", 1), "metadata.name: the Pod has no name"},
		"no containers":          {head + "  restartPolicy: Never\n", "spec.containers: shop/Pod/p has no containers"},
		"null containers":        {head + "  containers: null\n", "has no containers"},
		"no YAML":                {"a: [\n", "m.yaml:1"},
		"tab":                    {"a:\n\tb: c\n", "m.yaml:2"},
		"behind a mistake":       {"a: [\n---\n" + oneContainer(""), "m.yaml:"},
		"alias in itself":        {"a: &a [*a]\n", "m.yaml:"},
		"a tag":                  {oneContainer("    command: !exec rm\n"), "the tag !exec has no meaning"},
		"not a number":           {oneContainer("    securityContext: {runAsUser: .nan}\n"), "is no number"},
		"kind of another group":  {"apiVersion: apps/v1\nkind: Deploymnt\nmetadata: {name: a}\n", "m.yaml:1:1 kind: Kubernetes has no Deploymnt in apps/v1"},
		"removed version":        {"apiVersion: batch/v2alpha1\nkind: CronJob\nmetadata: {name: a}\n", "Kubernetes has no CronJob in batch/v2alpha1"},
		"input of kustomize":     {"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nimages: [{name: a}]\n", "kustomize build"},
		"a bad item":             {"apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimSuffix(oneContainer("    x: y\n"), "\n"), "\n", "\n  ") + "\n", "m.yaml:11:7 items[0].spec.containers[0].x"},
		"a field of a list":      {"apiVersion: v1\nkind: List\nitem: []\nitems: []\n", "List has no field \"item\" here"},
		"item of another kind":   {"apiVersion: v1\nkind: PodList\nitems: [{kind: Deployment, apiVersion: apps/v1}]\n", "an item of a PodList has the apiVersion \"apps/v1\""},
		"items are no list":      {"apiVersion: v1\nkind: List\nitems: {}\n", "m.yaml:3:8 items: items is no list"},
		"lists in lists":         {strings.Repeat("{apiVersion: v1, kind: List, items: [", 10) + strings.Repeat("]}", 10) + "\n", "nested deeper"},
		"deep":                   {strings.Repeat("[", 300) + strings.Repeat("]", 300) + "\n", "nested deeper"},
		"operator of a selector": {"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {podSelector: {matchExpressions: [{key: a, operator: Sometimes}]}}\n", "\"Sometimes\" is no operator"},
		"zero byte":              {"a: \"\x00\"\n", "m.yaml:"},
		"no UTF-8":               {"a: \xff\n", "m.yaml:"},
		"null document key":      {"? ~\n: 1\n", "is no text"},
	} {
		r := Parse("m.yaml", []byte(tt.document), Options{})
		if got := problems(r); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q does not say %q", name, got, tt.want)
		}
		if strings.Contains(problems(r), "panic") {
			t.Errorf("%s: %s", name, problems(r))
		}
	}
}

// Streams, lists and ways of writing all have the same one Pod with one image.
func TestFormsOfDocuments(t *testing.T) {
	pod := oneContainer("    securityContext: {privileged: true}\n")
	indented := strings.ReplaceAll(strings.TrimSuffix(pod, "\n"), "\n", "\n  ")
	bare := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(pod, "apiVersion: v1\nkind: Pod\n"), "\n"), "\n", "\n  ")
	inline := `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}, "spec": {"containers": [{"name": "c", "image": "registry.example.no/shop/web:1.4.2", "securityContext": {"privileged": true}}]}}`
	configMap := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n"
	for name, document := range map[string]string{
		"plain":             pod,
		"marked":            "---\n" + pod + "...\n",
		"behind a comment":  "--- # Source: web/pod.yaml\n" + pod,
		"blanks":            "---  \n" + pod,
		"second":            configMap + "---\n" + pod,
		"second, commented": configMap + "--- # x\n" + pod,
		"empty first":       "---\n---\n# nothing\n---\n" + pod,
		"on one line":       "--- " + inline + "\n",
		"JSON":              inline,
		"JSON with tabs":    strings.ReplaceAll(inline, ": ", ":\t"),
		"JSON with escapes": strings.ReplaceAll(strings.Replace(inline, `"namespace"`, `"annotations": {"x\/y": "\ud83d\ude00"}, "namespace"`, 1), "/shop", `\/shop`),
		"BOM":               "\xef\xbb\xbf" + pod,
		"CRLF":              strings.ReplaceAll(pod, "\n", "\r\n"),
		"directive":         "%YAML 1.1\n---\n" + pod,
		"List":              "apiVersion: v1\nkind: List\nitems:\n- " + indented + "\n",
		"PodList":           "apiVersion: v1\nkind: PodList\nitems:\n- " + bare + "\n",
		"List in a List":    "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - " + strings.ReplaceAll(indented, "\n", "\n  ") + "\n",
		"anchors":           strings.Replace(pod, "name: p,", "name: &n p,", 1) + "    env: [{name: A, value: *n}]\n",
		"merge":             head + "  containers:\n  - <<: &base\n      image: registry.example.no/shop/web:1.4.2\n      securityContext: {privileged: true}\n    name: c\n",
		"yes":               strings.Replace(pod, "privileged: true", "privileged: yes", 1),
		"quoted keys":       strings.Replace(pod, "privileged: true", "\"privileged\": true", 1),
	} {
		r := Parse("m.yaml", []byte(document), Options{})
		if got := problems(r); got != "" {
			t.Errorf("%s: %s", name, got)
			continue
		}
		if len(r.Workloads) != 1 || !slices.Equal(images(r), []string{"registry.example.no/shop/web:1.4.2"}) {
			t.Errorf("%s: %d workloads with %q", name, len(r.Workloads), images(r))
			continue
		}
		w := &r.Workloads[0]
		if w.ID() != "shop/Pod/p" || w.Containers[0].Name != "c" || !w.Containers[0].Privileged {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

// Every kind of Kubernetes that has a pod template is a workload.
func TestEveryKindWithPods(t *testing.T) {
	const template = "{metadata: {labels: {app: a}}, spec: {containers: [{name: c, image: registry.example.no/a:1}], restartPolicy: Never}}"
	for kind, document := range map[string]string{
		"Deployment":            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {selector: {matchLabels: {app: a}}, template: " + template + "}\n",
		"StatefulSet":           "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a}\nspec: {serviceName: a, selector: {matchLabels: {app: a}}, template: " + template + "}\n",
		"DaemonSet":             "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: a}\nspec: {selector: {matchLabels: {app: a}}, template: " + template + "}\n",
		"ReplicaSet":            "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: a}\nspec: {selector: {matchLabels: {app: a}}, template: " + template + "}\n",
		"ReplicationController": "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: a}\nspec: {template: " + template + "}\n",
		"Job":                   "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {template: " + template + "}\n",
		"CronJob":               "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {schedule: '* * * * *', jobTemplate: {spec: {template: " + template + "}}}\n",
		"PodTemplate":           "apiVersion: v1\nkind: PodTemplate\nmetadata: {name: a}\ntemplate: " + template + "\n",
	} {
		r := Parse("m.yaml", []byte(document), Options{Namespace: "given"})
		if len(r.Workloads) != 1 || problems(r) != "" {
			t.Errorf("%s: %d workloads, %s", kind, len(r.Workloads), problems(r))
			continue
		}
		if w := &r.Workloads[0]; w.ID() != "given/"+kind+"/a" || w.Labels["app"] != "a" || w.Containers[0].Image.At.Line == 0 {
			t.Errorf("%s: %+v", kind, w)
		}
	}
}

// All images of a pod are found, and what is none says why.
func TestImagesOfAPod(t *testing.T) {
	document := head + `  initContainers: [{name: i, image: registry.example.no/init:1}]
  containers: [{name: c, image: registry.example.no/main:1}]
  ephemeralContainers: [{name: e, image: registry.example.no/debug:1}]
  volumes: [{name: d, image: {reference: registry.example.no/data:1, pullPolicy: Never}}]
`
	r := Parse("m.yaml", []byte(document), Options{})
	want := []string{"registry.example.no/init:1", "registry.example.no/main:1", "registry.example.no/debug:1", "registry.example.no/data:1"}
	if got := images(r); !slices.Equal(got, want) || problems(r) != "" {
		t.Errorf("%q, %s", got, problems(r))
	}
	if v := r.Workloads[0].Volumes[0]; v.Type != "image" || v.Image.PullPolicy != "Never" || v.Image.At.Line != 8 {
		t.Errorf("%+v", v)
	}
	for _, image := range []string{"", "${IMAGE}", "$(IMAGE)", "<your image>", "{{ .Values.image }}", "IMAGE", "tar:-", "a b", "%IMAGE%"} {
		r := Parse("m.yaml", []byte(head+"  containers: [{name: c, image: \""+image+"\"}]\n"), Options{})
		if u := r.Uses(); len(u) != 1 || u[0].Ref != "" || u[0].Problem == "" {
			t.Errorf("%q is judged as %+v", image, u)
		}
	}
}

// The kubelet knows registries alone: docker:24 is an image of Docker Hub, and not one of
// the Docker Engine.
func TestImagesNamedLikeSources(t *testing.T) {
	for _, image := range []string{"docker:24", "oci:dir", "podman:x"} {
		r := Parse("m.yaml", []byte(head+"  containers: [{name: c, image: \""+image+"\"}]\n"), Options{})
		if u := r.Uses(); len(u) != 1 || u[0].Ref != "docker.io/library/"+image || u[0].Image != image {
			t.Errorf("%q is judged as %+v", image, u)
		}
	}
}

// A kind that is not known and has what looks like a pod or an image is named.
func TestUnknownKinds(t *testing.T) {
	custom := func(kind, spec string) string {
		return "apiVersion: " + kind + "\nmetadata: {name: a}\nspec: " + spec + "\n"
	}
	const rollout = "argoproj.io/v1alpha1\nkind: Rollout"
	const template = "{metadata: {labels: {app: a}}, spec: {containers: [{name: c, image: 'registry.example.no/a:1', securityContext: {privileged: true}}]}}"
	templates := map[string]string{"argoproj.io/Rollout": "spec.template"}
	for name, tt := range map[string]struct {
		document  string
		templates map[string]string
		unknown   string // what is suspicious, "" for nothing
		workloads int
		problem   string
	}{
		"a pod template":        {custom(rollout, "{template: "+template+"}"), nil, "spec.template.spec.containers looks like the containers of a pod", 0, ""},
		"its place is known":    {custom(rollout, "{template: "+template+"}"), templates, "", 1, ""},
		"a pod spec":            {custom(rollout, "{template: {containers: [{name: c, image: 'registry.example.no/a:1'}]}}"), templates, "", 1, ""},
		"it is elsewhere":       {custom(rollout, "{workloadRef: {name: a}}"), templates, "it has no pod template at spec.template", 0, ""},
		"another image":         {custom(rollout, "{template: "+template+", sidecarImage: x}"), templates, "spec.sidecarImage looks like an image", 1, ""},
		"a mistake in it":       {custom(rollout, "{template: {spec: {containers: [{name: c, imag: x}]}}}"), templates, "", 0, "spec.template.spec.containers[0].imag"},
		"an image":              {custom("monitoring.coreos.com/v1\nkind: Prometheus", "{image: 'quay.io/p:1'}"), nil, "spec.image looks like an image", 0, ""},
		"an image in parts":     {custom("a.example/v1\nkind: A", "{image: {repository: x, tag: y}}"), nil, "spec.image looks like an image", 0, ""},
		"the name of an image":  {custom("postgresql.cnpg.io/v1\nkind: Cluster", "{imageName: 'ghcr.io/cloudnative-pg/postgresql:17'}"), nil, "spec.imageName looks like an image", 0, ""},
		"its own namespace":     {custom("serving.knative.dev/v1\nkind: Service", "{template: "+template+"}"), nil, "spec.template.spec.containers", 0, ""},
		"a pod that is placed":  {custom("cert-manager.io/v1\nkind: ClusterIssuer", "{acme: {solvers: [{http01: {ingress: {podTemplate: {metadata: {labels: {a: b}}, spec: {nodeSelector: {a: b}, tolerations: [{operator: Exists}]}}}}}]}}"), nil, "", 0, ""},
		"a pod that gets more":  {custom("cert-manager.io/v1\nkind: ClusterIssuer", "{podTemplate: {spec: {nodeSelector: {a: b}, volumes: [{name: a, hostPath: {path: /}}]}}}"), nil, "spec.podTemplate looks like a pod template", 0, ""},
		"tags that exist":       {custom("image.toolkit.fluxcd.io/v1beta2\nkind: ImageRepository", "{image: registry.example.no/shop/web}"), nil, "", 0, ""},
		"what others must be":   {custom("kyverno.io/v1\nkind: ClusterPolicy", "{rules: [{validate: {pattern: {spec: {containers: [{image: x}]}}}, verifyImages: [{imageReferences: [x]}]}]}"), nil, "", 0, ""},
		"what a policy makes":   {custom("kyverno.io/v1\nkind: ClusterPolicy", "{rules: [{validate: {message: no}, generate: {data: {spec: {containers: [{image: x}]}}}}]}"), nil, "spec.rules[0].generate.data.spec.containers looks like", 0, ""},
		"a rule of no policy":   {custom("a.example/v1\nkind: ClusterPolicy", "{rules: [{validate: {pattern: {spec: {containers: [{image: x}]}}}}]}"), nil, "spec.rules[0].validate.pattern.spec.containers looks like", 0, ""},
		"allowed images":        {custom("constraints.gatekeeper.sh/v1beta1\nkind: K8sAllowedRepos", "{parameters: {exemptImages: [a]}}"), nil, "", 0, ""},
		"numbers of Knative":    {custom("serving.knative.dev/v1\nkind: Service", "{template: {spec: {containerConcurrency: 10, timeoutSeconds: 5, containers: [{image: 'registry.example.no/a:1'}]}}}"), map[string]string{"serving.knative.dev/Service": "spec.template"}, "", 1, ""},
		"no number of Knative":  {custom("serving.knative.dev/v1\nkind: Service", "{template: {spec: {timeoutSeconds: {image: x}, containers: [{image: 'registry.example.no/a:1'}]}}}"), map[string]string{"serving.knative.dev/Service": "spec.template"}, "", 0, "timeoutSeconds"},
		"numbers of others":     {custom(rollout, "{template: {spec: {containerConcurrency: 10, containers: [{name: c, image: 'registry.example.no/a:1'}]}}}"), templates, "", 0, "containerConcurrency"},
		"something deployed":    {custom("argoproj.io/v1alpha1\nkind: Application", "{source: {path: x}}"), nil, "it installs manifests", 0, ""},
		"runs nothing":          {custom("cert-manager.io/v1\nkind: Certificate", "{secretName: a, imagePullSecrets: [{name: x}]}"), nil, "", 0, ""},
		"a definition":          {custom("apiextensions.k8s.io/v1\nkind: CustomResourceDefinition", "{versions: [{schema: {image: {type: string}}}]}"), nil, "", 0, ""},
		"a list of its own":     {"apiVersion: argoproj.io/v1alpha1\nkind: RolloutList\nitems:\n- {metadata: {name: a}, spec: {template: " + template + "}}\n", templates, "", 1, ""},
		"a list that runs":      {"apiVersion: a.example/v1\nkind: AllowList\nmetadata: {name: a}\nspec: {template: " + template + "}\nitems: []\n", nil, "spec.template.spec.containers looks like", 0, ""},
		"pod security policy":   {custom("policy/v1beta1\nkind: PodSecurityPolicy", "{}"), nil, "", 0, ""},
		"policy of another API": {custom("cilium.io/v2\nkind: CiliumNetworkPolicy", "{}"), nil, "", 0, ""},
	} {
		r := Parse("m.yaml", []byte(tt.document), Options{Templates: tt.templates})
		why := ""
		for _, o := range r.Unknown {
			why += o.Why
		}
		if !strings.Contains(why, tt.unknown) || (tt.unknown == "") != (len(r.Unknown) == 0) || len(r.Workloads) != tt.workloads || !strings.Contains(problems(r), tt.problem) || tt.problem == "" && problems(r) != "" {
			t.Errorf("%s: unknown %q, %d workloads, problems %q", name, why, len(r.Workloads), problems(r))
		}
	}
}

// The place of what seems to be a pod template is named, so that a policy can name it.
func TestPlaceOfUnknownTemplate(t *testing.T) {
	const containers = "{containers: [{name: c, image: 'registry.example.no/a:1'}]}"
	for spec, want := range map[string]string{
		"{jobTargetRef: {template: {spec: " + containers + "}}}": "spec.jobTargetRef.template",
		"{podSpec: " + containers + "}":                          "spec.podSpec",
		"{podTemplate: {spec: " + containers + "}}":              "spec.podTemplate",
		"{runner: " + containers + "}":                           "spec.runner",
		containers:                                               "spec",
		"{nodes: [{template: {spec: " + containers + "}}]}":      "",
		"{image: x}": "",
	} {
		r := Parse("m.yaml", []byte("apiVersion: a.example/v1\nkind: A\nmetadata: {name: a}\nspec: "+spec+"\n"), Options{})
		if len(r.Unknown) != 1 || r.Unknown[0].PodTemplate != want {
			t.Fatalf("%s: %+v, want %q", spec, r.Unknown, want)
		}
		if want == "" {
			continue
		}
		o := Options{Templates: map[string]string{"a.example/A": want}}
		if r := Parse("m.yaml", []byte("apiVersion: a.example/v1\nkind: A\nmetadata: {name: a}\nspec: "+spec+"\n"), o); len(r.Workloads) != 1 || len(r.Unknown) > 0 {
			t.Errorf("%s: a policy that names %s has %d workloads, %+v, %s", spec, want, len(r.Workloads), r.Unknown, problems(r))
		}
	}
	r := Parse("m.yaml", []byte("apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\n"), Options{})
	if len(r.Unknown) != 1 || !r.Unknown[0].Installs {
		t.Errorf("an Application: %+v", r.Unknown)
	}
}

// The fields of pods and containers arrive where rules look for them.
func TestFieldsArrive(t *testing.T) {
	document := head + `  os: {name: linux}
  hostNetwork: true
  hostPID: true
  hostIPC: true
  hostUsers: false
  runtimeClassName: kata
  nodeSelector: {kubernetes.io/arch: arm64}
  securityContext: {runAsUser: 0755, runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}, windowsOptions: {hostProcess: true, runAsUserName: ContainerUser}}
  containers:
  - name: c
    image: registry.example.no/a:1
    imagePullPolicy: Always
    ports: [{containerPort: 80, hostPort: 8080, protocol: UDP}]
    volumeMounts: [{name: h, mountPath: /h, readOnly: true}]
    securityContext:
      privileged: true
      procMount: Unmasked
      readOnlyRootFilesystem: true
      allowPrivilegeEscalation: false
      capabilities: {add: [cap_sys_admin, NET_RAW], drop: [all]}
  volumes: [{name: h, hostPath: {path: /run/../run/docker.sock}}, {name: c, persistentVolumeClaim: {claimName: data}}, {name: e}]
`
	r := Parse("m.yaml", []byte(document), Options{})
	if problems(r) != "" {
		t.Fatal(problems(r))
	}
	w := &r.Workloads[0]
	c := &w.Containers[0]
	for name, ok := range map[string]bool{
		"pod":          w.HostNetwork && w.HostPID && w.HostIPC && w.HostUsers != nil && !*w.HostUsers && w.Runtime == "kata" && w.OS == "linux" && w.HostProcess && w.Security.RunAsUserName == "ContainerUser",
		"platforms":    slices.Equal(w.Platforms, []string{"linux/arm64"}),
		"octal user":   *w.Security.RunAsUser == 0o755 && *w.Security.RunAsNonRoot && w.Security.Seccomp == "RuntimeDefault",
		"container":    c.Privileged && c.ProcMount == "Unmasked" && c.ReadOnlyRoot && !*c.AllowPrivilegeEscalation,
		"capabilities": slices.Equal(c.CapabilitiesAdd, []string{"SYS_ADMIN", "NET_RAW"}) && slices.Equal(c.CapabilitiesDrop, []string{"all"}),
		"port":         c.Ports[0] == evidence.Port{Port: 80, Host: 8080, Protocol: "udp", At: c.Ports[0].At},
		"mount":        c.Mounts[0].Path == "/h" && c.Mounts[0].ReadOnly,
		"volumes":      w.Volumes[0].HostPath == "/run/../run/docker.sock" && w.Volumes[1].Claim == "data" && w.Volumes[2].Type == "emptyDir",
		"pull policy":  c.Image.PullPolicy == "Always" && c.Image.PullPolicyAt.Line == 16,
		"places":       w.Places["hostNetwork"].Line == 6 && w.Places["securityContext.runAsUser"].Line == 12 && c.Places["securityContext.capabilities.add"].Line == 24,
	} {
		if !ok {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

// What network policies say of everyone is seen in each form.
func TestNetworkPolicies(t *testing.T) {
	for spec, want := range map[string]evidence.NetworkPolicy{
		"{podSelector: {}, policyTypes: [Ingress, Egress]}": {Ingress: true, Egress: true},
		"{podSelector: {}}":                                                                            {Ingress: true},
		"{podSelector: {}, egress: [{}]}":                                                              {Ingress: true, Egress: true, EgressRules: 1, AllowsAllEgress: true},
		"{podSelector: {}, ingress: [{}], policyTypes: [Ingress]}":                                     {Ingress: true, IngressRules: 1, AllowsAllIngress: true},
		"{podSelector: {}, ingress: [{from: []}], policyTypes: [Ingress]}":                             {Ingress: true, IngressRules: 1, AllowsAllIngress: true},
		"{podSelector: {}, ingress: [{from: [{podSelector: {}}]}], policyTypes: [Ingress]}":            {Ingress: true, IngressRules: 1},
		"{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}], policyTypes: [Ingress]}":      {Ingress: true, IngressRules: 1, AllowsAllIngress: true},
		"{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}], policyTypes: [Ingress]}": {Ingress: true, IngressRules: 1, AllowsAllIngress: true},
		"{podSelector: {}, ingress: [{ports: [{port: 443}]}], policyTypes: [Ingress]}":                 {Ingress: true, IngressRules: 1},
		"{podSelector: {}, ingress: [{ports: [{protocol: TCP}]}], policyTypes: [Ingress]}":             {Ingress: true, IngressRules: 1, AllowsAllIngress: true},
		"{podSelector: {}, ingress: [{ports: [{port: 1, endPort: 65535}]}], policyTypes: [Ingress]}":   {Ingress: true, IngressRules: 1, AllowsAllIngress: true},
	} {
		r := Parse("m.yaml", []byte("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: "+spec+"\n"), Options{})
		if problems(r) != "" || len(r.NetworkPolicies) != 1 {
			t.Errorf("%s: %s", spec, problems(r))
			continue
		}
		got := r.NetworkPolicies[0]
		got.Object = evidence.Object{}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, want %+v", spec, got, want)
		}
	}
}

// Other objects that rules need are there.
func TestObjectsOfACluster(t *testing.T) {
	r := Parse("m.yaml", []byte(`
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {selector: {app: a}, ports: [{port: 80, targetPort: 2375, nodePort: 30000}, {port: 81, targetPort: http}]}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv}
spec: {hostPath: {path: /var/run}, claimRef: {name: data}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {volumeName: pv}
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: kata}
handler: kata-qemu
`), Options{Namespace: "shop"})
	if problems(r) != "" {
		t.Fatal(problems(r))
	}
	s := r.Services[0]
	if s.ID() != "shop/Service/s" || s.Ports[0].Target != 2375 || s.Ports[0].NodePort != 30000 || s.Ports[1].TargetName != "http" || s.Ports[0].At.Line != 5 {
		t.Errorf("%+v", s)
	}
	if pv := r.PersistentVolumes[0]; pv.HostPath != "/var/run" || pv.Claim != "shop/data" || pv.ID() != "PersistentVolume/pv" {
		t.Errorf("%+v", pv)
	}
	if c := r.VolumeClaims[0]; c.Volume != "pv" || c.Namespace != "shop" {
		t.Errorf("%+v", c)
	}
	if c := r.RuntimeClasses[0]; c.Name != "kata" || c.Handler != "kata-qemu" || c.Namespace != "" {
		t.Errorf("%+v", c)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A directory is read to its bottom, and nothing in it is skipped in silence.
func TestReadDirectory(t *testing.T) {
	dir := t.TempDir()
	pod := func(name string) string { return strings.Replace(oneContainer(""), "name: p,", "name: "+name+",", 1) }
	write(t, filepath.Join(dir, "b.yml"), pod("b"))
	write(t, filepath.Join(dir, "a", "a.yaml"), pod("a"))
	write(t, filepath.Join(dir, "c.JSON"), `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}`)
	write(t, filepath.Join(dir, "README.md"), "# no manifest")
	write(t, filepath.Join(dir, ".git", "x.yaml"), "no: manifest")
	r, err := Read(t.Context(), dir, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, w := range r.Workloads {
		names = append(names, w.Name)
	}
	if !slices.Equal(names, []string{"a", "b"}) || len(r.Documents) != 3 || problems(r) != "" {
		t.Errorf("%q, %d documents, %s", names, len(r.Documents), problems(r))
	}

	write(t, filepath.Join(dir, "values.yaml"), "image: x\n")
	if r, err = Read(t.Context(), dir, nil, Options{}); err != nil || !strings.Contains(problems(r), "values.yaml:1:1") {
		t.Errorf("%v, %s", err, problems(r))
	}
	if err := os.Symlink(filepath.Join(dir, "a"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err = Read(t.Context(), dir, nil, Options{}); err == nil || !strings.Contains(err.Error(), "link to a directory") {
		t.Errorf("a link: %v", err)
	}
	empty := t.TempDir()
	if _, err = Read(t.Context(), empty, nil, Options{}); !errors.As(err, new(*EmptyDirectoryError)) {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err = Read(t.Context(), filepath.Join(empty, "none"), nil, Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = Read(ended, StandardInput, strings.NewReader(pod("a")), Options{}); err == nil {
		t.Error("reading did not end with its context")
	}
	r, err = Read(t.Context(), StandardInput, strings.NewReader(pod("a")), Options{})
	if err != nil || len(r.Workloads) != 1 || r.Documents[0].File != "-" || r.Documents[0].Size == 0 || len(r.Documents[0].SHA256) != 64 {
		t.Errorf("standard input: %v, %+v", err, r)
	}
}

// A file of another kind is named with the way to judge it.
func TestOtherFiles(t *testing.T) {
	for name, tt := range map[string]struct{ document, cure string }{
		"compose.yaml":             {"services: {web: {image: a}}\n", "--compose"},
		"prod/kustomization.yaml":  {"resources: [a.yaml]\n", "kustomize build"},
		"chart/Chart.yaml":         {"apiVersion: v2\nname: web\n", "helm template"},
		"chart/values-prod.yaml":   {"image: {tag: a}\n", "helm template"},
		".github/workflows/ci.yml": {"on: push\njobs: {}\n", ""},
	} {
		if r := Parse(name, []byte(tt.document), Options{}); problems(r) == "" || !strings.Contains(problems(r), tt.cure) {
			t.Errorf("%s: %s", name, problems(r))
		}
	}
}

// A pod may run on Windows by the nodes that it chooses, and has no operating system by
// that: a Linux node may be among them.
func TestWindowsNodes(t *testing.T) {
	const required = "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: %s, operator: In, values: [%s]}]}]}}}"
	for lines, want := range map[string]bool{
		"": false,
		"nodeSelector: {kubernetes.io/os: windows}":                      true,
		"nodeSelector: {beta.kubernetes.io/os: windows}":                 true,
		"nodeSelector: {kubernetes.io/os: linux}":                        false,
		fmt.Sprintf(required, "kubernetes.io/os", "windows"):             true,
		fmt.Sprintf(required, "kubernetes.io/os", "linux, windows"):      true,
		fmt.Sprintf(required, "kubernetes.io/os", "linux"):               false,
		fmt.Sprintf(required, "kubernetes.io/arch", "amd64"):             false,
		"os: {name: linux}\n  nodeSelector: {kubernetes.io/os: windows}": false, // the kubelet of Windows refuses it
	} {
		r := Parse("m.yaml", []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: c, image: 'registry.example.no/a:1'}]\n  "+lines+"\n"), Options{})
		if len(r.Workloads) != 1 {
			t.Fatalf("%q: problems %q", lines, problems(r))
		}
		if w := r.Workloads[0]; w.WindowsNodes != want || w.OS == "windows" {
			t.Errorf("%q: system %q, nodes of Windows %v, want %v", lines, w.OS, w.WindowsNodes, want)
		}
	}
}
