package abi

// Answer is a result of a kind that asks for a value (check, migrate, encode,
// decode): [index, 3, value] or [index, 1, code, message, retry_after_ms].
type Answer struct {
	// Index is the position in the batch.
	Index int32
	// Status is StatusValue or StatusError.
	Status Status
	// Value is the raw msgpack value, aliasing the reply; status value only.
	Value []byte
	// Code, Message (aliasing the reply) and RetryAfterMs: status error only.
	Code         ErrorCode
	Message      []byte
	RetryAfterMs int64
}

// AppendAnswer appends the head of [index, 3, value]; the value must follow.
// An error is appended with AppendResultError.
func AppendAnswer(b []byte, index int32) []byte {
	b = AppendInt(append(b, 0x93), int64(index))
	return append(b, byte(StatusValue))
}

// ReadAnswer reads the next answer. It sets every field of a.
func ReadAnswer(r *Reader, a *Answer) {
	start := r.off
	more := r.ArrayMin(3, "an answer of at least 3 fields")
	*a = Answer{Index: r.index()}
	at := r.off
	status := r.Uint()
	if r.err != nil {
		return
	}
	switch status {
	case uint64(StatusValue):
		a.Status = StatusValue
		a.Value = r.Skip()
		r.SkipN(more)
	case uint64(StatusError):
		a.Status = StatusError
		if more < 2 {
			r.failAt(start, "an error result of 5 fields")
			return
		}
		a.Code, a.Message, a.RetryAfterMs = r.errorFields()
		r.SkipN(more - 2)
	default:
		r.failAt(at, "a status of value or error")
	}
}
