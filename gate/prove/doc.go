// Package prove signs decisions about images and verifies what is attached to them.
//
// A decision is an in-toto statement with the predicate of a SLSA verification
// summary, in a DSSE envelope, in a Sigstore bundle. Cosign, slsa-verifier and
// sigstore-go read it. [Find] collects what is attached to a digest, and a
// [Verifier] says of each attachment who signed it and what it states, or why it is
// not believed.
//
// This is the only package that links the libraries of Sigstore. It knows neither
// policies nor verdicts, and reaches registries through an interface.
package prove
