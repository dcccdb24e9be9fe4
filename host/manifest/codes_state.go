package manifest

var stateCodes = [...]Explanation{
	{
		Code: CodeUnknownCache, Title: "there is no cache of this id",
		Text: "The key cache of a handler names the ids of [cache.ID] tables. In table form the module's name is on the left and the id on the right.",
		Bad:  "[cache.delays]\n[handler.h]\nsource = [\"stdin\"]\ncache = [\"delay\"]", Good: "[cache.delays]\n[handler.h]\nsource = [\"stdin\"]\ncache = { delay = \"delays\" }",
	},
	{
		Code: CodeCacheSetting, Title: "a setting does not fit the kind of cache",
		Text: "A kv cache has a changelog and may lose entries by age and size. A local one has no changelog. A global one is a topic read as a whole: its keys are those of the records, and the topic's own settings say what is in it. A setting that could not act is refused.",
		Bad:  "[topic.airports]\n[cache.airports]\nkind = \"global\"\ntopic = \"airports\"\nttl = \"24h\"", Good: "[topic.airports]\n[cache.airports]\nkind = \"global\"\ntopic = \"airports\"",
	},
	{
		Code: CodeGlobalTopic, Title: "a global cache has no topic",
		Text: "Every process reads the topic of a global cache as a whole, so there must be one.",
		Bad:  "[cache.airports]\nkind = \"global\"", Good: "[topic.airports]\n[cache.airports]\nkind = \"global\"\ntopic = \"airports\"",
	},
	{
		Code: CodeRepartitionEnd, Title: "a repartition has one end only",
		Text: "A repartition is a topic of the host's own, between handlers that emit into it and handlers that read it. Without a writer the readers never run; without a reader its records are never deleted.",
		Bad:  "[repartition.r]\n[handler.h]\nsource = [\"stdin\"]\nsink = [\"r\"]", Good: "[repartition.r]\n[handler.h]\nsource = [\"stdin\"]\nsink = [\"r\"]\n[handler.b]\nsource = [\"r\"]",
	},
	{
		Code: CodeNoPartition, Title: "records without a partition come to a cache",
		Text: "A kv or local cache is divided as the topics are that its handlers read: each partition has its own entries. Lines of files and stdin and the ticks of timers are in no partition, so there is no place for what they would write. Let a handler without a cache emit them, with a key, into a repartition, and let the one with the cache read that.",
		Bad:  "[cache.c]\n[handler.count]\nsource = [\"stdin\"]\ncache = [\"c\"]", Good: "[cache.c]\n[repartition.by-key]\n[handler.key]\nsource = [\"stdin\"]\nsink = [\"by-key\"]\n[handler.count]\nsource = [\"by-key\"]\ncache = [\"c\"]",
	},
	{
		Code: CodeStateClusters, Title: "handlers with caches read topics of several clusters",
		Text: "A partition's entries are owned by one worker, which reads one cluster. Handlers that are connected by a kv or local cache, a proxy or a source form one unit, so all topics of that unit are on one cluster.",
		Bad:  "[kafka.eu]\nbootstrap_servers = \"eu:9092\"\n[topic.a]\n[topic.b]\nkafka = \"eu\"\n[cache.c]\n[handler.h]\nsource = [\"a\", \"b\"]\ncache = [\"c\"]", Good: "[topic.a]\n[topic.b]\n[cache.c]\n[handler.h]\nsource = [\"a\", \"b\"]\ncache = [\"c\"]",
	},
	{
		Code: CodeTransactionClusters, Title: "a transaction would span two clusters",
		Text: "Under delivery = \"exactly_once\" the outputs of a record, its dead letter and the position of its input are one Kafka transaction, and a transaction exists on one cluster. So whatever a handler writes is on the cluster that its records come from; what comes from files, stdin and timers counts as from the first cluster that the manifest reads, or else writes. With delivery = \"at_least_once\" any cluster will do: after a crash some outputs can come twice.",
		Bad:  "delivery = \"exactly_once\"\n[kafka.eu]\nbootstrap_servers = \"eu:9092\"\n[topic.a]\n[topic.b]\nkafka = \"eu\"\n[handler.h]\nsource = [\"a\"]\nsink = [\"b\"]", Good: "delivery = \"at_least_once\"\n[kafka.eu]\nbootstrap_servers = \"eu:9092\"\n[topic.a]\n[topic.b]\nkafka = \"eu\"\n[handler.h]\nsource = [\"a\"]\nsink = [\"b\"]",
	},
	{
		Code: CodeUnequalPartitions, Title: "topics that share caches have unequal partition counts",
		Text: "Handlers that are connected and have a kv or local cache among them form one unit that is divided by partitions: partition 3 of each of its topics goes with part 3 of the caches. So all its topics have the same number of partitions. Bring the records of one of them through a repartition, which can have any number.",
		Bad:  "[topic.a]\npartitions = 4\n[topic.b]\npartitions = 8\n[cache.c]\n[handler.h]\nsource = [\"a\", \"b\"]\ncache = [\"c\"]", Good: "[topic.a]\npartitions = 4\n[topic.b]\npartitions = 8\n[repartition.r]\npartitions = 4\n[cache.c]\n[handler.spread]\nsource = [\"b\"]\nsink = [\"r\"]\n[handler.h]\nsource = [\"a\", \"r\"]\ncache = [\"c\"]",
	},
	{
		Code: CodeTooManyCaches, Title: "too many caches in one unit of handlers",
		Text: "The positions of a unit's changelogs are kept beside its committed offsets, where a broker takes 4,096 bytes. That is enough for 100 kv caches among handlers that are connected. Give kinds of entries different keys in one cache, or divide the handlers by a repartition.",
		Bad:  "cache = [\"c1\", \"c2\", \"...\", \"c101\"]", Good: "cache = [\"c\"] # with keys such as c1/...",
	},
	{
		Code: CodePartitioner, Title: "another partitioner for topics that share caches",
		Text: "Topics that are read together with a cache must have equal keys in equal partitions. The partitioner murmur2_random does what Java's producers do; with another one the host would write keys elsewhere than everybody else.",
		Bad:  "[kafka.config]\npartitioner = \"consistent\"\n[topic.a]\n[topic.b]\n[cache.c]\n[handler.w]\nsource = [\"stdin\"]\nsink = [\"a\"]\n[handler.h]\nsource = [\"a\", \"b\"]\ncache = [\"c\"]", Good: "[topic.a]\n[topic.b]\n[cache.c]\n[handler.w]\nsource = [\"stdin\"]\nsink = [\"a\"]\n[handler.h]\nsource = [\"a\", \"b\"]\ncache = [\"c\"]",
	},
	{
		Code: CodeGlobalUpdates, Title: "the updates of a global cache are no source",
		Text: "\"cache:ID\" delivers what handlers write to a kv or local cache. Nobody writes to a global one: its updates are the records of its topic, in which a handler can read them in order, with partitions and a position of its own.",
		Bad:  "[topic.airports]\n[cache.airports-by-id]\nkind = \"global\"\ntopic = \"airports\"\n[handler.h]\nsource = [\"cache:airports-by-id\"]", Good: "[topic.airports]\n[handler.h]\nsource = [\"airports\"]",
	},
	{
		Code: CodeCacheNoWriter, Title: "the updates of a cache are read that nobody writes",
		Text: "\"cache:ID\" delivers what handlers of this manifest write to the cache. Without one that names it by its key cache, the handlers that read the updates never run.",
		Bad:  "[topic.a]\n[cache.c]\n[handler.h]\nsource = [\"cache:c\"]", Good: "[topic.a]\n[cache.c]\n[handler.w]\nsource = [\"a\"]\ncache = [\"c\"]\n[handler.h]\nsource = [\"cache:c\"]",
	},
	{
		Code: CodePipe, Title: "an entry of a pipe names no function",
		Text: "A pipe lists functions that a record passes before the handler: \"FUNCTION\" is one of the handler's module, \"MODULE:FUNCTION\" one of another.",
		Bad:  "[handler.h]\nsource = [\"stdin\"]\npipe = [\"m:\"]", Good: "[handler.h]\nsource = [\"stdin\"]\npipe = [\"clean\"]",
	},
}
