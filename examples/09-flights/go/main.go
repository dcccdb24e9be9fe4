// Command go is the module of example 09: late flights are split from the
// rest, and counted by the airport they go to and by week.
package main

import (
	"math"
	"time"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var (
	late    = slip.Sink("late")
	onTime  = slip.Sink("on-time")
	minutes = slip.IntParam("minutes", 15, "delay above which a flight is late")

	weeks = slip.Cache("weeks")
	days  = slip.IntParam("days", 7, "days of a window")
	grace = slip.IntParam("grace_days", 0, "days that a window stays open after its end")
)

func init() {
	slip.Handle("late", split, late, onTime, minutes, slip.Stateless())
	slip.Handle("rekey", rekey, slip.Stateless())
	slip.Handle("weekly", weekly, weeks, days, grace)
}

func main() {}

// split passes each flight on, to one sink or the other. A record whose delay
// is missing or no number fails, and on_error decides what becomes of it.
func split(c *slip.Call, rec slip.Record) error {
	to := onTime
	if rec.Doc().Get("delay").Int() > int64(minutes.Get(c)) {
		to = late
	}
	to.Emit(c, rec.Key, rec.Value)
	return nil
}

// rekey groups flights by where they go.
func rekey(c *slip.Call, rec slip.Record) error {
	c.Emit([]byte(rec.Doc().Get("destination").Str()), rec.Value)
	return nil
}

const dayMs = 24 * 60 * 60 * 1000

// weekly keeps, for each airport and week, how many late flights there were, by
// how many minutes together, and by how many at worst; it emits the figures
// anew with each flight.
func weekly(c *slip.Call, rec slip.Record) error {
	week := slip.Tumbling{Cache: weeks, Size: int64(days.Get(c)) * dayMs, Grace: int64(grace.Get(c)) * dayMs}
	delay := rec.Doc().Get("delay").Int()
	var flights, sum, worst int64
	in, ok, err := week.Update(c, rec.Key, rec.Timestamp, func(old []byte) ([]byte, error) {
		was := c.Doc(old)
		flights = was.Get("flights").IntOr(0) + 1
		sum = was.Get("minutes").IntOr(0) + delay
		worst = max(was.Get("worst").IntOr(delay), delay)
		return c.Encode(c.NewMap().Set("flights", flights).Set("minutes", sum).Set("worst", worst))
	})
	if err != nil || !ok { // too late for its week: the SDK counts it
		return err
	}
	from := time.UnixMilli(in.Start).UTC().Format("2006/01/02")
	mean := math.Round(float64(sum)*10/float64(flights)) / 10
	c.EmitValue([]byte(string(rec.Key)+" "+from), c.NewMap().
		Set("airport", string(rec.Key)).
		Set("week", from).
		Set("late", flights).
		Set("mean", mean).
		Set("worst", worst))
	return nil
}
