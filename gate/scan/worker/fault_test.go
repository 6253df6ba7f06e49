package worker

import (
	"strings"
	"testing"
)

// A worker that got no more memory names the limit that was in its way.
func TestMemoryFaultNamesTheLimit(t *testing.T) {
	const gib = 1 << 30
	tests := map[string]struct {
		memory, addressSpace int64
		want, not            string
	}{
		"its own limit":               {4 * gib, 0, "4096 MiB", "ulimit"},
		"the address space":           {4 * gib, 1400 << 20, "1400 MiB (ulimit -v)", "4096"},
		"a very large address space":  {gib, 100 * gib, "1024 MiB", "ulimit"},
		"the address space, no other": {0, gib, "1024 MiB (ulimit -v)", "0 MiB of"},
	}
	for name, tt := range tests {
		if got := memoryFault(tt.memory, tt.addressSpace).Error(); !strings.Contains(got, tt.want) || strings.Contains(got, tt.not) {
			t.Errorf("%s: %q, want %q and not %q", name, got, tt.want, tt.not)
		}
	}
}
