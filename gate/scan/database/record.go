package database

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/imagegate/imagegate/gate/strictjson"
)

// recordVersion is the version of imagegate.json.
const recordVersion = 1

// record is imagegate.json.
type record struct {
	Version int `json:"version"`
	// Databases has one entry. While an installation is under way it has two,
	// the new one first, and the file may be either.
	Databases []entry `json:"databases"`
	// Newest is the build time of the newest database ever used here.
	Newest time.Time `json:"newest"`
	// Checked is when a repository last said that there is nothing newer.
	Checked time.Time `json:"checked"`
}

// entry describes one database file.
type entry struct {
	Source         string   `json:"source"`
	Digest         string   `json:"digest,omitempty"` // "": not downloaded by us
	SHA256         string   `json:"sha256"`
	Size           int64    `json:"size"`
	MetadataSHA256 string   `json:"metadataSHA256"`
	Metadata       metadata `json:"metadata"`
	// Stamp is what the file looked like right after it was hashed. While it
	// does, the file need not be hashed again.
	Stamp stamp `json:"stamp"`
}

// stamp shows whether a file may have been changed. It includes the change time,
// which only the kernel sets: a tool that writes in place can restore the
// modification time, but not the change time.
type stamp struct {
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime"`
	Ctime int64  `json:"ctime"`
	Inode uint64 `json:"inode"`
}

// sameContent ignores the change time, which also moves with a file's names.
func (s stamp) sameContent(o stamp) bool {
	return s.Size == o.Size && s.Mtime == o.Mtime && s.Inode == o.Inode
}

// parseRecord reads imagegate.json.
func parseRecord(raw []byte) (*record, error) {
	r := new(record)
	if err := strictjson.Unmarshal(raw, r); err != nil {
		return nil, err
	}
	if r.Version != recordVersion {
		return nil, fmt.Errorf("version %d is unknown", r.Version)
	}
	if len(r.Databases) > 2 {
		return nil, errors.New("too many databases")
	}
	for _, e := range r.Databases {
		if !isDigest(e.SHA256) || e.Digest != "" && !isDigest(e.Digest) {
			return nil, errors.New("a hash is malformed")
		}
		if e.Size <= 0 {
			return nil, errors.New("a size is not positive")
		}
	}
	return r, nil
}

func (p place) readRecord() (*record, error) {
	raw, err := readDocument(p.record())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	// Some file systems leave an empty file when the power fails before the data is
	// on the disk. An empty record is treated as a missing one.
	if len(raw) == 0 {
		return &record{Version: recordVersion}, nil
	}
	r, err := parseRecord(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %s is damaged: %w", p.name, p.record(), err)
	}
	return r, nil
}

func (p place) writeRecord(r *record, durable bool) error {
	raw, err := strictjson.MarshalIndent(r)
	if err != nil {
		return err
	}
	return writeDocument(p.dir, recordFile, raw, durable)
}

func (r *record) byStamp(s stamp) *entry {
	i := slices.IndexFunc(r.Databases, func(e entry) bool { return e.Stamp == s && e.Size == s.Size })
	if i < 0 {
		return nil
	}
	return &r.Databases[i]
}

func (r *record) byHash(sum string) *entry {
	i := slices.IndexFunc(r.Databases, func(e entry) bool { return e.SHA256 == sum })
	if i < 0 {
		return nil
	}
	return &r.Databases[i]
}

// knowsMetadata reports whether metadata.json is one that we have seen.
func (r *record) knowsMetadata(sum string) bool {
	return slices.ContainsFunc(r.Databases, func(e entry) bool { return e.MetadataSHA256 == sum })
}
