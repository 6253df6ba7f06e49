// Package layer reads the bytes of an image's layers and states the facts of
// the merged file system on which a verdict depends.
//
// [Read] reads one stored blob. It hashes the blob, decompresses it and hashes the
// archive. It refuses archives that tools could understand differently, and
// passes every entry to its caller. [Recorder] records the facts of one layer as
// a [Contents]. A Contents does not depend on the image, so that layers can be
// read at the same time, shared between images, and cached. [Tree] merges the
// layers, bottom layer first, in two ways: as a runtime does (links followed,
// whiteouts applied, one file system) and as Trivy does (paths as written,
// regular files only). A deciding file is one that affects the verdict, such as a
// package database. If the two results differ in a deciding file, the scanner has
// read a file that will not be used in the container, and [Tree.Finish] reports a
// gap.
//
// The package treats every byte as hostile. Its parsers do not panic, and
// [Limits] bounds their memory and time. The package depends neither on Trivy nor
// on a registry.
package layer
