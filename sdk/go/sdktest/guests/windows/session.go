package main

import (
	"bytes"
	"errors"
	"strconv"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var gap = slip.IntParam("gap", 10, "longest distance of two records of a session in milliseconds")

func init() {
	slip.Handle("session", session, state, out, late, gap, grace, onClose,
		slip.OnAdvance(func(c *slip.Call, a slip.Advance) error { w := sessionOf(c); return w.Advance(c, a) }))
}

func sessionOf(c *slip.Call) slip.Session {
	w := slip.Session{Cache: state, Gap: int64(gap.Get(c)), Grace: int64(grace.Get(c)), Late: late, Merge: concat}
	if onClose.Get(c) == 1 {
		w.Close = func(c *slip.Call, key []byte, w slip.Window) error {
			emitWindow(c, key, w, w.Value)
			return nil
		}
	}
	return w
}

// concat joins what two sessions hold with a "+".
func concat(_ *slip.Call, earlier, later []byte) ([]byte, error) {
	return bytes.Join([][]byte{earlier, later}, []byte("+")), nil
}

// session appends the records' values in sessions. A replaced session is
// emitted with "gone" in place of its value. A value "?" asks for the sessions
// of the key; "fail" fails after its session is changed.
func session(c *slip.Call, rec slip.Record) error {
	w := sessionOf(c)
	if string(rec.Value) == "?" {
		for s := range w.Windows(c, rec.Key) {
			emitWindow(c, rec.Key, s, s.Value)
		}
		return nil
	}
	s, ok, err := w.Update(c, rec.Key, rec.Timestamp, func(old []byte) ([]byte, error) {
		return append(append([]byte{}, old...), rec.Value...), nil
	})
	if err != nil {
		return err
	}
	if string(rec.Value) == "fail" {
		return errors.New("asked to")
	}
	if !ok || w.Close != nil {
		return nil
	}
	for _, r := range s.Replaced {
		emitWindow(c, rec.Key, r, []byte("gone"))
	}
	emitWindow(c, rec.Key, s.Window, s.Value)
	return nil
}

func number(text []byte) int64 {
	n, _ := strconv.ParseInt(string(text), 10, 64)
	return n
}
