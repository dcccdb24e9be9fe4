package slip

import (
	"runtime"

	"github.com/sliphost/sliphost/abi"
)

// version is what Describe says about this SDK.
const version = "sliphost-go 0.1.0"

// The messages of this file are written by a Writer and not by package abi,
// whose inlined code for them would make every guest 20 KB larger. A test
// compares the bytes.

// describe returns the Describe message.
func describe() []byte {
	var w Writer
	w.Array(6)
	w.Uint(abi.Major)
	w.Uint(abi.Minor)
	w.Str(version)
	w.Str(runtime.Version())
	w.Array(len(registry))
	for _, h := range registry {
		d := &h.desc
		w.Array(7)
		w.Str(d.Name)
		w.Uint(uint64(d.Flags))
		w.Array(len(d.Params))
		for i := range d.Params {
			p := &d.Params[i]
			w.Array(4)
			w.Str(p.Name)
			w.Uint(uint64(p.Type))
			if p.Default == nil {
				w.Nil()
			} else {
				w.Raw(p.Default)
			}
			w.Str(p.Help)
		}
		w.names(d.Caches)
		w.names(d.Sinks)
		w.names(d.Checkpoints)
		w.Uint(d.StateVersion)
	}
	w.Uint(uint64(abi.FeatureMetered))
	return w.buf
}

func (w *Writer) names(names []string) {
	w.Array(len(names))
	for _, name := range names {
		w.Str(name)
	}
}

// accept returns the InitReply message that says where the progress block is
// and how much the input arena holds.
func accept(address, capacity uint64) []byte {
	var w Writer
	w.Array(3)
	w.Uint(uint64(abi.StatusOK))
	w.Uint(address)
	w.Uint(capacity)
	return w.buf
}

// refuse returns the InitReply message that says why the module cannot work
// with what it was given.
func refuse(err *recordError) []byte {
	var w Writer
	w.Array(3)
	w.Uint(uint64(abi.StatusError))
	w.Uint(uint64(err.code))
	w.Str(cut(err.text))
	return w.buf
}
