package cache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestReplyGuard(t *testing.T) {
	for _, test := range []struct {
		name, stream string
		want         string
	}{
		{"a status", "+OK\r\n", ""},
		{"an error", "-ERR no\r\n", ""},
		{"a number", ":42\r\n", ""},
		{"nil", "$-1\r\n", ""},
		{"nil array", "*-1\r\n", ""},
		{"a string", "$4\r\n$9\r\n\r\n+OK\r\n", ""}, // what looks like a length is data
		{"an empty string", "$0\r\n\r\n+OK\r\n", ""},
		{"arrays", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\nabc\r\n", ""},
		{"a string that is too long", fmt.Sprintf("$%d\r\n", maxFrame+1), "at most"},
		{"a string of many gigabytes", "$99999999999\r\n", "at most"},
		{"a length that overflows", "$9223372036854775807\r\n", "at most"},
		{"a length that is none", "$99999999999999999999\r\n", "it has the length"},
		{"a negative length", "$-2\r\n", "it has the length"},
		{"a streamed string", "$?\r\n", "it has the length"},
		{"a long error", "!99999999999\r\n", "at most"},
		{"a verbatim string", "=99999999999\r\n", "at most"},
		{"a large array", "*99999999\r\n", "too many"},
		{"a large map", "%99999999\r\n", "too many"},
		{"nested arrays", strings.Repeat("*9999\r\n", 20), "too many"},
		{"a line without end", "+" + strings.Repeat("x", maxLine+1), "longer than"},
		{"a line end without return", "+OK\n", "it has the line"},
		{"nothing of Redis", "HTTP/1.1 400 Bad Request\r\n", "it has the line"},
		{"an empty line", "\r\n", "it has the line"},
	} {
		for _, pieces := range []int{1, 2, 7, len(test.stream)} {
			var g replyGuard
			if err := feed(&g, []byte(test.stream), pieces); (err != nil) != (test.want != "") || !strings.Contains(fmt.Sprint(err), test.want) {
				t.Errorf("%s in pieces of %d: error %v, want %q", test.name, pieces, err, test.want)
			}
		}
	}
}

func feed(g *replyGuard, stream []byte, piece int) error {
	for len(stream) > 0 {
		n := min(max(piece, 1), len(stream))
		if err := g.check(stream[:n]); err != nil {
			return err
		}
		stream = stream[n:]
	}
	return nil
}

// The guard says the same however the network cuts the stream.
func FuzzReplyGuard(f *testing.F) {
	f.Add([]byte("*2\r\n$1\r\n0\r\n*1\r\n$3\r\nabc\r\n"), 1)
	f.Add([]byte("$99999999999\r\n"), 3)
	f.Add([]byte("-ERR\r\n:1\r\n%1\r\n+a\r\n#t\r\n"), 2)
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		var whole, cut replyGuard
		first, second := whole.check(stream), feed(&cut, stream, piece)
		if fmt.Sprint(first) != fmt.Sprint(second) && len(stream) < maxLine {
			t.Errorf("whole: %v, in pieces of %d: %v", first, piece, second)
		}
		if whole.payload > maxFrame+2 || whole.elements > maxElements || len(whole.line) > maxLine {
			t.Errorf("bounds do not hold: %d, %d, %d", whole.payload, whole.elements, len(whole.line))
		}
	})
}

// scripted is a server that greets properly and then answers every command in
// the same way.
func scripted(t *testing.T, answer func(command string) string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go converse(conn, answer)
		}
	}()
	return "redis://user:hunter2@" + l.Addr().String()
}

// converse reads commands, which are arrays of strings, and answers.
func converse(conn net.Conn, answer func(command string) string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		var count int
		if _, err := fmt.Fscanf(in, "*%d\r\n", &count); err != nil {
			return
		}
		var words []string
		for range count {
			var size int
			if _, err := fmt.Fscanf(in, "$%d\r\n", &size); err != nil {
				return
			}
			word := make([]byte, size+2)
			for n := 0; n < len(word); {
				m, err := in.Read(word[n:])
				if err != nil {
					return
				}
				n += m
			}
			words = append(words, string(word[:size]))
		}
		reply := answer(strings.ToLower(words[0]))
		if words[0] == "hello" || words[0] == "HELLO" {
			reply = "-ERR unknown command 'HELLO'\r\n"
		}
		if strings.EqualFold(words[0], "auth") {
			reply = "+OK\r\n"
		}
		if _, err := conn.Write([]byte(reply)); err != nil {
			return
		}
	}
}

// Whatever a server answers, it costs a warning, and neither memory nor the
// verdict.
func TestHostileServers(t *testing.T) {
	always := func(reply string) func(string) string { return func(string) string { return reply } }
	for name, answer := range map[string]func(string) string{
		"a string of gigabytes":     always("$8589934592\r\n"),
		"a string beyond memory":    always("$9223372036854775805\r\n"),
		"an array of billions":      always("*2147483647\r\n"),
		"arrays in arrays":          always(strings.Repeat("*60000\r\n", 10000)),
		"a line without end":        always("+" + strings.Repeat("x", 1<<20)),
		"something else":            always("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"the password":              always("-ERR the password is hunter2\r\n"),
		"the password, and too bad": always("-NOAUTH hunter2\r\n"),
		"a number":                  always(":1\r\n"),
		"an empty array":            always("*0\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			var n notes
			s := mustOpen(t, scripted(t, answer), Options{Key: testSecret, Warn: n.add, Timeout: time.Minute})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for i := range 5 {
				if data, err := s.Get(t.Context(), keyOf(i)); !errors.Is(err, ErrMissing) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("Get: %d bytes, error %v", len(data), err)
				}
			}
			runtime.ReadMemStats(&after)
			if taken := (after.TotalAlloc - before.TotalAlloc) >> 20; taken > 64 {
				t.Errorf("it took %d MiB", taken)
			}
			if _, err := s.Info(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("Info: error %v", err)
			}
			if w := n.all(); len(w) != 1 || strings.Contains(w[0], "hunter2") {
				t.Errorf("warnings %q, want one without the password", w)
			}
		})
	}
}

// A server that names keys of others does not make us delete them.
func TestHostileServerNamesKeys(t *testing.T) {
	deleted := make(chan string, 10)
	place := scripted(t, func(command string) string {
		switch command {
		case "scan":
			other, odd := "other:data", keyPrefix+"*"
			return fmt.Sprintf("*2\r\n$1\r\n0\r\n*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(other), other, len(odd), odd)
		case "unlink", "del", "flushdb":
			deleted <- command
		}
		return ":1\r\n"
	})
	got, err := mustOpen(t, place, Options{Maintenance: true}).Prune(t.Context(), Prune{All: true})
	if err != nil || got != (Pruned{}) || len(deleted) > 0 {
		t.Errorf("%+v, error %v, %d commands to delete", got, err, len(deleted))
	}
}

// A run that is cancelled does not wait for a server that is silent.
func TestSilentServer(t *testing.T) {
	asked := make(chan bool, 10)
	release := make(chan bool)
	t.Cleanup(func() { close(release) })
	place := scripted(t, func(string) string { asked <- true; <-release; return "" })
	var n notes
	s := mustOpen(t, place, Options{Key: testSecret, Warn: n.add, Timeout: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := s.Get(ctx, keyOf(1)); !errors.Is(err, ErrMissing) || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want a cancelled miss", err)
	}
	n.want(t, "")

	// And one that is silent for too long is left alone.
	s = mustOpen(t, place, Options{Key: testSecret, Warn: n.add, Timeout: time.Millisecond})
	for i := range 5 {
		if _, err := s.Get(t.Context(), keyOf(i)); !errors.Is(err, ErrMissing) {
			t.Errorf("error %v, want ErrMissing", err)
		}
	}
	n.want(t, "off for the rest of this run")
}
