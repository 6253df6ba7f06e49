package gate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/imagegate/imagegate"

// listed is what `go list` tells about a package.
type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// imports lists, for each of our packages, which of our packages it may import.
// A package that is not listed may import nothing of ours.
func allowedImports() map[string][]string {
	facts := []string{"policy/evidence", "policy/words"}
	contracts := append([]string{"policy", "gate", "gate/input", "gate/limit", "gate/strictjson"}, facts...)
	with := func(more ...string) []string { return append(slices.Clone(contracts), more...) }
	return map[string][]string{
		"gate/strictjson":      nil,
		"gate/limit":           {"policy/words"},
		"gate/input":           {"policy/words"},
		"policy/words":         nil,
		"policy/yamldoc":       nil,
		"policy/evidence":      nil,
		"policy/version":       nil,
		"policy/plan":          append([]string{"policy", "policy/version"}, facts...),
		"policy/forecast":      {"policy", "policy/evidence"},
		"policy/ignorefile":    {"policy"},
		"policy/policytest":    append([]string{"policy"}, facts...),
		"policy/expression":    facts,
		"policy/edit":          nil,
		"policy/vex":           {"policy/evidence", "gate/strictjson"},
		"policy":               append([]string{"policy/version", "policy/expression", "policy/vex", "policy/yamldoc"}, facts...),
		"gate":                 append([]string{"policy", "policy/plan"}, facts...),
		"gate/layer/inflate":   nil,
		"gate/layer":           with("gate/layer/inflate"),
		"gate/image":           contracts,
		"gate/image/local":     with("gate/image"),
		"gate/image/remote":    with("gate/image", "gate/promote"),
		"gate/proof":           with("gate/image", "gate/promote", "gate/prove"),
		"gate/findings":        {"policy/evidence", "gate/strictjson"},
		"gate/saved":           with("gate/findings"),
		"gate/promote":         nil,
		"gate/policies":        {"gate/promote"},
		"gate/prove":           {"gate/promote", "gate/strictjson"},
		"gate/report/safe":     nil,
		"gate/report/page":     {"gate/report/safe"},
		"gate/report":          with("gate/report/safe", "gate/report/page", "policy/plan"),
		"gate/exploited":       append([]string{"gate/strictjson", "gate/layer/inflate"}, facts...),
		"gate/diff":            append([]string{"policy", "gate/report/safe", "gate/report/page"}, facts...),
		"gate/ci":              with("gate/report", "gate/report/safe"),
		"gate/scan/wire":       with("gate/layer", "gate/findings"),
		"gate/scan/database":   with("gate/layer", "gate/layer/inflate", "gate/exploited"),
		"gate/scan/cache":      {"gate/input"},
		"gate/scan/process":    nil,
		"gate/scan/pkgdb":      nil,
		"gate/scan/manifest":   nil,
		"gate/scan/secretpath": nil,
		"gate/scan/engine":     with("gate/layer", "gate/scan/wire", "gate/scan/pkgdb", "gate/scan/manifest", "gate/scan/secretpath"),
		"gate/scan/store":      with("gate/layer"),
		"gate/scan/worker":     with("gate/layer", "gate/findings", "gate/scan/wire", "gate/scan/process"),
		"gate/scan":            with("gate/layer", "gate/scan/wire", "gate/scan/database", "gate/scan/manifest", "gate/scan/secretpath", "gate/scan/process", "gate/scan/store", "gate/scan/worker"),

		"gate/workload/compose":    with("gate/image", "policy/yamldoc"),
		"gate/workload/dockerfile": with("gate/image"),
		"gate/workload/manifests":  with("gate/image", "policy/yamldoc"),
		"gate/workload/pinned":     with("gate/workload/dockerfile", "policy/yamldoc"),

		// Go must initialise it before all other packages.
		"cmd/imagegate/ahead":    {"gate/scan/process"},
		"cmd/imagegate/cmdline":  {"policy/words"},
		"cmd/imagegate/tempdir":  nil,
		"cmd/imagegate/spool":    nil,
		"cmd/imagegate/machine":  nil,
		"cmd/imagegate/progress": with("gate/report/safe", "policy/words"),
		"cmd/imagegate": with("cmd/imagegate/ahead", "cmd/imagegate/spool", "cmd/imagegate/cmdline", "cmd/imagegate/tempdir", "cmd/imagegate/machine", "cmd/imagegate/progress",
			"gate/saved", "gate/image", "gate/image/local", "gate/image/remote", "gate/layer", "gate/scan", "gate/scan/database", "gate/scan/cache",
			"gate/workload/compose", "gate/workload/dockerfile", "gate/workload/manifests", "gate/workload/pinned", "gate/scan/engine", "gate/scan/process", "gate/report", "gate/report/safe", "gate/ci", "gate/promote", "gate/proof", "gate/policies", "policy/policytest", "policy/ignorefile", "policy/edit", "policy/vex", "policy/forecast", "gate/diff", "gate/exploited", "gate/prove"),
	}
}

// Imports run one way, and adapters never import each other.
func TestImportsRunOneWay(t *testing.T) {
	allowed := allowedImports()
	packages := goList(t, "-json=ImportPath,Imports", "./...")
	if len(packages) < 5 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	for _, pkg := range packages {
		name := strings.TrimPrefix(pkg.ImportPath, module+"/")
		if helper(name) {
			continue
		}
		may, known := allowed[name]
		if !known {
			t.Errorf("%s has no import rule: add it to allowedImports", name)
		}
		for _, path := range pkg.Imports {
			ours, isOurs := strings.CutPrefix(path, module+"/")
			if isOurs && !slices.Contains(may, ours) {
				t.Errorf("%s imports %s", name, ours)
			}
		}
	}
}

// helper reports whether a package serves tests and examples only.
func helper(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return name == "gate/gatetest" || strings.HasPrefix(name, "gate/gatetest/") || first == "examples"
}

// Only the worker's package links Trivy, which has 90 init functions and
// process-wide state. No other package may depend on those.
func TestImportsOfTrivy(t *testing.T) {
	engine := module + "/gate/scan/engine"
	for _, pkg := range goList(t, "-json=ImportPath,Imports,TestImports,XTestImports", "./...") {
		for _, path := range slices.Concat(pkg.Imports, pkg.TestImports, pkg.XTestImports) {
			if strings.HasPrefix(path, "github.com/aquasecurity/trivy") && pkg.ImportPath != engine &&
				!helper(strings.TrimPrefix(pkg.ImportPath, module+"/")) {
				t.Errorf("%s imports %s: only gate/scan/engine may", pkg.ImportPath, path)
			}
		}
	}
	for _, pkg := range goList(t, "-deps", "-json=ImportPath", "./policy/...", "./gate", "./gate/scan", "./gate/image/...", "./gate/report", "./gate/ci") {
		if strings.HasPrefix(pkg.ImportPath, "github.com/aquasecurity/trivy/") {
			t.Errorf("%s is linked by a package other than gate/scan/engine", pkg.ImportPath)
		}
	}
}

// Only gate/prove links the libraries of Sigstore: they register types when the
// program starts, and parse foreign bytes.
func TestImportsOfSigstore(t *testing.T) {
	for _, pkg := range goList(t, "-json=ImportPath,Imports", "./...") {
		name := strings.TrimPrefix(pkg.ImportPath, module+"/")
		for _, path := range pkg.Imports {
			if strings.HasPrefix(path, "github.com/sigstore/") && name != "gate/prove" && !helper(name) {
				t.Errorf("%s imports %s: only gate/prove may", pkg.ImportPath, path)
			}
		}
	}
}

// The policy and the facts are pure: no network, no processes, no files beyond
// what embedding needs.
func TestImportsOfPolicyArePure(t *testing.T) {
	banned := []string{"net", "net/http", "os", "os/exec", "os/signal", "syscall", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand", "unsafe"}
	thirdParty := []string{
		"gopkg.in/yaml.v3", "github.com/package-url/packageurl-go", "github.com/bmatcuk/doublestar/v4", "github.com/Masterminds/semver/v3",
		"github.com/aquasecurity/go-", "github.com/knqyf263/", "github.com/masahiro331/go-mvn-version", // orders of versions
		"github.com/dustin/go-humanize", "github.com/agnivade/levenshtein", "github.com/google/cel-go",
	}
	for _, pkg := range goList(t, "-json=ImportPath,Imports", "./policy/...") {
		for _, path := range pkg.Imports {
			if slices.Contains(banned, path) {
				t.Errorf("%s imports %s", pkg.ImportPath, path)
			}
			first, _, _ := strings.Cut(path, "/")
			known := func(prefix string) bool { return strings.HasPrefix(path, prefix) }
			if strings.Contains(first, ".") && !strings.HasPrefix(path, module) && !slices.ContainsFunc(thirdParty, known) {
				t.Errorf("%s imports %s", pkg.ImportPath, path)
			}
			if pkg.ImportPath == module+"/policy/evidence" && strings.Contains(first, ".") {
				t.Errorf("policy/evidence imports %s: it may import the standard library only", path)
			}
		}
	}
}

// goList runs `go list` in the module's root.
func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	var packages []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg listed
		err := dec.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, pkg)
	}
}
