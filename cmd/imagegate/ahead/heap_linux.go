package ahead

import (
	"runtime"
	"syscall"
)

// startHeap is what the heap of a start takes. It costs memory: what is not needed of a
// huge page cannot be given back.
const startHeap = 16 << 20

// The initialisers of Trivy's packages allocate 23 MB in small pieces. With pages of
// 4 KiB, four of five page faults of a start are those of the heap, and on a virtual
// machine they take more time than the initialisers themselves. So the first part of
// the heap asks for huge pages: a block is allocated that is never touched, and given
// back at once, because Go allocates at the lowest free address. Where the kernel has no
// huge pages, nothing changes.
var _ = func() bool {
	block := make([]byte, startHeap)
	_ = syscall.Madvise(block, syscall.MADV_HUGEPAGE)
	block = nil
	runtime.GC()
	return true
}()
