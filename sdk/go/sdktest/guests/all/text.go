package main

import (
	"bytes"
	"strconv"

	slip "github.com/sliphost/sliphost/sdk/go"
)

func init() {
	slip.Handle("zero-even", zeroEven, slip.Stateless())
	slip.Handle("proxied", proxied, slip.Stateless())
	slip.Handle("upper", upper, slip.Stateless())
}

// zeroEven takes a number in decimal and emits 0, 1 or 2 lines about it.
func zeroEven(c *slip.Call, rec slip.Record) error {
	n, err := strconv.Atoi(string(rec.Value))
	if err != nil {
		return err
	}
	if n == 0 {
		c.Emit(rec.Key, []byte("zero: 0"))
	}
	if n%2 == 0 {
		c.Emit(rec.Key, strconv.AppendInt([]byte("even: "), int64(n), 10))
	}
	return nil
}

// proxied wraps the value in a sentence.
func proxied(c *slip.Call, rec slip.Record) error {
	b := append([]byte("Proxied "), rec.Value...)
	c.Emit(rec.Key, append(b, '!'))
	return nil
}

// upper turns ASCII letters to upper case; other bytes stay.
func upper(c *slip.Call, rec slip.Record) error {
	if rec.Value == nil {
		c.Emit(rec.Key, nil)
		return nil
	}
	value := bytes.Clone(rec.Value)
	for i, b := range value {
		if 'a' <= b && b <= 'z' {
			value[i] = b - 'a' + 'A'
		}
	}
	c.Emit(rec.Key, value)
	return nil
}
