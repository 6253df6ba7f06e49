package local

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/pulltest"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/evidence"
)

// tarFile is one entry of a handmade archive.
type tarFile struct {
	name, body, link string
	kind             byte
}

func writeTar(t testing.TB, zipped bool, files ...tarFile) string {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Size: int64(len(f.body)), Mode: 0o644, Typeflag: tar.TypeReg, Linkname: f.link}
		if f.kind != 0 {
			h.Typeflag = f.kind
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if zipped {
		var z bytes.Buffer
		g := gzip.NewWriter(&z)
		_, _ = g.Write(buf.Bytes())
		_ = g.Close()
		buf = z
	}
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func testOptions(t testing.TB, limits image.Limits) Options {
	t.Helper()
	return Options{Limits: limits, TempDir: func() (string, error) { return t.TempDir(), nil }, Getenv: func(string) string { return "" }}
}

func newResolver(t testing.TB, limits image.Limits, platforms ...string) gate.Resolver {
	t.Helper()
	r, err := image.NewResolver(image.Options{Sources: Sources(testOptions(t, limits)), Platforms: platforms, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func layoutDir(t testing.TB, images ...imagetest.Named) string {
	t.Helper()
	dir := t.TempDir()
	if err := imagetest.WriteOCILayout(dir, images...); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLayout(t *testing.T) {
	one, two := pulltest.Image("one"), pulltest.Image("two")
	index := imagetest.Index(pulltest.For(t, "linux/amd64"), pulltest.For(t, "linux/arm64"))
	digest := imagetest.HashOf(two.ManifestJSON).String()
	both := []imagetest.Named{{Name: "1.0", What: one}, {Name: "docker.io/library/app:2.0", What: two}}
	for name, c := range map[string]struct {
		images  []imagetest.Named
		suffix  string
		targets int
		want    string
	}{
		"single":           {both[:1], "", 1, ""},
		"single by tag":    {both[:1], ":1.0", 1, ""},
		"by tag":           {both, ":1.0", 1, ""},
		"end of a name":    {both, ":2.0", 1, ""},
		"by digest":        {both, "@" + digest, 1, ""},
		"by both":          {both, ":2.0@" + digest, 1, ""},
		"index":            {[]imagetest.Named{{What: index}}, "", 2, ""},
		"ambiguous":        {both, "", 0, "2 images in it are meant"},
		"no such tag":      {both, ":3.0", 0, "there is no such image in it; there are: "},
		"another's digest": {both, ":1.0@" + digest, 0, "there is no such image"},
		"empty":            {nil, "", 0, "there is no image in it"},
		"same tag twice":   {[]imagetest.Named{{Name: "a", What: one}, {Name: "a", What: two}}, ":a", 0, "2 images in it are meant"},
		"one image twice":  {[]imagetest.Named{{Name: "a", What: one}, {Name: "b", What: one}}, "", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := layoutDir(t, c.images...)
			archives := filepath.Join(t.TempDir(), "image.tar")
			if err := imagetest.WriteOCIArchive(archives, c.images...); err != nil {
				t.Fatal(err)
			}
			zipped := filepath.Join(t.TempDir(), "image.tgz")
			if err := imagetest.WriteOCIArchive(zipped, c.images...); err != nil {
				t.Fatal(err)
			}
			for _, ref := range []string{"oci:" + dir + c.suffix, "tar:" + archives + c.suffix, "tar:" + zipped + c.suffix} {
				res, err := pulltest.Pull(t.Context(), newResolver(t, image.Limits{}), ref)
				pulltest.CheckError(t, ref, err, c.want)
				if err == nil && len(res.Targets) != c.targets {
					t.Errorf("%s: %d targets", ref, len(res.Targets))
				}
			}
		})
	}
}

// The name that policies match is the path that the user wrote.
func TestLocalNamesAreTheUsers(t *testing.T) {
	dir := layoutDir(t, imagetest.Named{Name: "registry.example.no/trusted/app:1.0", What: pulltest.Image()})
	res, err := newResolver(t, image.Limits{}).Resolve(t.Context(), "oci:"+dir+":1.0")
	if err != nil {
		t.Fatal(err)
	}
	want := evidence.Reference{Asked: "oci:" + dir + ":1.0", Source: evidence.SourceOCI, Name: "oci:" + dir, Tag: "1.0"}
	if got := res.Targets[0].Image.Reference; got != want || res.Reference != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestBrokenLayouts(t *testing.T) {
	img := pulltest.Image()
	manifest, config := imagetest.HashOf(img.ManifestJSON).Hex, imagetest.HashOf(img.ConfigJSON).Hex
	layer := img.Blobs[0].ClaimHash.Hex
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, img.ManifestJSON, 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(t *testing.T, path string) {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, path); err != nil {
			t.Skip(err)
		}
	}
	write := func(t *testing.T, path, body string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  string
	}{
		"no oci-layout":       {func(_ *testing.T, dir string) { _ = os.Remove(dir + "/oci-layout") }, "not an OCI image layout"},
		"another version":     {func(t *testing.T, dir string) { write(t, dir+"/oci-layout", `{"imageLayoutVersion":"2.0.0"}`) }, `version "2.0.0"`},
		"no index":            {func(_ *testing.T, dir string) { _ = os.Remove(dir + "/index.json") }, "no index.json"},
		"index is a manifest": {func(t *testing.T, dir string) { write(t, dir+"/index.json", string(img.ManifestJSON)) }, "it is not an index"},
		"index with twin keys": {func(t *testing.T, dir string) {
			write(t, dir+"/index.json", `{"schemaVersion":2,"Manifests":[],"manifests":[]}`)
		}, "in another case"},
		"no manifest":            {func(_ *testing.T, dir string) { _ = os.Remove(dir + "/blobs/sha256/" + manifest) }, "no such file"},
		"manifest leads outside": {func(t *testing.T, dir string) { link(t, dir+"/blobs/sha256/"+manifest) }, "escapes"},
		"manifest is a directory": {func(t *testing.T, dir string) {
			_ = os.Remove(dir + "/blobs/sha256/" + manifest)
			_ = os.Mkdir(dir+"/blobs/sha256/"+manifest, 0o700)
		}, "not a regular file"},
		"changed manifest": {func(t *testing.T, dir string) {
			write(t, dir+"/blobs/sha256/"+manifest, strings.Replace(string(img.ManifestJSON), "2", "3", 1))
		}, "not what its digest says"},
		"longer manifest": {func(t *testing.T, dir string) { write(t, dir+"/blobs/sha256/"+manifest, string(img.ManifestJSON)+" ") }, "its descriptor announces"},
		"changed config": {func(t *testing.T, dir string) {
			write(t, dir+"/blobs/sha256/"+config, strings.Replace(string(img.ConfigJSON), "amd64", "arm64", 1))
		}, "not what its digest says"},
		"config leads outside": {func(t *testing.T, dir string) { link(t, dir+"/blobs/sha256/"+config) }, "escapes"},
		"layer leads outside":  {func(t *testing.T, dir string) { link(t, dir+"/blobs/sha256/"+layer) }, "escapes"},
		"no layer":             {func(_ *testing.T, dir string) { _ = os.Remove(dir + "/blobs/sha256/" + layer) }, "no such file"},
		"shorter layer":        {func(t *testing.T, dir string) { write(t, dir+"/blobs/sha256/"+layer, "x") }, "it has 1 bytes"},
		"blobs lead outside": {func(t *testing.T, dir string) {
			other := layoutDir(t, imagetest.Named{What: img})
			_ = os.RemoveAll(dir + "/blobs")
			if err := os.Symlink(other+"/blobs", dir+"/blobs"); err != nil {
				t.Skip(err)
			}
		}, "escapes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := layoutDir(t, imagetest.Named{What: img})
			c.spoil(t, dir)
			_, err := pulltest.Pull(t.Context(), newResolver(t, image.Limits{}), "oci:"+dir)
			pulltest.CheckError(t, name, err, c.want)
		})
	}
	r := newResolver(t, image.Limits{})
	_, err := r.Resolve(t.Context(), "oci:"+outside)
	pulltest.CheckError(t, "file", err, "is not a directory")
	_, err = r.Resolve(t.Context(), "oci:"+outside+"/nowhere")
	pulltest.CheckError(t, "nowhere", err, "OCI layout")
}

func TestDockerArchive(t *testing.T) {
	img := pulltest.Image("a", "b")
	id := imagetest.HashOf(img.ConfigJSON)
	dir := t.TempDir()
	plain, zipped, packed := filepath.Join(dir, "a.tar"), filepath.Join(dir, "a.tar.gz"), filepath.Join(dir, "ggcr.tar")
	for _, file := range []string{plain, zipped} {
		if err := imagetest.WriteDockerTar(file, img, "registry.example.no/app:1.0"); err != nil {
			t.Fatal(err)
		}
	}
	tag, err := name.NewTag("registry.example.no/app:1.0")
	if err != nil {
		t.Fatal(err)
	}
	// go-containerregistry keeps the layers compressed.
	if err := tarball.WriteToFile(packed, tag, img); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{plain, zipped, packed} {
		for suffix, want := range map[string]string{"": "", ":1.0": "", "@" + id.String(): "", ":2.0": "no such image", "@sha256:" + strings.Repeat("a", 64): "no such image"} {
			res, err := pulltest.Pull(t.Context(), newResolver(t, image.Limits{}), "tar:"+file+suffix)
			pulltest.CheckError(t, file+suffix, err, want)
			if err != nil {
				continue
			}
			got := res.Targets[0]
			// An image ID is no digest: no registry knows it.
			if res.Digest != "" || got.Image.Digest != "" || got.Image.ImageID != id.String() || got.Image.Platform != "linux/amd64" || got.Image.Reference.Name != "tar:"+file {
				t.Errorf("%s: %+v", file, got.Image)
			}
			if d := got.Layers[0].DiffID; d != img.Blobs[0].ClaimDiff.String() {
				t.Errorf("%s: diffID %s", file, d)
			}
		}
		_, err := newResolver(t, image.Limits{}, "linux/arm64").Resolve(t.Context(), "tar:"+file)
		pulltest.CheckError(t, "platform", err, "no image for linux/arm64; it has linux/amd64")
	}
}

// saved is a handmade archive of docker save: the config, the layers' files and
// the list.
func saved(t testing.TB, img *imagetest.Parts, list any, more ...tarFile) []tarFile {
	t.Helper()
	raw, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	files := []tarFile{{name: "manifest.json", body: string(raw)}, {name: imagetest.HashOf(img.ConfigJSON).Hex + ".json", body: string(img.ConfigJSON)}}
	return append(files, more...)
}

func TestBrokenArchives(t *testing.T) {
	img, other := pulltest.Image(), pulltest.Image("other")
	config := imagetest.HashOf(img.ConfigJSON).Hex + ".json"
	layer := string(img.Blobs[0].Unpacked)
	list := []map[string]any{{"Config": config, "RepoTags": []string{"a:1"}, "Layers": []string{"l/layer.tar"}}}
	file := tarFile{name: "l/layer.tar", body: layer}
	good := slices.Clip(saved(t, img, list, file))
	for name, c := range map[string]struct {
		files []tarFile
		want  string
	}{
		"good":                 {good, ""},
		"dotted names":         {saved(t, img, list, tarFile{name: "./l/layer.tar", body: layer}), ""},
		"linked layer":         {saved(t, img, list, tarFile{name: "m/layer.tar", body: layer}, tarFile{name: "l/layer.tar", kind: tar.TypeSymlink, link: "../m/layer.tar"}), ""},
		"hard linked layer":    {saved(t, img, list, tarFile{name: "m/layer.tar", body: layer}, tarFile{name: "l/layer.tar", kind: tar.TypeLink, link: "m/layer.tar"}), ""},
		"link to itself":       {saved(t, img, list, tarFile{name: "l/layer.tar", kind: tar.TypeSymlink, link: "layer.tar"}), "link to a link"},
		"link out of it":       {saved(t, img, list, tarFile{name: "l/layer.tar", kind: tar.TypeSymlink, link: "../../etc/passwd"}), "is not in the archive"},
		"link to a file":       {saved(t, img, list, tarFile{name: "l/layer.tar", kind: tar.TypeSymlink, link: "/etc/passwd"}), "is not in the archive"},
		"layer is a device":    {saved(t, img, list, tarFile{name: "l/layer.tar", kind: tar.TypeChar}), "not a regular file"},
		"layer missing":        {saved(t, img, list), "is not in the archive"},
		"name out of it":       {append(good, tarFile{name: "../x"}), "leads out of it"},
		"layer twice":          {append(good, file), "is in it twice"},
		"list twice":           {append(good, good[0]), "is in it twice"},
		"list with twin keys":  {append([]tarFile{{name: "manifest.json", body: strings.Replace(good[0].body, `"Config"`, `"config":"x","Config"`, 1)}}, good[1:]...), "in another case"},
		"config under a lie":   {append(saved(t, img, list, file)[:1], tarFile{name: config, body: string(other.ConfigJSON)}, file), "not what its digest says"},
		"too few layers":       {saved(t, img, []map[string]any{{"Config": config, "Layers": []string{}}}, file), "1 diff_ids, and manifest.json lists 0 layers"},
		"two images":           {saved(t, img, append(list, map[string]any{"Config": "c.json", "Layers": []string{"l/layer.tar"}}), file, tarFile{name: "c.json", body: string(other.ConfigJSON)}), "2 images in it are meant"},
		"no images":            {saved(t, img, []any{}), "no image in it"},
		"neither format":       {[]tarFile{{name: "etc/passwd", body: "root"}}, "it is not an image"},
		"layout without index": {[]tarFile{{name: "oci-layout", body: `{"imageLayoutVersion":"1.0.0"}`}}, "no index.json"},
		"empty":                {nil, "it is not an image"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, zipped := range []bool{false, true} {
				_, err := pulltest.Pull(t.Context(), newResolver(t, image.Limits{}), "tar:"+writeTar(t, zipped, c.files...))
				pulltest.CheckError(t, name, err, c.want)
			}
		})
	}
}

func TestArchiveFiles(t *testing.T) {
	img := pulltest.Image()
	good := filepath.Join(t.TempDir(), "good.tar")
	if err := imagetest.WriteDockerTar(good, img, "a:1"); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ body, want string }{
		"cut in the middle": {string(raw[:len(raw)/2]), ""},
		"cut header":        {string(raw[:700]), "cut off"},
		"text":              {strings.Repeat("hello", 1000), "not a tar archive"},
		"cut gzip":          {"\x1f\x8b\x08", "decompress"},
		"zstd":              {"\x28\xb5\x2f\xfd", "decompress it first"},
		"xz":                {"\xfd7zXZ", "decompress it first"},
	} {
		path := filepath.Join(t.TempDir(), "x.tar")
		if err := os.WriteFile(path, []byte(c.body), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := pulltest.Pull(t.Context(), newResolver(t, image.Limits{}), "tar:"+path)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		pulltest.CheckError(t, name, err, c.want+map[bool]string{true: "image archive"}[c.want == ""])
	}
	r := newResolver(t, image.Limits{})
	_, err = r.Resolve(t.Context(), "tar:"+t.TempDir())
	pulltest.CheckError(t, "directory", err, "write oci:DIR")
	_, err = r.Resolve(t.Context(), "tar:/nowhere/at/all")
	pulltest.CheckError(t, "nowhere", err, "no such file")
}

// An archive that two kinds of tools read differently is refused.
func TestArchiveWithTwoDescriptions(t *testing.T) {
	img, other := pulltest.Image(), pulltest.Image("other")
	layout := filepath.Join(t.TempDir(), "layout.tar")
	if err := imagetest.WriteOCIArchive(layout, imagetest.Named{Name: "1", What: img}, imagetest.Named{Name: "2", What: other}); err != nil {
		t.Fatal(err)
	}
	var files []tarFile
	f, err := os.Open(layout)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err != nil {
			break
		}
		var b bytes.Buffer
		_, _ = b.ReadFrom(r)
		files = append(files, tarFile{name: h.Name, body: b.String()})
	}
	path := func(h v1.Hash) string { return "blobs/sha256/" + h.Hex }
	entry := func(config, layers *imagetest.Parts) map[string]any {
		return map[string]any{"Config": path(imagetest.HashOf(config.ConfigJSON)), "Layers": []string{path(layers.Blobs[0].ClaimHash)}}
	}
	stray := pulltest.Image("stray")
	for name, c := range map[string]struct {
		list []any
		more []tarFile
		want string
	}{
		"both agree":      {[]any{entry(img, img), entry(other, other)}, nil, ""},
		"one of them":     {[]any{entry(other, other)}, nil, ""},
		"other layers":    {[]any{entry(img, other)}, nil, "tools disagree"},
		"another image":   {[]any{entry(stray, img)}, []tarFile{{name: path(imagetest.HashOf(stray.ConfigJSON)), body: string(stray.ConfigJSON)}}, "tools disagree"},
		"config is a lie": {[]any{entry(stray, img)}, []tarFile{{name: path(imagetest.HashOf(stray.ConfigJSON)), body: string(img.ConfigJSON)}}, "not what its digest says"},
		"missing config":  {[]any{entry(stray, img)}, nil, "is not in the archive"},
	} {
		raw, err := json.Marshal(c.list)
		if err != nil {
			t.Fatal(err)
		}
		all := append(append([]tarFile{{name: "manifest.json", body: string(raw)}}, files...), c.more...)
		_, err = pulltest.Pull(t.Context(), newResolver(t, image.Limits{}), "tar:"+writeTar(t, false, all...)+":1")
		pulltest.CheckError(t, name, err, c.want)
	}
}

// Docker 25 writes an index without manifests for an image that is saved by its ID.
func TestArchiveOfAnImageWithoutName(t *testing.T) {
	img, other := pulltest.Image(), pulltest.Image("other")
	var blobs []tarFile
	saved := func(parts *imagetest.Parts) map[string]any {
		config, layer := imagetest.HashOf(parts.ConfigJSON), parts.Blobs[0]
		blobs = append(blobs, tarFile{name: "blobs/sha256/" + config.Hex, body: string(parts.ConfigJSON)}, tarFile{name: "blobs/sha256/" + layer.ClaimHash.Hex, body: string(layer.Content)},
			tarFile{name: "blobs/sha256/" + imagetest.HashOf(parts.ManifestJSON).Hex, body: string(parts.ManifestJSON)})
		return map[string]any{"Config": "blobs/sha256/" + config.Hex, "RepoTags": nil, "Layers": []string{"blobs/sha256/" + layer.ClaimHash.Hex}}
	}
	first, second := saved(img), saved(other)
	slices.SortFunc(blobs, func(a, b tarFile) int { return strings.Compare(a.name, b.name) })
	blobs = slices.CompactFunc(blobs, func(a, b tarFile) bool { return a.name == b.name })
	const index = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":`
	manifest := func(parts *imagetest.Parts) string {
		return fmt.Sprintf(`[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":%d}]`, imagetest.HashOf(parts.ManifestJSON), len(parts.ManifestJSON))
	}
	for name, c := range map[string]struct {
		list        []any
		index, want string
	}{
		"null":                    {[]any{first}, index + `null}`, ""},
		"an empty list":           {[]any{first}, index + `[]}`, ""},
		"no list":                 {[]any{first}, strings.TrimSuffix(index, `,"manifests":`) + `}`, ""},
		"the same image twice":    {[]any{first, first}, index + `null}`, ""},
		"two images":              {[]any{first, second}, index + `null}`, "2 images in it are meant"},
		"no image":                {[]any{}, index + `null}`, "there is no image in it"},
		"the index has another":   {[]any{first}, index + manifest(other) + `}`, "tools disagree"},
		"the index has the same":  {[]any{first}, index + manifest(img) + `}`, ""},
		"an empty object":         {[]any{first}, `{}`, "schemaVersion"},
		"null for an index":       {[]any{first}, `null`, "schemaVersion"},
		"no media type":           {[]any{first}, `{"schemaVersion":2,"manifests":null}`, ""},
		"another media type":      {[]any{first}, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":null}`, "neither"},
		"two lists of manifests":  {[]any{first}, index + manifest(other) + `,"manifests":null}`, "manifests"},
		"a list in capitals":      {[]any{first}, index + `null,"Manifests":` + manifest(other) + `}`, "Manifests"},
		"a manifest and an index": {[]any{first}, index + `null,"layers":[],"config":{}}`, "tools disagree"},
		"no JSON":                 {[]any{first}, `x`, "index.json"},
		"no index":                {[]any{first}, "", "no index.json"},
	} {
		raw, err := json.Marshal(c.list)
		if err != nil {
			t.Fatal(err)
		}
		all := append([]tarFile{{name: "manifest.json", body: string(raw)}, {name: "oci-layout", body: `{"imageLayoutVersion":"1.0.0"}`}}, blobs...)
		if c.index != "" {
			all = append(all, tarFile{name: "index.json", body: c.index})
		}
		_, err = pulltest.Pull(t.Context(), newResolver(t, image.Limits{}), "tar:"+writeTar(t, false, all...))
		pulltest.CheckError(t, name, err, c.want)
	}
}

func TestArchiveLimits(t *testing.T) {
	img := filepath.Join(t.TempDir(), "image.tgz")
	if err := imagetest.WriteDockerTar(img, pulltest.Image(), "a:1"); err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[string]string{"archive-files=1": "number of its files", "archive-size=512": "uncompressed size", "layers=1": ""} {
		limits := image.DefaultLimits()
		name, value, _ := strings.Cut(limit, "=")
		if err := limits.Table().Set(name, value); err != nil {
			t.Fatal(err)
		}
		_, err := newResolver(t, limits).Resolve(t.Context(), "tar:"+img)
		pulltest.CheckError(t, limit, err, want)
	}
}

// The real images, where they are at hand.
func TestRealImages(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "..", "shared", "data", "images")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("there are no real images here")
	}
	list, err := readLayout(directory{dir}, &image.Limits{ManifestSize: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	r := newResolver(t, image.Limits{})
	good := 0
	for i := range list {
		name := list[i].Annotations[annotationName]
		res, err := r.Resolve(t.Context(), "oci:"+dir+"@"+list[i].Digest)
		if err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		good++
		for _, target := range res.Targets {
			if len(target.Layers) != len(target.Image.Config.Layers) {
				t.Errorf("%s: %d layers, and facts of %d", name, len(target.Layers), len(target.Image.Config.Layers))
			}
		}
	}
	t.Logf("%d of %d images", good, len(list))
	if good < len(list)*9/10 {
		t.Errorf("only %d of %d real images can be resolved", good, len(list))
	}
}

// Standard input is an archive like any other, read once.
func TestStandardInput(t *testing.T) {
	img := pulltest.Image("one")
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := imagetest.WriteOCIArchive(file, imagetest.Named{Name: "1.0", What: img}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		stdin, suffix, want string
	}{
		"whole": {string(raw), "", ""}, "by tag": {string(raw), ":1.0", ""}, "no such tag": {string(raw), ":2.0", "no such image"},
		"empty": {"", "", "it is empty"}, "cut off": {string(raw[:len(raw)/2+100]), "", "image archive"},
		"second archive": {string(raw) + string(raw), "", "behind its end"},
		"padded":         {string(raw) + strings.Repeat("\x00", 10240), "", ""},
	} {
		o := testOptions(t, image.Limits{})
		o.Stdin = strings.NewReader(c.stdin)
		r, err := image.NewResolver(image.Options{Sources: Sources(o)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = pulltest.Pull(t.Context(), r, "tar:-"+c.suffix)
		pulltest.CheckError(t, name, err, c.want)
	}
	o := testOptions(t, image.Limits{ArchiveSize: 100})
	o.Stdin = bytes.NewReader(raw)
	_, err = Sources(o)[evidence.SourceTar].Open(t.Context(), evidence.Reference{Name: "tar:-"})
	pulltest.CheckError(t, "too large", err, "over the limit")
}

// A second archive behind the end of the first is refused: some tools read it.
func TestArchiveBehindTheEnd(t *testing.T) {
	one, two := pulltest.Image("one"), pulltest.Image("two")
	for _, zipped := range []bool{false, true} {
		first, second := writeTar(t, zipped, saved(t, one, nil)...), writeTar(t, zipped, saved(t, two, nil)...)
		a, err := os.ReadFile(first)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(second)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(first, append(a, b...), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = pulltest.Pull(t.Context(), newResolver(t, image.Limits{}), "tar:"+first)
		pulltest.CheckError(t, "second archive", err, "behind its end")
	}
}
