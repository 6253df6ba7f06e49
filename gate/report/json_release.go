package report

import (
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

type (
	// ReleaseInfo is what became of the documents.
	ReleaseInfo struct {
		Verdict   string         `json:"verdict"`
		Error     *ErrorInfo     `json:"error"` // null when the policy was evaluated
		Namespace string         `json:"namespace"`
		Documents []DocumentInfo `json:"documents"`
		// Rules are those about all documents together.
		Rules     []ReleaseRule  `json:"rules"`
		Workloads []WorkloadInfo `json:"workloads"`
	}
	// DocumentInfo is one file.
	DocumentInfo struct {
		File    string         `json:"file"`
		Kind    string         `json:"kind"` // manifests, compose or dockerfile
		SHA256  string         `json:"sha256"`
		Objects map[string]int `json:"objects"` // how many it holds, by kind
	}
	// WorkloadInfo is one workload, and the rules that it was asked.
	WorkloadInfo struct {
		ID        string        `json:"id"` // as exceptions name it
		Kind      string        `json:"kind"`
		Namespace string        `json:"namespace"`
		Name      string        `json:"name"`
		Position  Position      `json:"position"`
		Verdict   string        `json:"verdict"`
		Images    []ImageOfUse  `json:"images"`
		Rules     []ReleaseRule `json:"rules"`
	}
	// ImageOfUse is an image that a workload names.
	ImageOfUse struct {
		Container  string   `json:"container"` // "" for the image of a volume
		Image      string   `json:"image"`     // as written
		Reference  string   `json:"reference"` // of its result, "" when it has none
		JudgedFrom string   `json:"judgedFrom"`
		Position   Position `json:"position"`
	}
	// ReleaseRule is the answer of a rule about documents.
	ReleaseRule struct {
		RuleInfo
		Problems []ProblemInfo `json:"problems"`
	}
	// ProblemInfo is one thing that a rule has against a place in a document.
	ProblemInfo struct {
		Result    string         `json:"result"`
		Workload  string         `json:"workload"`
		Container string         `json:"container"`
		Position  Position       `json:"position"`
		Message   string         `json:"message"`
		Cure      string         `json:"cure"`
		Exception *ExceptionInfo `json:"exception"` // null for none
	}
)

// releaseInfo returns the documents of a report, nil when there were none.
func releaseInfo(run *gate.Run) *ReleaseInfo {
	r := run.Release
	if r == nil || r.Evidence == nil {
		return nil
	}
	out := &ReleaseInfo{
		Verdict: r.Decision().String(), Namespace: r.Evidence.Namespace, Rules: []ReleaseRule{}, Workloads: []WorkloadInfo{},
		Documents: convert(r.Evidence.Documents, func(d evidence.Document) DocumentInfo {
			info := DocumentInfo{File: d.File, Kind: string(d.Kind), SHA256: d.SHA256, Objects: d.Objects}
			if info.Objects == nil {
				info.Objects = map[string]int{}
			}
			return info
		}),
	}
	if f := releaseFailure(r); f != nil {
		out.Error = &ErrorInfo{Phase: string(f.phase), Message: f.message, Hint: f.hint}
		return out
	}
	out.Rules = convert(r.Verdict.Rules, releaseRule)
	for i := range r.Verdict.Workloads {
		if i < len(r.Evidence.Workloads) {
			out.Workloads = append(out.Workloads, workloadInfo(&r.Evidence.Workloads[i], &r.Verdict.Workloads[i]))
		}
	}
	return out
}

func workloadInfo(w *evidence.Workload, v *policy.WorkloadVerdict) WorkloadInfo {
	info := WorkloadInfo{
		ID: w.ID(), Kind: w.Kind, Namespace: w.Namespace, Name: w.Name, Position: Position(positionIn(w.At)), Verdict: v.Decision.String(),
		Images: []ImageOfUse{}, Rules: convert(v.Rules, releaseRule),
	}
	add := func(container string, n *evidence.ImageName) {
		info.Images = append(info.Images, ImageOfUse{container, n.Image, n.Ref, n.Source, Position(positionIn(n.At))})
	}
	for i := range w.Containers {
		add(w.Containers[i].Name, &w.Containers[i].Image)
	}
	for i := range w.Volumes {
		if w.Volumes[i].Image != nil {
			add("", w.Volumes[i].Image)
		}
	}
	return info
}

func releaseRule(r policy.RuleResult) ReleaseRule {
	return ReleaseRule{ruleInfo(r), convert(r.Problems, func(p policy.Problem) ProblemInfo {
		return ProblemInfo{
			Result: p.Result.String(), Workload: p.Workload, Container: p.Container, Position: Position(positionIn(p.At)),
			Message: p.Message, Cure: p.Cure, Exception: exceptionPointer(p.Exception),
		}
	})}
}
