package boot

import (
	"context"
	"errors"
	"fmt"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/kafka"
)

// Outgoing is one record to send. A nil key or value is null, an empty one is
// empty. The sender copies what it keeps.
type Outgoing struct {
	// Partition is -1 to leave the choice to the partitioner.
	Partition int32
	// Timestamp is in milliseconds since 1970, -1 for now.
	Timestamp  int64
	Key, Value []byte
	Headers    []Header
}

// Header is one header of a record; names may repeat, a nil value is null.
type Header struct {
	Name  string
	Value []byte
}

// Sender sends records to one topic. It is not safe for concurrent use.
type Sender struct {
	topic    manifest.Topic
	producer *kafka.Producer
	id       int32
	parts    int
	headers  []byte
	// key and value are the topic's codecs.
	key, value  codec.Codec
	closeCodecs func() error
	// sent counts the records handed to the client.
	sent int
}

// OpenSender connects to a topic: an id of the manifest or, failing that, a
// topic's name at the broker. Where the manifest has the topic and says create
// = true, it is created if it is missing, as `run` would.
func OpenSender(ctx context.Context, m *manifest.Manifest, topic string, o Options) (*Sender, error) {
	r, err := reachTopic(ctx, m, topic, o)
	if err != nil {
		return nil, err
	}
	key, value, closeCodecs, err := TopicCodecs(ctx, m, &r.topic, o)
	if err != nil {
		return nil, err
	}
	p, err := kafka.NewProducer(kafka.ProducerConfig{ClientConfig: r.client})
	if err != nil {
		return nil, errors.Join(err, closeCodecs())
	}
	return &Sender{topic: r.topic, producer: p, id: p.Topic(r.topic.Name), parts: r.partitions, key: key, value: value, closeCodecs: closeCodecs}, nil
}

// Codecs are those of the topic's keys and values.
func (s *Sender) Codecs() (key, value codec.Codec) { return s.key, s.value }

// Topic is the topic that records go to.
func (s *Sender) Topic() manifest.Topic { return s.topic }

// Send hands one record to the client, which sends it within milliseconds; it
// waits while the client's queue is full. The error of a record that cannot be
// sent at all is returned here, that of a record the broker refuses by Flush.
func (s *Sender) Send(ctx context.Context, r *Outgoing) error {
	if r.Partition >= int32(s.parts) {
		return fmt.Errorf("topic %q has partitions 0 to %d, not %d", s.topic.Name, s.parts-1, r.Partition)
	}
	s.headers = appendHeaders(s.headers[:0], r.Headers)
	s.producer.Append(s.id, r.Partition, r.Key, r.Value, s.headers, r.Timestamp)
	if err := s.producer.Send(ctx); err != nil {
		s.producer.Discard()
		return err
	}
	s.sent++
	return nil
}

// appendHeaders appends headers as the producer takes them; none become no
// bytes at all.
func appendHeaders(b []byte, hs []Header) []byte {
	if len(hs) == 0 {
		return b
	}
	b = abi.AppendArrayHeader(b, len(hs))
	for _, h := range hs {
		b = abi.AppendHeader(b, h.Name, h.Value)
	}
	return b
}

// RefusedError says which record of a sender the broker did not take.
type RefusedError struct {
	// Index counts the records from 0; Refused is how many were.
	Index, Refused int
	Err            error
}

// Error implements error.
func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *RefusedError) Unwrap() error { return e.Err }

// Flush waits until every record sent is acknowledged and returns how many
// are. The error is a *RefusedError if the broker refused some.
func (s *Sender) Flush(ctx context.Context) (acked int, err error) {
	err = s.producer.Flush(ctx)
	var fe *kafka.FlushError
	switch {
	case err == nil:
		return s.sent, nil
	case errors.As(err, &fe):
		return s.sent - fe.Failed, &RefusedError{Index: fe.Index, Refused: fe.Failed, Err: fe.Err}
	}
	return 0, err
}

// Close gives up what is not flushed.
func (s *Sender) Close() error { return errors.Join(s.producer.Close(), s.closeCodecs()) }

// MaxLine bounds one line of a sender's input: no broker takes a record as
// large.
const MaxLine = 64 << 20
