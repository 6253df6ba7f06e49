package main

import (
	"errors"
	"io"
	"os"
)

// standardOutput is where the program prints, and an error for each attempt if it
// was started without a standard output.
func standardOutput() io.Writer {
	if isClosed(os.Stdout) {
		return closedOutput{}
	}
	return os.Stdout
}

var errClosed = errors.New("it is closed")

// closedOutput loses nothing without saying so.
type closedOutput struct{}

// Write implements io.Writer.
func (closedOutput) Write([]byte) (int, error) { return 0, errClosed }
