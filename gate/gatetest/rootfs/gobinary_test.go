package rootfs

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"testing"
)

func TestGoBinaryHasBuildInfo(t *testing.T) {
	raw := GoBinary("go1.26.8", "example.org/app", Module{"golang.org/x/text", "v0.3.5"})
	info, err := buildinfo.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if info.GoVersion != "go1.26.8" || len(info.Deps) != 1 || info.Deps[0].Path != "golang.org/x/text" || info.Deps[0].Version != "v0.3.5" {
		t.Errorf("got %s and %+v", info.GoVersion, info.Deps)
	}
}

func TestELFHasNone(t *testing.T) {
	if _, err := elf.NewFile(bytes.NewReader(ELF())); err != nil {
		t.Error(err)
	}
	if _, err := buildinfo.Read(bytes.NewReader(ELF())); err == nil {
		t.Error("build information in a program without any")
	}
}
