// Package remote reads images from registries, and writes to them.
//
// go-containerregistry's transports present the credentials and exchange them
// for tokens. Beneath them is one [http.RoundTripper] of ours, the guard: it
// limits each kind of answer, binds credentials and redirects to hosts, refuses
// private addresses after a name was resolved, and watches that bytes keep
// moving. Above them are our checks: every document is hashed and compared,
// broken requests are repeated, broken layers are resumed. The images of
// go-containerregistry are not used: they fetch lazily, read documents of
// any size, know neither ranges nor Retry-After, and ignore Docker-Content-Digest.
package remote
