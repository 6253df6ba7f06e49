package cache

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
)

// entryName is what an entry is called in Redis with the secret of the tests.
func entryName(key string) string { return keyPrefix + newSealer(testSecret).name(key) }

// keeps finds that a cache keeps what it is given.
func keeps(t *testing.T, place string, o Options) {
	t.Helper()
	o.Key = testSecret
	o.DialTimeout, o.Timeout = time.Minute, time.Minute // the machine may be busy
	var n notes
	o.Warn = n.add
	s := mustOpen(t, place, o)
	if _, err := s.Get(t.Context(), keyOf(1), saves); !errors.Is(err, ErrMissing) {
		t.Errorf("an empty cache: error %v, want ErrMissing", err)
	}
	for i, size := range []int{0, 1, 10 << 10, 3 << 20} {
		if err := s.Put(t.Context(), keyOf(i), dataOf(i, size)); err != nil {
			t.Fatal(err)
		}
		got, err := mustOpen(t, place, o).Get(t.Context(), keyOf(i), saves)
		if err != nil || !bytes.Equal(got, dataOf(i, size)) {
			t.Errorf("%d bytes come back as %d, error %v", size, len(got), err)
		}
	}
	n.want(t, "")
}

func TestRedisKeeps(t *testing.T) {
	keeps(t, startRedis(t).url(), Options{})
}

func TestRedisWithPassword(t *testing.T) {
	rights := strings.Fields("gate on >s3cret ~imagegate:layer:* -@all +getrange +strlen +set +hello +select +expire")
	s := startRedis(t, append([]string{"--requirepass", "hunter2/#", "--user"}, rights...)...)
	keeps(t, "redis://:hunter2%2F%23@127.0.0.1:"+s.port+"/1", Options{})
	place := "redis://gate:s3cret@127.0.0.1:" + s.port + "/1"
	keeps(t, strings.TrimSuffix(place, "1")+"0", Options{})
	if _, err := mustOpen(t, place, Options{Maintenance: true}).Info(t.Context()); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("Info without the right to scan: error %v", err)
	}
	for name, place := range map[string]string{
		"none":      s.url(),
		"wrong":     "redis://:wrongword@127.0.0.1:" + s.port,
		"wrong too": "redis://gate:wrongword@127.0.0.1:" + s.port,
	} {
		var n notes
		c := mustOpen(t, place, Options{Key: testSecret, Warn: n.add})
		_, err := c.Get(t.Context(), keyOf(1), saves)
		if !errors.Is(err, ErrMissing) || strings.Contains(err.Error(), "wrongword") {
			t.Errorf("%s: error %v, want a miss", name, err)
		}
		if err := c.Put(t.Context(), keyOf(1), nil); err == nil {
			t.Errorf("%s: Put works", name)
		}
		n.want(t, "off for the rest of this run")
		if strings.Contains(n.all()[0], "wrongword") {
			t.Errorf("%s: %q", name, n.all())
		}
	}
}

func TestRedisWithTLS(t *testing.T) {
	cert, key := certificate(t)
	port := freePort(t)
	s := startRedis(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no", "--tls-ca-cert-file", cert)
	keeps(t, "rediss://127.0.0.1:"+port, Options{CACerts: []string{cert}})
	for name, test := range map[string]struct {
		place string
		certs []string
		dial  time.Duration
		want  string
	}{
		"an unknown certificate":    {place: "rediss://127.0.0.1:" + port, want: "certificate"},
		"another name":              {place: "rediss://localhost:" + port, certs: []string{cert}, want: "certificate"},
		"no TLS where it is wanted": {place: "rediss://127.0.0.1:" + s.port, certs: []string{cert}, dial: 100 * time.Millisecond, want: "off for the rest"},
		"TLS where it is not":       {place: "redis://127.0.0.1:" + port, want: "off for the rest"},
	} {
		var n notes
		c := mustOpen(t, test.place, Options{Key: testSecret, Warn: n.add, CACerts: test.certs, DialTimeout: test.dial})
		for range maxFailures {
			if _, err := c.Get(t.Context(), keyOf(1), saves); !errors.Is(err, ErrMissing) {
				t.Errorf("%s: error %v, want ErrMissing", name, err)
			}
		}
		n.want(t, test.want)
	}
}

// A server that dies in the middle costs one warning and then nothing.
func TestRedisDies(t *testing.T) {
	s := startRedis(t)
	var n notes
	c := mustOpen(t, s.url(), Options{Key: testSecret, Warn: n.add})
	if err := c.Put(t.Context(), keyOf(1), []byte("data")); err != nil {
		t.Fatal(err)
	}
	s.kill()
	for i := range 50 {
		if _, err := c.Get(t.Context(), keyOf(1), saves); !errors.Is(err, ErrMissing) {
			t.Errorf("error %v, want ErrMissing", err)
		}
		if err := c.Put(t.Context(), keyOf(i), nil); err == nil {
			t.Error("Put works without a server")
		} else if i > maxFailures && !errors.Is(err, errOff) {
			t.Errorf("Put asks a server that is off: %v", err)
		}
	}
	n.want(t, "off for the rest of this run")
	if _, err := c.Info(t.Context()); err == nil {
		t.Error("Info works without a server")
	}
}

// Fewer failures than it takes to switch a server off are told at the end.
func TestRedisFailsOnce(t *testing.T) {
	var n notes
	c := mustOpen(t, "redis://127.0.0.1:"+freePort(t), Options{Key: testSecret, Warn: n.add})
	if _, err := c.Get(t.Context(), keyOf(1), saves); !errors.Is(err, ErrMissing) {
		t.Errorf("error %v, want ErrMissing", err)
	}
	n.want(t, "")
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	n.want(t, "did not help with every layer")
}

// A server that is full, or a replica, may still be read.
func TestRedisThatOnlyReads(t *testing.T) {
	s := startRedis(t)
	if err := mustOpen(t, s.url(), Options{Key: testSecret}).Put(t.Context(), keyOf(1), []byte("data")); err != nil {
		t.Fatal(err)
	}
	admin := s.admin(t)
	for name, command := range map[string][]any{
		"full":    {"CONFIG", "SET", "maxmemory", "1"},
		"replica": {"REPLICAOF", "127.0.0.1", freePort(t)},
	} {
		if err := admin.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(err)
		}
		var n notes
		c := mustOpen(t, s.url(), Options{Key: testSecret, Warn: n.add})
		for range 2 * maxFailures {
			if err := c.Put(t.Context(), keyOf(2), []byte("new")); err == nil {
				t.Errorf("%s: Put works", name)
			}
			if data, err := c.Get(t.Context(), keyOf(1), saves); err != nil || string(data) != "data" {
				t.Errorf("%s: %q, error %v", name, data, err)
			}
		}
		n.want(t, "does not accept the analyses of new layers")
		err := errors.Join(admin.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(), admin.ConfigSet(t.Context(), "maxmemory", "0").Err())
		if err != nil {
			t.Fatal(err)
		}
	}
}

// What others write to the server is not trusted.
func TestRedisEntriesOfOthers(t *testing.T) {
	s := startRedis(t)
	admin := s.admin(t)
	unsigned, err := newSealer(nil).seal(keyOf(1), []byte("nothing was found"))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := newSealer(testSecret).seal(keyOf(2), []byte("nothing was found"))
	if err != nil {
		t.Fatal(err)
	}
	for name, plant := range map[string]func() error{
		"without the secret":   func() error { return admin.Set(t.Context(), entryName(keyOf(1)), unsigned, 0).Err() },
		"from another key":     func() error { return admin.Set(t.Context(), entryName(keyOf(1)), signed, 0).Err() },
		"not one of ours":      func() error { return admin.Set(t.Context(), entryName(keyOf(1)), "hello", 0).Err() },
		"larger than an entry": func() error { return admin.SetRange(t.Context(), entryName(keyOf(1)), maxFrame, "x").Err() },
		"a list": func() error {
			return errors.Join(admin.Del(t.Context(), entryName(keyOf(1))).Err(), admin.LPush(t.Context(), entryName(keyOf(1)), "x").Err())
		},
	} {
		if err := plant(); err != nil {
			t.Fatal(err)
		}
		var n notes
		c := mustOpen(t, s.url(), Options{Key: testSecret, Warn: n.add})
		if data, err := c.Get(t.Context(), keyOf(1), saves); !errors.Is(err, ErrMissing) {
			t.Errorf("%s: %q, error %v, want ErrMissing", name, data, err)
		}
		_ = c.Close()
		n.want(t, "help with every layer")
	}
}

// Entries end when they were not used for long, and use puts their end off.
func TestRedisExpiry(t *testing.T) {
	s := startRedis(t)
	admin := s.admin(t)
	left := func() time.Duration {
		d, err := admin.TTL(t.Context(), entryName(keyOf(1))).Result()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	{
		c := mustOpen(t, s.url(), Options{Key: testSecret})
		if err := c.Put(t.Context(), keyOf(1), nil); err != nil {
			t.Fatal(err)
		}
		if d := left(); d < 29*24*time.Hour || d > 30*24*time.Hour {
			t.Errorf("a new entry has %s left, want 30 days", d)
		}
		if err := admin.Expire(t.Context(), entryName(keyOf(1)), time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(t.Context(), keyOf(1), saves); err != nil {
			t.Fatal(err)
		}
		if d := left(); d < 29*24*time.Hour {
			t.Errorf("an entry that was used has %s left, want 30 days", d)
		}
	}
}

func TestInfoAndPruneOfRedis(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		name string
		p    Prune
		kept int
	}{
		{"nothing is asked for", Prune{}, 1200},
		{"all", Prune{All: true}, 0},
		{"by age", Prune{MaxAge: 5*day + day/2}, 720},
		{"by size", Prune{MaxSize: 100 * 1000}, 1000},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startRedis(t)
			admin := s.admin(t)
			// 1200 keys of 100 bytes, which were last used 0 to 9 days ago, and what
			// is not ours.
			_, err := admin.Pipelined(t.Context(), func(p redis.Pipeliner) error {
				for i := range 1200 {
					p.Set(t.Context(), keyPrefix+keyOf(i), strings.Repeat("x", 100), 30*day-time.Duration(i%10)*day)
				}
				p.Set(t.Context(), keyPrefix+"precious", "x", 0)
				p.Set(t.Context(), "other", "x", 0)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			c := mustOpen(t, s.url(), Options{Maintenance: true, Now: at(noon)})
			info, err := c.Info(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			info.Oldest, info.Newest = info.Oldest.Round(time.Hour), info.Newest.Round(time.Hour)
			wantInfo := Info{Place: s.url(), Entries: 1200, Bytes: 120000, Oldest: noon.Add(-9 * day), Newest: noon}
			if diff := cmp.Diff(wantInfo, info); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			got, err := c.Prune(t.Context(), test.p)
			want := Pruned{Deleted: 1200 - test.kept, DeletedBytes: int64(1200-test.kept) * 100, Kept: test.kept, KeptBytes: int64(test.kept) * 100}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("error %v (-want +got)\n%s", err, diff)
			}
			if n, err := admin.DBSize(t.Context()).Result(); err != nil || n != int64(test.kept+2) {
				t.Errorf("%d keys, error %v, want %d and two of others", n, err, test.kept)
			}
		})
	}
}

func TestManyProcessesOnRedis(t *testing.T) {
	hammerTogether(t, startRedis(t).url(), "IMAGEGATE_CACHE_KEY="+string(testSecret))
}

func TestRedactedTexts(t *testing.T) {
	s, err := parseServer("redis://someone:a%2Fb%20c@example.org:7000/3")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.String(), "redis://example.org:7000/3"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, text := range []string{"a/b c", "a%2Fb%20c", "a%2Fb+c", strings.Repeat("x", 290) + "a/b ca/b c"} {
		if got := s.redact(text); strings.Contains(got, "a/b") || strings.Contains(got, "a%2F") || len(got) > 310 {
			t.Errorf("redact(%q) = %q", text, got)
		}
	}
}

func ExampleOpen() {
	ctx := context.Background()
	store, err := Open(ctx, None, Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	_, err = store.Get(ctx, keyOf(1), saves)
	fmt.Println(errors.Is(err, ErrMissing))
	// Output: true
}

// Others on the network may be able to write to a server: there is a warning.
func TestRedisWithoutASecretIsTold(t *testing.T) {
	for _, test := range []struct {
		o    Options
		want string
	}{
		{Options{}, "set IMAGEGATE_CACHE_KEY"},
		{Options{Key: testSecret}, ""},
		{Options{Maintenance: true}, ""},
	} {
		told := ""
		test.o.Warn = func(text string) { told += text }
		mustOpen(t, "redis://:hunter2@localhost", test.o)
		if test.want == "" && told != "" || !strings.Contains(told, test.want) || strings.Contains(told, "hunter2") {
			t.Errorf("%+v: told %q, want %q", test.o, told, test.want)
		}
	}
}

// All layers of an image are asked for in one exchange, and one more for those
// that are large.
func TestRedisIsAskedOnceForManyLayers(t *testing.T) {
	s := startRedis(t)
	const layers = 40
	exchanges := func(f func(c Store, i int) error) int64 {
		link := newLink(t, "127.0.0.1:"+s.port)
		link.delay.Store(int64(20 * time.Millisecond))
		c := mustOpen(t, link.url(), Options{Key: testSecret})
		var wg sync.WaitGroup
		for i := range layers {
			wg.Go(func() {
				if err := f(c, i); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return link.turns.Load()
	}
	const most = layers / 2 // of which up to 3 begin each of up to 4 connections
	absent := exchanges(func(c Store, i int) error {
		if _, err := c.Get(t.Context(), keyOf(i), saves); !errors.Is(err, ErrMissing) {
			return fmt.Errorf("layer %d: error %w", i, err)
		}
		return nil
	})
	put := exchanges(func(c Store, i int) error { return c.Put(t.Context(), keyOf(i), dataOf(i, 5000)) })
	found := exchanges(func(c Store, i int) error {
		_, err := c.Get(t.Context(), keyOf(i), saves)
		return err
	})
	for what, n := range map[string]int64{"absent": absent, "put": put, "found": found} {
		if n > most {
			t.Errorf("%d layers that are %s took %d exchanges, want at most %d", layers, what, n, most)
		}
	}
}

// An entry may be larger than the part that is asked for first.
func TestRedisReadsLargeEntries(t *testing.T) {
	c := mustOpen(t, startRedis(t).url(), Options{Key: testSecret})
	for _, size := range []int{firstPart - payloadAt, firstPart, firstPart + 1, 5 << 20} {
		data := make([]byte, size)
		rand.Read(data)
		if err := c.Put(t.Context(), keyOf(1), data); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Get(t.Context(), keyOf(1), saves); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes come back as %d, error %v", size, len(got), err)
		}
	}
}

// A server that hangs is given up, however many entries are asked for and put; there
// is one warning. How long it is waited for is the matter of TestPatience, whose clock
// does not depend on how busy the machine is.
func TestRedisThatHangs(t *testing.T) {
	const layers, each = 300, 3 * time.Millisecond
	link := newLink(t, "127.0.0.1:"+startRedis(t).port)
	link.delay.Store(int64(time.Hour))
	var n notes
	c := mustOpen(t, link.url(), Options{Key: testSecret, Warn: n.add})
	var wg sync.WaitGroup
	for i := range layers {
		wg.Go(func() {
			if _, err := c.Get(t.Context(), keyOf(i), each); !errors.Is(err, ErrMissing) {
				t.Errorf("error %v, want ErrMissing", err)
			}
			if err := c.Put(t.Context(), keyOf(i), nil); !errors.Is(err, errLate) {
				t.Errorf("Put: error %v, want %v", err, errLate)
			}
		})
	}
	c.Finish()
	wg.Wait()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	n.want(t, "too slow for this run")
}

// Time in which several entries are waited for is counted once. Entries that were
// found extend the time that a run may wait.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatience()
		never := make(chan struct{})
		wait := func() time.Duration {
			began := time.Now()
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					if err := p.await(t.Context(), never); !errors.Is(err, errLate) {
						t.Errorf("error %v, want %v", err, errLate)
					}
				})
			}
			wg.Wait()
			return time.Since(began).Round(5 * time.Millisecond)
		}
		for _, test := range []struct {
			name string
			do   func()
			want time.Duration
		}{
			{"at the beginning", func() {}, 45 * time.Millisecond}, // and a tenth of that
			{"when it is used up", func() {}, 0},
			{"after a second of work", func() { time.Sleep(time.Second) }, 110 * time.Millisecond},
			{"before three seconds of work", func() { p.expect(3 * time.Second) }, 185 * time.Millisecond},
			{"after an entry was found", func() { p.found(time.Second) }, time.Second},
		} {
			test.do()
			if got := wait(); got != test.want {
				t.Errorf("%s: waited %s, want %s", test.name, got, test.want)
			}
		}
	})
}
