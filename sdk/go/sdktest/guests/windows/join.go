package main

import (
	"strconv"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var (
	table  = slip.Cache("table")
	before = slip.IntParam("before", 5, "milliseconds that a right record may be earlier")
	after  = slip.IntParam("after", 5, "milliseconds that a right record may be later")
	kind   = slip.IntParam("kind", 0, "0 inner, 1 left, 2 outer")
	ttl    = slip.IntParam("ttl", 10, "milliseconds that a key is remembered")
)

func init() {
	slip.Handle("join", join, state, out, late, before, after, grace, kind,
		slip.OnAdvance(func(c *slip.Call, a slip.Advance) error { j := joinOf(c); return j.Advance(c, a) }))
	slip.Handle("table", match, table, out, kind)
	slip.Handle("dedup", dedup, state, out, ttl)
}

func joinOf(c *slip.Call) slip.Join {
	return slip.Join{
		Cache: state, Before: int64(before.Get(c)), After: int64(after.Get(c)), Grace: int64(grace.Get(c)),
		Kind: slip.JoinKind(kind.Get(c)), Late: late, Emit: emitPair,
	}
}

// join joins values that begin with "<", the left side, with others. From a
// topic whose name is "right" all are of the right side, from "left" of the
// left one.
func join(c *slip.Call, rec slip.Record) error {
	j := joinOf(c)
	left := len(rec.Value) > 0 && rec.Value[0] == '<'
	switch rec.Topic() {
	case "left":
		left = true
	case "right":
		left = false
	}
	var err error
	if left {
		_, err = j.Left(c, rec.Key, rec.Timestamp, rec.Value)
	} else {
		_, err = j.Right(c, rec.Key, rec.Timestamp, rec.Value)
	}
	return err
}

// emitPair emits "LEFT@TIME RIGHT@TIME", a "-" for the side that is not there.
func emitPair(c *slip.Call, p slip.Pair) error {
	b := half(nil, p.Left, p.LeftTime)
	b = half(append(b, ' '), p.Right, p.RightTime)
	out.Emit(c, p.Key, b)
	return nil
}

func half(b, value []byte, at int64) []byte {
	if value == nil {
		return append(b, '-')
	}
	b = append(append(b, value...), '@')
	return strconv.AppendInt(b, at, 10)
}

// match joins records with a table: a value "=ROW" sets the row of the key, "="
// removes it, any other is joined and emitted as "VALUE ROW".
func match(c *slip.Call, rec slip.Record) error {
	j := slip.TableJoin{Table: table, Kind: slip.JoinKind(kind.Get(c))}
	if len(rec.Value) > 0 && rec.Value[0] == '=' {
		row := rec.Value[1:]
		if len(row) == 0 {
			row = nil
		}
		return j.Set(c, rec.Key, row)
	}
	row, ok, err := j.Row(c, rec.Key)
	if err != nil || !ok {
		return err
	}
	if row == nil {
		row = []byte("-")
	}
	out.Emit(c, rec.Key, append(append(append([]byte{}, rec.Value...), ' '), row...))
	return nil
}

// dedup emits a record if its key is seen for the first time.
func dedup(c *slip.Call, rec slip.Record) error {
	d := slip.Dedup{Cache: state, TTL: int64(ttl.Get(c))}
	first, err := d.First(c, rec.Key)
	if first {
		out.Emit(c, rec.Key, rec.Value)
	}
	return err
}
