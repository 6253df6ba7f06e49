package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
)

// The programs that imagegate is compared with, built from this module, so that
// go.mod says which versions they are.
const (
	trivyPackage = "github.com/aquasecurity/trivy/cmd/trivy"
	cranePackage = "github.com/google/go-containerregistry/cmd/crane"
)

// buildPeer builds a program into dir. Go's own build cache makes the second
// time cheap, and notices when go.mod names another version.
func buildPeer(ctx context.Context, dir, pkg string) (string, error) {
	to := filepath.Join(dir, filepath.Base(pkg))
	log.Printf("build %s (the first time takes minutes)", pkg)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", to, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return to, nil
}
