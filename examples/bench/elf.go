package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"runtime/debug"
)

// Sentinels around the module text, from cmd/go/internal/modload/build.go.
const (
	infoStart = "3077af0c9274080241e1c107e6d618e6"
	infoEnd   = "f932433186182072008242104116d8f2"
)

// buildInfoMagic begins the build information.
const buildInfoMagic = "\xff Go buildinf:"

// goProgram is an ELF file with Go's build information in front and code behind
// it, so that it has the size and the entropy of a real program.
func goProgram(compiler, main string, modules []library, code []byte) []byte {
	info := &debug.BuildInfo{Path: main, Main: debug.Module{Path: main, Version: "(devel)"}}
	for _, m := range modules {
		info.Deps = append(info.Deps, &debug.Module{Path: m.name, Version: m.version, Sum: "h1:0000000000000000000000000000000000000000000="})
	}
	start, _ := hex.DecodeString(infoStart) // constants
	end, _ := hex.DecodeString(infoEnd)
	// Magic, pointer size, flag 2 for strings inside the section.
	blob := append([]byte(buildInfoMagic), 8, 2)
	blob = append(blob, make([]byte, 32-len(blob))...)
	blob = appendString(blob, []byte(compiler))
	blob = appendString(blob, bytes.Join([][]byte{start, []byte(info.String()), end}, nil))
	return append(elfFile(elf.ET_EXEC, ".go.buildinfo", blob), code...)
}

func appendString(to, s []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(s))), s...)
}

// sharedObject is an ELF library or a program in another language than Go.
func sharedObject(code []byte) []byte { return elfFile(elf.ET_DYN, ".text", code) }

// elfFile is a minimal 64-bit file with one loaded section.
func elfFile(kind elf.Type, name string, data []byte) []byte {
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
		Type:  uint16(kind), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
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
