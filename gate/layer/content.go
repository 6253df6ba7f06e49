package layer

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"strings"
)

const (
	// peekSize is what is read of a file that does not decide.
	peekSize = 64
	// maxIdentity is the largest os-release or list of repositories.
	maxIdentity = 1 << 20
	// maxKept bounds what is held in memory of the content of one image.
	maxKept = 256 << 20
)

// ExecutableKind is what a program file is, by its first bytes.
type ExecutableKind string

// The kinds of executables.
const (
	KindELF     ExecutableKind = "elf"
	KindPE      ExecutableKind = "pe"
	KindScript  ExecutableKind = "script"  // #! and an x bit
	KindLibrary ExecutableKind = "library" // ELF or PE that is not run by itself
)

// compiled reports whether Trivy looks into such a file for build information.
func (k ExecutableKind) compiled() bool { return k == KindELF || k == KindPE || k == KindLibrary }

// read takes from a file what may be needed at the end.
func (t *Tree) read(e *Entry, layer int32, body io.Reader) (*file, error) {
	f := &file{layer: layer, size: e.Size, class: t.classify(e.Name)}
	if e.Size == 0 || body == nil {
		body = strings.NewReader("")
	}
	if f.class == classNone || f.class == classLanguage {
		head := make([]byte, min(e.Size, peekSize))
		if n, err := io.ReadFull(body, head); err != nil {
			return nil, shortFile(e, int64(n), err)
		}
		f.kind = executableKind(e, head)
		if f.class == classNone {
			return f, nil
		}
		body = io.MultiReader(bytes.NewReader(head), body)
	} else {
		f.path = strings.Clone(e.Name)
	}
	h := &hashed{r: body}
	h.sum.SetSeed(t.seed)
	problem := t.digest(f, e, h)
	if _, err := io.Copy(io.Discard, h); err != nil || h.n != e.Size {
		return nil, shortFile(e, h.n, err)
	}
	f.whole, f.sum = true, h.sum.Sum64()
	return f, problem
}

func shortFile(e *Entry, n int64, err error) error {
	if err == nil || err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) && n < e.Size {
		return fmt.Errorf("file %s ends after %d of %d bytes", quote(e.Name), n, e.Size)
	}
	return err
}

// digest reads the content of a file that decides.
func (t *Tree) digest(f *file, e *Entry, r *hashed) error {
	switch f.class {
	case classDpkg, classApk, classRPM:
		return t.database(f, e, r)
	case classOS, classOSTarget, classRepositories, classApkWorld:
		text, problem, err := t.small(e, r, maxIdentity)
		f.facts = &textFacts{text: text, problem: problem}
		return err
	case classAccounts:
		text, problem, err := t.small(e, r, maxAccounts)
		f.facts = &textFacts{text: text, problem: problem}
		return err
	case classDpkgList:
		paths, err := t.dpkgList(r)
		f.facts = &listFacts{paths}
		return err
	case classTOC:
		return t.toc.read(t, e, r)
	}
	return nil
}

// textFacts is a small file that is kept as it is.
type textFacts struct {
	text    []byte
	problem string
}

// small reads a small file whole, or says why not.
func (t *Tree) small(e *Entry, r io.Reader, limit int64) ([]byte, string, error) {
	if e.Size > limit {
		return nil, fmt.Sprintf("is larger than %d bytes", limit), nil
	}
	if !t.keep(e.Size) {
		return nil, "cannot be kept: the image has too many versions of such files", nil
	}
	data, err := io.ReadAll(io.LimitReader(r, limit))
	return data, "", err
}

// keep accounts for n more bytes of content in memory.
func (t *Tree) keep(n int64) bool {
	if t.kept+n > maxKept {
		return false
	}
	t.kept += n
	return true
}

// hashed identifies the content that passes through.
type hashed struct {
	r   io.Reader
	sum maphash.Hash
	n   int64
}

// Read implements io.Reader.
func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.n += int64(n)
	h.sum.Write(p[:n])
	return n, err
}

// executableKind goes by the first bytes and not by the mode: a shell can
// chmod a program before it runs it, and ld.so does not ask.
func executableKind(e *Entry, head []byte) ExecutableKind {
	base := baseOf(e.Name)
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		switch elfType(head) {
		case 1: // object files and kernel modules
			return KindLibrary
		case 3: // position-independent programs have this type, too
			if isSharedObject(base) {
				return KindLibrary
			}
		}
		return KindELF
	case bytes.HasPrefix(head, []byte("MZ")):
		if strings.HasSuffix(strings.ToLower(base), ".exe") {
			return KindPE
		}
		return KindLibrary
	case bytes.HasPrefix(head, []byte("#!")) && e.Mode&0o111 != 0:
		return KindScript
	}
	return ""
}

func isSharedObject(base string) bool {
	return strings.HasSuffix(base, ".so") || strings.Contains(base, ".so.")
}

// elfType reads e_type; 0 when there is none.
func elfType(head []byte) int {
	if len(head) < 18 {
		return 0
	}
	if head[5] == 2 { // big endian
		return int(head[16])<<8 | int(head[17])
	}
	return int(head[17])<<8 | int(head[16])
}
