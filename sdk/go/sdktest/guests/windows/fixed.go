package main

import slip "github.com/sliphost/sliphost/sdk/go"

var (
	size = slip.IntParam("size", 10, "milliseconds of a window")
	step = slip.IntParam("step", 5, "milliseconds from one window to the next")
)

func init() {
	slip.Handle("tumbling", tumbling, state, out, late, size, grace, onClose,
		slip.OnAdvance(func(c *slip.Call, a slip.Advance) error { w := tumblingOf(c); return w.Advance(c, a) }))
	slip.Handle("hopping", hopping, state, out, late, size, step, grace, onClose,
		slip.OnAdvance(func(c *slip.Call, a slip.Advance) error { w := hoppingOf(c); return w.Advance(c, a) }))
}

func tumblingOf(c *slip.Call) slip.Tumbling {
	w := slip.Tumbling{Cache: state, Size: int64(size.Get(c)), Grace: int64(grace.Get(c)), Late: late}
	if onClose.Get(c) == 1 {
		w.Close = emitCount
	}
	return w
}

func hoppingOf(c *slip.Call) slip.Hopping {
	w := slip.Hopping{Cache: state, Size: int64(size.Get(c)), Step: int64(step.Get(c)), Grace: int64(grace.Get(c)), Late: late}
	if onClose.Get(c) == 1 {
		w.Close = emitCount
	}
	return w
}

// tumbling counts the records of each key in tumbling windows.
func tumbling(c *slip.Call, rec slip.Record) error {
	w := tumblingOf(c)
	win, ok, err := w.Update(c, rec.Key, rec.Timestamp, one(c))
	if ok && w.Close == nil {
		return emitCount(c, rec.Key, win)
	}
	return err
}

// hopping counts the records of each key in hopping windows. A value "?" asks
// for the windows of the key, "?N" for the keys of the window that begins at N.
func hopping(c *slip.Call, rec slip.Record) error {
	w := hoppingOf(c)
	if len(rec.Value) > 0 && rec.Value[0] == '?' {
		return askHopping(c, &w, rec.Key, rec.Value[1:])
	}
	all, err := w.Update(c, rec.Key, rec.Timestamp, one(c))
	if err != nil || w.Close != nil {
		return err
	}
	for _, win := range all {
		if err := emitCount(c, rec.Key, win); err != nil {
			return err
		}
	}
	return nil
}

func askHopping(c *slip.Call, w *slip.Hopping, key, arg []byte) error {
	if len(arg) == 0 {
		for win := range w.Windows(c, key) {
			if err := emitCount(c, key, win); err != nil {
				return err
			}
		}
		return nil
	}
	start := number(arg)
	for key, value := range w.Entries(c, start) {
		same, ok, err := w.Get(c, key, start)
		if err != nil {
			return err
		}
		n, _ := slip.ValueInt(value)
		if m, _ := slip.ValueInt(same); !ok || m != n {
			return slip.Drop("get and entries differ")
		}
		out.Emit(c, key, text(n))
	}
	return nil
}

// one adds 1 to a number.
func one(c *slip.Call) func(old []byte) ([]byte, error) {
	return func(old []byte) ([]byte, error) {
		n, _ := slip.ValueInt(old)
		return c.IntValue(n + 1), nil
	}
}
