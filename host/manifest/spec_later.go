package manifest

// The tables in this file are known, so that a key in them is never called
// unknown, and refused until the step that brings them gives them slots.

func repartitionField() field {
	return field{
		name: "repartition", kind: fieldTables, id: "repartition", since: 2,
		help: "[repartition.ID] is an internal topic that groups records by another key.",
		table: &table{fields: []field{
			{name: "partitions", kind: fieldInt, min: 1, max: 100_000, help: "The number of partitions."},
			{name: "replication", kind: fieldInt, min: 1, max: 128, help: "The replication factor."},
		}},
	}
}

func cacheField() field {
	return field{
		name: "cache", kind: fieldTables, id: "cache", since: 2,
		help: "[cache.ID] is a store of keys and values that survives a crash.",
		table: &table{fields: []field{
			{name: "key", kind: fieldChoice, help: "The type of the keys.", choices: []choice{
				{name: "bytes"}, {name: "string"}, {name: "int"}, {name: "float"}, {name: "bool"},
			}},
			{name: "kind", kind: fieldChoice, help: "Where the entries live.", choices: []choice{
				{name: "kv"}, {name: "global"}, {name: "local"},
			}},
			{name: "topic", kind: fieldString, help: "The topic that a global cache is read from."},
			{name: "ttl", kind: fieldDuration, help: "How long an entry lives, by stream time."},
			{name: "max_bytes", kind: fieldSize, help: "Above this the oldest insertions leave."},
		}},
	}
}

func checkpointField() field {
	side := []field{
		{name: "source", kind: fieldString, required: true, help: "The source."},
		{name: "marker", kind: fieldString, help: "Where a record's marker is found."},
	}
	return field{
		name: "checkpoint", kind: fieldTables, id: "checkpoint", since: 3,
		help: "[checkpoint.ID] holds a source back while those it depends on are behind.",
		table: &table{fields: []field{
			{name: "dependent", kind: fieldTable, table: &table{fields: side}, help: "The source that waits."},
			{name: "dependency", kind: fieldTables, id: "dependency", help: "Sources that are waited for.", table: &table{fields: append(side[:2:2],
				field{name: "threshold", kind: fieldDuration, help: "How far behind is too far."},
				field{name: "idle_after", kind: fieldDuration, help: "After this a silent partition does not count."},
			)}},
			{name: "pause", kind: fieldBool, help: "Whether the dependent waits."},
			{name: "on_recovery", kind: fieldString, help: "Where the dependent goes on."},
			{name: "max_pause", kind: fieldDuration, help: "The longest wait."},
		}},
	}
}

func codecField() field {
	return field{
		name: "codec", kind: fieldTables, id: "codec", since: 3,
		help: "[codec.ID] is a codec with settings: a schema, a registry, a module.",
		table: &table{fields: []field{
			{name: "kind", kind: fieldString, help: "The codec."},
		}},
	}
}
