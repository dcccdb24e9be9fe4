package module

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module/wasm"
)

// hostFunc is a function that guests may import: its name, its signature in
// letters (i, I, f, F for the four number types, parameters > result) and what
// it does with its operands, which are also where the result goes.
type hostFunc struct {
	name, sig string
	do        func(in *instance, mem api.Memory, st []uint64)
}

// valTypes are the letters of hostFunc.sig.
var valTypes = map[byte]wasm.ValType{'i': wasm.I32, 'I': wasm.I64, 'f': wasm.F32, 'F': wasm.F64}

// signature reads the letters.
func (f *hostFunc) signature() (t wasm.FuncType) {
	to := &t.Params
	for i := range len(f.sig) {
		if f.sig[i] == '>' {
			to = &t.Results
			continue
		}
		*to = append(*to, valTypes[f.sig[i]])
	}
	return t
}

// hostModule is a set of functions under one import name.
type hostModule struct {
	name  string
	funcs []hostFunc
}

// find returns the function of that name, or nil.
func (h *hostModule) find(name string) *hostFunc {
	for i := range h.funcs {
		if h.funcs[i].name == name {
			return &h.funcs[i]
		}
	}
	return nil
}

// instantiate offers to a runtime those functions that wanted accepts.
// Registering by GoModuleFunc avoids the reflection that makes a host call
// fifty times slower.
func (h *hostModule) instantiate(ctx context.Context, engine wazero.Runtime, wanted func(name string) bool) error {
	b := engine.NewHostModuleBuilder(h.name)
	n := 0
	for _, f := range h.funcs {
		if !wanted(f.name) {
			continue
		}
		n++
		sig, do := f.signature(), f.do
		b.NewFunctionBuilder().WithGoModuleFunction(
			api.GoModuleFunc(func(ctx context.Context, m api.Module, st []uint64) {
				do(instanceOf(ctx), m.Memory(), st)
			}), apiTypes(sig.Params), apiTypes(sig.Results)).Export(f.name)
	}
	if n == 0 {
		return nil
	}
	_, err := b.Instantiate(ctx)
	return err
}

func apiTypes(t []wasm.ValType) []api.ValueType {
	out := make([]api.ValueType, len(t))
	for i, v := range t {
		out[i] = api.ValueType(v)
	}
	return out
}

// sliphostV1 is section 5 of the ABI.
var sliphostV1 = hostModule{abi.ImportModule, []hostFunc{
	{"flush", "ii>i", doFlush},
	{"log", "iii", doLog},
	{"metric", "iiiF", doMetric},
	{"panic", "ii", doPanic},
	{"fuel_mark", "", func(*instance, api.Memory, []uint64) {}},
	{"cache_get", "iiiii>I", asking(State.CacheGet)},
	{"cache_scan", "iiiii>I", asking(State.CacheScan)},
	{"cache_get_many", "iiiii>I", asking(State.CacheGetMany)},
	{"checkpoint_heartbeat", "iiiii>I", asking(State.Heartbeat)},
	{"checkpoint_pulse", "iiiii>I", asking(State.Pulse)},
	{"cache_put", "iiiii>i", doCachePut},
	{"cache_delete", "iii>i", deleting(State.CacheDelete)},
	{"cache_delete_range", "iii>i", deleting(State.CacheDeleteRange)},
	{"savepoint", "i>i", doSavepoint},
	{"seek", "iiI>i", doSeek},
	{"wall_clock", ">I", doWallClock},
	{"entropy", "ii", doEntropy},
}}

// nondeterministic names the imports that need the capability.
var nondeterministic = map[string]bool{"wall_clock": true, "entropy": true}

// handler is the handler on whose behalf the guest runs, -1 outside a call.
func (in *instance) handler() int32 {
	if in.phase != phaseProcess {
		return -1
	}
	return in.call.handler
}

// now is the record being handled, as the progress block says. It is only
// clamped here; a contradiction is found when the call ends.
func (in *instance) at(mem api.Memory) At {
	v, _ := mem.ReadUint32Le(in.block + abi.ProgressCurrentAt)
	return At{Handler: in.call.handler, Record: int32(min(v, max(in.call.count, 1)-1))}
}

// silent ends the call if the guest is describing itself: a description must
// not depend on a host.
func (in *instance) silent(name string) {
	if in.phase == phaseDescribe {
		panic(&fault{kind: TrapMisuse, detail: "slip_describe called " + abi.ImportModule + "." + name})
	}
}

// bytes returns a piece of guest memory that a host call named.
func (in *instance) bytes(mem api.Memory, name string, ptr, n uint64) []byte {
	b, ok := mem.Read(uint32(ptr), uint32(n))
	if !ok {
		panic(&fault{kind: TrapPointer, detail: fmt.Sprintf("%s was given %d bytes at address %d of a memory of %d bytes", name, uint32(n), uint32(ptr), mem.Size())})
	}
	return b
}

// doFlush takes a piece of the reply stream: (ptr, len) -> i32.
func doFlush(in *instance, mem api.Memory, st []uint64) {
	if in.phase != phaseProcess {
		panic(&fault{kind: TrapMisuse, detail: "flush is only allowed in slip_process"})
	}
	b, ok := mem.Read(uint32(st[0]), uint32(st[1]))
	if !ok {
		panic(brokenFault("it flushes %d bytes at address %d of a memory of %d bytes", uint32(st[1]), uint32(st[0]), mem.Size()))
	}
	s := in.owner
	if limit := in.module.limits.Output; int64(len(s.out)+len(b)) > limit {
		panic(&fault{kind: TrapOutput, limit: &LimitError{Limit: "output", Value: limit}})
	}
	if _, err := in.look(); err != nil {
		panic(err)
	}
	s.out = append(s.out, b...)
	// What was complete in the guest's buffer is here now; said again after a
	// trap it would be taken twice.
	mem.WriteUint32Le(in.block+abi.ProgressLenAt, 0)
	in.call.seen.replyLen = 0
	st[0] = 0
}

// doLog is (level, ptr, len).
func doLog(in *instance, mem api.Memory, st []uint64) {
	in.silent("log")
	level := abi.Level(int32(st[0]))
	level = min(max(level, abi.LevelDebug), abi.LevelError)
	in.print.log(level, in.bytes(mem, "log", st[1], st[2]))
}

// doMetric is (kind, name, nlen, value).
func doMetric(in *instance, mem api.Memory, st []uint64) {
	in.silent("metric")
	name := in.bytes(mem, "metric", st[1], st[2])
	kind, value := abi.MetricKind(int32(st[0])), math.Float64frombits(st[3])
	if in.phase != phaseProcess || in.owner.hooks.Metric == nil {
		return
	}
	if kind < abi.MetricCounter || kind > abi.MetricHistogram || math.IsNaN(value) || math.IsInf(value, 0) || len(name) == 0 {
		return
	}
	if !in.owner.pass(&in.owner.metrics, "metric calls") {
		return
	}
	in.print.clean = appendClean(in.print.clean[:0], name, maxMetricName)
	in.owner.hooks.Metric(in.call.handler, kind, in.print.clean, value)
}

// doPanic is (ptr, len): the guest traps next and this says why.
func doPanic(in *instance, mem api.Memory, st []uint64) {
	b := in.bytes(mem, "panic", st[0], st[1])
	in.print.message = append(in.print.message[:0], b[:min(len(b), maxMessage)]...)
}

// state returns who answers calls about state, or nil.
func (in *instance) state(name string) State {
	in.silent(name)
	if in.phase != phaseProcess {
		return nil
	}
	return in.owner.hooks.State
}

// unbound is abi.ResultUnbound as a result.
var unbound = result(abi.ResultUnbound)

// result puts a signed result into an operand.
func result[T int32 | int64 | int](v T) uint64 { return uint64(int64(v)) }

// asking makes a function (id, request, rlen, buf, cap) -> i64.
func asking(ask func(s State, at At, id int32, request, buf []byte) int64) func(*instance, api.Memory, []uint64) {
	return func(in *instance, mem api.Memory, st []uint64) {
		request := in.bytes(mem, "a cache or checkpoint call", st[1], st[2])
		buf := in.bytes(mem, "a cache or checkpoint call", st[3], st[4])
		s := in.state("a cache or checkpoint call")
		if s == nil {
			st[0] = unbound
			return
		}
		st[0] = result(ask(s, in.at(mem), int32(st[0]), request, buf))
	}
}

// deleting makes a function (id, request, rlen) -> i32.
func deleting(do func(s State, at At, id int32, request []byte) int32) func(*instance, api.Memory, []uint64) {
	return func(in *instance, mem api.Memory, st []uint64) {
		request := in.bytes(mem, "a cache call", st[1], st[2])
		s := in.state("a cache call")
		if s == nil {
			st[0] = unbound
			return
		}
		st[0] = result(do(s, in.at(mem), int32(st[0]), request))
	}
}

func doCachePut(in *instance, mem api.Memory, st []uint64) {
	key := in.bytes(mem, "cache_put", st[1], st[2])
	value := in.bytes(mem, "cache_put", st[3], st[4])
	s := in.state("cache_put")
	if s == nil {
		st[0] = unbound
		return
	}
	st[0] = result(s.CachePut(in.at(mem), int32(st[0]), key, value))
}

func doSavepoint(in *instance, mem api.Memory, st []uint64) {
	s := in.state("savepoint")
	if s == nil {
		st[0] = unbound
		return
	}
	st[0] = result(s.Savepoint(in.at(mem), int32(st[0])))
}

func doSeek(in *instance, mem api.Memory, st []uint64) {
	s := in.state("seek")
	if s == nil {
		st[0] = unbound
		return
	}
	st[0] = result(s.Seek(in.at(mem), int32(st[0]), int32(st[1]), int64(st[2])))
}

func doWallClock(in *instance, _ api.Memory, st []uint64) {
	in.silent("wall_clock")
	if in.owner != nil && in.owner.hooks.WallClock != nil {
		st[0] = uint64(in.owner.hooks.WallClock())
		return
	}
	st[0] = uint64(time.Now().UnixNano())
}

func doEntropy(in *instance, mem api.Memory, st []uint64) {
	in.silent("entropy")
	fillRandom(in.bytes(mem, "entropy", st[0], st[1]))
}
