package manifest

import "time"

// defaultDelivery is the promise of a manifest that does not say.
const defaultDelivery = ExactlyOnce

func repartitionField() field {
	return field{
		name: "repartition", kind: fieldTables, id: "repartition", reserved: reservedEndpoints(),
		help: "[repartition.ID] is an internal topic that groups records by another key: handlers emit records with the new key into it, and those that count or join by that key read it. It carries keys and values as they are emitted. Records with one key come to one partition, in the order of their emission by one task. The host creates the topic NAME-ID-repartition (NAME is the application's) and deletes records once they are handled.",
		add:  adder(func(m *Manifest) *[]Repartition { return &m.Repartitions }, func(r *Repartition) *string { return &r.ID }),
		each: walker(func(m *Manifest) *[]Repartition { return &m.Repartitions }, func(r *Repartition) *string { return &r.ID }),
		table: &table{fields: []field{
			{
				name: "kafka", kind: fieldString, def: DefaultCluster, example: `"other"`, check: checkNotEmpty,
				help: `The cluster the topic is on: the NAME of a [kafka.NAME], or "default" for [kafka].`,
				slot: textAt(func(r *Repartition) *string { return &r.Kafka }),
			},
			{
				name: "partitions", kind: fieldInt, defNote: "that of the topics it is joined with, else the most of its writers' topics", min: 1, max: 100_000, example: "4",
				help: "The number of partitions. It cannot be changed later: keys would move to other partitions, away from their cache entries.",
				slot: intAt(func(r *Repartition) *int { return &r.Partitions }),
			},
			{
				name: "replication", kind: fieldInt, defNote: "the broker's default", min: 1, max: 128, example: "3",
				help: "The replication factor to create with.",
				slot: intAt(func(r *Repartition) *int { return &r.Replication }),
			},
			{
				name: "config", kind: fieldProperties, example: `{ "min.insync.replicas" = 2 }`,
				help: "Topic-level properties of the broker, used when the topic is created.",
				slot: at(func(r *Repartition) *[]Property { return &r.Config }),
				owned: []ownedProperty{
					{"cleanup.policy", "the host deletes records once they are handled, and compaction would drop records of the same key"},
					{"retention.ms", "records would be gone before they are handled"},
					{"retention.bytes", "records would be gone before they are handled"},
					{"message.timestamp.type", "records keep the time of the record they were made from"},
				},
			},
		}},
	}
}

func cacheField() field {
	return field{
		name: "cache", kind: fieldTables, id: "cache",
		help: "[cache.ID] is a store of keys and values that handlers keep their state in.",
		add:  adder(func(m *Manifest) *[]Cache { return &m.Caches }, func(c *Cache) *string { return &c.ID }),
		each: walker(func(m *Manifest) *[]Cache { return &m.Caches }, func(c *Cache) *string { return &c.ID }),
		table: &table{fields: []field{
			{
				name: "kind", kind: fieldChoice, def: string(CacheKV), example: `"local"`,
				help: "Where the entries live.",
				choices: []choice{
					{name: string(CacheKV), help: "On this machine and in the compacted topic NAME-ID-changelog, so that they survive a crash and follow their partition to another machine. Each partition of the input has its own entries."},
					{name: string(CacheGlobal), help: "A topic as a whole, in every process; handlers can only read it. What comes first, a record or a change of the topic, is not promised."},
					{name: string(CacheLocal), help: "On this machine only, and empty after a restart or a move of the partition: for what can be computed again."},
				},
				slot: textAt(func(c *Cache) *CacheKind { return &c.Kind }),
			},
			{
				name: "key", kind: fieldChoice, def: string(KeyBytes), example: `"string"`,
				help: "The type of the keys, which scans are ordered by. A global cache has bytes or string.",
				choices: []choice{
					{name: string(KeyBytes), help: "Bytes, in their order."},
					{name: string(KeyString), help: "UTF-8 text, in the order of its bytes."},
					{name: string(KeyInt), help: "64-bit integers, negative ones first."},
					{name: string(KeyFloat), help: "64-bit floating-point numbers, negative ones first."},
					{name: string(KeyBool), help: "false, then true."},
				},
				slot: textAt(func(c *Cache) *KeyType { return &c.Key }),
			},
			{
				name: "topic", kind: fieldString, example: `"airports"`, check: checkNotEmpty,
				help: "The id of the topic that a global cache is read from; other kinds have none.",
				slot: textAt(func(c *Cache) *string { return &c.Topic }),
			},
			{
				name: "ttl", kind: fieldDuration, defNote: "entries live for ever", min: ms, max: 10 * 365 * 24 * 3600 * sec, example: `"24h"`,
				help: "How long an entry lives after it was last written, measured by the timestamps of the partition's records.",
				slot: at(func(c *Cache) *time.Duration { return &c.TTL }),
			},
			{
				name: "max_bytes", kind: fieldSize, defNote: "no limit", min: kib, max: 1024 * gib, example: `"25MB"`,
				help: "The bytes of keys and values that a partition may have. Above it the entries that were inserted first leave.",
				slot: intAt(func(c *Cache) *int64 { return &c.MaxBytes }),
			},
			{
				name: "replication", kind: fieldInt, defNote: "the broker's default", min: 1, max: 128, example: "3",
				help: "The replication factor to create the changelog with.",
				slot: intAt(func(c *Cache) *int { return &c.Replication }),
			},
			{
				name: "config", kind: fieldProperties, example: `{ "min.insync.replicas" = 2 }`,
				help: "Topic-level properties of the changelog, used when it is created.",
				slot: at(func(c *Cache) *[]Property { return &c.Config }),
				owned: []ownedProperty{
					{"cleanup.policy", "a changelog is compacted: any other policy would lose entries"},
					{"retention.ms", "a changelog keeps every entry: ttl and max_bytes say what leaves the cache"},
					{"retention.bytes", "a changelog keeps every entry: ttl and max_bytes say what leaves the cache"},
				},
			},
		}},
	}
}

func onChangeField() field {
	change := func(name, help string, at func(*OnChange) *ChangePolicy, others ...choice) field {
		return field{
			name: name, kind: fieldChoice, def: string(ChangeFail), example: `"` + others[0].name + `"`, help: help,
			choices: append([]choice{{name: string(ChangeFail), help: "End the run and say what happened."}}, others...),
			slot:    textAt(at),
		}
	}
	return field{
		name: "on_change", kind: fieldTable,
		help: "[on_change] is what happens when offsets, topics or changelogs were changed from outside. Each other choice loses or repeats something, so it has to be made.",
		sub:  inside(func(m *Manifest) *OnChange { return &m.OnChange }),
		table: &table{fields: []field{
			change("records_gone", "The next record to read is no longer in the topic: it was deleted before it was handled.",
				func(c *OnChange) *ChangePolicy { return &c.RecordsGone },
				choice{name: string(ChangeEarliest), help: "Go on with the oldest record that is there."},
				choice{name: string(ChangeLatest), help: "Go on with the next record that comes."}),
			change("topic_recreated", "An input topic was deleted and made anew, or ends before the group's offset.",
				func(c *OnChange) *ChangePolicy { return &c.TopicRecreated },
				choice{name: string(ChangeRestart), help: "Begin as a group without an offset does, with the caches as they are."}),
			change("offsets_reset", "The group's offset was set by another program, so it is not known which records are in the caches.",
				func(c *OnChange) *ChangePolicy { return &c.OffsetsReset },
				choice{name: string(ChangeKeep), help: "Go on at the offset with the caches as they are."},
				choice{name: string(ChangeClear), help: "Go on at the offset with empty caches."}),
			change("changelog_gone", "A cache's changelog was deleted, or lacks records that were committed.",
				func(c *OnChange) *ChangePolicy { return &c.ChangelogGone },
				choice{name: string(ChangeLocal), help: "Write it anew from the entries on this machine."},
				choice{name: string(ChangeEmpty), help: "Go on with empty caches."}),
		}},
	}
}
