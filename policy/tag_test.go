package policy

import (
	"strings"
	"testing"
)

// The two lists are the grammar of "pin: version" in tag.go, as examples.
func TestFloating(t *testing.T) {
	for _, tag := range []string{
		// versions
		"1.2.3", "v1.2.3", "V1.2.3", "1.2.3.4", "1.2.3-alpine3.19", "1.2.3-alpine", "1.2.3-rc.1", "1.2.3-rc1", "1.2.3rc1", "1.2.3.Final",
		"1.2.3_4", "17.0.9_9-jre", "release-1.2.3", "alpine3.19-1.2.3", "0.0.0", "1.2.3-beta.1", "2024.01.31", "9.3.20231119",
		// variants beside a version
		"12.4.1-cudnn-devel-ubuntu22.04", "2.462.3-lts", "1.2.3-slim-bookworm", "1.2.3-mainline", "1.2.3-deviant", "1.2.3-prod",
		// dates
		"2024-01-31", "2024-01-31-slim", "release-2024-01-31", "20240131", "20240131T1200", "20240131.1", "jammy-20240125",
		"bookworm-20240110-slim", "9.3-20231124", "1.2-2024-01-31",
		// commits
		"3f2a9bc", "sha-3f2a9bc", "3f2a9bc0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f60", "0000000000000000000000000000000000000000",
		"sha-0123456", "0123456", "1234567", "12345678", "20241331", "sha-deadbee", "git-deadbee", "SHA-abcdefa", "commit_abcdefa", "rev-abcdefa",
		"1.2-4-gabcdefa", "v1.2-4-g3f2a9bc", "1.2-3f2a9bc", strings.Repeat("a", 40), strings.Repeat("a", 64), "pr-12-3f2a9bc",
	} {
		if why := floating(tag, nil); why != "" {
			t.Errorf("%s floats: %s", tag, why)
		}
	}
	for _, tag := range []string{
		// no version at all, or not a full one
		"1", "v1", "1.2", "v1.2", "1-alpine", "1.2-alpine", "1-alpine3.19.1", "1-alpine-3.19.1", "1.2-slim", "alpine", "alpine3.19", "24.04", "jammy",
		"bookworm-slim", "1.2.x", "1.2.3.x", "1.2.3.X", "2024", "2024-01", "202401", "2024-13-31", "2024-02-30", "x", "v", "-", "_", "", "10",
		"8-jre", "20.x", "node20.9.0", "1.2.", "1..2.3", "1.2.3.", "prod", "lts", "devel", "build-4711", "1.2.3+x",
		// words that move, alone, at either end, in the middle, after any separator, in any case
		"latest", "Latest", "LATEST", "stable", "main", "master", "edge", "nightly", "dev", "rolling", "canary", "snapshot",
		"1.2.3-latest", "1.2.3.latest", "1.2.3_latest", "1.2.3latest", "1.2.3-LATEST", "1.2.3-SNAPSHOT", "1.2.3.SNAPSHOT", "1.2.3-SNAPSHOT-jre",
		"1.2.3-nightly", "latest-1.2.3", "stable-2024-01-01", "stable-20240101", "nightly-2024-01-31", "20240131-nightly", "nightly20240131",
		"edge-1.2.3-alpine", "1.2.3-dev.5", "1.2.3-dev5", "main-3f2a9bc", "1.2.3-main-alpine", "sha-3f2a9bc-latest", "trunk.3f2a9bc",
		// what is no commit
		"deadbeef", strings.Repeat("a", 12), strings.Repeat("a", 39), "sha-deadbe", "sha-deadbeeg", "alpine-deadbee", "zz3f2a9bc", "z" + strings.Repeat("a", 64),
		"3f2a9bcz", strings.Repeat("a", 65), strings.Repeat("1", 41), "123456", "gabcdefa", "x-gabcdefa", "3F2A9BC",
		// what is no date
		"20240131x", "x2024-01-31", "x20240131", "2024-01-31x",
	} {
		if floating(tag, nil) == "" {
			t.Errorf("%q is taken for one release", tag)
		}
	}
}

// A team's own scheme names releases, but never more than it writes out.
func TestReleaseTags(t *testing.T) {
	schemes := []string{"build-*", "main-[0-9]*", "nightly-????-??-??", "r[0-9]"}
	for _, tag := range []string{"build-4711", "BUILD-4711", "build-x", "main-4711", "nightly-2024-01-31", "r7", "1.2.3"} {
		if why := floating(tag, schemes); why != "" {
			t.Errorf("%s floats: %s", tag, why)
		}
	}
	for _, tag := range []string{
		"build-latest", "build-1-main", "main-4711-latest", "main-latest", "main", "nightly", "nightly-20240131", "r77", "1", "latest", "build",
	} {
		if floating(tag, schemes) == "" {
			t.Errorf("%q is taken for one release", tag)
		}
	}
}

// The reason names what is wrong and claims nothing that is not so.
func TestFloatingSaysWhy(t *testing.T) {
	for tag, want := range map[string]string{
		"1.2.3-x-Latest": "latest", "stable-2024-01-01": "stable", "1.2-alpine": "1.2 is no full version",
		"build-x": "no version, date or commit", "build-4711": "4711 is no full version", "sha-012345": "012345 is no full version",
	} {
		if got := floating(tag, nil); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", tag, got, want)
		}
	}
}
