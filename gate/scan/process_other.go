//go:build !linux

package scan

import "os/exec"

func startProcess(cmd *exec.Cmd) error { return cmd.Start() }
