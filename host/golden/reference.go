package golden

// Reference returns the page about test files as Markdown.
func Reference() string {
	return `# Golden tests

A golden test is a TOML file beside a manifest, named ` + "`NAME.test.toml`" + `. ` + "`sliphost test`" + ` feeds its inputs to the manifest's real modules in the real engine, with their real limits, on a broker in memory and a virtual clock, and compares every record that comes out. ` + "`sliphost test --update`" + ` rewrites what is expected to what came out; comments and everything that is right already stay.

` + "```toml\n" + referenceExample + "```" + `

## What is compared

The records of each sink must be the expected ones, in their order. A sink that is expected nowhere must stay empty, unless ` + "`ignore`" + ` names it. Dead letters are records of their topic like any other.

| key of [[output]] | left out |
| --- | --- |
| key, key_base64 | the key is null |
| value, value_base64 | the value is null: a tombstone |
| headers | not compared; otherwise those that are named must be there |
| partition, timestamp | not compared |

Keys and values are compared as JSON where both sides are JSON (members in any order, numbers by their value), otherwise byte by byte.

## Order and time

Inputs are fed in the order of the file: a record of another source than the one before is fed when the one before has been processed. The run ends when everything is processed, retries included. Waits pass in no time, because the clock is virtual; a timer ticks only where an [[input]] says so. Topics have the partitions that the manifest says, otherwise one. One worker runs the test, so that it gives the same result every time.
`
}

// referenceExample has every key there is.
const referenceExample = `manifest = "manifest.toml"           # this is the default
set = ["handler.late.params.minutes=20"]
env = { REGION = "eu" }              # what ${...} sees instead of the environment
now = "2026-01-01T00:00:00Z"         # where the virtual clock starts; this is the default
ignore = ["audit"]                   # sinks whose records are not compared
error = "stopped"                    # the run must fail, with this in its error

[[input]]
source = "flights"                   # as the manifest has it: a topic, "stdin", "file:in.ndjson", "timer:1m"
key = "LHR"
value = { flight = "BA1", delay = 20 }   # a table, list or number is JSON; text is the bytes it is
timestamp = "2026-01-01T10:00:00Z"   # or milliseconds since 1970; "now" by default
partition = 1                        # by the key by default
headers = { trace = "1" }

[[input]]
source = "flights"
file = "flights.ndjson"              # a record a line
key_at = "/origin"                   # where the key is in each line, which then must be JSON
timestamp_at = "/date:2006/01/02 15:04"  # milliseconds, RFC 3339, or the layout behind the colon

[[input]]
source = "flights"
key_base64 = "AP8="                  # bytes that are no text
value_base64 = "/w=="

[[output]]
sink = "late"                        # a topic, "stdout", "file:out.ndjson"
key = "LHR"
value = { flight = "BA1", delay = 20 }

[[output]]
sink = "dead"
key = "AMS"
value = "no JSON"
headers = { "slip.handler" = "late", "slip.code" = "undecodable" }
`
