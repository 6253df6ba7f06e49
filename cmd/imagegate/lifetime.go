package main

import (
	"errors"
	"sync/atomic"
)

// lifetime settles who ends the program: the command, with the exit code that
// its reports tell, or a signal. The zero value belongs to a program that works.
type lifetime struct{ state atomic.Int32 }

const (
	working   int32 = iota
	printing        // the exit code is chosen, and a report goes to standard output
	decided         // the files appear: nothing but the command ends the program
	abandoned       // a signal or the grace period ended the program
)

// print says that the exit code is chosen. A signal no longer changes it. A
// second signal or the end of the grace period can still end the program, because
// standard output can block.
func (l *lifetime) print() error { return l.pass(working, printing) }

// decide says that nothing but the command ends the program from here on.
func (l *lifetime) decide() error { return l.pass(printing, decided) }

func (l *lifetime) pass(from, to int32) error {
	if l.state.CompareAndSwap(from, to) {
		return nil
	}
	if now := l.state.Load(); now == to || now == decided {
		return nil // the reports are written once more
	}
	return errors.New("the run was ended")
}

func (l *lifetime) isDecided() bool { return l.state.Load() == decided }

// abandon reports whether the program may end without waiting for the command.
func (l *lifetime) abandon() bool {
	return l.state.CompareAndSwap(working, abandoned) || l.state.CompareAndSwap(printing, abandoned)
}
