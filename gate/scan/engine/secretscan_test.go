//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate/scan/secretpath"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	narrowSecrets = evidence.NeedSecrets
	allSecrets    = evidence.NeedSecrets | evidence.NeedSecretsAnywhere
)

// token is text with a secret.
const token = "token = ghp_" + "0123456789abcdefghijABCDEFGHIJ012345\n"

// analysed has a layer of some files analysed, and returns its analysis after the
// way through the cache.
func analysed(t *testing.T, need evidence.Need, files [][2]string) *analysis {
	t.Helper()
	wants, err := new(Selector).Wants(need)
	if err != nil {
		t.Fatal(err)
	}
	var sent bytes.Buffer
	w := wire.NewWriter(&sent)
	for _, f := range files {
		e := wire.Entry{Name: f[0], Mode: 0o644, Size: int64(len(f[1]))}
		if !wants(e.Name, e.Mode, e.Size) {
			continue
		}
		if err := w.Frame(wire.TypeEntry, e.Append(nil)); err != nil {
			t.Fatal(err)
		}
		if err := w.Data([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.JSON(wire.TypeLayerEnd, wire.LayerEnd{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	e := &engine{logs: new(logs), in: wire.NewReader(&sent), parallel: 2}
	g, err := e.groupsFor(need)
	if err != nil {
		t.Fatal(err)
	}
	a, err := e.layer(t.Context(), wire.Analyse{Need: need}, g)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	out := new(analysis)
	if err := json.Unmarshal(b, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Each need finds secrets in its files, and what is no text is counted when all
// files are searched.
func TestSecretPaths(t *testing.T) {
	noise := make([]byte, 2*secretpath.HeadSize)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	png := "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + string(noise) + token
	files := [][2]string{
		{"app/.env", token}, {"app/a.png", png}, {"app/node_modules/a/.env", token}, {"app/node_modules/a/logo.png", png},
		{"app/logo.svg", token}, {"usr/lib/x.conf", token}, {"usr/lib/x.so", "\x7fELF\x02\x01\x01\x00" + string(noise) + token}, {"usr/share/doc/a.example", token},
		{"usr/lib/wide.txt", "t\x00o\x00k\x00e\x00n\x00 \x00i\x00s\x00"}, {"usr/lib/small", "\x00"}, {"usr/lib/cache.pyc", "\x00\x01\x02\x03" + string(noise) + "\n" + token},
	}
	for _, tt := range []struct {
		need   evidence.Need
		want   []string
		noText int
	}{
		{evidence.NeedPackages, nil, 0},
		{evidence.NeedSecretsAnywhere, nil, 0}, // it says where, and not that
		{narrowSecrets, []string{"/app/.env"}, 0},
		{allSecrets, []string{"/app/.env", "/app/logo.svg", "/app/node_modules/a/.env", "/usr/lib/cache.pyc", "/usr/lib/x.conf", "/usr/share/doc/a.example"}, 3},
	} {
		a := analysed(t, tt.need, files)
		var got []string
		for _, s := range a.Main.Secrets {
			got = append(got, s.FilePath)
			if len(s.Findings) != 1 || a.Contents[pathOf(s.FilePath)] == "" {
				t.Errorf("need %b: %s: %d findings, content %q", tt.need, s.FilePath, len(s.Findings), a.Contents[pathOf(s.FilePath)])
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, tt.want) || a.NoText != tt.noText {
			t.Errorf("need %b: secrets in %q and %d files are no text, want %q and %d", tt.need, got, a.NoText, tt.want, tt.noText)
		}
		if len(a.SBOM.Secrets) > 0 {
			t.Errorf("need %b: the analyzers of bills of materials looked for secrets", tt.need)
		}
	}
}

// A file is marked as left out exactly if the narrow search does not look into it:
// policies that ask for that search do not count what is marked.
func TestLeftOutIsWhatTheNarrowSearchDoesNotRead(t *testing.T) {
	var s Selector
	narrow, err := s.Wants(narrowSecrets)
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Wants(allSecrets)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{
		"app/.env", "app/node_modules/a/.env", "node_modules", "app/vendor/x.php", "usr/lib/x.conf", "usr/lib/python3/x.py", "lib/x", "usr/share/doc/x",
		"app/logo.png", "app/logo.svg", "app/x.tar", "srv/gems/a/secret.yml", "app/site-packages/a.cfg", "usr/local/go/src/x.go", "usr/src/wordpress/wp-config.php",
		"etc/shadow", "root/.aws/credentials", "var/log/anaconda/x.log", "app/.git/config", "config.json", "app/locale/en.txt",
	} {
		if got := !narrow(file, 0o644, 1<<10); got != leftOut(file) {
			t.Errorf("%s is marked as left out: %v, but the narrow search leaves it out: %v", file, leftOut(file), got)
		}
		if !all(file, 0o644, minSecret) || all(file, 0o644, minSecret-1) {
			t.Errorf("%s: the search in all files reads files from %d bytes on", file, minSecret)
		}
	}
}

// An analysis of one search is not taken for that of another.
func TestSecretPathsHaveFingerprints(t *testing.T) {
	var s Selector
	seen := map[string]evidence.Need{}
	for _, need := range []evidence.Need{evidence.NeedPackages, narrowSecrets, allSecrets} {
		f, err := s.Fingerprint(need)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[f]; ok {
			t.Errorf("the needs %b and %b have one fingerprint", need, other)
		}
		seen[f] = need
	}
}

// Each rule of ours finds the credentials that a tool keeps in its file, and neither the
// names of variables nor the like elsewhere.
func TestOwnSecretRules(t *testing.T) {
	const value = "S0m3thingL0ng"
	for _, tt := range []struct{ file, text, want string }{
		{"root/.npmrc", "//registry.npmjs.org/:_authToken=npm_" + strings.Repeat("a1B2", 9) + "\n", "npm-access-token-unquoted"},
		{"app/x", "npm_config_registry=" + strings.Repeat("a1B2", 9) + "\n", ""},
		{"root/.npmrc", "//npm.example/:_authToken=" + value + "\n", "npm-credentials"},
		{"root/.npmrc", "//npm.example/:_authToken=${NPM_TOKEN}\n", ""},
		{"app/.docker/config.json", `{"auths":{"ghcr.io":{"auth":"Ym9iOnNlY3JldA=="}}}`, "registry-credentials"},
		{"app/config.json", `{"auth":"Ym9iOnNlY3JldA=="}`, ""},
		{"root/.kube/config", "client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQ" + strings.Repeat("YWJj", 30) + "\n", "private-key-base64"},
		{"root/.kube/config", "certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t" + strings.Repeat("YWJj", 30) + "\n", ""},
		{"app/.git/config", "url = https://bob:" + value + "@git.example/x.git\n", "password-in-url"},
		{"app/.git/config", "url = https://bob@git.example/x.git\n", ""},
		{"etc/pip.conf", "index-url = https://bob:${PASSWORD}@pypi.example/\n", ""},
		{"root/.netrc", "machine a login b\npassword " + value + "\n", "password-in-netrc"},
		{"root/.pypirc", "[pypi]\npassword = " + value + "\n", "password-in-pypirc"},
		{"app/notes.txt", "password = " + value + "\n", ""},
	} {
		a := analysed(t, narrowSecrets, [][2]string{{tt.file, tt.text}})
		var got []string
		for _, s := range a.Main.Secrets {
			for _, f := range s.Findings {
				got = append(got, f.RuleID)
			}
		}
		if !slices.Contains(got, tt.want) && (tt.want != "" || len(got) > 0) {
			t.Errorf("%s, %q: found %q, want %q", tt.file, tt.text, got, tt.want)
		}
	}
}
