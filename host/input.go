package host

import (
	"maps"
	"math"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// input is one partition of one source that this worker owns: its position and
// what is held back of it. A connector's source has the one partition 0.
type input struct {
	task      *task
	source    int
	partition int32
	// kafka is the partition as the consumer names it, for topics.
	kafka abi.TopicPartition
	// next is the offset behind the last record that is done with. committed is
	// the one the group has, OffsetNone if it has none; start is where delivery
	// began.
	next, committed, start int64
	// meta came with the committed offset; hadOffset says that there was one,
	// foreign that it was not ours.
	meta               offsetMeta
	hadOffset, foreign bool
	// delivered is the offset the consumer delivers next.
	delivered int64
	// end is the end of the partition that the consumer told of last; every
	// record before it was delivered.
	end int64
	// careful is the offset up to which each record is flushed alone, because
	// some output before it is refused again and again; refusals remembers
	// which calls' outputs were, under the record at next.
	careful  int64
	refusals map[callKey]string
	// refused counts the rewinds after refusals since the position was committed
	// that the furthest of them had reached, suspect.
	refused int
	suspect int64
	// window bounds the records that run at once, 0 if only the poll does.
	window int
	// reseek is when the consumer is asked again to read the partition.
	reseek time.Time
	// backlog is what was delivered but waits for the head record's retry.
	backlog backlog
	due     time.Time
	// attempts counts the tries of the record at next, by the call that failed;
	// committedTries is what the last commit says of the record at committed.
	attempts, committedTries map[callKey]int
	// stopped says why the partition stands still under the policy fail, nil
	// while it runs; tries counts how often it was tried in vain.
	stopped error
	tries   int
	// paused says that the consumer does not deliver the partition, because
	// the backlog is large enough.
	paused bool
	// eof: a connector has nothing more. kept is what it delivered since the last
	// commit, since it delivers nothing twice.
	eof  bool
	kept backlog
	// carrier is the task whose offsets carry the position of a timer, home the
	// input without which the timer belongs to another worker; nil for others.
	carrier *task
	home    *input
	// barrier, if not 0, is 1 above the offset up to which the control topic has
	// to be known before the partition goes on; guards are the machines of the
	// checkpoints that may hold it back.
	barrier int64
	guards  []*guard
	// replay says which records come again; committedReplay is that of the last
	// commit.
	replay, committedReplay replay
	connector               ConnectorSource
}

// held says that the records behind next wait, so that new ones must queue.
func (in *input) held() bool {
	return !in.due.IsZero() || !in.task.ready() || in.guarded() || in.carrier != nil && !in.carrier.ready()
}

// queue puts a run that was delivered behind what waits already.
func (in *input) queue(run abi.Run, wire []byte) {
	in.delivered = run.LastOffset + 1
	in.backlog.add(run, wire)
}

// restoreAttempts takes over how often the record at the position was tried by
// an earlier owner.
func (in *input) restoreAttempts(plan *Plan) {
	defer in.keepTries()
	for _, a := range in.meta.attempts {
		for h := range plan.Handlers {
			if nameHash(plan.Handlers[h].ID) != a.handler {
				continue
			}
			for s := range plan.Sources {
				if nameHash(plan.Sources[s].ID) == a.source {
					if in.attempts == nil {
						in.attempts = map[callKey]int{}
					}
					in.attempts[callKey{handler: &plan.Handlers[h], source: &plan.Sources[s], nth: a.nth}] = a.n
				}
			}
		}
	}
}

// restoreReplay takes over which records come again. A checkpoint that the plan
// does not have any more has no handlers to get them.
func (in *input) restoreReplay(plan *Plan) {
	in.replay = replay{until: in.meta.until}
	for _, p := range in.meta.replays {
		for i := range plan.Checkpoints {
			if nameHash(plan.Checkpoints[i].Spec.Name) == p.checkpoint {
				in.replay.from = append(in.replay.from, replayFrom{i, p.offset})
			}
		}
	}
	in.committedReplay = in.replay.clone()
}

// keepTries notes the attempts that are committed.
func (in *input) keepTries() {
	if len(in.attempts) == 0 && len(in.committedTries) == 0 {
		return
	}
	in.committedTries = maps.Clone(in.attempts)
}

// suspected notes that an output was refused, maybe one of a record that was
// processed since the last commit.
//
// certain says that it is one of them, and will never be taken.
func (in *input) suspected(certain bool) {
	if in.next <= in.committed || in.next == in.start && in.committed < 0 {
		return
	}
	in.refused++
	in.suspect = max(in.suspect, in.next)
	if certain || in.refused >= carefulAfter {
		in.careful = max(in.careful, in.suspect)
	}
}

// rewind forgets everything that is not committed and returns the offset to
// deliver again.
func (in *input) rewind() int64 {
	in.next = in.committed
	if in.next == abi.OffsetNone {
		in.next = in.start
	}
	in.backlog.clear()
	in.due, in.reseek, in.stopped, in.tries = time.Time{}, time.Time{}, nil, 0
	clear(in.refusals)
	if clear(in.attempts); len(in.committedTries) > 0 {
		in.attempts = maps.Clone(in.committedTries)
	}
	in.delivered, in.end = in.next, 0
	in.replay = in.committedReplay.clone()
	return in.next
}

// backlog holds records of one partition in wire form, in order.
type backlog struct {
	buf  []byte
	runs []abi.Run
}

func (l *backlog) empty() bool { return len(l.runs) == 0 }

// add appends a run whose records are in wire.
func (l *backlog) add(run abi.Run, wire []byte) {
	if len(l.runs) > 0 && l.runs[0].Start > len(l.buf)/2 {
		l.compact()
	}
	run.Start = len(l.buf)
	l.buf = append(l.buf, wire...)
	run.End = len(l.buf)
	l.runs = append(l.runs, run)
}

// forget removes the records before offset.
func (l *backlog) forget(offset int64) {
	for !l.empty() {
		run, wire := &l.runs[0], l.first()
		if run.LastOffset < offset {
			l.take(int(run.Count))
			continue
		}
		n := 0
		for n < int(run.Count) && nextOffset(run, wire, n+1) <= offset {
			n++
		}
		if n > 0 {
			l.take(n)
		}
		return
	}
}

// copyFrom makes l hold what other holds.
func (l *backlog) copyFrom(other *backlog) {
	l.buf = append(l.buf[:0], other.buf...)
	l.runs = append(l.runs[:0], other.runs...)
}

// compact moves the records to the front of the buffer.
func (l *backlog) compact() {
	gone := l.runs[0].Start
	l.buf = l.buf[:copy(l.buf, l.buf[gone:])]
	for i := range l.runs {
		l.runs[i].Start -= gone
		l.runs[i].End -= gone
	}
}

// take removes the first n records of the first run.
func (l *backlog) take(n int) {
	run := &l.runs[0]
	if n >= int(run.Count) {
		l.runs = l.runs[1:]
		if len(l.runs) == 0 {
			l.clear()
		}
		return
	}
	run.Start += prefixBytes(l.buf[run.Start:run.End], n)
	run.Count -= int32(n)
}

// first returns the records of the first run, time the timestamp of the very
// first record.
func (l *backlog) first() []byte { return l.buf[l.runs[0].Start:l.runs[0].End] }
func (l *backlog) time() int64   { return l.runs[0].BaseTimestamp + timestampDelta(l.first()) }

// head returns the first records of the first run, up to the first one later
// than until, one at least, and most at most unless that is 0. They stay in the
// backlog.
func (l *backlog) head(most int, until int64) (abi.Run, []byte) {
	run, wire := l.runs[0], l.first()
	if most <= 0 || most > int(run.Count) {
		most = int(run.Count)
	}
	if most == int(run.Count) && until == math.MaxInt64 {
		return run, wire
	}
	n, at := 0, 0
	for n < most && (n == 0 || run.BaseTimestamp+timestampDelta(wire[at:]) <= until) {
		at += abi.RecordPrefix + recordLen(wire[at:])
		n++
	}
	run.LastOffset = nextOffset(&run, wire, n) - 1
	run.Count = int32(n)
	return run, wire[:at]
}

// keptBacklog is how large a buffer is kept once it is empty.
const keptBacklog = 64 << 10

// clear forgets everything and gives large buffers back.
func (l *backlog) clear() {
	if cap(l.buf) > keptBacklog {
		l.buf = nil
	}
	l.buf, l.runs = l.buf[:0], l.runs[:0]
}

// prefixBytes is the size of the first n records of wire.
func prefixBytes(wire []byte, n int) int {
	at := 0
	for range n {
		at += abi.RecordPrefix + recordLen(wire[at:])
	}
	return at
}

// nextOffset is the offset behind record n-1 of a run with these records.
func nextOffset(run *abi.Run, wire []byte, n int) int64 {
	if n >= int(run.Count) {
		return run.LastOffset + 1
	}
	r := abi.NewReader(wire[prefixBytes(wire, n-1):])
	var rec abi.Record
	abi.ReadRecord(&r, &rec)
	return run.BaseOffset + rec.OffsetDelta + 1
}
