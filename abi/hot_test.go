package abi_test

import (
	"testing"

	"github.com/sliphost/sliphost/abi"
)

const hotRecords = 256

var hotHeaders = abi.AppendHeader(abi.AppendArrayHeader(nil, 1), "traceparent", []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))

// appendHotBatch appends a batch as the first benchmark of peers has it: 16
// bytes of key, 100 of value, every eighth record with a header.
func appendHotBatch(b []byte) []byte {
	h := abi.BatchHeader{Source: 1, Partition: 7, BaseOffset: 1 << 33, BaseTimestamp: 1700000000000, Count: hotRecords}
	b = abi.AppendBatchHeader(b, &h)
	var key [16]byte
	var value [100]byte
	for i := range h.Count {
		var headers []byte
		if i%8 == 0 {
			headers = hotHeaders
		}
		b = abi.AppendRecord(b, int64(i), int64(i*3), key[:], value[:], headers)
	}
	return b
}

func readHotBatch(tb testing.TB, b []byte) (bytes int) {
	r := abi.NewReader(b)
	var h abi.BatchHeader
	abi.ReadBatchHeader(&r, &h)
	var rec abi.Record
	for range h.Count {
		abi.ReadRecord(&r, &rec)
		bytes += len(rec.Key) + len(rec.Value)
		if rec.Headers != nil {
			hs := abi.ReadHeaders(rec.Headers)
			for {
				name, value, ok := hs.Next()
				if !ok {
					break
				}
				bytes += len(name) + len(value)
			}
		}
	}
	if r.Err() != nil {
		tb.Fatal(r.Err())
	}
	return bytes
}

// appendHotReply appends what a pass-through handler replies to the batch.
func appendHotReply(b []byte) []byte {
	var key [16]byte
	var value [100]byte
	o := abi.Output{Sink: abi.EverySink, Key: key[:], Value: value[:]}
	for i := range int32(hotRecords) {
		if i%64 == 63 {
			b = abi.AppendResultError(b, i, abi.CodeFailed, "no such airport", 0)
			continue
		}
		b = abi.AppendResult(b, i, abi.StatusOK, 1)
		b = abi.AppendOutput(b, &o)
	}
	return b
}

func readHotReply(tb testing.TB, b []byte) (bytes int) {
	r := abi.NewReader(b)
	var res abi.Result
	var o abi.Output
	for r.Len() > 0 {
		abi.ReadResult(&r, &res)
		for range res.Outputs {
			abi.ReadOutput(&r, &o)
			bytes += len(o.Key) + len(o.Value)
		}
		abi.EndResult(&r, &res)
	}
	if r.Err() != nil {
		tb.Fatal(r.Err())
	}
	return bytes
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	batch, reply := appendHotBatch(nil), appendHotReply(nil)
	codec := abi.AppendCodecHeader(nil, &abi.CodecHeader{Kind: abi.KindDecode, Topic: []byte("flights"), Part: abi.PartValue, Count: 1})
	codec = abi.AppendBin(codec, []byte("{}"))
	answer := append(abi.AppendAnswer(nil, 0), 0xc4, 1, 'x')
	scan := abi.AppendScanRequest(nil, &abi.ScanRequest{Prefix: []byte("a"), Limit: 10})
	buf := make([]byte, 0, len(batch)+len(reply))
	for name, f := range map[string]func(){
		"append batch": func() { buf = appendHotBatch(buf[:0]) },
		"read batch":   func() { readHotBatch(t, batch) },
		"append reply": func() { buf = appendHotReply(buf[:0]) },
		"read reply":   func() { readHotReply(t, reply) },
		"read codec": func() {
			r := abi.NewReader(codec)
			var h abi.CodecHeader
			abi.ReadCodecHeader(&r, &h)
			r.Bin()
			abi.EndCodec(&r, &h)
		},
		"read answer": func() {
			r := abi.NewReader(answer)
			var a abi.Answer
			abi.ReadAnswer(&r, &a)
		},
		"read scan request": func() {
			if _, err := abi.ReadScanRequest(scan); err != nil {
				t.Fatal(err)
			}
		},
	} {
		if n := testing.AllocsPerRun(20, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkAppendBatch(b *testing.B) {
	buf := appendHotBatch(nil)
	bench(b, func() { buf = appendHotBatch(buf[:0]) })
}

func BenchmarkReadBatch(b *testing.B) {
	buf := appendHotBatch(nil)
	bench(b, func() { readHotBatch(b, buf) })
}

func BenchmarkAppendReply(b *testing.B) {
	buf := appendHotReply(nil)
	bench(b, func() { buf = appendHotReply(buf[:0]) })
}

func BenchmarkReadReply(b *testing.B) {
	buf := appendHotReply(nil)
	bench(b, func() { readHotReply(b, buf) })
}

// bench reports the time of a record, of which f handles hotRecords.
func bench(b *testing.B, f func()) {
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/hotRecords, "ns/record")
}
