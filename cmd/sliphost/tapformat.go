package main

import (
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/boot"
)

// parseFormat reads the format of tap -f, in kcat's notation.
func parseFormat(s string) (showFunc, error) {
	var parts []showFunc
	var text []byte
	flush := func() {
		if len(text) > 0 {
			literal := text
			parts = append(parts, func(dst []byte, _ *boot.Tapped) ([]byte, error) { return append(dst, literal...), nil })
			text = nil
		}
	}
	for i := 0; i < len(s); i++ {
		if s[i] != '%' && s[i] != '\\' {
			text = append(text, s[i])
			continue
		}
		if i+1 == len(s) {
			return nil, usagef("--format %q ends with a single %q", s, s[i:])
		}
		lead := s[i]
		i++
		if lead == '\\' {
			c, ok := escapes[s[i]]
			if !ok {
				return nil, usagef("--format %q: there is no \\%c", s, s[i])
			}
			text = append(text, c)
			continue
		}
		if s[i] == '%' {
			text = append(text, '%')
			continue
		}
		field, ok := fields[s[i]]
		if !ok {
			return nil, usagef("--format %q: there is no %%%c", s, s[i])
		}
		flush()
		parts = append(parts, field)
	}
	flush()
	return func(dst []byte, t *boot.Tapped) ([]byte, error) {
		var err error
		for _, p := range parts {
			if dst, err = p(dst, t); err != nil {
				return dst, err
			}
		}
		return dst, nil
	}, nil
}

var escapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', '0': 0, '\\': '\\'}

// fields are what the letters behind a percent sign stand for.
var fields = map[byte]showFunc{
	't': func(dst []byte, t *boot.Tapped) ([]byte, error) { return append(dst, t.Topic.Name...), nil },
	'p': func(dst []byte, t *boot.Tapped) ([]byte, error) {
		return strconv.AppendInt(dst, int64(t.Partition), 10), nil
	},
	'o': func(dst []byte, t *boot.Tapped) ([]byte, error) { return strconv.AppendInt(dst, t.Offset, 10), nil },
	'T': func(dst []byte, t *boot.Tapped) ([]byte, error) { return strconv.AppendInt(dst, t.Timestamp, 10), nil },
	'k': func(dst []byte, t *boot.Tapped) ([]byte, error) { return append(dst, t.Key...), nil },
	's': func(dst []byte, t *boot.Tapped) ([]byte, error) { return append(dst, t.Value...), nil },
	'K': func(dst []byte, t *boot.Tapped) ([]byte, error) { return appendLength(dst, t.Key), nil },
	'S': func(dst []byte, t *boot.Tapped) ([]byte, error) { return appendLength(dst, t.Value), nil },
	'h': appendHeaderList,
}

func appendLength(dst, b []byte) []byte {
	if b == nil {
		return append(dst, "-1"...)
	}
	return strconv.AppendInt(dst, int64(len(b)), 10)
}

// appendHeaderList writes name=value pairs with commas in between.
func appendHeaderList(dst []byte, t *boot.Tapped) ([]byte, error) {
	it := abi.ReadHeaders(t.Headers)
	for first := true; ; first = false {
		name, value, ok := it.Next()
		if !ok {
			return dst, it.Err()
		}
		if !first {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, name...), '='), value...)
	}
}

// printable says whether bytes are text without control characters.
func printable(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
			return false
		}
		b = b[n:]
	}
	return true
}
