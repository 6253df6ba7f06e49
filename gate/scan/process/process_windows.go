package process

import (
	"os"
	"syscall"
)

// firstDir is ours: there is no directory that every Windows has.
const firstDir = ""

func isolated() *syscall.SysProcAttr { return nil }

func kill(p *os.Process) { _ = p.Kill() }
