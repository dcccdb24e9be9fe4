package slip_test

import (
	"bytes"
	"errors"
	"fmt"

	slip "github.com/sliphost/sliphost/sdk/go"
	"github.com/sliphost/sliphost/sdk/go/sliptest"
)

var (
	balances = slip.Cache("balances")
	visits   = slip.Cache("visits")
	tooLate  = slip.Sink("too-late")
	hourly   = slip.Tumbling{Cache: visits, Size: 3_600_000, Grace: 60_000, Late: tooLate}
	totals   = slip.Sink("totals")
)

func init() {
	slip.Handle("transfer", transfer, balances)
	slip.Handle("visits", countVisits, visits, totals, tooLate)
}

// transfer takes "FROM TO" and moves 10 from one account to the other.
func transfer(c *slip.Call, rec slip.Record) error {
	from, to, _ := bytes.Cut(rec.Value, []byte(" "))
	err := balances.Transaction(c, from, func() error {
		left, err := balances.AddInt(c, from, -10)
		if err != nil {
			return err
		}
		if left < 0 {
			return errors.New("overdraft") // the subtraction is undone
		}
		_, err = balances.AddInt(c, to, 10)
		return err
	})
	if err != nil {
		c.Emit(from, []byte(err.Error()))
		return nil
	}
	c.Emit(from, []byte("moved"))
	return nil
}

func ExampleCacheRef_Transaction() {
	h, err := sliptest.Start("transfer")
	if err != nil {
		fmt.Println(err)
		return
	}
	h.Put("balances", []byte("ann"), []byte{15, 0, 0, 0, 0, 0, 0, 0})
	got := h.Send(sliptest.KV("", "ann bob"), sliptest.KV("", "ann bob"))
	for _, o := range got.Outputs {
		fmt.Printf("%s: %s\n", o.Key, o.Value)
	}
	n, _ := slip.ValueInt(h.Cache("balances")["ann"])
	fmt.Println("ann has", n)
	// Output:
	// ann: moved
	// ann: overdraft
	// ann has 5
}

// countVisits counts records per key and hour.
func countVisits(c *slip.Call, rec slip.Record) error {
	w, ok, err := hourly.Update(c, rec.Key, rec.Timestamp, func(old []byte) ([]byte, error) {
		n, _ := slip.ValueInt(old)
		return c.IntValue(n + 1), nil
	})
	if !ok {
		return err // nil if the record is late
	}
	n, _ := slip.ValueInt(w.Value)
	totals.Emit(c, rec.Key, fmt.Appendf(nil, "%d from %d to %d", n, w.Start, w.End))
	return nil
}

func ExampleTumbling() {
	h, err := sliptest.Start("visits")
	if err != nil {
		fmt.Println(err)
		return
	}
	at := func(timestamp int64) sliptest.Record {
		return sliptest.Record{Key: []byte("home"), Timestamp: timestamp}
	}
	got := h.Send(at(0), at(3_599_999), at(3_600_000), at(3_590_000), at(3_660_000), at(0))
	for _, o := range got.Outputs {
		fmt.Printf("%s: %s %s\n", o.Sink, o.Key, o.Value)
	}
	// Output:
	// totals: home 1 from 0 to 3600000
	// totals: home 2 from 0 to 3600000
	// totals: home 1 from 3600000 to 7200000
	// totals: home 3 from 0 to 3600000
	// totals: home 2 from 3600000 to 7200000
	// too-late: home
}

func ExampleCacheRef_Items() {
	h, err := sliptest.Start("newest")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, day := range []string{"mon", "tue", "wed"} {
		h.Put("log", []byte("door/"+day), []byte("open"))
	}
	h.Put("log", []byte("window/mon"), []byte("shut"))
	for _, o := range h.Send(sliptest.KV("door/", "")).Outputs {
		fmt.Printf("%s %s\n", o.Key, o.Value)
	}
	// Output:
	// door/wed open
	// door/tue open
}

var eventLog = slip.Cache("log")

func init() { slip.Handle("newest", newest, eventLog) }

// newest emits the last two entries whose key begins with the record's.
func newest(c *slip.Call, rec slip.Record) error {
	n := 0
	for key, value := range eventLog.Items(c, slip.Prefix(rec.Key).Back()) {
		if n == 2 {
			break
		}
		n++
		c.Emit(key, value)
	}
	return nil
}
