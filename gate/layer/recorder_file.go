package layer

import (
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
	// maxKept bounds what is held in memory of the content of one layer, and of
	// one image.
	maxKept = 256 << 20
)

// file takes from a file what may be needed at the end.
func (r *Recorder) file(rec *record, e *Entry, body io.Reader) error {
	rec.size, rec.class = e.Size, r.paths.classify(e.Name)
	if e.Size == 0 || body == nil {
		body = strings.NewReader("")
	}
	h := &r.hashed
	if rec.class == classNone || rec.class == classLanguage {
		head := r.head[:min(e.Size, peekSize)]
		if n, err := io.ReadFull(body, head); err != nil {
			return shortFile(e, int64(n), err)
		}
		rec.program = programOf(e, head)
		if rec.class == classNone && !rec.program.compiled() {
			return nil
		}
		h.begin(body, head)
	} else {
		h.begin(body, nil)
	}
	found, err := r.find(rec.class, e, h)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, h); err != nil || h.n != e.Size {
		return shortFile(e, h.n, err)
	}
	if found != nil {
		r.c.findings = append(r.c.findings, found)
	}
	r.sums = append(r.sums, sum{h.sum.Sum64(), e.Size, len(r.c.records)})
	return nil
}

func shortFile(e *Entry, n int64, err error) error {
	if err == nil || err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) && n < e.Size {
		return fmt.Errorf("file %s ends after %d of %d bytes", quote(e.Name), n, e.Size)
	}
	return err
}

// find reads the content of a file that decides.
func (r *Recorder) find(c class, e *Entry, body io.Reader) (finding, error) {
	switch c {
	case classDpkg, classApk, classRPM:
		return r.database(c, e, body)
	case classOS, classOSTarget, classRepositories, classApkWorld:
		return r.small(e, body, maxIdentity)
	case classAccounts:
		return r.small(e, body, maxAccounts)
	case classDpkgList:
		return r.dpkgList(body)
	case classTOC:
		return r.readTOC(e, body)
	}
	return nil, nil
}

// small reads a small file whole, or says why not.
func (r *Recorder) small(e *Entry, body io.Reader, limit int64) (finding, error) {
	if e.Size > limit {
		return &textFacts{problem: fmt.Sprintf("is larger than %d bytes", limit)}, nil
	}
	if !r.keep(e.Size) {
		return &textFacts{problem: problemTooMany}, nil
	}
	text, err := io.ReadAll(io.LimitReader(body, limit))
	return &textFacts{text: text}, err
}

// keep accounts for n more bytes of content in memory.
func (r *Recorder) keep(n int64) bool {
	if r.kept+n > maxKept {
		return false
	}
	r.kept += n
	return true
}

// hashed identifies the content that passes through.
type hashed struct {
	r   io.Reader
	sum maphash.Hash
	n   int64
}

// begin starts with the next file, of which head has been read already.
func (h *hashed) begin(r io.Reader, head []byte) {
	h.r, h.n = r, int64(len(head))
	h.sum.Reset()
	h.sum.Write(head)
}

// Read implements io.Reader.
func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.n += int64(n)
	h.sum.Write(p[:n])
	return n, err
}
