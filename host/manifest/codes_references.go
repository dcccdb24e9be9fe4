package manifest

var referenceCodes = [...]Explanation{
	{
		Code: CodeUnknownRef, Title: "there is no topic, proxy or repartition of this id",
		Text: "Sources, sinks and dead-letter topics are named by the id of their table, not by the topic's name at the broker.",
		Bad:  "[topic.orders]\n[handler.h]\nsource = [\"order\"]", Good: "[topic.orders]\n[handler.h]\nsource = [\"orders\"]",
	},
	{
		Code: CodeUnknownModule, Title: "there is no module of this id",
		Text: "The key module of a handler names the id of a [module.ID] table.",
		Bad:  "[module.flights]\npath = \"f.wasm\"\n[handler.h]\nmodule = \"flight\"\nsource = [\"stdin\"]", Good: "[module.flights]\npath = \"f.wasm\"\n[handler.h]\nmodule = \"flights\"\nsource = [\"stdin\"]",
	},
	{
		Code: CodeUnknownCluster, Title: "there is no cluster of this name",
		Text: "The key kafka of a topic names a [kafka.NAME] table, or \"default\" for [kafka].",
		Bad:  "[topic.orders]\nkafka = \"eu\"", Good: "[kafka.eu]\nbootstrap_servers = \"eu:9092\"\n[topic.orders]\nkafka = \"eu\"",
	},
	{
		Code: CodeAmbiguousID, Title: "two of topics, proxies and repartitions have one id",
		Text: "Sources and sinks name topics, proxies and repartitions alike, so no two of them can have the same id.",
		Bad:  "[topic.late]\n[proxy.late]", Good: "[topic.late]\n[proxy.late-flights]",
	},
	{
		Code: CodeSameTopic, Title: "two ids stand for one topic",
		Text: "Two tables with the same name at the broker and the same cluster would read or write one topic under two sets of settings. The same holds for the topics that the host makes for repartitions and caches: they are its own.",
		Bad:  "[topic.a]\nname = \"orders\"\n[topic.b]\nname = \"orders\"", Good: "[topic.a]\nname = \"orders\"",
	},
	{
		Code: CodeNoSource, Title: "a handler has no source",
		Text: "A handler runs when a record comes from one of its sources; without any it never does.",
		Bad:  "[handler.h]\nsource = []", Good: "[handler.h]\nsource = [\"stdin\"]",
	},
	{
		Code: CodeRepeated, Title: "a source, sink or cache is named twice",
		Text: "The record would be handled or written twice. Sinks also need different names; the table form gives them. A cache needs one name.",
		Bad:  "[handler.h]\nsource = [\"stdin\", \"stdin\"]", Good: "[handler.h]\nsource = [\"stdin\"]",
	},
	{
		Code: CodeWrongSide, Title: "a source is used as a sink, or the other way round",
		Text: "Timers and stdin are sources only, stdout is a sink only.",
		Bad:  "[handler.h]\nsource = [\"stdout\"]", Good: "[handler.h]\nsource = [\"stdin\"]\nsink = [\"stdout\"]",
	},
	{
		Code: CodeProxyNoWriter, Title: "nothing is emitted into a proxy",
		Text: "A proxy gets its records from handlers that have it as a sink. Without one, those that read it never run.",
		Bad:  "[proxy.p]\n[handler.h]\nsource = [\"p\"]", Good: "[proxy.p]\n[handler.a]\nsource = [\"stdin\"]\nsink = [\"p\"]\n[handler.h]\nsource = [\"p\"]",
	},
	{
		Code: CodeProxyNoReader, Title: "nothing reads a proxy", Level: LevelWarning,
		Text: "What is emitted into a proxy goes to the handlers that have it as a source. Without one it is dropped.",
		Bad:  "[proxy.p]\n[handler.h]\nsource = [\"stdin\"]\nsink = [\"p\"]", Good: "[proxy.p]\n[handler.h]\nsource = [\"stdin\"]\nsink = [\"p\"]\n[handler.b]\nsource = [\"p\"]",
	},
	{
		Code: CodeUnused, Title: "a table is not used", Level: LevelWarning,
		Text: "No handler refers to it (and no topic or repartition is on the cluster). It is left alone: an unused topic is neither created nor read.",
		Bad:  "[topic.orders]\n[handler.h]\nsource = [\"stdin\"]", Good: "[topic.orders]\n[handler.h]\nsource = [\"orders\"]",
	},
	{
		Code: CodeNoDeadLetters, Title: "the policy needs a dead-letter topic",
		Text: "Under the policy \"dlq\" a record that fails is written to the topic named beside it.",
		Bad:  "[handler.h]\nsource = [\"stdin\"]\non_error = { policy = \"dlq\" }", Good: "[topic.dead]\n[handler.h]\nsource = [\"stdin\"]\non_error = { policy = \"dlq\", topic = \"dead\" }",
	},
	{
		Code: CodeDeadLetterLoop, Title: "a handler reads its own dead letters",
		Text: "A record that fails every time would be written, read and fail again for ever. Give dead letters a topic that the handler does not read.",
		Bad:  "[topic.a]\n[handler.h]\nsource = [\"a\"]\non_error = { topic = \"a\" }", Good: "[topic.a]\n[topic.dead]\n[handler.h]\nsource = [\"a\"]\non_error = { topic = \"dead\" }",
	},
	{
		Code: CodeDeadLetterUnused, Title: "a dead-letter topic is named but the policy does not use it", Level: LevelWarning,
		Text: "Only the policy \"dlq\" writes dead letters. It is the default as soon as a topic is named.",
		Bad:  "[topic.dead]\n[handler.h]\nsource = [\"stdin\"]\non_error = { policy = \"skip\", topic = \"dead\" }", Good: "[topic.dead]\n[handler.h]\nsource = [\"stdin\"]\non_error = { topic = \"dead\" }",
	},
	{
		Code: CodeTopicLoop, Title: "records can go round through topics", Level: LevelWarning,
		Text: "A topic or repartition that handlers read is, through other handlers and topics perhaps, also written by what they emit. That is allowed, but such an application is never idle: `run --until-idle` refuses it.",
		Bad:  "[topic.a]\n[handler.h]\nsource = [\"a\"]\nsink = [\"a\"]", Good: "[topic.a]\n[topic.b]\n[handler.h]\nsource = [\"a\"]\nsink = [\"b\"]",
	},
	{
		Code: CodeCycle, Title: "handlers form a cycle through proxies or caches",
		Text: "A record emitted into a proxy is handled before the next one is read, and so is what is written to a cache whose updates are read. In a cycle that would never end. A handler that names a cache by its key cache counts as one that writes it. Put a topic or repartition into the cycle if it is meant.",
		Bad:  "[proxy.p]\n[handler.h]\nsource = [\"stdin\", \"p\"]\nsink = [\"p\"]", Good: "[proxy.p]\n[handler.h]\nsource = [\"stdin\"]\nsink = [\"p\"]\n[handler.b]\nsource = [\"p\"]",
	},
	{
		Code: CodeNoHandler, Title: "the manifest has no handler",
		Text: "Without a handler there is nothing to run.",
		Bad:  "[topic.orders]", Good: "[topic.orders]\n[handler.h]\nsource = [\"orders\"]",
	},
	{
		Code: CodeWhichModule, Title: "it is not clear which module a handler is in",
		Text: "A manifest with one module needs no module key. With several each handler names its own.",
		Bad:  "[module.a]\npath = \"a.wasm\"\n[module.b]\npath = \"b.wasm\"\n[handler.h]\nsource = [\"stdin\"]", Good: "[module.a]\npath = \"a.wasm\"\n[module.b]\npath = \"b.wasm\"\n[handler.h]\nmodule = \"a\"\nsource = [\"stdin\"]",
	},
	{
		Code: CodeTwoForms, Title: "stdin is read in two forms",
		Text: "The lines of stdin come once. Handlers that share them must read them with the same codec.",
		Bad:  "[handler.a]\nsource = [\"stdin\"]\n[handler.b]\nsource = [\"stdin:json\"]", Good: "[handler.a]\nsource = [\"stdin:json\"]\n[handler.b]\nsource = [\"stdin:json\"]",
	},
	{
		Code: CodeFileLoop, Title: "a file is read and written",
		Text: "The reader would follow what is written, and its end would never come.",
		Bad:  "[handler.h]\nsource = [\"file:a.txt\"]\nsink = [\"file:a.txt\"]", Good: "[handler.h]\nsource = [\"file:a.txt\"]\nsink = [\"file:b.txt\"]",
	},
	{
		Code: CodeNeedsCreate, Title: "a setting acts only when the topic is created", Level: LevelWarning,
		Text: "replication and [topic.ID.config] are used when the host creates the topic. A topic that is there is not changed. On the embedded broker missing topics are created unless create = false says otherwise.",
		Bad:  "[kafka]\nbootstrap_servers = \"localhost:9092\"\n[topic.orders]\nreplication = 3", Good: "[kafka]\nbootstrap_servers = \"localhost:9092\"\n[topic.orders]\ncreate = true\nreplication = 3",
	},
}
