package database

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func readRecordFile(t testing.TB, dir string) *record {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "db", "imagegate.json"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := parseRecord(raw)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantPair checks that what is installed is build b or c, whole, and returns it.
func wantPair(t testing.TB, s *Store, b ...build) build {
	t.Helper()
	run := t.TempDir()
	facts, err := s.Snapshot(t.Context(), Vulnerability, run)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(run, "db", "trivy.db"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(run, "db", "metadata.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m metadata
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	for _, b := range b {
		if string(content) != string(b.content()) {
			continue
		}
		if facts.FileSHA256 != sumOf(content) || !facts.UpdatedAt.Equal(b.at()) || !m.UpdatedAt.Equal(b.at()) {
			t.Fatalf("torn: the file is build %d, facts %+v, metadata %+v", b.n, facts, m)
		}
		return b
	}
	t.Fatalf("the file is none of %v", b)
	return build{}
}

// A crash between any two steps of an installation leaves a whole database, the
// old or the new one, and the next update cleans up.
func TestInstallCrash(t *testing.T) {
	crash := errors.New("crash")
	for i, step := range []string{"journal", "database", "metadata", "record"} {
		for _, had := range []bool{true, false} {
			t.Run(step, func(t *testing.T) {
				dir := t.TempDir()
				if had {
					install(t, dir, installedBuild)
				}
				srv := newServer(t)
				srv.serve(t, next.layer(t), nil)
				s := newStore(t, dir, nil, srv.ref())
				s.step = func(name string) error {
					if name == step {
						return crash
					}
					return nil
				}
				if _, err := s.Update(t.Context(), Vulnerability); !errors.Is(err, crash) {
					t.Fatalf("got %v, want the crash", err)
				}
				reader := newStore(t, dir, func(o *Options) { o.Source = noSource{t} })
				switch _, err := reader.Ensure(t.Context(), Vulnerability, true, 0); {
				case !had && i < 2:
					if !errors.Is(err, ErrMissing) {
						t.Fatalf("got %v, want ErrMissing", err)
					}
				case err != nil:
					t.Fatal(err)
				default:
					want := installedBuild
					if i >= 2 { // stopped after the database was renamed
						want = next
					}
					wantPair(t, reader, want)
				}
				install(t, dir, build{900})
				wantPair(t, reader, build{900})
				if err := reader.Close(); err != nil {
					t.Fatal(err)
				}
				if l := leftovers(t, dir); len(l) > 0 {
					t.Errorf("left behind: %v", l)
				}
			})
		}
	}
}

// What a reader finds after a crash it repairs, so that Trivy sees it too.
func TestInstallCrashRepaired(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, installedBuild)
	srv := newServer(t)
	srv.serve(t, next.layer(t), nil)
	s := newStore(t, dir, nil, srv.ref())
	s.step = func(name string) error {
		if name == "metadata" {
			return errors.New("crash")
		}
		return nil
	}
	if _, err := s.Update(t.Context(), Vulnerability); err == nil {
		t.Fatal("no crash")
	}
	if _, err := newStore(t, dir, nil).Status(Vulnerability); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "db", "metadata.json"))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := parseMetadata(raw, 2); err != nil || !m.UpdatedAt.Equal(next.at()) {
		t.Errorf("metadata.json: %+v, %v", m, err)
	}
	if r := readRecordFile(t, dir); len(r.Databases) != 1 || r.Databases[0].SHA256 != sumOf(next.content()) {
		t.Errorf("record: %+v", r)
	}
}

// A database older than the newest one that was used is refused, even if the first
// repository lags or the installed database was deleted. AllowRollback accepts it.
func TestUpdateRollback(t *testing.T) {
	old, now := newServer(t), newServer(t)
	old.serve(t, build{100}.layer(t), nil)
	now.serve(t, next.layer(t), nil)
	dir := t.TempDir()
	install(t, dir, installedBuild)

	_, err := newStore(t, dir, nil, old.ref()).Update(t.Context(), Vulnerability)
	wantFault(t, err, dateText(build{100}.at())+", but one of "+dateText(installedBuild.at()))
	if !errors.Is(err, ErrRollback) {
		t.Errorf("got %v, want ErrRollback", err)
	}
	facts, err := newStore(t, dir, nil, old.ref(), now.ref()).Update(t.Context(), Vulnerability)
	if err != nil || facts.Source != now.ref() {
		t.Fatalf("a second repository that is newer: %+v, %v", facts, err)
	}
	if err := os.Remove(filepath.Join(dir, "db", "trivy.db")); err != nil {
		t.Fatal(err)
	}
	_, err = newStore(t, dir, nil, old.ref()).Ensure(t.Context(), Vulnerability, false, 0)
	wantFault(t, err, "older than one used before")

	var n notes
	allow := newStore(t, dir, func(o *Options) { o.AllowRollback, o.Warn = true, n.warn }, old.ref())
	if _, err := allow.Update(t.Context(), Vulnerability); err != nil || n.String() == "" {
		t.Fatalf("AllowRollback: %v, notes %q", err, n.String())
	}
	// From then on the older one is what was accepted.
	if _, err := newStore(t, dir, nil).Ensure(t.Context(), Vulnerability, true, 0); err != nil {
		t.Error(err)
	}
}

// A database with a build time in the future, accepted once, must not prevent later
// updates.
func TestUpdateAfterFuture(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "db", "trivy.db"), []byte("x"))
	writeFile(t, filepath.Join(dir, "db", "metadata.json"), meta(2, today.AddDate(4, 0, 0)))
	if _, err := newStore(t, dir, nil).Status(Vulnerability); err != nil {
		t.Fatal(err)
	}
	install(t, dir, next)
}

// Every repository has its line in the last error.
func TestUpdateNamesAllRepositories(t *testing.T) {
	a, b, c := newServer(t), newServer(t), newServer(t)
	a.before, b.before = onManifest(status(403)), onManifest(status(429))
	c.serve(t, next.layer(t), nil)
	_, err := newStore(t, t.TempDir(), nil, a.ref(), b.ref()).Update(t.Context(), Vulnerability)
	wantFault(t, err, a.ref()+": manifest: the registry answered 403")
	wantFault(t, err, b.ref()+": manifest: the registry answered 429")
	facts, err := newStore(t, t.TempDir(), nil, a.ref(), b.ref(), c.ref()).Update(t.Context(), Vulnerability)
	if err != nil || facts.Source != c.ref() {
		t.Errorf("got %+v, %v", facts, err)
	}
}

// A reference may demand a digest.
func TestUpdatePinned(t *testing.T) {
	srv := newServer(t)
	srv.serve(t, next.layer(t), nil)
	srv.digest = "" // nothing but the reference says what is wanted
	name := srv.ref()[:len(srv.ref())-len(":2")]
	if _, err := newStore(t, t.TempDir(), nil, name+"@"+sumOf(srv.manifest)).Update(t.Context(), Vulnerability); err != nil {
		t.Error(err)
	}
	_, err := newStore(t, t.TempDir(), nil, name+"@"+sumOf([]byte("other"))).Update(t.Context(), Vulnerability)
	wantFault(t, err, "not the one that was named")
}

// The same digest is not downloaded again; a file that changed is.
func TestUpdateSameDigest(t *testing.T) {
	srv := newServer(t)
	srv.serve(t, next.layer(t), nil)
	dir := t.TempDir()
	s := newStore(t, dir, nil, srv.ref())
	first, err := s.Update(t.Context(), Vulnerability)
	if err != nil {
		t.Fatal(err)
	}
	before := srv.count()
	second, err := s.Update(t.Context(), Vulnerability)
	if err != nil || srv.count()-before != 1 {
		t.Fatalf("%d requests, %v", srv.count()-before, err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
	writeFile(t, filepath.Join(dir, "db", "trivy.db"), []byte("damaged"))
	if _, err := s.Update(t.Context(), Vulnerability); err != nil {
		t.Fatal(err)
	}
	wantPair(t, s, next)
}

// The hash is taken again only if the stamp says so: not after snapshots came
// and went, which move the change time.
func TestStamp(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, next)
	// A record with a false hash under a true stamp shows who trusts the stamp.
	r := readRecordFile(t, dir)
	r.Databases[0].SHA256 = sumOf([]byte("marker"))
	p, err := newStore(t, dir, nil).place(Vulnerability)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.writeRecord(r, false); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s := newStore(t, dir, nil)
		facts, err := s.Snapshot(t.Context(), Vulnerability, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if facts.FileSHA256 != sumOf([]byte("marker")) {
			t.Error("the file was hashed although its stamp is unchanged")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "db", "trivy.db"), later, later); err != nil {
		t.Fatal(err)
	}
	if _, err := newStore(t, dir, nil).Status(Vulnerability); !errors.Is(err, ErrChanged) {
		t.Errorf("after a touch: got %v, want the file to be hashed and found wrong", err)
	}
}

// What a killed update left is removed by the next one.
func TestUpdateSweeps(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "db", tempPrefix+"1234", "trivy.db"), []byte("half"))
	writeFile(t, filepath.Join(dir, "db", tempPrefix+"5678"), []byte("half"))
	install(t, dir, next)
	if l := leftovers(t, dir); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
}

// The Java database is another file, type and schema, by the same rules.
func TestUpdateJava(t *testing.T) {
	layer := pack(t, item{name: "./", kind: '5'}, item{name: "./trivy-java.db", data: []byte("jars")}, item{name: "./metadata.json", data: meta(1, next.at())})
	srv := newServer(t)
	srv.serve(t, layer, editLayer(func(l map[string]any) { l["mediaType"] = "application/vnd.aquasec.trivy.javadb.layer.v1.tar+gzip" }))
	dir := t.TempDir()
	s := newStore(t, dir, nil, srv.ref())
	facts, err := s.Ensure(t.Context(), Java, false, 0)
	if err != nil || facts.Version != 1 {
		t.Fatalf("got %+v, %v", facts, err)
	}
	run := t.TempDir()
	if _, err := s.Snapshot(t.Context(), Java, run); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(filepath.Join(run, "java-db", "trivy-java.db")); err != nil || string(raw) != "jars" {
		t.Errorf("got %q, %v", raw, err)
	}
	_, err = s.Update(t.Context(), Vulnerability)
	wantFault(t, err, "not a vulnerability database")
	if _, err := s.Update(context.Background(), Kind(0)); err == nil {
		t.Error("the zero kind is a database")
	}
}
