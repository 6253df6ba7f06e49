//go:build unix && !darwin && !freebsd && !netbsd

package database

import "syscall"

func changeTime(st *syscall.Stat_t) int64 { return syscall.TimespecToNsec(st.Ctim) }
