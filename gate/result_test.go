package gate_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
)

func TestSummarize(t *testing.T) {
	pass := gate.Result{Verdict: policy.Verdict{Decision: policy.Passed}}
	fail := gate.Result{Verdict: policy.Verdict{Decision: policy.Denied}}
	none := gate.Result{}
	failed := gate.Result{Verdict: policy.Verdict{Decision: policy.Passed}, Err: errors.New("cancelled")}
	strange := gate.Result{Verdict: policy.Verdict{Decision: 17}}
	tests := []struct {
		name    string
		results []gate.Result
		want    policy.Decision
	}{
		{"no image", nil, policy.Undecided},
		{"the zero result", []gate.Result{none}, policy.Undecided},
		{"passes", []gate.Result{pass, pass}, policy.Passed},
		{"a denial outranks a missing verdict", []gate.Result{none, fail, pass}, policy.Denied},
		{"a missing verdict outranks passes", []gate.Result{pass, none, pass}, policy.Undecided},
		{"an error outranks a verdict", []gate.Result{pass, failed}, policy.Undecided},
		{"an unknown decision is none", []gate.Result{pass, strange}, policy.Undecided},
	}
	for _, tt := range tests {
		if got := gate.Summarize(tt.results); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestHintOf(t *testing.T) {
	inner := &gate.Fault{Err: errors.New("x509"), Hint: "--ca-cert"}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"none", errors.New("x"), ""},
		{"nil", nil, ""},
		{"direct", inner, "--ca-cert"},
		{"wrapped", fmt.Errorf("get: %w", inner), "--ca-cert"},
		{"the innermost counts", &gate.Fault{Err: fmt.Errorf("get: %w", inner), Hint: "try again"}, "--ca-cert"},
		{"the outer where the inner has none", &gate.Fault{Err: &gate.Fault{Err: errors.New("x")}, Hint: "try again"}, "try again"},
	}
	for _, tt := range tests {
		if got := gate.HintOf(tt.err); got != tt.want {
			t.Errorf("%s: hint %q, want %q", tt.name, got, tt.want)
		}
	}
}
