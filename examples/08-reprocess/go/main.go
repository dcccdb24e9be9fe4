// Command go is the module of example 08: activities are reported with the
// weather of their day, and those that had to be reported without it are
// reported again when it comes.
package main

import (
	"strconv"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var (
	days         = slip.Cache("weather-by-date")
	weatherFirst = slip.Checkpoint("weather-first")
)

func init() {
	slip.Handle("weather", weather, days, weatherFirst)
	slip.Handle("activity", activity, days, weatherFirst, weatherFirst.OnDowntime(down), weatherFirst.OnRecovery(recovered))
}

func main() {}

// weather keeps what the weather of a day was, and says how far it has come.
func weather(c *slip.Call, rec slip.Record) error {
	day := rec.Doc()
	if err := days.Put(c, []byte(day.Get("date").Str()), []byte(day.Get("weather").Str())); err != nil {
		return err
	}
	_, err := weatherFirst.Heartbeat(c, slip.TimeMarker(rec.Timestamp), "weather")
	return err
}

// activity reports what was done in which weather, and asks whether the
// weather is up to date.
func activity(c *slip.Call, rec slip.Record) error {
	if _, err := weatherFirst.CheckPulse(c, slip.TimeMarker(rec.Timestamp)); err != nil {
		return err
	}
	done := rec.Doc()
	date := done.Get("date").Str()
	sky, known, err := days.Get(c, []byte(date))
	if err != nil {
		return err
	}
	if !known {
		sky = []byte("weather unknown")
	}
	line := date + " " + done.Get("what").Str() + ": " + string(sky)
	if rec.Replayed() {
		line += " (again)"
	}
	c.Emit(nil, []byte(line))
	return nil
}

// down reports that the activities wait.
func down(c *slip.Call, d slip.Downtime) error {
	c.Emit(nil, []byte(d.Dependency+" is "+strconv.FormatInt(d.Ms/3_600_000, 10)+" hours behind"))
	return nil
}

// recovered goes back to where the downtime was found.
func recovered(c *slip.Call, r slip.Recovery) error {
	c.Emit(nil, []byte(r.Dependency+" is back"))
	for _, p := range r.Detected {
		if err := c.SeekTo(p); err != nil {
			return err
		}
	}
	return nil
}
