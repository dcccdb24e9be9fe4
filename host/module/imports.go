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
	// capability is what the manifest must grant, or "".
	capability string
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
				in := instanceOf(ctx)
				do(in, m.Memory(), st)
				in.chargeCall()
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

// sliphostV1 is section 10 of the ABI: names, signatures and when each call is
// allowed come from its table, what they do from slipFuncs.
var sliphostV1 = hostModule{abi.ImportModule, guarded(map[string]func(*instance, api.Memory, []uint64){
	"flush":                doFlush,
	"log":                  doLog,
	"metric":               doMetric,
	"panic":                doPanic,
	"fuel_mark":            func(in *instance, _ api.Memory, _ []uint64) { in.markRecord() },
	"cache_get":            asking("cache_get", State.CacheGet),
	"cache_scan":           asking("cache_scan", State.CacheScan),
	"cache_get_many":       asking("cache_get_many", State.CacheGetMany),
	"checkpoint_heartbeat": asking("checkpoint_heartbeat", State.Heartbeat),
	"checkpoint_pulse":     asking("checkpoint_pulse", State.Pulse),
	"cache_put":            doCachePut,
	"cache_delete":         doCacheDelete,
	"cache_delete_range":   doCacheDeleteRange,
	"savepoint":            doSavepoint,
	"stream_time":          doStreamTime,
	"seek":                 doSeek,
	"wall_clock":           doWallClock,
	"entropy":              doEntropy,
})}

// guarded joins the ABI's table with what the functions do.
func guarded(do map[string]func(*instance, api.Memory, []uint64)) []hostFunc {
	funcs := make([]hostFunc, 0, len(abi.Imports))
	for i := range abi.Imports {
		f := &abi.Imports[i]
		work := do[f.Name]
		funcs = append(funcs, hostFunc{
			name: f.Name, sig: f.Params + ">" + f.Result, capability: f.Capability,
			do: func(in *instance, mem api.Memory, st []uint64) {
				if in.calls()&f.Calls == 0 {
					in.refuse(f, st)
					return
				}
				work(in, mem, st)
			},
		})
	}
	return funcs
}

// calls is what the guest is doing, as a bit of abi.Func.Calls. In
// _initialize and slip_alloc as little is allowed as in slip_describe.
func (in *instance) calls() uint32 {
	switch in.phase {
	case phaseProcess:
		return 1 << in.call.batchKind()
	case phaseInit:
		return abi.CallInit
	}
	return abi.CallDescribe
}

// refuse answers a call where it is not allowed (SPEC.md 10.2): a description
// must not depend on a host, so there it ends the call.
func (in *instance) refuse(f *abi.Func, st []uint64) {
	switch {
	case in.phase == phaseDescribe:
		panic(&fault{kind: TrapMisuse, detail: exportDescribe + " called " + f.Name + "; a description may not ask the host"})
	case in.phase == phaseStart:
		panic(&fault{kind: TrapMisuse, detail: exportInitialize + " called " + f.Name + "; the host answers from slip_init on"})
	case f.Name == "entropy":
		panic(&fault{kind: TrapMisuse, detail: "entropy is not allowed here"})
	case f.Result != "":
		st[0] = unbound
	}
}

// handler is the handler on whose behalf the guest runs, -1 outside a call.
func (in *instance) handler() int32 {
	if in.phase != phaseProcess {
		return -1
	}
	return in.call.handler
}

// at is the record being handled, as the progress block says. It is only
// clamped here; a contradiction is found when the call ends.
func (in *instance) at(mem api.Memory) At {
	v, _ := mem.ReadUint32Le(in.block + abi.ProgressCurrentAt)
	return At{Handler: in.call.handler, Record: int32(min(v, max(in.call.count, 1)-1))}
}

// bytes returns a piece of guest memory that a host call named.
func (in *instance) bytes(mem api.Memory, name string, ptr, n uint64) []byte {
	in.account.hostBytes += int64(uint32(n))
	b, ok := mem.Read(uint32(ptr), uint32(n))
	if !ok {
		panic(&fault{kind: TrapPointer, detail: fmt.Sprintf("%s was given %d bytes at address %d of a memory of %d bytes", name, uint32(n), uint32(ptr), mem.Size())})
	}
	return b
}

// doFlush takes a piece of the reply stream: (ptr, len) -> i32.
func doFlush(in *instance, mem api.Memory, st []uint64) {
	b := in.bytes(mem, "flush", st[0], st[1])
	s := in.owner
	if limit := in.module.limits.Output; int64(len(s.out)+len(b)) > limit {
		panic(&fault{kind: TrapOutput, limit: &LimitError{Limit: LimitOutput, Value: limit}})
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
	level := abi.Level(int32(st[0]))
	if level < abi.LevelDebug || level > abi.LevelError {
		level = abi.LevelError
	}
	in.print.log(level, in.bytes(mem, "log", st[1], st[2]))
}

// doMetric is (kind, name, nlen, value).
func doMetric(in *instance, mem api.Memory, st []uint64) {
	name := in.bytes(mem, "metric", st[1], st[2])
	if in.phase != phaseProcess {
		// During slip_init nobody listens yet; a spare would count twice.
		return
	}
	in.owner.metric(in.call.handler, abi.MetricKind(int32(st[0])), name, math.Float64frombits(st[3]))
}

// maxPlace bounds the end of an overlong panic that is kept beside its
// beginning.
const maxPlace = 512

// doPanic is (ptr, len): the guest traps next and this says why.
func doPanic(in *instance, mem api.Memory, st []uint64) {
	b := in.bytes(mem, "panic", st[0], st[1])
	in.print.message = append(in.print.message[:0], b[:min(len(b), maxMessage)]...)
	if over := len(b) - maxMessage; over > 0 {
		// The end of the text says where it happened.
		in.print.message = append(in.print.message, b[len(b)-min(over, maxPlace):]...)
	}
}

// state returns who answers calls about state, or nil.
func (in *instance) state() State {
	if in.phase != phaseProcess {
		return nil
	}
	return in.owner.hooks.State
}

// unbound is abi.ResultUnbound as a result.
var unbound = result(abi.ResultUnbound)

// result puts a signed result into an operand, and ends the call if State
// could not do its work.
func result[T int32 | int64 | int](v T) uint64 {
	if int64(v) == StateFailed {
		panic(&fault{state: true})
	}
	return uint64(int64(v))
}

// asking makes a function (id, request, rlen, buf, cap) -> i64.
func asking(name string, ask func(s State, at At, id int32, request, buf []byte) int64) func(*instance, api.Memory, []uint64) {
	return func(in *instance, mem api.Memory, st []uint64) {
		request := in.bytes(mem, name, st[1], st[2])
		buf := in.bytes(mem, name, st[3], st[4])
		s := in.state()
		if s == nil {
			st[0] = unbound
			return
		}
		st[0] = result(ask(s, in.at(mem), int32(st[0]), request, buf))
	}
}

func doCachePut(in *instance, mem api.Memory, st []uint64) {
	key := in.bytes(mem, "cache_put", st[1], st[2])
	value := in.bytes(mem, "cache_put", st[3], st[4])
	s := in.state()
	if s == nil {
		st[0] = unbound
		return
	}
	st[0] = result(s.CachePut(in.at(mem), int32(st[0]), key, value))
}

func doCacheDelete(in *instance, mem api.Memory, st []uint64) {
	key := in.bytes(mem, "cache_delete", st[1], st[2])
	s := in.state()
	if s == nil {
		st[0] = unbound
		return
	}
	st[0] = result(s.CacheDelete(in.at(mem), int32(st[0]), key))
}

func doCacheDeleteRange(in *instance, mem api.Memory, st []uint64) {
	from := in.bytes(mem, "cache_delete_range", st[1], st[2])
	to := in.bytes(mem, "cache_delete_range", st[3], st[4])
	s := in.state()
	if s == nil {
		st[0] = unbound
		return
	}
	st[0] = result(s.CacheDeleteRange(in.at(mem), int32(st[0]), from, to))
}

func doSavepoint(in *instance, mem api.Memory, st []uint64) {
	s := in.state()
	if s == nil {
		st[0] = unbound
		return
	}
	st[0] = result(s.Savepoint(in.at(mem), int32(st[0])))
}

func doStreamTime(in *instance, mem api.Memory, st []uint64) {
	s := in.state()
	if s == nil {
		st[0] = unbound
		return
	}
	st[0] = result(s.StreamTime(in.at(mem)))
}

func doSeek(in *instance, mem api.Memory, st []uint64) {
	s := in.state()
	if s == nil {
		st[0] = unbound
		return
	}
	st[0] = result(s.Seek(in.at(mem), int32(st[0]), int32(st[1]), int64(st[2])))
}

func doWallClock(in *instance, _ api.Memory, st []uint64) {
	if in.owner.hooks.WallClock != nil {
		st[0] = uint64(in.owner.hooks.WallClock())
		return
	}
	st[0] = uint64(time.Now().UnixMilli())
}

func doEntropy(in *instance, mem api.Memory, st []uint64) {
	if n := uint32(st[1]); n > abi.MaxEntropy {
		panic(&fault{kind: TrapMisuse, detail: fmt.Sprintf("entropy was asked for %d bytes, at most %d a call", n, abi.MaxEntropy)})
	}
	fillRandom(in.bytes(mem, "entropy", st[0], st[1]))
}
