// Guest windows has a handler for each helper of time: windows, joins and
// deduplication. The cases of both languages are in testdata/windows.
package main

import (
	"strconv"

	slip "github.com/sliphost/sliphost/sdk/go"
)

func main() {}

var (
	state = slip.Cache("state")
	out   = slip.Sink("out")
	late  = slip.Sink("late")

	grace   = slip.IntParam("grace", 0, "milliseconds that a window or an interval takes records after its end")
	onClose = slip.IntParam("close", 0, "1: emit when a window closes, not when it changes")
)

// text returns n in decimal digits.
func text(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

// emitWindow emits "START-END:" and the value.
func emitWindow(c *slip.Call, key []byte, w slip.Window, value []byte) {
	b := append(text(w.Start), '-')
	b = append(strconv.AppendInt(b, w.End, 10), ':')
	out.Emit(c, key, append(b, value...))
}

// emitCount emits a window whose value is a number.
func emitCount(c *slip.Call, key []byte, w slip.Window) error {
	n, ok := slip.ValueInt(w.Value)
	if ok {
		emitWindow(c, key, w, text(n))
	}
	return nil
}
