// Package imagetest builds images and indexes in memory, correct or with false
// bytes at any place, and writes them as layouts and archives. It also reads
// images into parts and changes single files of their layers.
package imagetest
