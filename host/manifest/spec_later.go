package manifest

// The tables in this file are known, so that a key in them is never called
// unknown, and refused until the step that brings them gives them slots.

func codecField() field {
	return field{
		name: "codec", kind: fieldTables, id: "codec", since: 3,
		help: "[codec.ID] is a codec with settings: a schema, a registry, a module.",
		table: &table{fields: []field{
			{name: "kind", kind: fieldString, help: "The codec."},
		}},
	}
}
