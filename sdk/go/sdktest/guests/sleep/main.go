// Command sleep is a guest that waits. It is a module of its own because
// package time makes a module 280 KB larger.
package main

import (
	"time"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var wait = slip.IntParam("ms", 1000, "milliseconds to sleep for each record")

func init() { slip.Handle("sleep", sleep, wait, slip.Stateless()) }

func main() {}

// sleep sleeps, which a host ends at once, and passes the record on. It logs a
// warning if the clock says that less time went by.
func sleep(c *slip.Call, rec slip.Record) error {
	start := time.Now()
	time.Sleep(time.Duration(wait.Get(c)) * time.Millisecond)
	if took := time.Since(start); took < time.Duration(wait.Get(c))*time.Millisecond {
		c.Warn("slept for " + took.String())
	}
	c.Emit(rec.Key, rec.Value)
	return nil
}
