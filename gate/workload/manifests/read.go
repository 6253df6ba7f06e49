// Package manifests reads rendered Kubernetes manifests into evidence, with the
// strict decoder of the API server. Nothing in them is executed or fetched.
package manifests

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	// StandardInput is the name that stands for standard input.
	StandardInput = "-"
	// maxFile bounds one file, and maxDocument one document of it.
	maxFile     = 64 << 20
	maxDocument = 16 << 20
	// maxFiles bounds the files of a directory.
	maxFiles = 10_000
)

// Options say how manifests are read.
type Options struct {
	// Namespace is that of objects which name none.
	Namespace string
	// Templates says where custom resources have their pod template: paths by
	// GROUP/KIND.
	Templates map[string]string
}

// Read reads a file, all manifests below a directory, or standard input. The error
// is that something cannot be read at all; what is wrong in a file becomes problems
// of its document.
func Read(ctx context.Context, name string, stdin io.Reader, o Options) (*evidence.Release, error) {
	if name == StandardInput {
		data, err := input.ReadAll(ctx, stdin, "standard input", maxFile)
		if err != nil {
			return nil, err
		}
		return Parse(name, data, o), nil
	}
	files := []string{name}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		if files, err = filesBelow(name); err != nil {
			return nil, err
		}
	}
	release := &evidence.Release{SchemaVersion: evidence.SchemaVersion}
	for _, file := range files {
		data, err := input.ReadFile(ctx, file, maxFile)
		if err != nil {
			return nil, err
		}
		release.Append(Parse(file, data, o))
	}
	return release, nil
}

// EmptyDirectoryError says that a directory has no manifest.
type EmptyDirectoryError struct{ Name string }

func (e *EmptyDirectoryError) Error() string {
	return fmt.Sprintf("the directory %s has no file that ends in .yaml, .yml or .json", e.Name)
}

// filesBelow lists the manifests below a directory in the order of their names. A
// link to a directory is an error: what is behind it would be missed.
func filesBelow(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if d.Name() == ".git" && path != dir {
				return filepath.SkipDir
			}
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if info.IsDir() {
				return fmt.Errorf("%s is a link to a directory: name the directory itself", path)
			}
		}
		if isManifest(path) {
			files = append(files, path)
		}
		if len(files) > maxFiles {
			return fmt.Errorf("the directory %s has more than %d manifests", dir, maxFiles)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = &EmptyDirectoryError{dir}
	}
	return files, err
}

func isManifest(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(name)))
}

// reader reads one file.
type reader struct {
	file     string
	options  Options
	release  *evidence.Release
	objects  map[string]int
	problems []evidence.DocumentProblem
}

// Parse reads the bytes of a file.
func Parse(name string, data []byte, o Options) *evidence.Release {
	r := &reader{file: name, options: o, objects: map[string]int{}}
	r.release = &evidence.Release{SchemaVersion: evidence.SchemaVersion, Namespace: o.Namespace, PodSecurityVersion: podSecurityVersion}
	r.parse(data)
	sum := sha256.Sum256(data)
	r.release.Documents = []evidence.Document{{
		File: name, Kind: evidence.DocumentManifests, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data)), Objects: r.objects, Problems: r.problems,
	}}
	return r.release
}

// parse fills the release and the problems. A panic becomes a problem: a library
// that meets a file which it does not expect must not end the run of all images.
func (r *reader) parse(data []byte) {
	defer func() {
		if cause := recover(); cause != nil {
			r.problems = append(r.problems, evidence.DocumentProblem{
				At: evidence.Place{File: r.file, Line: 1, Column: 1}, Cure: "report it as a defect of imagegate, with the file",
				Message: fmt.Sprintf("reading the file ended in a panic: %v", cause),
			})
		}
	}()
	r.documents(data, func(v *value) { r.object(v, "", 0) })
}
