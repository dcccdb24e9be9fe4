package kafka

import (
	"log/slog"
	"maps"
	"strconv"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// ClientConfig is what every client of a cluster shares.
type ClientConfig struct {
	// Properties are librdkafka properties as the user wrote them, among them
	// bootstrap.servers. CheckProperty says which ones are refused; secrets in
	// them are never printed.
	Properties map[string]string
	// ClientID names the client in the broker's logs. Empty means sliphost.
	ClientID string
	// Logger receives the library's logs; nil means slog.Default.
	Logger *slog.Logger
	// OnStats, if set, receives the library's statistics, a JSON document that
	// ParseStats reads, each StatsInterval. It runs on a goroutine of the
	// client and must not keep the slice.
	OnStats func([]byte)
	// StatsInterval is the time between two statistics; 0 means 5 s.
	StatsInterval time.Duration
}

// ConsumerConfig configures NewConsumer.
type ConsumerConfig struct {
	ClientConfig
	// Group is the consumer group.
	Group string
	// InstanceID makes the membership static: a member that comes back under
	// the same id within SessionTimeout gets its partitions back at once. Empty
	// makes it dynamic.
	InstanceID string
	// Assignor is roundrobin (also if empty), range or cooperative-sticky, the
	// same for all members of a group. The last needs dynamic members: a
	// cooperative rebalance takes two steps, and a group whose static members
	// restart between them keeps partitions that nobody owns.
	Assignor string
	// SessionTimeout is how long the broker waits for a silent member; 0 means
	// 10 s.
	SessionTimeout time.Duration
	// Start says, by topic name, where a group without a committed offset
	// starts. A topic that is not in it starts at the earliest record.
	Start map[string]Start
	// QueueBytes bounds the records fetched ahead, in C memory; 0 means 64 MiB.
	QueueBytes int
}

// StartAt is where a partition without a committed offset starts.
type StartAt uint8

// The start policies.
const (
	StartEarliest StartAt = iota // the first record there is
	StartLatest                  // the end, as it is when the partition is assigned
	StartTime                    // the first record with this timestamp or a later one
	StartError                   // nowhere: Poll returns an error
	StartOffset                  // this offset in every partition; below 0 it counts back from the end
)

// Start is a start policy; the zero value is the earliest record.
type Start struct {
	At     StartAt
	Time   time.Time // for StartTime
	Offset int64     // for StartOffset
}

// ProducerConfig configures NewProducer.
type ProducerConfig struct {
	ClientConfig
	// Linger is how long a record waits for company; 0 means 5 ms. Flush does
	// not wait for it.
	Linger time.Duration
	// QueueBytes bounds the records in flight, in C memory; 0 means 64 MiB.
	QueueBytes int
	// TransactionalID makes the producer transactional: Init comes first, and
	// records are sent between Begin and Commit or Abort only. Of the producers
	// that use an id the one that called Init last lives.
	TransactionalID string
	// TransactionTimeout is how long the broker lets a transaction stay open
	// before it aborts it and fences the producer; 0 means 30 s. A record that
	// is not acknowledged within it fails; longer limits among the properties
	// are lowered to it.
	TransactionTimeout time.Duration
}

func (c *ClientConfig) logger() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return slog.Default()
}

func (c *ClientConfig) servers() string { return c.Properties["bootstrap.servers"] }

// base returns the properties for one kind of client, 'C' or 'P': the user's
// over our defaults, what only the other kind uses left out.
func (c *ClientConfig) base(kind byte, defaults map[string]string) map[string]string {
	p := map[string]string{
		"client.id": "sliphost",
		// Brokers that speak KIP-714 would be sent telemetry nobody asked for.
		"enable.metrics.push": "false",
		// A broker that restarts is back before the default of up to 10 s, and
		// half of the first back-off also delays every client's start.
		"reconnect.backoff.ms":     "20",
		"reconnect.backoff.max.ms": "1000",
		// Nobody asks about idle connections the broker closed.
		"log.connection.close":   "false",
		"statistics.interval.ms": "0",
	}
	if c.OnStats != nil {
		p["statistics.interval.ms"] = milliseconds(c.StatsInterval, 5*time.Second)
	}
	maps.Copy(p, defaults)
	if c.ClientID != "" {
		p["client.id"] = c.ClientID
	}
	for name, value := range c.Properties {
		if use, known := properties[name]; known && use != '*' && use != kind {
			continue
		}
		p[name] = value
	}
	return p
}

func (c *ConsumerConfig) properties() map[string]string {
	records, kbytes := queueBounds(c.QueueBytes)
	p := c.base('C', map[string]string{
		// The library stops fetching at these bounds and looks again only after
		// the back-off: with the defaults it idles most of the time.
		"queued.min.messages":        records,
		"queued.max.messages.kbytes": kbytes,
		"fetch.queue.backoff.ms":     "5",
		"fetch.wait.max.ms":          "50",
		"check.crcs":                 "true",
	})
	// Owned by the engine: see CheckProperty.
	p["group.id"] = c.Group
	if c.InstanceID != "" {
		p["group.instance.id"] = c.InstanceID
	}
	p["partition.assignment.strategy"] = c.Assignor
	if c.Assignor == "" {
		p["partition.assignment.strategy"] = "roundrobin"
	}
	p["session.timeout.ms"] = milliseconds(c.SessionTimeout, 10*time.Second)
	if _, set := p["heartbeat.interval.ms"]; !set {
		// Members learn of a rebalance by a heartbeat's answer.
		p["heartbeat.interval.ms"] = "500"
	}
	p["enable.auto.commit"] = "false"
	p["enable.auto.offset.store"] = "false"
	p["isolation.level"] = "read_committed"
	// An end may lie behind records nobody is given: those of aborted
	// transactions. The engine has to move over them.
	p["enable.partition.eof"] = "true"
	// A committed offset that the log no longer has must not move silently,
	// forwards or backwards: Poll returns the error.
	p["auto.offset.reset"] = "error"
	return p
}

// recordOverhead is about what the library keeps for a queued record beside its
// bytes, which are all that its own bounds in kilobytes count.
const recordOverhead = 400

// queueBounds divides a queue's memory: one half bounds the bytes of records,
// the other what the library needs for each. Small records fill the second
// first, and would take several times the memory without it.
func queueBounds(bytes int) (records, kbytes string) {
	if bytes <= 0 {
		bytes = 64 << 20
	}
	return strconv.Itoa(max(4096, bytes/2/recordOverhead)), strconv.Itoa(max(1024, bytes>>11))
}

func (c *ProducerConfig) properties() map[string]string {
	records, kbytes := queueBounds(c.QueueBytes)
	p := c.base('P', map[string]string{
		"partitioner":                  "murmur2_random",
		"linger.ms":                    milliseconds(c.Linger, 5*time.Millisecond),
		"queue.buffering.max.messages": records,
		"queue.buffering.max.kbytes":   kbytes,
	})
	p["enable.idempotence"] = "true"
	p["acks"] = "all"
	p["log.queue"] = "true"
	if c.TransactionalID != "" {
		c.transactional(p)
	}
	return p
}

// transactional adds what transactions need to p.
func (c *ProducerConfig) transactional(p map[string]string) {
	timeout := milliseconds(c.TransactionTimeout, 30*time.Second)
	p["transactional.id"] = c.TransactionalID
	p["transaction.timeout.ms"] = timeout
	if _, set := c.Properties["retry.backoff.ms"]; !set {
		// A broker still busy with the last transaction's markers refuses the
		// first record of the next one for a few milliseconds.
		p["retry.backoff.ms"] = "5"
	}
	most, _ := strconv.Atoi(timeout)
	for _, name := range []string{"message.timeout.ms", "delivery.timeout.ms", "socket.timeout.ms"} {
		// 0 means no limit. What is no number is refused with its reason later.
		if n, err := strconv.Atoi(p[name]); err == nil && (n == 0 || n > most) {
			p[name] = timeout
		}
	}
}

// configMap converts properties for confluent-kafka-go.
func configMap(p map[string]string) *ck.ConfigMap {
	m := ck.ConfigMap{}
	for k, v := range p {
		m[k] = v
	}
	return &m
}

func milliseconds(d, otherwise time.Duration) string {
	if d <= 0 {
		d = otherwise
	}
	return strconv.FormatInt(max(1, d.Milliseconds()), 10)
}
