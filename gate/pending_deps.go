// The modules that the chapters about workloads, signatures and exploited
// vulnerabilities stand on. Each chapter imports its own and removes its lines
// here; the file goes when it is empty.

//go:build pending

package gate

import (
	_ "github.com/gocsaf/csaf/v3/csaf"
	_ "github.com/openvex/go-vex/pkg/vex"
)
