package main

import (
	"fmt"
	"net"
	"os/exec"
	"time"
)

// freeAddress returns an address on loopback at which no server listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// startServer starts a server and waits until it takes connections at the address. stop
// ends it, and may be called after an error too.
func startServer(cmd *exec.Cmd, address string) (stop func(), err error) {
	if err := cmd.Start(); err != nil {
		return func() {}, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for range 200 {
		if c, err := net.Dial("tcp", address); err == nil {
			return stop, c.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return stop, fmt.Errorf("%s did not start", cmd.Path)
}

// stopTarget ends the server that a row has started.
func (b *bench) stopTarget() {
	if b.target != nil {
		b.target()
		b.target = nil
	}
}
