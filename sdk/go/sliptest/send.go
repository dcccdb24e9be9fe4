package sliptest

import (
	"fmt"

	"github.com/sliphost/sliphost/abi"
)

// Record is an input record. Offsets count up by themselves.
type Record struct {
	// Key and Value in the form of the source's codecs; nil is absent.
	Key, Value []byte
	Headers    []Header
	// Timestamp is in milliseconds since 1970; -1 for none.
	Timestamp int64
	Partition int32
	// Replayed has the handler get the record as one that comes again after a
	// seek.
	Replayed bool
}

// Header is a record header; a nil value is absent.
type Header struct {
	Name  string
	Value []byte
}

// KV returns a record of a key and a value.
func KV(key, value string) Record {
	return Record{Key: []byte(key), Value: []byte(value)}
}

// Result is what became of the records of one Send, in their order.
type Result struct {
	Outputs []Output
	Errors  []Error
	Logs    []Log
	// Seeks are those that calls of kinds downtime and recovery made; only the
	// last of a partition counts.
	Seeks []Seek
}

// Seek says that a partition of a source is to be read again from an offset on,
// slip.Beginning or slip.End.
type Seek struct {
	Source    string
	Partition int32
	Offset    int64
}

// Output is one record that a handler emitted to one sink: what goes to every
// sink is there once for each, in their order.
type Output struct {
	// Record is the position of the input record among those sent.
	Record int
	// Sink is the handler's name for the sink.
	Sink string
	// Key and Value in the form of the sink's codecs; nil is absent.
	Key, Value []byte
	Headers    []Header
	// Timestamp is in milliseconds since 1970: the input's unless the handler
	// set one.
	Timestamp int64
	// Partition is -1 unless the handler chose one.
	Partition int32
}

// Error is the failure of one record; its outputs and writes are undone.
type Error struct {
	// Record is the position of the record among those sent.
	Record int
	// Code says what the host does: failed, drop, retry, decode, unbound, ...
	Code string
	// Message is the error's text.
	Message string
	// RetryAfterMs is the least time to wait; with code retry only.
	RetryAfterMs int64
}

// Log is a line that the handler logged.
type Log struct {
	Record int
	Level  abi.Level
	Text   string
}

// Send hands records to the handler and returns what became of them. Records
// of one partition that follow each other are one batch, unless some are
// replayed and some are not.
func (h *Harness) Send(records ...Record) *Result {
	h.help()
	res := &Result{}
	for from := 0; from < len(records); {
		to := from + 1
		for to < len(records) && to-from < abi.MaxBatch && records[to].Partition == records[from].Partition &&
			records[to].Replayed == records[from].Replayed {
			to++
		}
		if err := h.batch(records, from, to, res); err != nil {
			h.end(err)
		}
		from = to
	}
	return res
}

// batch sends records[from:to], which are of one partition.
func (h *Harness) batch(records []Record, from, to int, res *Result) error {
	first := &records[from]
	kind := abi.KindRecords
	if first.Replayed {
		kind = abi.KindReplayed
	}
	msg := abi.AppendBatchHeader(nil, &abi.BatchHeader{
		Kind: kind, Partition: first.Partition,
		BaseOffset: h.offset, BaseTimestamp: first.Timestamp, Count: int32(to - from),
	})
	var times []int64
	for i := from; i < to; i++ {
		r := &records[i]
		key, err := intoGuest(h.codecs.key, r.Key)
		if err != nil {
			return fmt.Errorf("key of record %d: %w", i, err)
		}
		value, err := intoGuest(h.codecs.value, r.Value)
		if err != nil {
			return fmt.Errorf("value of record %d: %w", i, err)
		}
		var headers []byte
		if len(r.Headers) > 0 {
			headers = abi.AppendArrayHeader(nil, len(r.Headers))
			for _, hd := range r.Headers {
				headers = abi.AppendHeader(headers, hd.Name, hd.Value)
			}
		}
		msg = abi.AppendRecord(msg, int64(i-from), r.Timestamp-first.Timestamp, key, value, headers)
		times = append(times, r.Timestamp)
	}
	h.host.begin(first.Partition, times)
	h.host.base = h.offset
	h.offset += int64(to - from)
	reply := h.guest.Process(0, msg)
	h.host.end()
	if done := h.host.progress[abi.ProgressDoneAt/4]; done != uint32(to-from) {
		return fmt.Errorf("the module finished %d of %d records", done, to-from)
	}
	for _, l := range h.host.logs {
		l.Record += from
		res.Logs = append(res.Logs, l)
	}
	return h.read(append(h.host.flushed, reply...), records[from:to], from, res)
}

// read decodes a reply stream.
func (h *Harness) read(reply []byte, records []Record, from int, res *Result) error {
	r := abi.NewReader(reply)
	var pending []Output
	next := 0 // the first record without a result
	for r.Len() > 0 {
		var head abi.Result
		abi.ReadResult(&r, &head)
		if r.Err() != nil || int(head.Index) >= len(records) {
			return fmt.Errorf("the module's reply cannot be read: %v", r.Err())
		}
		index := from + int(head.Index)
		h.passed(&next, int(head.Index), from, res)
		if head.Status == abi.StatusError {
			pending = nil
			next = int(head.Index) + 1
			res.Errors = append(res.Errors, Error{index, codeName(head.Code), string(head.Message), head.RetryAfterMs})
			continue
		}
		for range head.Outputs {
			var o abi.Output
			abi.ReadOutput(&r, &o)
			if r.Err() != nil {
				break
			}
			outs, err := h.outputs(&o, &records[head.Index], index)
			if err != nil {
				return fmt.Errorf("output of record %d: %w", index, err)
			}
			pending = append(pending, outs...)
		}
		abi.EndResult(&r, &head)
		if head.Status == abi.StatusOK {
			if h.host.limited[head.Index] {
				h.passed(&next, int(head.Index)+1, from, res)
			} else {
				res.Outputs = append(res.Outputs, pending...)
			}
			pending, next = nil, int(head.Index)+1
		}
	}
	h.passed(&next, len(records), from, res)
	return r.Err()
}

// passed fails those of the records from *next up to, but not including, to
// that reached a limit although the handler went on.
func (h *Harness) passed(next *int, to, from int, res *Result) {
	for ; *next < to; *next++ {
		if h.host.limited[int32(*next)] {
			res.Errors = append(res.Errors, Error{from + *next, codeName(abi.CodeLimit), "a limit of this record was reached", 0})
		}
	}
}

// outputs returns one output for each sink that o goes to.
func (h *Harness) outputs(o *abi.Output, in *Record, index int) (outs []Output, err error) {
	for i := range h.binding.Sinks {
		if o.Sink != abi.EverySink && int(o.Sink) != i {
			continue
		}
		out := Output{Record: index, Sink: h.binding.Sinks[i].Name, Timestamp: in.Timestamp, Partition: -1}
		if out.Key, err = fromGuest(h.codecs.key, o.Key); err != nil {
			return nil, fmt.Errorf("key for sink %q: %w", out.Sink, err)
		}
		if out.Value, err = fromGuest(h.codecs.sinks[i], o.Value); err != nil {
			return nil, fmt.Errorf("value for sink %q: %w", out.Sink, err)
		}
		for it := abi.ReadHeaders(o.Headers); ; {
			name, value, ok := it.Next()
			if !ok {
				break
			}
			out.Headers = append(out.Headers, Header{string(name), value})
		}
		if o.HasTimestamp {
			out.Timestamp = o.Timestamp
		}
		if o.HasPartition {
			out.Partition = o.Partition
		}
		outs = append(outs, out)
	}
	if len(outs) == 0 {
		return nil, fmt.Errorf("sink %d is not bound", o.Sink)
	}
	return outs, nil
}

func codeName(c abi.ErrorCode) string {
	names := [...]string{"", "failed", "drop", "retry", "decode", "unbound", "message", "limit", "param"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprint("code ", uint16(c))
}
