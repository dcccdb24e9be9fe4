package host

import (
	"slices"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/state"
)

// Plan is a manifest resolved into what the engine runs: names are replaced
// by positions, codecs and bindings are chosen. Package boot makes it from a
// manifest and its modules; it is read only afterwards and shared by all
// workers.
type Plan struct {
	// App is the application's name.
	App string
	// Clusters are the Kafka clusters, by name.
	Clusters []string
	// Sources holds everything a handler reads from. Positions are ids.
	Sources []Source
	// Handlers are in the order of the manifest, which is also the order in
	// which handlers of one source see a record.
	Handlers []Handler
	// Proxies holds ids of sources of kind SourceProxy such that each comes
	// after every proxy that leads to it.
	Proxies []int
	// Modules are the ids of the modules.
	Modules []string
	// HostID names this process's state directory: sources outside Kafka are the
	// process's own, and so are their positions.
	HostID string
	// ExactlyOnce says that outputs, state and positions are one transaction.
	ExactlyOnce bool
	// Subs are the sub-topologies: what shares no source, proxy or cache.
	Subs []Sub
	// Caches are known to handlers and to the store by their positions.
	Caches []Cache
	// OnChange says what to do when the surroundings changed.
	OnChange OnChange
	// Advances are the ids of sources of kind SourceCall that stand for advances,
	// one for each sub-topology with handlers that take them.
	Advances []int
	// Checkpoints are known to handlers by their positions.
	Checkpoints []Checkpoint
	// Control are the control topics, one for each cluster whose workers write
	// to it; empty if nothing of the plan needs one.
	Control []ControlTopic
	// TopicCycle names a topic that the plan both reads and writes, which has
	// no end to wait for; empty if there is none.
	TopicCycle string
}

// Sub is a sub-topology. With a partition number it makes a task.
type Sub struct {
	// Name stands in logs and status: the first handler's id.
	Name string
	// Inputs are the sources of kind topic.
	Inputs []int
	// Caches are those of kind kv and local.
	Caches []int
}

// Cache is one entry of Plan.Caches. Type and limits of its entries are known
// to the store.
type Cache struct {
	ID   string
	Kind state.Kind
	Key  state.KeyType
	// Cluster and Topic are those of the changelog, or of the topic that a
	// global cache is read from. Log identifies that topic, so that one made
	// anew is noticed; 0 if not known.
	Cluster int
	Topic   string
	Log     uint32
	// Partitions is the number of partitions of Topic.
	Partitions int32
	// Updates leads to the source of kind proxy that delivers what handlers write
	// to the cache, nil if nothing reads that. It is for kv and local caches.
	Updates *Sink
	// KeyCodec and ValueCodec decode a global cache's records.
	KeyCodec, ValueCodec codec.Codec
}

// OnChange holds a policy for each way in which a group's offsets, its topics
// and its changelogs can have been changed from outside.
type OnChange struct {
	RecordsGone    ChangePolicy
	TopicRecreated ChangePolicy
	OffsetsReset   ChangePolicy
	ChangelogGone  ChangePolicy
}

// ChangePolicy is one of OnChange's choices.
type ChangePolicy uint8

// Change policies. Each field of OnChange takes some of them.
const (
	// ChangeFail stops the partition with a sentence.
	ChangeFail ChangePolicy = iota
	// ChangeEarliest and ChangeLatest go on with the oldest or the next record.
	ChangeEarliest
	ChangeLatest
	// ChangeRestart begins as without an offset, by the topic's start policy.
	ChangeRestart
	// ChangeKeep and ChangeClear go on at the offset, with the caches as they
	// are or empty.
	ChangeKeep
	ChangeClear
	// ChangeLocal writes the changelog anew from the store on disk.
	ChangeLocal
	// ChangeEmpty goes on with empty caches.
	ChangeEmpty
)

// reach lists the proxies that records of a source can come to, in the order
// of Plan.Proxies.
func (p *Plan) reach(source int) []int {
	seen := map[int]bool{source: true}
	var ids []int
	for _, proxy := range p.Proxies {
		for s := range seen {
			if p.feeds(s, proxy) {
				seen[proxy] = true
				ids = append(ids, proxy)
				break
			}
		}
	}
	return ids
}

func (p *Plan) feeds(source, proxy int) bool {
	for _, hs := range p.Sources[source].Handlers {
		if slices.Contains(p.leads(hs.Handler), proxy) {
			return true
		}
	}
	return false
}

// ownSinks are the connector sinks that each worker opens for itself.
func (p *Plan) ownSinks() map[int]bool {
	own := map[int]bool{}
	for i := range p.Handlers {
		for _, s := range p.Handlers[i].Sinks {
			if s.Kind == SinkConnector && s.PerWorker {
				own[s.Connector] = true
			}
		}
	}
	return own
}

// leads lists the sources of kind proxy that a call of a handler can feed: by
// outputs, or by what it writes to a cache whose updates are read.
func (p *Plan) leads(handler int) []int {
	h := &p.Handlers[handler]
	var ids []int
	add := func(s *Sink) {
		if s != nil && s.Kind == SinkProxy && !slices.Contains(ids, s.Proxy) {
			ids = append(ids, s.Proxy)
		}
	}
	for i := range h.Sinks {
		add(&h.Sinks[i])
	}
	for _, c := range h.Caches {
		add(p.Caches[c].Updates)
	}
	return ids
}

// SourceKind says where a source's records come from.
type SourceKind uint8

// Kinds of sources.
const (
	SourceTopic SourceKind = iota
	// SourceProxy delivers what handlers emit to it, or what they write to a
	// cache (Cache.Updates).
	SourceProxy
	// SourceConnector is anything outside Kafka: a file, stdin, a timer, HTTP. It
	// belongs to worker 0, timers aside.
	SourceConnector
	// SourceReplayed stands for a handler's source where dead letters come back:
	// nothing but them has it, and they have the one handler.
	SourceReplayed
	// SourceCall stands for the downtime or recovery calls of a checkpoint, or for
	// the advances of a sub-topology: its handlers take them.
	SourceCall
)

// Source is one entry of Plan.Sources.
type Source struct {
	// ID is the source as the manifest writes it.
	ID   string
	Kind SourceKind
	// Batch is what the guest is told: records or timer.
	Batch abi.Kind
	// Cluster, Topic (the topic's name in Kafka) and Start are for kind topic.
	Cluster int
	Topic   string
	Start   Start
	// Sub is the sub-topology's position in Plan.Subs.
	Sub int
	// Identity is a hash of the topic's id, 0 if not known: a topic of the same
	// name that was made anew has another one.
	Identity uint32
	// Timer says whether a connector is a timer, and who runs it; Home is then
	// the source, of kind topic, whose partitions decide that.
	Timer Timer
	Home  int
	// Internal topics, those of repartitions, lose their records once these are
	// committed.
	Internal bool
	// Lockstep says that handlers see each other's effects inside a batch, so
	// that records go through all of them one at a time.
	Lockstep bool
	// Replays are, for the topic through which dead letters come back, the ids of
	// the sources of kind SourceReplayed that they can be for.
	Replays []int
	// Key and Value decode what the source delivers. A proxy's are nil: what
	// was emitted is handed on as it is.
	Key, Value codec.Codec
	// Handlers read this source, in the order of the manifest.
	Handlers []HandlerSource
}

// Start says where a topic begins when the group has no offset for it.
type Start struct {
	Policy StartPolicy
	// Time in milliseconds, for StartTime.
	Time int64
}

// StartPolicy is a choice for partitions without a committed offset.
type StartPolicy uint8

// Start policies.
const (
	StartEarliest StartPolicy = iota
	StartLatest
	StartTime
	// StartError stops the host with a sentence.
	StartError
)

// HandlerSource is a handler's view of a source.
type HandlerSource struct {
	// Handler is the position in Plan.Handlers, Position the source's place in
	// the handler binding's list.
	Handler, Position int
}

// Handler is one entry of Plan.Handlers.
type Handler struct {
	ID string
	// Module is the position in Plan.Modules, Binding the handler's place in
	// the module's Init message.
	Module, Binding int
	// ModuleSHA256 is the module's hash in hex, for dead letters.
	ModuleSHA256 string
	// Caches are the positions in Plan.Caches of the binding's caches.
	Caches []int
	// Checkpoints are the positions in Plan.Checkpoints of the binding's.
	Checkpoints []int
	// Staged bounds the bytes that one record may write to caches.
	Staged int64
	// Sinks are in the order of the binding.
	Sinks   []Sink
	OnError OnError
}

// SinkKind says where a sink's records go.
type SinkKind uint8

// Kinds of sinks.
const (
	SinkTopic SinkKind = iota
	SinkProxy
	SinkConnector
)

// Sink is a place a handler emits to.
type Sink struct {
	// ID is the sink as the manifest writes it.
	ID   string
	Kind SinkKind
	// Cluster and Topic are for kind topic.
	Cluster int
	Topic   string
	// MaxBytes is the largest record the topic takes, Partitions the number of
	// its partitions; 0 if not known.
	MaxBytes   int
	Partitions int32
	// Limit names what sets MaxBytes.
	Limit string
	// Proxy is the id of the source of kind proxy.
	Proxy int
	// Connector is the position in the plan's connector sinks. PerWorker says
	// that each worker opens its own, not the host one for all.
	Connector int
	PerWorker bool
	// Key and Value encode what the guest emits; a proxy's are nil.
	Key, Value codec.Codec
}

// Policy decides about a record that a handler cannot process.
type Policy uint8

// Policies.
const (
	// PolicyFail stops the partition and tries again after a back-off.
	PolicyFail Policy = iota
	// PolicySkip drops the record's effects and counts it.
	PolicySkip
	// PolicyDLQ sends the record to a dead-letter topic.
	PolicyDLQ
)

// OnError is a handler's policy.
type OnError struct {
	Policy Policy
	// Cluster, Topic and MaxBytes are those of the dead-letter topic.
	Cluster  int
	Topic    string
	MaxBytes int
	// Attempts is how often a failed record is tried again before the policy
	// acts, Backoff the wait before the first of them, doubling up to a minute.
	Attempts int
	Backoff  time.Duration
}

// Options are the engine's own settings.
type Options struct {
	// CommitInterval is the time between commits while there is something to
	// commit.
	CommitInterval time.Duration
	// MaxRecords and MaxBytes bound one poll.
	MaxRecords, MaxBytes int
	// UntilIdle ends the run when every input is drained.
	UntilIdle bool
	// GoesOn says that another run follows one with UntilIdle: no handler is told
	// that no record follows.
	GoesOn bool
	// PurgeInterval is the time between deletions of committed records of
	// internal topics.
	PurgeInterval time.Duration
	// DrainTimeout bounds the last commit at shutdown.
	DrainTimeout time.Duration
}

// Defaults fills in what is zero.
func (o *Options) Defaults() {
	if o.CommitInterval <= 0 {
		o.CommitInterval = 100 * time.Millisecond
	}
	if o.MaxRecords <= 0 {
		o.MaxRecords = 1024
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 4 << 20
	}
	if o.PurgeInterval <= 0 {
		o.PurgeInterval = 30 * time.Second
	}
	if o.DrainTimeout <= 0 {
		o.DrainTimeout = 20 * time.Second
	}
}
