package golden

// Reference returns the page about test files as Markdown.
func Reference() string {
	return `# Golden tests

A golden test is a TOML file beside a manifest, named ` + "`NAME.test.toml`" + `. ` + "`sliphost test`" + ` feeds its inputs to the manifest's real modules in the real engine, with their real limits, on a broker in memory and a virtual clock, and compares every record that comes out, and what the caches hold. ` + "`sliphost test --update`" + ` rewrites what is expected to what came out; comments and everything that is right already stay.

` + "```toml\n" + referenceExample + "```" + `

## What is compared

The records of each sink must be the expected ones, in their order. A sink that is expected nowhere must stay empty, unless ` + "`ignore`" + ` names it. Dead letters are records of their topic like any other. What goes through a repartition is compared only if the test expects something of it. With exactly-once delivery only what is committed has come out.

| key of [[output]] | left out |
| --- | --- |
| key, key_base64 | the key is null |
| value, value_base64 | the value is null: a tombstone |
| headers | not compared; otherwise those that are named must be there |
| partition, timestamp | not compared |

Keys and values are compared as JSON where both sides are JSON (members in any order, numbers by their value), otherwise byte by byte.

## Caches

` + "`[cache.NAME.before]` holds the entries that a cache has when the test begins, `[cache.NAME.after]` those that it must have at the end. Both are tables of keys and values or, for all that this cannot say, lists of blocks. A cache without `after` is not compared; `exact = false` allows more entries than are expected." + `

| key of [[cache.NAME.before]], [[cache.NAME.after]] | |
| --- | --- |
| key, key_base64 | by the type of the cache's keys: text, a number, true or false; 0x and hex digits for keys of bytes |
| window | the start of the window that the key is in, for caches of the SDKs' Tumbling |
| value, value_base64 | text is the bytes it is; a number is what the SDKs' helpers for numbers write; a table, a list, true and false are values in msgpack |
| partition | left out: any partition; before: by the key, as a producer would choose |

A global cache is filled by its topic: an [[input]] whose source is that topic is in the cache before the next input is fed. What is in a local cache cannot be told.

` + "`restart = true`" + ` at an [[input]] stops the host before that record and starts it again, with what it has committed and nothing else.

## Order and time

Inputs are fed in the order of the file: a record of another source than the one before is fed when the one before has been processed and committed. The run ends when everything is processed, retries included. Waits pass in no time, because the clock is virtual; a timer ticks only where an [[input]] says so. Topics have the partitions that the manifest says, otherwise one; changelogs and repartition topics have as many as at a broker. One worker runs the test, so that it gives the same result every time.
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

[[input]]
source = "flights"
value = "no JSON"
restart = true                       # the host is stopped and started again before this record

[[output]]
sink = "late"                        # a topic, "stdout", "file:out.ndjson"
key = "LHR"
value = { flight = "BA1", delay = 20 }

[[output]]
sink = "dead"
key = "AMS"
value = "no JSON"
headers = { "slip.handler" = "late", "slip.code" = "undecodable" }

[cache.flights-by-origin.before]     # what a cache holds when the test begins
LHR = 4

[cache.flights-by-origin.after]      # and at the end
LHR = 5

[[cache.delays.after]]               # the same, for what needs more than key and value
window = "2026-01-01T10:00:00Z"
key = "LHR"
value = { count = 1, sum = 20 }
partition = 1
`
