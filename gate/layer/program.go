package layer

import (
	"bytes"
	"strings"
)

// ExecutableKind is what a program file is, by its first bytes.
type ExecutableKind string

// The kinds of executables.
const (
	KindELF     ExecutableKind = "elf"
	KindPE      ExecutableKind = "pe"
	KindScript  ExecutableKind = "script"  // #! and an x bit
	KindLibrary ExecutableKind = "library" // ELF or PE that is not run by itself
)

// programType is an ExecutableKind in one byte.
type programType uint8

const (
	programNone programType = iota
	programELF
	programPE
	programScript
	programLibrary
	programArchive       // an archive that the scanner opens because of its content
	programScriptArchive // one behind a script
)

func (p programType) kind() ExecutableKind {
	return [...]ExecutableKind{"", KindELF, KindPE, KindScript, KindLibrary, "", KindScript}[p]
}

// compiled reports whether Trivy looks into such a file for build information.
func (p programType) compiled() bool {
	return p == programELF || p == programPE || p == programLibrary
}

// recognised reports whether the scanner reads such a file under every name.
func (p programType) recognised() bool {
	return p.compiled() || p == programArchive || p == programScriptArchive
}

// programOf uses the first bytes and not the mode: a shell can chmod a program
// before it runs it, and ld.so runs files without the x bit.
func programOf(e *Entry, head []byte) programType {
	base := baseOf(e.Name)
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		switch elfType(head) {
		case 1: // object files and kernel modules
			return programLibrary
		case 3: // position-independent programs have this type, too
			if isSharedObject(base) {
				return programLibrary
			}
		}
		return programELF
	case bytes.HasPrefix(head, []byte("MZ")):
		if strings.HasSuffix(strings.ToLower(base), ".exe") {
			return programPE
		}
		return programLibrary
	case bytes.HasPrefix(head, []byte("#!")) && e.Mode&0o111 != 0:
		return programScript
	}
	return programNone
}

func isSharedObject(base string) bool {
	return strings.HasSuffix(base, ".so") || strings.Contains(base, ".so.")
}

// elfType reads e_type; 0 when there is none.
func elfType(head []byte) int {
	if len(head) < 18 {
		return 0
	}
	if head[5] == 2 { // big endian
		return int(head[16])<<8 | int(head[17])
	}
	return int(head[17])<<8 | int(head[16])
}
