package manifest

// connectorCodes are about sources and sinks outside Kafka.
var connectorCodes = [...]Explanation{
	{
		Code: CodeCron, Title: "not the times of a timer",
		Text: "A timer's cron has five fields: minute (0-59), hour (0-23), day of month (1-31), month (1-12 or names), day of week (0-7 or names; 0 and 7 are Sunday). Each is a list of *, N or N-M, with /STEP behind it if wanted. Where day of month and day of week are both restricted, one of them is enough.",
		Bad:  "[handler.h]\nsource = [\"timer:cron:0 25 * * *\"]", Good: "[handler.h]\nsource = [\"timer:cron:25 0 * * *\"]",
	},
	{
		Code: CodeZone, Title: "not a time zone",
		Text: "Zones are named as in the IANA database, which this program brings along.",
		Bad:  "[timer.t]\ncron = \"0 6 * * *\"\nzone = \"CET+1\"", Good: "[timer.t]\ncron = \"0 6 * * *\"\nzone = \"Europe/Berlin\"",
	},
	{
		Code: CodeURL, Title: "not an address to post to",
		Text: "A webhook has an http or https address with a host. Passwords do not belong into it, since addresses are logged: they go into a header that comes from a file.",
		Bad:  "[webhook.w]\nurl = \"ftp://example.org\"", Good: "[webhook.w]\nurl = \"https://example.org/hooks\"",
	},
	{
		Code: CodeConnector, Title: "settings of a source or sink contradict each other",
		Text: "A timer has either a distance or times. A file that is read is not rotated by the host, and no sink writes csv.",
		Bad:  "[timer.t]\nevery = \"1m\"\ncron = \"0 6 * * *\"", Good: "[timer.t]\ncron = \"0 6 * * *\"",
	},
	{
		Code: CodeExposed, Title: "anybody could post records",
		Text: "Whoever can reach [http] listen can make the handlers work. On this machine alone that needs no password; anywhere else a token is required, and posted as Authorization: Bearer TOKEN.",
		Bad:  "[http]\nlisten = \"0.0.0.0:8080\"\n[handler.h]\nsource = [\"http:/in\"]", Good: "[http]\nlisten = \"0.0.0.0:8080\"\ntoken = \"${file:/run/secrets/token}\"\n[handler.h]\nsource = [\"http:/in\"]",
	},
	{
		Code: CodeUnknownCustom, Title: "the program brings no such source or sink",
		Text: "\"x:KIND\" names a source or sink that a program of your own brings along (see package connector). This one has no source or sink of that name: it may be another program's manifest, or a misspelled kind.",
		Bad:  "[handler.h]\nsource = [\"x:nast\"]", Good: "[handler.h]\nsource = [\"x:nats\"]", Stage: StageModule,
	},
}
