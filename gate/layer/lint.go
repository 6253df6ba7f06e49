package layer

import (
	"archive/tar"
	"fmt"
	"strings"
)

const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
	aufsPrefix     = ".wh..wh."

	// maxComponent is NAME_MAX of every file system that images are unpacked to.
	maxComponent = 255

	xattrPrefix = "SCHILY.xattr."
)

// entry turns a tar header into an Entry. It returns nil for entries that no
// tool unpacks.
func (l *lint) entry(h *tar.Header) (*Entry, error) {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil, lintGlobal(h)
	}
	if err := l.lengths(h); err != nil {
		return nil, err
	}
	if isSparse(h) {
		return nil, fmt.Errorf("entry %s is a sparse file, which tools unpack differently; write the layer without the option --sparse of tar", quote(h.Name))
	}
	name, err := cleanName(h.Name)
	if err != nil {
		return nil, err
	}
	e := &l.current
	*e = Entry{
		Name: name, Raw: h.Name, Mode: h.FileInfo().Mode(), Size: h.Size,
		UID: h.Uid, GID: h.Gid, ModTime: h.ModTime, Xattrs: xattrs(h),
	}
	if e.Type = typeOf(h.Typeflag); e.Type == 0 {
		return nil, fmt.Errorf("entry %s has the type %q, which tools unpack differently or not at all; write the layer with files, directories, links and devices only", quote(h.Name), h.Typeflag)
	}
	if name == "" {
		if e.Type != Dir {
			return nil, fmt.Errorf("entry %s would replace the root directory", quote(h.Name))
		}
		return e, nil
	}
	if strings.Contains(name, whiteoutPrefix) {
		if handled, err := whiteout(e); handled {
			if err != nil || e.Type == 0 {
				return nil, err
			}
			return e, nil
		}
	}
	if err := linkTarget(e, h.Linkname); err != nil {
		return nil, err
	}
	return e, nil
}

// lengths checks the raw strings before anything looks at them.
func (l *lint) lengths(h *tar.Header) error {
	if err := l.budget.path(h.Name); err != nil {
		return err
	}
	return l.budget.path(h.Linkname)
}

// lintGlobal: Go's tools ignore global headers, others would apply them to
// every entry that follows.
func lintGlobal(h *tar.Header) error {
	for key := range h.PAXRecords {
		switch {
		case key == "path", key == "linkpath", key == "size", strings.HasPrefix(key, xattrPrefix):
			return fmt.Errorf("the archive has a global header that sets %q for every entry, which tools treat differently", key)
		}
	}
	return nil
}

func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

func typeOf(flag byte) Type {
	switch flag {
	case tar.TypeReg:
		return File
	case tar.TypeDir:
		return Dir
	case tar.TypeSymlink:
		return Symlink
	case tar.TypeLink:
		return Hardlink
	case tar.TypeChar, tar.TypeBlock:
		return Device
	case tar.TypeFifo:
		return Fifo
	}
	return 0
}

// cleanName removes what has no meaning from a name and refuses one that leaves
// the root, however it is written: "../x", "a/../../x", "/../x".
func cleanName(raw string) (string, error) {
	if isClean(raw) {
		return raw, nil
	}
	var parts []string
	for part := range strings.SplitSeq(raw, "/") {
		switch {
		case part == "" || part == ".":
		case part == "..":
			if len(parts) == 0 {
				return "", fmt.Errorf("entry %s escapes the root directory of the image", quote(raw))
			}
			parts = parts[:len(parts)-1]
		case len(part) > maxComponent:
			return "", fmt.Errorf("entry %s has a name of more than %d bytes, which no file system takes", quote(raw), maxComponent)
		case strings.IndexByte(part, 0) >= 0:
			return "", fmt.Errorf("entry %s has a NUL byte in its name", quote(raw))
		default:
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/"), nil
}

// isClean reports whether raw is clean already; it is the fast path of cleanName.
func isClean(name string) bool {
	start := 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			if name[i] == 0 {
				return false
			}
			continue
		}
		part := name[start:i]
		if part == "" || part[0] == '.' && (part == "." || part == "..") || len(part) > maxComponent {
			return false
		}
		start = i + 1
	}
	return true
}

// whiteout recognises the names of whiteouts. It reports false when e is an
// ordinary entry. It clears e.Type when no tool unpacks the entry.
func whiteout(e *Entry) (bool, error) {
	dir, base := "", e.Name
	if i := strings.LastIndexByte(e.Name, '/'); i >= 0 {
		dir, base = e.Name[:i], e.Name[i+1:]
	}
	if hasWhiteoutPart(dir) {
		return true, fmt.Errorf("entry %s is in a directory with the name of a whiteout, which tools treat differently", quote(e.Raw))
	}
	target, ok := strings.CutPrefix(base, whiteoutPrefix)
	if !ok {
		return false, nil
	}
	if base != opaqueName && strings.HasPrefix(base, aufsPrefix) {
		// Old AUFS storage drivers left .wh..wh.plnk and the like; every runtime
		// skips the empty directories.
		if e.Type == Dir {
			e.Type = 0
			return true, nil
		}
		return true, fmt.Errorf("entry %s is metadata of the AUFS file system, which tools treat differently", quote(e.Raw))
	}
	// AUFS made its whiteouts hard links to each other.
	if e.Type != File && e.Type != Hardlink {
		return true, fmt.Errorf("entry %s has the name of a whiteout but is not a file, so tools treat it differently", quote(e.Raw))
	}
	e.Mode, e.Size, e.Linkname = 0, 0, ""
	if base == opaqueName {
		e.Type, e.Name = Opaque, dir
		return true, nil
	}
	if target == "" || target == "." || target == ".." {
		return true, fmt.Errorf("entry %s is a whiteout without a name: it could delete the directory itself or the one above", quote(e.Raw))
	}
	e.Type, e.Name = Whiteout, joinName(dir, target)
	return true, nil
}

func hasWhiteoutPart(dir string) bool {
	return strings.HasPrefix(dir, whiteoutPrefix) || strings.Contains(dir, "/"+whiteoutPrefix)
}

func joinName(dir, base string) string {
	if dir == "" {
		return base
	}
	return dir + "/" + base
}

// linkTarget checks the target of a link. A symbolic link may have any target,
// because it is resolved inside the root. A hard link is created during unpacking,
// so its target must be inside the root.
func linkTarget(e *Entry, target string) error {
	switch e.Type {
	case Symlink:
		if target == "" {
			return fmt.Errorf("entry %s is a symbolic link to nothing", quote(e.Raw))
		}
		e.Linkname = target
	case Hardlink:
		clean, err := cleanName(target)
		if err != nil {
			return fmt.Errorf("entry %s is a hard link: %w", quote(e.Raw), err)
		}
		if clean == "" || clean == e.Name {
			return fmt.Errorf("entry %s is a hard link to itself or to nothing", quote(e.Raw))
		}
		e.Linkname = clean
	}
	return nil
}

func xattrs(h *tar.Header) map[string]string {
	var m map[string]string
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, xattrPrefix); ok {
			if m == nil {
				m = make(map[string]string)
			}
			m[name] = value
		}
	}
	return m
}
