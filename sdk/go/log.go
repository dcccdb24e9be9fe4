package slip

import "github.com/sliphost/sliphost/abi"

// Level says how much a log line matters.
type Level = abi.Level

// Levels of log lines.
const (
	LevelDebug = abi.LevelDebug
	LevelInfo  = abi.LevelInfo
	LevelWarn  = abi.LevelWarn
	LevelError = abi.LevelError
)

// Log writes a line to the host's log, which adds handler, module and worker;
// a line that is about a record says itself which. Lines are bounded in rate
// and length; control characters are escaped.
func (c *Call) Log(level Level, text string) {
	c.check()
	hostLog(c.in, level, text)
}

// Debug logs at level debug.
func (c *Call) Debug(text string) { c.Log(LevelDebug, text) }

// Info logs at level info.
func (c *Call) Info(text string) { c.Log(LevelInfo, text) }

// Warn logs at level warn.
func (c *Call) Warn(text string) { c.Log(LevelWarn, text) }

// Error logs at level error. It does not fail the record.
func (c *Call) Error(text string) { c.Log(LevelError, text) }

// Count adds delta to a counter of the handler; a negative delta is ignored.
func (c *Call) Count(name string, delta float64) {
	c.check()
	hostMetric(c.in, abi.MetricCounter, name, delta)
}

// Gauge sets a gauge of the handler.
func (c *Call) Gauge(name string, v float64) {
	c.check()
	hostMetric(c.in, abi.MetricGauge, name, v)
}

// Observe adds a value to a histogram of the handler.
func (c *Call) Observe(name string, v float64) {
	c.check()
	hostMetric(c.in, abi.MetricHistogram, name, v)
}
