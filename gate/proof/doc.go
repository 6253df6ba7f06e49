// Package proof collects what others have signed about an image, and finds the image
// that it was built on.
//
// It reads attachments with gate/prove, which knows signatures and no policy, and
// turns them into evidence, which a policy judges. Nothing that an image says of
// itself is believed: labels, annotations and unsigned provenance name candidates
// for the base image, and its layers decide.
package proof
