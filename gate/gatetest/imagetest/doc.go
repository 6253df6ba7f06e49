// Package imagetest builds images and indexes in memory, true or lying in any
// byte, and writes them as layouts and archives. It also takes images apart and
// changes single files of their layers.
package imagetest
