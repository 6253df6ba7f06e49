//go:build !linux

package process

import "os"

func start(argv []string, attr *os.ProcAttr) (*os.Process, error) {
	return os.StartProcess(argv[0], argv, attr)
}

func widen(*os.File) {}
