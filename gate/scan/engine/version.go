//go:build goexperiment.jsonv2 && !go1.27

package engine

import "runtime/debug"

// Version names the scanner and its version as this binary was linked:
// "trivy 0.74.0".
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "trivy unknown"
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/aquasecurity/trivy" {
			return "trivy " + dep.Version[1:]
		}
	}
	return "trivy unknown"
}
