//go:build !linux

package database

func linkable(string) bool { return true }
