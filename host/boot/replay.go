package boot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/kafka"
)

// Letter is a dead letter as its topic has it.
type Letter struct {
	Partition int32 `json:"partition"`
	Offset    int64 `json:"offset"`
	// Handler, Source, Code and Error tell what failed; Topic, RootPartition and
	// RootOffset where the record is that it descends from.
	Handler       string `json:"handler"`
	Source        string `json:"source"`
	Code          string `json:"code"`
	Error         string `json:"error"`
	Topic         string `json:"topic"`
	RootPartition int32  `json:"root_partition"`
	RootOffset    int64  `json:"root_offset"`
	// N is the number of the call that failed among those its root caused.
	N string `json:"n"`
	// Problem says why the letter cannot be delivered, if it cannot.
	Problem string `json:"problem,omitempty"`

	key, value, headers []byte
	timestamp           int64
	route               *replayRoute
}

// replayRoute is where letters of a handler's source go back.
type replayRoute struct {
	handler, source string
	topic           string
	partitions      int32
}

// ReplayOptions say which letters Replay sends back.
type ReplayOptions struct {
	// From is where to begin; nil is behind what was sent back before.
	From *TapStart
	// Dry reads and sends nothing back.
	Dry bool
}

// Replayer sends dead letters back.
type Replayer struct {
	o        Options
	build    *Build
	modules  *Modules
	clusters *clusters
	topic    manifest.Topic
	routes   []replayRoute
	consumer *kafka.Consumer
	producer *kafka.Producer
	from     *TapStart
	dry      bool
	// partitions is the number of each topic's.
	partitions map[string]int

	// What the consumer has: the next offset and the end of each partition.
	next, end map[int32]int64
	lost      bool
	err       error
}

// OpenReplay prepares to send the letters of a topic, an id of the manifest or
// a name, back to the handlers that failed. It creates what `run` would.
func OpenReplay(ctx context.Context, m *manifest.Manifest, topic string, r ReplayOptions, o Options) (*Replayer, error) {
	p := &Replayer{o: o, from: r.From, dry: r.Dry, next: map[int32]int64{}, end: map[int32]int64{}}
	if err := p.open(ctx, m, topic); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Replayer) open(ctx context.Context, m *manifest.Manifest, topic string) error {
	var dead []string
	p.topic, _ = FindTopic(m, topic)
	for i := range m.Handlers {
		if e := &m.Handlers[i].OnError; e.Policy == manifest.PolicyDLQ {
			dead = append(dead, m.Topics[e.TopicIndex].ID)
		}
	}
	slices.Sort(dead)
	dead = slices.Compact(dead)
	switch {
	case len(dead) == 0:
		return fmt.Errorf("no handler of %s has a dead-letter topic: on_error = { policy = \"dlq\", topic = ... }", m.File)
	case !slices.Contains(dead, p.topic.ID):
		return fmt.Errorf("topic %q takes no dead letters in %s; these do: %s", topic, m.File, strings.Join(dead, ", "))
	}
	var found manifest.Errors
	var err error
	if p.modules, found, err = LoadModules(ctx, m, p.o); err != nil {
		return err
	}
	if found.Fatal() != nil {
		return found
	}
	if p.build, found = BuildPlan(m, p.modules); found.Fatal() != nil {
		return found
	}
	p.build.planReplay()
	if p.clusters, err = connect(ctx, p.build, p.o); err != nil {
		return err
	}
	partitions, found, err := p.clusters.prepare(ctx, p.build, p.dry)
	if err != nil {
		return err
	}
	if found.Fatal() != nil {
		return found
	}
	if partitions[topicKey(p.topic.Cluster, p.topic.Name)] == 0 {
		return fmt.Errorf("topic %q does not exist yet: there are no dead letters", p.topic.Name)
	}
	p.partitions = partitions
	p.findRoutes(partitions)
	if len(p.routes) == 0 {
		return fmt.Errorf("the handlers that write dead letters to %q read no topic, or topics of another cluster than %q: their letters cannot be sent back", p.topic.ID, p.topic.Kafka)
	}
	return p.connect(ctx)
}

// findRoutes notes where the letters of each handler's source go. A transaction
// is on one cluster, so those of others are left out.
func (p *Replayer) findRoutes(partitions map[string]int) {
	plan := p.build.Plan
	for i := range plan.Sources {
		s := &plan.Sources[i]
		if s.Cluster != p.topic.Cluster {
			continue
		}
		for _, id := range s.Replays {
			v := &plan.Sources[id]
			p.routes = append(p.routes, replayRoute{
				handler: plan.Handlers[v.Handlers[0].Handler].ID, source: v.ID,
				topic: s.Topic, partitions: int32(partitions[topicKey(s.Cluster, s.Topic)]),
			})
		}
	}
}

func (p *Replayer) connect(ctx context.Context) error {
	cfg := p.clusters.client(p.topic.Cluster)
	var err error
	p.consumer, err = kafka.NewConsumer(kafka.ConsumerConfig{ClientConfig: cfg, Group: replayGroup(p.build.Manifest)})
	if err != nil {
		return err
	}
	if p.dry {
		return nil
	}
	pc := kafka.ProducerConfig{ClientConfig: cfg}
	p.clusters.sizes[p.topic.Cluster].fit(&pc.ClientConfig)
	if p.build.Plan.ExactlyOnce {
		pc.TransactionalID, pc.TransactionTimeout = replayGroup(p.build.Manifest), transactionTimeout
	}
	if p.producer, err = kafka.NewProducer(pc); err != nil || !p.build.Plan.ExactlyOnce {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	return p.producer.Init(wait)
}

// Build is the plan that the letters are for.
func (p *Replayer) Build() *Build { return p.build }

// Close gives everything back.
func (p *Replayer) Close() error {
	var errs []error
	if p.consumer != nil {
		errs = append(errs, p.consumer.Close())
	}
	if p.producer != nil {
		errs = append(errs, p.producer.Close())
	}
	if p.modules != nil {
		errs = append(errs, p.modules.Close(context.Background()))
	}
	return errors.Join(errs...)
}

// Run reads the letters up to the ends as they are at its start, sends back
// those that can be delivered, and tells of each once that is final. Where the
// next call begins is stored in the same transaction, so that no letter is sent
// back twice; under at-least-once a call that is killed may repeat some.
func (p *Replayer) Run(ctx context.Context, tell func(*Letter) error) error {
	err := p.consumer.Subscribe([]string{p.topic.Name},
		func(parts []abi.TopicPartition) []int64 { return p.assigned(ctx, parts) },
		func(_ []abi.TopicPartition, lost bool) { p.lost = p.lost || lost })
	if err != nil {
		return err
	}
	var packed abi.Packed
	for began := time.Now(); !p.atEnd(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.consumer.Poll(&packed, 512, 4<<20, pollWait); err != nil {
			var ke *kafka.Error
			if errors.As(err, &ke) && ke.Retriable() {
				continue
			}
			return err
		}
		switch {
		case p.err != nil:
			return p.err
		case p.lost:
			return fmt.Errorf("another replay has taken the partitions of topic %q over; what this one had not finished is left to it", p.topic.ID)
		case len(p.next) == 0 && time.Since(began) > stallTimeout:
			return fmt.Errorf("no partition of topic %q was given to this replay within %s; does another one run?", p.topic.ID, stallTimeout)
		}
		if err := p.take(ctx, &packed, tell); err != nil {
			return err
		}
	}
	return nil
}

// atEnd says that everything there was is read.
func (p *Replayer) atEnd() bool {
	for part, end := range p.end {
		if p.next[part] < end {
			return false
		}
	}
	return len(p.end) > 0
}

// assigned decides where each partition begins. It runs inside Poll.
func (p *Replayer) assigned(ctx context.Context, parts []abi.TopicPartition) []int64 {
	starts := make([]int64, len(parts))
	for i := range starts {
		starts[i] = abi.OffsetNone
	}
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	offsets := make([]abi.TopicOffset, len(parts))
	for i, part := range parts {
		offsets[i].TopicPartition = part
	}
	bounds, err := p.consumer.Bounds(ctx, parts)
	if err == nil {
		err = p.consumer.Committed(ctx, offsets)
	}
	var times []int64
	if err == nil && p.from != nil && p.from.At == TapTime {
		times, err = p.consumer.OffsetsForTime(ctx, parts, p.from.Time.UnixMilli())
	}
	if err != nil {
		p.err = err
		return starts
	}
	for i, part := range parts {
		b := bounds[i]
		at := max(offsets[i].Offset, b.Low)
		if p.from != nil {
			switch p.from.At {
			case TapBeginning:
				at = b.Low
			case TapEnd:
				at = b.LastStable
			case TapTime:
				at = times[i]
				if at < 0 {
					at = b.LastStable
				}
			case TapOffset:
				at = p.from.Offset
				if at < 0 {
					at += b.LastStable
				}
			}
		}
		starts[i] = min(max(at, b.Low), b.LastStable)
		p.next[part.Partition], p.end[part.Partition] = starts[i], b.LastStable
	}
	return starts
}

// take sends one pack back.
func (p *Replayer) take(ctx context.Context, packed *abi.Packed, tell func(*Letter) error) error {
	var letters []Letter
	moved := map[int32]int64{}
	for i := range packed.Runs {
		run := &packed.Runs[i]
		r := abi.NewReader(packed.Buf[run.Start:run.End])
		for range run.Count {
			var rec abi.Record
			if abi.ReadRecord(&r, &rec); r.Err() != nil {
				return fmt.Errorf("topic %q, partition %d: unpack a batch: %w", p.topic.Name, run.Partition, r.Err())
			}
			offset := run.BaseOffset + rec.OffsetDelta
			if offset >= p.end[run.Partition] {
				break // written since: for the next call
			}
			letters = append(letters, p.letter(run.Partition, offset, run.BaseTimestamp+rec.TimestampDelta, &rec))
			moved[run.Partition] = offset + 1
		}
	}
	for _, end := range packed.Ends {
		if at := min(end.Offset, p.end[end.Partition]); at > p.next[end.Partition] {
			moved[end.Partition] = max(at, moved[end.Partition])
		}
	}
	if len(moved) == 0 {
		return nil
	}
	if !p.dry {
		if err := p.send(ctx, letters, moved); err != nil {
			return err
		}
	}
	for part, at := range moved {
		p.next[part] = at
	}
	for i := range letters {
		if err := tell(&letters[i]); err != nil {
			return err
		}
	}
	return nil
}

// send hands letters over and stores the positions behind them.
func (p *Replayer) send(ctx context.Context, letters []Letter, moved map[int32]int64) error {
	ctx, cancel := context.WithTimeout(ctx, transactionTimeout)
	defer cancel()
	if p.build.Plan.ExactlyOnce {
		if err := p.producer.Begin(); err != nil {
			return err
		}
	}
	for i := range letters {
		if l := &letters[i]; l.route != nil {
			p.producer.Append(p.producer.Topic(l.route.topic), l.target(), l.key, l.value, l.headers, l.timestamp)
		}
	}
	if err := p.producer.Flush(ctx); err != nil {
		return fmt.Errorf("send letters back: %w; none of these %d is, the next call begins with them", err, len(letters))
	}
	var offsets []abi.TopicOffset
	for part, at := range moved {
		offsets = append(offsets, abi.TopicOffset{TopicPartition: abi.TopicPartition{Partition: part}, Offset: at})
	}
	if !p.build.Plan.ExactlyOnce {
		return p.consumer.Commit(ctx, offsets)
	}
	group, err := p.consumer.GroupMetadata()
	if err != nil {
		return err
	}
	if err := p.producer.SendOffsets(ctx, group, []string{p.topic.Name}, offsets); err != nil {
		return err
	}
	return p.producer.Commit(ctx)
}

// Returned is a letter as it goes back.
type Returned struct {
	Topic     string
	Partition int32
	// Timestamp is in milliseconds since 1970.
	Timestamp           int64
	Key, Value, Headers []byte
}

// Return is the record that goes back to the handler; ok is false if there is a
// Problem. The slices are the letter's.
func (l *Letter) Return() (r Returned, ok bool) {
	if l.route == nil {
		return r, false
	}
	return Returned{Topic: l.route.topic, Partition: l.target(), Timestamp: l.timestamp, Key: l.key, Value: l.value, Headers: l.headers}, true
}

// target is the partition of the letter's root, so that the caches are there
// that the record met.
func (l *Letter) target() int32 { return l.RootPartition % l.route.partitions }

// letter reads a record of a dead-letter topic.
func (p *Replayer) letter(partition int32, offset, timestamp int64, rec *abi.Record) Letter {
	own := map[string]string{}
	for it := abi.ReadHeaders(rec.Headers); ; {
		name, value, ok := it.Next()
		if !ok {
			break
		}
		own[string(name)] = string(value)
	}
	l := Letter{
		Partition: partition, Offset: offset,
		Handler: own[host.HeaderHandler], Source: own[host.HeaderSource], Code: own[host.HeaderCode], Error: own[host.HeaderError], Topic: own[host.HeaderTopic], N: own[host.HeaderN],
		key: slices.Clone(rec.Key), value: slices.Clone(rec.Value), headers: slices.Clone(rec.Headers), timestamp: timestamp,
	}
	at, err := strconv.ParseInt(own[host.HeaderPartition], 10, 32)
	root, oerr := strconv.ParseInt(own[host.HeaderOffset], 10, 64)
	l.RootPartition, l.RootOffset = int32(at), root
	switch {
	case l.Handler == "" || err != nil || oerr != nil || at < 0:
		l.Problem = "it is no dead letter: its slip.* headers are missing"
	case own[host.HeaderReference] == "true":
		l.Problem = fmt.Sprintf("it was too large for the dead-letter topic, so the record is not in it; it descends from %s[%d]@%d", l.Topic, at, root)
	case l.Source == "":
		l.Problem = "it does not say which source it came from (slip.source): it is of an older version"
	default:
		for i := range p.routes {
			if r := &p.routes[i]; r.handler == l.Handler && r.source == l.Source {
				l.route = r
			}
		}
		if l.route == nil {
			l.Problem = fmt.Sprintf("no handler %q reads %q and writes dead letters, in this manifest", l.Handler, l.Source)
		}
	}
	return l
}
