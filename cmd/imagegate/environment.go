package main

import (
	"slices"
	"strings"
)

// environment is the list of environment variables that the program was given,
// as [os.Environ] returns it.
type environment []string

// get returns the value of a variable, "" when it is not set.
func (e environment) get(name string) string {
	value, _ := e.lookup(name)
	return value
}

// lookup returns the value of a variable and whether it is set. The last of
// several settings counts, as in package os.
func (e environment) lookup(name string) (string, bool) {
	for i := len(e) - 1; i >= 0; i-- {
		if key, value, ok := strings.Cut(e[i], "="); ok && key == name {
			return value, true
		}
	}
	return "", false
}

// forcesColor reports whether colours are wanted where no terminal shows them.
func (e environment) forcesColor() bool {
	return slices.ContainsFunc([]string{"FORCE_COLOR", "CLICOLOR_FORCE"}, func(name string) bool {
		value := e.get(name)
		return value != "" && value != "0" && value != "false"
	})
}
