package main

import (
	"context"
	"io"
	"net"
	"os/exec"
	"strings"
	"time"
)

// redisRows have a Redis that does not help, beside the same run without a cache: what
// it costs to ask it. The images are those of the row of many images, so that there is
// something to ask for.
func (b *bench) redisRows() ([]row, error) {
	images := names("shared-%d", sharedImages)
	var rows []row
	for _, r := range []struct {
		id, title string
		start     func(dir string) (string, error) // returns the address
	}{
		{"slow", "a Redis that answers after 0.2 s", func(dir string) (string, error) {
			return b.redis(dir, 200*time.Millisecond)
		}},
		{"full", "a Redis that is full", func(dir string) (string, error) {
			return b.redis(dir, 0, "--maxmemory", "1mb", "--maxmemory-policy", "noeviction")
		}},
		{"hanging", "a Redis that never answers", func(string) (string, error) { return b.listen(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }) }},
		{"foreign", "a server that is no Redis", func(string) (string, error) {
			return b.listen(func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
				_ = c.Close()
			})
		}},
	} {
		address := ""
		row := row{
			id: "redis-" + r.id, title: "8 images on a shared base, " + r.title, other: "no cache", target: 1.1, cached: true,
			ours: func(dir string) side {
				s := b.ours(dir, "redis://"+address, images...)
				s.steps[0].argv = append([]string{"env", "IMAGEGATE_CACHE_KEY=" + strings.Repeat("k", 32)}, s.steps[0].argv...)
				return s
			},
			their: func(dir string) side { return b.ours(dir, noCache, images...) },
			fill: func(context.Context) (err error) {
				address, err = r.start(b.work)
				return err
			},
		}
		if r.id == "slow" || r.id == "full" {
			row.needs = []string{"redis-server"}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// listen starts a server on loopback in place of the one before. handle gets each
// connection, which stays open until the server ends.
func (b *bench) listen(handle func(net.Conn)) (string, error) {
	b.stopTarget()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	b.target = func() { _ = l.Close() }
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go handle(c)
		}
	}()
	return l.Addr().String(), nil
}

// redis starts a Redis that keeps nothing on disk. Each of its answers comes late by
// delay.
func (b *bench) redis(dir string, delay time.Duration, more ...string) (string, error) {
	b.stopTarget()
	address, err := freeAddress()
	if err != nil {
		return "", err
	}
	_, port, _ := net.SplitHostPort(address)
	stop, err := startServer(exec.Command("redis-server", append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir}, more...)...), address)
	if err != nil {
		stop()
		return "", err
	}
	front, err := b.listen(func(c net.Conn) { relay(c, address, delay) })
	if err != nil {
		stop()
		return "", err
	}
	end := b.target
	b.target = func() {
		end()
		stop()
	}
	return front, nil
}

// relay passes a connection on to a server, and its answers back with a delay.
func relay(client net.Conn, address string, delay time.Duration) {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	buf := make([]byte, 256<<10)
	for {
		n, err := server.Read(buf)
		if n > 0 {
			time.Sleep(delay)
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
