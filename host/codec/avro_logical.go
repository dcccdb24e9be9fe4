package codec

import (
	"encoding/binary"
	"math/big"

	"github.com/sliphost/sliphost/abi"
)

// maxDecimal bounds a decimal's bytes: 64 of them are 154 digits, and turning
// digits into bits takes longer than in proportion.
const maxDecimal = 64

// logical decodes the types whose form in a handler is not the stored one.
func (d *avroDecoder) logical(p *avroPlan) {
	switch p.op {
	case opDecimal:
		n := int64(p.size)
		if p.size < 0 {
			n = d.long()
		}
		at := d.i
		b := d.take(n)
		if len(b) > maxDecimal {
			d.fail(at, "a decimal of more than 64 bytes")
			return
		}
		if d.err == nil {
			d.dst = appendScaled(d.dst, b, p.scale)
		}
	case opUUID:
		if b := d.take(16); b != nil {
			d.dst = append(d.dst, 0xd9, 36)
			d.dst = appendUUID(d.dst, b)
		}
	case opDuration:
		if b := d.take(12); b != nil {
			d.dst = append(d.dst, 0x93)
			for at := 0; at < 12; at += 4 {
				d.dst = abi.AppendUint(d.dst, uint64(binary.LittleEndian.Uint32(b[at:])))
			}
		}
	}
}

// appendScaled appends the big-endian two's complement number b, divided by
// 10^scale, as a msgpack string of digits: -12.30 for scale 2.
func appendScaled(dst, b []byte, scale int) []byte {
	var room [200]byte
	text := room[:0]
	negative := len(b) > 0 && b[0] >= 0x80
	if len(b) <= 8 {
		var v uint64
		if negative {
			v = ^uint64(0)
		}
		for _, c := range b {
			v = v<<8 | uint64(c)
		}
		if negative {
			v = -v
		}
		text = appendUint(text, v)
	} else {
		n := new(big.Int).SetBytes(b)
		if negative {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b)*8)))
			n.Neg(n)
		}
		text = n.Append(text, 10)
	}
	zeros := max(0, scale+1-len(text))
	n := len(text) + zeros
	if negative {
		n++
	}
	if scale > 0 {
		n++
	}
	dst = abi.AppendStrHeader(dst, n)
	if negative {
		dst = append(dst, '-')
	}
	whole := len(text) + zeros - scale
	for i := range len(text) + zeros {
		if i == whole {
			dst = append(dst, '.')
		}
		if i < zeros {
			dst = append(dst, '0')
		} else {
			dst = append(dst, text[i-zeros])
		}
	}
	return dst
}

func appendUint(dst []byte, v uint64) []byte {
	var room [20]byte
	i := len(room)
	for {
		i--
		room[i] = '0' + byte(v%10)
		if v /= 10; v == 0 {
			return append(dst, room[i:]...)
		}
	}
}

// parseDecimal reads digits as written by appendScaled; fewer decimals than
// scale are fine, more only if they are zeros. The result is in the fewest
// bytes, appended to dst.
func parseDecimal(dst, text []byte, scale int) (out []byte, ok bool) {
	negative := len(text) > 0 && text[0] == '-'
	if negative || len(text) > 0 && text[0] == '+' {
		text = text[1:]
	}
	const most = 155
	var room [most]byte
	digits, decimals, point := room[:0], 0, false
	seen := false
	for _, c := range text {
		switch {
		case c == '.' && !point:
			point = true
			continue
		case c < '0' || c > '9':
			return dst, false
		case point && decimals == scale:
			if c != '0' {
				return dst, false
			}
			seen = true
			continue
		case point:
			decimals++
		}
		seen = true
		if len(digits) == 0 && c == '0' {
			continue
		}
		if len(digits) == most {
			return dst, false
		}
		digits = append(digits, c)
	}
	if !seen {
		return dst, false
	}
	for ; decimals < scale; decimals++ {
		if len(digits) == 0 {
			break
		}
		if len(digits) == most {
			return dst, false
		}
		digits = append(digits, '0')
	}
	if len(digits) <= 18 {
		var v int64
		for _, c := range digits {
			v = v*10 + int64(c-'0')
		}
		if negative {
			v = -v
		}
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], uint64(v))
		return append(dst, shortest(b[:])...), true
	}
	n, _ := new(big.Int).SetString(string(digits), 10)
	size := n.BitLen()/8 + 1
	if size > maxDecimal {
		return dst, false
	}
	if negative {
		n.Sub(new(big.Int).Lsh(big.NewInt(1), uint(size*8)), n)
	}
	b := n.FillBytes(make([]byte, size))
	return append(dst, shortest(b)...), true
}

// shortest cuts leading bytes that only repeat the sign.
func shortest(b []byte) []byte {
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return b
}

const hexDigits = "0123456789abcdef"

// appendUUID appends 16 bytes in the usual 36 characters.
func appendUUID(dst, b []byte) []byte {
	for i, c := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

// parseUUID is the reverse; upper case is read too.
func parseUUID(dst, text []byte) (out []byte, ok bool) {
	if len(text) != 36 {
		return dst, false
	}
	var b [16]byte
	n := 0
	for i, c := range text {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return dst, false
			}
			continue
		}
		var v byte
		switch {
		case c >= '0' && c <= '9':
			v = c - '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			v = c | 0x20 - 'a' + 10
		default:
			return dst, false
		}
		b[n/2] = b[n/2]<<4 | v
		n++
	}
	return append(dst, b[:]...), true
}
