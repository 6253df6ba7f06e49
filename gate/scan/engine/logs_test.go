//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"errors"
	"fmt"
	"go/build"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate/scan/wire"
)

func TestLogs(t *testing.T) {
	tests := []struct {
		name  string
		level slog.Level
		msg   string
		attr  any
		kept  bool
	}{
		{"an analyzer failed", slog.LevelDebug, "Analysis error", errors.New("bad rpmdb"), true},
		{"chatter", slog.LevelDebug, "Scanning packages for vulnerabilities", "x", false},
		{"information", slog.LevelInfo, "Detected OS", "alpine", false},
		{"a stanza was dropped", slog.LevelWarn, "Parse error", "var/lib/dpkg/status", true},
		{"an unknown warning", slog.LevelWarn, "The moon is full", "x", true},
		{"an unknown error", slog.LevelError, "The moon is full", "x", true},
		{"severity source", slog.LevelWarn, "Using severities from other vendors for some vulnerabilities. Read https://x for details.", "x", false},
		{"a package's version cannot be compared", slog.LevelWarn, "Version matching error", errors.New("npm version error (banana): improper"), true},
		{"a version that names the excuse", slog.LevelWarn, "Version matching error", errors.New("npm version error (1.0 constraint error): improper"), true},
		{"a jar cannot be read", slog.LevelDebug, "Walk error", errors.New("not a zip"), true},
		{"a jar in a jar cannot be read", slog.LevelDebug, "Failed to parse", errors.New("not a zip"), true},
		{"an advisory's range cannot be parsed", slog.LevelWarn, "Version matching error", errors.New("npm constraint error (<1.9.0b1): improper"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			logs := new(logs)
			log := slog.New(&logHandler{logs: logs}).With("prefix", "x")
			log.Log(t.Context(), tt.level, tt.msg, "err", tt.attr)
			if got := len(logs.take(noFile)) == 1; got != tt.kept {
				t.Errorf("kept = %v, want %v", got, tt.kept)
			}
		})
	}
}

// TestLogContract checks that Trivy still logs the strings that this package looks
// for. If Trivy rewords a message, a gap would not be reported.
func TestLogContract(t *testing.T) {
	dir := trivyDir(t)
	var source strings.Builder
	for _, sub := range []string{"pkg/fanal", "pkg/detector", "pkg/vulnerability", "pkg/sbom", "pkg/dependency", "pkg/utils"} {
		err := filepath.WalkDir(filepath.Join(dir, sub), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			source.Write(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	text := source.String()
	for _, msg := range append(append([]string{versionMismatch, innerJar}, debugThatMatters...), harmless...) {
		if !strings.Contains(text, `"`+msg) {
			t.Errorf("Trivy no longer logs %q", msg)
		}
	}
}

// TestAnalyzers compares imports.go with Trivy's own list, without the kinds that
// Trivy disables for images or that imagegate omits on purpose.
func TestAnalyzers(t *testing.T) {
	leftOut := map[string]bool{
		"config/all": true, "executable": true, "imgconf/apk": true, "imgconf/dockerfile": true,
		// Lock files: analyzer.TypeLockfiles is disabled for images.
		"language/c/conan": true, "language/conda/environment": true, "language/dart/pub": true,
		"language/elixir/mix": true, "language/golang/mod": true, "language/java/gradle": true,
		"language/java/pom": true, "language/java/sbt": true, "language/nodejs/bun": true,
		"language/nodejs/npm": true, "language/nodejs/pnpm": true, "language/nodejs/yarn": true,
		"language/python/pip": true, "language/python/pipenv": true, "language/python/poetry": true,
		"language/python/pylock": true, "language/python/uv": true, "language/ruby/bundler": true,
		"language/rust/cargo": true, "language/swift/cocoapods": true, "language/swift/swift": true,
		// Licence files need --license-full.
		"licensing": true,
		// secretAnalyzer replaces it.
		"secret": true,
	}
	const prefix = "github.com/aquasecurity/trivy/pkg/fanal/analyzer/"
	ours := map[string]bool{}
	p, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range p.Imports {
		ours[strings.TrimPrefix(path, prefix)] = true
	}
	all, err := build.ImportDir(filepath.Join(trivyDir(t), "pkg/fanal/analyzer/all"), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all.Imports {
		if name := strings.TrimPrefix(path, prefix); !ours[name] && !leftOut[name] {
			t.Errorf("Trivy has an analyzer that is neither imported nor left out on purpose: %s", name)
		}
	}
}

func trivyDir(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aquasecurity/trivy").Output()
	if err != nil {
		t.Fatalf("find Trivy's sources: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// Which messages are kept does not depend on the order in which they come.
func TestLogsAreTheSameInAnyOrder(t *testing.T) {
	var want []wire.Log
	for seed := range uint64(3) {
		var l logs
		for _, i := range rand.New(rand.NewPCG(1, seed)).Perm(5 * maxLogs) {
			l.add(record{Log: wire.Log{Level: "WARN", Message: "m", Attrs: fmt.Sprint(i % (4 * maxLogs))}})
		}
		got := l.take(noFile)
		if want == nil {
			want = got
		}
		if len(got) != maxLogs+1 || !slices.Equal(got, want) {
			t.Errorf("seed %d: %d messages, want %d that are always the same", seed, len(got), maxLogs+1)
		}
	}
}

// TestLogsNameOneFile: a name in the text of an error is believed only when no other
// file of the layer can be meant. Otherwise somebody could delete the other file.
func TestLogsNameOneFile(t *testing.T) {
	long := strings.Repeat("a", maxCause)
	for _, test := range []struct {
		name  string
		attrs []any
		sent  []string
		want  string
	}{
		{"an attribute", []any{"file_path", "a/x.jar", "err", "e"}, []string{"a/x.jar"}, "a/x.jar"},
		{"an attribute of a file that was not sent", []any{"file_path", "a/x.jar/b.jar", "err", "e"}, []string{"a/x.jar", "b.jar"}, ""},
		{"an attribute that was cut", []any{"file_path", long, "err", "e"}, []string{long[:2000], long}, ""},
		{"an attribute and an error that names another", []any{"file_path", "a", "err", "failed to parse b: e"}, []string{"b"}, ""},
		{"an error", []any{"err", "failed to parse a/x.gemspec: failed to parse a/x.gemspec: bad"}, []string{"a/x.gemspec"}, "a/x.gemspec"},
		{"a name with a colon", []any{"err", "failed to parse a: b: bad"}, []string{"a: b"}, "a: b"},
		{"a name that looks like another", []any{"err", "failed to parse a: b: bad"}, []string{"a", "a: b"}, ""},
		{"a text of the image", []any{"err", "yaml: failed to parse a: bad"}, []string{"a"}, ""},
		{"a text that is too long", []any{"err", "failed to parse a: " + long}, []string{"a"}, ""},
		{"no file", []any{"err", "failed to parse"}, []string{""}, ""},
	} {
		logs := new(logs)
		slog.New(&logHandler{logs: logs}).Debug(analysisError, test.attrs...)
		got := logs.take(func(file string) bool { return slices.Contains(test.sent, file) })
		if len(got) != 1 || got[0].Of != test.want {
			t.Errorf("%s: got %+v, want %q", test.name, got, test.want)
		}
	}
}

// An analyzer that fails without a word about the file is asked again for each file
// alone. What it said first is dropped only if it says as much again.
func TestLogsOfFilesAlone(t *testing.T) {
	said := func(again ...string) []wire.Log {
		logs := new(logs)
		log := slog.New(&logHandler{logs: logs})
		for range 2 {
			log.Debug(analysisError, "err", "no archive")
		}
		for _, file := range again {
			logs.only(file)
			log.Debug(analysisError, "err", "no archive")
			logs.only("")
		}
		return logs.take(func(file string) bool { return file == "a" || file == "b" })
	}
	if got := said("a", "b"); len(got) != 2 || got[0].Of == got[1].Of || got[0].Of == "" || got[1].Of == "" {
		t.Errorf("both files: %+v", got)
	}
	if got := said("a"); len(got) != 2 || got[0].Of != "" && got[1].Of != "" {
		t.Errorf("one file: %+v", got)
	}
	if got := said(); len(got) != 1 || got[0].Of != "" {
		t.Errorf("no file: %+v", got)
	}
}

func TestLogHasNoTemporaryNames(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	got := sameWords("readat " + dir + "/trivy-1/file-2: negative offset, open " + dir + "/x")
	if want := "readat a temporary file: negative offset, open a temporary file"; got != want {
		t.Errorf("got %q", got)
	}
}

func noFile(string) bool { return false }
