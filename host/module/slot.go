package module

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/sliphost/sliphost/abi"
)

// Slot is one worker's place for a module: an active instance and a spare that
// is kept ready. Process and Close must not run at the same time as another
// call; they answer ErrBusy if they do. RequestStop and ClearStop may be called
// from any goroutine.
type Slot struct {
	module *Module
	hooks  Hooks
	init   []byte
	// functions and names are those of the bindings, for errors.
	functions []string
	lines     limiter
	metrics   limiter
	kinds     map[string]abi.MetricKind
	now       func() int64

	busy   atomic.Bool
	closed bool
	active *instance
	// out collects pieces of a reply, and replies of instances that are gone.
	out []byte
	// fuel is what the last call took.
	fuel int64

	// spare delivers the next instance; one goroutine fills it at a time.
	spare chan prepared
	ended sync.WaitGroup

	// stop says that a stop was requested and not yet honoured. stopWord is the
	// active instance's, or nil; both change under stopMu only.
	stopMu   sync.Mutex
	stop     atomic.Bool
	stopWord *uint32
}

type prepared struct {
	in  *instance
	err error
}

// Open starts an instance with the given bindings and begins to prepare the
// spare. The errors are *InitError, *BrokenError and the context's.
func (m *Module) Open(ctx context.Context, init *abi.Init, hooks Hooks) (*Slot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &Slot{
		module:  m,
		hooks:   hooks,
		init:    m.initMessage(init),
		lines:   limiter{rate: m.limits.LogLines},
		metrics: limiter{rate: m.limits.Metrics},
		kinds:   map[string]abi.MetricKind{},
		now:     seconds,
		spare:   make(chan prepared, 1),
	}
	for i := range init.Bindings {
		s.functions = append(s.functions, init.Bindings[i].Function)
	}
	m.slots.Add(1)
	in, err := s.start()
	if err != nil {
		m.slots.Add(-1)
		return nil, err
	}
	s.use(in)
	s.prepare()
	return s, nil
}

// initMessage tells a module that it is metered, if it knows what that means.
func (m *Module) initMessage(init *abi.Init) []byte {
	msg := *init
	if !m.unmetered {
		msg.Features |= abi.FeatureMetered & m.describe.Features
	}
	return abi.AppendInit(nil, &msg)
}

// start makes an instance that has seen slip_init.
func (s *Slot) start() (*instance, error) {
	in, export, err := s.module.newInstance(s)
	if err == nil {
		export, err = in.init(s.init)
	}
	if err != nil {
		err = in.explain(err, export, "")
		in.close()
		var trap *TrapError
		if errors.As(err, &trap) {
			// No record is to blame for it, so it must not look like one that is.
			err = &InitError{Module: s.module.name, Message: clause(trap)}
		}
		return nil, err
	}
	return in, nil
}

// prepare starts the goroutine that makes the next spare.
func (s *Slot) prepare() {
	s.ended.Add(1)
	go func() {
		defer s.ended.Done()
		in, err := s.start()
		if err != nil {
			s.module.runtime.log.Error("module: prepare a spare instance", "module", s.module.name, "error", err.Error())
		}
		s.spare <- prepared{in, err}
	}()
}

// use makes in the active instance.
func (s *Slot) use(in *instance) {
	s.active = in
	s.stopMu.Lock()
	s.stopWord = in.stop
	if s.stop.Load() {
		requestStop(in.stop)
	}
	s.stopMu.Unlock()
	in.print.activate()
}

// retire drops the active instance. A stop request is honoured by it: the
// caller gets control.
func (s *Slot) retire() {
	s.stopMu.Lock()
	s.stop.Store(false)
	s.stopMu.Unlock()
	s.drop()
}

// drop closes the active instance; the next call starts with the spare.
func (s *Slot) drop() {
	s.stopMu.Lock()
	s.stopWord = nil
	s.stopMu.Unlock()
	s.active.close()
	s.active = nil
}

// Renew drops the active instance, so that the next call starts with the spare:
// its memory saw records whose effects were rolled back. A stop request stays.
// It must not run during another call.
func (s *Slot) Renew() {
	if !s.busy.CompareAndSwap(false, true) {
		return
	}
	defer s.busy.Store(false)
	if s.active != nil {
		s.drop()
	}
}

// ready makes sure there is an active instance.
func (s *Slot) ready(ctx context.Context) error {
	if s.active != nil {
		return nil
	}
	select {
	case p := <-s.spare:
		s.prepare()
		if p.err != nil {
			return p.err
		}
		s.use(p.in)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Process hands one batch to a handler, which is a position in the bindings of
// Init. head is the batch's head (abi.AppendBatchHeader) and records are its
// count records in the ABI's form; both are copied and not kept.
//
// reply holds the results of the first done records in input order, pieces
// joined; it may go on with unfinished pieces of the next one, which do not
// count. It may alias guest memory and is valid until the next call into the
// slot. Its bytes are inside the guest's memory, but not otherwise checked.
//
// done is count unless a stop was requested or there is an error:
//   - *TrapError: Guilty says which record; the results before it are in reply.
//     The instance is gone, the spare takes the next call.
//   - *BrokenError: nothing of this call can be believed; done is 0.
//   - *InitError: no instance could be started; nothing was handed over. The
//     next call tries again.
//   - ErrState: State could not do its work; nothing of this call counts.
//   - the context's error: it ended before the call or during it, which ends a
//     guest that computes within about a millisecond; nothing of this call
//     counts. RequestStop is the way to keep what is done.
func (s *Slot) Process(ctx context.Context, handler, count int32, head, records []byte) (reply []byte, done int32, err error) {
	if !s.busy.CompareAndSwap(false, true) {
		return nil, 0, ErrBusy
	}
	defer s.busy.Store(false)
	if s.closed {
		return nil, 0, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if handler < 0 || int(handler) >= len(s.functions) || count < 1 {
		return nil, 0, fmt.Errorf("process batch: there is no handler %d or no batch of %d records", handler, count)
	}
	if err := s.ready(ctx); err != nil {
		return nil, 0, err
	}
	if cap(s.out) > keepOut {
		s.out = nil
	}
	s.out = s.out[:0]
	in := s.active
	if err := in.begin(ctx, handler, count, head, records); err != nil {
		return s.failed(in, err, exportAlloc)
	}
	err = in.process.CallWithStack(&in.ctx, in.stack[:])
	in.account.end()
	s.fuel = in.account.total
	in.call.ctx = nil
	if in.print.pending {
		in.print.endCall(err != nil)
	}
	if err != nil {
		return s.failed(in, err, exportProcess)
	}
	return s.finished(in, in.stack[0])
}

// Fuel is what the last call of Process took, in units of fuel: about
// instructions. Equal modules that were given equal calls take equal fuel.
// Like Process it must not run during another call.
func (s *Slot) Fuel() int64 { return s.fuel }

// keepOut is how large a buffer for pieces is kept between calls.
const keepOut = 1 << 20

// finished checks what a call that returned has answered.
func (s *Slot) finished(in *instance, packed uint64) ([]byte, int32, error) {
	b, ok := in.read(packed)
	if !ok {
		return s.broken(in, brokenFault("its reply of %d bytes at address %d is outside its memory of %d bytes", uint32(packed), packed>>32, in.mem.Size()), exportProcess)
	}
	p, err := in.look()
	if err != nil {
		return s.broken(in, err, exportProcess)
	}
	stopped := s.honour(in)
	if p.done < in.call.count && (!stopped || p.done == 0) {
		return s.broken(in, brokenFault("it returned after %d of %d records", p.done, in.call.count), exportProcess)
	}
	if len(s.out) > 0 {
		s.out = append(s.out, b...)
		b = s.out
	}
	return b, int32(p.done), nil
}

// honour ends a stop request, now that the caller has control again, and says
// whether there was one.
func (s *Slot) honour(in *instance) bool {
	if !s.stop.Load() {
		return false
	}
	s.stopMu.Lock()
	defer s.stopMu.Unlock()
	s.stop.Store(false)
	clearStop(in.stop)
	return true
}

// failed turns a call that did not return into what the caller gets.
func (s *Slot) failed(in *instance, err error, export string) ([]byte, int32, error) {
	var f *fault
	if errors.As(err, &f) && f.broken {
		return s.broken(in, err, export)
	}
	if f != nil && f.ended != nil {
		s.retire()
		return nil, 0, f.ended
	}
	if f != nil && f.state {
		s.retire()
		return nil, 0, ErrState
	}
	if export == exportAlloc {
		t := in.explain(err, export, "")
		var trap *TrapError
		if errors.As(t, &trap) {
			trap.Guilty = -1
			if in.call.count == 1 {
				trap.Guilty = 0
			}
		}
		s.retire()
		return nil, 0, t
	}
	p, bad := in.look()
	if bad != nil {
		return s.broken(in, bad, exportProcess)
	}
	if what := p.checkReply(in.mem.Size()); what != "" {
		return s.broken(in, &fault{broken: true, detail: what}, exportProcess)
	}
	b, _ := in.mem.Read(p.replyAt, p.replyLen)
	s.out = append(s.out, b...)
	err = in.explain(err, export, s.functions[in.call.handler])
	var trap *TrapError
	if errors.As(err, &trap) {
		trap.Guilty = int32(p.done)
		if p.done == in.call.count {
			trap.Guilty = -1
		}
	}
	s.retire()
	return s.out, int32(p.done), err
}

// broken drops the instance and everything it said.
func (s *Slot) broken(in *instance, err error, export string) ([]byte, int32, error) {
	err = in.explain(err, export, "")
	s.retire()
	return nil, 0, err
}

// RequestStop asks the guest to return after the record it is handling; the
// stop word is set at once, whether or not the guest makes host calls. The
// request ends when a call returns. Made while no call runs, it makes the next
// call return after one record unless ClearStop comes first.
func (s *Slot) RequestStop() {
	s.stopMu.Lock()
	defer s.stopMu.Unlock()
	s.stop.Store(true)
	if s.stopWord != nil {
		requestStop(s.stopWord)
	}
}

// ClearStop takes a request back.
func (s *Slot) ClearStop() {
	s.stopMu.Lock()
	defer s.stopMu.Unlock()
	s.stop.Store(false)
	if s.stopWord != nil {
		clearStop(s.stopWord)
	}
}

// Close waits for the spare that is being prepared and frees both instances.
// A reply of Process is not valid afterwards. Closing twice is allowed.
func (s *Slot) Close(context.Context) error {
	if !s.busy.CompareAndSwap(false, true) {
		return ErrBusy
	}
	defer s.busy.Store(false)
	if s.closed {
		return nil
	}
	s.closed = true
	if s.active != nil {
		s.retire()
	}
	s.ended.Wait()
	if p := <-s.spare; p.in != nil {
		p.in.close()
	}
	s.reportSuppressed()
	s.module.slots.Add(-1)
	return nil
}
