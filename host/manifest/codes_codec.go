package manifest

var codecCodes = [...]Explanation{
	{
		Code: CodeUnknownCodec, Title: "there is no codec of this name",
		Text: "The codec and the key_codec of a topic are raw, string, json, msgpack, or the id of a [codec.ID] table. avro and protobuf need a schema, so they have a table.",
		Bad:  "[topic.orders]\ncodec = \"avro\"", Good: "[topic.orders]\ncodec = \"order\"\n[codec.order]\nkind = \"avro\"\nschema = \"order.avsc\"",
	},
	{
		Code: CodeCodecSetting, Title: "a codec lacks a setting, or has one without effect",
		Text: "avro and protobuf need a schema file or a registry, module needs a module. Keys about the registry act only with one. A setting that could not act is refused.",
		Bad:  "[topic.orders]\ncodec = \"order\"\n[codec.order]\nkind = \"avro\"", Good: "[topic.orders]\ncodec = \"order\"\n[codec.order]\nkind = \"avro\"\nschema = \"order.avsc\"",
	},
	{
		Code: CodeRegistryURL, Title: "not the URL of a schema registry",
		Text: "A registry is reached over http or https at a host and port, perhaps with a path. Credentials in a URL would show up in logs, so they have keys of their own.",
		Bad:  "[topic.orders]\ncodec = \"order\"\n[codec.order]\nkind = \"avro\"\nregistry = \"registry:8081\"", Good: "[topic.orders]\ncodec = \"order\"\n[codec.order]\nkind = \"avro\"\nregistry = \"http://registry:8081\"",
	},
	{
		Code: CodeCodecFunction, Title: "the function is no codec",
		Text: "A codec of kind module names a function that the module declares as a codec (in Go slip.HandleCodec). Handlers handle records and are no codecs, and codecs are no handlers.",
		Bad:  "[codec.mine]\nkind = \"module\"\nmodule = \"m\"\nfunction = \"a-handler\"", Good: "[codec.mine]\nkind = \"module\"\nmodule = \"m\"\nfunction = \"a-codec\"",
	},
	{
		Code: CodeCodecSchema, Title: "a schema cannot be used",
		Text: "The schema file is missing or not what it should be, the message is not in it, or what was written by writer_schema cannot be read by schema. The sentence has the place inside the file.",
		Bad:  "[codec.order]\nkind = \"avro\"\nschema = \"missing.avsc\"", Good: "[codec.order]\nkind = \"avro\"\nschema = \"order.avsc\"",
	},
	{
		Code: CodeRegistry, Title: "the schema registry does not agree",
		Text: "The registry cannot be reached, refuses the credentials, does not have the schema that records are to be written by, or says that the schema is not compatible with those of the subject. A run does not need the registry to start: records wait until it answers.",
		Bad:  "[codec.order]\nkind = \"avro\"\nschema = \"new-and-not-registered.avsc\"\nregistry = \"http://registry:8081\"", Good: "[codec.order]\nkind = \"avro\"\nschema = \"order.avsc\"\nregistry = \"http://registry:8081\"\nregister = true",
	},
}
