package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// attackPieces are pieces of policies, each of which could weaken a base: every value of
// every key, in every form, and what is no key of a rule.
var attackPieces = sync.OnceValue(func() []string {
	out := []string{
		"open: [exceptions, overrides, vex]\n", "exception-limits: {max-days: 3650}\n", "exception-limits: {never: {severity: critical}}\n",
		"exceptions: [{id: CVE-2026-0001, reason: x, owner: x, expires: 2026-07-01}]\n",
		"exceptions: [{rule: config.user, images: [registry.example.no/shop/*], reason: x, owner: x, expires: 2026-07-01}]\n",
		"trust: [{name: evil, identity: e@example.no, issuer: 'https://i.example.no', for: [signature, provenance, decision, approval, vex, baseline]}]\n",
		"decision: {signed-by: [evil], max-age: 9999d}\n", "promote: {emergency: {by: [evil], max-days: 9}}\n",
	}
	rows := keyValues()
	for _, l := range newLanguage().leaves {
		v := rows[l.keyPath()]
		if strings.HasPrefix(l.keyPath(), levelsPrefix) {
			v.loose = []string{levelWarn, "'off'", "{value: warn, from: 2020-01-01}", "{value: 'off', from: 2099-01-01}", "{value: fail, from: 2099-01-01}"}
		}
		for _, value := range slices.Concat(v.loose, v.strict, []string{v.base}) {
			if value == "" {
				continue
			}
			plain := nest(l.keyPath(), value)
			out = append(out, plain, join(v.with, plain), nest(l.keyPath(), "{value: "+value+", from: 2026-06-20}"), nest(l.keyPath(), "{value: "+value+", from: 2099-01-01, control: X}"))
			if l.inOverrides() {
				for _, more := range []string{"", ", final: true", ", reason: x, owner: x, expires: 2026-06-20"} {
					out = append(out, "overrides: [{images: ['registry.example.no/shop/*']"+more+", "+strings.TrimSuffix(plain, "\n")+"}]\n")
				}
			}
		}
	}
	return out
})

// sectionForm finds the sections of a policy, and the keys of those that are mappings.
var sectionForm = regexp.MustCompile(`[a-z-]+: `)

// attacks counts the policies that were tried and are no mistake.
var attacks atomic.Int64

// tryToWeaken puts random policies above a pinned base that refuses an image. None of
// those that are no mistake lets the image pass, on any day.
func tryToWeaken(t *testing.T, base string, img *evidence.Image) {
	t.Helper()
	if img.Scan != nil && len(img.Scan.Packages) > 100 {
		return // its expressions take seconds
	}
	src := alone("version: 1\n" + base + "\n")
	below, err := Parse("base.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(src)
	load := func(string, Base) (string, []byte, error) { return "base.yaml", src, nil }
	tries := 3
	if n, err := strconv.Atoi(os.Getenv("IMAGEGATE_POLICY_ATTACKS")); err == nil {
		tries = n
	}
	h := fnv.New64()
	h.Write([]byte(t.Name()))
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	near := slices.DeleteFunc(slices.Clone(attackPieces()), func(piece string) bool { // of the sections that the base has
		return !slices.ContainsFunc(sectionForm.FindAllString(base, -1), func(s string) bool { return strings.Contains(piece, s) })
	})
	for range tries {
		var pieces []string
		for range 1 + r.IntN(3) {
			from := attackPieces()
			if r.IntN(4) > 0 && len(near) > 0 {
				from = near
			}
			pieces = append(pieces, from[r.IntN(len(from))])
		}
		child := fmt.Sprintf("version: 1\nextends: {file: base.yaml, sha256: %s}\n%s", hex.EncodeToString(sum[:]), join(pieces...))
		above, err := ParseOn("child.yaml", []byte(child), load)
		if err != nil {
			continue
		}
		attacks.Add(1)
		for _, days := range []int{0, 7, 30000} {
			day := noon().AddDate(0, 0, days)
			if b := below.Evaluate(img, day).Decision; b != Passed && above.Evaluate(img, day).Decision == Passed {
				t.Errorf("%s lets an image pass on %s that is %s by the base\n%s", child, day, b, src)
			}
		}
	}
}
