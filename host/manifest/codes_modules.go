package manifest

const (
	oneModule = "[module.m]\npath = \"m.wasm\"\n"
	oneSource = "[handler.h]\nsource = [\"stdin\"]\n"
)

var moduleCodes = [...]Explanation{
	{
		Code: CodeModuleMissing, Title: "the module's file is not there",
		Text: "The path of a module is relative to the manifest. `sliphost build` makes the file when the module has a build command.",
		Bad:  "[module.m]\npath = \"m.wsm\"", Good: oneModule,
	},
	{
		Code: CodeModuleNotWasm, Title: "the file is not a WebAssembly module",
		Text: "It does not start as a module does, ends too early, or is not valid. An interrupted build or copy leaves such files.",
		Bad:  "[module.m]\npath = \"README.md\"", Good: oneModule,
	},
	{
		Code: CodeModuleExport, Title: "the module lacks an export",
		Text: "A module must export what abi/SPEC.md lists. A Go module is built with -buildmode=c-shared, a Rust one as a cdylib, both with the SDK's registration call.",
		Bad:  "[module.m]\npath = \"m.wasm\"\nbuild = \"go build -o m.wasm .\"", Good: "[module.m]\npath = \"m.wasm\"\nbuild = \"go build -buildmode=c-shared -o m.wasm .\"",
	},
	{
		Code: CodeModuleABI, Title: "the module speaks another version of the ABI",
		Text: "Host and module must have the same major version of the contract. Rebuild the module with this version's SDK, or run it with the host it was made for.",
		Bad:  "require github.com/sliphost/sliphost v2.0.0 // in the module, with a host of version 1", Good: "require github.com/sliphost/sliphost v1.0.0 // in the module, with a host of version 1",
	},
	{
		Code: CodeModuleImport, Title: "the module imports something unknown",
		Text: "Besides the host's own functions and a small part of WASI nothing can be imported: no files, sockets, threads or other hosts' functions.",
		Bad:  "cargo build --target wasm32-unknown-emscripten", Good: "cargo build --target wasm32-unknown-unknown",
	},
	{
		Code: CodeNoFunction, Title: "the module has no handler of this name",
		Text: "The key function (by default the handler's id) names a handler that the module registers. `sliphost inspect` lists them.",
		Bad:  oneModule + "[handler.lat]\nsource = [\"stdin\"]", Good: oneModule + "[handler.lat]\nfunction = \"late\"\nsource = [\"stdin\"]",
	},
	{
		Code: CodeSinkNotDeclared, Title: "the handler does not declare a sink of this name",
		Text: "In list form a sink has the same name in manifest and module; in table form the module's name is on the left.",
		Bad:  oneModule + oneSource + "sink = [\"stdout\"]", Good: oneModule + oneSource + "sink = { out = \"stdout\" }",
	},
	{
		Code: CodeSinkNotBound, Title: "a sink of the handler is bound to nothing",
		Text: "The module declares the sink, so it may emit to it. Say where that goes.",
		Bad:  oneModule + oneSource, Good: oneModule + oneSource + "sink = { out = \"stdout\" }",
	},
	{
		Code: CodeCacheNotDeclared, Title: "the handler does not declare a cache of this name",
		Text: "In list form a cache has the same name in manifest and module; in table form the module's name is on the left.",
		Bad:  oneModule + oneSource + "cache = [\"seen\"]", Good: oneModule + oneSource + "cache = { known = \"seen\" }",
	},
	{
		Code: CodeCacheNotBound, Title: "a cache of the handler is bound to nothing",
		Text: "The module declares the cache, so it may use it. Bind it to a [cache.ID].",
		Bad:  oneModule + oneSource, Good: oneModule + oneSource + "cache = { known = \"seen\" }",
	},
	{
		Code: CodeUnknownParam, Title: "the handler has no such parameter",
		Text: "Parameters are those the module declares. `sliphost inspect` lists them with types and defaults.",
		Bad:  oneModule + oneSource + "params = { minute = 15 }", Good: oneModule + oneSource + "params = { minutes = 15 }",
	},
	{
		Code: CodeMissingParam, Title: "a parameter without default is missing",
		Text: "The module declares the parameter without a default, so the manifest must give it.",
		Bad:  oneModule + oneSource, Good: oneModule + oneSource + "params = { minutes = 15 }",
	},
	{
		Code: CodeParamType, Title: "a parameter has the wrong type",
		Text: "The module declares the type. An integer is taken for a float; a text with a ${reference} is read as the declared type; nothing else is converted.",
		Bad:  oneModule + oneSource + "params = { minutes = \"15\" }", Good: oneModule + oneSource + "params = { minutes = 15 }",
	},
	{
		Code: CodeCheckpointNotOffered, Title: "the manifest does not bind a checkpoint of the module",
		Text: "The function declares a checkpoint that the handler's key checkpoint does not have.",
		Bad:  oneModule + oneSource + "# the function declares checkpoint \"c\"", Good: oneModule + oneSource + "checkpoint = [\"c\"]",
	},
	{
		Code: CodeModulePin, Title: "the module is not the pinned one",
		Text: "The SHA-256 of the file differs from the manifest's. Either the file was changed or rebuilt, or the pin is old.",
		Bad:  "[module.m]\npath = \"m.wasm\"\nsha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"", Good: oneModule,
	},
	{
		Code: CodeCapability, Title: "the module needs a capability",
		Text: "The module asks for more than the sandbox gives: the wall clock, randomness, HTTP. The manifest must grant it.",
		Bad:  oneModule + "# and the module reads the wall clock", Good: "[module.m]\npath = \"m.wasm\"\ncapabilities = [\"nondeterministic\"]",
	},
	{
		Code: CodeMixedSinks, Title: "the sinks of a handler take different forms",
		Text: "An output to every sink is either bytes (raw, string) or a typed value (json), so the sinks that get it must agree. Give them the same sort of codec, or let the handler emit to each by name.",
		Bad:  "[topic.a]\ncodec = \"json\"\n[topic.b]\ncodec = \"raw\"\n" + oneSource + "sink = [\"a\", \"b\"]", Good: "[topic.a]\ncodec = \"json\"\n[topic.b]\ncodec = \"json\"\n" + oneSource + "sink = [\"a\", \"b\"]",
	},
	{
		Code: CodeModuleStart, Title: "the module does not start",
		Text: "It trapped, or answered with an error, while it was initialised or asked what it offers. The message has the module's own words.",
		Bad:  "func init() { panic(\"no table\") }", Good: "func init() { table = defaults }",
	},
	{
		Code: CodeModuleMemory, Title: "the module needs more memory than its limit",
		Text: "The module asks for more linear memory at its start than limits.memory allows.",
		Bad:  oneModule + "limits = { memory = \"64KiB\" }", Good: oneModule + "limits = { memory = \"64MiB\" }",
	},
}

var brokerCodes = [...]Explanation{
	{
		Code: CodeBrokerUnreachable, Title: "no broker answers",
		Text: "None of the addresses in bootstrap_servers could be connected to, or the connection was refused by TLS or SASL. The message has the client's last reason for each.",
		Bad:  "[kafka]\nbootstrap_servers = \"localhost:1\"", Good: "[kafka]\nbootstrap_servers = \"localhost:9092\"",
	},
	{
		Code: CodeTopicMissing, Title: "the topic does not exist",
		Text: "The broker has no topic of this name, and the manifest does not ask to create it.",
		Bad:  "[topic.orders]", Good: "[topic.orders]\ncreate = true\npartitions = 4",
	},
	{
		Code: CodePartitionCount, Title: "the topic has another number of partitions",
		Text: "A topic is never changed by the host: keys would move to other partitions. Correct the manifest, or the topic by hand.",
		Bad:  "[topic.orders]\npartitions = 8", Good: "[topic.orders]\npartitions = 4",
	},
	{
		Code: CodeClientRefused, Title: "the Kafka client refuses its configuration",
		Text: "The properties are known each by itself but do not fit together, or a file they name cannot be read. The message has the client's reason.",
		Bad:  "[kafka.config]\n\"sasl.mechanism\" = \"PLAIN\"", Good: "[kafka.config]\n\"security.protocol\" = \"SASL_SSL\"\n\"sasl.mechanism\" = \"PLAIN\"",
	},
	{
		Code: CodeGroupAssignor, Title: "the group runs with another assignor",
		Text: "Members of a consumer group must share a way of dividing partitions. It changes when a manifest starts or stops to join topics; stop all members, then start them.",
		Bad:  "name = \"flights\"", Good: "name = \"flights-2\"",
	},
	{
		Code: CodeNotAuthorised, Title: "the broker denies access",
		Text: "The user of this connection lacks a right on the topic, group or cluster named in the message.",
		Bad:  "[topic.orders]\ncreate = true", Good: "[topic.orders]",
	},
	{
		Code: CodeNoCommittedOffset, Title: "the group has no offset to start from",
		Text: "The topic says start = \"error\", and the group has never committed an offset for a partition, or the offset is no longer in the log.",
		Bad:  "[topic.orders]\nstart = \"error\"", Good: "[topic.orders]\nstart = \"earliest\"",
	},
	{
		Code: CodeTopicCreateRefused, Title: "the broker does not create the topic",
		Text: "The broker refuses the number of partitions, the replication factor or a property of [topic.ID.config]. The message has its reason.",
		Bad:  "[topic.orders]\ncreate = true\nreplication = 3", Good: "[topic.orders]\ncreate = true\nreplication = 1",
	},
	{
		Code: CodeInternalTopic, Title: "an internal topic does not fit the manifest",
		Text: "A changelog has as many partitions as the inputs of its sub-topology, a repartition topic as many as the manifest says, and both keep their records in a way that the host relies on. The number cannot change while there is state: what is stored would belong to other keys. Go back to the old number, or start over with sliphost reset.",
		Bad:  "[repartition.by-city]\npartitions = 8", Good: "[repartition.by-city]\npartitions = 4",
	},
}
