package trivytest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TrivyTestImages names the real images inside Trivy's module zip.
func TrivyTestImages() []string {
	return []string{"alpine-310", "alpine-311", "distroless", "vuln-image"}
}

// TrivyTestImage returns one of the real images that Trivy's module carries as
// test data. They are in the module cache of everyone who can build imagegate,
// so they need no download and no copy in this repository.
func TrivyTestImage(ctx context.Context, name string) (v1.Image, error) {
	dir, err := moduleDir(ctx, "github.com/aquasecurity/trivy")
	if err != nil {
		return nil, err
	}
	packed, err := os.ReadFile(filepath.Join(dir, "pkg/fanal/test/testdata", name+".tar.gz"))
	if err != nil {
		return nil, fmt.Errorf("image %q in Trivy's test data: %w", name, err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", name, err)
	}
	saved, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", name, err)
	}
	return tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(saved)), nil }, nil)
}

// moduleDir asks the go command for the directory of a module.
func moduleDir(ctx context.Context, module string) (string, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find module %s: %w: %s", module, err, strings.TrimSpace(stderr.String()))
	}
	dir := strings.TrimSpace(string(out))
	if dir == "" {
		return "", fmt.Errorf("module %s is not in the module cache: run go mod download %s", module, module)
	}
	return dir, nil
}
