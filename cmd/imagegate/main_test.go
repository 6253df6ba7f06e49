package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/provetest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
	"github.com/imagegate/imagegate/gate/gatetest/sampletest"
)

var update = os.Getenv("UPDATE") != ""

func TestMain(m *testing.M) {
	// A worker is started from the path of this binary, not by the name that the
	// scripts gave it.
	testscript.Main(m, map[string]func(){"imagegate": mainAtTestTime})
}

// mainAtTestTime is main, but with the clock of the variable TEST_TIME: no
// variable of the real program may move the clock that verdicts are given by.
func mainAtTestTime() {
	if text := os.Getenv("TEST_TIME"); text != "" && !startedAsWorker(os.Args) {
		now, err := time.Parse(time.RFC3339, text)
		if err != nil {
			panic(err)
		}
		p := newProgram(os.Environ(), os.Stdin, standardOutput(), os.Stderr)
		p.now = func() time.Time { return now }
		os.Exit(supervise(p, os.Args))
	}
	main()
}

func TestScripts(t *testing.T) {
	world := newWorld(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       update,
		Setup:               world.setup,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "seal": world.seal},
	})
}

// world is what all scripts share: images in a registry, and a database.
type world struct {
	host     string // of the registry
	bad      string // digest of the image alpine-bad
	cache    string // cache directory with a database
	database string // the same database in the registry
	local    string // directory with an OCI layout and an archive of docker save
	sigstore *provetest.Sigstore
	keys     map[string]provetest.Key // by name of the file
	feeds    string                   // URL of a server with feeds of exploited vulnerabilities
}

func newWorld(t *testing.T) *world {
	t.Helper()
	reg := registrytest.Registry(t)
	local := t.TempDir()
	digests := map[string]string{}
	samples := sampletest.Samples()
	for _, s := range samples {
		if strings.HasPrefix(s.Name, "alpine-") {
			digests[s.Name] = reg.MustPush(t, s.Image, s.Name+":1.0.0").Digest.String()
		}
		if s.Name == "alpine-clean" {
			for _, repo := range []string{"signed/app", "provenance-only/app", "by-stranger/app", "judged/app"} {
				reg.MustPush(t, s.Image, repo+":1.0.0")
			}
			saveLocally(t, local, s.Image)
		}
	}
	pushReleases(t, reg)
	pushShop(t, reg)
	pushUsers(t, reg)
	pushAccounts(t, reg)
	pushArticle(t, reg)
	pushDependencies(t, reg)
	w := &world{bad: digests["alpine-bad"], sigstore: provetest.NewSigstore(t), keys: map[string]provetest.Key{
		"gate": provetest.NewKey(t), "stranger": provetest.NewKey(t), "cosign": provetest.NewEncryptedKey(t, "secret"),
	}}
	w.feeds = feedServer(t)
	w.local, w.host, w.cache = local, reg.Host, dbtest.Database(t, dbtest.DBOptions{DownloadedAt: time.Now()})
	ref, err := dbtest.Push(reg, w.cache, "trivy-db")
	if err != nil {
		t.Fatal(err)
	}
	w.database = ref.Tagged
	w.signSamples(t)
	return w
}

// pushReleases pushes three releases of one program, of which the last says nothing of
// its version and its date.
func pushReleases(t *testing.T, reg *registrytest.Reg) {
	t.Helper()
	for version, day := range map[string]int{"1.4.1": 1, "1.4.2": 2, "1.4.3": 0} {
		s := imagetest.Spec{
			Created: time.Date(2026, 11, day, 0, 0, 0, 0, time.UTC), User: "65532",
			Layers: []imagetest.Layer{{Files: []imagetest.File{{Path: "app", Body: []byte(version)}}}},
		}
		if day > 0 {
			s.Labels = map[string]string{"org.opencontainers.image.version": version}
		} else {
			s.Created = time.Unix(0, 0)
		}
		reg.MustPush(t, s.Image(), "release:"+version)
	}
}

// pushShop pushes the three releases of docs/promote.md, of which the last has a
// vulnerable package.
func pushShop(t *testing.T, reg *registrytest.Reg) {
	t.Helper()
	bad := rootfs.NPM("lodash", "4.17.20")
	for version, s := range map[string]imagetest.Spec{"1.4.1": onCleanBase(), "1.4.2": onCleanBase(), "1.4.3": unprivileged(rootfs.Base(), bad)} {
		s.Labels = map[string]string{"org.opencontainers.image.version": version}
		reg.MustPush(t, s.Image(), "test/shop:"+version)
	}
}

// pushDependencies pushes images with a token below node_modules. In the image of
// the tag linked a file of the application is the same file.
func pushDependencies(t *testing.T, reg *registrytest.Reg) {
	t.Helper()
	const below = "app/node_modules/a/.env"
	files := []imagetest.File{
		imagetest.Text(below, "token = ghp_"+"0123456789abcdefghijABCDEFGHIJ012345\n"),
		// A file below 4 KiB would be searched whatever is in it.
		imagetest.Text("app/node_modules/a/logo.png", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"+strings.Repeat("\x01\x02\x03\x04", 2000)),
	}
	plain := onCleanBase(files...).Image()
	for _, repo := range []string{"deps/app", "deps/strict"} {
		reg.MustPush(t, plain, repo+":1.0.0")
	}
	reg.MustPush(t, onCleanBase(append(files, imagetest.Hardlink("app/.env", below))...).Image(), "deps/app:linked")
}

// saveLocally writes an image as an OCI layout in a directory that could not be
// the name of a repository, and as an archive of docker save.
func saveLocally(t *testing.T, dir string, img v1.Image) {
	t.Helper()
	tag, err := name.NewTag("shop/app:1.4.2")
	if err != nil {
		t.Fatal(err)
	}
	if err := tarball.WriteToFile(filepath.Join(dir, "App.tar"), tag, img); err != nil {
		t.Fatal(err)
	}
	path, err := layout.Write(filepath.Join(dir, "Build"), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendImage(img); err != nil {
		t.Fatal(err)
	}
}

// setup gives every script an environment of its own: nothing of the machine's
// may change a verdict, and no script may touch the machine.
func (w *world) setup(env *testscript.Env) error {
	for _, dir := range []string{"/tmp", "/home", "/keys"} {
		if err := os.MkdirAll(env.WorkDir+dir, 0o700); err != nil {
			return err
		}
	}
	env.Setenv("TMPDIR", env.WorkDir+"/tmp")
	env.Setenv("HOME", env.WorkDir+"/home")
	env.Setenv("XDG_CACHE_HOME", env.WorkDir+"/home/cache")
	env.Setenv("REGISTRY", w.host)
	env.Setenv("BAD", w.bad)
	env.Setenv("DB", w.cache)
	env.Setenv("LOCAL", w.local)
	env.Setenv("DB_REF", w.database)
	env.Setenv("TODAY", time.Now().UTC().Format(time.DateOnly))
	env.Setenv("NOW", time.Now().UTC().Format(time.RFC3339))
	env.Setenv("SIGSTORE", w.sigstore.URL)
	env.Setenv("FEEDS", w.feeds)
	repository, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	env.Setenv("REPO", repository)
	env.Setenv("TOKEN", provetest.WorkflowToken())
	if err := w.writeKeys(env.WorkDir + "/keys"); err != nil {
		return err
	}
	list := fmt.Sprintf("# deployed\n%[1]s/alpine-clean:1.0.0\n%[1]s/alpine-bad:1.0.0 # the old one\n", w.host)
	return os.WriteFile(env.WorkDir+"/list.txt", []byte(list), 0o600)
}

// writeKeys writes what scripts sign and verify with.
func (w *world) writeKeys(dir string) error {
	files := map[string][]byte{"root.json": w.sigstore.Root, "token": []byte(provetest.WorkflowToken()), "trust.yaml": w.trustSection()}
	for name, k := range w.keys {
		files[name+".key"], files[name+".pub"] = k.Private, k.Public
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// exits is "exits N command...": the command ends with exactly the exit code N.
// "! exec" would also accept a panic.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
