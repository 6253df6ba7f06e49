package prove_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/provetest"
	"github.com/imagegate/imagegate/gate/prove"
)

// A trusted root tells how old it is, and since when it confirms nothing.
func TestPeriodOfARoot(t *testing.T) {
	raw := provetest.NewSigstore(t).Root
	end := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		files [][]byte
		ended *time.Time
	}{
		"in use":                       {[][]byte{raw}, nil},
		"authorities ended":            {[][]byte{endedRoot(t, raw, end, "certificateAuthorities")}, &end},
		"logs ended":                   {[][]byte{endedRoot(t, raw, end, "tlogs")}, nil},
		"logs and timestamps ended":    {[][]byte{endedRoot(t, raw, end, "tlogs", "timestampAuthorities")}, &end},
		"one of two roots is in use":   {[][]byte{endedRoot(t, raw, end, "certificateAuthorities"), raw}, nil},
		"the last of two roots, ended": {[][]byte{endedRoot(t, raw, end.AddDate(-1, 0, 0), "certificateAuthorities"), endedRoot(t, raw, end, "certificateAuthorities")}, &end},
	} {
		var roots []*prove.Root
		for _, f := range c.files {
			some, err := prove.ParseRoots(f)
			if err != nil {
				t.Fatal(name, err)
			}
			roots = append(roots, some...)
		}
		newest, ended := prove.Period(roots)
		if newest == nil || time.Since(*newest) > 48*time.Hour || time.Since(*newest) < 0 {
			t.Errorf("%s: newest is %v", name, newest)
		}
		if (ended == nil) != (c.ended == nil) || ended != nil && !ended.Equal(*c.ended) {
			t.Errorf("%s: ended %v, want %v", name, ended, c.ended)
		}
	}
	if newest, ended := prove.Period(nil); newest != nil || ended != nil {
		t.Errorf("no root has the period %v to %v", newest, ended)
	}
}

// endedRoot gives the parts of a trusted root an end.
func endedRoot(t *testing.T, raw []byte, end time.Time, parts ...string) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		for _, e := range doc[part].([]any) {
			entry := e.(map[string]any)
			if key, ok := entry["publicKey"].(map[string]any); ok {
				entry = key
			}
			entry["validFor"].(map[string]any)["end"] = end.Format(time.RFC3339)
		}
	}
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
