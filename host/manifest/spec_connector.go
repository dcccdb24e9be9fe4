package manifest

import "time"

// Defaults of tables that an endpoint may do without.
const (
	defaultListen  = "127.0.0.1:8080"
	defaultBatch   = 1
	defaultTimeout = 10 * time.Second
	defaultGiveUp  = 20 * time.Second
)

func timerField() field {
	return field{
		name: "timer", kind: fieldTables, id: "timer",
		help: `[timer.ID] is a timer with settings, for the source "timer:ID". "timer:1m" and "timer:cron:0 6 * * *" need none. A handler that reads a topic as well gets each tick for each partition of the first one it names; otherwise one process of the group gets it.`,
		add:  adder(func(m *Manifest) *[]Timer { return &m.Timers }, func(t *Timer) *string { return &t.ID }),
		each: walker(func(m *Manifest) *[]Timer { return &m.Timers }, func(t *Timer) *string { return &t.ID }),
		table: &table{fields: []field{
			{
				name: "every", kind: fieldDuration, min: 10 * ms, max: 366 * 24 * 3600 * sec, example: `"1m"`,
				help: "The distance of ticks, which are at its multiples since 1970 (UTC).",
				slot: at(func(t *Timer) *time.Duration { return &t.Every }),
			},
			{
				name: "cron", kind: fieldString, example: `"0 6 * * mon-fri"`, check: checkCron,
				help: "The times of ticks, as crontab(5) writes them: minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly, @monthly, @yearly.",
				slot: textAt(func(t *Timer) *string { return &t.Cron }),
			},
			{
				name: "zone", kind: fieldString, def: "UTC", example: `"Europe/Berlin"`, check: checkZone,
				help: "The time zone of cron. An hour that a change of the clocks leaves out has no ticks, one that comes twice has them once, except where the hour is *.",
				slot: textAt(func(t *Timer) *string { return &t.Zone }),
			},
			{
				name: "missed", kind: fieldChoice, def: string(MissedOnce), example: `"skip"`,
				help: "What becomes of ticks that passed while no process ran the timer.",
				choices: []choice{
					{name: string(MissedOnce), help: "One tick at the start, with the time of the last one missed."},
					{name: string(MissedSkip), help: "Nothing: the next tick is the next."},
				},
				slot: textAt(func(t *Timer) *Missed { return &t.Missed }),
			},
		}},
	}
}

func fileField() field {
	return field{
		name: "file", kind: fieldTables, id: "file",
		help: `[file.ID] is a file with settings, for the source or sink "file:ID". "file:path" needs none.`,
		add:  adder(func(m *Manifest) *[]File { return &m.Files }, func(f *File) *string { return &f.ID }),
		each: walker(func(m *Manifest) *[]File { return &m.Files }, func(f *File) *string { return &f.ID }),
		table: &table{fields: []field{
			{
				name: "path", kind: fieldString, required: true, example: `"in/orders.csv"`, check: checkNotEmpty,
				help: "The file, relative to the manifest, or absolute.",
				slot: textAt(func(f *File) *string { return &f.Path }),
			},
			{
				name: "codec", kind: fieldChoice, defNote: "json for .ndjson and .jsonl, csv for .csv as a source, else raw", example: `"string"`, choices: lineCodecs(true),
				help: "What a line is.",
				slot: textAt(func(f *File) *Codec { return &f.Codec }),
			},
			{
				name: "follow", kind: fieldBool, def: "true", example: "false",
				help: "Whether a source waits for more at the end of the file. With --until-idle none does.",
				slot: at(func(f *File) *bool { return &f.Follow }),
			},
			{
				name: "rotate_size", kind: fieldSize, defNote: "no limit", min: kib, max: 1024 * gib, example: `"100MB"`,
				help: "A sink begins a new file when this one would become larger. The old one is renamed to PATH.1, that to PATH.2, and so on.",
				slot: intAt(func(f *File) *int64 { return &f.RotateSize }),
			},
			{
				name: "rotate_every", kind: fieldDuration, defNote: "no limit", min: sec, max: 366 * 24 * 3600 * sec, example: `"24h"`,
				help: "A sink begins a new file at each multiple of this since 1970 (UTC).",
				slot: at(func(f *File) *time.Duration { return &f.RotateEvery }),
			},
			{
				name: "keep", kind: fieldInt, def: "10", min: 0, max: 10_000, example: "30",
				help: "The number of old files a sink that begins new ones keeps.",
				slot: intAt(func(f *File) *int { return &f.Keep }),
			},
		}},
	}
}

// lineCodecs are the codecs of lines and bodies.
func lineCodecs(csv bool) []choice {
	all := []choice{
		{name: string(CodecRaw), help: "Bytes, handed on as they are."},
		{name: string(CodecString), help: "UTF-8 text, checked."},
		{name: string(CodecJSON), help: "JSON; the handler sees a typed value."},
	}
	if csv {
		all = append(all, choice{name: string(CodecCSV), help: "A row of a CSV file that begins with a header; the handler sees a map from column to text. Sources only."})
	}
	return all
}

func httpField() field {
	return field{
		name: "http", kind: fieldTable,
		help: `[http] is where sources "http:/path" are posted to. A request is answered when the transaction with all its effects is committed.`,
		sub:  inside(func(m *Manifest) *HTTPServer { return &m.HTTP }),
		table: &table{fields: []field{
			{
				name: "listen", kind: fieldString, def: defaultListen, example: `"0.0.0.0:8080"`, check: checkListen,
				help: "The address. One that others can reach needs a token.",
				slot: textAt(func(h *HTTPServer) *string { return &h.Listen }),
			},
			{
				name: "token", kind: fieldString, example: `"${file:/run/secrets/ingest}"`, check: checkNotEmpty,
				help: "What requests have to bring: Authorization: Bearer TOKEN.",
				slot: textAt(func(h *HTTPServer) *string { return &h.token }),
			},
			{
				name: "origins", kind: fieldStrings, example: `["https://shop.example"]`,
				help: "The web pages that may post, as browsers name them. Without it none may.",
				slot: at(func(h *HTTPServer) *[]string { return &h.Origins }),
			},
			{
				name: "max_body", kind: fieldSize, def: "1MiB", min: 1, max: 64 * 1024 * kib, example: `"256KiB"`,
				help: "The most bytes of a body.",
				slot: intAt(func(h *HTTPServer) *int64 { return &h.MaxBody }),
			},
			{
				name: "queue", kind: fieldSize, def: "16MiB", min: kib, max: 4 * gib, example: `"64MiB"`,
				help: "The most bytes of all bodies that wait for their commit at one path. What comes on top is answered 429.",
				slot: intAt(func(h *HTTPServer) *int64 { return &h.Queue }),
			},
			{
				name: "timeout", kind: fieldDuration, def: "30s", min: 100 * ms, max: 600 * sec, example: `"10s"`,
				help: "How long a body may take to arrive, and a request waits for its commit.",
				slot: at(func(h *HTTPServer) *time.Duration { return &h.Timeout }),
			},
		}},
	}
}

func webhookField() field {
	return field{
		name: "webhook", kind: fieldTables, id: "webhook",
		help: `[webhook.ID] is a place that records are posted to, for the sink "webhook:ID". "https://host/path" needs none. Each request has an Idempotency-Key, which stays the same when it is sent again. 429, 5xx and silence are tried again, other refusals are the record's failure.`,
		add:  adder(func(m *Manifest) *[]Webhook { return &m.Webhooks }, func(h *Webhook) *string { return &h.ID }),
		each: walker(func(m *Manifest) *[]Webhook { return &m.Webhooks }, func(h *Webhook) *string { return &h.ID }),
		table: &table{fields: []field{
			{
				name: "url", kind: fieldString, required: true, example: `"https://example.org/hooks/orders"`, check: checkURL,
				help: "The address, http or https.",
				slot: textAt(func(h *Webhook) *string { return &h.URL }),
			},
			{
				name: "headers", kind: fieldProperties, example: `{ Authorization = "Bearer ${file:/run/secrets/hook}" }`,
				help: "Headers of each request.",
				slot: at(func(h *Webhook) *[]Property { return &h.Headers }),
				owned: []ownedProperty{
					{"Idempotency-Key", "it names the record"},
					{"Content-Length", "it is counted"},
					{"Host", "it is the URL's"},
				},
			},
			{
				name: "codec", kind: fieldChoice, defNote: "what the handler's other sinks take", example: `"json"`, choices: lineCodecs(false),
				help: "What a body is.",
				slot: textAt(func(h *Webhook) *Codec { return &h.Codec }),
			},
			{
				name: "batch", kind: fieldInt, def: "1", min: 1, max: 10_000, example: "100",
				help: "The most records of one request. Above 1 a body has a line for each (application/x-ndjson), and a refused one is sent again record by record.",
				slot: intAt(func(h *Webhook) *int { return &h.Batch }),
			},
			{
				name: "timeout", kind: fieldDuration, def: "10s", min: 100 * ms, max: 60 * sec, example: `"3s"`,
				help: "How long one request may take.",
				slot: at(func(h *Webhook) *time.Duration { return &h.Timeout }),
			},
			{
				name: "give_up", kind: fieldDuration, def: "20s", min: 100 * ms, max: 25 * sec, example: `"5s"`,
				help: "How long a commit waits for all its requests, tries included. After that it is taken back and its records are processed again.",
				slot: at(func(h *Webhook) *time.Duration { return &h.GiveUp }),
			},
		}},
	}
}

func customField() field {
	return field{
		name: "x", kind: fieldTables, id: "connector",
		help: `[x.ID] is a source or sink that the program itself brings, for "x:ID": see package connector. "x:KIND" and "x:KIND:ARGUMENT" need no table.`,
		add:  adder(func(m *Manifest) *[]Custom { return &m.Customs }, func(c *Custom) *string { return &c.ID }),
		each: walker(func(m *Manifest) *[]Custom { return &m.Customs }, func(c *Custom) *string { return &c.ID }),
		table: &table{fields: []field{
			{
				name: "kind", kind: fieldString, defNote: "the id", example: `"nats"`, check: checkNotEmpty,
				help: "The name under which the program knows it.",
				slot: textAt(func(c *Custom) *string { return &c.Kind }),
			},
			{
				name: "arg", kind: fieldString, example: `"orders.*"`,
				help: "What it is to read or write.",
				slot: textAt(func(c *Custom) *string { return &c.Arg }),
			},
			{
				name: "codec", kind: fieldChoice, defNote: "raw as a source; as a sink what the handler's other sinks take", example: `"json"`, choices: lineCodecs(false),
				help: "What a value is.",
				slot: textAt(func(c *Custom) *Codec { return &c.Codec }),
			},
			{
				name: "config", kind: fieldProperties, example: `{ servers = "localhost:4222" }`,
				help: "Its own settings.",
				slot: at(func(c *Custom) *[]Property { return &c.Config }),
			},
		}},
	}
}
