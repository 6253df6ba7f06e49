// Package image knows the references, documents and platforms of images. It
// implements [gate.Resolver] for the sources that it is given; [Source] is what
// a source of images does. The package speaks to no network and opens no file.
//
// Documents of a registry or a file are not believed. Each is hashed and
// compared with the descriptor that named it, before it is parsed; it is parsed
// once, strictly, so that no two readers can see two different images in it;
// and what contradicts itself is refused. Layers are handed out unread: the
// reader must hash them to the end.
package image
