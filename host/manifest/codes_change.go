package manifest

// changeCodes are about surroundings that were changed since the last commit.
var changeCodes = [...]Explanation{
	{
		Code: CodeTopicRecreated, Title: "an input topic was made anew or cut",
		Text: "The group has committed an offset in a topic of this name that is another one now, or that is shorter. What the offset counted is gone, and the same number would be another record. With topic_recreated = \"restart\" each such partition begins by the topic's start policy; the caches stay as they are.",
		Bad:  "[topic.orders]", Good: "[on_change]\ntopic_recreated = \"restart\"",
	},
	{
		Code: CodeRecordsGone, Title: "records were deleted before they were processed",
		Text: "Retention has removed records behind the committed offset: the application was stopped, or slower than its input, for longer than the topic keeps records. They are lost to it. records_gone says where to go on: with the oldest record there is, or with those to come.",
		Bad:  "[topic.orders]", Good: "[on_change]\nrecords_gone = \"earliest\"",
	},
	{
		Code: CodeOffsetsReset, Title: "offsets do not say what belongs to a cache",
		Text: "Each offset that the host commits carries how far the changelogs of its caches belong to it. Here a changelog has records, and no committed offset says how many count: the offsets were set by a tool, or have expired. offsets_reset = \"keep\" goes on with all entries, \"clear\" with none; records that are processed again count again in the first case.",
		Bad:  "[cache.counts]", Good: "[on_change]\noffsets_reset = \"clear\"",
	},
	{
		Code: CodeChangelogGone, Title: "a changelog is gone or shorter than what was committed",
		Text: "The changelog is the durable copy of a cache. This one was deleted, made anew or cut, so that a host that has to restore the cache cannot. changelog_gone = \"local\" writes it anew from the store of the host that has all of it; \"empty\" goes on without the entries.",
		Bad:  "[cache.counts]", Good: "[on_change]\nchangelog_gone = \"local\"",
	},
	{
		Code: CodeNoTransactions, Title: "the cluster gives no transaction",
		Text: "Under delivery = \"exactly_once\" every commit is a Kafka transaction. The broker does not know them, does not let this user use them, or cannot keep its own log of them (transaction.state.log.replication.factor above the number of brokers). The message has its reason.",
		Bad:  "delivery = \"exactly_once\"", Good: "delivery = \"at_least_once\"",
	},
}
