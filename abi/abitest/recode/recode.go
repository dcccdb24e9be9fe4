// Package recode reads any message of the ABI and writes it again in canonical
// form. It is how a codec proves itself on the vectors, natively and inside a
// module: it imports nothing but abi.
package recode

import "github.com/sliphost/sliphost/abi"

// Message reads the message called name (as in abi/vectors) from b, all of
// it, and returns its canonical form. The error is the reader's, or nil with
// ok false for a name it does not know.
func Message(name string, b []byte) (out []byte, ok bool, err error) {
	f, ok := messages[name]
	if !ok {
		return nil, false, nil
	}
	out, err = f(b)
	if err != nil {
		return nil, true, err
	}
	return out, true, nil
}

var messages = map[string]func([]byte) ([]byte, error){
	"Describe":     whole(abi.ReadDescribe, abi.AppendDescribe),
	"Init":         whole(abi.ReadInit, abi.AppendInit),
	"InitReply":    whole(abi.ReadInitReply, abi.AppendInitReply),
	"Batch":        batch,
	"Advance":      whole(abi.ReadAdvance, abi.AppendAdvance),
	"Downtime":     whole(abi.ReadDowntime, abi.AppendDowntime),
	"Recovery":     whole(abi.ReadRecovery, abi.AppendRecovery),
	"Check":        whole(abi.ReadCheck, abi.AppendCheck),
	"Selftest":     selftest,
	"Migrate":      migrate,
	"Codec":        codec,
	"Reply":        reply,
	"Answers":      answers,
	"ScanRequest":  whole(abi.ReadScanRequest, abi.AppendScanRequest),
	"ScanPage":     scanPage,
	"KeyList":      keyList,
	"ValueList":    valueList,
	"Heartbeat":    whole(abi.ReadHeartbeat, abi.AppendHeartbeat),
	"Latency":      whole(abi.ReadLatency, abi.AppendLatency),
	"Pulse":        whole(abi.ReadPulse, abi.AppendPulse),
	"DowntimeList": downtimeList,
	"Value":        value,
}

// whole joins the pair of a message that is read at once.
func whole[T any](read func([]byte) (T, error), write func([]byte, *T) []byte) func([]byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		m, err := read(b)
		if err != nil {
			return nil, err
		}
		return write(nil, &m), nil
	}
}

func batch(b []byte) ([]byte, error) {
	r := abi.NewReader(b)
	var h abi.BatchHeader
	abi.ReadBatchHeader(&r, &h)
	out := abi.AppendBatchHeader(nil, &h)
	for range h.Count {
		var rec abi.Record
		abi.ReadRecord(&r, &rec)
		out = abi.AppendRecord(out, rec.OffsetDelta, rec.TimestampDelta, rec.Key, rec.Value, headers(&r, rec.Headers))
	}
	return out, r.Err()
}

// headers writes a raw header array again.
func headers(r *abi.Reader, raw []byte) []byte {
	h := abi.ReadHeaders(raw)
	if r.Err() != nil || h.Len() == 0 {
		return nil
	}
	out := abi.AppendArrayHeader(nil, h.Len())
	for {
		name, value, ok := h.Next()
		if !ok {
			return out
		}
		out = abi.AppendHeader(out, string(name), value)
	}
}

func selftest(b []byte) ([]byte, error) {
	return abi.AppendSelftest(nil), abi.ReadSelftest(b)
}

func migrate(b []byte) ([]byte, error) {
	r := abi.NewReader(b)
	var h abi.MigrateHeader
	abi.ReadMigrateHeader(&r, &h)
	out := abi.AppendMigrateHeader(nil, &h)
	for range h.Count {
		key, value := abi.ReadEntry(&r)
		out = abi.AppendEntry(out, key, value)
	}
	abi.EndMigrate(&r, &h)
	return out, r.Err()
}

func codec(b []byte) ([]byte, error) {
	r := abi.NewReader(b)
	var h abi.CodecHeader
	abi.ReadCodecHeader(&r, &h)
	out := abi.AppendCodecHeader(nil, &h)
	for range h.Count {
		out = abi.AppendBin(out, r.Bin())
	}
	abi.EndCodec(&r, &h)
	return out, r.Err()
}

func reply(b []byte) ([]byte, error) {
	r := abi.NewReader(b)
	var out []byte
	for r.Len() > 0 {
		var res abi.Result
		abi.ReadResult(&r, &res)
		if res.Status == abi.StatusError {
			out = abi.AppendResultError(out, res.Index, res.Code, string(res.Message), res.RetryAfterMs)
			continue
		}
		out = abi.AppendResult(out, res.Index, res.Status, res.Outputs)
		for range res.Outputs {
			var o abi.Output
			abi.ReadOutput(&r, &o)
			if r.Err() != nil {
				break
			}
			o.Headers = headers(&r, o.Headers)
			out = abi.AppendOutput(out, &o)
		}
		abi.EndResult(&r, &res)
	}
	return out, r.Err()
}

func answers(b []byte) ([]byte, error) {
	r := abi.NewReader(b)
	var out []byte
	for r.Len() > 0 {
		var a abi.Answer
		abi.ReadAnswer(&r, &a)
		if a.Status == abi.StatusError {
			out = abi.AppendResultError(out, a.Index, a.Code, string(a.Message), a.RetryAfterMs)
			continue
		}
		out = append(abi.AppendAnswer(out, a.Index), a.Value...)
	}
	return out, r.Err()
}

func scanPage(b []byte) ([]byte, error) {
	r := abi.NewReader(b)
	var p abi.ScanPage
	abi.ReadScanPage(&r, &p)
	out := abi.AppendScanPage(nil, &p)
	for range p.Count {
		key, value := abi.ReadEntry(&r)
		out = abi.AppendEntry(out, key, value)
	}
	abi.EndScanPage(&r, &p)
	return out, r.Err()
}

func keyList(b []byte) ([]byte, error)   { return list(b, (*abi.Reader).Bin) }
func valueList(b []byte) ([]byte, error) { return list(b, (*abi.Reader).Bytes) }

func list(b []byte, elem func(*abi.Reader) []byte) ([]byte, error) {
	r := abi.NewReader(b)
	var l abi.List
	abi.ReadList(&r, &l)
	out := abi.AppendList(nil, int(l.Count))
	for range l.Count {
		out = abi.AppendBin(out, elem(&r))
	}
	abi.EndList(&r, &l)
	return out, r.Err()
}

func downtimeList(b []byte) ([]byte, error) {
	m, err := abi.ReadDowntimeList(b)
	if err != nil {
		return nil, err
	}
	return abi.AppendDowntimeList(nil, m), nil
}

func value(b []byte) ([]byte, error) {
	r := abi.NewReader(b)
	v := r.Skip()
	r.End()
	return v, r.Err()
}
