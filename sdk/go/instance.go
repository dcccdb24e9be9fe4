package slip

import (
	"runtime"
	"strconv"
	"unsafe"

	"github.com/sliphost/sliphost/abi"
)

// Words of the progress block.
const (
	progressMagic   = abi.ProgressMagicAt / 4
	progressCurrent = abi.ProgressCurrentAt / 4
	progressDone    = abi.ProgressDoneAt / 4
	progressReply   = abi.ProgressReplyAt / 4
	progressLen     = abi.ProgressLenAt / 4
	progressStop    = abi.ProgressStopAt / 4
	progressWords   = abi.ProgressSize / 4
)

// instance is a module between init and its end: one in a guest, one per test
// natively. All memory that a record needs is kept for the next.
type instance struct {
	hostState
	bindings []binding
	metered  bool
	// goroutines is the least number there ever was between two records.
	goroutines int
	// touched says that the current record made a cache call.
	touched bool

	progress [progressWords]uint32
	reader   abi.Reader
	// head is that of the batch now handled; a variable would have to be cleared
	// first, which takes a guest as long as reading it.
	head    abi.BatchHeader
	replies replies
	// calls is a ring, used up to callAt.
	calls  []Call
	callAt int

	// msg are the records of the batch now handled, the current one and those
	// behind it being the last left bytes.
	msg  []byte
	left int

	// arena and maps hold what lives until the handler returns; writer, keeper,
	// request and number what lives shorter.
	arena    arena
	maps     []*Map
	mapsUsed int
	writer   Writer
	keeper   Writer
	request  []byte
	number   [8]byte
	// pages are buffers of scans, of which the first scans are in use.
	pages [][]byte
	scans int
	// swept is forgotten when what was removed may be back.
	swept []sweep
	// windows is memory for those that an update returns or finds.
	windows []Window
}

// binding is one handler of the manifest.
type binding struct {
	h    *handler
	name string
	// sinkIDs, cacheIDs and params are indexed by a Ref's number; -1 is unbound.
	sinkIDs, cacheIDs, checkpointIDs []int32

	params         []paramValue
	sinks, sources []abi.Endpoint
	// every is the endpoint that stands for all sinks, nil if they differ.
	every *abi.Endpoint
}

// init reads an Init message and returns the InitReply message. capacity is
// that of the input arena, address where the progress block lies.
func (in *instance) init(msg []byte, address uintptr, capacity int) []byte {
	m, err := abi.ReadInit(msg)
	if err != nil {
		return refuse(&recordError{code: abi.CodeMessage, text: err.Error()})
	}
	if m.Major != abi.Major {
		return refuse(&recordError{code: abi.CodeMessage, text: "the host speaks another major version of the ABI"})
	}
	in.bindings = make([]binding, len(m.Bindings))
	for i := range m.Bindings {
		if err := in.bindings[i].set(&m.Bindings[i]); err != nil {
			return refuse(err)
		}
	}
	in.metered = m.Features&abi.FeatureMetered != 0
	in.goroutines = runtime.NumGoroutine()
	in.calls, in.callAt = newCalls(in), 0
	in.replies = replies{in: in, mem: make([]byte, replyLimit)}
	in.progress[progressMagic] = abi.ProgressMagic
	return accept(uint64(address), uint64(capacity))
}

// set fills b from the manifest's side.
func (b *binding) set(m *abi.Binding) *recordError {
	h := findHandler(m.Function)
	if h == nil {
		return &recordError{code: abi.CodeUnbound, text: "the module has no handler \"" + m.Function + "\""}
	}
	b.h, b.name, b.sinks, b.sources = h, m.Name, m.Sinks, m.Sources
	var err *recordError
	if b.sinkIDs, err = b.place("sink", sinkRefs, h.sinks, len(m.Sinks), func(i int) string { return m.Sinks[i].Name }); err != nil {
		return err
	}
	if b.cacheIDs, err = b.place("cache", cacheRefs, h.caches, len(m.Caches), func(i int) string { return m.Caches[i] }); err != nil {
		return err
	}
	if b.checkpointIDs, err = b.place("checkpoint", checkpointRefs, h.checkpoints,
		len(m.Checkpoints), func(i int) string { return m.Checkpoints[i] }); err != nil {
		return err
	}
	b.params = make([]paramValue, paramRefs)
	for _, p := range h.params {
		for i := range m.Params {
			if m.Params[i].Name != p.desc.Name {
				continue
			}
			v, err := p.decode(m.Params[i].Value)
			if err != nil {
				return &recordError{code: abi.CodeParam, text: "handler \"" + m.Name + "\": parameter \"" +
					p.desc.Name + "\": " + err.Error()}
			}
			b.params[p.index] = v
		}
		if !b.params[p.index].set {
			return b.missing("parameter", p.desc.Name)
		}
	}
	if len(b.sinks) > 0 {
		b.every = &b.sinks[0]
		for i := range b.sinks {
			if b.sinks[i].Value != b.every.Value {
				b.every = nil
				break
			}
		}
	}
	return nil
}

// place returns the positions of refs among the names of a binding, by the
// refs' numbers, of which there are total; -1 where there is none.
func (b *binding) place(kind string, total int, refs []ref, names int, name func(i int) string) ([]int32, *recordError) {
	ids := make([]int32, total)
	for i := range ids {
		ids[i] = -1
	}
	for _, r := range refs {
		for i := range names {
			if name(i) == r.name {
				ids[r.index] = int32(i)
				break
			}
		}
		if ids[r.index] < 0 {
			return nil, b.missing(kind, r.name)
		}
	}
	return ids, nil
}

func (b *binding) missing(kind, name string) *recordError {
	return &recordError{code: abi.CodeUnbound, text: "handler \"" + b.name + "\": " + kind + " \"" + name + "\" is not bound"}
}

// everyError says why a value cannot go to every sink.
func (b *binding) everyError() string {
	if len(b.sinks) == 0 {
		return "handler \"" + b.name + "\" has no sink to encode a value for"
	}
	return "the sinks of handler \"" + b.name + "\" have different representations: emit to each by name, or give their topics one codec"
}

// process handles one Batch message and returns what is left of the reply
// stream, valid until the next call.
func (in *instance) process(handler int32, msg []byte) []byte {
	r := &in.replies
	r.n = 0
	head := &in.head
	size := quickHeader(msg, head)
	if size == 0 || handler < 0 || int(handler) >= len(in.bindings) || !records(head.Kind) {
		if t := in.taker(handler, msg); t != nil {
			t.run(t, in, &in.bindings[handler], msg)
			return r.bytes()
		}
		var err error
		if size, err = in.readHeader(handler, msg, head); err != nil {
			r.begin(0)
			r.fail(err)
			in.finish(0)
			return r.bytes()
		}
	}
	in.run(&in.bindings[handler], msg[size:])
	return r.bytes()
}

// records says whether a batch of that kind is laid out as records.
func records(k abi.Kind) bool {
	return k == abi.KindRecords || k == abi.KindReplayed || k == abi.KindTimer
}

// readHeader reads the head of a batch that the handler takes and returns the
// bytes it takes.
func (in *instance) readHeader(handler int32, msg []byte, head *abi.BatchHeader) (int, error) {
	if handler < 0 || int(handler) >= len(in.bindings) {
		return 0, &recordError{code: abi.CodeUnbound, text: "the init message binds no handler of this number"}
	}
	if kind := kindOfBatch(msg); !records(kind) {
		return 0, &recordError{code: abi.CodeUnbound, text: "handler \"" + in.bindings[handler].h.desc.Name +
			"\" takes no message of kind " + strconv.Itoa(int(kind))}
	}
	in.reader.Reset(msg)
	abi.ReadBatchHeader(&in.reader, head)
	if err := in.reader.Err(); err != nil {
		return 0, &recordError{code: abi.CodeMessage, text: err.Error()}
	}
	return in.reader.Offset(), nil
}

// kindOfBatch reads the kind alone: messages of other kinds have another
// layout behind it. A message that cannot be read is taken for records, whose
// reader then says what is wrong with it.
func kindOfBatch(msg []byte) abi.Kind {
	r := abi.NewReader(msg)
	r.ArrayMin(1, "a batch of at least 1 field")
	if kind := r.Uint(); r.Err() == nil && kind <= 255 {
		return abi.Kind(kind)
	} else if r.Err() == nil {
		return 255
	}
	return abi.KindRecords
}

// run calls the handler for each record of the batch.
func (in *instance) run(b *binding, msg []byte) {
	p, r, head := &in.progress, &in.replies, &in.head
	var rec Record
	rec.Partition = head.Partition
	fn := b.h.fn
	in.msg = msg
	for i := range head.Count {
		r.begin(i)
		in.left = len(msg)
		var headers []byte
		size := quickRecord(msg, &rec)
		if size == 0 {
			var err error
			if headers, size, err = in.readRecord(msg, &rec); err != nil {
				r.fail(&recordError{code: abi.CodeMessage, text: err.Error()})
				in.finish(i)
				return
			}
		}
		msg = msg[size:]
		rec.Offset += head.BaseOffset
		rec.Timestamp += head.BaseTimestamp
		p[progressCurrent] = uint32(i)
		if in.metered {
			hostFuelMark(in)
		}

		if in.callAt == len(in.calls) {
			in.renewCalls()
		}
		c := &in.calls[in.callAt]
		in.callAt++
		c.b, c.source, c.headers, c.live = b, head.Source, headers, true
		rec.call = c
		in.arena.reset()
		in.mapsUsed, in.scans, in.touched = 0, 0, false
		err := fn(c, rec)
		c.live = false
		if c.err != nil {
			// A failure that no method returned decides also when the handler
			// did not notice it, or drew a conclusion from the zero it got.
			err, c.err = c.err, nil
		}
		if err != nil {
			in.undo()
			r.fail(err)
		} else {
			r.succeed()
		}
		in.finish(i)
		if p[progressStop] != 0 {
			return
		}
	}
}

// renewCalls starts the ring of calls anew. A goroutine that a handler left
// behind may still hold the call it was given, which must then never become
// another record's: so if there are more goroutines than there should be, the
// ring is left to them.
func (in *instance) renewCalls() {
	in.callAt = 0
	n := runtime.NumGoroutine()
	if n > in.goroutines {
		in.calls = newCalls(in)
	}
	in.goroutines = min(n, in.goroutines)
}

func newCalls(in *instance) []Call {
	calls := make([]Call, 64)
	for i := range calls {
		calls[i].in = in
	}
	return calls
}

// finish tells the host that a record's results are complete.
func (in *instance) finish(index int32) {
	in.progress[progressReply] = uint32(uintptr(unsafe.Pointer(unsafe.SliceData(in.replies.mem))))
	in.progress[progressLen] = uint32(in.replies.n)
	in.progress[progressDone] = uint32(index + 1)
}
