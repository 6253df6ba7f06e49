package image

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imagegate/imagegate/policy/evidence"
)

var (
	hex256 = strings.Repeat("0123456789abcdef", 4)
	sha    = "sha256:" + hex256
)

func goodReferences() map[string]evidence.Reference {
	hub := func(repo, tag, digest string) evidence.Reference {
		return evidence.Reference{Source: evidence.SourceRegistry, Name: "docker.io/" + repo, Registry: "docker.io", Repository: repo, Tag: tag, Digest: digest}
	}
	at := func(host, repo, tag, digest string) evidence.Reference {
		return evidence.Reference{Source: evidence.SourceRegistry, Name: host + "/" + repo, Registry: host, Repository: repo, Tag: tag, Digest: digest}
	}
	return map[string]evidence.Reference{
		"alpine":                               hub("library/alpine", "", ""),
		"alpine:3.22":                          hub("library/alpine", "3.22", ""),
		"library/alpine":                       hub("library/alpine", "", ""),
		"docker.io/alpine":                     hub("library/alpine", "", ""),
		"docker.io/library/docker:27":          hub("library/docker", "27", ""),
		"index.docker.io/library/alpine:1":     hub("library/alpine", "1", ""),
		"bitnami/redis@" + sha:                 hub("bitnami/redis", "", sha),
		"registry.example.no/app:1":            at("registry.example.no", "app", "1", ""),
		"Registry.Example.NO/app":              at("registry.example.no", "app", "", ""),
		"reg:5000/app":                         at("reg:5000", "app", "", ""),
		"reg:5000/a/b/c:latest":                at("reg:5000", "a/b/c", "latest", ""),
		"localhost/app":                        at("localhost", "app", "", ""),
		"localhost:5000/app:1.2@" + sha:        at("localhost:5000", "app", "1.2", sha),
		"127.0.0.1:5000/app":                   at("127.0.0.1:5000", "app", "", ""),
		"[::1]:5000/app:1":                     at("[::1]:5000", "app", "1", ""),
		"r.io/a__b/c--d.e_f:Latest":            at("r.io", "a__b/c--d.e_f", "Latest", ""),
		"r.io/app@sha512:" + hex256 + hex256:   at("r.io", "app", "", "sha512:"+hex256+hex256),
		"r.io/app:_x":                          at("r.io", "app", "_x", ""),
		"reg.example.no:5000":                  hub("library/reg.example.no", "5000", ""),
		"oci:dir":                              {Source: evidence.SourceOCI, Name: "oci:dir"},
		"oci:../some dir/x:1.0":                {Source: evidence.SourceOCI, Name: "oci:../some dir/x", Tag: "1.0"},
		"docker:alpine":                        {Source: evidence.SourceDocker, Name: "docker:alpine"},
		"docker:docker.io/library/alpine:3.20": {Source: evidence.SourceDocker, Name: "docker:alpine", Tag: "3.20"},
		"docker:docker.io/team/app":            {Source: evidence.SourceDocker, Name: "docker:team/app"},
		"docker:localhost:5000/app:1":          {Source: evidence.SourceDocker, Name: "docker:localhost:5000/app", Tag: "1"},
		"docker:0123456789ab":                  {Source: evidence.SourceDocker, Name: "docker:0123456789ab"},
		"podman:" + sha:                        {Source: evidence.SourcePodman, Name: "podman:" + sha},
		"tar:-":                                {Source: evidence.SourceTar, Name: "tar:-"},
		"tar:-:1.0":                            {Source: evidence.SourceTar, Name: "tar:-", Tag: "1.0"},
		"oci:/a:b/c@" + sha:                    {Source: evidence.SourceOCI, Name: "oci:/a:b/c", Digest: sha},
		"oci:/a/c:t@" + sha:                    {Source: evidence.SourceOCI, Name: "oci:/a/c", Tag: "t", Digest: sha},
		"tar:img.tar":                          {Source: evidence.SourceTar, Name: "tar:img.tar"},
		"tar:img.tar.gz:v1":                    {Source: evidence.SourceTar, Name: "tar:img.tar.gz", Tag: "v1"},
		`tar:C:\images\a.tar`:                  {Source: evidence.SourceTar, Name: `tar:C:\images\a.tar`},
	}
}

func TestParseReference(t *testing.T) {
	for in, want := range goodReferences() {
		want.Asked = in
		got, err := ParseReference(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", in, diff)
		}
	}
}

// Each refusal says what is wrong, and where it can, what to write instead.
func badReferences() map[string]string {
	return map[string]string{
		"":                                      "empty",
		" alpine":                               "white space",
		"alpine\n":                              "white space",
		"al pine":                               "is not part of a repository name",
		"al\tpine":                              "invisible character U+0009",
		"al\u200bpine":                          "invisible character U+200B",
		"al\u202epine":                          "invisible character U+202E",
		"alp\x00ine":                            "invisible character U+0000",
		"alp\xffine":                            "not valid UTF-8",
		"http://r.io/app":                       "--plain-http",
		"https://r.io/app":                      `write "r.io/app"`,
		"docker://alpine":                       `write "alpine"`,
		"docker:":                               "repository is missing",
		"docker:Shop/app":                       "upper case",
		"docker:app@" + sha:                     "an engine has image IDs",
		"docker:sha256:abc":                     "is not an image ID",
		"podman:app:":                           "the tag is empty",
		"containerd:app:1":                      "is not a source of images",
		"docker-archive:x.tar":                  "tar:FILE",
		"dir:x":                                 "is not a source",
		"Alpine":                                `write "alpine"`,
		"r.io/Team/App":                         `write "team/app"`,
		"Shop/app":                              `write "shop/app"`,
		"r.io/":                                 "repository is missing",
		"/app":                                  "empty component",
		"r.io//app":                             "empty component",
		"r.io/app/":                             "empty component",
		"app:":                                  "tag is empty",
		"app:-x":                                "is not a tag",
		"app:.x":                                "is not a tag",
		"app:a b":                               "is not a tag",
		"app:" + strings.Repeat("a", 129):       "is not a tag",
		"app:1:2":                               "is not part of a repository name",
		"app@":                                  "is not a digest",
		"app@sha256":                            "is not a digest",
		"app@sha256:abc":                        "has 3 hex digits, and sha256 has 64",
		"app@sha256:" + hex256[:63]:             "copy the whole digest",
		"app@sha256:" + hex256 + "0":            "has 65 hex digits",
		"app@sha256:" + strings.ToUpper(hex256): "write sha256:" + hex256,
		"app@SHA256:" + hex256:                  "is not a digest",
		"app@sha1:" + hex256[:40]:               "is not a digest",
		"app@md5:" + hex256[:32]:                "is not a digest",
		"app@sha256:" + hex256[:63] + "g":       "other characters than hex digits",
		"app@" + sha + "@" + sha:                "has other characters",
		"@" + sha:                               "repository is missing",
		":1":                                    "repository is missing",
		"reg:0/app":                             "port",
		"reg:65536/app":                         "port",
		"reg:05000/app":                         "port",
		"reg:/app":                              "port",
		"reg:x/app":                             "port",
		"-reg.io/app":                           "is not a host name",
		"reg..io/app":                           "is not a host name",
		"reg.io./app":                           "is not a host name",
		"user@reg.io/app":                       "is not a digest",
		"reg_1.io/app":                          "is not a host name",
		"[::1/app":                              "is not a host name",
		"[::zz]:5000/app":                       "is not a host name",
		"[1:2:3]:5000/app":                      "is not an IPv6 address",
		"r.io/../app":                           "is not part of a repository name",
		"r.io/app?x":                            "is not part of a repository name",
		"r.io/a___b":                            "is not part of a repository name",
		"r.io/.app":                             "is not part of a repository name",
		hex256:                                  "image ID",
		"r.io/" + strings.Repeat("a/", 130) + "b": "longer than 255",
		strings.Repeat("a", 5000):                 "longer than 4096",
		"oci:":                                    "path is missing",
		"oci:dir:":                                "tag is empty",
		"oci:dir@sha256:1":                        "hex digits",
		"tar:":                                    "path is missing",
		"tar:@" + sha:                             "path is missing",
	}
}

func TestParseReferenceRefuses(t *testing.T) {
	for in, want := range badReferences() {
		got, err := ParseReference(in)
		if err == nil {
			t.Errorf("%q: got %+v, want an error", in, got)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", in, err, want)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for in := range goodReferences() {
		f.Add(in)
	}
	for in := range badReferences() {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		ref, err := ParseReference(in)
		if err != nil {
			if ref != (evidence.Reference{}) {
				t.Fatalf("%q: an error and a reference: %+v", in, ref)
			}
			for _, r := range err.Error() {
				if r < ' ' || r > '~' {
					t.Fatalf("%q: the message holds %U", in, r)
				}
			}
			return
		}
		if ref.Asked != in || ref.Name == "" {
			t.Fatalf("%q: %+v", in, ref)
		}
		if ref.Source != evidence.SourceRegistry {
			return
		}
		// The parts, written out, mean the same again.
		again := ref.Name
		if ref.Tag != "" {
			again += ":" + ref.Tag
		}
		if ref.Digest != "" {
			again += "@" + ref.Digest
		}
		second, err := ParseReference(again)
		second.Asked = in
		if err != nil || second != ref {
			t.Fatalf("%q became %q and then %+v, %v", in, again, second, err)
		}
	})
}
