package module

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/sliphost/sliphost/abi"
)

// maxLine bounds a line of a guest in bytes, escapes included; maxMessage the
// message of a panic or an init error.
const (
	maxLine    = abi.MaxText
	maxMessage = abi.MaxText
)

// cutMark ends text that was cut.
const cutMark = "..."

// appendClean appends src to dst so that it is one line of printable UTF-8 of
// at most limit bytes: control characters, line separators, characters that
// change the direction of text and invalid bytes become escapes.
func appendClean(dst, src []byte, limit int) []byte {
	limit += len(dst)
	// cut is where dst would end if what follows does not fit.
	cut := len(dst)
	for len(src) > 0 {
		var piece [12]byte
		p := piece[:0]
		r, n := utf8.DecodeRune(src)
		switch {
		case r == utf8.RuneError && n <= 1:
			p = appendEscape(p, 'x', uint32(src[0]), 2)
		case r == '\n':
			p = append(p, `\n`...)
		case r == '\r':
			p = append(p, `\r`...)
		case r == '\t':
			p = append(p, `\t`...)
		case r < 0x20 || r >= 0x7f && r < 0xa0:
			p = appendEscape(p, 'x', uint32(r), 2)
		case r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x61c:
			p = appendEscape(p, 'u', uint32(r), 4)
		default:
			p = append(p, src[:n]...)
		}
		if len(dst)+len(p) > limit {
			return append(dst[:cut], cutMark...)
		}
		dst = append(dst, p...)
		src = src[n:]
		if len(dst) <= limit-len(cutMark) {
			cut = len(dst)
		}
	}
	return dst
}

func appendEscape(dst []byte, letter byte, v uint32, digits int) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '\\', letter)
	for i := digits - 1; i >= 0; i-- {
		dst = append(dst, hex[v>>(4*i)&15])
	}
	return dst
}

// cleanString is appendClean for strings of a guest that go into errors.
func cleanString(s string, limit int) string {
	if len(s) > 4*limit {
		s = s[:4*limit]
	}
	return string(appendClean(nil, []byte(s), limit))
}

// limiter lets rate events a second pass and counts the others.
type limiter struct {
	rate       int
	second     int64
	passed     int
	suppressed int64
}

// allow says whether an event at second now may pass; over is the number of
// events suppressed in the second that ended, to be reported once.
func (l *limiter) allow(now int64) (ok bool, over int64) {
	if now != l.second {
		over, l.suppressed = l.suppressed, 0
		l.second, l.passed = now, 0
	}
	if l.passed < l.rate {
		l.passed++
		return true, over
	}
	l.suppressed++
	return false, over
}

// seconds is the limiter's clock; the wall clock's jumps only shift a border.
func seconds() int64 { return time.Now().Unix() }

// log passes a line of the guest on, if the rate allows.
func (s *Slot) log(handler int32, level abi.Level, line []byte) {
	if s.hooks.Log == nil {
		return
	}
	if s.pass(&s.lines, "lines") {
		s.hooks.Log(handler, level, line)
	}
}

// output passes a printed line on, if the rate allows.
func (s *Slot) output(handler int32, stream Stream, line []byte) {
	if s.hooks.Output == nil {
		return
	}
	if s.pass(&s.lines, "lines") {
		s.hooks.Output(handler, stream, line)
	}
}

// metric passes a metric on. What breaks the ABI's rules is dropped and
// counted, as is what exceeds the rate.
func (s *Slot) metric(handler int32, kind abi.MetricKind, name []byte, value float64) {
	if s.hooks.Metric == nil {
		return
	}
	if !validMetric(kind, name, value) || !s.sameKind(kind, name) {
		s.metrics.suppressed++
		return
	}
	if s.pass(&s.metrics, "metric calls") {
		s.hooks.Metric(handler, kind, name, value)
	}
}

// sameKind says whether a metric is used as before, or is new and there is
// room for it.
func (s *Slot) sameKind(kind abi.MetricKind, name []byte) bool {
	if k, ok := s.kinds[string(name)]; ok {
		return k == kind
	}
	if len(s.kinds) >= abi.MaxMetrics {
		return false
	}
	s.kinds[string(name)] = kind
	return true
}

func validMetric(kind abi.MetricKind, name []byte, value float64) bool {
	if len(name) == 0 || len(name) > abi.MaxName || math.IsNaN(value) || math.IsInf(value, 0) {
		return false
	}
	for i, c := range name {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	switch kind {
	case abi.MetricCounter:
		return value >= 0
	case abi.MetricGauge, abi.MetricHistogram:
		return true
	}
	return false
}

func (s *Slot) pass(l *limiter, what string) bool {
	ok, over := l.allow(s.now())
	s.reportOver(over, what)
	return ok
}

func (s *Slot) reportOver(over int64, what string) {
	if over > 0 && s.hooks.Log != nil {
		s.hooks.Log(-1, abi.LevelWarn, fmt.Appendf(nil, "%d %s of module %q dropped: too many a second, or against the rules", over, what, s.module.name))
	}
}

// reportSuppressed reports what the last second suppressed, at the end.
func (s *Slot) reportSuppressed() {
	s.reportOver(s.lines.suppressed, "lines")
	s.reportOver(s.metrics.suppressed, "metric calls")
}
