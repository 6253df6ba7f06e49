package policy

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
)

// tabled records what the tables of rules have shown: which rules were met, which
// were not, and which keys were set.
var tabled = struct {
	sync.Mutex
	met, notMet, set map[string]bool
}{met: map[string]bool{}, notMet: map[string]bool{}, set: map[string]bool{}}

func record(rule string, r Result, p *Policy) {
	tabled.Lock()
	defer tabled.Unlock()
	switch r {
	case ResultPass, ResultOff:
		tabled.met[rule] = true
	default:
		tabled.notMet[rule] = true
	}
	for _, s := range p.everySettings() {
		for _, k := range p.lang.keys {
			if _, set := s.set(k); set {
				tabled.set[k.keyPath()] = true
			}
		}
	}
}

// TestMain refuses a rule without a table: one that no case meets, one that no
// case fails, and a key that no case sets. It also refuses tables whose cases were
// not attacked, and whose advice was not followed.
func TestMain(m *testing.M) {
	code := m.Run()
	whole := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.fuzz").Value.String() == "" &&
		flag.Lookup("test.skip").Value.String() == "" && flag.Lookup("test.list").Value.String() == ""
	if code == 0 && whole {
		pieces := 0
		followedAdvice.Range(func(_, _ any) bool { pieces++; return true })
		if pieces < 4 {
			fmt.Println("only", pieces, "pieces of advice were followed")
			code = 1
		}
		if n := attacks.Load(); n < 100 {
			fmt.Println("only", n, "policies above a pinned base were tried")
			code = 1
		}
		for _, missing := range untabled() {
			fmt.Println(missing)
			code = 1
		}
	}
	os.Exit(code)
}

func untabled() []string {
	var out []string
	for _, r := range Rules() {
		for _, k := range r.keys {
			if !tabled.set[k.keyPath()] {
				out = append(out, "no case of a table sets "+k.keyPath())
			}
		}
		if r.Setting {
			continue
		}
		if !tabled.met[r.ID] {
			out = append(out, "no case of a table meets "+r.ID)
		}
		if !tabled.notMet[r.ID] {
			out = append(out, "no case of a table fails "+r.ID)
		}
	}
	return out
}
