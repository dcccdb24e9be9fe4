package module

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/sliphost/sliphost/abi"
)

// Exports of the ABI.
const (
	exportMemory     = "memory"
	exportInitialize = "_initialize"
	exportStart      = "_start"
	exportDescribe   = "slip_describe"
	exportAlloc      = "slip_alloc"
	exportInit       = "slip_init"
	exportProcess    = "slip_process"
)

// phase is what an instance is doing; it decides which host calls are allowed.
type phase uint8

const (
	// phaseStart is _initialize.
	phaseStart phase = iota
	phaseDescribe
	phaseInit
	phaseAlloc
	phaseProcess
)

// instance is one instance of a module. One goroutine at a time.
type instance struct {
	module *Module
	// owner is nil for the instance that only describes itself.
	owner *Slot

	mod     api.Module
	mem     api.Memory
	linear  linear
	alloc   api.Function
	process api.Function
	ctx     callContext
	stack   [2]uint64

	phase phase
	// arena and capacity are the guest's input buffer, block its progress block.
	arena, capacity uint32
	block           uint32
	stop            *uint32

	call    call
	account account
	time    guestTime
	rand    *rand.ChaCha8
	print   printer
}

// call is the state of the call in progress.
type call struct {
	handler int32
	count   uint32
	// ctx is the caller's.
	ctx context.Context
	// kind is the batch's, noKind until a host call asks for it.
	kind          uint8
	head, records []byte
	// seen is the last reading of the progress block.
	seen progress
	// record and at are a position in records: the guest's clock reads the
	// timestamp of the current record there.
	record uint32
	at     int
}

// callContext is the context of every call into a guest. It carries the
// instance to the host functions, which find it by a type assertion, and
// nothing of the caller's context: its values are none of the engine's
// business, and building a context per call would allocate.
type callContext struct {
	context.Context
	in *instance
}

type instanceKey struct{}

// Value implements context.Context.
func (c *callContext) Value(key any) any {
	if _, ok := key.(instanceKey); ok {
		return c.in
	}
	return nil
}

// instanceOf returns the instance a host function was called by.
func instanceOf(ctx context.Context) *instance {
	if c, ok := ctx.(*callContext); ok {
		return c.in
	}
	// The start function runs under a context derived from ours.
	in, _ := ctx.Value(instanceKey{}).(*instance)
	return in
}

// newInstance instantiates the module and calls _initialize. The error is what
// the engine said, not yet a sentence.
func (m *Module) newInstance(owner *Slot) (in *instance, export string, err error) {
	in = &instance{module: m, owner: owner}
	in.ctx = callContext{Context: context.Background(), in: in}
	in.linear.limit = uint64(m.limits.Memory)
	in.rand = rand.NewChaCha8(m.seed)
	in.print.in = in
	export = "start"
	in.begins(false)
	if err = in.instantiate(); err != nil {
		return in, export, err
	}
	in.mem = in.mod.Memory()
	in.account.find(in.mod)
	in.alloc = in.mod.ExportedFunction(exportAlloc)
	in.process = in.mod.ExportedFunction(exportProcess)
	if start := in.mod.ExportedFunction(exportInitialize); start != nil {
		in.begins(false)
		if err := start.CallWithStack(&in.ctx, nil); err != nil {
			return in, exportInitialize, err
		}
	}
	return in, "", nil
}

// errNoMemory says that the system gave no address range for a guest.
var errNoMemory = errors.New("the system has no memory for another instance")

func (in *instance) instantiate() (err error) {
	defer func() {
		// The engine indexes the memory it was given; it gets none when the
		// system refuses the reservation.
		if r := recover(); r != nil {
			if in.linear.base == nil {
				err = errNoMemory
				return
			}
			in.module.runtime.log.Error("module: engine failed to instantiate", "module", in.module.name, "cause", r)
			err = fmt.Errorf("the engine failed: %v", r)
		}
	}()
	ctx := experimental.WithMemoryAllocator(&in.ctx, &in.linear)
	in.mod, err = in.module.engine.InstantiateModule(ctx, in.module.compiled, wazero.NewModuleConfig().WithName(""))
	return err
}

// close frees the instance; it must not be running.
func (in *instance) close() {
	if in.mod != nil {
		// It can only fail on files, which guests do not have.
		_ = in.mod.Close(context.Background())
		in.mod = nil
	}
	in.linear.Free()
}

// read returns memory of the guest, aliasing it, at a packed address and
// length.
func (in *instance) read(packed uint64) ([]byte, bool) {
	return in.mem.Read(uint32(packed>>32), uint32(packed))
}

// describeSelf calls slip_describe.
func (in *instance) describeSelf() ([]byte, error) {
	in.phase = phaseDescribe
	in.linear.refused = false
	in.begins(false)
	err := in.mod.ExportedFunction(exportDescribe).CallWithStack(&in.ctx, in.stack[:1])
	if err != nil {
		return nil, err
	}
	b, ok := in.read(in.stack[0])
	if !ok {
		return nil, brokenFault("its answer of %d bytes at address %d is outside its memory", uint32(in.stack[0]), in.stack[0]>>32)
	}
	return b, nil
}

// maxMessageSize leaves room for rounding up within 31 bits.
const maxMessageSize = 1<<31 - 1<<21

// grow asks for an arena of at least n bytes.
func (in *instance) grow(n int) error {
	if n > maxMessageSize {
		return brokenFault("a message of %d bytes cannot be addressed by a module", n)
	}
	// Some room for the next message, so that batches that grow slowly do not
	// ask each time; but not so much that a large one fails for it.
	want := uint64(n + min(n/2, 1<<20))
	in.phase = phaseAlloc
	in.stack[0] = want
	in.begins(false)
	if err := in.alloc.CallWithStack(&in.ctx, in.stack[:]); err != nil {
		return err
	}
	addr := uint32(in.stack[0])
	if addr == 0 {
		return &fault{kind: TrapMemory, limit: &LimitError{Limit: LimitMemory, Value: in.module.limits.Memory}}
	}
	if uint64(addr)+want > uint64(in.mem.Size()) {
		return brokenFault("it answers %d bytes at address %d of a memory of %d bytes", want, addr, in.mem.Size())
	}
	if in.block != 0 && overlap(addr, uint32(want), in.block) {
		return brokenFault("the arena at address %d covers the progress block", addr)
	}
	in.arena, in.capacity = addr, uint32(want)
	return nil
}

func overlap(addr, n, block uint32) bool {
	return uint64(addr) < uint64(block)+abi.ProgressSize && uint64(block) < uint64(addr)+uint64(n)
}

// init sends the Init message and takes the progress block's address.
func (in *instance) init(msg []byte) (export string, err error) {
	if err := in.grow(len(msg)); err != nil {
		return exportAlloc, err
	}
	if !in.mem.Write(in.arena, msg) {
		return exportAlloc, brokenFault("its memory shrank")
	}
	in.phase = phaseInit
	in.stack[0] = uint64(len(msg))
	in.begins(false)
	if err := in.mod.ExportedFunction(exportInit).CallWithStack(&in.ctx, in.stack[:1]); err != nil {
		return exportInit, err
	}
	b, ok := in.read(in.stack[0])
	if !ok {
		return exportInit, brokenFault("its reply of %d bytes at address %d is outside its memory", uint32(in.stack[0]), in.stack[0]>>32)
	}
	reply, err := abi.ReadInitReply(b)
	if err != nil {
		return exportInit, brokenFault("its reply cannot be read: %v", err)
	}
	if reply.Status == abi.StatusError {
		return exportInit, &InitError{Module: in.module.name, Code: reply.Code, Message: cleanString(reply.Message, maxMessage)}
	}
	return exportInit, in.takeBlock(&reply)
}

func (in *instance) takeBlock(reply *abi.InitReply) error {
	size := uint64(in.mem.Size())
	switch {
	case reply.Progress > size || reply.Progress+abi.ProgressSize > size || reply.Progress == 0:
		return brokenFault("the progress block at address %d is outside the memory of %d bytes", reply.Progress, size)
	case reply.Progress%4 != 0:
		return brokenFault("the progress block at address %d is not aligned to 4 bytes", reply.Progress)
	case reply.Capacity > size || uint64(in.arena)+reply.Capacity > size:
		return brokenFault("an input arena of %d bytes at address %d is outside the memory of %d bytes", reply.Capacity, in.arena, size)
	case reply.Capacity < uint64(in.capacity):
		return brokenFault("its reply says the arena holds %d bytes, slip_alloc was asked for %d", reply.Capacity, in.capacity)
	case overlap(in.arena, uint32(reply.Capacity), uint32(reply.Progress)):
		return brokenFault("the arena at address %d covers the progress block at %d", in.arena, reply.Progress)
	}
	in.block = uint32(reply.Progress)
	in.capacity = uint32(reply.Capacity)
	in.stop = in.linear.stopWord(in.block)
	b, _ := in.mem.Read(in.block, abi.ProgressSize)
	if p := readProgress(b); p.magic != abi.ProgressMagic {
		return brokenFault("the progress block at address %d does not begin with SLP1", in.block)
	}
	return nil
}

// begins opens the account of the next call into the guest.
func (in *instance) begins(records bool) { in.account.begin(&in.module.limits, records) }

// begin puts a batch into the arena and resets the progress block, so that a
// trap before the guest's first store is not read as the last call's state.
func (in *instance) begin(ctx context.Context, handler int32, count int32, head, records []byte) error {
	in.call = call{ctx: ctx, handler: handler, count: uint32(count), kind: noKind, head: head, records: records}
	in.linear.refused = false
	in.print.message = in.print.message[:0]
	n := len(head) + len(records)
	if n > int(in.capacity) {
		if err := in.grow(n); err != nil {
			return err
		}
	}
	arena, ok := in.mem.Read(in.arena, uint32(n))
	if !ok {
		return brokenFault("its memory shrank")
	}
	copy(arena, head)
	copy(arena[len(head):], records)
	b, ok := in.mem.Read(in.block, abi.ProgressSize)
	if !ok {
		return brokenFault("its memory shrank")
	}
	clear(b[abi.ProgressCurrentAt:abi.ProgressStopAt])
	clearStop(in.stop)
	if in.owner.stop.Load() {
		// Set after clearing it: a request made in between sets the word itself.
		requestStop(in.stop)
	}
	in.phase = phaseProcess
	in.begins(true)
	in.stack[0] = uint64(uint32(handler))
	in.stack[1] = uint64(n)
	return nil
}

// look reads and checks the progress block.
func (in *instance) look() (progress, error) {
	b, ok := in.mem.Read(in.block, abi.ProgressStopAt)
	if !ok {
		return progress{}, brokenFault("its memory shrank")
	}
	p := readProgress(b)
	if what := p.check(in.call.count, in.call.seen); what != "" {
		return p, &fault{broken: true, detail: what}
	}
	in.call.seen = p
	return p, nil
}
