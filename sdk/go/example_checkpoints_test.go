package slip_test

import (
	"strconv"

	slip "github.com/sliphost/sliphost/sdk/go"
)

// The snippets of docs/checkpoints.md: TestDocsSnippets compares them.

var first = slip.Checkpoint("weather-first")

func weather(c *slip.Call, rec slip.Record) error {
	latency, err := first.Heartbeat(c, slip.TimeMarker(rec.Timestamp), "weather")
	if err == nil && latency.IsLate {
		tooLate.Emit(c, rec.Key, rec.Value)
	}
	return err
}

func activity(c *slip.Call, rec slip.Record) error {
	offset := slip.StateInt(strconv.Itoa(int(rec.Partition)), rec.Offset)
	down, err := first.CheckPulse(c, slip.TimeMarker(rec.Timestamp), offset)
	if d, is := down.First(); is {
		c.Warn(d.Dependency + " is " + strconv.FormatInt(d.Ms, 10) + " ms behind")
	}
	return err
}

func down(c *slip.Call, d slip.Downtime) error {
	c.Emit(nil, []byte(d.Dependency+" is down"))
	return nil
}

func recovered(c *slip.Call, r slip.Recovery) error {
	for _, p := range r.Detected {
		if err := c.SeekTo(p); err != nil {
			return err
		}
	}
	return nil
}

func init() {
	slip.Handle("weather", weather, first, tooLate)
	slip.Handle("activity", activity, first, first.OnDowntime(down), first.OnRecovery(recovered))
}
