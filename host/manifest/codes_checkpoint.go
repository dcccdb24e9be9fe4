package manifest

// Checkpoints.
const (
	CodeUnknownCheckpoint Code = "SLP360"
	CodeCheckpointSource  Code = "SLP361"
	CodeCheckpointMarker  Code = "SLP362"
	CodeCheckpointSetting Code = "SLP363"
	CodeNoDependency      Code = "SLP364"
)

// Checkpoints, once a module is read.
const (
	CodeCheckpointNotDeclared Code = "SLP440"
	CodeCheckpointFlag        Code = "SLP441"
	CodeCheckpointUncalled    Code = "SLP442"
)

var checkpointCodes = [...]Explanation{
	{
		Code: CodeUnknownCheckpoint, Title: "there is no checkpoint of this id",
		Text: "The key checkpoint of a handler names ids of [checkpoint.ID] tables.",
		Bad:  "[checkpoint.weather-first]\n[handler.h]\ncheckpoint = [\"weather\"]", Good: "[checkpoint.weather-first]\n[handler.h]\ncheckpoint = [\"weather-first\"]",
	},
	{
		Code: CodeCheckpointSource, Title: "a source cannot be part of a checkpoint",
		Text: "The sources of a checkpoint are topics, repartitions, files or stdin that a handler reads, no source waits for itself, and a checkpoint waits for each once. A proxy has no position of its own, and a timer is its handler's.",
		Bad:  "[handler.h]\nsource = [\"stdin\", \"file:w.ndjson\"]\n[checkpoint.c]\ndependent = { source = \"stdin\" }\ndependency.weather = { source = \"stdin\" }", Good: "[handler.h]\nsource = [\"stdin\", \"file:w.ndjson\"]\n[checkpoint.c]\ndependent = { source = \"stdin\" }\ndependency.weather = { source = \"file:w.ndjson\" }",
	},
	{
		Code: CodeCheckpointMarker, Title: "a marker cannot be found where the manifest says",
		Text: "A field needs values with fields, and is given by a JSON pointer and a layout of Go's package time. A marker that handlers say needs a handler that has the checkpoint and gets the records.",
		Bad:  "[checkpoint.c]\ndependent = { source = \"activity\", marker = { at = \"/date\", layout = \"yyyy-mm-dd\" } }", Good: "[checkpoint.c]\ndependent = { source = \"activity\", marker = { at = \"/date\", layout = \"2006-01-02\" } }",
	},
	{
		Code: CodeCheckpointSetting, Title: "a setting of a checkpoint cannot act",
		Text: "Going back needs a topic, and a handler that reads it and has the checkpoint: only such handlers get records again. Mode compat, which is how slipstream behaves, neither seeks by itself nor looks at the clock, and on_max_pause needs max_pause.",
		Bad:  "[handler.h]\nsource = [\"stdin\", \"file:w.ndjson\"]\n[checkpoint.c]\ndependent = { source = \"stdin\" }\ndependency.weather = { source = \"file:w.ndjson\" }\non_recovery = \"seek:detected\"", Good: "[handler.h]\nsource = [\"stdin\", \"file:w.ndjson\"]\n[checkpoint.c]\ndependent = { source = \"stdin\" }\ndependency.weather = { source = \"file:w.ndjson\" }\non_recovery = \"resume\"",
	},
	{
		Code: CodeNoDependency, Title: "a checkpoint has no dependency",
		Text: "A checkpoint holds its dependent back while a dependency is behind. Without any it does nothing.",
		Bad:  "[checkpoint.c]\ndependent = { source = \"activity\" }", Good: "[checkpoint.c]\ndependent = { source = \"activity\" }\ndependency.weather = { source = \"weather\" }",
	},
	{
		Code: CodeCheckpointNotDeclared, Title: "the module's function knows no checkpoint of this name",
		Text: "The names in checkpoint are those that the function declares; a table binds them to other ids. A handler that only has its records replayed needs no declaration if the function declares no checkpoint at all.",
		Bad:  "[handler.h]\ncheckpoint = { weather = \"weather-first\" } # the function declares \"first\"", Good: "[handler.h]\ncheckpoint = { first = \"weather-first\" }",
	},
	{
		Code: CodeCheckpointFlag, Title: "no function makes a call that the checkpoint wants",
		Text: "on_recovery = \"call\" needs a handler whose function takes the recovery call, and checks one whose function answers checks. It must have the checkpoint in its key checkpoint, and for the recovery call be reached by records of the dependent.",
		Bad:  "[checkpoint.c]\non_recovery = \"call\" # and no function has a recovery call", Good: "[checkpoint.c]\non_recovery = \"resume\"",
	},
	{
		Code: CodeCheckpointUncalled, Title: "a function's downtime or recovery call is never made", Level: LevelWarning,
		Text: "These calls come to handlers that records of the dependent come to, because they are made where its partition is processed. Another handler that has the checkpoint may only say markers. A recovery call is made if on_recovery is \"call\".",
		Bad:  "[handler.weather]\ncheckpoint = [\"c\"] # reads only the dependency, and its function has a recovery call", Good: "[handler.activity]\ncheckpoint = [\"c\"] # reads the dependent",
	},
}
