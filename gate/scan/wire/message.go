package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// Version is the version of the protocol. Parent and worker are the same binary,
// so a difference means that another program answered.
const Version = 5

// Open is the first frame of the parent. It is sent once, before the first image.
type Open struct {
	// Dir is the worker's working directory, which it may write to.
	Dir string `json:"dir"`
	// CacheDir holds db/ and, when a jar was seen, java-db/, laid out as Trivy
	// does. Nothing in it changes while the worker lives.
	CacheDir string `json:"cacheDir"`
	// Memory is how many bytes the worker may use, 0 for no limit.
	Memory int64 `json:"memory"`
	// Parallel is how many files are analysed at once.
	Parallel int `json:"parallel"`
}

// Ready answers Open: the worker has opened the database.
type Ready struct {
	Version int    `json:"version"`
	Engine  string `json:"engine"` // "trivy 0.74.0"
	// Problem says why the database cannot be used, "" when it can.
	Problem string `json:"problem,omitempty"`
	// SelfTest is true when one of the built-in samples was found in the database.
	SelfTest bool `json:"selfTest"`
	// Advisories is how many buckets of advisories the database has.
	Advisories int `json:"advisories"`
}

// AnalysisNeeds are the needs that change what is found in a layer; all others
// are met when layers are put together.
const AnalysisNeeds = evidence.NeedSecrets | evidence.NeedSecretsAnywhere | evidence.NeedLicenses | evidence.NeedJava

// Analyse starts one layer, on its own: what is found in it depends on nothing
// but its bytes and on what is looked for.
type Analyse struct {
	Need evidence.Need `json:"need"`
	// DiffID names the layer in messages.
	DiffID string `json:"diffID"`
}

// LayerEnd says that every byte of the layer arrived and was verified.
type LayerEnd struct {
	// JavaDatabase is true when the parent has put a Java database in place;
	// without one, jars are counted and left alone.
	JavaDatabase bool `json:"javaDatabase"`
	// SecretsLeftOut is how many files were not looked into for secrets, because
	// they are the distribution's, a dependency's, or no text.
	SecretsLeftOut int `json:"secretsLeftOut,omitempty"`
}

// Announced says how many bytes of Data frames follow. What can be larger than
// a frame is sent like this.
type Announced struct {
	Size int64 `json:"size"`
}

// The first byte of an analysis tells the parent whether an analyzer complained
// of the machine: a full disk, no descriptors. The rest is the worker's own.
const (
	AnalysisClean    = 'c'
	AnalysisDoubtful = 'd'
)

// Begin starts one image. It comes as Data: a config can be large.
type Begin struct {
	Name string        `json:"name"`
	Need evidence.Need `json:"need"`
	// Config is the image config, for secrets in environment and history.
	Config []byte `json:"config,omitempty"`
	// Now is the run's clock.
	Now time.Time `json:"now"`
	// Digest is the image's manifest digest, for the documents.
	Digest string `json:"digest,omitempty"`
	// Documents names the bills of materials to make of the image.
	Documents []string `json:"documents,omitempty"`
}

// The bills of materials that Trivy writes.
const (
	DocumentCycloneDX = "cyclonedx"
	DocumentSPDX      = "spdx"
)

// Layer adds one layer to the image, bottom first. Size bytes of Data frames
// follow: the analysis of the layer.
type Layer struct {
	Digest    string `json:"digest"`
	DiffID    string `json:"diffID"`
	CreatedBy string `json:"createdBy,omitempty"`
	Size      int64  `json:"size"`
}

// Finish ends the image and asks for the report. It follows Match, which begins
// the work that needs nothing but the layers, whenever the parent has merged
// them. It comes as Data: an image can have many programs.
type Finish struct {
	// Executables are the programs of the merged image for which an owner is
	// looked for.
	Executables []string `json:"executables,omitempty"`
}

// Failure says why the worker has no report.
type Failure struct {
	Message string `json:"message"`
}

// Report is what the worker found in one image.
type Report struct {
	OS *OS `json:"os,omitempty"`
	// Stream is the name of the advisory feed used for OS packages, "" when the
	// OS has no detector.
	Stream string `json:"stream,omitempty"`
	// StreamKnown is true when the database has advisories for Stream.
	StreamKnown bool `json:"streamKnown"`

	Packages []evidence.Package `json:"packages,omitempty"`
	// Findings are sent with each advisory once: see [EncodeReport].
	Findings []evidence.Finding `json:"-"`
	Secrets  []evidence.Secret  `json:"secrets,omitempty"`
	Licenses []evidence.License `json:"licenses,omitempty"`

	// Databases counts packages by the file they were read from.
	Databases []Count `json:"databases,omitempty"`
	// ThirdParty names OS packages that do not seem to be of the distribution.
	ThirdParty []ThirdParty `json:"thirdParty,omitempty"`
	// Suppliers names vendors whose feeds the image asks for.
	Suppliers []string `json:"suppliers,omitempty"`
	// ContentSets says why the content sets of Red Hat in the image, which choose the
	// advisories, cannot be relied on; "" when they can.
	ContentSets string `json:"contentSets,omitempty"`
	// Unmatched lists package types for which the database has no advisories.
	Unmatched []string `json:"unmatched,omitempty"`
	// Versionless names packages without a version, which nothing can match.
	Versionless []string `json:"versionless,omitempty"`
	// Jars is how many files only the Java analyzer could read.
	Jars int `json:"jars"`
	// Logs are Trivy's warnings and errors that may mean something was missed.
	Logs []Log `json:"logs,omitempty"`
	// SBOMsRepeating are the bills of materials in the image that list only packages
	// that are also known from elsewhere.
	SBOMsRepeating []string `json:"sbomsRepeating,omitempty"`
	// Gaps and Notes are what the worker itself has to say.
	Gaps  []Gap    `json:"gaps,omitempty"`
	Notes []string `json:"notes,omitempty"`

	Unattributed []string `json:"unattributed,omitempty"`
	// BuiltFrom are the programs that say themselves, in the build information of
	// Go or Rust, what they were built from, and whose dependencies were matched.
	BuiltFrom []string `json:"builtFrom,omitempty"`
	// Documents holds the bills of materials that Begin asked for.
	Documents map[string]string `json:"documents,omitempty"`
}

// ThirdParty is an OS package that does not seem to be of the distribution.
type ThirdParty struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Why completes the sentence "it is not of the distribution: ...".
	Why string `json:"why"`
}

// OS is what Trivy made of the image's os-release files.
type OS struct {
	Family string `json:"family"`
	Name   string `json:"name"`
	// EndOfLife is the last moment at which Trivy calls the release supported,
	// nil when Trivy knows none.
	EndOfLife *time.Time `json:"endOfLife,omitempty"`
	// Assumed is true when only the package repositories name the OS.
	Assumed bool `json:"assumed,omitempty"`
}

// Count says how many packages came from one file.
type Count struct {
	Path     string `json:"path"`
	Packages int    `json:"packages"`
	// IDs are the packages, name@version, sorted.
	IDs []string `json:"ids,omitempty"`
}

// Gap is a gap that a layer or the image has.
type Gap struct {
	evidence.Gap
	// File is the file of the gap's layer that it is about. The gap goes with the file
	// when a later layer deletes it. It is "" for a gap about anything else.
	File string `json:"file,omitempty"`
}

// Log is one message of Trivy's log.
type Log struct {
	Level   string `json:"level"`
	Message string `json:"message"`
	Attrs   string `json:"attrs,omitempty"`
	// File is the file that it is about, as far as the message says; Cause is the
	// error.
	File  string `json:"file,omitempty"`
	Cause string `json:"cause,omitempty"`
	Layer string `json:"layer,omitempty"`
	// Of is the file of the layer that it is certainly about, "" when there is none. In
	// File there may be a name that the image has chosen.
	Of string `json:"of,omitempty"`
}

// EntryType is what kind of thing an Entry is.
type EntryType byte

// The kinds that the worker needs. It does not get other entries.
const (
	EntryFile EntryType = iota
	EntryWhiteout
	EntryOpaque
	EntryLink // Target is the name under which the layer has the file
	// EntryReplaced says that the layer has something other than a file that is
	// sent under a name that was sent before, and that is left of the two.
	EntryReplaced
)

// Entry is one whiteout or hard link of a layer, or one file that an analyzer asks for. Size
// bytes of Data frames follow.
type Entry struct {
	Type EntryType
	Mode fs.FileMode
	Size int64
	// Modified is in seconds since 1970.
	Modified int64
	Name     string
	Target   string // of a link
}

// Append appends e's binary form to b.
func (e *Entry) Append(b []byte) []byte {
	b = append(b, byte(e.Type))
	b = binary.AppendUvarint(b, uint64(e.Mode))
	b = binary.AppendVarint(b, e.Size)
	b = binary.AppendVarint(b, e.Modified)
	b = append(b, e.Name...)
	if e.Type == EntryLink {
		b = append(append(b, 0), e.Target...) // no name has a NUL
	}
	return b
}

// ParseEntry is the reverse of Append.
func ParseEntry(b []byte) (Entry, error) {
	if len(b) < 1 || b[0] > byte(EntryReplaced) {
		return Entry{}, errors.New("malformed entry")
	}
	e := Entry{Type: EntryType(b[0])}
	b = b[1:]
	mode, n := binary.Uvarint(b)
	if n <= 0 || mode > 1<<32-1 {
		return Entry{}, errors.New("malformed entry: mode")
	}
	e.Mode, b = fs.FileMode(mode), b[n:]
	if e.Size, n = binary.Varint(b); n <= 0 || e.Size < 0 {
		return Entry{}, errors.New("malformed entry: size")
	}
	b = b[n:]
	if e.Modified, n = binary.Varint(b); n <= 0 {
		return Entry{}, errors.New("malformed entry: time")
	}
	e.Name = string(b[n:])
	if e.Type == EntryLink {
		e.Name, e.Target, _ = strings.Cut(e.Name, "\x00")
		if e.Target == "" {
			return Entry{}, errors.New("malformed entry: no target")
		}
	}
	if e.Name == "" {
		return Entry{}, fmt.Errorf("malformed entry: no name")
	}
	return e, nil
}
