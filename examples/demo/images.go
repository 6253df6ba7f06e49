package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
	"github.com/imagegate/imagegate/gate/gatetest/trivytest"
)

// Where things are in this repository.
const (
	appDir     = "examples/demo/app"
	policyFile = "examples/demo/policy.yaml"
)

// What is pushed to the registry.
const (
	shopBroken       = "shop/web:latest"
	shopFixed        = "shop/web:1.4.2"
	museumAlpine     = "museum/alpine:3.10.4"
	museumStripped   = "museum/alpine:3.10.4-slim"
	museumDistroless = "museum/distroless-base:9.12.0"
	museumApp        = "museum/ruby-app:1.0.0"
	databaseName     = "trivy-db:2"
)

// push fills the registry.
func push(ctx context.Context, registry *registrytest.Reg, tmp string) error {
	for _, fill := range []func(context.Context, *registrytest.Reg, string) error{pushShop, pushMuseum, pushDatabase} {
		if err := fill(ctx, registry, tmp); err != nil {
			return err
		}
	}
	return nil
}

// pushShop builds the shop twice and puts each program into an empty image.
func pushShop(ctx context.Context, registry *registrytest.Reg, tmp string) error {
	for name, build := range map[string]struct{ mod, user string }{
		shopBroken: {"go.mod", ""},
		shopFixed:  {"go.fixed.mod", "65532:65532"},
	} {
		program, err := buildShop(ctx, build.mod, filepath.Join(tmp, build.mod+".out"))
		if err != nil {
			return err
		}
		img := imagetest.Spec{
			User: build.user, Entrypoint: []string{"/shop"}, Ports: []string{"8080/tcp"},
			Layers: []imagetest.Layer{{
				Files:     []imagetest.File{imagetest.Program("shop", program)},
				CreatedBy: "COPY shop /shop # buildkit",
			}},
		}.Build()
		if _, err := registry.Push(img, name); err != nil {
			return err
		}
	}
	return nil
}

// buildShop compiles the shop for Linux with the versions of one go.mod.
func buildShop(ctx context.Context, mod, output string) ([]byte, error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "build", "-modfile="+mod, "-trimpath", "-ldflags=-s -w", "-o", output, ".")
	cmd.Dir = appDir
	cmd.Stdout, cmd.Stderr = &said, &said
	// The settings that Trivy needs do not apply to the shop.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOEXPERIMENT=", "GOFLAGS=-mod=readonly -buildvcs=false", "GOWORK=off")
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("build the shop with %s (the module proxy must be reachable the first time): %w\n%s", mod, err, said.Bytes())
	}
	return os.ReadFile(output)
}

// pushMuseum pushes the real images that Trivy's module carries, and one of
// them with a layer that deletes the package database.
func pushMuseum(ctx context.Context, registry *registrytest.Reg, _ string) error {
	for name, image := range map[string]string{museumAlpine: "alpine-310", museumDistroless: "distroless", museumApp: "vuln-image"} {
		img, err := trivytest.TrivyTestImage(ctx, image)
		if err != nil {
			return err
		}
		if _, err := registry.Push(img, name); err != nil {
			return err
		}
		if name != museumAlpine {
			continue
		}
		stripped, err := imagetest.TakeApart(img)
		if err != nil {
			return err
		}
		stripped.Config.Config.User = "65532"
		layer := imagetest.Files(imagetest.Whiteout("lib/apk/db/installed"))
		layer.CreatedBy = "RUN rm /lib/apk/db/installed"
		if err := stripped.AddLayer(layer); err != nil {
			return err
		}
		if _, err := registry.Push(stripped, museumStripped); err != nil {
			return err
		}
	}
	return nil
}

// pushDatabase makes a database from the advisories in this repository and
// pushes it as Trivy publishes its own.
func pushDatabase(_ context.Context, registry *registrytest.Reg, tmp string) error {
	source := filepath.Join(tmp, "database")
	if err := dbtest.WriteDatabase(source, dbtest.DBOptions{NoJava: true}); err != nil {
		return err
	}
	_, err := dbtest.Push(registry, source, databaseName)
	return err
}
