// Package wire is the protocol between imagegate and its scan worker: frames
// over the worker's standard input and output.
//
// The worker parses hostile bytes, so everything that comes back from it is
// foreign too. A frame has a type, a length and a payload; lengths are checked
// before memory is taken, and every payload is decoded strictly.
//
// A conversation starts with Open, answered by Ready. Then, in any order, layers
// are analysed and images are put together from analyses:
//
//	parent  Analyse, (Entry Data*)*, LayerEnd
//	worker  Analysed Data*, or Failure
//
//	parent  Begin Data*, (Layer Data*)*, Match, Finish Data*
//	worker  Report Data*, or Failure
//
// A Failure can come at any time and ends the conversation: the parent then ends
// the worker.
package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/imagegate/imagegate/gate/strictjson"
)

// Type is the type of a frame.
type Type byte

// The frames that the parent sends.
const (
	TypeOpen     Type = 'O' // Open
	TypeAnalyse  Type = 'A' // Analyse
	TypeEntry    Type = 'E' // Entry, binary
	TypeLayerEnd Type = 'l' // LayerEnd
	TypeBegin    Type = 'B' // Announced: a Begin in JSON
	TypeLayer    Type = 'L' // Layer
	TypeMatch    Type = 'M' // all layers are there: empty
	TypeFinish   Type = 'F' // Announced: a Finish in JSON
)

// TypeData frames carry the bytes that the frame before them announces, in
// both directions.
const TypeData Type = 'D'

// The frames that the worker sends.
const (
	TypeReady    Type = 'R' // Ready
	TypeAnalysed Type = 'N' // Announced: an analysis, in a form that only the worker reads
	TypeReport   Type = 'S' // Announced: a Report in JSON
	TypeFailure  Type = 'X' // Failure
)

const (
	// MaxFrame bounds one frame's payload. A frame that says it is longer ends
	// the conversation: the peer is broken or hostile.
	MaxFrame = 1 << 20
	// chunk is how many bytes of a file or a report go into one frame.
	chunk = 128 << 10
)

// Writer writes frames. It is not safe for concurrent use.
type Writer struct {
	w *bufio.Writer
}

// NewWriter returns a Writer that buffers; call Flush when the peer must see
// what was written.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: bufio.NewWriterSize(w, 256<<10)}
}

// Frame writes one frame.
func (w *Writer) Frame(t Type, payload []byte) error {
	if len(payload) > MaxFrame {
		return fmt.Errorf("frame %q of %d bytes is longer than %d", t, len(payload), MaxFrame)
	}
	var head [5]byte
	head[0] = byte(t)
	binary.BigEndian.PutUint32(head[1:], uint32(len(payload)))
	if _, err := w.w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.w.Write(payload)
	return err
}

// JSON writes v as the payload of one frame.
func (w *Writer) JSON(t Type, v any) error {
	b, err := strictjson.Marshal(v)
	if err != nil {
		return err
	}
	return w.Frame(t, b)
}

// Data writes b as Data frames.
func (w *Writer) Data(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), chunk)
		if err := w.Frame(TypeData, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// Document writes v in JSON behind a frame of type t that announces its size. It
// does not flush.
func (w *Writer) Document(t Type, v any) error {
	b, err := strictjson.Marshal(v)
	if err != nil {
		return err
	}
	return w.announce(t, b)
}

// Sized writes b behind a frame of type t that announces its size, and flushes.
func (w *Writer) Sized(t Type, b []byte) error {
	if err := w.announce(t, b); err != nil {
		return err
	}
	return w.Flush()
}

func (w *Writer) announce(t Type, b []byte) error {
	if err := w.JSON(t, Announced{Size: int64(len(b))}); err != nil {
		return err
	}
	return w.Data(b)
}

// Flush hands everything written so far to the peer.
func (w *Writer) Flush() error { return w.w.Flush() }

// Reader reads frames. It is not safe for concurrent use.
type Reader struct {
	r   *bufio.Reader
	buf []byte
}

// NewReader returns a Reader.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 256<<10)}
}

// Next returns the next frame. The payload is valid until the next call. The
// error is io.EOF only between frames.
func (r *Reader) Next() (Type, []byte, error) {
	t, n, err := r.head()
	if err != nil {
		return 0, nil, err
	}
	if int(n) > cap(r.buf) {
		r.buf = make([]byte, max(int(n), 64<<10))
	}
	r.buf = r.buf[:n]
	if _, err := io.ReadFull(r.r, r.buf); err != nil {
		return 0, nil, fmt.Errorf("frame %q: %w", t, io.ErrUnexpectedEOF)
	}
	return t, r.buf, nil
}

// head reads what a frame begins with: its type, and the length of its payload.
func (r *Reader) head() (Type, int64, error) {
	var head [5]byte
	if _, err := io.ReadFull(r.r, head[:1]); err != nil {
		return 0, 0, err
	}
	if _, err := io.ReadFull(r.r, head[1:]); err != nil {
		return 0, 0, fmt.Errorf("frame header: %w", io.ErrUnexpectedEOF)
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > MaxFrame {
		return 0, 0, fmt.Errorf("frame %q says it has %d bytes, more than %d", head[0], n, MaxFrame)
	}
	return Type(head[0]), int64(n), nil
}

// atOnce is how much memory is allocated before any of the announced bytes have
// arrived.
const atOnce = 64 << 20

// Sized reads what a frame with this payload announces, at most limit bytes.
func (r *Reader) Sized(payload []byte, limit int64) ([]byte, error) {
	var head Announced
	if err := strictjson.Unmarshal(payload, &head); err != nil {
		return nil, err
	}
	if head.Size <= 0 || head.Size > limit {
		return nil, fmt.Errorf("an answer of %d bytes, where 1 to %d can be", head.Size, limit)
	}
	body, size := r.Body(head.Size), int(head.Size)
	b := make([]byte, 0, min(size, atOnce))
	for len(b) < size {
		if len(b) == cap(b) {
			b = slices.Grow(b, min(size-len(b), atOnce))
		}
		n, err := io.ReadFull(body, b[len(b):min(cap(b), size)])
		if b = b[:len(b)+n]; err != nil {
			return nil, err
		}
	}
	return b, nil
}

// maxDocument bounds a document. The names of a layer's files take at most
// 512 MiB, and JSON writes some bytes as six.
const maxDocument = 4 << 30

// Document decodes into v what a frame with this payload announces.
func (r *Reader) Document(payload []byte, v any) error {
	b, err := r.Sized(payload, maxDocument)
	if err != nil {
		return err
	}
	return strictjson.Unmarshal(b, v)
}

// Body returns a reader of the next size bytes, which must come as Data frames. It
// has to be read to its end before the next frame is read.
func (r *Reader) Body(size int64) *Body { return &Body{in: r, left: size} }

// Body reads the Data frames that belong to one announcement: exactly as many
// bytes as were promised.
type Body struct {
	in    *Reader
	left  int64 // to come
	frame int64 // of them, in the frame that has begun
}

// Read implements io.Reader. It does not buffer the bytes.
func (b *Body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if b.frame == 0 {
		if b.left == 0 {
			return 0, io.EOF
		}
		t, n, err := b.in.head()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, fmt.Errorf("data with %d bytes to come: %w", b.left, err)
		}
		if t != TypeData || n == 0 || n > b.left {
			return 0, fmt.Errorf("frame %q of %d bytes instead of data with %d bytes to come", t, n, b.left)
		}
		b.frame = n
	}
	n, err := b.in.r.Read(p[:min(int64(len(p)), b.frame)])
	b.frame -= int64(n)
	b.left -= int64(n)
	if errors.Is(err, io.EOF) && b.frame > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
