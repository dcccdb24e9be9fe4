package hosttest

import (
	"context"
	"errors"
	"slices"
	"time"
)

// What Fault, Before, After and the rules below call the operations.
const (
	OpSend        = "send"
	OpFlush       = "flush"
	OpInit        = "init"
	OpBegin       = "begin"
	OpSendOffsets = "send offsets"
	OpCommitTxn   = "commit transaction"
	OpAbortTxn    = "abort transaction"

	OpPoll          = "poll"
	OpSeek          = "seek"
	OpCommit        = "commit"
	OpCommitted     = "committed"
	OpBounds        = "bounds"
	OpGroupMetadata = "group metadata"

	OpOpenLog   = "open log"
	OpReadLog   = "read log"
	OpLogBounds = "log bounds"

	OpIdentity = "identity"
	OpPurge    = "purge"
)

// Call is one call of a client: a transactional producer by its id, a consumer
// or another client by its ID method; calls of the broker have no client.
type Call struct {
	Client, Op string
}

// LateError is a fault after which the caller has Err at once, and the request
// arrives when After has passed, as one does that was long on its way. It works
// for what changes something at the broker: OpFlush of a transactional
// producer, OpInit, OpSendOffsets, OpCommitTxn, OpAbortTxn and OpCommit. For
// all others it is Err.
type LateError struct {
	Err   error
	After time.Duration

	held *Held // from Delay: arrives when released instead
}

func (e *LateError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *LateError) Unwrap() error { return e.Err }

// Moment is a place in a call.
type Moment uint8

// Moments of a call.
const (
	BeforeEffect Moment = iota
	AfterEffect
)

// rule catches one call.
type rule struct {
	call Call
	when Moment
	err  error
	held *Held
}

func (r *rule) matches(c Call, when Moment) bool {
	return r.when == when && r.call.Op == c.Op && (r.call.Client == "" || r.call.Client == c.Client)
}

// Held is a call that waits.
type Held struct {
	reached chan struct{}
	release chan struct{}
	err     error // written before release is closed
	arrive  func() error
}

func newHeld() *Held {
	return &Held{reached: make(chan struct{}), release: make(chan struct{})}
}

// Reached is closed when the call is there.
func (h *Held) Reached() <-chan struct{} { return h.reached }

// Release lets the call go on, with err as its result unless it is nil. It is
// called once.
func (h *Held) Release(err error) {
	h.err = err
	close(h.release)
}

// Arrive lets the request of a delayed call arrive, whose caller has gone on,
// and returns what the broker answered to nobody. It is called once, after
// Reached.
func (h *Held) Arrive() error { return h.arrive() }

// Fail lets the next call that matches fail; c.Client may be empty, for any
// client. At AfterEffect the call does what it does and its caller hears err.
func (b *Broker) Fail(c Call, when Moment, err error) { b.add(&rule{c, when, err, nil}) }

// Hold lets the next call that matches wait until it is released, or its
// context ends: with BeforeEffect a zombie, whose call comes later, with
// AfterEffect one whose answer does.
func (b *Broker) Hold(c Call, when Moment) *Held {
	h := newHeld()
	b.add(&rule{c, when, nil, h})
	return h
}

// Delay lets the next call that matches return err while its request is still
// on its way: Held.Arrive brings it to the broker. See LateError for what can
// be delayed.
func (b *Broker) Delay(c Call, err error) *Held {
	h := newHeld()
	b.add(&rule{c, BeforeEffect, &LateError{Err: err, held: h}, nil})
	return h
}

func (b *Broker) add(r *rule) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules = append(b.rules, r)
}

func (b *Broker) take(c Call, when Moment) *rule {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.rules, func(r *rule) bool { return r.matches(c, when) })
	if i < 0 {
		return nil
	}
	r := b.rules[i]
	b.rules = slices.Delete(b.rules, i, i+1)
	return r
}

// Cut takes a client's connections away: its requests do not arrive, which it
// hears as a retriable error after RequestTimeout; polls find nothing, and a
// consumer loses its membership after SessionTimeout. Heal ends that.
func (b *Broker) Cut(client string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cut[client] = true
	for _, g := range b.groups {
		for _, m := range g.members {
			if m.consumer.name == client {
				b.expire(g, m)
			}
		}
	}
	b.wake()
}

// Heal gives a client its connections back.
func (b *Broker) Heal(client string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.cut, client)
	for _, g := range b.groups {
		for _, m := range g.members {
			if m.consumer.name == client {
				m.session.stop()
			}
		}
	}
	b.wake()
}

// call runs one call of a client through the hooks. effect runs with the
// broker locked; with late set it may run after the caller has gone on, so it
// must not read what the caller may change nor write what the caller reads
// after an error.
func (b *Broker) call(ctx context.Context, c Call, late bool, effect func() error) error {
	_, err := b.run(ctx, c, late, effect)
	return err
}

// run is call, and says whether the effect has run.
func (b *Broker) run(ctx context.Context, c Call, late bool, effect func() error) (ran bool, err error) {
	locked := func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		return effect()
	}
	if err := b.connected(ctx, c); err != nil {
		return false, err
	}
	if err := b.before(ctx, c); err != nil {
		var l *LateError
		if !errors.As(err, &l) || !late {
			return false, err
		}
		if l.held == nil {
			time.AfterFunc(l.After, func() { _ = locked() }) // nobody waits for the answer
		} else {
			l.held.arrive = locked
			close(l.held.reached)
		}
		return false, l.Err
	}
	return true, b.after(ctx, c, locked())
}

// connected waits while a client is cut off.
func (b *Broker) connected(ctx context.Context, c Call) error {
	var timeout *time.Timer
	for {
		b.mu.Lock()
		cut, changed := b.cut[c.Client], b.changed
		b.mu.Unlock()
		switch err := ctx.Err(); {
		case err != nil:
			return err
		case !cut:
			return nil
		}
		if timeout == nil {
			timeout = time.NewTimer(or(b.RequestTimeout, time.Second))
			defer timeout.Stop()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timeout.C:
			return answer(CodeTimedOut, Retriable, "%s: %s cannot reach the broker", c.Op, c.Client)
		case <-changed:
		}
	}
}

func (b *Broker) before(ctx context.Context, c Call) error {
	if b.Before != nil {
		if err := b.Before(c); err != nil {
			return err
		}
	}
	return b.obey(ctx, b.take(c, BeforeEffect), nil)
}

func (b *Broker) after(ctx context.Context, c Call, err error) error {
	err = b.obey(ctx, b.take(c, AfterEffect), err)
	if b.After != nil {
		err = b.After(c, err)
	}
	return err
}

// obey does what a rule says and returns the call's result.
func (b *Broker) obey(ctx context.Context, r *rule, err error) error {
	switch {
	case r == nil:
		return err
	case r.held == nil:
		return r.err
	}
	close(r.held.reached)
	select {
	case <-r.held.release:
	case <-ctx.Done():
		return ctx.Err()
	}
	if r.held.err != nil {
		return r.held.err
	}
	return err
}

// wait waits until done, which it asks with the broker locked, says so.
func (b *Broker) wait(ctx context.Context, done func() bool) error {
	for {
		b.mu.Lock()
		ok, changed := done(), b.changed
		b.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// alarm is a timer that runs f with the broker locked, unless it was stopped.
type alarm struct{ timer *time.Timer }

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}

// set replaces what was set before.
func (a *alarm) set(b *Broker, d time.Duration, f func()) {
	a.stop()
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if a.timer == t { // it may have been stopped while this waited for the lock
			f()
		}
	})
	a.timer = t
}
