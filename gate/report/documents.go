package report

import (
	"errors"
	"fmt"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
)

// bills are the formats whose documents come from the scanner. They describe
// one image each: neither format has a place for several.
var bills = []string{"cyclonedx", "spdx"}

// Bills returns the names among outputs of bills of materials, which the
// scanner has to be asked for before it reads an image.
func Bills(outputs []Output) []string {
	var names []string
	for _, name := range bills {
		for _, o := range outputs {
			if o.Format.Name == name {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

// renderBill returns a renderer for the bill of materials called name.
func renderBill(name string) func(*gate.Run, Options) ([]byte, error) {
	return func(run *gate.Run, _ Options) ([]byte, error) {
		var found []byte
		seen := map[string]bool{}
		for i := range run.Results {
			e := run.Results[i].Evidence
			if e == nil || seen[e.Digest] {
				continue
			}
			seen[e.Digest] = true
			doc := run.Documents[e.Digest][name]
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
