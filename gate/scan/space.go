package scan

import (
	"fmt"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/scan/database"
)

// spareSpace is what a worker writes beside the files that it analyses.
const spareSpace = 8 << 20

// checkSpace refuses to begin where the disk would soon be full. Files that are
// analysed as a whole (jars, package lists, large programs) are in the temporary
// directory while their layer is read, so the largest layer says how much may
// be needed; a disk that fills up all the same still ends in an error.
func checkSpace(dir string, t *gate.Target) error {
	var largest int64
	for i := range t.Layers {
		largest = max(largest, t.Layers[i].Size)
	}
	need := largest + spareSpace
	free, known := database.FreeSpace(dir)
	if !known || free >= need {
		return nil
	}
	return &gate.Fault{Phase: gate.PhaseScan,
		Err:  fmt.Errorf("reading this image may need %d MiB of temporary space, and %s has %d MiB", need>>20, dir, free>>20),
		Hint: "name a directory on a larger disk with --tmp-dir"}
}
