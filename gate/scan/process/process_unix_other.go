//go:build unix && !linux

package process

import "syscall"

// isolated puts the worker into a process group of its own. Without a
// parent-death signal, a worker whose parent is killed ends at the end of its
// standard input.
func isolated() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
