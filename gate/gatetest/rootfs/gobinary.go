package rootfs

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"runtime/debug"
)

// Module is a module that a Go program was built from.
type Module struct{ Path, Version string }

// GoBinary returns an ELF file that holds nothing but Go's build information:
// enough for `go version -m` and for Trivy, useless to run. The compiler is
// named as "go1.26.8".
func GoBinary(compiler, main string, modules ...Module) []byte {
	info := &debug.BuildInfo{Path: main, Main: debug.Module{Path: main, Version: "(devel)"}}
	for _, m := range modules {
		info.Deps = append(info.Deps, &debug.Module{Path: m.Path, Version: m.Version, Sum: "h1:0000000000000000000000000000000000000000000="})
	}
	return elfWith(".go.buildinfo", buildInfoBlob(compiler, info))
}

// Sentinels around the module text, from cmd/go/internal/modload/build.go.
const (
	infoStart = "3077af0c9274080241e1c107e6d618e6"
	infoEnd   = "f932433186182072008242104116d8f2"
)

// buildInfoBlob is the section as debug/buildinfo reads it since Go 1.18:
// magic, pointer size, flag 2 for inline strings, then two strings with
// varint lengths.
func buildInfoBlob(compiler string, info *debug.BuildInfo) []byte {
	blob := append([]byte("\xff Go buildinf:"), 8, 2)
	blob = append(blob, make([]byte, 32-len(blob))...)
	blob = appendString(blob, []byte(compiler))
	start, _ := hex.DecodeString(infoStart) // constants
	end, _ := hex.DecodeString(infoEnd)
	return appendString(blob, bytes.Join([][]byte{start, []byte(info.String()), end}, nil))
}

func appendString(to, s []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(s))), s...)
}

// ELF is a program without build information: an executable that nothing accounts for.
func ELF() []byte { return elfWith(".text", bytes.Repeat([]byte{0x90}, 64)) }

// elfWith is a minimal 64-bit ELF executable with one section of data, loaded
// at 0x400000.
func elfWith(name string, data []byte) []byte {
	const headerSize, progSize, sectionSize, base = 64, 56, 64, 0x400000
	names := append(append([]byte{0}, name...), "\x00.shstrtab\x00"...)
	start := uint64(headerSize+progSize+15) &^ 15
	namesAt := start + uint64(len(data))
	sectionsAt := (namesAt + uint64(len(names)) + 15) &^ 15
	var out bytes.Buffer
	out.Grow(int(sectionsAt) + 3*sectionSize)
	put := func(at uint64, v any) {
		out.Write(make([]byte, at-uint64(out.Len())))
		_ = binary.Write(&out, binary.LittleEndian, v) // fixed-size structs into memory
	}
	put(0, elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Entry: base + start, Phoff: headerSize, Shoff: sectionsAt, Ehsize: headerSize,
		Phentsize: progSize, Phnum: 1, Shentsize: sectionSize, Shnum: 3, Shstrndx: 2,
	})
	put(headerSize, elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_W), Off: start, Vaddr: base + start,
		Paddr: base + start, Filesz: uint64(len(data)), Memsz: uint64(len(data)), Align: 16,
	})
	put(start, data)
	put(namesAt, names)
	put(sectionsAt, []elf.Section64{{},
		{
			Name: 1, Type: uint32(elf.SHT_PROGBITS), Flags: uint64(elf.SHF_ALLOC | elf.SHF_WRITE),
			Addr: base + start, Off: start, Size: uint64(len(data)), Addralign: 16,
		},
		{Name: uint32(len(name) + 2), Type: uint32(elf.SHT_STRTAB), Off: namesAt, Size: uint64(len(names)), Addralign: 1},
	})
	return out.Bytes()
}

// Crate is a package that a Rust program was built from.
type Crate struct{ Name, Version string }

// RustBinary returns an ELF file that holds nothing but the list of crates that
// cargo-auditable adds to a program.
func RustBinary(main string, crates ...Crate) []byte {
	type entry struct {
		Name         string `json:"name"`
		Version      string `json:"version"`
		Source       string `json:"source"`
		Dependencies []int  `json:"dependencies,omitempty"`
		Root         bool   `json:"root,omitempty"`
	}
	list := []entry{{Name: main, Version: "0.1.0", Source: "local", Root: true}}
	for i, c := range crates {
		list[0].Dependencies = append(list[0].Dependencies, i+1)
		list = append(list, entry{Name: c.Name, Version: c.Version, Source: "crates.io"})
	}
	text, _ := json.Marshal(map[string]any{"packages": list}) // strings and numbers
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, _ = w.Write(text) // into memory
	_ = w.Close()
	return elfWith(".dep-v0", packed.Bytes())
}
