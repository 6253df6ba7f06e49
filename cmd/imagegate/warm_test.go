package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/gatetest/disguise"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
	"github.com/imagegate/imagegate/gate/gatetest/sampletest"
)

// warmPolicy looks for more in some images than in others, so that the same
// layer is needed in two ways.
const warmPolicy = oraclePolicy + `  - images: ["127.0.0.1:*/secretive/**"]
    secrets: {max: 0}
    licenses: {deny: [GPL-3.0-only]}
`

// judged is what a report says of one reference, a result for each platform.
type judged []map[string]any

// TestWarmSaysWhatColdSays judges images alone by a process that knows nothing,
// and then together: with others that have the same layers, by a run that fills
// a layer cache, by one that finds everything there, in any order, by few
// workers and by many. What is said of an image must not depend on it.
//
// The images are the attacks of TestEvasions and TestOracle, and random stacks
// of a few layers. IMAGEGATE_WARM_SEED and IMAGEGATE_WARM_COUNT choose others.
func TestWarmSaysWhatColdSays(t *testing.T) {
	o := newOracle(t)
	if err := os.WriteFile(o.policy, []byte(warmPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	refs := o.warmImages(uint64(envInt(t, "IMAGEGATE_WARM_SEED", 1)), envInt(t, "IMAGEGATE_WARM_COUNT", 24))
	cold := o.alone(refs)
	dice := rand.New(rand.NewPCG(7, 7))
	cache := filepath.Join(o.tmp, "layers")
	for _, run := range []struct{ name, cache, jobs string }{
		{"nothing known, four workers", cache, "4"},
		{"all known, one worker", cache, "1"},
		{"no cache, two workers", "none", "2"},
		{"all known, three workers", cache, "3"},
	} {
		list := append([]string(nil), refs...)
		dice.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		got := o.together(list, "--cache", run.cache, "--jobs", run.jobs)
		for _, ref := range refs {
			if diff := different(cold[ref], got[ref]); diff != "" && !servedElsewhere(ref, cold[ref], got[ref]) {
				t.Errorf("%s: %s is judged in another way than alone:\n%s", run.name, ref, diff)
			}
		}
	}
}

// warmImages pushes the images and returns their references.
func (o *oracle) warmImages(seed uint64, count int) []string {
	var refs []string
	push := func(what any, name string) {
		ref, err := o.reg.Push(what, fmt.Sprintf("%s-%d:1.0.0", name, len(refs)))
		if err != nil {
			o.t.Fatal(err)
		}
		refs = append(refs, ref.Tagged)
	}
	withSibling := func(what any, name string) {
		push(what, name)
		if sibling := siblingOf(what); sibling != nil {
			push(sibling, name+"-sibling")
		}
	}
	for _, list := range [][]evasion{identityEvasions(), databaseEvasions(), libraryEvasions(), linkEvasions(), foundEvasions(o.t)} {
		for _, e := range list {
			what := e.what
			if s, ok := what.(imagetest.Spec); ok {
				what = s.Image()
			}
			withSibling(what, "warm/evasion")
		}
	}
	samples := sampletest.Samples()
	for i := range count {
		s := samples[i%len(samples)]
		parts, _, err := disguise.Disguise(s.Image, seed*1000+uint64(i), 3)
		if err != nil {
			o.t.Fatal(err)
		}
		withSibling(parts, "warm/"+s.Name)
	}
	pool := layerPool(o.t)
	dice := rand.New(rand.NewPCG(seed, 11))
	for i := range count {
		push(stack(dice, pool), []string{"warm/stack", "secretive/stack"}[i%2])
	}
	return refs
}

// siblingOf returns an image with the same layers and one more, nil where there
// is none.
func siblingOf(what any) any {
	img, ok := what.(v1.Image)
	if !ok {
		return nil
	}
	p, err := imagetest.TakeApart(img)
	if err != nil || p.AddLayer(imagetest.Files(imagetest.Text("sibling", "x"))) != nil || p.Seal() != nil {
		return nil
	}
	return p
}

// layerPool are layers that say different things of each other's files.
func layerPool(t *testing.T) []imagetest.Layer {
	t.Helper()
	jar := rootfs.Jar("org.apache.logging.log4j", "log4j-core", "2.14.1")
	key := "-----BEGIN RSA PRIVATE KEY-----\n" + strings.Repeat("MIIEowIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhgwMbRvI0MBZhpI\n", 20) + "-----END RSA PRIVATE KEY-----\n"
	zstd, plain := rootfs.Base(), rootfs.Base()
	zstd.MediaType, plain.MediaType = imagetest.MediaTypeOCIZstd, imagetest.MediaTypeOCITar
	return []imagetest.Layer{
		rootfs.Base(), zstd, plain, rootfs.Alpine("3.23.0", badApk), rootfs.Debian("13", badDeb), {},
		rootfs.NPM("lodash", "4.17.20"), rootfs.NPM("lodash", "4.17.21"), jar, rootfs.GoProgram("app/run", "go1.20", rootfs.Module{Path: "golang.org/x/text", Version: "v0.3.5"}),
		imagetest.Files(imagetest.Text("app/key.pem", key)), imagetest.Files(imagetest.Whiteout("app/key.pem"), imagetest.Whiteout("app/node_modules")),
		imagetest.Files(imagetest.Opaque("app")), imagetest.Files(imagetest.Opaque("")), imagetest.Files(imagetest.Text("app/node_modules/x/package.json", "{")),
		imagetest.Files(imagetest.Text("etc/passwd", "app:x:0:0::/:\n")), imagetest.Files(imagetest.Whiteout("lib/apk/db/installed")),
	}
}

// stack is an image of some of the layers, in any order and some of them twice.
// It may have none.
func stack(dice *rand.Rand, pool []imagetest.Layer) v1.Image {
	s := imagetest.Spec{User: stackUsers[dice.IntN(len(stackUsers))]}
	for range dice.IntN(7) {
		s.Layers = append(s.Layers, pool[dice.IntN(len(pool))])
	}
	return s.Image()
}

var stackUsers = []string{"65532", "app", "0"}

// alone judges each image by a process of its own that keeps nothing.
func (o *oracle) alone(refs []string) map[string]judged {
	all := make(map[string]judged, len(refs))
	todo := make(chan string)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ref := range todo {
				_, out := o.check(ref, "-o", "json", "--cache", "none")
				got := o.parse(out)
				mu.Lock()
				all[ref] = got[ref]
				mu.Unlock()
			}
		})
	}
	for _, ref := range refs {
		todo <- ref
	}
	close(todo)
	wg.Wait()
	return all
}

// together judges all images in one run.
func (o *oracle) together(refs []string, args ...string) map[string]judged {
	o.t.Helper()
	_, out := o.run(refs, args...)
	return o.parse(out)
}

// run judges a list of images and returns the exit code and the JSON report.
func (o *oracle) run(refs []string, args ...string) (int, string) {
	argv := append([]string{"check", "-p", o.policy, "--ci", "none", "--cache-dir", o.cache, "--tmp-dir", o.tmp,
		"--quiet", "--offline", "-o", "json", "--images", "-"}, args...)
	cmd := exec.CommandContext(o.t.Context(), "imagegate", argv...)
	cmd.Dir = o.tmp
	cmd.Stdin = strings.NewReader(strings.Join(refs, "\n"))
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	_ = cmd.Run() // most of the images are bad
	if stderr.Len() > 0 {
		o.t.Errorf("it is quiet, and still said: %s", stderr.String())
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// parse returns the results of a report by reference.
func (o *oracle) parse(out string) map[string]judged {
	var report struct{ Results judged }
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		o.t.Errorf("no report: %v\n%.2000s", err, out)
	}
	byRef := map[string]judged{}
	for _, r := range report.Results {
		ref, _ := r["reference"].(string)
		byRef[ref] = append(byRef[ref], r)
	}
	return byRef
}

// different returns what differs, "" for nothing.
func different(want, got judged) string {
	if len(want) == 0 || len(want) != len(got) {
		return fmt.Sprintf("%d results alone, %d together", len(want), len(got))
	}
	for i := range want {
		if want[i]["error"] != nil && got[i]["error"] != nil {
			continue // which of several faults is met first is a matter of time
		}
		if ambiguous(want[i]) && ambiguous(got[i]) {
			continue
		}
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			return "(-alone +together)\n" + diff
		}
	}
	return ""
}

// servedElsewhere reports whether a repository serves other bytes than the
// digest says, and another one serves the right ones: who has read those knows
// the layer, and what a registry says beside it does not matter any more. A bad
// image must not pass that way.
func servedElsewhere(ref string, alone, together judged) bool {
	for i := range alone {
		fault, _ := alone[i]["error"].(map[string]any)
		if fault == nil || fault["phase"] != "fetch" || together[i]["verdict"] == "pass" && !strings.Contains(ref, "-clean-") {
			return false
		}
	}
	return len(alone) > 0 && len(alone) == len(together)
}

// ambiguous reports whether an image has no pass because it says two things: a
// package is in two databases, of which Trivy keeps the one that comes first in
// a Go map, or a file is in a layer twice, of which it keeps the one that was
// analysed last. Findings then differ from run to run, and the gap does not.
func ambiguous(result map[string]any) bool {
	coverage, _ := json.Marshal(result["coverage"])
	return result["verdict"] != "pass" &&
		(bytes.Contains(coverage, []byte("is also in ")) || bytes.Contains(coverage, []byte("has the file twice, with different content")))
}
