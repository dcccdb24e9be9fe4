package module

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module/wasm"
	"github.com/sliphost/sliphost/host/module/wasm/meter"
)

// A metered guest counts its fuel down by itself and calls tick when it is used
// up, at the latest after a quantum. Where the ticks fall depends on the time
// they take, and nothing else does: what a record has used when it is stopped,
// and where it stops, is the same on every machine.

// Quanta, in units of fuel: of an instance that is not known yet, and the
// bounds of what is tried. A unit is about an instruction, of which a machine
// does a thousand or more in a microsecond, but only ten where each one waits
// for memory.
const (
	firstQuantum = 100_000
	minQuantum   = 10_000
	maxQuantum   = 4_000_000
)

// A quantum should take about as long as this: the collector of the host waits
// for a guest that is between two ticks.
const (
	quantumTime = 500 * time.Microsecond
	quantumLeft = 200 * time.Microsecond
)

// Prices of host calls.
const (
	callCost = 100
	// callShift: a unit of fuel pays for 2^callShift bytes.
	callShift = 3
)

// account is the fuel and time of an instance. The zero value is that of a
// guest that is not metered.
type account struct {
	fuel, stack, mark api.MutableGlobal
	// quantum is the present one, last what the guest was given at the last tick.
	quantum, last int64
	// used is what the call took up to the last tick, spent what the record did.
	used, spent int64
	// budget is for one record, or for the whole call if there are none.
	budget int64
	// record is the one that spent is about; marked is the last record that a
	// mark was accepted for, twice if again.
	record int64
	marked int64
	again  bool
	// callAt, recordAt and tickAt are times since start.
	callAt, recordAt, tickAt time.Duration
	deadline, batchDeadline  time.Duration
	total                    int64 // of the call that ended last
	hostBytes                int64 // named by the host call in progress
	endless                  bool  // records are not told apart
}

// start is when the process began, as far as deadlines are concerned.
var start = time.Now()

func clock() time.Duration { return time.Since(start) }

// find takes the globals of an instance that may not have finished starting.
func (a *account) find(m api.Module) bool {
	if a.fuel == nil {
		a.fuel, _ = m.ExportedGlobal(meter.Fuel).(api.MutableGlobal)
		a.stack, _ = m.ExportedGlobal(meter.Stack).(api.MutableGlobal)
		a.mark, _ = m.ExportedGlobal(meter.Mark).(api.MutableGlobal)
	}
	return a.fuel != nil
}

// begin opens the account of a call. records says that the limits are those of
// records; else the call as a whole has the time of a batch and ample fuel.
func (a *account) begin(l *Limits, records bool) {
	now := clock()
	a.callAt, a.recordAt, a.tickAt = now, now, now
	a.used, a.spent, a.record, a.marked, a.again = 0, 0, 0, -1, false
	a.endless = !records
	a.budget, a.deadline, a.batchDeadline = l.Fuel, l.Deadline, l.BatchDeadline
	if !records {
		a.budget, a.deadline = max(l.Fuel, DefaultFuel), l.BatchDeadline
	}
	if a.quantum == 0 {
		a.quantum = firstQuantum
	}
	a.last = 0
	if a.fuel != nil {
		a.refill()
	}
}

// refill gives the guest its next quantum.
func (a *account) refill() {
	a.last = max(min(a.quantum, a.budget-a.spent), 1)
	a.fuel.Set(uint64(a.last))
	a.mark.Set(uint64(noMark))
}

// noMark is meter.NoMark as a variable, because the constant does not fit into
// an unsigned number.
var noMark int64 = meter.NoMark

// end closes the account of a call.
func (a *account) end() {
	if a.fuel != nil {
		a.total = a.used + a.last - int64(a.fuel.Get())
	}
}

// tick settles what was used and gives more, or ends the call.
func (in *instance) tick(m api.Module) {
	a := &in.account
	if !a.find(m) {
		panic(&fault{kind: TrapHost, detail: "a metered module has no fuel"})
	}
	if int64(a.stack.Get()) < 0 {
		panic(&fault{kind: TrapStack, limit: &LimitError{Limit: LimitStack, Value: meter.DefaultStack}})
	}
	now := clock()
	in.settle(int64(a.fuel.Get()), int64(a.mark.Get()), now)
	l := &in.module.limits
	switch {
	case a.spent > a.budget:
		panic(&fault{kind: TrapFuel, limit: &LimitError{Limit: LimitFuel, Value: a.budget}})
	case now-a.callAt > a.batchDeadline:
		panic(&fault{kind: TrapDeadline, limit: &LimitError{Limit: LimitBatchDeadline, Value: int64(l.BatchDeadline)}})
	case now-a.recordAt > a.deadline:
		panic(&fault{kind: TrapDeadline, limit: &LimitError{Limit: LimitDeadline, Value: int64(l.Deadline)}})
	case in.call.ctx != nil && in.call.ctx.Err() != nil:
		panic(&fault{ended: in.call.ctx.Err()})
	}
	switch took := now - a.tickAt; {
	case took > quantumTime:
		a.quantum = max(int64(float64(a.quantum)*float64(quantumTime)/float64(took)), minQuantum)
	case took < quantumLeft:
		a.quantum = min(2*a.quantum, maxQuantum)
	}
	a.tickAt = now
	a.refill()
}

// settle brings used, spent and record up to date. fuel is what is left of the
// quantum, mark what was left at the last mark in it.
//
// A mark counts if the progress block says that a further record began, or once
// more for the same record: the tick may have come between the two, with the
// mark of the record before. So a guest that marks in a loop gains nothing.
func (in *instance) settle(fuel, mark int64, now time.Duration) {
	a := &in.account
	took := a.last - fuel
	a.last = fuel
	a.used += took
	if a.endless {
		a.spent = a.used
		return
	}
	record := a.record
	if b, ok := in.mem.Read(in.block+abi.ProgressCurrentAt, 4); ok {
		record = max(record, int64(min(le32(b), in.call.count-1)))
	}
	if record > a.record {
		a.recordAt = now
	}
	a.record = record
	switch {
	case !in.module.marks:
		// Without marks the records' budgets are one: what one did not need is
		// there for the next.
		a.spent = a.used - a.record*a.budget
	case mark != noMark && (record > a.marked || !a.again):
		a.again = record == a.marked
		a.marked = record
		a.spent = mark - fuel
	default:
		a.spent += took
	}
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// chargeCall takes the price of a host call from the guest's fuel. The guest
// notices at its next test.
func (in *instance) chargeCall() {
	a := &in.account
	if a.fuel != nil {
		a.fuel.Set(a.fuel.Get() - uint64(callCost+a.hostBytes>>callShift))
	}
	a.hostBytes = 0
}

// markRecord is fuel_mark where it was not replaced in the module.
func (in *instance) markRecord() {
	if a := &in.account; a.fuel != nil {
		a.mark.Set(a.fuel.Get())
	}
}

// offerTick offers tick to a runtime.
func offerTick(ctx context.Context, engine wazero.Runtime) error {
	_, err := engine.NewHostModuleBuilder(meter.Module).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, _ []uint64) {
			instanceOf(ctx).tick(m)
		}), nil, nil).Export(meter.Tick).Instantiate(ctx)
	return err
}

// meterSize bounds a metered module by its original's size.
func meterSize(n int) int64 { return 2*int64(n) + 256<<10 }

// metered rewrites the module to be metered.
func (m *Module) metered(o *wasm.Module) ([]byte, *LoadError) {
	res, err := meter.Rewrite(o, meter.Options{MarkModule: abi.ImportModule, Mark: "fuel_mark", MaxSize: meterSize(len(o.Bytes))})
	if err != nil {
		e := &LoadError{Kind: Malformed, Err: err, Detail: err.Error(), Hint: "choose other names"}
		if w, ok := err.(*wasm.Error); ok && w.Problem == wasm.TooLarge {
			e.Kind, e.Hint = TooLarge, "its code has more loops and branches than a compiler makes: split it"
		}
		return nil, e
	}
	m.marks = res.Marks
	return res.Bytes, nil
}
