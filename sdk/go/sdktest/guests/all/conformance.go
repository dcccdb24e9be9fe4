package main

import (
	"bytes"
	"errors"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/abi/abitest/recode"
	slip "github.com/sliphost/sliphost/sdk/go"
)

func init() { slip.Handle("conformance", conformance, slip.Stateless()) }

// conformance takes "message name, newline, bytes", reads the bytes as that
// message and emits its canonical form, or "error: " and what was expected.
func conformance(c *slip.Call, rec slip.Record) error {
	name, wire, ok := bytes.Cut(rec.Value, []byte("\n"))
	if !ok {
		return errors.New("want a message name, a newline and bytes")
	}
	out, known, err := recode.Message(string(name), wire)
	if !known {
		return errors.New("no message is called " + string(name))
	}
	if err != nil {
		text := err.Error()
		if syntax, ok := err.(*abi.SyntaxError); ok {
			text = syntax.Want
		}
		out = []byte("error: " + text)
	}
	if out == nil {
		out = []byte{}
	}
	c.Emit(rec.Key, out)
	return nil
}
