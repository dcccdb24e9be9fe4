package manifest

import "time"

// CodecKind is the sort of a [codec.ID].
type CodecKind string

// Kinds of codecs.
const (
	CodecKindAvro     CodecKind = "avro"
	CodecKindProtobuf CodecKind = "protobuf"
	CodecKindJSON     CodecKind = "json"
	CodecKindMsgpack  CodecKind = "msgpack"
	CodecKindModule   CodecKind = "module"
)

// SubjectStrategy says how a registry's subject is named.
type SubjectStrategy string

// Strategies: TOPIC-value or TOPIC-key, the record's name, TOPIC-NAME.
const (
	SubjectTopic       SubjectStrategy = "topic"
	SubjectRecord      SubjectStrategy = "record"
	SubjectTopicRecord SubjectStrategy = "topic-record"
)

// CodecTable is a codec with settings.
type CodecTable struct {
	ID   string
	Kind CodecKind
	// Schema and WriterSchema are paths, joined with the manifest's directory.
	Schema, WriterSchema string
	Message              string
	// Registry is a URL, "" for none.
	Registry        string
	Subject         string
	SubjectStrategy SubjectStrategy
	Register        bool
	// Username and Password are for basic authentication, Token for bearer;
	// CA is a file of certificates to trust.
	Username, Password, Token, CA string
	Timeout                       time.Duration
	// Module and Function are a codec module's; ModuleIndex is its place in
	// Modules, -1 for none.
	Module, Function string
	ModuleIndex      int
}

func codecField() field {
	text := func(name, example, help string, at func(*CodecTable) *string) field {
		return field{name: name, kind: fieldString, example: example, help: help, check: checkNotEmpty, slot: textAt(at)}
	}
	return field{
		name: "codec", kind: fieldTables, id: "codec", reserved: []string{"raw", "string", "json", "msgpack", "csv", "avro", "protobuf", "module"},
		help: "[codec.ID] is a codec with settings, which topics name by its id. Its values are typed for handlers.",
		add:  adder(func(m *Manifest) *[]CodecTable { return &m.Codecs }, func(c *CodecTable) *string { return &c.ID }),
		each: walker(func(m *Manifest) *[]CodecTable { return &m.Codecs }, func(c *CodecTable) *string { return &c.ID }),
		table: &table{fields: []field{
			{
				name: "kind", kind: fieldChoice, required: true, example: `"avro"`, help: "What the records are.",
				choices: []choice{
					{name: string(CodecKindAvro), help: "Avro, by a schema file or a registry."},
					{name: string(CodecKindProtobuf), help: "Protocol Buffers, by a .proto file, a descriptor set or a registry."},
					{name: string(CodecKindJSON), help: "JSON, as the word json."},
					{name: string(CodecKindMsgpack), help: "MessagePack, as the word msgpack."},
					{name: string(CodecKindModule), help: "What a function of a module makes of them."},
				},
				slot: textAt(func(c *CodecTable) *CodecKind { return &c.Kind }),
			},
			text("schema", `"order.avsc"`, "The schema file: .avsc, .proto (imports from its directory), or a descriptor set. Records are read as it says and written by it.", func(c *CodecTable) *string { return &c.Schema }),
			text("writer_schema", `"order-v1.avsc"`, "Avro without a registry: the schema that records were written by, when it is not schema.", func(c *CodecTable) *string { return &c.WriterSchema }),
			text("message", `"acme.Order"`, "Protobuf: the full name of the message, where the schema has several.", func(c *CodecTable) *string { return &c.Message }),
			text("registry", `"https://registry:8081"`, "The URL of a schema registry. Records then have a schema id in front.", func(c *CodecTable) *string { return &c.Registry }),
			text("subject", `"orders-value"`, "The subject to write under, in place of the one that subject_strategy makes.", func(c *CodecTable) *string { return &c.Subject }),
			{
				name: "subject_strategy", kind: fieldChoice, def: string(SubjectTopic), example: `"record"`, help: "How the subject is named.",
				choices: []choice{
					{name: string(SubjectTopic), help: "TOPIC-value, or TOPIC-key for keys."},
					{name: string(SubjectRecord), help: "The full name of the record or message."},
					{name: string(SubjectTopicRecord), help: "TOPIC-NAME, with the full name."},
				},
				slot: textAt(func(c *CodecTable) *SubjectStrategy { return &c.SubjectStrategy }),
			},
			{
				name: "register", kind: fieldBool, def: "false", example: "true",
				help: "Register the schema under the subject when it is not there. Otherwise records wait until somebody does.",
				slot: at(func(c *CodecTable) *bool { return &c.Register }),
			},
			text("username", `"sliphost"`, "The registry's user, for basic authentication.", func(c *CodecTable) *string { return &c.Username }),
			text("password", `"${file:/run/secrets/registry}"`, "That user's password.", func(c *CodecTable) *string { return &c.Password }),
			text("secret_token", `"${file:/run/secrets/token}"`, "The registry's token, for bearer authentication.", func(c *CodecTable) *string { return &c.Token }),
			text("ca_file", `"registry-ca.pem"`, "Certificates to trust instead of the system's, in PEM.", func(c *CodecTable) *string { return &c.CA }),
			{
				name: "timeout", kind: fieldDuration, def: "2s", min: 50 * ms, max: 60 * sec, example: `"2s"`,
				help: "How long a record waits for the registry's answer before its partition stops and tries again later.",
				slot: at(func(c *CodecTable) *time.Duration { return &c.Timeout }),
			},
			text("module", `"codecs"`, "The id of the module.", func(c *CodecTable) *string { return &c.Module }),
			text("function", `"fixed-width"`, "The name of the codec in the module. The codec's id by default.", func(c *CodecTable) *string { return &c.Function }),
		}},
	}
}
