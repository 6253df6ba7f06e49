package scan

import (
	"runtime"

	"github.com/imagegate/imagegate/policy/evidence"
)

// AwaitWaiting waits until n images wait for a layer that is being read.
func AwaitWaiting(s *Scanner, diffID string, n int) {
	for {
		s.flights.mu.Lock()
		fl := s.flights.open[layerID{diffID, evidence.Need(0)}]
		enough := fl != nil && fl.waiting >= n
		s.flights.mu.Unlock()
		if enough {
			return
		}
		runtime.Gosched()
	}
}
