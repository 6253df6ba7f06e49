package main

import (
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
	"github.com/imagegate/imagegate/gate/gatetest/sampletest"
)

// pushUsers pushes images that differ in their USER: users:root says none,
// users:name says a name, users:number a number.
func pushUsers(t *testing.T, reg *registrytest.Reg) {
	t.Helper()
	passwd := imagetest.Text("etc/passwd", "root:x:0:0::/:\nweb:x:10001:10001::/:\n")
	for tag, user := range map[string]string{"root": "", "name": "web", "number": "10001"} {
		s := imagetest.Spec{Layers: []imagetest.Layer{rootfs.Base(), imagetest.Files(passwd)}, User: user, Config: addVolume}
		reg.MustPush(t, s.Image(), "users:1.0.0-"+tag)
	}
}

// pushAccounts pushes images without a USER that differ in their accounts.
func pushAccounts(t *testing.T, reg *registrytest.Reg) {
	t.Helper()
	const accounts = "root:x:0:0::/:\napp:x:10001:10001::/:\ntoor:x:0:0::/:\ntwo:x:10001:1::/:\ntwo:x:0:0::/:\n"
	passwd := imagetest.Files(imagetest.Text("etc/passwd", accounts), imagetest.Text("etc/group", "root:x:0:\nstaff:x:50:app\n"))
	for tag, more := range map[string][]imagetest.Layer{
		"plain": nil,
		"later": {imagetest.Files(imagetest.Text("etc/passwd", "root:x:0:0::/:\napp:x:0:0::/:\n"))},
		"link":  {imagetest.Files(imagetest.Text("srv/passwd", accounts), imagetest.Symlink("etc/passwd", "../srv/passwd"))},
		"none":  {imagetest.Files(imagetest.Text("etc/.wh.passwd", ""))},
	} {
		s := imagetest.Spec{Layers: append([]imagetest.Layer{rootfs.Base(), passwd}, more...)}
		reg.MustPush(t, s.Image(), "accounts:1.0.0-"+tag)
	}
}

// pushArticle pushes two releases of the image of the article's Pod, which say no USER:
// nginx:1.19 has findings, and nginx:1.27.3 has none, and the labels that strict.yaml asks for.
func pushArticle(t *testing.T, reg *registrytest.Reg) {
	t.Helper()
	samples := sampletest.Samples()
	for _, s := range samples {
		if s.Name != "alpine-bad" && s.Name != "alpine-clean" {
			continue
		}
		c, err := s.Image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		c = c.DeepCopy()
		tag := "1.19"
		c.Config.User = ""
		if s.Name == "alpine-clean" {
			tag = "1.27.3"
			c.Created = v1.Time{Time: time.Now()}
			c.Config.Labels = map[string]string{"org.opencontainers.image.source": "https://example.no/nginx", "org.opencontainers.image.revision": "1"}
		}
		img, err := mutate.ConfigFile(s.Image, c)
		if err != nil {
			t.Fatal(err)
		}
		reg.MustPush(t, img, "library/nginx:"+tag)
	}
}

func addVolume(c *v1.ConfigFile) { c.Config.Volumes = map[string]struct{}{"/data": {}} }
