package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// hostileTimeout is the deadline of one run against a hostile registry;
// hostileGrace is how much later the process must have ended, generous because
// many of them share few processors.
const (
	hostileTimeout = 5 * time.Second
	hostileGrace   = 15 * time.Second
)

// TestHostileRegistry meets every fault at every kind of request. Where the
// fault cannot be survived, the run ends with 2, before its deadline and a
// grace, and names the registry; nothing is left behind.
func TestHostileRegistry(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	type meeting struct {
		kind  registrytest.Kind
		fault registrytest.Fault
	}
	var meetings []meeting
	for _, k := range registrytest.Kinds() {
		for _, f := range registrytest.Faults() {
			meetings = append(meetings, meeting{k, f})
		}
	}
	queue := make(chan meeting)
	var wg sync.WaitGroup
	for range 16 { // they mostly wait
		wg.Go(func() {
			for m := range queue {
				t.Run(fmt.Sprintf("%s/%s", m.kind, m.fault.Name), func(t *testing.T) { meet(t, m.kind, m.fault) })
			}
		})
	}
	for _, m := range meetings {
		queue <- m
	}
	close(queue)
	wg.Wait()
	t.Logf("%d faults at %d kinds of requests", len(registrytest.Faults()), len(registrytest.Kinds()))
}

// meet runs the program against one fault.
func meet(t *testing.T, kind registrytest.Kind, fault registrytest.Fault) {
	var options []registrytest.Option
	if kind == registrytest.KindToken {
		options = append(options, registrytest.WithAuth(registrytest.Auth{}))
	}
	o := &oracle{t: t, reg: registrytest.Registry(t, options...), cache: t.TempDir(), tmp: t.TempDir()}
	o.policy = filepath.Join(o.tmp, "policy.yaml")
	if err := os.WriteFile(o.policy, []byte(oraclePolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	img := imagetest.Spec{Layers: []imagetest.Layer{rootfs.Base()}, User: "65532"}.Image()
	ref := o.reg.MustPush(t, imagetest.Index(imagetest.For("linux/amd64", img)), "oracle/clean:1.0.0")
	db := dbtest.Database(t, dbtest.DBOptions{})
	dbRef, err := dbtest.Push(o.reg, db, "db/trivy-db")
	if err != nil {
		t.Fatal(err)
	}
	o.reg.Inject(kind, fault)
	start := time.Now()
	code, out := o.checkOnline(ref.Tagged, "--timeout", hostileTimeout.String(), "--db-repository", dbRef.Tagged)
	if took := time.Since(start); took > hostileTimeout+hostileGrace {
		t.Errorf("the run took %s", took)
	}
	switch {
	case fault.MustStop(kind) && code != exitNoVerdict:
		t.Errorf("exit code %d, want %d:\n%s", code, exitNoVerdict, out)
	case code != exitNoVerdict && code != exitPass:
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if code == exitNoVerdict && !strings.Contains(out, o.reg.Host) {
		t.Errorf("the message does not name the registry %s:\n%s", o.reg.Host, out)
	}
	if left, _ := filepath.Glob(filepath.Join(o.tmp, "imagegate-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
