// Package rootfs makes the files that images are made of: root file systems of
// distributions with their package databases, installed libraries and programs.
package rootfs
