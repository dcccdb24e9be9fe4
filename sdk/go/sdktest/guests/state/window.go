package main

import (
	"bytes"
	"strconv"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var (
	windows = slip.Cache("windows")
	results = slip.Sink("counts")
	late    = slip.Sink("late")
	size    = slip.IntParam("size", 10, "milliseconds of a window")
	grace   = slip.IntParam("grace", 0, "milliseconds that a window takes records after its end")
)

func init() { slip.Handle("window", window, windows, results, late, size, grace) }

// window counts the records of each key in tumbling windows.
func window(c *slip.Call, rec slip.Record) error {
	w := slip.Tumbling{Cache: windows, Size: int64(size.Get(c)), Grace: int64(grace.Get(c)), Late: late}
	if query, ok := bytes.CutPrefix(rec.Value, []byte("?")); ok {
		return ask(c, &w, rec.Key, query)
	}
	timestamp := rec.Timestamp
	if at, ok := bytes.CutPrefix(rec.Value, []byte("@")); ok {
		timestamp = number(at)
	}
	win, ok, err := w.Update(c, rec.Key, timestamp, func(old []byte) ([]byte, error) {
		n, _ := slip.ValueInt(old)
		return c.IntValue(n + 1), nil
	})
	if ok {
		emitWindow(c, rec.Key, win)
	}
	return err
}

// ask answers a question about windows.
func ask(c *slip.Call, w *slip.Tumbling, key, query []byte) error {
	name, arg, _ := bytes.Cut(query, []byte(":"))
	switch string(name) {
	case "get":
		value, ok, err := w.Get(c, key, number(arg))
		if n, _ := slip.ValueInt(value); ok {
			results.Emit(c, key, text(n))
		} else {
			results.Emit(c, key, nil)
		}
		return err
	case "of":
		for win := range w.Windows(c, key) {
			emitWindow(c, key, win)
		}
	case "in":
		for key, value := range w.Entries(c, number(arg)) {
			n, _ := slip.ValueInt(value)
			results.Emit(c, key, text(n))
		}
	}
	return nil
}

// emitWindow emits "START-END:N".
func emitWindow(c *slip.Call, key []byte, w slip.Window) {
	n, _ := slip.ValueInt(w.Value)
	out := append(text(w.Start), '-')
	out = append(strconv.AppendInt(out, w.End, 10), ':')
	results.Emit(c, key, strconv.AppendInt(out, n, 10))
}

func number(text []byte) int64 {
	n, _ := strconv.ParseInt(string(text), 10, 64)
	return n
}
