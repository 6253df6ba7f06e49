package report

import (
	"errors"
	"fmt"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
)

// sbomFormats are the formats whose documents the scanner makes. A document
// describes one image.
var sbomFormats = []string{"cyclonedx", "spdx"}

// SBOMFormats returns the names of the SBOM formats among outputs. The scanner
// must know them before it reads an image.
func SBOMFormats(outputs []Output) []string {
	var names []string
	for _, name := range sbomFormats {
		for _, o := range outputs {
			if o.Format.Name == name {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

func cycloneDXFormat() Format {
	return Format{
		Name: "cyclonedx", Title: "bill of materials of one image (CycloneDX, by Trivy)",
		Where: "a file, an attestation, Dependency-Track", Extension: ".cdx.json",
		write: whole(renderSBOM("cyclonedx")),
	}
}

func spdxFormat() Format {
	return Format{
		Name: "spdx", Title: "bill of materials of one image (SPDX 2.3, by Trivy)",
		Where: "a file, an attestation", Extension: ".spdx.json",
		write: whole(renderSBOM("spdx")),
	}
}

// renderSBOM returns a renderer for the SBOM format with that name.
func renderSBOM(name string) func(*gate.Run, Options) ([]byte, error) {
	return func(run *gate.Run, _ Options) ([]byte, error) {
		var found []byte
		seen := map[string]bool{}
		for i := range run.Results {
			e := run.Results[i].Evidence
			if e == nil || seen[e.ID()] {
				continue
			}
			seen[e.ID()] = true
			doc := run.Documents[e.ID()][name]
			switch {
			case doc == nil:
			case found != nil:
				return nil, fmt.Errorf("a %s document describes one image, and this run judged several: choose one with --platform or a run of its own", name)
			default:
				found = doc
			}
		}
		if found == nil {
			return nil, errors.New("there is no " + name + " document: no image was read to its end")
		}
		return safe.JSON(found), nil
	}
}
