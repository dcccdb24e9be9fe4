package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sliphost/sliphost/cmd/sliphost/chaos/checker"
	"github.com/twmb/franz-go/pkg/kgo"
)

// load writes inputs: most by themselves, some in transactions, and of these
// half are aborted and must never be heard of again.
type load struct {
	rnd     *rand.Rand
	topic   string
	journal *checker.Journal
	plain   *kgo.Client
	trans   *kgo.Client
	ids     int64
	counts  map[string]int64
	keys    int
	written atomic.Int64
	stop    context.CancelFunc
	done    sync.WaitGroup
	err     error
}

func newLoad(t *testing.T, a *app) *load {
	t.Helper()
	part := kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil))
	return &load{
		rnd: randomOf(a.name + " load"), topic: a.topics["in"], journal: a.journal, counts: map[string]int64{}, keys: 40,
		plain: client(t, a.broker.Addr, part),
		trans: client(t, a.broker.Addr, part, kgo.TransactionalID(a.name+"-load"), kgo.TransactionTimeout(10*time.Second)),
	}
}

var marks = []checker.Mark{checker.MarkError, checker.MarkTrap, checker.MarkRetry, checker.MarkDrop}

// batch makes n records. Those of an aborted transaction do not count.
func (l *load) batch(n int, counts map[string]int64) (recs []*kgo.Record, ids []int64) {
	for range n {
		l.ids++
		in := checker.Input{
			Key: fmt.Sprintf("key-%d", l.rnd.IntN(l.keys)), ID: l.ids, Mark: checker.MarkNone,
			Pad: strings.Repeat("x", l.rnd.IntN(100)),
		}
		counts[in.Key]++
		in.N = counts[in.Key]
		if l.rnd.IntN(100) == 0 {
			in.Mark = marks[l.rnd.IntN(len(marks))]
		}
		// Timestamps are not sorted within a partition, as behind a repartition:
		// only the offsets are the order.
		at := time.Now().Add(-time.Duration(l.rnd.IntN(3600)) * time.Second)
		recs = append(recs, &kgo.Record{
			Topic: l.topic, Key: []byte(in.Key), Value: in.Value(), Timestamp: at,
			Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte(strconv.FormatInt(in.ID, 10))}},
		})
		ids = append(ids, in.ID)
	}
	return recs, ids
}

// write writes n records and returns when the broker has them and the journal
// says so.
func (l *load) write(ctx context.Context, n int) error {
	if l.rnd.IntN(5) > 0 {
		recs, ids := l.batch(n, l.counts)
		return l.ack(l.plain.ProduceSync(ctx, recs...), ids)
	}
	keep := l.rnd.IntN(2) == 0
	counts := l.counts
	if !keep {
		counts = map[string]int64{}
	}
	recs, ids := l.batch(n, counts)
	if err := l.trans.BeginTransaction(); err != nil {
		return err
	}
	results := l.trans.ProduceSync(ctx, recs...)
	if err := results.FirstErr(); err != nil {
		return err
	}
	if !keep {
		if err := l.trans.EndTransaction(ctx, kgo.TryAbort); err != nil {
			return err
		}
		return l.journal.Add(nil, ids)
	}
	if err := l.trans.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return err
	}
	return l.ack(results, ids)
}

func (l *load) ack(results kgo.ProduceResults, ids []int64) error {
	if err := results.FirstErr(); err != nil {
		return fmt.Errorf("write inputs: %w", err)
	}
	var acks []checker.Ack
	for _, r := range results {
		id, _, _ := strings.Cut(string(r.Record.Value), " ")
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return err
		}
		acks = append(acks, checker.Ack{Partition: r.Record.Partition, Offset: r.Record.Offset, ID: n})
	}
	l.written.Add(int64(len(ids)))
	return l.journal.Add(acks, nil)
}

// start writes batches of n records at each interval until finish.
func (l *load) start(n int, every time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	l.done.Add(1)
	go func() {
		defer l.done.Done()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			// A write is never cut off: its outcome would be unknown.
			limit, cancel := context.WithTimeout(context.Background(), time.Minute)
			l.err = l.write(limit, n)
			cancel()
			if l.err != nil {
				return
			}
		}
	}()
}

// start lets the load begin. The short form writes less, since much of it runs
// at the same time.
func (a *app) start() {
	n := 60
	if !full() {
		n = 25
	}
	a.load.start(n, 20*time.Millisecond)
}

// finish ends what start began.
func (l *load) finish(t *testing.T) {
	t.Helper()
	if l.stop == nil {
		return
	}
	l.stop()
	l.done.Wait()
	l.stop = nil
	if l.err != nil {
		t.Fatalf("the generator failed, which is no fault of the host: %v", l.err)
	}
}
