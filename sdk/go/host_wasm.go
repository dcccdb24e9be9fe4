//go:build wasip1

package slip

import (
	"unsafe"

	"github.com/sliphost/sliphost/abi"
)

// hostState is empty in a guest: the host is what the module imports.
type hostState struct{}

// guest is the one instance of a module, input its input arena.
var (
	guest instance
	input []byte
	// answer keeps what describe or init returned.
	answer []byte
)

// minInput is the smallest input arena, so that small batches that grow do not
// ask for a new one each.
const minInput = 64 << 10

//go:wasmexport slip_describe
func slipDescribe() int64 {
	answer = describe()
	return packed(answer)
}

//go:wasmexport slip_alloc
func slipAlloc(size int32) int32 {
	if n := int(uint32(size)); n > cap(input) {
		input = make([]byte, max(n, 2*cap(input), minInput))
	}
	return int32(uintptr(unsafe.Pointer(unsafe.SliceData(input))))
}

//go:wasmexport slip_init
func slipInit(length int32) int64 {
	answer = guest.init(input[:uint32(length)], uintptr(unsafe.Pointer(&guest.progress)), len(input))
	return packed(answer)
}

//go:wasmexport slip_process
func slipProcess(handler, length int32) int64 {
	return packed(guest.process(handler, input[:uint32(length)]))
}

// packed returns address and length of b in one number.
func packed(b []byte) int64 {
	return int64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))<<32 | int64(len(b))
}

//go:wasmimport sliphost_v1 flush
//go:noescape
func importFlush(p unsafe.Pointer, n int32) int32

//go:wasmimport sliphost_v1 log
//go:noescape
func importLog(level int32, p unsafe.Pointer, n int32)

//go:wasmimport sliphost_v1 metric
//go:noescape
func importMetric(kind int32, name unsafe.Pointer, n int32, v float64)

//go:wasmimport sliphost_v1 cache_get
//go:noescape
func importCacheGet(cache int32, key unsafe.Pointer, klen int32, buf unsafe.Pointer, capacity int32) int64

//go:wasmimport sliphost_v1 cache_put
//go:noescape
func importCachePut(cache int32, key unsafe.Pointer, klen int32, value unsafe.Pointer, vlen int32) int32

//go:wasmimport sliphost_v1 cache_delete
//go:noescape
func importCacheDelete(cache int32, key unsafe.Pointer, klen int32) int32

//go:wasmimport sliphost_v1 cache_delete_range
//go:noescape
func importCacheDeleteRange(cache int32, from unsafe.Pointer, flen int32, to unsafe.Pointer, tlen int32) int32

//go:wasmimport sliphost_v1 cache_scan
//go:noescape
func importCacheScan(cache int32, request unsafe.Pointer, rlen int32, buf unsafe.Pointer, capacity int32) int64

//go:wasmimport sliphost_v1 cache_get_many
//go:noescape
func importCacheGetMany(cache int32, request unsafe.Pointer, rlen int32, buf unsafe.Pointer, capacity int32) int64

//go:wasmimport sliphost_v1 savepoint
func importSavepoint(op int32) int32

//go:wasmimport sliphost_v1 stream_time
func importStreamTime() int64

//go:wasmimport sliphost_v1 checkpoint_heartbeat
//go:noescape
func importCheckpointHeartbeat(checkpoint int32, request unsafe.Pointer, rlen int32, buf unsafe.Pointer, capacity int32) int64

//go:wasmimport sliphost_v1 checkpoint_pulse
//go:noescape
func importCheckpointPulse(checkpoint int32, request unsafe.Pointer, rlen int32, buf unsafe.Pointer, capacity int32) int64

//go:wasmimport sliphost_v1 seek
func importSeek(source, partition int32, offset int64) int32

//go:wasmimport sliphost_v1 fuel_mark
func importFuelMark()

func hostFlush(_ *instance, b []byte) int32 { return importFlush(ptr(b), int32(len(b))) }

func hostLog(_ *instance, level abi.Level, text string) {
	importLog(int32(level), unsafe.Pointer(unsafe.StringData(text)), int32(len(text)))
}

func hostMetric(_ *instance, kind abi.MetricKind, name string, v float64) {
	importMetric(int32(kind), unsafe.Pointer(unsafe.StringData(name)), int32(len(name)), v)
}

func hostCacheGet(_ *instance, cache int32, key, buf []byte) int64 {
	return importCacheGet(cache, ptr(key), int32(len(key)), ptr(buf), int32(len(buf)))
}

func hostCachePut(_ *instance, cache int32, key, value []byte) int32 {
	return importCachePut(cache, ptr(key), int32(len(key)), ptr(value), int32(len(value)))
}

func hostCacheDelete(_ *instance, cache int32, key []byte) int32 {
	return importCacheDelete(cache, ptr(key), int32(len(key)))
}

func hostCacheDeleteRange(_ *instance, cache int32, from, to []byte) int32 {
	return importCacheDeleteRange(cache, ptr(from), int32(len(from)), ptr(to), int32(len(to)))
}

func hostCacheScan(_ *instance, cache int32, request, buf []byte) int64 {
	return importCacheScan(cache, ptr(request), int32(len(request)), ptr(buf), int32(len(buf)))
}

func hostCacheGetMany(_ *instance, cache int32, request, buf []byte) int64 {
	return importCacheGetMany(cache, ptr(request), int32(len(request)), ptr(buf), int32(len(buf)))
}

func hostSavepoint(_ *instance, op int32) int32 { return importSavepoint(op) }

func hostStreamTime(_ *instance) int64 { return importStreamTime() }

func hostCheckpointHeartbeat(_ *instance, checkpoint int32, request, buf []byte) int64 {
	return importCheckpointHeartbeat(checkpoint, ptr(request), int32(len(request)), ptr(buf), int32(len(buf)))
}

func hostCheckpointPulse(_ *instance, checkpoint int32, request, buf []byte) int64 {
	return importCheckpointPulse(checkpoint, ptr(request), int32(len(request)), ptr(buf), int32(len(buf)))
}

func hostSeek(_ *instance, source, partition int32, offset int64) int32 {
	return importSeek(source, partition, offset)
}

func hostFuelMark(_ *instance) { importFuelMark() }

func ptr(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }
