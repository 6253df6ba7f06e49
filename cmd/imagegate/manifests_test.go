package main

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
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

func addVolume(c *v1.ConfigFile) { c.Config.Volumes = map[string]struct{}{"/data": {}} }
