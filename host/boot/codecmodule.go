package boot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/host/module"
)

// moduleCodec is a codec written as a function of a wasm module. Encoding and
// decoding depend on nothing but their input, so any instance will do: each
// call takes one that is free, or makes one, and there are never more than
// calls at one time. A call belongs to its instance until it returns.
type moduleCodec struct {
	name   string
	module *module.Module
	init   *abi.Init
	head   abi.CodecHeader
	log    *slog.Logger

	mu     sync.Mutex
	free   []*codecInstance
	closed bool
}

// codecInstance is one instance with the memory its messages are built in.
type codecInstance struct {
	slot    *module.Slot
	message []byte
}

func newModuleCodec(mod *module.Module, t *manifest.CodecTable, topic string, part abi.Part, log *slog.Logger) *moduleCodec {
	return &moduleCodec{
		name: t.ID, module: mod, log: log.With("codec", t.ID, "module", mod.Name()),
		init: &abi.Init{Major: abi.Major, Minor: abi.Minor, Bindings: []abi.Binding{{Function: t.Function, Name: t.ID}}},
		head: abi.CodecHeader{Topic: []byte(topic), Part: part, Count: 1},
	}
}

// Name implements codec.Codec.
func (c *moduleCodec) Name() string { return c.name }

// Repr implements codec.Codec.
func (c *moduleCodec) Repr() codec.Repr { return codec.Msgpack }

// Decode implements codec.Codec.
func (c *moduleCodec) Decode(dst, src []byte) ([]byte, error) {
	out, null, err := c.call(dst, src, abi.KindDecode)
	if err == nil && null {
		return dst, c.refused("it answers nothing, and a record needs a value")
	}
	if err == nil {
		if bad := codec.CheckValue(out[len(dst):]); bad != nil {
			return dst, c.refused("what it answers is not one msgpack value: " + bad.Reason)
		}
	}
	return out, err
}

// Encode implements codec.Codec. A module may make a value null, which codecs
// cannot say: it is refused.
func (c *moduleCodec) Encode(dst, src []byte) ([]byte, error) {
	if bad := codec.CheckValue(src); bad != nil {
		bad.Codec = c.name
		return dst, bad
	}
	out, null, err := c.call(dst, src, abi.KindEncode)
	if err == nil && null {
		return dst, c.refused("it answers nil; to delete a key, a handler emits a record without a value")
	}
	return out, err
}

func (c *moduleCodec) refused(why string) error { return &codec.Error{Codec: c.name, Reason: why} }

// call has one value translated. A trap is tried once more in a fresh
// instance, then it is the record's fault.
func (c *moduleCodec) call(dst, src []byte, kind abi.Kind) (out []byte, null bool, err error) {
	in, err := c.take()
	if err != nil {
		return dst, false, &codec.Unavailable{Codec: c.name, Reason: err.Error()}
	}
	head := c.head
	head.Kind = kind
	in.message = abi.AppendBin(abi.AppendCodecHeader(in.message[:0], &head), src)
	for try := 1; ; try++ {
		reply, _, perr := in.slot.Process(context.Background(), 0, 1, in.message, nil)
		var trap *module.TrapError
		if errors.As(perr, &trap) {
			if try == 1 {
				c.log.Warn("codec trapped; the value is tried once more in a fresh instance", "error", trap)
				continue
			}
			c.give(in)
			return dst, false, c.refused(trap.Error())
		}
		if perr != nil {
			c.drop(in)
			return dst, false, &codec.Unavailable{Codec: c.name, Reason: perr.Error()}
		}
		out, null, err = c.answer(dst, reply)
		c.give(in)
		return out, null, err
	}
}

// answer reads the reply to a call with one value.
func (c *moduleCodec) answer(dst, reply []byte) (out []byte, null bool, err error) {
	broken := func(what string) error {
		return &codec.Unavailable{Codec: c.name, Reason: fmt.Sprintf("module %q breaks the ABI in its reply: %s; rebuild it with a current SDK", c.module.Name(), what)}
	}
	r := abi.NewReader(reply)
	var a abi.Answer
	abi.ReadAnswer(&r, &a)
	r.End()
	switch {
	case r.Err() != nil:
		return dst, false, broken(r.Err().Error())
	case a.Index != 0:
		return dst, false, broken("an answer for another value")
	case a.Status == abi.StatusError && (a.Code == abi.CodeUnbound || a.Code == abi.CodeMessage):
		return dst, false, broken(string(a.Message))
	case a.Status == abi.StatusError:
		return dst, false, c.refused(string(a.Message))
	}
	v := abi.NewReader(a.Value)
	b := v.Bin()
	if v.Err() != nil {
		return dst, false, broken("an answer that is no byte string")
	}
	return append(dst, b...), b == nil, nil
}

func (c *moduleCodec) take() (*codecInstance, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, module.ErrClosed
	}
	if n := len(c.free); n > 0 {
		in := c.free[n-1]
		c.free = c.free[:n-1]
		c.mu.Unlock()
		return in, nil
	}
	c.mu.Unlock()
	slot, err := c.module.Open(context.Background(), c.init, module.Hooks{
		Log: func(_ int32, level abi.Level, msg []byte) {
			c.log.Log(context.Background(), logLevel(level), string(msg))
		},
		Output: func(_ int32, stream module.Stream, line []byte) {
			c.log.Info(string(line), "stream", streamName(stream))
		},
	})
	if err != nil {
		return nil, err
	}
	return &codecInstance{slot: slot}, nil
}

// give puts an instance back.
func (c *moduleCodec) give(in *codecInstance) {
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.free = append(c.free, in)
	}
	c.mu.Unlock()
	if closed {
		c.drop(in)
	}
}

func (c *moduleCodec) drop(in *codecInstance) {
	if err := in.slot.Close(context.Background()); err != nil {
		c.log.Error("close an instance", "error", err)
	}
}

func (c *moduleCodec) close() {
	c.mu.Lock()
	c.closed = true
	free := c.free
	c.free = nil
	c.mu.Unlock()
	for _, in := range free {
		c.drop(in)
	}
}
