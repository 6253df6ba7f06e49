package cache

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// roleVariable makes the test binary play another process's part: what is true
// for goroutines need not be true for processes.
const roleVariable = "IMAGEGATE_CACHE_TEST_ROLE"

func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	play, ok := roles()[role]
	if !ok {
		fmt.Fprintf(os.Stderr, "there is no role %q\n", role)
		os.Exit(2)
	}
	if err := play(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// actor is a process that plays a role.
func actor(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd
}

// perform runs a role to its end, which must be a good one.
func perform(t *testing.T, role string, args ...string) {
	t.Helper()
	if out, err := actor(t, role, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", role, err, out)
	}
}

// notes collects warnings.
type notes struct {
	mu   sync.Mutex
	text []string
}

func (n *notes) add(s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text = append(n.text, s)
}

func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.text...)
}

// want fails unless there is exactly one warning, with the text; or none for an
// empty text.
func (n *notes) want(t *testing.T, text string) {
	t.Helper()
	got := n.all()
	if text == "" && len(got) > 0 || text != "" && (len(got) != 1 || !strings.Contains(got[0], text)) {
		t.Errorf("warnings %q, want one with %q", got, text)
	}
}

func mustOpen(t testing.TB, place string, o Options) Store {
	t.Helper()
	s, err := Open(context.Background(), place, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// saves is what an entry of the tests saves: enough to wait for a busy machine.
const saves = time.Hour

// keyOf is the key of the nth layer; neighbours are in different shelves.
func keyOf(n int) string { return fmt.Sprintf("%02x%062x", n%256, n) }

// dataOf is the analysis of the nth layer: text with repetitions, as they are.
func dataOf(n, size int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `{"name":"package-%d-%d","version":"1.%d.%d"},`, n, i*7919%4096, i%13, i*31%997)
	}
	return b.Bytes()[:size]
}

// Entries of different secrets live side by side: neither replaces the other.
func sideBySide(t *testing.T, place string) {
	t.Helper()
	var n notes
	secrets := [][]byte{testSecret, []byte("another secret of 16 and more")}
	for _, secret := range secrets {
		if err := mustOpen(t, place, Options{Key: secret, Warn: n.add}).Put(t.Context(), keyOf(1), secret); err != nil {
			t.Fatal(err)
		}
	}
	for _, secret := range secrets {
		data, err := mustOpen(t, place, Options{Key: secret, Warn: n.add}).Get(t.Context(), keyOf(1), saves)
		if err != nil || !bytes.Equal(data, secret) {
			t.Errorf("with %q: %q, error %v", secret, data, err)
		}
	}
	if info, err := mustOpen(t, place, Options{Maintenance: true}).Info(t.Context()); err != nil || info.Entries != len(secrets) {
		t.Errorf("%+v, error %v, want an entry for each secret", info, err)
	}
	n.want(t, "")
}

func TestSecretsLiveSideBySide(t *testing.T) {
	t.Run("directory", func(t *testing.T) { sideBySide(t, t.TempDir()) })
	t.Run("redis", func(t *testing.T) { sideBySide(t, startRedis(t).url()) })
}
