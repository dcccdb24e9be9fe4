package connector

import (
	"sync"

	"github.com/sliphost/sliphost/abi"
)

// queue holds records that others bring until the host's worker takes them. It
// numbers them when they are taken.
type queue struct {
	topic int32
	ready chan struct{}

	mu      sync.Mutex
	next    int64 // offset of the next record that is taken
	waiting []*delivery
	// taken are not final yet, in the order of their offsets.
	taken []*delivery
	end   bool
	err   error
}

// delivery is some records that are final together.
type delivery struct {
	records []packedRecord
	// first is the offset of the first record, once they were taken.
	first int64
	// done is called, with the queue unlocked, when all of them are final.
	done func(*delivery)
	// position is the place behind it, of a source that has such.
	position []byte
	// failed lists what handlers could not process.
	failed []RecordFailure
}

// packedRecord is a record in the form of the engine.
type packedRecord struct {
	key, value, headers []byte
	timestamp           int64
}

// RecordFailure says that a handler could not process a record and went on.
type RecordFailure struct {
	// Record is its position among those that were brought together.
	Record int `json:"record"`
	// Code is the word that dead letters have for it, Reason a sentence.
	Code   string `json:"code"`
	Reason string `json:"reason"`
	// DeadLetter says that the record is in a dead-letter topic.
	DeadLetter bool `json:"dead_letter"`
}

func newQueue(topic int32, first int64) *queue {
	return &queue{topic: topic, next: first, ready: make(chan struct{}, 1)}
}

// put adds a delivery.
func (q *queue) put(d *delivery) {
	q.mu.Lock()
	q.waiting = append(q.waiting, d)
	q.mu.Unlock()
	signal(q.ready)
}

// finish says that nothing follows, or why.
func (q *queue) finish(err error) {
	q.mu.Lock()
	q.end, q.err = true, err
	q.mu.Unlock()
	signal(q.ready)
}

// Poll is a source's: deliveries stay whole.
func (q *queue) Poll(b *abi.Packed, maxRecords, maxBytes int) (eof bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b.Reset()
	run := abi.Run{Topic: q.topic, BaseOffset: q.next}
	n := 0
	for ; n < len(q.waiting); n++ {
		d := q.waiting[n]
		if run.Count > 0 && (int(run.Count)+len(d.records) > maxRecords || len(b.Buf) >= maxBytes) {
			break
		}
		d.first = q.next
		for i := range d.records {
			r := &d.records[i]
			if run.Count == 0 {
				run.BaseTimestamp = r.timestamp
			}
			b.Buf = abi.AppendRecord(b.Buf, q.next-run.BaseOffset, r.timestamp-run.BaseTimestamp, r.key, r.value, r.headers)
			run.Count++
			q.next++
		}
		d.count()
		q.taken = append(q.taken, d)
	}
	clear(q.waiting[:n])
	q.waiting = q.waiting[n:]
	if run.Count > 0 {
		run.LastOffset, run.End = q.next-1, len(b.Buf)
		b.Runs = append(b.Runs, run)
		return false, nil
	}
	return q.end, q.err
}

// count forgets the records but not how many there are.
func (d *delivery) count() {
	for i := range d.records {
		d.records[i] = packedRecord{}
	}
}

// Ready delivers when Poll, having returned an empty batch, may have
// something.
func (q *queue) Ready() <-chan struct{} { return q.ready }

// Commit says that all records before offset are final.
func (q *queue) Commit(offset int64) error {
	q.mu.Lock()
	n := 0
	for n < len(q.taken) && q.taken[n].first+int64(len(q.taken[n].records)) <= offset {
		n++
	}
	final := append([]*delivery(nil), q.taken[:n]...)
	q.taken = q.taken[:copy(q.taken, q.taken[n:])]
	q.mu.Unlock()
	for _, d := range final {
		d.done(d)
	}
	return nil
}

// Failed notes that a handler could not process the record at offset.
func (q *queue) Failed(offset int64, code, reason string, letter bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, d := range q.taken {
		n := int(offset - d.first)
		if n < 0 || n >= len(d.records) {
			continue
		}
		f := RecordFailure{Record: n, Code: code, Reason: reason, DeadLetter: letter}
		for i := range d.failed {
			if d.failed[i].Record == n { // again after a rewind, or another handler
				d.failed[i] = f
				return
			}
		}
		d.failed = append(d.failed, f)
		return
	}
}

// failures of a delivery that is final.
func (q *queue) failures(d *delivery) []RecordFailure {
	q.mu.Lock()
	defer q.mu.Unlock()
	return d.failed
}
