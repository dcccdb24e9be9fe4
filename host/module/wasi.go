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
	{"args_get", "ii>i", answer(wasiOK)},
	{"args_sizes_get", "ii>i", wasiNone},
	{"environ_get", "ii>i", answer(wasiOK)},
	{"environ_sizes_get", "ii>i", wasiNone},
	{"clock_res_get", "ii>i", wasiClockRes},
	{"clock_time_get", "iIi>i", wasiClockTime},
	{"fd_advise", "iIIi>i", answer(wasiBadFD)},
	{"fd_allocate", "iII>i", answer(wasiBadFD)},
	{"fd_close", "i>i", standard(wasiOK)},
	{"fd_datasync", "i>i", standard(wasiOK)},
	{"fd_fdstat_get", "ii>i", wasiFDStat},
	{"fd_fdstat_set_flags", "ii>i", standard(wasiOK)},
	{"fd_fdstat_set_rights", "iII>i", standard(wasiOK)},
	{"fd_filestat_get", "ii>i", wasiFileStat},
	{"fd_filestat_set_size", "iI>i", standard(wasiInvalid)},
	{"fd_filestat_set_times", "iIIi>i", standard(wasiInvalid)},
	{"fd_pread", "iiiIi>i", standard(wasiPipe)},
	{"fd_prestat_get", "ii>i", answer(wasiBadFD)},
	{"fd_prestat_dir_name", "iii>i", answer(wasiBadFD)},
	{"fd_pwrite", "iiiIi>i", standard(wasiPipe)},
	{"fd_read", "iiii>i", wasiRead},
	{"fd_readdir", "iiiIi>i", answer(wasiBadFD)},
	{"fd_renumber", "ii>i", answer(wasiBadFD)},
	{"fd_seek", "iIii>i", standard(wasiPipe)},
	{"fd_sync", "i>i", standard(wasiOK)},
	{"fd_tell", "ii>i", standard(wasiPipe)},
	{"fd_write", "iiii>i", wasiWrite},
	{"path_create_directory", "iii>i", answer(wasiBadFD)},
	{"path_filestat_get", "iiiii>i", answer(wasiBadFD)},
	{"path_filestat_set_times", "iiiiIIi>i", answer(wasiBadFD)},
	{"path_link", "iiiiiii>i", answer(wasiBadFD)},
	{"path_open", "iiiiiIIii>i", answer(wasiBadFD)},
	{"path_readlink", "iiiiii>i", answer(wasiBadFD)},
	{"path_remove_directory", "iii>i", answer(wasiBadFD)},
	{"path_rename", "iiiiii>i", answer(wasiBadFD)},
	{"path_symlink", "iiiii>i", answer(wasiBadFD)},
	{"path_unlink_file", "iii>i", answer(wasiBadFD)},
	{"poll_oneoff", "iiii>i", wasiPoll},
	{"proc_exit", "i", wasiExit},
	{"proc_raise", "i>i", answer(wasiNoSys)},
	{"random_get", "ii>i", wasiRandom},
	{"sched_yield", ">i", answer(wasiOK)},
	{"sock_accept", "iii>i", answer(wasiBadFD)},
	{"sock_recv", "iiiiii>i", answer(wasiBadFD)},
	{"sock_send", "iiiii>i", answer(wasiBadFD)},
	{"sock_shutdown", "ii>i", answer(wasiBadFD)},
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
