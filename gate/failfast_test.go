package gate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// namesAndUser denies a tag without a layer and needs the layers for the rest.
const namesAndUser = "version: 1\nextends: none\nreference: {deny-tags: [bad]}\nconfig: {user: non-root}\n"

// scans notes which images were scanned.
type scans struct {
	mu   sync.Mutex
	refs []string
	scan scannerFunc
}

// Scan implements gate.Scanner.
func (s *scans) Scan(ctx context.Context, t *gate.Target, need evidence.Need) (*evidence.Scan, error) {
	s.mu.Lock()
	s.refs = append(s.refs, t.Image.Reference.Asked)
	s.mu.Unlock()
	return s.scan(ctx, t, need)
}

func TestFailFast(t *testing.T) {
	broken := func(ctx context.Context, ref string) (*gate.Resolution, error) {
		if strings.HasPrefix(ref, "broken") {
			return nil, errors.New("no such image")
		}
		return resolveTo("linux/amd64")(ctx, ref)
	}
	rootAt := func(ref string) scannerFunc {
		return func(ctx context.Context, tgt *gate.Target, need evidence.Need) (*evidence.Scan, error) {
			if tgt.Image.Reference.Asked == ref {
				return scanAs(0)(ctx, tgt, need)
			}
			if ref != "" { // until the run is stopped
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}
			return scanAs(1000)(ctx, tgt, need)
		}
	}
	tests := []struct {
		name    string
		refs    []string
		scan    scannerFunc
		want    []string
		scanned string // one of the images whose layers were read, "" for none
		reason  string // of an image that has no verdict
	}{
		{name: "all pass", refs: []string{"a:1", "b:1"}, scan: rootAt(""),
			want: []string{"a:1 pass", "b:1 pass"}, scanned: "a:1"},
		{name: "a name is reason enough: no layer is read", refs: []string{"a:1", "b:bad"}, scan: rootAt(""),
			want:   []string{"a:1 no-verdict", "b:bad fail"},
			reason: "cancelled: --fail-fast ended the run: b:bad was denied"},
		{name: "an image that cannot be resolved", refs: []string{"a:1", "broken:1"}, scan: rootAt(""),
			want:   []string{"a:1 no-verdict", "broken:1 no-verdict"},
			reason: "cancelled: --fail-fast ended the run: broken:1 has no verdict"},
		{name: "the first denial stops the others", refs: []string{"a:1", "root:1"}, scan: rootAt("root:1"),
			want: []string{"a:1 no-verdict", "root:1 fail"}, scanned: "root:1",
			reason: "cancelled: --fail-fast ended the run: root:1 was denied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &scans{scan: tt.scan}
			g := &gate.Gate{Policy: parse(t, namesAndUser), Resolver: resolverFunc(broken), Scanner: s, Jobs: 4, FailFast: true}
			results := g.Check(t.Context(), tt.refs)
			var got []string
			for i := range results {
				got = append(got, results[i].Ref+" "+results[i].Decision().String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
			if tt.scanned == "" && len(s.refs) > 0 || tt.scanned != "" && !slices.Contains(s.refs, tt.scanned) {
				t.Errorf("scanned %v, want %q", s.refs, tt.scanned)
			}
			for _, r := range results[:1] {
				if tt.reason != "" && (r.Err == nil || r.Err.Error() != tt.reason) {
					t.Errorf("%s: error %v, want %s", r.Ref, r.Err, tt.reason)
				}
			}
		})
	}
}

// Without FailFast an image that its name condemns is still told all the rest.
func TestDeniedImagesAreScannedAllTheSame(t *testing.T) {
	s := &scans{scan: scanAs(0)}
	g := &gate.Gate{Policy: parse(t, namesAndUser), Resolver: resolveTo("linux/amd64"), Scanner: s}
	results := g.Check(t.Context(), []string{"a:bad"})
	if len(s.refs) != 1 || results[0].Decision() != policy.Denied {
		t.Errorf("%v, scanned %v", decisions(results), s.refs)
	}
	failed := 0
	for _, r := range results[0].Verdict.Rules {
		if r.Result == policy.ResultFail {
			failed++
		}
	}
	if failed != 2 {
		t.Errorf("%d rules fail, want the tag and the user", failed)
	}
}
