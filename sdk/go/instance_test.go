//go:build !wasip1

package slip

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/abi"
)

// recorder is a host that notes what it is told.
type recorder struct {
	flushed   []byte
	pieces    int
	largest   int
	lens      []uint32
	rollbacks int
	marks     int
	full      bool
	in        *instance
	onMark    func()
	// answer is what checkpoints answer, sought what was sought.
	answer []byte
	sought []abi.Position
}

func (h *recorder) Flush(b []byte) int32 {
	h.flushed = append(h.flushed, b...)
	h.pieces++
	h.largest = max(h.largest, len(b))
	h.lens = append(h.lens, h.in.progress[progressLen])
	if h.full {
		return abi.ResultLimit
	}
	return 0
}
func (h *recorder) Log(abi.Level, string)                       {}
func (h *recorder) Metric(abi.MetricKind, string, float64)      {}
func (h *recorder) CacheGet(_ int32, key, buf []byte) int64     { return int64(copy(buf, key)) }
func (h *recorder) CachePut(int32, []byte, []byte) int32        { return 0 }
func (h *recorder) CacheDelete(int32, []byte) int32             { return abi.ResultLimit }
func (h *recorder) CacheDeleteRange(_ int32, _, _ []byte) int32 { return abi.ResultLimit }
func (h *recorder) CacheScan(int32, []byte, []byte) int64       { return abi.ResultUnbound }
func (h *recorder) CacheGetMany(int32, []byte, []byte) int64    { return abi.ResultUnbound }
func (h *recorder) Savepoint(int32) int32                       { h.rollbacks++; return 0 }
func (h *recorder) StreamTime() int64                           { return 7 }
func (h *recorder) CheckpointHeartbeat(_ int32, _, buf []byte) int64 {
	copy(buf, h.answer)
	return int64(len(h.answer))
}

func (h *recorder) CheckpointPulse(_ int32, _, buf []byte) int64 {
	copy(buf, h.answer)
	return int64(len(h.answer))
}

func (h *recorder) Seek(source, partition int32, offset int64) int32 {
	h.sought = append(h.sought, abi.Position{Source: source, Partition: partition, Offset: offset})
	return 0
}

func (h *recorder) FuelMark() {
	h.marks++
	if h.onMark != nil {
		h.onMark()
	}
}

// one returns an instance that binds fn, with two sinks and a cache.
func one(t testing.TB, fn Func, bindings ...Binding) (*instance, *recorder) {
	t.Helper()
	h := &handler{fn: fn, desc: abi.HandlerDesc{Name: "f"}}
	for _, b := range bindings {
		b.bind(h)
	}
	before := registry
	registry = []*handler{h}
	defer func() { registry = before }()
	b := abi.Binding{Function: "f", Name: "id", Caches: h.desc.Caches, Checkpoints: h.desc.Checkpoints, Sources: []abi.Endpoint{{Name: "in"}}}
	for _, s := range append(h.desc.Sinks, "x", "y") {
		b.Sinks = append(b.Sinks, abi.Endpoint{Name: s})
	}
	for _, p := range h.desc.Params {
		b.Params = append(b.Params, abi.Param{Name: p.Name, Value: p.Default})
	}
	host := &recorder{}
	in := &instance{hostState: hostState{host}}
	host.in = in
	reply, err := abi.ReadInitReply(in.init(abi.AppendInit(nil, &abi.Init{
		Major: abi.Major, Features: abi.FeatureMetered, Bindings: []abi.Binding{b},
	}), 4, 0))
	if err != nil || reply.Status != abi.StatusOK {
		t.Fatalf("init: %v %s", err, reply.Message)
	}
	return in, host
}

func batchOf(values ...[]byte) []byte {
	msg := abi.AppendBatchHeader(nil, &abi.BatchHeader{BaseOffset: 10, BaseTimestamp: 100, Count: int32(len(values))})
	for i, v := range values {
		msg = abi.AppendRecord(msg, int64(i), int64(i), []byte("k"), v, nil)
	}
	return msg
}

func texts(values ...string) [][]byte {
	var b [][]byte
	for _, v := range values {
		b = append(b, []byte(v))
	}
	return b
}

// stream reads a reply stream: the outputs of each record that has an ok, the
// error of each that has one.
func stream(t testing.TB, b []byte) (outputs map[int32][]abi.Output, failed map[int32]string) {
	t.Helper()
	outputs, failed = map[int32][]abi.Output{}, map[int32]string{}
	var pending []abi.Output
	r := abi.NewReader(b)
	for r.Len() > 0 {
		var res abi.Result
		abi.ReadResult(&r, &res)
		if res.Status == abi.StatusError {
			failed[res.Index] = string(res.Message)
			pending = nil
			continue
		}
		for range res.Outputs {
			var o abi.Output
			abi.ReadOutput(&r, &o)
			pending = append(pending, o)
		}
		abi.EndResult(&r, &res)
		if res.Status == abi.StatusOK {
			if _, twice := outputs[res.Index]; twice {
				t.Errorf("two results of record %d", res.Index)
			}
			outputs[res.Index], pending = pending, nil
		}
	}
	if r.Err() != nil || pending != nil {
		t.Fatalf("reply: %v, %d outputs without a final result", r.Err(), len(pending))
	}
	return outputs, failed
}

func TestManyOutputsLeaveInPiecesOfBoundedSize(t *testing.T) {
	const n = 1_000_000
	in, host := one(t, func(c *Call, rec Record) error {
		if rec.Offset != 11 {
			c.Emit(rec.Key, rec.Value)
			return nil
		}
		var buf [20]byte
		for i := range n {
			c.Emit(nil, strconv.AppendInt(buf[:0], int64(i), 10))
		}
		return nil
	})
	rest := in.process(0, batchOf(texts("a", "b", "c")...))
	if host.largest > replyLimit || cap(in.replies.mem) > replyLimit {
		t.Errorf("a piece of %d bytes, a buffer of %d: more than %d", host.largest, cap(in.replies.mem), replyLimit)
	}
	outputs, failed := stream(t, append(host.flushed, rest...))
	if len(failed) > 0 || len(outputs) != 3 || len(outputs[1]) != n {
		t.Fatalf("%d records, %d outputs of the second, failures %v", len(outputs), len(outputs[1]), failed)
	}
	for i, o := range outputs[1] {
		if string(o.Value) != strconv.Itoa(i) {
			t.Fatalf("output %d is %q", i, o.Value)
		}
	}
	if in.progress[progressDone] != 3 || in.progress[progressLen] != uint32(len(rest)) {
		t.Errorf("progress %v, rest %d", in.progress, len(rest))
	}
}

func TestAnErrorVoidsOutputsInTheBufferAndThoseHandedOver(t *testing.T) {
	for _, n := range []int{1, 20, 100_000} {
		in, host := one(t, func(c *Call, rec Record) error {
			for range n {
				c.Emit(rec.Key, rec.Value)
			}
			if string(rec.Value) == "bad" {
				return errors.New("no")
			}
			return nil
		})
		rest := in.process(0, batchOf(texts("a", "bad", "c")...))
		outputs, failed := stream(t, append(host.flushed, rest...))
		if len(outputs) != 2 || len(outputs[0]) != n || len(outputs[2]) != n || failed[1] != "no" {
			t.Errorf("n=%d: %d records with outputs, failures %v", n, len(outputs), failed)
		}
	}
}

func TestTheBlockNeverNamesBytesThatWereHandedOver(t *testing.T) {
	in, host := one(t, func(c *Call, rec Record) error {
		c.Emit(nil, make([]byte, 100_000))
		return nil
	})
	in.process(0, batchOf(texts("a", "b", "c", "d", "e")...))
	// While the host takes a piece the block still names the finished results
	// in it, so a trap at that moment loses nothing.
	if host.pieces != 2 || host.lens[0] == 0 {
		t.Errorf("%d pieces, block said %v", host.pieces, host.lens)
	}
}

func TestALargeOutputMakesRoomForItself(t *testing.T) {
	in, host := one(t, func(c *Call, rec Record) error {
		c.Emit(rec.Key, rec.Value)
		return nil
	})
	big := bytes.Repeat([]byte("x"), 3*replyLimit)
	rest := in.process(0, batchOf([]byte("a"), big, []byte("c")))
	outputs, _ := stream(t, append(host.flushed, rest...))
	if len(outputs) != 3 || !bytes.Equal(outputs[1][0].Value, big) {
		t.Errorf("%d records, want 3 and the large value whole", len(outputs))
	}
}

func TestAFullHostFailsTheRecord(t *testing.T) {
	in, host := one(t, func(c *Call, rec Record) error {
		for range 10 {
			c.Emit(nil, make([]byte, 100_000))
		}
		return nil
	})
	host.full = true
	_, failed := stream(t, in.process(0, batchOf(texts("a")...)))
	if !strings.Contains(failed[0], "takes no more outputs") {
		t.Errorf("failed %v", failed)
	}
}

func TestStopEndsTheBatch(t *testing.T) {
	in, host := one(t, func(c *Call, rec Record) error { c.Emit(nil, rec.Value); return nil })
	host.onMark = func() {
		if host.marks == 2 {
			in.progress[progressStop] = 1
		}
	}
	outputs, _ := stream(t, in.process(0, batchOf(texts("a", "b", "c")...)))
	if len(outputs) != 2 || in.progress[progressDone] != 2 || in.progress[progressCurrent] != 1 {
		t.Errorf("%d outputs, progress %v", len(outputs), in.progress)
	}
}

func TestRollbackIsAskedForOnlyAfterACacheCall(t *testing.T) {
	cache := Cache("c")
	in, host := one(t, func(c *Call, rec Record) error {
		if string(rec.Value) == "write" {
			if err := cache.Put(c, rec.Key, rec.Value); err != nil {
				return err
			}
		}
		return errors.New("no")
	}, cache)
	in.process(0, batchOf(texts("a", "write", "b")...))
	if host.rollbacks != 1 {
		t.Errorf("%d rollbacks, want 1", host.rollbacks)
	}
}

func TestOtherKindsAreAnsweredUnbound(t *testing.T) {
	in, _ := one(t, func(c *Call, rec Record) error { return nil })
	for _, msg := range [][]byte{
		abi.AppendSelftest(nil),
		{0x92, 0xcd, 0x01, 0x2c, 0x00}, // kind 300
	} {
		_, failed := stream(t, in.process(0, msg))
		if !strings.Contains(failed[0], "takes no message of kind") || in.progress[progressDone] != 1 {
			t.Errorf("%x: %v, progress %v", msg, failed, in.progress)
		}
	}
	_, failed := stream(t, in.process(5, batchOf(texts("a")...)))
	if !strings.Contains(failed[0], "binds no handler") {
		t.Errorf("handler 5: %v", failed)
	}
	_, failed = stream(t, in.process(0, []byte{0x91}))
	if !strings.Contains(failed[0], "message byte") {
		t.Errorf("broken message: %v", failed)
	}
}

func TestTicksAndReplaysAreRecords(t *testing.T) {
	for _, kind := range []abi.Kind{abi.KindTimer, abi.KindReplayed} {
		in, _ := one(t, func(c *Call, rec Record) error {
			c.Emit(nil, []byte(strconv.FormatInt(rec.Offset, 10)))
			return nil
		})
		msg := abi.AppendBatchHeader(nil, &abi.BatchHeader{Kind: kind, BaseOffset: 28333333, BaseTimestamp: 1_700_000_000_000, Count: 1})
		outputs, failed := stream(t, in.process(0, abi.AppendRecord(msg, 0, 0, nil, nil, nil)))
		if len(failed) > 0 || string(outputs[0][0].Value) != "28333333" {
			t.Errorf("kind %d: %v %v", kind, outputs, failed)
		}
	}
}

func TestABrokenRecordFailsWithItsPlace(t *testing.T) {
	in, _ := one(t, func(c *Call, rec Record) error { c.Emit(nil, rec.Value); return nil })
	msg := batchOf(texts("a", "b")...)
	outputs, failed := stream(t, in.process(0, msg[:len(msg)-1]))
	if len(outputs) != 1 || !strings.Contains(failed[1], "message byte") {
		t.Errorf("outputs %v, failed %v", outputs, failed)
	}
}

func TestACallEndsWithItsHandler(t *testing.T) {
	var kept *Call
	in, _ := one(t, func(c *Call, rec Record) error { kept = c; return nil })
	in.process(0, batchOf(texts("a")...))
	defer func() {
		if text, _ := recover().(string); !strings.Contains(text, "after its handler returned") {
			t.Errorf("panic %q", text)
		}
	}()
	kept.Emit(nil, nil)
}

func TestACallThatAGoroutineHoldsIsNeverReused(t *testing.T) {
	release, ended, calls := make(chan struct{}), make(chan struct{}), map[*Call]int{}
	in, _ := one(t, func(c *Call, rec Record) error {
		calls[c]++
		if len(calls) == 1 && calls[c] == 1 {
			go func() {
				defer close(ended)
				<-release
				_ = c
			}()
		}
		return nil
	})
	var first *Call
	for i := range 300 {
		in.process(0, batchOf(texts("a")...))
		if i == 0 {
			for c := range calls {
				first = c
			}
		}
	}
	close(release)
	<-ended
	if calls[first] != 1 {
		t.Errorf("the call that a goroutine holds was used %d times", calls[first])
	}
}

func TestProcessDoesNotAllocate(t *testing.T) {
	headers := abi.AppendHeader(abi.AppendArrayHeader(nil, 1), "h", []byte("v"))
	msg := abi.AppendBatchHeader(nil, &abi.BatchHeader{Count: 200})
	for i := range 200 {
		msg = abi.AppendRecord(msg, int64(i), int64(-i), []byte("key"), bytes.Repeat([]byte("v"), i*3), headers)
	}
	in, _ := one(t, func(c *Call, rec Record) error {
		c.Emit(rec.Key, rec.Value)
		c.EmitRecord(Out{Key: rec.Key, Value: rec.Value, Headers: rec.Headers()}.At(rec.Timestamp).To(1))
		return nil
	})
	host := in.host.(*recorder)
	if n := testing.AllocsPerRun(20, func() {
		host.flushed, host.lens = host.flushed[:0], host.lens[:0]
		in.process(0, msg)
	}); n > 0 {
		t.Errorf("%v allocations a batch of 200 records", n)
	}
}

func TestInitRefusesWhatDoesNotFit(t *testing.T) {
	in, _ := one(t, func(c *Call, rec Record) error { return nil })
	for _, tc := range []struct {
		msg  []byte
		want string
	}{
		{[]byte{0x90}, "want an init message"},
		{abi.AppendInit(nil, &abi.Init{Major: 2}), "another major version"},
		{abi.AppendInit(nil, &abi.Init{Major: 1, Bindings: []abi.Binding{{Function: "nope", Name: "x"}}}), `no handler "nope"`},
	} {
		reply, err := abi.ReadInitReply(in.init(tc.msg, 0, 0))
		if err != nil || reply.Status != abi.StatusError || !strings.Contains(reply.Message, tc.want) {
			t.Errorf("%x: %v %q, want %q", tc.msg, err, reply.Message, tc.want)
		}
	}
}

func TestErrorTextsAreCutAtACharacter(t *testing.T) {
	long := strings.Repeat("\u00e4", 3000)
	if got := cut(long); len(got) != 4096 || got != long[:4096] {
		t.Errorf("%d bytes", len(got))
	}
	if got := cut("x" + long); len(got) != 4095 {
		t.Errorf("%d bytes, want a whole character less", len(got))
	}
}

func TestErrorsKeepTheirCodeWhenWrapped(t *testing.T) {
	wrap := func(err error) error { return errors.Join(errors.New("outer"), err) }
	for _, tc := range []struct {
		err   error
		code  abi.ErrorCode
		after int64
	}{
		{errors.New("x"), abi.CodeFailed, 0},
		{Drop("x"), abi.CodeDrop, 0},
		{Retry(50, "x"), abi.CodeRetry, 50},
		{Retry(-1, "x"), abi.CodeRetry, 0},
		{wrap(Drop("x")), abi.CodeDrop, 0},
		{wrap(wrap(Retry(9, "x"))), abi.CodeRetry, 9},
		{&abi.SyntaxError{Want: "x"}, abi.CodeDecode, 0},
	} {
		code, text, after := classify(tc.err)
		if code != tc.code || after != tc.after || text != tc.err.Error() {
			t.Errorf("%v: code %d after %d text %q", tc.err, code, after, text)
		}
	}
}
