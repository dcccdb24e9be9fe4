package codec

import (
	"bytes"
	"math"
	"strconv"
	"unsafe"

	"github.com/sliphost/sliphost/abi"
)

// pow10 are the powers of ten that a float64 holds exactly.
var pow10 = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// appendNumber appends the number that begins at src[i], a digit or a minus
// sign, and returns the position after it.
//
// The way it is written decides its kind, never its value: a field that holds
// prices does not change its type with the first round one.
func appendNumber(dst, src []byte, i int) ([]byte, int, *Error) {
	start := i
	neg := src[i] == '-'
	if neg {
		i++
	}
	// m is the number formed by the first 19 digits, which fit into 64 bits
	// whatever they are.
	var m uint64
	first := i
	for i < len(src) && isDigit(src[i]) {
		if i-first < 19 {
			m = m*10 + uint64(src[i]-'0')
		}
		i++
	}
	digits := i - first
	switch {
	case digits == 0:
		return dst, i, unexpected(src, i, "after '-', want a digit")
	case src[first] == '0' && digits > 1:
		return dst, i, failJSON(start, "number begins with a superfluous 0")
	}
	if i == len(src) || src[i] != '.' && src[i]|0x20 != 'e' {
		return appendInteger(dst, src, start, i, neg, m, digits)
	}

	exp := 0
	if src[i] == '.' {
		i++
		point := i
		for i < len(src) && isDigit(src[i]) {
			if digits < 19 {
				m = m*10 + uint64(src[i]-'0')
			}
			digits++
			i++
		}
		if i == point {
			return dst, i, unexpected(src, i, "after '.', want a digit")
		}
		exp = point - i
	}
	if i < len(src) && src[i]|0x20 == 'e' {
		i++
		eneg := false
		if i < len(src) && (src[i] == '+' || src[i] == '-') {
			eneg = src[i] == '-'
			i++
		}
		efirst, e := i, 0
		for i < len(src) && isDigit(src[i]) {
			if e < 1e6 { // far outside of what is used; only no overflow matters
				e = e*10 + int(src[i]-'0')
			}
			i++
		}
		if i == efirst {
			return dst, i, unexpected(src, i, "in an exponent, want a digit")
		}
		if eneg {
			e = -e
		}
		exp += e
	}

	// Both operands exact means one correctly rounded operation gives the
	// correctly rounded result: this covers nearly all numbers in real data.
	if digits <= 19 && m < 1<<53 && -22 <= exp && exp <= 22 {
		f := float64(m)
		if exp < 0 {
			f /= pow10[-exp]
		} else {
			f *= pow10[exp]
		}
		if neg {
			f = -f
		}
		return abi.AppendFloat(dst, f), i, nil
	}
	// ParseFloat keeps its argument only in its error, which goes no further.
	f, err := strconv.ParseFloat(unsafe.String(&src[start], i-start), 64)
	if err != nil {
		// The grammar has been checked, so only the range is left.
		return dst, i, failJSON(start, "number is too large for a 64-bit float")
	}
	return abi.AppendFloat(dst, f), i, nil
}

// appendInteger appends the integer src[start:end] whose first 19 digits form
// m.
func appendInteger(dst, src []byte, start, end int, neg bool, m uint64, digits int) ([]byte, int, *Error) {
	const wide = "integer does not fit into 64 bits and would lose digits; send it as a string, or use codec raw"
	switch {
	case digits == 20:
		last := uint64(src[end-1] - '0')
		if m > (math.MaxUint64-last)/10 {
			return dst, end, failJSON(start, wide)
		}
		m = m*10 + last
	case digits > 20:
		return dst, end, failJSON(start, wide)
	}
	if !neg {
		return abi.AppendUint(dst, m), end, nil
	}
	if m > 1<<63 {
		return dst, end, failJSON(start, wide)
	}
	return abi.AppendInt(dst, -int64(m)), end, nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// appendFloat appends the shortest decimal that reads back as f, a float of
// the given number of bits that is neither NaN nor infinite. The notation is
// that of JavaScript and encoding/json, but never without a fraction or an
// exponent: these are what makes it a float when it is read again.
func appendFloat(dst []byte, f float64, bits int) []byte {
	abs := math.Abs(f)
	if bits == 64 && abs < 1e15 {
		if out, ok := appendDecimal(dst, f, abs); ok {
			return out
		}
	}
	small, large := abs < 1e-6, abs >= 1e21
	if bits == 32 {
		small, large = float32(abs) < 1e-6, float32(abs) >= 1e21
	}
	if abs == 0 || !small && !large {
		start := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, bits)
		if bytes.IndexByte(dst[start:], '.') < 0 {
			dst = append(dst, '.', '0')
		}
		return dst
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, bits)
	// 1e-07 becomes 1e-7.
	if n := len(dst); dst[n-4] == 'e' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// appendDecimal appends f if it is a decimal of at most 15 digits of which at
// most 6 are behind the point, as prices and measurements are.
//
// Such a decimal is m / 10^k with both operands exact, so the division below
// gives the float64 nearest to it; if that is f, the decimal reads back as f.
// It is also the shortest that does: no two decimals of up to 15 digits share
// a float64, and the smallest k leaves no trailing zero.
func appendDecimal(dst []byte, f, abs float64) ([]byte, bool) {
	for k := range 7 {
		scaled := abs*pow10[k] + 0.5
		if scaled >= 1e15 {
			break
		}
		m := uint64(scaled)
		if float64(m)/pow10[k] != abs {
			continue
		}
		if math.Signbit(f) {
			dst = append(dst, '-')
		}
		if k == 0 {
			return append(strconv.AppendUint(dst, m, 10), '.', '0'), true
		}
		unit := uint64(pow10[k])
		dst = append(strconv.AppendUint(dst, m/unit, 10), '.')
		at := len(dst)
		dst = append(dst, "000000"[:k]...)
		for rest, i := m%unit, at+k-1; rest > 0; i-- {
			dst[i] = '0' + byte(rest%10)
			rest /= 10
		}
		return dst, true
	}
	return dst, false
}
