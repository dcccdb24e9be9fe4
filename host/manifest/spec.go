package manifest

import "time"

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
	gib = int64(1) << 30
	ms  = int64(time.Millisecond)
	sec = int64(time.Second)
)

// spec returns the specification of a whole manifest.
func spec() *table {
	return &table{fields: append(topFields(), tableFields()...)}
}

// topFields are the keys before the first table.
func topFields() []field {
	return []field{
		{
			name: "version", kind: fieldInt, required: true, example: "1",
			help: "The form of the manifest. This version of sliphost reads 1.",
			slot: intAt(func(m *Manifest) *int { return &m.version }),
		},
		{
			name: "name", kind: fieldString, required: true, example: `"flights"`, check: checkAppName,
			help: "The application's id: its consumer group, and the prefix of everything it creates at the broker. Two manifests with one name are members of one group.",
			slot: textAt(func(m *Manifest) *string { return &m.Name }),
		},
		{
			name: "delivery", kind: fieldChoice, def: string(defaultDelivery), example: `"at_least_once"`,
			help: "What is promised for every input record.",
			choices: []choice{
				{name: string(ExactlyOnce), help: "Outputs, caches and input positions are one transaction: after a crash each record has acted once. All topics of a worker are on one cluster."},
				{name: string(AtLeastOnce), help: "No record is lost; after a crash the effects of a few records can come twice."},
			},
			slot: textAt(func(m *Manifest) *Delivery { return &m.Delivery }),
		},
		{
			name: "commit_interval", kind: fieldDuration, def: "100ms", min: 10 * ms, max: 10 * sec, example: `"100ms"`,
			help: "How long outputs are collected before they are committed together with the positions of their inputs.",
			slot: at(func(m *Manifest) *time.Duration { return &m.CommitInterval }),
		},
		{
			name: "workers", kind: fieldInt, defNote: "the smaller of cores and partitions", min: 1, max: 256, example: "2",
			help: "The number of workers in this process. Each is a member of the consumer group and runs on a core of its own.",
			slot: intAt(func(m *Manifest) *int { return &m.Workers }),
		},
		{
			name: "state_dir", kind: fieldString, def: ".sliphost", example: `"/var/lib/flights"`, check: checkNotEmpty,
			help: "Where the process keeps its lock, its socket, compiled modules and the embedded broker's data. A relative path starts at the manifest's directory.",
			slot: textAt(func(m *Manifest) *string { return &m.StateDir }),
		},
		{
			name: "memory", kind: fieldSize, defNote: "half of the machine's or container's, at most 1GiB", min: 16 * mib, max: 1024 * gib, example: `"512MiB"`,
			help: "The budget of the host's own buffers and caches. The memory of module instances comes on top.",
			slot: intAt(func(m *Manifest) *int64 { return &m.Memory }),
		},
		{
			name: "membership", kind: fieldChoice, def: string(Static), example: `"dynamic"`,
			help: "How workers belong to the consumer group.",
			choices: []choice{
				{name: string(Static), help: "Partitions wait for a worker that restarts within the session timeout."},
				{name: string(Dynamic), help: "A clean stop gives the partitions to others at once."},
			},
			slot: textAt(func(m *Manifest) *Membership { return &m.Membership }),
		},
		{
			name: "profile", kind: fieldChoice, def: string(Throughput), example: `"latency"`,
			help: "What the client's buffers are tuned for where [kafka.config] does not say.",
			choices: []choice{
				{name: string(Throughput), help: "Records per second."},
				{name: string(Latency), help: "Time from input to output."},
			},
			slot: textAt(func(m *Manifest) *Profile { return &m.Profile }),
		},
	}
}

// tableFields are the tables of a manifest.
func tableFields() []field {
	return []field{
		kafkaField(), topicField(),
		{
			name: "proxy", kind: fieldTables, id: "proxy", reserved: reservedEndpoints(),
			help:  "[proxy.ID] passes records from one handler to the next inside a worker, without a topic.",
			table: &table{},
			add:   adder(func(m *Manifest) *[]Proxy { return &m.Proxies }, func(p *Proxy) *string { return &p.ID }),
			each: func(parent any, fn func(string, any)) {
				for i := range parent.(*Manifest).Proxies {
					if p := &parent.(*Manifest).Proxies[i]; !p.Pipe {
						fn(p.ID, p)
					}
				}
			},
		},
		repartitionField(), cacheField(), moduleField(), handlerField(), checkpointField(), onChangeField(),
		timerField(), fileField(), httpField(), webhookField(), customField(),
		{
			name: "admin", kind: fieldTable, help: "[admin] is where the running host answers besides its socket.",
			sub: inside(func(m *Manifest) *Admin { return &m.Admin }),
			table: &table{fields: []field{
				{
					name: "http", kind: fieldString, defNote: "no HTTP", example: `"127.0.0.1:9797"`, check: checkAddress,
					help: "Address of metrics, health and status over HTTP: of loopback, or any with a token. A unix socket in the state directory is there always.",
					slot: textAt(func(a *Admin) *string { return &a.HTTP }),
				},
				{
					name: "token", kind: fieldString, defNote: "none", example: `"${file:/run/secrets/sliphost-token}"`, check: checkNotEmpty,
					help: "What every request over HTTP must have as `Authorization: Bearer TOKEN`, at least 16 characters. With it other addresses than loopback are allowed, and caches are shown there too. It is never printed.",
					slot: func(parent any) slot {
						a := parent.(*Admin)
						return slot{
							get: func() any { return a.Token.String() },
							set: func(v any) { a.Token = NewValue(v.(string), true) },
						}
					},
				},
			}},
		},
		codecField(),
	}
}

func kafkaField() field {
	cluster := &table{fields: []field{
		{
			name: "bootstrap_servers", kind: fieldString, defNote: `"embedded", or that of [kafka]`, example: `"localhost:9092"`, check: checkServers,
			help: `Brokers to start from, host:port separated by commas, or "embedded" for the broker inside this binary.`,
			slot: textAt(func(c *Cluster) *string { return &c.BootstrapServers }),
		},
		{
			name: "group", kind: fieldString, defNote: "that of [kafka], or the application's name", example: `"flights-eu"`, check: checkGroup,
			help: "The consumer group of this cluster's topics.",
			slot: textAt(func(c *Cluster) *string { return &c.Group }),
		},
		{
			name: "config", kind: fieldProperties, client: true, example: `{ "security.protocol" = "SASL_SSL" }`,
			help: "Properties of the Kafka client (librdkafka) by their own names. Those that would break the host's promises are refused with the reason.",
			slot: func(parent any) slot {
				c := parent.(*Cluster)
				// What is written is the cluster's own; what is shown is merged.
				return slot{
					get: func() any { return c.Config },
					set: func(v any) { c.own = v.([]Property) },
				}
			},
		},
	}}
	return field{
		name: "kafka", kind: fieldTable, table: cluster,
		help: "[kafka] holds the defaults of every topic and cluster.",
		sub:  inside(func(m *Manifest) *Cluster { return &m.Clusters[0] }),
		rest: &field{
			name: "kafka", kind: fieldTables, table: cluster, id: "cluster",
			reserved: []string{DefaultCluster},
			help:     "[kafka.NAME] is another cluster, or the same one with other properties. What it leaves out comes from [kafka], each property by itself.",
			add:      adder(func(m *Manifest) *[]Cluster { return &m.Clusters }, func(c *Cluster) *string { return &c.Name }),
			each: func(parent any, fn func(string, any)) {
				m := parent.(*Manifest)
				for i := 1; i < len(m.Clusters); i++ {
					fn(m.Clusters[i].Name, &m.Clusters[i])
				}
			},
		},
	}
}

func topicField() field {
	return field{
		name: "topic", kind: fieldTables, id: "topic", reserved: reservedEndpoints(),
		help: "[topic.ID] is a Kafka topic that handlers read from, write to or send dead letters to.",
		add:  adder(func(m *Manifest) *[]Topic { return &m.Topics }, func(t *Topic) *string { return &t.ID }),
		each: walker(func(m *Manifest) *[]Topic { return &m.Topics }, func(t *Topic) *string { return &t.ID }),
		table: &table{fields: []field{
			{
				name: "name", kind: fieldString, defNote: "the topic's id", example: `"Flights_v2"`, check: checkTopicName,
				help: "The topic's name at the broker.",
				slot: textAt(func(t *Topic) *string { return &t.Name }),
			},
			{
				name: "kafka", kind: fieldString, def: DefaultCluster, example: `"other"`, check: checkNotEmpty,
				help: `The cluster the topic is on: the NAME of a [kafka.NAME], or "default" for [kafka].`,
				slot: textAt(func(t *Topic) *string { return &t.Kafka }),
			},
			{
				name: "create", kind: fieldBool, defNote: "true on the embedded broker, else false", example: "true",
				help: "Create the topic when it is missing.",
				slot: at(func(t *Topic) *bool { return &t.Create }),
			},
			{
				name: "partitions", kind: fieldInt, defNote: "the broker's default", min: 1, max: 100_000, example: "4",
				help: "The number of partitions to create with. A topic that is there with another number is an error.",
				slot: intAt(func(t *Topic) *int { return &t.Partitions }),
			},
			{
				name: "replication", kind: fieldInt, defNote: "the broker's default", min: 1, max: 128, example: "3",
				help: "The replication factor to create with.",
				slot: intAt(func(t *Topic) *int { return &t.Replication }),
			},
			{
				name: "start", kind: fieldStart, def: "earliest", example: `"latest"`,
				help: `Where reading begins when the group has no committed offset: "earliest", "latest", a time such as "2026-01-31T12:00:00Z", or "error" to refuse.`,
				slot: at(func(t *Topic) *Start { return &t.Start }),
			},
			{
				name: "codec", kind: fieldChoice, def: string(CodecRaw), example: `"json"`, choices: codecChoices(), open: true,
				help: "What the values of the topic's records are: a word, or the id of a [codec.ID].",
				slot: textAt(func(t *Topic) *Codec { return &t.Codec }),
			},
			{
				name: "key_codec", kind: fieldChoice, def: string(CodecRaw), example: `"string"`, choices: codecChoices(), open: true,
				help: "What the keys of the topic's records are: a word, or the id of a [codec.ID].",
				slot: textAt(func(t *Topic) *Codec { return &t.KeyCodec }),
			},
			{
				name: "config", kind: fieldProperties, example: `{ "retention.ms" = 86400000 }`,
				help: "Topic-level properties of the broker, used when the topic is created.",
				slot: at(func(t *Topic) *[]Property { return &t.Config }),
			},
		}},
	}
}

// codecChoices are the codecs of keys and values.
func codecChoices() []choice {
	return []choice{
		{name: string(CodecRaw), help: "Bytes, handed on as they are."},
		{name: string(CodecString), help: "UTF-8 text, checked, handed to the handler as bytes."},
		{name: string(CodecJSON), help: "JSON; the handler sees a typed value."},
		{name: string(CodecMsgpack), help: "MessagePack, checked; the handler sees a typed value."},
	}
}

func moduleField() field {
	return field{
		name: "module", kind: fieldTables, id: "module",
		help: "[module.ID] is a WebAssembly file with handlers in it.",
		add:  adder(func(m *Manifest) *[]Module { return &m.Modules }, func(o *Module) *string { return &o.ID }),
		each: walker(func(m *Manifest) *[]Module { return &m.Modules }, func(o *Module) *string { return &o.ID }),
		table: &table{fields: []field{
			{
				name: "path", kind: fieldString, required: true, example: `"build/flights.wasm"`, check: checkModulePath,
				help: "The file, relative to the manifest and below its directory, or absolute.",
				slot: textAt(func(o *Module) *string { return &o.Path }),
			},
			{
				name: "build", kind: fieldString, example: `"go build -buildmode=c-shared -o build/flights.wasm ./handlers"`, check: checkNotEmpty,
				help: "The command that makes the file, run in the manifest's directory by `build` and `dev` only. GOOS and GOARCH are set for it.",
				slot: textAt(func(o *Module) *string { return &o.Build }),
			},
			{
				name: "sha256", kind: fieldString, example: `"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`, check: checkSHA256,
				help: "A pin: a file with another hash is refused.",
				slot: textAt(func(o *Module) *string { return &o.SHA256 }),
			},
			{
				name: "capabilities", kind: fieldStrings, example: `["nondeterministic"]`, since: 4,
				help: "What the module may do beyond the sandbox.",
				slot: at(func(o *Module) *[]string { return &o.Capabilities }),
			},
			{
				name: "limits", kind: fieldTable, help: "What an instance of the module can use.",
				sub: inside(func(o *Module) *Limits { return &o.Limits }),
				table: &table{fields: []field{
					{
						name: "memory", kind: fieldSize, def: "64MiB", min: 64 * kib, max: 4 * gib, example: `"128MiB"`,
						help: "Linear memory of one instance, rounded down to whole pages of 64 KiB.",
						slot: intAt(func(l *Limits) *int64 { return &l.Memory }),
					},
					{
						name: "fuel", kind: fieldInt, def: "5_000_000_000", min: 100_000, max: 1 << 50, example: "50_000_000",
						help: "Instructions that one record may cost; a record that needs more is tried once more in a fresh instance before on_error acts. Memory that is filled or copied counts as an instruction for each 16 bytes, a call into the host as 100 and one for each 8 bytes it names.",
						slot: intAt(func(l *Limits) *int64 { return &l.Fuel }),
					},
					{
						name: "deadline", kind: fieldDuration, def: "5s", min: 10 * ms, max: 3600 * sec, example: `"2s"`,
						help: "Time that one record may take, checked while the module computes about every millisecond.",
						slot: at(func(l *Limits) *time.Duration { return &l.Deadline }),
					},
					{
						name: "batch_deadline", kind: fieldDuration, def: "30s", min: 10 * ms, max: 3600 * sec, example: `"10s"`,
						help: "Time that one call with a batch of records may take, and each step of starting an instance.",
						slot: at(func(l *Limits) *time.Duration { return &l.BatchDeadline }),
					},
					{
						name: "staged", kind: fieldSize, def: "16MiB", min: kib, max: gib, example: `"4MiB"`,
						help: "Bytes of keys and values that one record may write to caches, deletes included.",
						slot: intAt(func(l *Limits) *int64 { return &l.Staged }),
					},
				}},
			},
		}},
	}
}

func handlerField() field {
	return field{
		name: "handler", kind: fieldTables, id: "handler",
		help: "[handler.ID] binds a function of a module to what it reads and writes.",
		add:  adder(func(m *Manifest) *[]Handler { return &m.Handlers }, func(h *Handler) *string { return &h.ID }),
		each: func(parent any, fn func(string, any)) {
			for i := range parent.(*Manifest).Handlers {
				if h := &parent.(*Manifest).Handlers[i]; h.Of == "" {
					fn(h.ID, h)
				}
			}
		},
		table: &table{fields: []field{
			{
				name: "module", kind: fieldString, defNote: "the only module", example: `"flights"`, check: checkNotEmpty,
				help: "The id of the module.",
				slot: textAt(func(h *Handler) *string { return &h.Module }),
			},
			{
				name: "function", kind: fieldString, defNote: "the handler's id", example: `"late"`, check: checkNotEmpty,
				help: "The name of the handler inside the module.",
				slot: textAt(func(h *Handler) *string { return &h.Function }),
			},
			{
				name: "source", kind: fieldStrings, required: true, example: `["flights"]`,
				help: `What the handler reads: ids of topics, proxies and repartitions, "cache:ID" for what other handlers write to a kv or local cache, "timer:1m", "file:in.ndjson", "stdin". Files named *.ndjson or *.jsonl hold a JSON value a line, others raw lines; "stdin" is raw lines, "stdin:json" and "stdin:string" say otherwise.`,
				slot: at(func(h *Handler) *[]string { return &h.sources }),
			},
			{
				name: "pipe", kind: fieldStrings, example: `["clean", "geo:locate"]`,
				help: "Functions that every record passes before the handler, each of which makes any number of records of it: those of the handler's module by their names, those of others as MODULE:FUNCTION. They act under the handler's on_error, with the default values of their parameters.",
				slot: at(func(h *Handler) *[]string { return &h.pipe }),
			},
			{
				name: "sink", kind: fieldBindings, example: `{ out = "delays" }`,
				help: `Where its outputs go: ids of topics, proxies and repartitions, "file:out.ndjson", "stdout", "stdout:json", "stdout:string". A list binds sinks of the same names in the module; a table binds the module's names (left) to others. A bare "stdout" prints raw lines, or JSON when another sink of the handler takes typed values.`,
				slot: at(func(h *Handler) *bindings { return &h.sinks }),
			},
			{
				name: "cache", kind: fieldBindings, example: `["delays-by-airport"]`,
				help: "Caches the handler reads and writes. A list binds caches of the same names in the module; a table binds the module's names (left) to others. Handlers that share a cache which is not global form one unit: all their topics have the same number of partitions, and records with the same key are in the same partition of each.",
				slot: at(func(h *Handler) *bindings { return &h.caches }),
			},
			{
				name: "checkpoint", kind: fieldBindings, example: `["weather-first"]`,
				help: "Checkpoints that the handler may tell markers, is called by, and gets records again from. A list binds checkpoints of the same names in the module; a table binds the module's names (left) to others.",
				slot: at(func(h *Handler) *bindings { return &h.checkpoints }),
			},
			{
				name: "params", kind: fieldParams, example: "{ minutes = 15 }",
				help: "Parameters by the names the module declares: strings, integers, floats, true or false.",
				slot: at(func(h *Handler) *[]Param { return &h.Params }),
			},
			onErrorField(),
		}},
	}
}

func onErrorField() field {
	return field{
		name: "on_error", kind: fieldTable, help: "What happens to a record whose handler fails, after the retries.",
		sub: inside(func(h *Handler) *OnError { return &h.OnError }),
		table: &table{fields: []field{
			{
				name: "policy", kind: fieldChoice, defNote: `"dlq" when a topic is named, else "fail"`, example: `"dlq"`,
				help: "The policy.",
				choices: []choice{
					{name: string(PolicyFail), help: "Stop the partition, alert, try again later."},
					{name: string(PolicySkip), help: "Count the record and go on."},
					{name: string(PolicyDLQ), help: "Write the record to the dead-letter topic and go on."},
				},
				slot: textAt(func(o *OnError) *Policy { return &o.Policy }),
			},
			{
				name: "topic", kind: fieldString, example: `"dead"`, check: checkNotEmpty,
				help: "The id of the dead-letter topic.",
				slot: textAt(func(o *OnError) *string { return &o.Topic }),
			},
			{
				name: "retry", kind: fieldTable, help: "When the record is tried again before the policy acts.",
				sub: inside(func(o *OnError) *Retry { return &o.Retry }),
				table: &table{fields: []field{
					{
						name: "attempts", kind: fieldInt, def: "0", min: 0, max: 1000, example: "3",
						help: "The number of tries after the first.",
						slot: intAt(func(r *Retry) *int { return &r.Attempts }),
					},
					{
						name: "backoff", kind: fieldDuration, def: "100ms", min: ms, max: 60 * sec, example: `"100ms"`,
						help: "The wait before the second try; each later wait is twice as long, up to one minute.",
						slot: at(func(r *Retry) *time.Duration { return &r.Backoff }),
					},
				}},
			},
		}},
	}
}
