package abi

import "math"

// Reply stream: results one after the other in input order, without an outer
// array: [index, 0, [output...]], [index, 1, code, message, retry_after_ms],
// [index, 2, [output...]]. Kinds that ask for values: see Answer.

// Output is one record a handler emitted. Slices alias the reply.
type Output struct {
	// Sink is the position in the binding's list of sinks; EverySink is all.
	Sink int32
	// Key and Value: nil is absent.
	Key, Value []byte
	// Headers is the raw msgpack array, nil for none.
	Headers []byte
	// Timestamp in milliseconds; valid if HasTimestamp, otherwise the input's.
	Timestamp    int64
	HasTimestamp bool
	// Partition to write to; valid if HasPartition, otherwise the partitioner's.
	Partition    int32
	HasPartition bool
}

// EverySink as an output's sink means each sink of the handler in the order
// of the manifest.
const EverySink int32 = -1

// AppendResult appends the head of [index, 0, [n outputs]] (or, with
// StatusMore, of a piece of it).
func AppendResult(b []byte, index int32, status Status, outputs int) []byte {
	b = append(b, 0x93)
	b = AppendInt(b, int64(index))
	b = append(b, byte(status))
	return AppendArrayHeader(b, outputs)
}

// AppendResultError appends [index, 1, code, message, retry_after_ms]; a
// negative retryAfterMs becomes 0.
func AppendResultError(b []byte, index int32, code ErrorCode, message string, retryAfterMs int64) []byte {
	b = append(b, 0x95)
	b = AppendInt(b, int64(index))
	b = append(b, byte(StatusError))
	b = AppendUint(b, uint64(code))
	b = AppendStr(b, message)
	return AppendInt(b, max(retryAfterMs, 0))
}

// AppendOutput appends one output; trailing nils are cut. headers is a raw
// msgpack array or nil.
func AppendOutput(b []byte, o *Output) []byte {
	n := 3
	switch {
	case o.HasPartition:
		n = 6
	case o.HasTimestamp:
		n = 5
	case !noHeaders(o.Headers):
		n = 4
	}
	b = append(b, 0x90|byte(n))
	b = AppendInt(b, int64(o.Sink))
	b = AppendBin(b, o.Key)
	b = AppendBin(b, o.Value)
	if n > 3 {
		b = appendHeaders(b, o.Headers)
	}
	if n > 4 {
		if o.HasTimestamp {
			b = AppendInt(b, o.Timestamp)
		} else {
			b = append(b, 0xc0)
		}
	}
	if n > 5 {
		b = AppendInt(b, int64(o.Partition))
	}
	return b
}

// Result is the head of one result.
type Result struct {
	// Index is the record's position in the batch.
	Index  int32
	Status Status
	// Outputs is the number of outputs that follow (status ok and more); read
	// each with ReadOutput.
	Outputs int
	// more is the number of unknown fields behind the outputs.
	more int
	// Code, Message (aliasing the reply) and RetryAfterMs: status error only.
	Code         ErrorCode
	Message      []byte
	RetryAfterMs int64
}

// ReadResult reads the head of the next result. With status ok or more the
// caller reads res.Outputs outputs and then calls EndResult.
func ReadResult(r *Reader, res *Result) {
	start := r.off
	more := r.ArrayMin(3, "a result of at least 3 fields")
	res.Index = r.index()
	res.Status, res.Outputs, res.more = 0, 0, 0
	res.Code, res.Message, res.RetryAfterMs = 0, nil, 0
	at := r.off
	status := r.Uint()
	if r.err != nil {
		return
	}
	switch status {
	case uint64(StatusOK), uint64(StatusMore):
		res.Status = Status(status)
		res.Outputs = r.Array()
		res.more = more
	case uint64(StatusError):
		res.Status = StatusError
		if more < 2 {
			r.failAt(start, "an error result of 5 fields")
			return
		}
		res.Code, res.Message, res.RetryAfterMs = r.errorFields()
		r.SkipN(more - 2)
	default:
		r.failAt(at, "a result status of ok, error or more")
	}
}

// index reads a position in the batch.
func (r *Reader) index() int32 {
	return int32(r.UintMax(math.MaxInt32, "an index within 31 bits"))
}

// errorFields reads code, message and retry_after_ms.
func (r *Reader) errorFields() (code ErrorCode, message []byte, retryAfterMs int64) {
	code = ErrorCode(r.UintMax(math.MaxUint16, "an error code below 65536"))
	message = r.Str()
	retryAfterMs = int64(r.UintMax(math.MaxInt64, "milliseconds within 63 bits"))
	return code, message, retryAfterMs
}

// EndResult passes over what a newer minor version put behind the outputs.
func EndResult(r *Reader, res *Result) { r.SkipN(res.more) }

// ReadOutput reads one output. It sets every field of o.
func ReadOutput(r *Reader, o *Output) {
	n := r.ArrayMin(3, "an output of at least 3 fields")
	at := r.off
	o.Sink = r.Int32()
	if o.Sink < EverySink {
		r.failAt(at, "a sink from -1 up")
	}
	o.Key = r.Bytes()
	o.Value = r.Bytes()
	o.Headers = nil
	o.Timestamp, o.HasTimestamp = 0, false
	o.Partition, o.HasPartition = 0, false
	if n == 0 {
		return
	}
	if n > 0 && !r.Nil() {
		o.Headers = r.headers()
	}
	if n > 1 && !r.Nil() {
		o.Timestamp, o.HasTimestamp = r.Int(), true
	}
	if n > 2 && !r.Nil() {
		o.Partition, o.HasPartition = r.Int32(), true
	}
	r.SkipN(n - 3)
}
