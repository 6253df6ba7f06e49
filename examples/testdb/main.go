// Command testdb writes the small advisory database of the tests into a
// directory that imagegate and Trivy take for their cache. It is for trying
// things out and for benchmarks: it knows a few hundred real advisories, not
// all.
//
//	go run ./examples/testdb DIR
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
)

func main() {
	if len(os.Args) != 2 || strings.HasPrefix(os.Args[1], "-") {
		fmt.Fprintln(os.Stderr, "usage: testdb DIR")
		os.Exit(2)
	}
	if err := dbtest.WriteDatabase(os.Args[1], dbtest.DBOptions{DownloadedAt: time.Now()}); err != nil {
		fmt.Fprintln(os.Stderr, "testdb:", err)
		os.Exit(1)
	}
}
