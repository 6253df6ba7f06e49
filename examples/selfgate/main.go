// Command selfgate judges imagegate's own image by imagegate: it builds the image
// that the Dockerfile describes as an OCI layout, without Docker and without a
// network, and runs the program on it.
//
// The base image and the advisories are replaced by small ones that are made
// here, because the real ones have to be downloaded. The workflow in .github/workflows/ci.yml does the
// same with the real ones.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "selfgate:", err)
		code = 2
	}
	os.Exit(code)
}

// run builds and judges the image, and returns the exit code of imagegate.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (int, error) {
	flags := flag.NewFlagSet("selfgate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	program := flags.String("program", "bin/imagegate", "the imagegate that judges, and goes into the image")
	dockerfile := flags.String("dockerfile", "Dockerfile", "the description of the image")
	policy := flags.String("policy", ".github/imagegate.yaml", "the policy to judge by")
	user := flags.String("user", "", "break the image: give it this USER")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0, nil
	case err != nil:
		return 0, err
	}
	work, err := os.MkdirTemp("", "selfgate-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := build(work, *program, *dockerfile, *user); err != nil {
		return 0, err
	}
	return judge(ctx, work, *program, *policy, stdout, stderr)
}

// build writes the image and the advisories below work.
func build(work, program, dockerfile, user string) error {
	src, err := os.ReadFile(dockerfile)
	if err != nil {
		return err
	}
	recipe, err := parseDockerfile(dockerfile, string(src))
	if err != nil {
		return err
	}
	if user != "" {
		recipe.user = user
	}
	body, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("read the program: %w (make build makes it)", err)
	}
	img, err := recipe.image(map[string][]byte{"$TARGETPLATFORM/imagegate": body}, time.Now())
	if err != nil {
		return err
	}
	if err := imagetest.WriteOCILayout(filepath.Join(work, "image"), imagetest.Named{Name: "self", What: img}); err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	if err := dbtest.WriteDatabase(filepath.Join(work, "cache"), dbtest.DBOptions{}); err != nil {
		return fmt.Errorf("write the advisories: %w", err)
	}
	return nil
}

// judge runs the program on the image.
func judge(ctx context.Context, work, program, policy string, stdout, stderr io.Writer) (int, error) {
	path, err := filepath.Abs(program)
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, path, "check", "--offline", "--ci=none",
		"--cache-dir="+filepath.Join(work, "cache"), "--policy="+policy, "oci:"+filepath.Join(work, "image"))
	cmd.Stdout, cmd.Stderr = stdout, stderr
	// On a signal imagegate ends its workers first.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}
