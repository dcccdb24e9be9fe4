package host

import (
	"strconv"

	"github.com/sliphost/sliphost/abi"
)

// Headers of a dead letter, behind those the record had. The four of the
// root and n identify it: under at-least-once a letter may be sent again with
// the same ones.
const (
	HeaderHandler   = "slip.handler"
	HeaderModule    = "slip.module"
	HeaderCode      = "slip.code"
	HeaderError     = "slip.error"
	HeaderTopic     = "slip.topic"
	HeaderPartition = "slip.partition"
	HeaderOffset    = "slip.offset"
	HeaderN         = "slip.n"
	HeaderTimestamp = "slip.timestamp"
	HeaderAttempts  = "slip.attempts"
	// HeaderSource is the handler's source that the record came from: the topic
	// or the proxy as the manifest writes it.
	HeaderSource = "slip.source"
	// HeaderReference is "true" on a letter without value, because key, value
	// and headers together are larger than the dead-letter topic takes: the
	// record is where the other headers say.
	HeaderReference = "slip.reference"
)

// maxErrorText bounds the error header.
const maxErrorText = 4096

// settle carries out what a policy made of a failure. n numbers the failing
// call under its root.
func (r *run) settle(e *effect, n int) {
	f := e.settled
	stats := &r.w.stats.handlers[r.w.handlerIndex(f.handler)]
	where := r.where(f.batch, f.pos)
	switch {
	case f.code == abi.CodeDrop:
		stats.dropped.Add(1)
		r.w.log.Debug("record dropped by its handler", "handler", f.handler.ID, "record", where, "reason", f.reason)
		return
	case f.handler.OnError.Policy == PolicySkip || r.w.asking != nil && r.w.asking.advance != nil:
		stats.skipped.Add(1)
		r.tellSource(f, false)
		r.w.log.Warn("record skipped", "handler", f.handler.ID, "record", where, "code", codeName(f.code), "error", f.reason, "attempts", f.attempts)
		return
	}
	stats.deadLetters.Add(1)
	r.tellSource(f, true)
	stats.letters.add(codeName(f.code))
	out := r.w.letters[r.w.handlerIndex(f.handler)]
	rec := f.batch.original(f.pos)
	ts := f.batch.head.BaseTimestamp + rec.TimestampDelta
	headers := r.letterHeaders(f, &rec, n, ts, false)
	limit := f.handler.OnError.MaxBytes
	probe := effect{key: rec.Key, value: rec.Value, headers: headers}
	if limit > 0 && recordBytes(&probe) > limit {
		headers = r.letterHeaders(f, &rec, n, ts, true)
		rec.Key, rec.Value = nil, nil
	}
	out.append(-1, rec.Key, rec.Value, headers, ts)
	r.sent(out, f.batch, f.handler, f.pos)
	r.w.log.Warn("record sent to the dead-letter topic", "handler", f.handler.ID, "record", where,
		"topic", f.handler.OnError.Topic, "code", codeName(f.code), "error", f.reason, "attempts", f.attempts)
}

// letterHeaders returns the record's headers followed by those of the letter;
// by reference, only the latter.
func (r *run) letterHeaders(f *failure, rec *abi.Record, n int, ts int64, reference bool) []byte {
	it := abi.ReadHeaders(rec.Headers)
	own := 11
	if reference {
		it = abi.ReadHeaders(nil)
		own++
	}
	reason := f.reason
	if len(reason) > maxErrorText {
		reason = reason[:maxErrorText]
	}
	out := abi.AppendArrayHeader(r.w.arena.tail(len(rec.Headers)+len(reason)+1024), it.Len()+own)
	for {
		name, value, ok := it.Next()
		if !ok {
			break
		}
		out = abi.AppendHeader(out, string(name), value)
	}
	text := func(name, value string) { out = abi.AppendHeader(out, name, []byte(value)) }
	number := func(name string, v int64) { text(name, strconv.FormatInt(v, 10)) }
	text(HeaderHandler, f.handler.ID)
	text(HeaderModule, f.handler.ModuleSHA256)
	text(HeaderCode, codeName(f.code))
	text(HeaderError, reason)
	text(HeaderSource, f.batch.source.ID)
	text(HeaderTopic, r.rootTopic())
	number(HeaderPartition, int64(r.root.head.Partition))
	number(HeaderOffset, r.offset(f.batch, f.pos))
	number(HeaderN, int64(n))
	number(HeaderTimestamp, ts)
	number(HeaderAttempts, int64(f.attempts))
	if reference {
		text(HeaderReference, "true")
	}
	return r.w.arena.keep(out)
}

// rootName is what dead letters and errors call a source: the topic's name in
// Kafka, or the source as the manifest writes it.
func (s *Source) rootName() string {
	if s.Kind == SourceTopic {
		return s.Topic
	}
	return s.ID
}
