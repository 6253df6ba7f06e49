package main

import (
	"errors"
	"sync/atomic"
)

// lifetime settles who ends the program: the command, with the exit code that
// its reports tell, or a signal. The zero value belongs to a program that runs.
type lifetime struct{ state atomic.Int32 }

const (
	running   int32 = iota
	decided         // the reports appear: the exit code is known
	abandoned       // a signal or the grace period ended the program
)

// decide says that the exit code is known. From then on nothing but the command
// ends the program.
func (l *lifetime) decide() error {
	if l.state.CompareAndSwap(running, decided) || l.isDecided() {
		return nil
	}
	return errors.New("the run was ended")
}

func (l *lifetime) isDecided() bool { return l.state.Load() == decided }

// abandon reports whether the program may end without waiting for the command.
func (l *lifetime) abandon() bool { return l.state.CompareAndSwap(running, abandoned) }
