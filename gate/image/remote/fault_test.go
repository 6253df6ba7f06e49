package remote

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/pulltest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
)

// Every fault at every kind of request ends before the deadline; where content
// cannot be had it ends in an error that names the request and the registry.
func TestFaultsEndInErrors(t *testing.T) {
	kinds := map[registrytest.Kind][]string{
		registrytest.KindPing:     {"ping "},
		registrytest.KindToken:    {"token for "},
		registrytest.KindIndex:    {"manifest "},
		registrytest.KindManifest: {"manifest sha256:"},
		registrytest.KindConfig:   {"config sha256:"},
		registrytest.KindLayer:    {"layer sha256:"},
	}
	for kind, words := range kinds {
		for _, fault := range registrytest.Faults() {
			t.Run(string(kind)+"/"+fault.Name, func(t *testing.T) {
				t.Parallel()
				// Only what waits for us is given a short time: on a loaded machine every
				// request is slow.
				waits := slices.Contains([]string{"stall-headers", "stall-body", "slow-drip", "endless", "announced-exabyte"}, fault.Name)
				reg := registrytest.Registry(t, registrytest.WithAuth(registrytest.Auth{User: "u", Password: "pw-canary-1", Token: "tok-canary-2"}))
				ref := reg.MustPush(t, imagetest.Index(imagetest.For("linux/amd64", pulltest.Image())), "team/app:1.0")
				reg.Inject(kind, fault)
				c := newClient(t, func(o *Options) {
					o.Getenv = env(map[string]string{"DOCKER_AUTH_CONFIG": `{"auths":{"` + reg.Host + `":{"username":"u","password":"pw-canary-1"}}}`})
					if waits {
						o.Limits.IdleTimeout = time.Second
					}
				})
				within := time.Minute
				if waits {
					within = 5 * time.Second
				}
				ctx, cancel := context.WithTimeout(t.Context(), within)
				defer cancel()
				_, err := pulltest.Pull(ctx, newResolver(t, c), ref.Tagged)
				if err == nil {
					if fault.MustStop(kind) {
						t.Error("no error")
					}
					return
				}
				checkFault(t, err, reg.Host, fault, kind, words)
			})
		}
	}
}

func checkFault(t *testing.T, err error, host string, fault registrytest.Fault, kind registrytest.Kind, words []string) {
	t.Helper()
	text := err.Error()
	t.Logf("%s [%s]", text, gate.HintOf(err))
	if strings.Contains(text, "canary") {
		t.Errorf("a secret is in the message: %s", text)
	}
	if kind == registrytest.KindToken && fault.Name == "one-bit" {
		return // a token that is not ours is found out at the next request
	}
	if kind == registrytest.KindLayer && strings.HasSuffix(text, "other bytes than were promised") {
		return // what the reader of a layer finds out
	}
	for _, word := range append(words, host) {
		if !strings.Contains(text, word) {
			t.Errorf("message %q does not have %q", text, word)
		}
	}
	var f *gate.Fault
	if !errors.As(err, &f) || f.Phase == "" {
		t.Errorf("%v is no fault with a phase", err)
	}
}

// A fault that heals is not noticed.
func TestFaultsThatHeal(t *testing.T) {
	for _, name := range []string{"status-429", "status-500", "status-502", "status-503", "status-504", "reset", "close-at-once", "truncated", "half-headers"} {
		for _, kind := range []registrytest.Kind{registrytest.KindPing, registrytest.KindToken, registrytest.KindIndex, registrytest.KindManifest, registrytest.KindConfig, registrytest.KindLayer} {
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				t.Parallel()
				reg := registrytest.Registry(t, registrytest.WithAuth(registrytest.Auth{Token: "t0ken"}))
				ref := reg.MustPush(t, imagetest.Index(imagetest.For("linux/amd64", pulltest.Image())), "app:1")
				reg.Inject(kind, registrytest.Flaky(2, registrytest.FaultByName(name)))
				if _, err := pulltest.Pull(t.Context(), newResolver(t, newClient(t, nil)), ref.Tagged); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}
