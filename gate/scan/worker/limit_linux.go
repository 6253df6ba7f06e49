package worker

import "syscall"

// addressSpace returns how much address space a process may have, 0 for no limit.
func addressSpace() int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &limit); err != nil || int64(limit.Cur) < 0 || limit.Cur > 1<<62 {
		return 0
	}
	return int64(limit.Cur)
}
