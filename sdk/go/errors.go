package slip

import "github.com/sliphost/sliphost/abi"

// recordError is an error of one record that carries its code.
type recordError struct {
	code    abi.ErrorCode
	text    string
	afterMs int64
}

// Error implements error.
func (e *recordError) Error() string { return e.text }

// Drop returns an error that skips the record whatever the handler's policy:
// it is counted with why as the reason, nothing of it is emitted or written,
// and the handler goes on with the next record.
func Drop(why string) error {
	return &recordError{code: abi.CodeDrop, text: why}
}

// Retry returns an error that has the record handled again after at least
// afterMs milliseconds; until then its partition waits. Attempts count
// against the handler's retry policy; when they are spent the policy acts, as
// it does for any other error.
func Retry(afterMs int64, why string) error {
	return &recordError{code: abi.CodeRetry, text: why, afterMs: max(afterMs, 0)}
}

// classify turns a handler's error into what the host is told. Errors of this
// package keep their code also when they are wrapped; the text is then that of
// the whole chain.
func classify(err error) (code abi.ErrorCode, text string, afterMs int64) {
	code = abi.CodeFailed
	if own := find(err); own != nil {
		code, afterMs = own.code, own.afterMs
	}
	return code, err.Error(), afterMs
}

// find returns the first error of this package in the tree of err, or nil. It
// is what errors.As does, which a guest that does not use it need not carry:
// 30 KB of reflection.
func find(err error) *recordError {
	switch e := err.(type) {
	case nil:
		return nil
	case *recordError:
		return e
	case *abi.SyntaxError:
		return &recordError{code: abi.CodeDecode}
	case interface{ Unwrap() error }:
		return find(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, sub := range e.Unwrap() {
			if own := find(sub); own != nil {
				return own
			}
		}
	}
	return nil
}
