//go:build !wasip1

package slip

import (
	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/sdk/go/internal/link"
)

// hostState is the in-memory host of package sliptest.
type hostState struct {
	host link.Host
}

func init() {
	link.New = func(h link.Host) link.Guest { return &native{instance{hostState: hostState{h}}} }
	link.MarkerOf = func(marker any) abi.Marker { return marker.(Marker).m }
	link.Marker = func(m abi.Marker) any { return Marker{m} }
}

// native gives an instance's entry points to package sliptest.
type native struct{ in instance }

func (n *native) Describe() []byte { return describe() }

func (n *native) Init(msg []byte) []byte {
	// The test host reaches the block through Progress; the address only has
	// to be one.
	return n.in.init(msg, 4, 0)
}

func (n *native) Process(handler int32, msg []byte) []byte { return n.in.process(handler, msg) }

func (n *native) Progress() *[progressWords]uint32 { return &n.in.progress }

func hostFlush(in *instance, b []byte) int32 { return in.host.Flush(b) }

func hostLog(in *instance, level abi.Level, text string) { in.host.Log(level, text) }

func hostMetric(in *instance, kind abi.MetricKind, name string, v float64) {
	in.host.Metric(kind, name, v)
}

func hostCacheGet(in *instance, cache int32, key, buf []byte) int64 {
	return in.host.CacheGet(cache, key, buf)
}

func hostCachePut(in *instance, cache int32, key, value []byte) int32 {
	return in.host.CachePut(cache, key, value)
}

func hostCacheDelete(in *instance, cache int32, key []byte) int32 {
	return in.host.CacheDelete(cache, key)
}

func hostCacheDeleteRange(in *instance, cache int32, from, to []byte) int32 {
	return in.host.CacheDeleteRange(cache, from, to)
}

func hostCacheScan(in *instance, cache int32, request, buf []byte) int64 {
	return in.host.CacheScan(cache, request, buf)
}

func hostCacheGetMany(in *instance, cache int32, request, buf []byte) int64 {
	return in.host.CacheGetMany(cache, request, buf)
}

func hostSavepoint(in *instance, op int32) int32 { return in.host.Savepoint(op) }

func hostStreamTime(in *instance) int64 { return in.host.StreamTime() }

func hostCheckpointHeartbeat(in *instance, checkpoint int32, request, buf []byte) int64 {
	return in.host.CheckpointHeartbeat(checkpoint, request, buf)
}

func hostCheckpointPulse(in *instance, checkpoint int32, request, buf []byte) int64 {
	return in.host.CheckpointPulse(checkpoint, request, buf)
}

func hostSeek(in *instance, source, partition int32, offset int64) int32 {
	return in.host.Seek(source, partition, offset)
}

func hostFuelMark(in *instance) { in.host.FuelMark() }
