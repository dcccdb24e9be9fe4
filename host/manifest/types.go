package manifest

import (
	"strconv"
	"time"
)

// Manifest is a validated manifest: every reference in it is resolved, every
// default filled in and every path joined with the manifest's directory. The
// slices keep the order of the document, and indexes in other structs refer to
// them.
//
// It is immutable after Parse: share it between goroutines, do not write to
// it.
type Manifest struct {
	// File is the manifest's path as given, Dir its directory ("." if none).
	File, Dir string
	// Name is the application id: consumer group, transactional ids, prefix of
	// internal topics.
	Name           string
	Delivery       Delivery
	CommitInterval time.Duration
	// Workers is 0 when the host chooses: min(cores, partitions).
	Workers int
	// StateDir is where sockets, locks and stores live.
	StateDir string
	// Memory is the budget in bytes of everything that is not guest memory, 0
	// when the host chooses.
	Memory     int64
	Membership Membership
	Profile    Profile
	// Clusters has [kafka] first, then each [kafka.NAME].
	Clusters     []Cluster
	Topics       []Topic
	Repartitions []Repartition
	Proxies      []Proxy
	Caches       []Cache
	Codecs       []CodecTable
	Checkpoints  []Checkpoint
	Modules      []Module
	Handlers     []Handler
	OnChange     OnChange
	Admin        Admin
	// Timers to Customs are the settings of sources and sinks outside Kafka.
	Timers   []Timer
	Files    []File
	HTTP     HTTPServer
	Webhooks []Webhook
	Customs  []Custom
	// Warnings are the findings that do not prevent a run, sorted by position.
	Warnings Errors

	version int
	doc     *document
}

// Delivery is the guarantee of the whole manifest.
type Delivery string

// What is promised for each input record.
const (
	AtLeastOnce Delivery = "at_least_once"
	ExactlyOnce Delivery = "exactly_once"
)

// Membership says how a worker belongs to its consumer group.
type Membership string

// Static members keep their partitions over a restart; dynamic ones leave the
// group on a clean stop.
const (
	Static  Membership = "static"
	Dynamic Membership = "dynamic"
)

// Profile is a set of client defaults.
type Profile string

// Profiles trade records per second against time per record.
const (
	Throughput Profile = "throughput"
	Latency    Profile = "latency"
)

// DefaultCluster is the name of the cluster that [kafka] describes.
const DefaultCluster = "default"

// EmbeddedBroker is the value of BootstrapServers that stands for the broker
// process of this binary.
const EmbeddedBroker = "embedded"

// Cluster is a Kafka cluster with everything inherited from [kafka] filled in.
type Cluster struct {
	// Name is DefaultCluster for [kafka].
	Name string
	// BootstrapServers is a comma-separated list, or EmbeddedBroker.
	BootstrapServers string
	// Group is the consumer group: the application's name unless set.
	Group string
	// Config holds the client properties by the client's names, sorted; without
	// bootstrap.servers and group.id, which Properties adds.
	Config []Property

	// own holds what the cluster's own table says, before inheritance.
	own []Property
}

// Embedded reports whether the cluster is the broker of this binary.
func (c *Cluster) Embedded() bool { return c.BootstrapServers == EmbeddedBroker }

// Property is a configuration value that the manifest passes on by name.
type Property struct {
	Name  string
	Value Value
}

// Topic is a Kafka topic that handlers read, write or send dead letters to.
type Topic struct {
	ID string
	// Name is the topic's name at the broker.
	Name string
	// Kafka names the cluster, Cluster is its index in Clusters.
	Kafka   string
	Cluster int
	// Create asks the host to create the topic when it is missing. It is the
	// default on the embedded broker, which nobody else could prepare.
	Create bool
	// Partitions is the count to create, and the count a present topic must
	// have; 0 when the manifest does not say.
	Partitions int
	// Replication is the replication factor to create with; 0 leaves it to the
	// broker.
	Replication int
	// Start is where a group without a committed offset begins.
	Start    Start
	Codec    Codec
	KeyCodec Codec
	// Config holds topic-level properties, used when the topic is created.
	Config []Property
}

// StartKind is the sort of a start position.
type StartKind uint8

// Start positions of a group without a committed offset.
const (
	StartEarliest StartKind = iota
	StartLatest
	// StartTime begins at the first record not older than Start.Time.
	StartTime
	// StartError refuses to run.
	StartError
)

// Start is where reading begins when the group has no committed offset.
type Start struct {
	Kind StartKind
	// Time is set for StartTime only.
	Time time.Time
}

// Codec says what the bytes of a key or value are.
type Codec string

// Codecs. CodecNone is that of endpoints without an encoding: proxies and
// repartitions carry what a handler emits, timers carry nothing.
const (
	CodecNone   Codec = ""
	CodecRaw    Codec = "raw"
	CodecString Codec = "string"
	CodecJSON   Codec = "json"
	// CodecMsgpack, like every [codec.ID], gives a handler typed values.
	CodecMsgpack Codec = "msgpack"
	// CodecCSV is for rows of files and standard input.
	CodecCSV Codec = "csv"
)

// Repr is what a handler sees of a value.
type Repr uint8

// Representations. Raw and string reach a handler as the bytes they are
// (string checked to be UTF-8), everything else as MessagePack.
const (
	// ReprAny is that of proxies and repartitions: whatever was emitted there.
	ReprAny Repr = iota
	ReprBytes
	ReprValue
)

// Repr returns the representation that values of the codec have in a handler.
func (c Codec) Repr() Repr {
	switch c {
	case CodecNone:
		return ReprAny
	case CodecRaw, CodecString:
		return ReprBytes
	default:
		return ReprValue
	}
}

// Proxy passes records from one handler to the next inside a worker.
type Proxy struct {
	ID string
	// Pipe is set for one that joins the functions of a pipe: the manifest has
	// no table for it.
	Pipe bool
}

// Module is a compiled WebAssembly file.
type Module struct {
	ID string
	// Path is joined with the manifest's directory.
	Path string
	// Build is the command that makes the file; run by `build` and `dev` only,
	// in the manifest's directory.
	Build string
	// SHA256 is the pin in lower-case hex, "" if there is none.
	SHA256 string
	// Capabilities lists what the module may do beyond the sandbox.
	Capabilities []string
	Limits       Limits
}

// Limits bound what a module can use.
type Limits struct {
	// Memory is the most linear memory of an instance, in bytes; a multiple of
	// 64 KiB.
	Memory int64
	// Fuel and Deadline are for one record, BatchDeadline for one call.
	Fuel          int64
	Deadline      time.Duration
	BatchDeadline time.Duration
	// Staged is the most bytes that one record may write to caches.
	Staged int64
}

// Handler binds a function of a module to sources and sinks.
type Handler struct {
	ID string
	// Module names the module, ModuleIndex is its place in Modules.
	Module      string
	ModuleIndex int
	// Function is the handler's name inside the module.
	Function string
	Sources  []Endpoint
	// Sinks are in the order of the document, in list and table form alike.
	Sinks []Sink
	// Caches are in the order of the document.
	Caches []CacheBinding
	// Checkpoints are in the order of the document.
	Checkpoints []CheckpointBinding
	Params      []Param
	OnError     OnError
	// Of is set for a function of a pipe: the id of the handler that it runs
	// before. Stage is its place in the pipe. It stands before that handler, its
	// ID is the handler's, a bar and the function, and the manifest has no table
	// for it: Path names its place.
	Of    string
	Stage int

	// These hold the texts until they are resolved.
	sources     []string
	pipe        []string
	sinks       bindings
	caches      bindings
	checkpoints bindings
}

// Table is the id of the handler's table: its own, or that of the handler
// whose pipe it is in.
func (h *Handler) Table() string {
	if h.Of != "" {
		return h.Of
	}
	return h.ID
}

// Path is where the manifest has a key of the handler; for a function of a
// pipe, where it names that, except for on_error, which is the handler's.
func (h *Handler) Path(key ...string) []string {
	if h.Of != "" && (len(key) == 0 || key[0] != "on_error") {
		return []string{"handler", h.Of, "pipe", strconv.Itoa(h.Stage)}
	}
	return append([]string{"handler", h.Table()}, key...)
}

// Sink is an endpoint under the name the module knows it by.
type Sink struct {
	// Name is the module's name of the sink.
	Name string
	Endpoint
}

// EndpointKind is the sort of a source or sink.
type EndpointKind uint8

// Kinds of endpoints. Timers, stdin and caches are sources only, stdout a sink
// only.
const (
	EndpointTopic EndpointKind = iota
	EndpointProxy
	EndpointRepartition
	EndpointTimer
	EndpointFile
	EndpointStdin
	EndpointStdout
	// EndpointHTTP is a source that is posted to, EndpointWebhook a sink that
	// posts, EndpointCustom what the program itself brings.
	EndpointHTTP
	EndpointWebhook
	EndpointCustom
	// EndpointCache is what handlers write to a kv or local cache, as a source.
	EndpointCache
)

// Endpoint is one parsed source or sink.
type Endpoint struct {
	Kind EndpointKind
	// Text is the endpoint as the manifest has it, such as "timer:1m".
	Text string
	// Index is the place in Topics, Proxies, Repartitions or Caches, -1 for other
	// kinds.
	Index int
	// Path is a file's, joined with the manifest's directory, or that of a URL of
	// this host.
	Path string
	// Interval is a timer's, 0 with times; Timer, File, Webhook and Custom have the
	// settings of their kinds, nil for others.
	Interval time.Duration
	Timer    *Timer
	File     *File
	Webhook  *Webhook
	Custom   *Custom
	// Codec is the topic's, or that of a file's or stream's lines.
	Codec Codec
	// Pos is where the manifest names the endpoint.
	Pos Position

	// bareCodec says that the manifest does not say the codec.
	bareCodec bool
}

// Policy is what happens to a record whose handler failed.
type Policy string

// Policies, applied after the retries.
const (
	PolicyFail Policy = "fail"
	PolicySkip Policy = "skip"
	PolicyDLQ  Policy = "dlq"
)

// OnError is what a handler's failures lead to.
type OnError struct {
	Policy Policy
	// Topic names the dead-letter topic, TopicIndex is its place in Topics, or
	// -1.
	Topic      string
	TopicIndex int
	Retry      Retry
}

// Retry is how often and when a failed record is tried again.
type Retry struct {
	// Attempts counts the tries after the first one.
	Attempts int
	// Backoff is the wait before the first of them; each later wait is twice as
	// long, up to one minute.
	Backoff time.Duration
}

// ParamType is the type of a parameter's value.
type ParamType uint8

// Parameter types.
const (
	ParamString ParamType = iota
	ParamInt
	ParamFloat
	ParamBool
)

// Admin is where the host answers HTTP.
type Admin struct {
	// HTTP is a host:port, or "" for none; of loopback unless there is a Token.
	HTTP string
	// Token is what requests over HTTP must show, "" for nothing. It is secret.
	Token Value
}
