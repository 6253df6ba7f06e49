package policy

import "testing"

func TestFloating(t *testing.T) {
	for _, tag := range []string{
		"1.2.3", "v1.2.3", "V1.2.3", "1.2.3.4", "1.2.3-alpine3.19", "1.2.3-alpine", "1.2.3-rc.1", "1.2.3-rc1", "1.2.3rc1", "1.2.3.Final",
		"1.2.3_4", "17.0.9_9-jre", "release-1.2.3", "2024-01-31", "2024-01-31-slim", "release-2024-01-31", "20240131", "20240131T1200",
		"20240131.1", "jammy-20240125", "bookworm-20240110-slim", "2024.01.31", "3f2a9bc", "sha-3f2a9bc", "main-3f2a9bc",
		"3f2a9bc0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f60", "0000000000000000000000000000000000000000", "1.2.3-dev.5", "0.0.0",
	} {
		if why := floating(tag); why != "" {
			t.Errorf("%s floats: %s", tag, why)
		}
	}
	for _, tag := range []string{
		"latest", "Latest", "LATEST", "stable", "main", "master", "edge", "nightly", "dev", "prod", "lts", "1", "v1", "1.2", "v1.2",
		"1-alpine", "1.2-alpine", "1-alpine3.19.1", "1.2-slim", "alpine", "alpine3.19", "24.04", "jammy", "bookworm-slim", "1.2.x", "1.2.3.x",
		"1.2.3-latest", "1.2.3-SNAPSHOT", "1.2.3-nightly", "2024-13-31", "2024-02-30", "20241331", "2024-01", "2024", "deadbeef", "12345678", "1234567",
		"x", "v", "-", "_", "rolling", "10", "8-jre", "20.x", "node20.9.0", "1.2.", "1..2.3", "1.2.3.", "",
	} {
		if floating(tag) == "" {
			t.Errorf("%q is taken for one release", tag)
		}
	}
}
