// Command loopback serves images and an advisory database on 127.0.0.1 until its
// standard input ends. It prints shell assignments that name them. Run it by its
// file: go run .ci/loopback.go
package main

import (
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
	"github.com/imagegate/imagegate/gate/gatetest/sampletest"
)

// hostile is a package name that is a command for every CI system.
const hostile = "x\n::error title=pwned::pwned\n::set-output name=verdict::pass\n##vso[task.complete result=Succeeded]\n" +
	"\x1b[0Ksection_end:1:pwned\r\x1b[0K</testcase>]]>|<script>\"',"

func main() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "loopback:", err)
		os.Exit(1)
	}
}

func serve(until io.Reader, out io.Writer) error {
	r := registrytest.NewRegistry()
	defer r.Close()
	fmt.Fprintf(out, "HOST=%s\n", r.Host)
	for _, s := range sampletest.Samples() {
		name := map[string]string{"alpine-clean": "CLEAN", "alpine-bad": "BAD", "npm-bad": "NPM"}[s.Name]
		if name == "" {
			continue
		}
		if err := push(r, out, name, s.Image, s.Name+":1.0.0"); err != nil {
			return err
		}
	}
	img := imagetest.Spec{
		Layers: []imagetest.Layer{rootfs.Base(), rootfs.NPM(hostile, "1.0.0"), rootfs.NPM("lodash", "4.17.20")},
		User:   "65532", Labels: map[string]string{hostile: hostile}, Entrypoint: []string{hostile},
	}.Build()
	if err := push(r, out, "HOSTILE", img, "hostile:1.0.0"); err != nil {
		return err
	}
	var children []imagetest.Child
	for _, arch := range []string{"amd64", "arm64"} {
		img := imagetest.Spec{Layers: []imagetest.Layer{rootfs.Base()}, User: "65532", Platform: v1.Platform{OS: "linux", Architecture: arch}}.Image()
		children = append(children, imagetest.For("linux/"+arch, img))
	}
	if err := push(r, out, "INDEX", imagetest.Index(children...), "index:1.0.0"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "loopback-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := dbtest.WriteDatabase(dir, dbtest.DBOptions{}); err != nil {
		return err
	}
	for _, d := range []struct {
		name, repo string
		push       func(r *registrytest.Reg, dir, name string) (registrytest.Ref, error)
	}{{"DB", "trivy-db:2", dbtest.Push}, {"JAVA_DB", "trivy-java-db:1", dbtest.PushJava}} {
		ref, err := d.push(r, dir, d.repo)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s=%s\n", d.name, ref.Tagged)
	}
	fmt.Fprintln(out, "READY=1")
	_, err = io.Copy(io.Discard, until)
	return err
}

func push(r *registrytest.Reg, out io.Writer, name string, what any, tag string) error {
	ref, err := r.Push(what, tag)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s=%s\n%s_PINNED=%s\n", name, ref.Tagged, name, ref.Pinned)
	return nil
}
