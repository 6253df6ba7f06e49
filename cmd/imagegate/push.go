package main

import (
	"io"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/progress"
	"github.com/imagegate/imagegate/gate/promote"
)

// pushTo opens the repository that ref names, for what push stores there, and returns the
// digest that push returns.
func pushTo(p *program, c *cli.Context, ref string, push func(promote.Target) (string, error)) (string, error) {
	conn, err := connect(p, c, progress.New(io.Discard, true, p.env.get))
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.client.Close() }()
	target, err := conn.client.Repository(ref)
	if err != nil {
		return "", err
	}
	return push(target)
}
