package manifest

// The tables in this file are known, so that a key in them is never called
// unknown, and refused until the step that brings them gives them slots.

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
