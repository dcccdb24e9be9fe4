package slip_test

import slip "github.com/sliphost/sliphost/sdk/go"

// The snippets of docs/windows.md and docs/joins.md: TestDocsSnippets compares
// them.

var (
	totals  = slip.Cache("totals")
	visits  = slip.Cache("visits")
	orders  = slip.Cache("orders")
	ids     = slip.Cache("ids")
	people  = slip.Cache("people")
	tooLate = slip.Sink("late")
)

var perMinute = slip.Tumbling{Cache: totals, Size: 60_000, Grace: 5_000, Late: tooLate, Close: emitTotal}

func emitTotal(c *slip.Call, key []byte, w slip.Window) error {
	c.EmitRecord(slip.Out{Key: key, Value: w.Value}.At(w.End - 1))
	return nil
}

func count(c *slip.Call, rec slip.Record) error {
	_, _, err := perMinute.Update(c, rec.Key, rec.Timestamp, func(old []byte) ([]byte, error) {
		n, _ := slip.ValueInt(old)
		return c.IntValue(n + 1), nil
	})
	return err
}

func init() {
	slip.Handle("count", count, totals, tooLate, slip.OnAdvance(perMinute.Advance))
}

var lastHour = slip.Hopping{Cache: totals, Size: 3_600_000, Step: 60_000}

var clicks = slip.Session{Cache: visits, Gap: 30 * 60_000, Merge: addUp, Close: emitTotal}

func addUp(c *slip.Call, earlier, later []byte) ([]byte, error) {
	a, _ := slip.ValueInt(earlier)
	b, _ := slip.ValueInt(later)
	return c.IntValue(a + b), nil
}

var paid = slip.Join{Cache: orders, After: 3_600_000, Grace: 60_000, Kind: slip.LeftJoin, Emit: emitPaid}

func emitPaid(c *slip.Call, p slip.Pair) error {
	if p.Right == nil {
		c.Emit(p.Key, []byte("never paid"))
	} else {
		c.Emit(p.Key, p.Right)
	}
	return nil
}

func pay(c *slip.Call, rec slip.Record) (err error) {
	if rec.Topic() == "orders" {
		_, err = paid.Left(c, rec.Key, rec.Timestamp, rec.Value)
	} else {
		_, err = paid.Right(c, rec.Key, rec.Timestamp, rec.Value)
	}
	return err
}

var withPerson = slip.TableJoin{Table: people, Kind: slip.LeftJoin}

func enrich(c *slip.Call, rec slip.Record) error {
	person, ok, err := withPerson.Row(c, rec.Key)
	if ok {
		c.Emit(rec.Value, person)
	}
	return err
}

var once = slip.Dedup{Cache: ids, TTL: 24 * 3_600_000}

func unique(c *slip.Call, rec slip.Record) error {
	first, err := once.First(c, rec.Key)
	if first {
		c.Emit(rec.Key, rec.Value)
	}
	return err
}

func init() {
	slip.Handle("pay", pay, orders, slip.OnAdvance(paid.Advance))
	slip.Handle("enrich", enrich, people)
	slip.Handle("unique", unique, ids)
	slip.Handle("clicks", func(*slip.Call, slip.Record) error { _, _ = lastHour, clicks; return nil })
}
