package scan

import (
	"runtime"

	"github.com/imagegate/imagegate/gate/scan/store"
	"github.com/imagegate/imagegate/policy/evidence"
)

// AwaitWaiting waits until n images wait for a layer that is being read.
func AwaitWaiting(s *Scanner, diffID string, n int) {
	for s.layers.Waiting(store.ID{DiffID: diffID, Need: evidence.Need(0)}) < n {
		runtime.Gosched()
	}
}
