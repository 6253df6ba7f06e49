// Package evidence holds the facts about one image that a policy judges. Its
// types are plain structs that marshal to JSON and back without loss.
//
// Evidence states what was seen, never whether that is good. A nil section
// means "not collected", an empty one means "looked, found nothing"; the two
// must never be confused, because only the second can support a pass.
package evidence

import (
	"cmp"
	"time"
)

// SchemaVersion is the version of the JSON form. It changes when a field
// changes its meaning or goes away, not when one is added.
const SchemaVersion = 1

// Need says what to collect. A policy states its needs and nothing more is
// collected: an image whose policy looks only at the reference is not pulled.
type Need uint

// The sections of evidence that a policy can ask for.
const (
	NeedUser            Need = 1 << iota // USER resolved through /etc/passwd and /etc/group
	NeedPackages                         // OS, packages, vulnerabilities and their coverage
	NeedSecrets                          // secrets in files and in the image config
	NeedLicenses                         // licences of packages
	NeedJava                             // identify jars through the Java database
	NeedFiles                            // modes and attributes of files
	NeedSecretsAnywhere                  // with NeedSecrets: in every file that can be text
)

// Has reports whether every bit of want is set.
func (n Need) Has(want Need) bool { return n&want == want }

// Layers reports whether the need can be met only by reading the layers.
func (n Need) Layers() bool { return n != 0 }

// Image is everything known about one image for one platform.
type Image struct {
	SchemaVersion int       `json:"schemaVersion"`
	Reference     Reference `json:"reference"`

	// Digest is the digest of the image manifest that was judged, sha256:...; ""
	// for an image without a manifest, which has an ImageID.
	Digest string `json:"digest"`
	// ImageID is the digest of the config of an image from docker save, which has
	// no manifest; "" for all others. It pins every byte, because the config
	// lists the diffIDs, but no registry knows it.
	ImageID string `json:"imageID,omitempty"`
	// IndexDigest is the digest of the index the manifest was chosen from; ""
	// when the reference named a manifest directly.
	IndexDigest string `json:"indexDigest,omitempty"`
	// Platform as in the OCI image index, os/architecture[/variant].
	Platform string `json:"platform"`
	// Platforms lists every runnable platform of the index, or just Platform
	// when the reference named a manifest directly. Sorted.
	Platforms []string `json:"platforms"`

	Config *Config `json:"config,omitempty"`
	Scan   *Scan   `json:"scan,omitempty"`
	// Proof is what others have signed about the image, nil when it was not
	// collected.
	Proof *Proof `json:"proof,omitempty"`

	// Promotions is where the image is about to be copied; nil when it is not.
	Promotions []Promotion `json:"promotions,omitempty"`

	// VEX are the VEX documents that the policy named. In files they are written once
	// for all images.
	VEX []VEXDocument `json:"-"`

	// Baseline is an image whose findings do not count as new, nil for none.
	Baseline *Baseline `json:"-"`
	// Earlier is what sealed evidence says of earlier runs. That of other images is
	// of no use, and does no harm.
	Earlier []Earlier `json:"-"`
}

// ID returns what pins every byte of the image: its digest, or the image ID of an
// image without one. It is "" for the zero value.
func (i *Image) ID() string { return cmp.Or(i.Digest, i.ImageID) }

// RootDigest returns the digest that the reference resolved to: that of the index if
// there is one, so that clients of other platforms still find their image. It is "" for
// an image without a digest.
func (i *Image) RootDigest() string { return cmp.Or(i.IndexDigest, i.Digest) }

// Scanned returns the scan if it looked for all of need, and nil otherwise.
func (i *Image) Scanned(need Need) *Scan {
	if i.Scan != nil && i.Scan.Need.Has(need) {
		return i.Scan
	}
	return nil
}

// Reference is the image's name as it was asked for, and its parts.
type Reference struct {
	Asked  string `json:"asked"`  // exactly what the user wrote
	Source Source `json:"source"` // where the image was read from
	// Name is what policies match: registry/repository without tag and digest,
	// normalised ("alpine" is "docker.io/library/alpine"). For sources
	// on this machine it has the source's prefix and is what the user wrote, never
	// a name that the archive claims for itself: its author would choose the policy.
	Name       string `json:"name"`
	Registry   string `json:"registry,omitempty"`
	Repository string `json:"repository,omitempty"`
	Tag        string `json:"tag,omitempty"`    // as written; "" when none was
	Digest     string `json:"digest,omitempty"` // as written; "" when none was
	// Endpoint is where the engine is that the image was read from, "" for none.
	Endpoint string `json:"endpoint,omitempty"`
	// JudgedFrom is the reference that the image was read from instead, by --as, before
	// it was pushed under its name; "" without.
	JudgedFrom string `json:"judgedFrom,omitempty"`
}

// Config is what the image config says, and what the manifest says of size.
// Values of environment variables are left out: they may be secrets.
type Config struct {
	// User is Config.User exactly as written; "" means root by the OCI spec.
	User         string            `json:"user"`
	Entrypoint   []string          `json:"entrypoint,omitempty"`
	Cmd          []string          `json:"cmd,omitempty"`
	ExposedPorts []string          `json:"exposedPorts,omitempty"` // "22/tcp", sorted
	Labels       map[string]string `json:"labels,omitempty"`
	EnvNames     []string          `json:"envNames,omitempty"` // in config order
	Volumes      []string          `json:"volumes,omitempty"`
	// Healthcheck is true when a HEALTHCHECK other than NONE is set.
	Healthcheck bool       `json:"healthcheck"`
	Created     *time.Time `json:"created,omitempty"` // nil when absent or zero
	// Size is the sum of the compressed layer sizes in bytes.
	Size   int64   `json:"size"`
	Layers []Layer `json:"layers"` // bottom first
}

// Layer is one layer and the history line that made it.
type Layer struct {
	Digest    string `json:"digest"` // of the compressed blob
	DiffID    string `json:"diffID"` // of the uncompressed tar
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"` // compressed bytes
	CreatedBy string `json:"createdBy,omitempty"`
	// Base is true when the layer is known to come from the base image: its
	// history comes before the image's own build steps. The history is the
	// author's claim, so this is for display and never decides anything.
	Base bool `json:"base,omitempty"`
}

// User is what a runtime would run as.
type User struct {
	Spec string `json:"spec"`
	// UID and GID are nil when they cannot be known; Problem then says why.
	UID *int64 `json:"uid,omitempty"`
	GID *int64 `json:"gid,omitempty"`
	// Numeric is true when the user part of Spec is a number, which is what
	// Kubernetes runAsNonRoot can verify without looking into the image.
	Numeric bool `json:"numeric"`
	// Problem is empty exactly when UID is known.
	Problem string `json:"problem,omitempty"`
	// Via tells how UID was found ("uid 0 is root", "/etc/passwd line 3").
	Via string `json:"via,omitempty"`
}

// Skipped is a manifest of an index that was not judged, and why.
type Skipped struct {
	Digest   string `json:"digest"`
	Platform string `json:"platform"`
	Reason   string `json:"reason"`
}
