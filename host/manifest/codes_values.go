package manifest

var valueCodes = [...]Explanation{
	{
		Code: CodeType, Title: "a value has the wrong type",
		Text: "The key takes another type of value. Numbers and truth values are written without quotes, except where a ${reference} stands for them.",
		Bad:  "workers = \"2\"", Good: "workers = 2",
	},
	{
		Code: CodeChoice, Title: "not one of the allowed words",
		Text: "The key takes one of a few words, listed in the hint.",
		Bad:  "profile = \"fast\"", Good: "profile = \"latency\"",
	},
	{
		Code: CodeRange, Title: "a number is out of range",
		Text: "The hint names the smallest and the largest number the key takes.",
		Bad:  "workers = 0", Good: "workers = 1",
	},
	{
		Code: CodeDuration, Title: "not a duration, or out of range",
		Text: "A duration is a number with a unit: ns, us, ms, s, m, h, or d for whole days. Parts can be joined: \"1m30s\".",
		Bad:  "commit_interval = \"100\"", Good: "commit_interval = \"100ms\"",
	},
	{
		Code: CodeSize, Title: "not a size, or out of range",
		Text: "A size is a whole number with a unit: B, kB, MB, GB, TB by thousands, KiB, MiB, GiB, TiB by 1,024.",
		Bad:  "memory = \"512\"", Good: "memory = \"512MiB\"",
	},
	{
		Code: CodeReference, Title: "a ${reference} is malformed",
		Text: "The forms are ${VAR}, ${VAR:-default}, ${VAR:?why} and ${file:path}; a default is plain text. A literal \"${\" is written \"$${\".",
		Bad:  "[kafka]\nbootstrap_servers = \"${KAFKA\"", Good: "[kafka]\nbootstrap_servers = \"${KAFKA:-embedded}\"",
	},
	{
		Code: CodeUnsetVariable, Title: "an environment variable is not set",
		Text: "${VAR} needs the variable VAR, and ${VAR:?why} needs one that is not empty. ${VAR:-default} does without.",
		Bad:  "[kafka]\nbootstrap_servers = \"${KAFKA_THAT_IS_NOT_SET}\"", Good: "[kafka]\nbootstrap_servers = \"${KAFKA_THAT_IS_NOT_SET:-localhost:9092}\"",
	},
	{
		Code: CodeUnreadableFile, Title: "the file of a ${file:...} reference cannot be read",
		Text: "The file must exist, be readable by this user, hold text and be at most 64 KiB. A newline at its end is cut. A relative path starts at the manifest's directory.",
		Bad:  "[kafka.config]\n\"sasl.password\" = \"${file:missing/password}\"", Good: "[kafka.config]\n\"sasl.password\" = \"${PASSWORD:-}\"",
	},
	{
		Code: CodeStart, Title: "not a place to start from",
		Text: "start is \"earliest\", \"latest\", \"error\", or a time with its zone: a local time would mean another moment on another machine.",
		Bad:  "[topic.orders]\nstart = \"2026-01-31\"", Good: "[topic.orders]\nstart = \"2026-01-31T00:00:00Z\"",
	},
	{
		Code: CodeEndpoint, Title: "a source or sink has no form that is known",
		Text: "A source is the id of a topic, proxy or repartition, timer:INTERVAL, file:PATH or stdin; a sink is an id, file:PATH or stdout. stdin and stdout can name a codec: stdout:json.",
		Bad:  "[handler.tick]\nsource = [\"timer\"]", Good: "[handler.tick]\nsource = [\"timer:1m\"]",
	},
	{
		Code: CodeAddress, Title: "not a loopback address",
		Text: "Without [admin] token the host asks for no credentials over HTTP, so it answers on loopback only: 127.0.0.1, [::1] or localhost, with a port. With a token any address will do. The host speaks plain HTTP: between machines put a proxy with TLS before it.",
		Bad:  "[admin]\nhttp = \"0.0.0.0:9797\"", Good: "[admin]\nhttp = \"127.0.0.1:9797\"",
	},
	{
		Code: CodeAdminToken, Title: "the token of [admin] protects nothing",
		Text: "Whoever shows the token may see metrics, status and what is in caches. It has at least 16 characters, so that it is not guessed, and belongs to an http address: on the socket in the state directory the file's owner is asked for none.",
		Bad:  "[admin]\nhttp = \"127.0.0.1:9797\"\ntoken = \"letmein\"", Good: "[admin]\nhttp = \"127.0.0.1:9797\"\ntoken = \"4e1f0b6c2d7a9385\"",
	},
	{
		Code: CodeSHA256, Title: "not a SHA-256 hash",
		Text: "A pin is the 64 hexadecimal digits of the file's SHA-256.",
		Bad:  "[module.m]\npath = \"m.wasm\"\nsha256 = \"abc\"", Good: "[module.m]\npath = \"m.wasm\"\nsha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
	},
	{
		Code: CodeTopicName, Title: "no broker accepts the topic's name",
		Text: "Names of topics are up to 249 letters, digits, dots, underscores and hyphens. Names that start with two underscores belong to the broker.",
		Bad:  "[topic.orders]\nname = \"new orders\"", Good: "[topic.orders]\nname = \"new-orders\"",
	},
	{
		Code: CodeAppName, Title: "the name cannot be used at a broker",
		Text: "The application's name is its consumer group and starts the names of its topics, so it is made of letters, digits, dots, underscores and hyphens, starts with a letter or digit and has at most 100 characters. A group set by itself is free, up to 249 printable characters.",
		Bad:  "version = 1\nname = \"my app\"", Good: "version = 1\nname = \"my-app\"",
	},
	{
		Code: CodeServers, Title: "not a list of brokers",
		Text: "bootstrap_servers is host:port, several of them separated by commas, or \"embedded\" alone for the broker inside the binary.",
		Bad:  "[kafka]\nbootstrap_servers = \"localhost:kafka\"", Good: "[kafka]\nbootstrap_servers = \"localhost:9092\"",
	},
	{
		Code: CodeOwnProperty, Title: "the client property has a key of its own",
		Text: "The manifest has a key for it, and two places for one setting could contradict each other.",
		Bad:  "[kafka.config]\n\"group.id\" = \"demo\"", Good: "[kafka]\ngroup = \"demo\"",
	},
	{
		Code: CodeProperty, Title: "a property is refused",
		Text: "The Kafka client does not know the property or its value, or the host sets it itself, for a client or for one of its own topics, because another value would lose or repeat records. The message has the reason.",
		Bad:  "[kafka.config]\n\"enable.auto.commit\" = true", Good: "[kafka.config]\n\"client.rack\" = \"eu-1\"",
	},
	{
		Code: CodePathEscapes, Title: "a module's path leaves the manifest's directory",
		Text: "A relative path stays below the manifest, so that what a project runs is inside it. An absolute path is allowed.",
		Bad:  "[module.m]\npath = \"../m.wasm\"", Good: "[module.m]\npath = \"build/m.wasm\"",
	},
	{
		Code: CodeLiteralSecret, Title: "a secret stands in the manifest itself", Level: LevelWarning,
		Text: "Manifests end up in version control. sliphost never prints the secret, but whoever reads the file has it. References keep it outside.",
		Bad:  "[kafka.config]\n\"sasl.password\" = \"mypass\"", Good: "[kafka.config]\n\"sasl.password\" = \"${file:/dev/null}\"",
	},
	{
		Code: CodeEmpty, Title: "a value is empty",
		Text: "The key takes a text with something in it. Leaving the key out gives its default.",
		Bad:  "[module.m]\npath = \"\"", Good: "[module.m]\npath = \"m.wasm\"",
	},
	{
		Code: CodePropertyAsTable, Title: "a property's name is not in quotes",
		Text: "Without quotes TOML takes security.protocol for the key protocol in a table security. Names with dots go into quotes.",
		Bad:  "[kafka.config]\nsecurity.protocol = \"SSL\"", Good: "[kafka.config]\n\"security.protocol\" = \"SSL\"",
	},
}
