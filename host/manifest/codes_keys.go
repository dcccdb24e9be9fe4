package manifest

var keyCodes = [...]Explanation{
	{
		Code: CodeUnreadable, Title: "the manifest cannot be read",
		Text: "The file does not exist, is a directory, may not be read by this user, or is larger than 1 MiB. The operating system's reason stands in the message.",
		Bad:  "sliphost run manifst.toml", Good: "sliphost run manifest.toml",
	},
	{
		Code: CodeSyntax, Title: "the text is not TOML",
		Text: "The file is not UTF-8, or its syntax is not TOML 1.0. Reading ends at the first such place, since what follows cannot be told with certainty; other findings come once it is mended.",
		Bad:  "[topic.orders\ncodec = \"json\"", Good: "[topic.orders]\ncodec = \"json\"",
	},
	{
		Code: CodeDuplicateKey, Title: "a key or table is defined twice",
		Text: "TOML allows each key and each table header once. The hint names the line of the first definition.",
		Bad:  "[topic.orders]\ncodec = \"json\"\ncodec = \"raw\"", Good: "[topic.orders]\ncodec = \"json\"",
	},
	{
		Code: CodeUnknownKey, Title: "unknown key",
		Text: "The table has no key of this name. A key that is not known is never ignored, because a misspelt setting would silently not act.",
		Bad:  "[topic.orders]\npartition = 4", Good: "[topic.orders]\npartitions = 4",
	},
	{
		Code: CodeKeyCase, Title: "a key is written with capitals",
		Text: "Keys are lower case, with underscores between words. Two spellings of one key would make it unclear which one acts.",
		Bad:  "[topic.orders]\nCodec = \"json\"", Good: "[topic.orders]\ncodec = \"json\"",
	},
	{
		Code: CodeNotYet, Title: "not in this version yet",
		Text: "The key, word or form is a part of the manifest that a later version of sliphost brings. It is refused rather than ignored, so that nothing is promised that does not happen.",
		Bad:  "[module.m]\npath = \"m.wasm\"\ncapabilities = [\"nondeterministic\"]", Good: "[module.m]\npath = \"m.wasm\"",
	},
	{
		Code: CodeBadID, Title: "an id is not kebab-case",
		Text: "Ids are lower-case letters, digits and single hyphens and start with a letter, at most 64 characters. A topic whose name at the broker is different gets it with the key name.",
		Bad:  "[topic.My_Orders]", Good: "[topic.my-orders]\nname = \"My_Orders\"",
	},
	{
		Code: CodeMissingKey, Title: "a required key is missing",
		Text: "The table cannot do without this key and there is no sensible default.",
		Bad:  "[module.flights]", Good: "[module.flights]\npath = \"build/flights.wasm\"",
	},
	{
		Code: CodeVersion, Title: "the manifest has another version",
		Text: "The key version tells which form of manifest this is. Another version may mean anything, so nothing else is looked at.",
		Bad:  "version = 2\nname = \"demo\"", Good: "version = 1\nname = \"demo\"",
	},
	{
		Code: CodeBadSet, Title: "a --set argument cannot be applied",
		Text: "The argument is KEY=VALUE, the key with dots as in the manifest. It replaces or adds a value; it cannot turn a table into a value or the other way round.",
		Bad:  "sliphost run manifest.toml --set handler=late", Good: "sliphost run manifest.toml --set handler.late.function=late",
	},
	{
		Code: CodeArrayOfTables, Title: "a list of tables",
		Text: "Double brackets make a list of tables in TOML. A manifest has none: its tables have ids.",
		Bad:  "[[topic]]\nname = \"orders\"", Good: "[topic.orders]",
	},
	{
		Code: CodeReservedID, Title: "the id is a word with a meaning",
		Text: "Words such as stdin, stdout, timer and file start a source or sink, and \"default\" is the cluster of [kafka]. An id like that could not be told from them.",
		Bad:  "[topic.stdin]", Good: "[topic.input]",
	},
	{
		Code: CodeNestedTooDeep, Title: "lists or tables are nested too deep",
		Text: "No part of a manifest needs more than a few levels; 32 is the limit.",
		Bad:  "[handler.a]\nparams = { x = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]] }", Good: "[handler.a]\nparams = { x = \"[[]]\" }",
	},
	{
		Code: CodeNestedTableKey, Title: "a dot in an id makes a table inside a table",
		Text: "In a header, TOML takes orders.v1 for the table v1 inside the table orders. Give the topic an id without dots and its real name with the key name.",
		Bad:  "[topic.orders.v1]\ncodec = \"json\"", Good: "[topic.orders-v1]\nname = \"orders.v1\"\ncodec = \"json\"",
	},
}
