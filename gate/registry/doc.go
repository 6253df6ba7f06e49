// Package registry finds out what an image reference stands for, and hands out
// the image's bytes. It implements [gate.Resolver] for registries, OCI image
// layouts and image archives.
//
// Nothing that comes over the wire or out of a file is believed. Every document
// is hashed by us and compared with the descriptor that named it, before it is
// parsed; it is parsed once, strictly, so that no two readers can see two
// different images in it; and what contradicts itself is refused. Layers are
// handed out unread: whoever reads them must hash them to the end.
//
// go-containerregistry supplies the credentials' types, the exchange of
// credentials for tokens, and the cloud providers' keychains. Its images are
// not used: they fetch lazily, read configs of any size, and follow the URLs of
// foreign layers.
package registry
