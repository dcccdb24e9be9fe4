// Command go is the module of example 09: late flights are split from the
// rest.
package main

import slip "github.com/sliphost/sliphost/sdk/go"

var (
	late    = slip.Sink("late")
	onTime  = slip.Sink("on-time")
	minutes = slip.IntParam("minutes", 15, "delay above which a flight is late")
)

func init() { slip.Handle("late", split, late, onTime, minutes, slip.Stateless()) }

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
