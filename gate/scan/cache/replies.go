package cache

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

const (
	maxLine     = 16 << 10 // of what is no bulk string: statuses, errors, numbers
	maxElements = 1 << 17  // of all arrays in the answers to one write
	maxAnswers  = maxFrame + 4<<20
)

// replies guards a connection to Redis: go-redis allocates whatever length the
// server declares, before a byte of it has come, and reads lines of any length.
// A server that says "$99999999999" would end this process, so every length is
// looked at on the way to go-redis.
type replies struct {
	net.Conn
	guard replyGuard
}

// Write begins a new exchange.
func (r *replies) Write(p []byte) (int, error) {
	r.guard.elements, r.guard.bytes = 0, 0
	return r.Conn.Write(p)
}

// Read hands on what the server sent if it is fit.
func (r *replies) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if bad := r.guard.check(p[:n]); bad != nil {
		r.Conn.Close() // its place in the stream is lost
		return 0, bad
	}
	return n, err
}

// replyGuard follows a stream of RESP replies, which may come in any pieces. It
// knows no nesting: an array is a line that is followed by more replies.
type replyGuard struct {
	line     []byte // the line that has not ended yet
	payload  int64  // bytes of a bulk string that are to come, its line end included
	elements int64
	bytes    int64
}

var errReply = errors.New("the server's answer is not one of Redis")

func (g *replyGuard) check(p []byte) error {
	if g.bytes += int64(len(p)); g.bytes > maxAnswers {
		return fmt.Errorf("the server's answer is larger than %d MiB", maxAnswers>>20)
	}
	for len(p) > 0 {
		if g.payload > 0 {
			n := min(g.payload, int64(len(p)))
			g.payload -= n
			p = p[n:]
			continue
		}
		b := p[0]
		p = p[1:]
		if b != '\n' {
			if len(g.line) >= maxLine {
				return fmt.Errorf("%w: a line is longer than %d KiB", errReply, maxLine>>10)
			}
			g.line = append(g.line, b)
			continue
		}
		if err := g.header(); err != nil {
			return err
		}
		g.line = g.line[:0]
	}
	return nil
}

// header looks at a whole line: what it declares decides what follows.
func (g *replyGuard) header() error {
	n := len(g.line)
	if n < 2 || g.line[n-1] != '\r' {
		return fmt.Errorf("%w: it has the line %.40q", errReply, g.line)
	}
	kind, value := g.line[0], string(g.line[1:n-1])
	switch kind {
	case '+', '-', ':', '_', ',', '#', '(':
		return nil
	case '$', '!', '=', '*', '~', '>', '%', '|':
	default:
		return fmt.Errorf("%w: it has the line %.40q", errReply, g.line)
	}
	length, err := strconv.ParseInt(value, 10, 64)
	switch {
	case err != nil || length < -1:
		return fmt.Errorf("%w: it has the length %.40q", errReply, value)
	case length < 0: // nil
		return nil
	case kind == '$' || kind == '!' || kind == '=':
		if length > maxFrame {
			return fmt.Errorf("the server's answer declares %d bytes, and an entry has at most %d", length, int64(maxFrame))
		}
		g.payload = length + 2
		return nil
	}
	// Nested arrays multiply: a few bytes each declare what takes megabytes.
	if length > maxElements || g.elements+2*length > maxElements {
		return fmt.Errorf("the server's answer declares %d elements, which are too many", length)
	}
	g.elements += 2 * length // a map has two of them
	return nil
}
