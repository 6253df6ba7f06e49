package rootfs

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/imagegate/imagegate/gate/gatetest"
	"github.com/imagegate/imagegate/gate/gatetest/sqlitetest"
)

// RPM is a package in an RPM database.
type RPM struct {
	Name, Version, Release string
	Epoch                  int32 // 0 is none
	Vendor                 string
	SourceRPM              string
	Arch                   string // "" is x86_64
	// Key makes it a signing key, which rpm stores under the name gpg-pubkey.
	Key bool
	// Files are the package's files and the SHA-256 that it lists of each, as
	// hexadecimal digits.
	Files map[string]string
}

// Types and tags of RPM headers, as in rpm's rpmtag.h.
const (
	rpmInt32       = 4
	rpmString      = 6
	rpmStrings     = 8
	rpmBin         = 7
	rpmI18nString  = 9
	rpmTagRegion   = 63 // HEADERIMMUTABLE
	rpmTagName     = 1000
	rpmTagVersion  = 1001
	rpmTagRelease  = 1002
	rpmTagEpoch    = 1003
	rpmTagSummary  = 1004
	rpmTagSize     = 1009
	rpmTagVendor   = 1011
	rpmTagLicense  = 1014
	rpmTagArch     = 1022
	rpmTagSource   = 1044
	rpmTagDigests  = 1035 // FILEDIGESTS
	rpmTagDirIndex = 1116 // DIRINDEXES
	rpmTagBases    = 1117 // BASENAMES
	rpmTagDirs     = 1118 // DIRNAMES
	rpmTagChecksum = 5011 // FILEDIGESTALGO
	rpmEntrySize   = 16
)

// RPMDatabase returns an rpmdb.sqlite with the packages, as RPM 4.16 and newer
// write it. It panics when the file cannot be written.
func RPMDatabase(packages ...RPM) []byte {
	dir := gatetest.Must(os.MkdirTemp("", "gatetest-rpm-"))
	defer os.RemoveAll(dir)
	statements := []string{
		"CREATE TABLE 'Packages' ( hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL )",
		"CREATE TABLE 'Name' ( key 'TEXT' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL )",
	}
	for i, p := range packages {
		statements = append(statements,
			fmt.Sprintf("INSERT INTO Packages(hnum, blob) VALUES (%d, x'%s')", i+1, hex.EncodeToString(p.header())),
			fmt.Sprintf("INSERT INTO Name VALUES ('%s', %d, 0)", p.Name, i+1))
	}
	file := filepath.Join(dir, "rpmdb.sqlite")
	if err := sqlitetest.Write(file, statements); err != nil {
		panic(err)
	}
	return gatetest.Must(os.ReadFile(file))
}

// rpmEntry is one tag of a header before its data has a place.
type rpmEntry struct {
	tag, kind uint32
	data      []byte
	count     uint32
}

// header is the package as a header blob: counts, index, data, with everything
// inside one immutable region.
func (p RPM) header() []byte {
	entries := p.entries()
	slices.SortFunc(entries, func(a, b rpmEntry) int { return int(a.tag) - int(b.tag) })
	index, data := &bytes.Buffer{}, &bytes.Buffer{}
	for _, e := range entries {
		if e.kind == rpmInt32 {
			data.Write(make([]byte, (4-data.Len()%4)%4))
		}
		putEntry(index, e.tag, e.kind, int32(data.Len()), max(e.count, 1))
		data.Write(e.data)
	}
	count := len(entries) + 1
	region := &bytes.Buffer{}
	putEntry(region, rpmTagRegion, rpmBin, int32(data.Len()), rpmEntrySize)
	putEntry(data, rpmTagRegion, rpmBin, int32(-rpmEntrySize*count), rpmEntrySize)

	out := binary.BigEndian.AppendUint32(nil, uint32(count))
	out = binary.BigEndian.AppendUint32(out, uint32(data.Len()))
	return slices.Concat(out, region.Bytes(), index.Bytes(), data.Bytes())
}

func (p RPM) entries() []rpmEntry {
	source := cmp.Or(p.SourceRPM, fmt.Sprintf("%s-%s-%s.src.rpm", p.Name, p.Version, p.Release))
	entries := []rpmEntry{
		text(rpmTagName, p.Name), text(rpmTagVersion, p.Version), text(rpmTagRelease, p.Release),
		text(rpmTagArch, cmp.Or(p.Arch, "x86_64")), text(rpmTagSource, source), text(rpmTagLicense, "Apache-2.0"),
		{rpmTagSummary, rpmI18nString, []byte(p.Name + "\x00"), 1}, number(rpmTagSize, 4096), number(rpmTagChecksum, 8),
	}
	if p.Key {
		entries = slices.DeleteFunc(entries, func(e rpmEntry) bool { return e.tag == rpmTagArch || e.tag == rpmTagSource })
	}
	entries = append(entries, p.files()...)
	if p.Vendor != "" {
		entries = append(entries, text(rpmTagVendor, p.Vendor))
	}
	if p.Epoch != 0 {
		entries = append(entries, number(rpmTagEpoch, p.Epoch))
	}
	return entries
}

// files lists the files, each with a directory of its own.
func (p RPM) files() []rpmEntry {
	if len(p.Files) == 0 {
		return nil
	}
	var dirs, bases, digests, indexes []byte
	for i, name := range slices.Sorted(maps.Keys(p.Files)) {
		dir, base := path.Split("/" + name)
		dirs, bases = append(append(dirs, dir...), 0), append(append(bases, base...), 0)
		digests = append(append(digests, p.Files[name]...), 0)
		indexes = binary.BigEndian.AppendUint32(indexes, uint32(i))
	}
	n := uint32(len(p.Files))
	return []rpmEntry{
		{rpmTagDirs, rpmStrings, dirs, n}, {rpmTagBases, rpmStrings, bases, n},
		{rpmTagDigests, rpmStrings, digests, n}, {rpmTagDirIndex, rpmInt32, indexes, n},
	}
}

func text(tag uint32, s string) rpmEntry { return rpmEntry{tag, rpmString, []byte(s + "\x00"), 1} }

func number(tag uint32, n int32) rpmEntry {
	return rpmEntry{tag, rpmInt32, binary.BigEndian.AppendUint32(nil, uint32(n)), 1}
}

func putEntry(to *bytes.Buffer, tag, kind uint32, offset int32, count uint32) {
	for _, n := range []uint32{tag, kind, uint32(offset), count} {
		to.Write(binary.BigEndian.AppendUint32(nil, n))
	}
}
