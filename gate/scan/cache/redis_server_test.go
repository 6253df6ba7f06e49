package cache

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is a real server on a port of its own.
type redisServer struct {
	port string
	cmd  *exec.Cmd
}

// startRedis starts one, with more lines of configuration, and waits until it
// answers. Without the program the test is skipped, but not in CI.
func startRedis(t testing.TB, arguments ...string) *redisServer {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("IMAGEGATE_REQUIRE_REDIS") != "" {
			t.Fatal("redis-server is missing, and IMAGEGATE_REQUIRE_REDIS is set")
		}
		t.Skip("redis-server is missing: apt-get install redis-server")
	}
	port := freePort(t)
	s := &redisServer{port: port}
	flags := append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"}, arguments...)
	s.cmd = exec.Command(program, flags...)
	s.cmd.Dir = t.TempDir()
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	var log bytes.Buffer
	for buf := make([]byte, 4096); !strings.Contains(log.String(), "Ready to accept connections"); {
		n, err := out.Read(buf)
		log.Write(buf[:n])
		if err != nil {
			t.Fatalf("redis-server ended: %s", log.String())
		}
	}
	go func() { // a full pipe would stop it
		for buf := make([]byte, 4096); ; {
			if _, err := out.Read(buf); err != nil {
				return
			}
		}
	}()
	return s
}

func (s *redisServer) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *redisServer) url() string { return "redis://127.0.0.1:" + s.port + "/1" }

// admin is a plain client of the server.
func (s *redisServer) admin(t testing.TB) *redis.Client {
	t.Helper()
	quiet()
	c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + s.port, DB: 1})
	t.Cleanup(func() { c.Close() })
	return c
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// certificate writes a certificate for 127.0.0.1 that signs itself.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	err = errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// link is a connection to a server that counts and delays.
type link struct {
	listener net.Listener
	turns    atomic.Int64 // how often the server was sent something after it had answered
	delay    atomic.Int64 // nanoseconds before an answer is handed on
}

func newLink(t testing.TB, server string) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &link{listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", server)
			if err != nil {
				near.Close()
				continue
			}
			go k.carry(near, far)
		}
	}()
	return k
}

func (k *link) url() string { return "redis://" + k.listener.Addr().String() + "/1" }

// carry hands on what client and server send to each other.
func (k *link) carry(near, far net.Conn) {
	var asked atomic.Bool
	go func() {
		defer near.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := far.Read(buf)
			time.Sleep(time.Duration(k.delay.Load()))
			asked.Store(false)
			if _, err2 := near.Write(buf[:n]); err != nil || err2 != nil {
				return
			}
		}
	}()
	defer far.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := near.Read(buf)
		if n > 0 && !asked.Swap(true) {
			k.turns.Add(1)
		}
		if _, err2 := far.Write(buf[:n]); err != nil || err2 != nil {
			return
		}
	}
}
