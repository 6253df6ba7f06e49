// Command demo shows what imagegate does to real images. It starts a registry
// on loopback, pushes images and an advisory database to it, and runs the
// program on them as a user would. It needs neither a network account nor
// Docker; the images are built here or come with Trivy's module.
//
//	make build demo
//
// It ends in an error when a single verdict is not the one that it promises.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
)

func main() {
	program := flag.String("imagegate", filepath.Join("bin", "imagegate"), "the program to show")
	keep := flag.Bool("keep", false, "keep the registry until interrupted, to try commands of your own")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, *program, *keep)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run shows everything and returns an error for every promise that was broken.
func run(ctx context.Context, out io.Writer, program string, keep bool) error {
	if _, err := os.Stat(appDir); err != nil {
		return fmt.Errorf("%s is not here: run the demo from the top of the repository, with make demo", appDir)
	}
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("%s is not there yet: run make build first", program)
	}
	tmp, err := os.MkdirTemp("", "imagegate-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	registry := registrytest.NewRegistry()
	defer registry.Close()

	fmt.Fprintf(out, "Starting a registry at %s and pushing images to it ...\n", registry.Host)
	if err := push(ctx, registry, tmp); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return err
	}
	s := &show{out: out, program: program}
	for _, step := range steps(registry.Host, filepath.Join(tmp, "cache")) {
		if err := s.run(ctx, step); err != nil {
			return err
		}
	}
	if s.broken != nil {
		return errors.Join(s.broken...)
	}
	fmt.Fprint(out, next(program))
	if keep {
		fmt.Fprintf(out, "\nThe registry at %s stays until you press Ctrl-C. The database is in %s.\n", registry.Host, filepath.Join(tmp, "cache"))
		<-ctx.Done()
	}
	return nil
}

// next are the commands to try on one's own.
func next(program string) string {
	return fmt.Sprintf(`
Every verdict was the expected one. Try next:

    %[1]s policy init > imagegate.yaml   # the default policy, to edit
    %[1]s policy explain config.user     # what a rule checks, why, how to satisfy it
    %[1]s policy validate examples/policies/*.yaml
    %[1]s check alpine:3.22              # fetches Trivy's database (about 90 MB) the first time
    go run ./examples/demo -keep             # the same once more, with a registry that stays
`, program)
}
