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

// A hostile answer of a server causes a warning. It neither exhausts the memory nor
// affects the verdict.
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
			s := mustOpen(t, scripted(t, answer), Options{Key: testSecret, Warn: n.add, Timeout: 300 * time.Millisecond})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for i := range 5 {
				if data, err := s.Get(t.Context(), keyOf(i), saves); !errors.Is(err, ErrMissing) || strings.Contains(err.Error(), "hunter2") {
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
			s.(*redisStore).late.Add(1) // what was asked meanwhile is no second warning
			if err := s.Close(); err != nil {
				t.Error(err)
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
	if _, err := s.Get(ctx, keyOf(1), saves); !errors.Is(err, ErrMissing) || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want a cancelled miss", err)
	}
	n.want(t, "")

	// And one that is silent for too long is left alone.
	s = mustOpen(t, place, Options{Key: testSecret, Warn: n.add, Timeout: time.Millisecond})
	for i := range 5 {
		if _, err := s.Get(t.Context(), keyOf(i), saves); !errors.Is(err, ErrMissing) {
			t.Errorf("error %v, want ErrMissing", err)
		}
	}
	n.want(t, "off for the rest of this run")
}
