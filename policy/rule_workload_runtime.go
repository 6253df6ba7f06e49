package policy

import (
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const ruleRuntimeClasses = "workload.runtime-classes"

var runtimeClassesKey = &setting[[]string]{
	path: ruleRuntimeClasses, doc: "RuntimeClasses that pods may use; one of them is required: [kata, kata-qemu].",
	schema: listOf(textSchema()), read: func(d *decoder, n *yaml.Node, name string) ([]string, bool) { return list(d, n, name, false, d.text) },
	order: shorter(same), global: true,
}

func runtimeClassesRule() *Rule {
	return &Rule{
		ID: ruleRuntimeClasses, Title: "Pods run under one of these RuntimeClasses.",
		Why: "A runtime that gives each pod a virtual machine keeps a process that leaves its container off the node.",
		How: "runtimeClassName: kata", Default: "not asked", Levels: true,
		Settings: "a list of names. Where a document defines the RuntimeClass, its handler must be in the list too: the name says nothing about what it runs. " +
			"Of a Compose service it is runtime.",
		Example: "workload: {runtime-classes: [kata, kata-qemu]}\n",
		keys:    []key{runtimeClassesKey}, workload: checkRuntimeClasses,
	}
}

func checkRuntimeClasses(j *releaseJudge, w *evidence.Workload) answer {
	allowed := runtimeClassesKey.value(j.s)
	field := "runtimeClassName"
	if isService(w) {
		field = "runtime"
	}
	at := spot{at: w.PlaceOf(field), cure: field + ": " + allowed[0]}
	a := passing("runs under %s", w.Runtime)
	a.allowed = "a pod under " + words.Or(allowed)
	switch {
	case w.Runtime == "":
		j.fails(at, "has no %s, so it shares the kernel of the node", field)
	case !slices.Contains(allowed, w.Runtime):
		j.fails(at, "runs under %s", clip(w.Runtime))
	case !isService(w):
		for i := range j.release.RuntimeClasses {
			rc := &j.release.RuntimeClasses[i]
			if rc.Name == w.Runtime && !slices.Contains(allowed, rc.Handler) {
				at := spot{at: rc.At, cure: "give the RuntimeClass a handler that the policy allows"}
				j.fails(at, "runs under the RuntimeClass %s, whose handler is %s", rc.Name, clip(rc.Handler))
			}
		}
	}
	return a
}
