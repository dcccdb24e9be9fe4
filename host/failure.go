package host

import (
	"fmt"
	"strconv"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// failure is one handler call on one record that did not succeed: the unit of
// failure. Its outputs are gone; the handler's policy decides what follows.
type failure struct {
	batch   *batch
	handler *Handler
	pos     int
	code    abi.ErrorCode
	// reason is the text of the handler, the trap or the host.
	reason string
	// retryAfter is the wait that the handler asked for.
	retryAfter time.Duration
	// attempts counts the tries so far, this one included.
	attempts int
}

// retryAttempts is how often a record is tried again that asks for it, when
// the manifest sets no number.
const retryAttempts = 10

// maxBackoff bounds the doubling wait between attempts.
const maxBackoff = time.Minute

// hold stops the current run at a root: what comes before it is emitted, the
// root and all after it stay with the partition until the wait is over.
type hold struct {
	root int
	wait time.Duration
	// key and attempts are what the partition remembers of the failed call.
	key      callKey
	attempts int
	// reason says what failed and where.
	reason error
	// stopped says that the policy is to stop, not to try again a few times.
	stopped bool
}

// failed decides about one failed call and takes back what it emitted.
func (r *run) failed(c *call, f failure) {
	c.drop(f.pos, f.pos+1)
	root := f.batch.root(f.pos)
	if root >= r.limit {
		return
	}
	h := f.handler
	policy := &h.OnError
	key := f.batch.call(h, f.pos)
	f.attempts = 1
	if root == 0 {
		f.attempts += r.in.attempts[key]
	}
	stats := &r.w.stats.handlers[r.w.handlerIndex(h)]
	if f.code == abi.CodeDrop {
		c.effects = append(c.effects, effect{pos: f.pos, settled: &f})
		return
	}
	stats.failed.Add(1)
	if f.code == codeUnavailable {
		// No record is to blame, so no policy may settle it.
		r.holdAt(hold{root: root, reason: r.failureError(&f), stopped: true})
		return
	}
	limit := policy.Attempts
	if f.code == abi.CodeRetry && limit == 0 {
		limit = retryAttempts
	}
	switch {
	case f.attempts <= limit:
		wait := backoff(policy.Backoff, f.attempts)
		if f.code == abi.CodeRetry && f.retryAfter > 0 {
			wait = f.retryAfter
		}
		r.holdAt(hold{root: root, wait: wait, key: key, attempts: f.attempts, reason: r.failureError(&f)})
	case policy.Policy != PolicyFail:
		c.effects = append(c.effects, effect{pos: f.pos, settled: &f})
	default:
		r.holdAt(hold{root: root, key: key, attempts: f.attempts, reason: r.failureError(&f), stopped: true})
	}
}

// holdAt lowers the run's limit to root h.root.
func (r *run) holdAt(h hold) {
	if h.root < r.limit || r.hold == nil {
		r.limit = h.root
		r.hold = &h
	}
}

// failureError is the sentence about a failure: handler, record, what
// happened.
func (r *run) failureError(f *failure) error {
	return fmt.Errorf("handler %q: %s: %s", f.handler.ID, r.where(f.batch, f.pos), f.reason)
}

// drop removes the effects of records from to to-1, which are the last ones.
func (c *call) drop(from, to int) {
	n := len(c.effects)
	for n > 0 && c.effects[n-1].pos >= from && c.effects[n-1].pos < to {
		n--
	}
	c.effects = c.effects[:n]
}

// backoff doubles base with each attempt, up to maxBackoff.
func backoff(base time.Duration, attempt int) time.Duration {
	for ; attempt > 1 && base < maxBackoff; attempt-- {
		base *= 2
	}
	return min(base, maxBackoff)
}

// callKey names a handler call in the tree of one root.
type callKey struct {
	handler *Handler
	source  *Source
	nth     int
}

// call names the call of h on record pos.
func (b *batch) call(h *Handler, pos int) callKey {
	return callKey{handler: h, source: b.source, nth: b.nth(pos)}
}

// codeName is the word for an error code in dead letters and logs.
func codeName(c abi.ErrorCode) string {
	switch c {
	case abi.CodeFailed:
		return "failed"
	case abi.CodeDrop:
		return "drop"
	case abi.CodeRetry:
		return "retry"
	case abi.CodeDecode:
		return "decode"
	case abi.CodeUnbound:
		return "unbound"
	case abi.CodeMessage:
		return "message"
	case abi.CodeLimit:
		return "limit"
	case abi.CodeParam:
		return "param"
	case codeTrap:
		return "trap"
	case codeUndecodable:
		return "undecodable"
	case codeOutput:
		return "output"
	case codeTooLarge:
		return "too-large"
	case codeUnavailable:
		return "unavailable"
	}
	return strconv.Itoa(int(c))
}

// Codes of failures that the host finds, above those a guest can send.
const (
	codeTrap abi.ErrorCode = 0xff00 + iota
	// codeUndecodable: the source's codec cannot read the record.
	codeUndecodable
	// codeOutput: an output names no sink or cannot be encoded.
	codeOutput
	// codeTooLarge: an output is larger than its topic takes.
	codeTooLarge
	// codeUnavailable: an output cannot be encoded now, for want of something that
	// no record can help, such as a schema registry.
	codeUnavailable
)

// countCodec counts a key or value that a codec could not translate for h.
func (r *run) countCodec(h *Handler) { r.w.stats.handlers[r.w.handlerIndex(h)].codec.Add(1) }
