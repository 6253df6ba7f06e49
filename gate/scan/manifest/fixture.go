package manifest

import (
	"regexp"
	"slices"
	"strings"
)

// NeedsNoPackage reports whether a file has the name of a package's metadata at a
// place where no program looks for a package: in the tests that an installed package
// comes with, or beside the directory that Composer writes. There it is no gap that
// the file is broken. A package that can be read counts there as everywhere.
func NeedsNoPackage(file string) bool {
	if ReaderOf(file) == nil {
		return false
	}
	dir, base := "", file
	if at := strings.LastIndexByte(file, '/'); at >= 0 {
		dir, base = file[:at], file[at+1:]
	}
	if base == installedJSON && dir != "composer" && !strings.HasSuffix(dir, "/composer") {
		return true
	}
	return InTests(file)
}

// InTests reports whether a file is part of the tests of an installed package: in a
// directory with a usual name for tests, somewhere below the directory of a package.
// The directory of the package itself may have any name, and so may those above.
func InTests(file string) bool {
	parts := strings.Split(file, "/")
	parts = parts[:len(parts)-1]
	var names []string // of directories with tests, inside a package
	for i := 0; i < len(parts); i++ {
		if n, tests := packageRoot(parts[i:]); n > 0 {
			names, i = tests, i+n-1
			continue
		}
		if slices.Contains(names, strings.ToLower(parts[i])) {
			return true
		}
	}
	return false
}

var (
	testDirs = []string{"test", "tests", "__tests__", "fixture", "fixtures", "__fixtures__", "test-fixtures", "testdata"}
	// gemTestDirs has those of RSpec and Cucumber as well.
	gemTestDirs = append(slices.Clip(testDirs), "spec", "specs", "features")

	gemDirectory = regexp.MustCompile(`^[A-Za-z0-9._-]+-[0-9][A-Za-z0-9._-]*$`)
)

// packageRoot returns how many of the parts lead into the directory of an installed
// package, 0 when they lead into none, and the names of directories with tests.
func packageRoot(parts []string) (n int, tests []string) {
	switch n, tests = 2, testDirs; parts[0] {
	case "node_modules":
		if len(parts) > 1 && strings.HasPrefix(parts[1], "@") {
			n = 3
		}
	case "site-packages", "dist-packages":
	case "gems":
		if tests = gemTestDirs; len(parts) > 1 && !gemDirectory.MatchString(parts[1]) {
			return 0, nil
		}
	case "vendor": // Composer's, VENDOR/PACKAGE
		n = 3
	default:
		return 0, nil
	}
	if len(parts) < n || slices.ContainsFunc(parts[1:n], isStore) {
		return 0, nil
	}
	return n, tests
}

// isStore reports whether a directory has installed packages in it, and is therefore
// none itself.
func isStore(name string) bool {
	switch name {
	case "node_modules", "site-packages", "dist-packages", "gems", "vendor", "bundle":
		return true
	}
	return false
}

// InTestsOfJava reports whether a file is part of the tests of an installed package or
// of the source tree of an application that Maven or Gradle builds.
func InTestsOfJava(file string) bool {
	return InTests(file) || strings.Contains("/"+file, "/src/test/resources/")
}
