// Package golden runs golden tests of manifests: given inputs, expected
// outputs. It is the engine of `sliphost test`.
//
// A test is a TOML file beside the manifest, named NAME.test.toml:
//
//	manifest = "manifest.toml"           # this is the default
//	set = ["handler.late.params.minutes=20"]
//	env = { REGION = "eu" }              # what ${...} sees instead of the environment
//	now = "2026-01-01T00:00:00Z"         # where the virtual clock starts; this is the default
//	ignore = ["audit"]                   # sinks whose records are not compared
//	error = "text"                       # the run must fail, with this in its error
//
//	[[input]]
//	source = "flights"                   # as the manifest writes it: a topic's id, "stdin", "file:in.ndjson", "timer:1m"
//	key = "LHR"                          # text
//	value = { flight = "BA1", delay = 20 }   # a table, list or number is JSON; text is the bytes it is
//	timestamp = "2026-01-01T10:00:00Z"   # or milliseconds since 1970; "now" by default
//	partition = 1                        # by the key by default
//	headers = { trace = "1" }
//
//	[[input]]
//	source = "flights"
//	file = "flights.ndjson"              # a record a line
//	key_at = "/origin"                   # where the key is in each line, which then must be JSON
//	timestamp_at = "/scheduled"          # with ":LAYOUT" behind it for times in other forms
//
//	[[output]]
//	sink = "late"                        # a topic's id, "stdout", "file:out.ndjson"
//	key = "LHR"
//	value = { flight = "BA1", delay = 20 }
//
// Bytes that are no text are key_base64 and value_base64. A key or value that
// is left out is null. The records of each sink must be the expected ones, in
// their order; a sink that is expected nowhere must stay empty. Of an expected
// record, partition, timestamp and headers are compared only where given, and
// of headers only those that are named. Values are compared as JSON where both
// sides are JSON, otherwise byte by byte. Dead letters are records of their
// topic like any other.
//
// Inputs are fed in the order of the file: a record of another source than the
// one before is fed when the one before has been processed. The run ends when
// all is processed, retries included; waits pass in no time, since the clock is
// virtual. A timer ticks only where [[input]] says so. One worker runs the
// test, with the manifest's real modules and limits, so a test gives the same
// result every time.
package golden
