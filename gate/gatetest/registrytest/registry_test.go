package registrytest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

func pull(t *testing.T, ref string, options ...remote.Option) (v1.Image, error) {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(r, options...)
	if err != nil {
		return nil, err
	}
	return img, validate.Image(img)
}

func TestPushedImagesCanBePulled(t *testing.T) {
	r := Registry(t)
	ref := r.MustPush(t, imagetest.Image(rootfs.Base()), "team/app:1.0.0")
	for _, name := range []string{ref.Tagged, ref.Pinned} {
		img, err := pull(t, name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, _ := img.Digest(); got != ref.Digest {
			t.Errorf("%s: %s, want %s", name, got, ref.Digest)
		}
	}
	if _, err := pull(t, r.Host+"/team/app:2"); err == nil || !strings.Contains(err.Error(), "UNKNOWN") {
		t.Errorf("a tag that was not pushed: %v", err)
	}
}

func TestRequestsAreLoggedByKind(t *testing.T) {
	r := Registry(t)
	img := imagetest.Image(rootfs.Base())
	ref := r.MustPush(t, imagetest.Index(imagetest.For("linux/amd64", img)), "app:1")
	if _, err := pull(t, ref.Tagged); err != nil {
		t.Fatal(err)
	}
	got := map[Kind]bool{}
	for _, q := range r.Requests() {
		got[q.Kind] = true
	}
	if diff := cmp.Diff(map[Kind]bool{KindPing: true, KindIndex: true, KindManifest: true, KindConfig: true, KindLayer: true}, got); diff != "" {
		t.Error(diff)
	}
	r.Forget()
	if n := r.Count(KindPing); n != 0 {
		t.Errorf("%d pings after Forget", n)
	}
}

func TestAuthentication(t *testing.T) {
	for _, auth := range []Auth{{User: "u", Password: "p"}, {User: "u", Password: "p", Token: "t"}, {Token: "t"}, {}} {
		r := Registry(t, WithAuth(auth))
		ref := r.MustPush(t, imagetest.Image(rootfs.Base()), "app:1")
		if _, err := pull(t, ref.Tagged, remote.WithAuth(&authn.Basic{Username: "u", Password: "p"})); err != nil {
			t.Errorf("%+v: %v", auth, err)
		}
		if _, err := pull(t, ref.Tagged, remote.WithAuth(&authn.Basic{Username: "u", Password: "no"})); auth.User != "" && err == nil {
			t.Errorf("%+v: pulled with a wrong password", auth)
		}
		if got := r.Count(KindToken) > 0; got != (auth.Token != "" || auth.User == "") {
			t.Errorf("%+v: token asked for: %v", auth, got)
		}
	}
}

func TestLiesAreServed(t *testing.T) {
	r := Registry(t)
	p := imagetest.Image(rootfs.Base()).(*imagetest.Parts)
	p.Blobs[0].Content = []byte("something else")
	ref := r.MustPush(t, p, "app:1")
	if _, err := pull(t, ref.Tagged); err == nil {
		t.Error("validated a layer with the wrong bytes")
	}
	both := []byte(`{"schemaVersion":2,"manifests":[],"layers":[]}`)
	ref = r.SetDocument("app:both", "application/vnd.oci.image.index.v1+json", both)
	if got := fetch(t, http.DefaultClient, "http://"+r.Host+"/v2/app/manifests/both"); !strings.HasSuffix(got, string(both)) {
		t.Errorf("got %q for %s", got, ref.Tagged)
	}
}

// Two images in one repository that have equal requests would make a test judge
// another image than the one it names.
func TestContradictionsNeedRepositoriesOfTheirOwn(t *testing.T) {
	r := Registry(t)
	honest := imagetest.Image(rootfs.Base()).(*imagetest.Parts)
	r.MustPush(t, honest, "app:1")
	liar := honest.Clone()
	liar.Blobs[0].Content = []byte("other")
	served := honest.Clone()
	served.Type = "text/plain"
	for name, img := range map[string]v1.Image{"other bytes": liar, "other type": served} {
		if _, err := r.Push(img, "app:2"); err == nil || !strings.Contains(err.Error(), "repository of its own") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.MustPush(t, liar, "liar:1")
	if _, err := pull(t, r.Host+"/app:1"); err != nil {
		t.Errorf("the honest image beside a liar: %v", err)
	}
}

// fetch returns what one request yields: status, headers, body or error. A
// redirect is an answer of its own.
func fetch(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		return "error: " + err.Error()
	}
	defer res.Body.Close()
	res.Header.Del("Date")
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	var out bytes.Buffer
	out.WriteString(res.Status + "\n")
	_ = res.Header.Write(&out)
	if err != nil {
		out.WriteString("cut: " + err.Error() + "\n")
	}
	out.Write(body)
	return out.String()
}

// Every fault must show at every kind of request, and must end by the client's
// own deadline.
func TestFaultsChangeEveryAnswer(t *testing.T) {
	r := Registry(t, WithAuth(Auth{Token: "token"}))
	img := imagetest.Image(rootfs.Base())
	r.MustPush(t, imagetest.Index(imagetest.For("linux/amd64", img)), "app:1")
	if _, err := r.PushDatabase(imagetest.Image(imagetest.Files(imagetest.Text("trivy.db", "x"))), "db:2"); err != nil {
		t.Fatal(err)
	}
	manifest, _ := img.Digest()
	config, _ := img.ConfigName()
	layer := img.(*imagetest.Parts).Blobs[0].ClaimHash
	paths := map[Kind]string{
		KindPing: "/v2/", KindToken: "/token", KindIndex: "/v2/app/manifests/1", KindManifest: "/v2/app/manifests/" + manifest.String(),
		KindConfig: "/v2/app/blobs/" + config.String(), KindLayer: "/v2/app/blobs/" + layer.String(), KindDatabaseManifest: "/v2/db/manifests/2",
	}
	client := &http.Client{
		Timeout:       500 * time.Millisecond,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: authorize{&http.Transport{
			DisableKeepAlives: true, DisableCompression: true,
			DialContext: (&net.Dialer{Timeout: time.Second}).DialContext,
		}},
	}
	faults := Faults()
	for kind, path := range paths {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			honest := fetch(t, client, "http://"+r.Host+path)
			if !strings.HasPrefix(honest, "200") {
				t.Fatalf("honest answer is %.200s", honest)
			}
			for _, f := range faults {
				r.Inject(kind, f)
				// A ping has neither a body nor a type that could be taken away.
				if got := fetch(t, client, "http://"+r.Host+path); got == honest && f.MustStop(kind) {
					t.Errorf("%s changes nothing", f.Name)
				}
			}
		})
	}
}

func TestFaultsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Faults() {
		if f.Name == "" || seen[f.Name] {
			t.Errorf("name %q is empty or not unique", f.Name)
		}
		seen[f.Name] = true
		if !f.MustStop(KindLayer) && !f.MustStop(KindManifest) && f.Name != "lying-digest" && f.Name != "no-content-type" {
			t.Errorf("%s stops nothing", f.Name)
		}
	}
	if len(seen) < 25 {
		t.Errorf("%d faults, want at least 25", len(seen))
	}
}

// authorize adds the token that the registry asks for.
type authorize struct{ next http.RoundTripper }

func (a authorize) RoundTrip(q *http.Request) (*http.Response, error) {
	q = q.Clone(q.Context())
	q.Header.Set("Authorization", "Bearer token")
	return a.next.RoundTrip(q)
}

func TestFlakyFaultHeals(t *testing.T) {
	r := Registry(t)
	r.Inject(KindPing, Flaky(2, FaultByName("status-503")))
	for i, want := range []string{"503", "503", "200"} {
		if got := fetch(t, http.DefaultClient, "http://"+r.Host+"/v2/"); !strings.HasPrefix(got, want) {
			t.Errorf("request %d: %.20q, want %s", i+1, got, want)
		}
	}
}

func TestCloseEndsStalledRequests(t *testing.T) {
	r := NewRegistry()
	arrived := make(chan bool, 1)
	stall := FaultByName("stall-headers")
	r.Inject(KindPing, Fault{Name: "watched", Serve: func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		arrived <- true
		stall.Serve(w, q, next)
	}})
	done := make(chan string)
	go func() {
		res, err := http.Get("http://" + r.Host + "/v2/")
		if err == nil {
			res.Body.Close()
		}
		done <- "ended"
	}()
	<-arrived
	r.Close()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("the request outlived the registry")
	}
}
