// Command go is the module of example 07: activities are reported with the
// weather of their day. That the weather may be late is not its concern: the
// manifest's checkpoint holds activities back meanwhile.
package main

import slip "github.com/sliphost/sliphost/sdk/go"

var days = slip.Cache("weather-by-date")

func init() {
	slip.Handle("weather", weather, days)
	slip.Handle("activity", activity, days)
}

func main() {}

// weather keeps what the weather of a day was.
func weather(c *slip.Call, rec slip.Record) error {
	day := rec.Doc()
	return days.Put(c, []byte(day.Get("date").Str()), []byte(day.Get("weather").Str()))
}

// activity reports what was done in which weather.
func activity(c *slip.Call, rec slip.Record) error {
	done := rec.Doc()
	date := done.Get("date").Str()
	sky, known, err := days.Get(c, []byte(date))
	if err != nil {
		return err
	}
	if !known {
		sky = []byte("weather unknown")
	}
	c.Emit(nil, []byte(date+" "+done.Get("what").Str()+": "+string(sky)))
	return nil
}
