// Package sampletest has images with a known answer: bad ones, each with a clean
// twin of the same shape.
package sampletest
