package main

import "testing"

func TestLifetime(t *testing.T) {
	var l lifetime
	if first, second := l.print(), l.print(); first != nil || second != nil || l.isDecided() || l.decide() != nil || !l.isDecided() {
		t.Error("a program that no signal ends does not decide")
	}
	if l.print() != nil || l.decide() != nil {
		t.Error("reports cannot be written once more after the decision")
	}
	if l.abandon() {
		t.Error("a program was ended after its reports appeared")
	}
	for _, steps := range []int{0, 1} {
		var l lifetime
		if steps == 1 && l.print() != nil {
			t.Fatal("print failed")
		}
		if !l.abandon() {
			t.Errorf("after %d steps: a program cannot be ended", steps)
		}
		if l.print() == nil || l.decide() == nil || l.isDecided() {
			t.Errorf("after %d steps: reports appear although the program was ended", steps)
		}
	}
}
