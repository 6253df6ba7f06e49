//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/findings"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
)

// conversation is a worker that runs in this process, and the parent's side of
// its pipes.
type conversation struct {
	t    *testing.T
	send *wire.Writer
	recv *wire.Reader
}

// open begins the conversation.
func (c *conversation) open(cacheDir string) wire.Ready {
	c.t.Helper()
	c.must(c.send.JSON(wire.TypeOpen, wire.Open{CacheDir: cacheDir, Parallel: 2}))
	c.must(c.send.Flush())
	kind, payload, err := c.recv.Next()
	c.must(err)
	if kind != wire.TypeReady {
		c.t.Fatalf("frame %q instead of Ready", kind)
	}
	var ready wire.Ready
	c.must(strictjson.Unmarshal(payload, &ready))
	return ready
}

// errEnded says that the worker ended while something was sent to it.
var errEnded = errors.New("the worker ended")

func (c *conversation) must(err error) {
	c.t.Helper()
	if errors.Is(err, errEnded) {
		kind, payload, _ := c.recv.Next() // what it said last
		c.t.Fatalf("%v: frame %q: %s", err, kind, payload)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// scan sends an image as the parent does and returns the worker's report.
func (c *conversation) scan(img v1.Image, need evidence.Need, java bool) *wire.Report {
	c.t.Helper()
	config, err := img.RawConfigFile()
	c.must(err)
	layers, err := img.Layers()
	c.must(err)
	analyses := make([][]byte, len(layers))
	for i, l := range layers {
		analyses[i] = c.analyse(l, need, java)
	}
	c.must(c.send.Document(wire.TypeBegin, wire.Begin{Name: "test", Need: need, Config: config, Now: time.Now()}))
	for i, l := range layers {
		diffID, err := l.DiffID()
		c.must(err)
		digest, err := l.Digest()
		c.must(err)
		c.must(c.send.JSON(wire.TypeLayer, wire.Layer{Digest: digest.String(), DiffID: diffID.String(), Size: int64(len(analyses[i]))}))
		c.must(c.send.Data(analyses[i]))
	}
	c.must(c.send.Frame(wire.TypeMatch, nil))
	c.must(c.send.Document(wire.TypeFinish, wire.Finish{}))
	b, err := c.recv.Sized(c.answer(wire.TypeReport), 1<<30)
	c.must(err)
	report, err := wire.DecodeReport(b, new(findings.Known))
	c.must(err)
	return report
}

// answer returns the worker's next frame, which has to be of type want.
func (c *conversation) answer(want wire.Type) []byte {
	c.t.Helper()
	c.must(c.send.Flush())
	kind, payload, err := c.recv.Next()
	c.must(err)
	if kind != want {
		c.t.Fatalf("frame %q instead of %q: %s", kind, want, payload)
	}
	return payload
}

// analyse sends a layer and returns its analysis. Like the parent, it sends
// nothing that no analyzer asks for.
func (c *conversation) analyse(l v1.Layer, need evidence.Need, java bool) []byte {
	c.t.Helper()
	diffID, err := l.DiffID()
	c.must(err)
	c.must(c.send.JSON(wire.TypeAnalyse, wire.Analyse{Need: need, DiffID: diffID.String()}))
	wants, err := new(Selector).Wants(need)
	c.must(err)
	r, err := l.Uncompressed()
	c.must(err)
	defer r.Close()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		c.must(err)
		c.entry(h, tr, wants)
	}
	c.must(c.send.JSON(wire.TypeLayerEnd, wire.LayerEnd{JavaDatabase: java}))
	analysis, err := c.recv.Sized(c.answer(wire.TypeAnalysed), 1<<30)
	c.must(err)
	return analysis[1:]
}

func (c *conversation) entry(h *tar.Header, r io.Reader, wants func(string, fs.FileMode, int64) bool) {
	c.t.Helper()
	name := strings.TrimLeft(path.Clean(h.Name), "/")
	dir, base := path.Split(name)
	e := wire.Entry{Name: name}
	switch {
	case base == ".wh..wh..opq":
		e.Type, e.Name = wire.EntryOpaque, dir
	case strings.HasPrefix(base, ".wh."):
		e.Type, e.Name = wire.EntryWhiteout, path.Join(dir, base[len(".wh."):])
	case h.Typeflag != tar.TypeReg:
		return
	default:
		if e.Mode, e.Size = h.FileInfo().Mode(), h.Size; !wants(e.Name, e.Mode, e.Size) {
			return
		}
	}
	c.must(c.send.Frame(wire.TypeEntry, e.Append(nil)))
	if e.Type == wire.EntryFile {
		b, err := io.ReadAll(r)
		c.must(err)
		c.must(c.send.Data(b))
	}
}

// The worker leaves nothing but in the directory that it is given.
func TestSettle(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir) // and back again
	for _, name := range []string{"HOME", "TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, "/elsewhere")
	}
	own := t.TempDir()
	if err := settle(own); err != nil {
		t.Fatal(err)
	}
	if wd, err := os.Getwd(); err != nil || wd != own || os.TempDir() != own || os.Getenv("HOME") != own {
		t.Errorf("working directory %s, temporary directory %s, home %s, %v; want %s", wd, os.TempDir(), os.Getenv("HOME"), err, own)
	}
	if err := settle(own + "/none"); err == nil {
		t.Error("a directory that is not there is taken")
	}
}
