// Package disguise hides things from a scanner: it changes an image with
// findings so that a careless gate would let it pass.
package disguise
