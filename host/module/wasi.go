package module

import (
	"encoding/binary"

	"github.com/tetratelabs/wazero/api"
)

// wasiModule is the import name of WASI preview 1.
const wasiModule = "wasi_snapshot_preview1"

// Error numbers of WASI.
const (
	wasiOK      = 0
	wasiBadFD   = 8
	wasiFault   = 21
	wasiInvalid = 28
	wasiNoSys   = 52
	wasiNotSup  = 58
	wasiPipe    = 70
)

// wasi is the host's own WASI preview 1: no files, arguments or environment;
// time and randomness that repeat; output that goes to the log. Every function
// of preview 1 exists, so that a guest whose standard library merely mentions
// files can be loaded.
//
// Protocol: github.com/WebAssembly/WASI, legacy/preview1/docs.md.
var wasi = hostModule{wasiModule, []hostFunc{
	{name: "args_get", sig: "ii>i", do: answer(wasiOK)},
	{name: "args_sizes_get", sig: "ii>i", do: wasiNone},
	{name: "environ_get", sig: "ii>i", do: answer(wasiOK)},
	{name: "environ_sizes_get", sig: "ii>i", do: wasiNone},
	{name: "clock_res_get", sig: "ii>i", do: wasiClockRes},
	{name: "clock_time_get", sig: "iIi>i", do: wasiClockTime},
	{name: "fd_advise", sig: "iIIi>i", do: answer(wasiBadFD)},
	{name: "fd_allocate", sig: "iII>i", do: answer(wasiBadFD)},
	{name: "fd_close", sig: "i>i", do: standard(wasiOK)},
	{name: "fd_datasync", sig: "i>i", do: standard(wasiOK)},
	{name: "fd_fdstat_get", sig: "ii>i", do: wasiFDStat},
	{name: "fd_fdstat_set_flags", sig: "ii>i", do: standard(wasiOK)},
	{name: "fd_fdstat_set_rights", sig: "iII>i", do: standard(wasiOK)},
	{name: "fd_filestat_get", sig: "ii>i", do: wasiFileStat},
	{name: "fd_filestat_set_size", sig: "iI>i", do: standard(wasiInvalid)},
	{name: "fd_filestat_set_times", sig: "iIIi>i", do: standard(wasiInvalid)},
	{name: "fd_pread", sig: "iiiIi>i", do: standard(wasiPipe)},
	{name: "fd_prestat_get", sig: "ii>i", do: answer(wasiBadFD)},
	{name: "fd_prestat_dir_name", sig: "iii>i", do: answer(wasiBadFD)},
	{name: "fd_pwrite", sig: "iiiIi>i", do: standard(wasiPipe)},
	{name: "fd_read", sig: "iiii>i", do: wasiRead},
	{name: "fd_readdir", sig: "iiiIi>i", do: answer(wasiBadFD)},
	{name: "fd_renumber", sig: "ii>i", do: answer(wasiBadFD)},
	{name: "fd_seek", sig: "iIii>i", do: standard(wasiPipe)},
	{name: "fd_sync", sig: "i>i", do: standard(wasiOK)},
	{name: "fd_tell", sig: "ii>i", do: standard(wasiPipe)},
	{name: "fd_write", sig: "iiii>i", do: wasiWrite},
	{name: "path_create_directory", sig: "iii>i", do: answer(wasiBadFD)},
	{name: "path_filestat_get", sig: "iiiii>i", do: answer(wasiBadFD)},
	{name: "path_filestat_set_times", sig: "iiiiIIi>i", do: answer(wasiBadFD)},
	{name: "path_link", sig: "iiiiiii>i", do: answer(wasiBadFD)},
	{name: "path_open", sig: "iiiiiIIii>i", do: answer(wasiBadFD)},
	{name: "path_readlink", sig: "iiiiii>i", do: answer(wasiBadFD)},
	{name: "path_remove_directory", sig: "iii>i", do: answer(wasiBadFD)},
	{name: "path_rename", sig: "iiiiii>i", do: answer(wasiBadFD)},
	{name: "path_symlink", sig: "iiiii>i", do: answer(wasiBadFD)},
	{name: "path_unlink_file", sig: "iii>i", do: answer(wasiBadFD)},
	{name: "poll_oneoff", sig: "iiii>i", do: wasiPoll},
	{name: "proc_exit", sig: "i", do: wasiExit},
	{name: "proc_raise", sig: "i>i", do: answer(wasiNoSys)},
	{name: "random_get", sig: "ii>i", do: wasiRandom},
	{name: "sched_yield", sig: ">i", do: answer(wasiOK)},
	{name: "sock_accept", sig: "iii>i", do: answer(wasiBadFD)},
	{name: "sock_recv", sig: "iiiiii>i", do: answer(wasiBadFD)},
	{name: "sock_send", sig: "iiiii>i", do: answer(wasiBadFD)},
	{name: "sock_shutdown", sig: "ii>i", do: answer(wasiBadFD)},
}}

// answer makes a function that does nothing but answer.
func answer(errno uint64) func(*instance, api.Memory, []uint64) {
	return func(_ *instance, _ api.Memory, st []uint64) { st[0] = errno }
}

// standard makes a function that answers errno for the three standard streams
// and that any other descriptor is not open.
func standard(errno uint64) func(*instance, api.Memory, []uint64) {
	return func(_ *instance, _ api.Memory, st []uint64) {
		if uint32(st[0]) > 2 {
			st[0] = wasiBadFD
			return
		}
		st[0] = errno
	}
}

// wasiNone answers that there are 0 strings of 0 bytes.
func wasiNone(_ *instance, mem api.Memory, st []uint64) {
	if !mem.WriteUint32Le(uint32(st[0]), 0) || !mem.WriteUint32Le(uint32(st[1]), 0) {
		st[0] = wasiFault
		return
	}
	st[0] = wasiOK
}

// Clocks of WASI.
const (
	clockRealtime  = 0
	clockMonotonic = 1
)

// wasiClockRes is (clock, resolution *u64).
func wasiClockRes(_ *instance, mem api.Memory, st []uint64) {
	var res uint64
	switch uint32(st[0]) {
	case clockRealtime:
		res = 1e6
	case clockMonotonic:
		res = tick
	default:
		st[0] = wasiNotSup
		return
	}
	st[0] = put64(mem, st[1], res)
}

// wasiClockTime is (clock, precision u64, time *u64).
func wasiClockTime(in *instance, mem api.Memory, st []uint64) {
	var t uint64
	switch uint32(st[0]) {
	case clockRealtime:
		t = in.wallClock(mem)
	case clockMonotonic:
		t = in.time.read()
	default:
		st[0] = wasiNotSup
		return
	}
	st[0] = put64(mem, st[2], t)
}

func put64(mem api.Memory, at, v uint64) uint64 {
	if !mem.WriteUint64Le(uint32(at), v) {
		return wasiFault
	}
	return wasiOK
}

// wasiExit ends the call: a reactor has no business ending its program.
func wasiExit(_ *instance, _ api.Memory, st []uint64) {
	panic(&fault{kind: TrapExit, code: uint32(st[0])})
}

// wasiRandom fills (ptr, len) from the module's fixed seed.
func wasiRandom(in *instance, mem api.Memory, st []uint64) {
	b, ok := mem.Read(uint32(st[0]), uint32(st[1]))
	if !ok {
		st[0] = wasiFault
		return
	}
	_, _ = in.rand.Read(b)
	st[0] = wasiOK
}

// wasiFDStat is (fd, *fdstat): a character device that cannot be sought.
func wasiFDStat(_ *instance, mem api.Memory, st []uint64) {
	fd := uint32(st[0])
	if fd > 2 {
		st[0] = wasiBadFD
		return
	}
	b, ok := mem.Read(uint32(st[1]), 24)
	if !ok {
		st[0] = wasiFault
		return
	}
	clear(b)
	b[0] = 2 // character device
	const rightRead, rightWrite = 1 << 1, 1 << 6
	rights := uint64(rightWrite)
	if fd == 0 {
		rights = rightRead
	}
	binary.LittleEndian.PutUint64(b[8:], rights)
	st[0] = wasiOK
}

// wasiFileStat is (fd, *filestat).
func wasiFileStat(_ *instance, mem api.Memory, st []uint64) {
	if uint32(st[0]) > 2 {
		st[0] = wasiBadFD
		return
	}
	b, ok := mem.Read(uint32(st[1]), 64)
	if !ok {
		st[0] = wasiFault
		return
	}
	clear(b)
	b[16] = 2 // character device
	st[0] = wasiOK
}

// wasiRead is (fd, iovs, n, *nread): standard input is at its end.
func wasiRead(_ *instance, mem api.Memory, st []uint64) {
	if uint32(st[0]) != 0 {
		st[0] = wasiBadFD
		return
	}
	st[0] = wasiOK
	if !mem.WriteUint32Le(uint32(st[3]), 0) {
		st[0] = wasiFault
	}
}

// wasiWrite is (fd, iovs, n, *nwritten).
func wasiWrite(in *instance, mem api.Memory, st []uint64) {
	fd, n := uint32(st[0]), uint32(st[2])
	if fd != uint32(Stdout) && fd != uint32(Stderr) {
		st[0] = wasiBadFD
		return
	}
	if n > 1024 {
		st[0] = wasiInvalid
		return
	}
	vecs, ok := mem.Read(uint32(st[1]), 8*n)
	written := uint32(0)
	for ; ok && len(vecs) > 0; vecs = vecs[8:] {
		var b []byte
		b, ok = mem.Read(binary.LittleEndian.Uint32(vecs), binary.LittleEndian.Uint32(vecs[4:]))
		if ok && in.phase != phaseDescribe {
			in.print.write(Stream(fd), b)
		}
		written += uint32(len(b))
	}
	if !ok || !mem.WriteUint32Le(uint32(st[3]), written) {
		st[0] = wasiFault
		return
	}
	st[0] = wasiOK
}
