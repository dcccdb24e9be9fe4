package host

import (
	"context"
	"strconv"
	"strings"

	"github.com/sliphost/sliphost/abi"
)

// Dead letters come back through a topic of their sub-topology, whose partitions
// are those of its inputs. It is an input like any other: its position is
// committed with what the letters cause, so each is delivered exactly as often
// as any record. Only where a letter goes is its own: to the one handler that
// failed, as if it had come from the source that it came from, with the caches
// of the partition that its root was in.

// letterHead begins the names of a letter's own headers.
const letterHead = "slip."

// letter is one that is being delivered.
type letter struct {
	// source is the plan's id of what stands for the handler's source.
	source int
	// topic, partition and offset are the root's, n the number of the call that
	// failed: a letter that fails again is the same letter.
	topic     string
	partition int32
	offset    int64
	n         int
	timestamp int64
}

// replay delivers letters one at a time. It returns how many are done with.
func (w *worker) replay(ctx context.Context, in *input, run *abi.Run, wire []byte) (done int, err error) {
	at := 0
	for done < int(run.Count) && !in.held() && !w.stopping() {
		size := abi.RecordPrefix + recordLen(wire[at:])
		r := abi.NewReader(wire[at : at+size])
		var rec abi.Record
		abi.ReadRecord(&r, &rec)
		if err := r.Err(); err != nil {
			return done, err
		}
		next := run.LastOffset
		if done+1 < int(run.Count) {
			next = run.BaseOffset + rec.OffsetDelta
		}
		ok, err := w.deliver(ctx, in, &rec, run, next)
		if err != nil || !ok {
			return done, err
		}
		at += size
		done++
	}
	return done, nil
}

// deliver hands one letter to its handler; last is its offset in the topic of
// the letters. ok says that it is done with.
func (w *worker) deliver(ctx context.Context, in *input, rec *abi.Record, run *abi.Run, last int64) (ok bool, err error) {
	src := &w.plan.Sources[in.source]
	l, headers, why := w.readLetter(src, rec)
	if why != "" {
		w.log.Error("a dead letter cannot be delivered and is passed over", "topic", src.Topic, "partition", in.partition, "offset", last, "error", why)
		in.next = last + 1
		in.task.changed, w.uncommitted = true, true
		return true, nil
	}
	if l.timestamp < 0 {
		l.timestamp = run.BaseTimestamp + rec.TimestampDelta
	}
	one := abi.Run{Partition: l.partition, BaseOffset: l.offset, BaseTimestamp: l.timestamp, LastOffset: last, Count: 1}
	wire := abi.AppendRecord(nil, 0, 0, rec.Key, rec.Value, headers)
	w.letter = &l
	done, err := w.processBatch(ctx, in, &one, wire)
	w.letter = nil
	return done == 1, err
}

// readLetter finds out where a letter goes. The headers it returns are those
// that the record had; why says what is wrong with the letter.
func (w *worker) readLetter(src *Source, rec *abi.Record) (l letter, headers []byte, why string) {
	it := abi.ReadHeaders(rec.Headers)
	own := map[string]string{}
	var rest []byte
	n := 0
	for {
		name, value, ok := it.Next()
		if !ok {
			break
		}
		if strings.HasPrefix(string(name), letterHead) {
			own[string(name)] = string(value)
			continue
		}
		rest = abi.AppendHeader(rest, string(name), value)
		n++
	}
	if it.Err() != nil {
		return l, nil, "its headers cannot be read: " + it.Err().Error()
	}
	l = letter{source: -1, topic: own[HeaderTopic], partition: -1, offset: -1, timestamp: -1}
	for _, id := range src.Replays {
		s := &w.plan.Sources[id]
		if w.plan.Handlers[s.Handlers[0].Handler].ID == own[HeaderHandler] && s.ID == own[HeaderSource] {
			l.source = id
		}
	}
	if l.source < 0 {
		return l, nil, "no handler " + strconv.Quote(own[HeaderHandler]) + " with a dead-letter topic reads " + strconv.Quote(own[HeaderSource]) + " here"
	}
	number := func(name string) int64 {
		v, err := strconv.ParseInt(own[name], 10, 64)
		if err != nil && why == "" {
			why = "its header " + name + " is no number"
		}
		return v
	}
	l.partition, l.offset = int32(number(HeaderPartition)), number(HeaderOffset)
	l.n, l.timestamp = int(number(HeaderN)), number(HeaderTimestamp)
	if why == "" && (l.partition < 0 || l.offset < 0 || l.n < 0) {
		why = "its headers name no place: " + HeaderPartition + ", " + HeaderOffset + " and " + HeaderN + " are not below 0"
	}
	if n > 0 {
		headers = append(abi.AppendArrayHeader(nil, n), rest...)
	}
	return l, headers, why
}

// rootTopic is what letters and errors call the root's source.
func (r *run) rootTopic() string {
	if r.letter != nil {
		return r.letter.topic
	}
	return r.root.source.rootName()
}

// firstCall numbers the first handler call under a root.
func (r *run) firstCall() int {
	if r.letter != nil {
		return r.letter.n
	}
	return 0
}

// sourceOf is the source that the records at hand count as: the input's, or
// that of the letter under way.
func (w *worker) sourceOf(in *input) int {
	if w.asking != nil {
		return w.asking.source
	}
	if w.letter != nil {
		return w.letter.source
	}
	return in.source
}
