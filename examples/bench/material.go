package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// textSize bounds how much source text is kept in memory: enough that two files
// of one image rarely hold the same bytes.
const textSize = 64 << 20

// material is what the files of the images are cut from: source text and machine
// code of the Go toolchain. It compresses as real files do, it is on every
// machine that can build this program, and it is the same there, because the
// version of the toolchain is pinned.
type material struct {
	text, code []byte
	program    []byte // the go command, whole
}

func loadMaterial() (*material, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("find the Go toolchain: %w", err)
	}
	root, m := strings.TrimSpace(string(out)), &material{}
	if m.text, err = concatenate(filepath.Join(root, "src"), ".go", textSize); err != nil {
		return nil, err
	}
	if m.program, err = os.ReadFile(filepath.Join(root, "bin", "go")); err != nil {
		return nil, err
	}
	if m.code, err = concatenate(filepath.Join(root, "pkg", "tool"), "", 1<<30); err != nil {
		return nil, err
	}
	// Code with the magic in it would turn a library into a Go program.
	m.code = bytes.ReplaceAll(append(m.code, m.program...), []byte(buildInfoMagic), []byte("              "))
	return m, nil
}

// concatenate reads the files below dir in the order of their names.
func concatenate(dir, ext string, limit int) ([]byte, error) {
	var all []byte
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Ext(path) != ext && ext != "" {
			return err
		}
		raw, err := os.ReadFile(path)
		all = append(all, raw...)
		if len(all) >= limit {
			return fs.SkipAll
		}
		return err
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%s holds no files to make images of", dir)
	}
	return all, err
}
