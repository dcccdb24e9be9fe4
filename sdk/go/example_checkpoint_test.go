package slip_test

import (
	"fmt"

	slip "github.com/sliphost/sliphost/sdk/go"
	"github.com/sliphost/sliphost/sdk/go/sliptest"
)

var weatherFirst = slip.Checkpoint("weather-first")

func init() {
	slip.Handle("activity", activity, weatherFirst.OnRecovery(goBack))
}

// activity tells how far it is, and where.
func activity(c *slip.Call, rec slip.Record) error {
	down, err := weatherFirst.CheckPulse(c, slip.TimeMarker(rec.Timestamp), slip.StateInt("0", rec.Offset))
	if err != nil {
		return err
	}
	if first, ok := down.First(); ok {
		c.Emit(rec.Key, []byte("without "+first.Dependency))
	}
	return nil
}

// goBack has what was handled without the weather handled again.
func goBack(c *slip.Call, r slip.Recovery) error {
	for _, p := range r.Detected {
		if err := c.SeekTo(p); err != nil {
			return err
		}
	}
	return nil
}

func ExampleCheckpoint() {
	weather := sliptest.NewCheckpoint("weather-first", sliptest.Dependency{Name: "weather", ThresholdMs: 1000})
	h, err := sliptest.Start("activity", sliptest.Bind(weather))
	if err != nil {
		panic(err)
	}
	beat := func(ms int64) {
		l, err := weather.Heartbeat(slip.TimeMarker(ms), "weather")
		fmt.Println("late:", l.IsLate, err)
	}
	beat(10_000)
	ride := sliptest.KV("ride", "")
	ride.Timestamp = 12_000
	fmt.Printf("%s\n", h.Send(ride).Outputs[0].Value)
	beat(12_001)
	fmt.Println(h.Border().Seeks)
	// Output:
	// late: false <nil>
	// without weather
	// late: false <nil>
	// [{in 0 0}]
}

func ExampleOnAdvance() {
	h, err := sliptest.Start("open")
	if err != nil {
		panic(err)
	}
	rec := sliptest.KV("k", "v")
	rec.Timestamp = 5
	h.Send(rec)
	fmt.Println(len(h.Advance(9).Outputs))
	fmt.Printf("%s\n", h.Advance(12).Outputs[0].Value)
	// Output:
	// 0
	// closed at 12
}

func init() {
	open := func(*slip.Call, slip.Record) error { return nil }
	slip.Handle("open", open, slip.OnAdvance(func(c *slip.Call, a slip.Advance) error {
		if a.StreamTime >= 10 {
			c.Emit(nil, fmt.Append(nil, "closed at ", a.StreamTime))
		}
		return nil
	}))
}
