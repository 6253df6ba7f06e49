// Package image knows the references, documents and platforms of images. It
// implements [gate.Resolver] for the sources that it is given; [Source] is what
// a source of images does. The package speaks to no network and opens no file.
//
// The package does not trust the documents of a registry or a file. It hashes
// each document and compares it with its descriptor before it parses it. It
// parses each document once and strictly, so that no two readers can see two
// different images in it. It refuses a document that contradicts itself. It does
// not read layers: the reader must hash them to the end.
package image
