package abi

// Major and Minor are the ABI's version; ImportModule carries the major one.
const (
	Major        = 1
	Minor        = 0
	ImportModule = "sliphost_v1"
)

// Limits on what one message may list.
const (
	MaxHandlers = 1024
	MaxBindings = 1024
)

// Kind says what a Batch asks of a handler.
type Kind uint8

// Kinds of batches.
const (
	KindRecords  Kind = 0
	KindTimer    Kind = 1
	KindDowntime Kind = 2
	KindRecovery Kind = 3
	KindCheck    Kind = 4
	KindSelftest Kind = 5
	KindMigrate  Kind = 6
	KindEncode   Kind = 7
	KindDecode   Kind = 8
)

// Status is the outcome of one record.
type Status uint8

// Statuses of results.
const (
	StatusOK    Status = 0
	StatusError Status = 1
	StatusMore  Status = 2
)

// ErrorCode says how a handler failed on one record.
type ErrorCode uint16

// Error codes.
const (
	// CodeFailed is any error the handler returned: the policy acts.
	CodeFailed ErrorCode = 1
	// CodeDrop asks to skip the record, whatever the policy.
	CodeDrop ErrorCode = 2
	// CodeRetry asks to try the record again after retry_after_ms.
	CodeRetry ErrorCode = 3
	// CodeDecode says that a typed value could not be decoded.
	CodeDecode ErrorCode = 4
	// CodeUnbound says that a name or kind is not bound in the manifest.
	CodeUnbound ErrorCode = 5
	// CodeMessage says that the host's message could not be read.
	CodeMessage ErrorCode = 6
	// CodeLimit says that a limit of this record was reached.
	CodeLimit ErrorCode = 7
	// CodeParam says that a parameter's value is not acceptable.
	CodeParam ErrorCode = 8
)

// Feature is a set of bits in Describe (what a module can do) and Init (what
// the host does).
type Feature uint64

// Features.
const (
	// FeatureMetered says that the module is metered: call fuel_mark.
	FeatureMetered Feature = 1
)

// HandlerFlag is a set of bits in a handler's description.
type HandlerFlag uint64

// Flags of handlers.
const (
	FlagStateless        HandlerFlag = 1
	FlagNondeterministic HandlerFlag = 2
	FlagCodec            HandlerFlag = 4
	FlagDowntime         HandlerFlag = 8
	FlagRecovery         HandlerFlag = 16
	FlagCheck            HandlerFlag = 32
	FlagSelftest         HandlerFlag = 64
	FlagMigrate          HandlerFlag = 128
)

// ParamType is the type of a parameter.
type ParamType uint8

// Types of parameters.
const (
	ParamString ParamType = 0
	ParamInt    ParamType = 1
	ParamFloat  ParamType = 2
	ParamBool   ParamType = 3
)

// Repr is how a key or value is represented to a guest.
type Repr uint8

// Representations.
const (
	// ReprBytes are bytes as they are on the wire.
	ReprBytes Repr = 0
	// ReprText are bytes that are valid UTF-8.
	ReprText Repr = 1
	// ReprMsgpack is one msgpack value.
	ReprMsgpack Repr = 2
)

// Level is a log level.
type Level int32

// Log levels.
const (
	LevelDebug Level = 0
	LevelInfo  Level = 1
	LevelWarn  Level = 2
	LevelError Level = 3
)

// MetricKind is the kind of a metric.
type MetricKind int32

// Kinds of metrics.
const (
	MetricCounter   MetricKind = 0
	MetricGauge     MetricKind = 1
	MetricHistogram MetricKind = 2
)

// Savepoint operations.
const (
	SavepointBegin          = 0
	SavepointRelease        = 1
	SavepointRollback       = 2
	SavepointRollbackRecord = 3
)

// Results of host calls below zero.
const (
	// ResultAbsent: the key is not in the cache.
	ResultAbsent = -1
	// ResultUnbound: the id is not bound in the manifest, or not allowed now.
	ResultUnbound = -2
	// ResultInvalid: the request cannot be read.
	ResultInvalid = -3
	// ResultLimit: a limit of the record was reached.
	ResultLimit = -4
)
