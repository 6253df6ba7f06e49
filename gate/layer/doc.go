// Package layer reads the bytes of an image's layers and states the facts of
// the merged file system on which a verdict depends.
//
// [Read] takes one stored blob: it hashes it, decompresses it, hashes what
// comes out, refuses archives that tools could understand differently, and
// hands over every entry. [Recorder] notes what can be known of the layer by
// itself; the [Contents] that result do not depend on the image, so that layers
// can be read at the same time, shared between images, and kept. [Tree] merges
// them, bottom layer first, and twice: as a runtime would (links followed,
// whiteouts applied, one file system) and as Trivy does (paths as written,
// regular files only). Wherever the two disagree about a file that decides, the
// scanner judged something else than what will run, and [Tree.Finish] reports a
// gap.
//
// Every byte is hostile: no parser here panics, and each is bounded in memory
// and time by [Limits]. The package knows neither Trivy nor a registry.
package layer
