package abi

// Reply stream: results one after the other in input order, without an outer
// array: [index, 0, [output...]], [index, 1, code, message, retry_after_ms],
// [index, 2, [output...]].

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

// AppendResultError appends [index, 1, code, message, retry_after_ms].
func AppendResultError(b []byte, index int32, code ErrorCode, message string, retryAfterMs int64) []byte {
	b = append(b, 0x95)
	b = AppendInt(b, int64(index))
	b = append(b, byte(StatusError))
	b = AppendUint(b, uint64(code))
	b = AppendStr(b, message)
	return AppendInt(b, retryAfterMs)
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
	case o.Headers != nil:
		n = 4
	}
	b = append(b, 0x90|byte(n))
	b = AppendInt(b, int64(o.Sink))
	b = AppendBin(b, o.Key)
	b = AppendBin(b, o.Value)
	if n > 3 {
		if o.Headers == nil {
			b = append(b, 0xc0)
		} else {
			b = append(b, o.Headers...)
		}
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
	more := r.ArrayMin(2, "a result of at least 2 fields")
	*res = Result{Index: r.Int32()}
	status := r.Uint()
	if r.err != nil {
		return
	}
	res.Status = Status(status)
	switch {
	case status == uint64(StatusOK) || status == uint64(StatusMore):
		if more < 1 {
			r.fail("a result with a list of outputs")
			return
		}
		res.Outputs = r.Array()
		res.more = more - 1
	case status == uint64(StatusError):
		if more < 3 {
			r.fail("an error result of 5 fields")
			return
		}
		code := r.Uint()
		if code > 0xffff {
			r.fail("an error code below 65536")
		}
		res.Code = ErrorCode(code)
		res.Message = r.Str()
		res.RetryAfterMs = r.Int()
		r.SkipN(more - 3)
	default:
		r.fail("a result status of ok, error or more")
	}
}

// EndResult passes over what a newer minor version put behind the outputs.
func EndResult(r *Reader, res *Result) { r.SkipN(res.more) }

// ReadOutput reads one output. It sets every field of o.
func ReadOutput(r *Reader, o *Output) {
	n := r.ArrayMin(3, "an output of at least 3 fields")
	*o = Output{Sink: r.Int32()}
	o.Key = r.Bytes()
	o.Value = r.Bytes()
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
