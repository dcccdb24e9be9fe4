package boot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/kafka"
)

// TapStart is where Tap begins in every partition.
type TapStart = kafka.Start

// Starts of a tap. With TapOffset a negative offset counts back from the end.
const (
	TapBeginning = kafka.StartEarliest
	TapEnd       = kafka.StartLatest
	TapTime      = kafka.StartTime
	TapOffset    = kafka.StartOffset
)

// TapOptions say what Tap reads.
type TapOptions struct {
	Start TapStart
	// UntilEnd stops at the ends as they were when the tap began.
	UntilEnd bool
	// Partition is the only one to show, -1 for all.
	Partition int32
	// Count stops after that many records; 0 is no limit.
	Count int
}

// Tapped is one record of a topic.
type Tapped struct {
	Topic     manifest.Topic
	Partition int32
	Offset    int64
	// Timestamp is in milliseconds since 1970, -1 for none.
	Timestamp int64
	// Key and Value: nil is null, which is not the same as empty.
	Key, Value []byte
	// Headers is a msgpack array of [name, value or nil], nil for none.
	Headers []byte
	// KeyCodec and ValueCodec are the topic's, nil for raw.
	KeyCodec, ValueCodec codec.Codec
}

// errEnough ends a tap that has shown its count.
var errEnough = errors.New("enough")

// Tap reads a topic, an id of the manifest or, failing that, a topic's name at
// the broker, without being part of a group: it takes nothing from anybody.
// Only committed records are read. show gets them in order of their offsets
// within a partition and must not keep their slices; pause is called whenever
// there is nothing more at the moment. It ends when ctx does, which is no
// error, and as TapOptions say.
func Tap(ctx context.Context, m *manifest.Manifest, topic string, t TapOptions, o Options, show func(*Tapped) error, pause func() error) (err error) {
	r, err := reachTopic(ctx, m, topic, o)
	if err != nil {
		return err
	}
	if t.Partition >= int32(r.partitions) {
		return fmt.Errorf("topic %q has partitions 0 to %d, not %d", r.topic.Name, r.partitions-1, t.Partition)
	}
	key, value, closeCodecs, err := TopicCodecs(ctx, m, &r.topic, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeCodecs()) }()
	reader, err := kafka.NewReader(r.client)
	if err != nil {
		return err
	}
	defer reader.Close()
	open, cancel := context.WithTimeout(ctx, reachTimeout)
	err = reader.Open(open, []string{r.topic.Name}, t.Start)
	cancel()
	if err != nil {
		return err
	}
	err = follow(ctx, reader, r.topic, t, func(t *Tapped) error {
		t.KeyCodec, t.ValueCodec = key, value
		return show(t)
	}, pause)
	if errors.Is(err, errEnough) {
		return pause()
	}
	return err
}

// pollWait bounds one poll, so that an interrupt is noticed.
const pollWait = 100 * time.Millisecond

// stallTimeout ends a tap that waits for an end which does not come.
const stallTimeout = 30 * time.Second

func follow(ctx context.Context, reader *kafka.Reader, topic manifest.Topic, t TapOptions, show func(*Tapped) error, pause func() error) error {
	var batch abi.Packed
	shown := 0
	progress := time.Now()
	for ctx.Err() == nil {
		if t.UntilEnd && reader.AtEnd() {
			return pause()
		}
		wait := pollWait
		if t.UntilEnd {
			// The end can be passed without a record: look again soon.
			wait = 10 * time.Millisecond
			if time.Since(progress) > stallTimeout {
				return fmt.Errorf("topic %q: the broker has delivered nothing for %s, and the end is not reached", topic.Name, stallTimeout)
			}
		}
		if err := reader.Poll(&batch, 1024, 4<<20, wait); err != nil {
			var ke *kafka.Error
			if errors.As(err, &ke) && ke.Retriable() {
				continue
			}
			return err
		}
		for _, run := range batch.Runs {
			progress = time.Now()
			if t.Partition >= 0 && run.Partition != t.Partition {
				continue
			}
			r := abi.NewReader(batch.Buf[run.Start:run.End])
			for range run.Count {
				var rec abi.Record
				abi.ReadRecord(&r, &rec)
				if err := r.Err(); err != nil {
					return fmt.Errorf("topic %q, partition %d: unpack a batch: %w", topic.Name, run.Partition, err)
				}
				err := show(&Tapped{
					Topic: topic, Partition: run.Partition,
					Offset: run.BaseOffset + rec.OffsetDelta, Timestamp: run.BaseTimestamp + rec.TimestampDelta,
					Key: rec.Key, Value: rec.Value, Headers: rec.Headers,
				})
				if err != nil {
					return err
				}
				if shown++; t.Count > 0 && shown >= t.Count {
					return errEnough
				}
			}
		}
		if err := pause(); err != nil {
			return err
		}
	}
	return pause()
}
