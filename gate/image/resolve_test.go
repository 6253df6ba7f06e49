package image_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/pulltest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/image/local"
	"github.com/imagegate/imagegate/gate/image/remote"
	"github.com/imagegate/imagegate/policy/evidence"
)

func newResolver(t testing.TB, limits image.Limits, platforms ...string) gate.Resolver {
	t.Helper()
	client, err := remote.NewClient(t.Context(), remote.Options{Getenv: func(string) string { return "" }, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	sources := local.Sources(local.Options{Limits: limits})
	sources[evidence.SourceRegistry] = client
	r, err := image.NewResolver(image.Options{Sources: sources, Platforms: platforms, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestResolveImage(t *testing.T) {
	created := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	spec := imagetest.Spec{
		User: "app:app", Env: []string{"PATH=/bin", "TOKEN=s3cret", "EMPTY"}, Entrypoint: []string{"/app"}, Cmd: []string{"-v"},
		Ports: []string{"9000/tcp", "22/tcp"}, Labels: map[string]string{"a": "1", "A": "2"}, Created: created,
		Platform: v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"},
		Layers:   []imagetest.Layer{{Files: []imagetest.File{{Path: "base"}}, CreatedBy: "ADD rootfs"}, {Files: []imagetest.File{{Path: "own"}}, CreatedBy: "COPY app"}},
		Config: func(c *v1.ConfigFile) {
			c.Config.Volumes = map[string]struct{}{"/data": {}, "/a": {}}
			c.Config.Healthcheck = &v1.HealthConfig{Test: []string{"CMD", "true"}}
			c.History = []v1.History{c.History[0], {CreatedBy: `CMD ["sh"]`, EmptyLayer: true}, c.History[1], {CreatedBy: "USER app", EmptyLayer: true}}
		},
	}
	for _, docker := range []bool{false, true} {
		spec.Docker = docker
		img := spec.Build()
		reg := registrytest.Registry(t)
		ref := reg.MustPush(t, img, "team/app:1.0")
		res, err := pulltest.Pull(t.Context(), newResolver(t, image.Limits{}), ref.Tagged)
		if err != nil {
			t.Fatal(err)
		}
		layers := []evidence.Layer{}
		for i, b := range img.Blobs {
			layers = append(layers, evidence.Layer{
				Digest: b.ClaimHash.String(), DiffID: b.ClaimDiff.String(), MediaType: string(b.ClaimType), Size: int64(len(b.Content)),
				CreatedBy: []string{"ADD rootfs", "COPY app"}[i], Base: i == 0,
			})
		}
		want := &gate.Resolution{
			Reference: evidence.Reference{
				Asked: ref.Tagged, Source: evidence.SourceRegistry, Name: reg.Host + "/team/app",
				Registry: reg.Host, Repository: "team/app", Tag: "1.0",
			},
			Digest: ref.Digest.String(),
		}
		want.Targets = []gate.Target{{RawConfig: img.ConfigJSON, Image: evidence.Image{
			SchemaVersion: 1, Reference: want.Reference, Digest: ref.Digest.String(), Platform: "linux/arm64/v8", Platforms: []string{"linux/arm64/v8"},
			Config: &evidence.Config{
				User: "app:app", Entrypoint: []string{"/app"}, Cmd: []string{"-v"}, ExposedPorts: []string{"22/tcp", "9000/tcp"},
				Labels: map[string]string{"a": "1", "A": "2"}, EnvNames: []string{"PATH", "TOKEN", "EMPTY"}, Volumes: []string{"/a", "/data"},
				Healthcheck: true, Created: &created, Size: layers[0].Size + layers[1].Size, Layers: layers,
			},
		}}}
		blobs := res.Targets[0].Layers
		res.Targets[0].Layers = nil
		if diff := cmp.Diff(want, res); diff != "" {
			t.Errorf("docker %v: %s", docker, diff)
		}
		for i, b := range blobs {
			if b.Digest != layers[i].Digest || b.DiffID != layers[i].DiffID || b.Size != layers[i].Size || b.MediaType != layers[i].MediaType {
				t.Errorf("blob %d: %+v, want %+v", i, b, layers[i])
			}
		}
	}
}

func TestResolveIndex(t *testing.T) {
	amd, arm, armv6 := pulltest.For(t, "linux/amd64"), pulltest.For(t, "linux/arm64"), pulltest.For(t, "linux/arm/v6")
	nowhere := func(c imagetest.Child, p *v1.Platform) imagetest.Child { c.Platform = p; return c }
	described := func(c imagetest.Child, f func(*v1.Descriptor)) imagetest.Child { c.Descriptor = f; return c }
	artifact := pulltest.Image()
	artifact.ConfigType = "application/vnd.cncf.helm.config.v1+json"
	if err := artifact.Seal(); err != nil {
		t.Fatal(err)
	}
	unmarked := imagetest.Attestation(amd.Image)
	unmarked.Annotations = nil
	marked := func(of imagetest.Child, subject, kind string) imagetest.Child {
		of.Annotations = map[string]string{"vnd.docker.reference.digest": subject, "vnd.docker.reference.type": kind}
		return of
	}
	attested := imagetest.Attestation(amd.Image)
	subject := attested.Annotations["vnd.docker.reference.digest"]
	ofAttestation, err := attested.Image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	nested := imagetest.Child{Index: imagetest.Index(arm)}
	twice := imagetest.Child{Index: imagetest.Index(nested)}
	win1, win2 := pulltest.For(t, "windows/amd64:10.0.17763.1"), pulltest.For(t, "windows/amd64:10.0.20348.1")
	for name, c := range map[string]struct {
		children []imagetest.Child
		asked    []string
		targets  string // platforms, in order
		skipped  int
		want     string // in the error
	}{
		"one":                         {children: []imagetest.Child{amd}, targets: "linux/amd64"},
		"all platforms, their order":  {children: []imagetest.Child{arm, amd, armv6}, targets: "linux/arm64 linux/amd64 linux/arm/v6"},
		"attestations are skipped":    {children: []imagetest.Child{amd, arm, imagetest.Attestation(amd.Image), imagetest.Attestation(arm.Image)}, targets: "linux/amd64 linux/arm64", skipped: 2},
		"one is asked for":            {children: []imagetest.Child{amd, arm}, asked: []string{"linux/arm64/v8"}, targets: "linux/arm64", skipped: 1},
		"two are asked for":           {children: []imagetest.Child{amd, arm, armv6}, asked: []string{"linux/arm64", "linux/x86_64"}, targets: "linux/amd64 linux/arm64", skipped: 1},
		"one is missing":              {children: []imagetest.Child{amd, arm}, asked: []string{"linux/arm64", "linux/s390x"}, want: "no image for linux/s390x; it has linux/amd64, linux/arm64"},
		"all are missing":             {children: []imagetest.Child{amd}, asked: []string{"linux/riscv64"}, want: "no image for linux/riscv64; it has linux/amd64"},
		"a variant is missing":        {children: []imagetest.Child{armv6}, asked: []string{"linux/arm"}, want: "it has linux/arm/v6"},
		"platform told by the config": {children: []imagetest.Child{nowhere(amd, nil), arm}, targets: "linux/amd64 linux/arm64"},
		"asked for, told by config":   {children: []imagetest.Child{nowhere(amd, nil), arm}, asked: []string{"linux/arm64"}, targets: "linux/arm64", skipped: 1},
		"nested":                      {children: []imagetest.Child{amd, nested}, targets: "linux/amd64 linux/arm64"},
		"windows versions":            {children: []imagetest.Child{win1, win2}, targets: "windows/amd64:10.0.17763.1 windows/amd64:10.0.20348.1"},
		"all windows versions":        {children: []imagetest.Child{amd, win1, win2}, asked: []string{"windows/amd64"}, targets: "windows/amd64:10.0.17763.1 windows/amd64:10.0.20348.1", skipped: 1},
		"one child twice":             {children: []imagetest.Child{amd, amd}, targets: "linux/amd64"},
		"nested twice":                {children: []imagetest.Child{twice}, want: "indexes within each other"},
		"empty":                       {want: "no image that could run"},
		"attestation without image":   {children: []imagetest.Child{imagetest.Attestation(amd.Image)}, want: "not marked as an attestation of another manifest"},
		"unknown without marks":       {children: []imagetest.Child{amd, unmarked}, want: "not marked as an attestation"},
		"marked as another kind":      {children: []imagetest.Child{amd, marked(attested, subject, "other")}, want: "not marked as an attestation"},
		"attestation of attestation":  {children: []imagetest.Child{amd, attested, marked(imagetest.Attestation(arm.Image), ofAttestation.String(), "attestation-manifest")}, want: "not marked as an attestation"},
		"a platform that is unknown":  {children: []imagetest.Child{amd, nowhere(arm, &v1.Platform{OS: "unknown", Architecture: "unknown"})}, want: "not marked as an attestation"},
		"half unknown":                {children: []imagetest.Child{amd, nowhere(arm, &v1.Platform{OS: "linux", Architecture: "unknown"})}, want: "which is incomplete"},
		"empty platform":              {children: []imagetest.Child{amd, nowhere(arm, &v1.Platform{})}, want: "which is incomplete"},
		"two for one platform":        {children: []imagetest.Child{amd, nowhere(pulltest.For(t, "linux/amd64/v1"), &v1.Platform{OS: "linux", Architecture: "amd64"})}, want: "two manifests for linux/amd64"},
		"two spellings":               {children: []imagetest.Child{arm, pulltest.For(t, "linux/arm64/v8")}, want: "two manifests for linux/arm64"},
		"two, one told by config":     {children: []imagetest.Child{amd, nowhere(pulltest.For(t, "linux/amd64/v1"), nil)}, want: "two manifests for linux/amd64"},
		"two, one not asked for":      {children: []imagetest.Child{arm, amd, pulltest.For(t, "linux/amd64/v1")}, asked: []string{"linux/arm64"}, want: "two manifests for linux/amd64"},
		"two, one nested":             {children: []imagetest.Child{pulltest.For(t, "linux/arm64/v8"), nested}, want: "two manifests for linux/arm64"},
		"config of another machine":   {children: []imagetest.Child{nowhere(amd, arm.Platform)}, want: "it is for linux/amd64, but the index offers the image for linux/arm64"},
		"config of another system":    {children: []imagetest.Child{nowhere(amd, &v1.Platform{OS: "windows", Architecture: "amd64"})}, want: "but the index offers the image for windows/amd64"},
		"config of another variant":   {children: []imagetest.Child{nowhere(armv6, &v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"})}, want: "but the index offers the image for linux/arm/v7"},
		"child of another size":       {children: []imagetest.Child{described(amd, func(d *v1.Descriptor) { d.Size++ })}, want: "its descriptor announces"},
		"child smaller than told":     {children: []imagetest.Child{described(amd, func(d *v1.Descriptor) { d.Size-- })}, want: "sent more than"},
		"child of another type":       {children: []imagetest.Child{described(amd, func(d *v1.Descriptor) { d.MediaType = "application/vnd.docker.distribution.manifest.v2+json" })}, want: "in one place"},
		"child is said to be index":   {children: []imagetest.Child{described(amd, func(d *v1.Descriptor) { d.MediaType = "application/vnd.oci.image.index.v1+json" })}, want: "tools disagree"},
		"child is schema 1":           {children: []imagetest.Child{amd, described(arm, func(d *v1.Descriptor) { d.MediaType = "application/vnd.docker.distribution.manifest.v1+prettyjws" })}, want: "schema 1"},
		"child is no image":           {children: []imagetest.Child{amd, described(arm, func(d *v1.Descriptor) { d.MediaType = "application/x" })}, want: "not that of an image"},
		"child has an address":        {children: []imagetest.Child{amd, described(arm, func(d *v1.Descriptor) { d.URLs = []string{"http://127.0.0.1:1/"} })}, want: "never fetched"},
		"child is an artifact":        {children: []imagetest.Child{amd, {Image: artifact}}, want: "this is an artifact, not an image"},
		"huge child":                  {children: []imagetest.Child{described(amd, func(d *v1.Descriptor) { d.Size = 1 << 40 })}, want: "over the limit"},
		"platform with a newline":     {children: []imagetest.Child{nowhere(amd, &v1.Platform{OS: "linux\n", Architecture: "amd64"})}, want: "is not a platform"},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.Registry(t)
			ref := reg.MustPush(t, imagetest.Index(c.children...), "app:1")
			res, err := pulltest.Pull(t.Context(), newResolver(t, image.Limits{}, c.asked...), ref.Tagged)
			pulltest.CheckError(t, name, err, c.want)
			if err != nil || c.want != "" {
				return
			}
			var got []string
			for _, target := range res.Targets {
				got = append(got, target.Image.Platform)
				if target.Image.IndexDigest != ref.Digest.String() || target.Image.Digest == "" || len(target.Image.Platforms) == 0 {
					t.Errorf("target %+v", target.Image)
				}
			}
			if strings.Join(got, " ") != c.targets || len(res.Skipped) != c.skipped || res.Digest != ref.Digest.String() {
				t.Errorf("got %v and skipped %+v", got, res.Skipped)
			}
		})
	}
}

// A tag is asked for once; everything after goes by digest, even if the tag
// has moved meanwhile.
func TestTagIsResolvedOnce(t *testing.T) {
	first, second := imagetest.Index(pulltest.For(t, "linux/amd64"), pulltest.For(t, "linux/arm64")), pulltest.For(t, "linux/s390x").Image
	reg := registrytest.Registry(t)
	ref := reg.MustPush(t, first, "app:1")
	reg.Inject(registrytest.KindIndex, registrytest.Fault{Name: "tag moves", Serve: func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		next.ServeHTTP(w, q)
		if _, err := reg.Push(second, "app:1"); err != nil {
			t.Error(err)
		}
	}})
	res, err := pulltest.Pull(t.Context(), newResolver(t, image.Limits{}), ref.Tagged)
	if err != nil {
		t.Fatal(err)
	}
	if res.Digest != ref.Digest.String() || len(res.Targets) != 2 {
		t.Errorf("got %s with %d targets", res.Digest, len(res.Targets))
	}
	byTag := 0
	for _, q := range reg.Requests() {
		if strings.HasSuffix(q.Path, "/manifests/1") {
			byTag++
		} else if strings.Contains(q.Path, "/manifests/") && !strings.Contains(q.Path, "/manifests/sha256:") {
			t.Errorf("unexpected request %s", q)
		}
	}
	if byTag != 1 {
		t.Errorf("the tag was asked for %d times", byTag)
	}
}

func TestResolveByDigest(t *testing.T) {
	reg := registrytest.Registry(t)
	img := pulltest.Image()
	ref := reg.MustPush(t, img, "app:1")
	r := newResolver(t, image.Limits{})
	res, err := r.Resolve(t.Context(), ref.Pinned)
	if err != nil {
		t.Fatal(err)
	}
	if res.Reference.Tag != "1" || res.Reference.Digest != ref.Digest.String() {
		t.Errorf("tag and digest are not both kept: %+v", res.Reference)
	}
	for _, q := range reg.Requests() {
		if strings.HasSuffix(q.Path, "/manifests/1") {
			t.Errorf("the tag was asked for: %s", q)
		}
	}
	// The registry serves other bytes under the digest.
	reg.Inject(registrytest.KindManifest, registrytest.FaultByName("trailing-space"))
	_, err = r.Resolve(t.Context(), ref.Pinned)
	pulltest.CheckError(t, "changed manifest", err, "not what its digest says")
}

// A foreign layer's addresses are never asked, not even when the registry
// lacks the layer.
func TestForeignLayersAreNotFetched(t *testing.T) {
	asked := 0
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer canary.Close()
	for _, mediaType := range []string{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip"} {
		img := pulltest.Image()
		img.Blobs[0].URLs = []string{canary.URL + "/layer"}
		img.ManifestJSON = nil
		if err := img.SealManifest(); err != nil {
			t.Fatal(err)
		}
		img.ManifestJSON = []byte(strings.ReplaceAll(string(img.ManifestJSON), "application/vnd.oci.image.layer.v1.tar+gzip", mediaType))
		reg := registrytest.Registry(t)
		ref := reg.MustPush(t, img, "app:1")
		reg.Inject(registrytest.KindLayer, registrytest.FaultByName("status-404"))
		_, err := pulltest.Pull(t.Context(), newResolver(t, image.Limits{}), ref.Tagged)
		pulltest.CheckError(t, mediaType, err, "never fetched")
	}
	if asked != 0 {
		t.Errorf("the canary was asked %d times", asked)
	}
}

func TestLimits(t *testing.T) {
	var many []imagetest.Layer
	for i := range 5 {
		many = append(many, imagetest.Layer{Files: []imagetest.File{{Path: fmt.Sprint(i)}}})
	}
	img := imagetest.Spec{Layers: many}.Image()
	index := imagetest.Index(pulltest.For(t, "linux/amd64"), pulltest.For(t, "linux/arm64"), pulltest.For(t, "linux/s390x"))
	for name, c := range map[string]struct {
		set  string
		what any
		want string
	}{
		"manifest":       {"manifest-size=100", img, "manifest-size"},
		"config":         {"config-size=100", img, "config-size"},
		"layers":         {"layers=4", img, "layers"},
		"blob":           {"blob-size=10", img, "blob-size"},
		"children":       {"index-children=2", index, "index-children"},
		"enough of each": {"layers=5", img, ""},
	} {
		t.Run(name, func(t *testing.T) {
			limits := image.DefaultLimits()
			limit, value, _ := strings.Cut(c.set, "=")
			if err := limits.Table().Set(limit, value); err != nil {
				t.Fatal(err)
			}
			reg := registrytest.Registry(t)
			ref := reg.MustPush(t, c.what, "app:1")
			_, err := pulltest.Pull(t.Context(), newResolver(t, limits), ref.Tagged)
			pulltest.CheckError(t, name, err, map[bool]string{true: "over the limit"}[c.want != ""])
			if hint := gate.HintOf(err); !strings.Contains(hint, c.want) {
				t.Errorf("hint %q does not name the limit %s", hint, c.want)
			}
		})
	}
}

func TestLimitsSet(t *testing.T) {
	for value, want := range map[string]string{
		"manifest-size=1KiB": "", "manifest-size=12": "", "tries=3": "", "idle-timeout=2m": "",
		"manifest-size=0": "above zero", "manifest-size=-1": "above zero", "manifest-size=1G": "above zero", "manifest-size=": "above zero",
		"manifest-size=9999999TiB": "above zero", "tries=1KiB": "above zero", "idle-timeout=30": "time above zero", "idle-timeout=-1s": "time above zero",
		"manifest=1": "unknown limit",
	} {
		l := image.DefaultLimits()
		name, amount, _ := strings.Cut(value, "=")
		pulltest.CheckError(t, value, l.Table().Set(name, amount), want)
	}
	l := image.Limits{}.Filled()
	if diff := cmp.Diff(image.DefaultLimits(), l); diff != "" {
		t.Errorf("zero limits: %s", diff)
	}
}

// What go-containerregistry builds and pushes is read back whole.
func TestRandomImages(t *testing.T) {
	reg := registrytest.Registry(t)
	r := newResolver(t, image.Limits{})
	for i := range 5 {
		img, err := random.Image(int64(1000*i+1), int64(i))
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		config = config.DeepCopy()
		config.OS, config.Architecture = "linux", "amd64"
		if img, err = mutate.ConfigFile(img, config); err != nil {
			t.Fatal(err)
		}
		ref := reg.MustPush(t, img, fmt.Sprintf("r:%d", i))
		res, err := pulltest.Pull(t.Context(), r, ref.Tagged)
		if err != nil || len(res.Targets[0].Layers) != i {
			t.Errorf("%d layers: %v", i, err)
		}
	}
	ref := reg.MustPush(t, empty.Image, "empty:1")
	_, err := r.Resolve(t.Context(), ref.Tagged)
	pulltest.CheckError(t, "image without a platform", err, "operating system")
}
