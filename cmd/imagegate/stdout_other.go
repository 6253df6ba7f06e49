//go:build !linux

package main

import "os"

// isClosed reports whether the program was started without a standard output, which
// cannot be known here.
func isClosed(*os.File) bool { return false }
