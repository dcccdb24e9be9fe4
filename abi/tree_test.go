package abi_test

import (
	"encoding/hex"
	"strconv"

	"github.com/sliphost/sliphost/abi"
)

// tree reads a message and returns its fields in the tagged form of the
// vectors. Only for messages that can be read.
func tree(message string, b []byte) any { return trees[message](b) }

var trees = map[string]func([]byte) any{
	"Describe": func(b []byte) any {
		m, _ := abi.ReadDescribe(b)
		handlers := each(m.Handlers, func(h abi.HandlerDesc) any {
			params := each(h.Params, func(p abi.ParamDesc) any {
				return list(str(p.Name), num(p.Type), rawOrNil(p.Default), str(p.Help))
			})
			return list(str(h.Name), num(h.Flags), params, names(h.Caches), names(h.Sinks), names(h.Checkpoints), num(h.StateVersion))
		})
		return list(num(m.Major), num(m.Minor), str(m.SDK), str(m.Language), handlers, num(m.Features))
	},
	"Init": func(b []byte) any {
		m, _ := abi.ReadInit(b)
		endpoint := func(e abi.Endpoint) any { return list(str(e.Name), num(e.Key), num(e.Value)) }
		bindings := each(m.Bindings, func(h abi.Binding) any {
			params := each(h.Params, func(p abi.Param) any { return list(str(p.Name), rawOrNil(p.Value)) })
			return list(str(h.Function), str(h.Name), params, each(h.Sinks, endpoint), names(h.Caches), names(h.Checkpoints), each(h.Sources, endpoint))
		})
		return list(num(m.Major), num(m.Minor), num(m.Features), bindings)
	},
	"InitReply": func(b []byte) any {
		m, _ := abi.ReadInitReply(b)
		if m.Status == abi.StatusError {
			return list(num(m.Status), num(m.Code), str(m.Message))
		}
		return list(num(m.Status), num(m.Progress), num(m.Capacity))
	},
	"Batch": func(b []byte) any {
		r := abi.NewReader(b)
		var h abi.BatchHeader
		abi.ReadBatchHeader(&r, &h)
		v := list(num(h.Kind), num(h.Source), num(h.Partition), num(h.BaseOffset), num(h.BaseTimestamp), num(h.Count))
		for range h.Count {
			var rec abi.Record
			abi.ReadRecord(&r, &rec)
			v = append(v, list(num(rec.OffsetDelta), num(rec.TimestampDelta), bin(rec.Key), bin(rec.Value), headers(rec.Headers)))
		}
		return v
	},
	"Advance": func(b []byte) any {
		m, _ := abi.ReadAdvance(b)
		return list(num(abi.KindAdvance), num(m.Partition), num(m.StreamTime), m.Final)
	},
	"Downtime": func(b []byte) any {
		m, _ := abi.ReadDowntime(b)
		return list(num(abi.KindDowntime), num(m.Checkpoint), str(m.Dependency), marker(m.DependentMarker), marker(m.DependencyMarker), num(m.DowntimeMs), rawOrNil(m.State))
	},
	"Recovery": func(b []byte) any {
		m, _ := abi.ReadRecovery(b)
		position := func(p abi.Position) any { return list(num(p.Source), num(p.Partition), num(p.Offset)) }
		return list(num(abi.KindRecovery), num(m.Checkpoint), str(m.Dependency), marker(m.DependentMarker), marker(m.DependencyMarker), rawOrNil(m.State), each(m.Healthy, position), each(m.Detected, position))
	},
	"Check": func(b []byte) any {
		m, _ := abi.ReadCheck(b)
		return list(num(abi.KindCheck), num(m.Checkpoint), num(m.Which), str(m.Dependency), marker(m.DependentMarker), marker(m.DependencyMarker), num(m.ThresholdMs))
	},
	"Selftest": func([]byte) any { return list(num(abi.KindSelftest)) },
	"Migrate": func(b []byte) any {
		r := abi.NewReader(b)
		var h abi.MigrateHeader
		abi.ReadMigrateHeader(&r, &h)
		v := list(num(abi.KindMigrate), num(h.Cache), num(h.From), num(h.To), num(h.Count))
		return append(v, entries(&r, h.Count)...)
	},
	"Codec": func(b []byte) any {
		r := abi.NewReader(b)
		var h abi.CodecHeader
		abi.ReadCodecHeader(&r, &h)
		v := list(num(h.Kind), str(h.Topic), num(h.Part), num(h.Count))
		for range h.Count {
			v = append(v, bin(r.Bin()))
		}
		return v
	},
	"Reply":   reply,
	"Answers": answers,
	"ScanRequest": func(b []byte) any {
		m, _ := abi.ReadScanRequest(b)
		return list(bin(m.Prefix), bin(m.From), bin(m.To), m.Reverse, num(m.Limit), bin(m.Cursor))
	},
	"ScanPage": func(b []byte) any {
		r := abi.NewReader(b)
		var p abi.ScanPage
		abi.ReadScanPage(&r, &p)
		return append(list(bin(p.Next), num(p.Count)), entries(&r, p.Count)...)
	},
	"KeyList":   func(b []byte) any { return byteLists(b, (*abi.Reader).Bin) },
	"ValueList": func(b []byte) any { return byteLists(b, (*abi.Reader).Bytes) },
	"Heartbeat": func(b []byte) any {
		m, _ := abi.ReadHeartbeat(b)
		if m.Only {
			return list(nil, marker(m.Marker))
		}
		return list(str(m.Dependency), marker(m.Marker))
	},
	"Latency": func(b []byte) any {
		m, _ := abi.ReadLatency(b)
		return list(m.IsLate, marker(m.DependentMarker), marker(m.DependencyMarker))
	},
	"Pulse": func(b []byte) any {
		m, _ := abi.ReadPulse(b)
		return list(marker(m.Marker), rawOrNil(m.State))
	},
	"DowntimeList": func(b []byte) any {
		m, _ := abi.ReadDowntimeList(b)
		if len(m) == 0 {
			return list()
		}
		return list(each(m, func(d abi.DowntimeOf) any { return list(str(d.Dependency), num(d.DowntimeMs)) }))
	},
	"Value": func(b []byte) any {
		r := abi.NewReader(b)
		return rawOrNil(r.Skip())
	},
}

func reply(b []byte) any {
	r := abi.NewReader(b)
	v := list()
	for r.Len() > 0 {
		var res abi.Result
		abi.ReadResult(&r, &res)
		if res.Status == abi.StatusError {
			v = append(v, list(num(res.Index), num(res.Status), num(res.Code), str(res.Message), num(res.RetryAfterMs)))
			continue
		}
		outputs := list()
		for range res.Outputs {
			var o abi.Output
			abi.ReadOutput(&r, &o)
			fields := list(num(o.Sink), bin(o.Key), bin(o.Value), headers(o.Headers), nil, nil)
			if o.HasTimestamp {
				fields[4] = num(o.Timestamp)
			}
			if o.HasPartition {
				fields[5] = num(o.Partition)
			}
			for len(fields) > 3 && fields[len(fields)-1] == nil {
				fields = fields[:len(fields)-1]
			}
			outputs = append(outputs, fields)
		}
		abi.EndResult(&r, &res)
		v = append(v, list(num(res.Index), num(res.Status), outputs))
	}
	return v
}

func answers(b []byte) any {
	r := abi.NewReader(b)
	v := list()
	for r.Len() > 0 {
		var a abi.Answer
		abi.ReadAnswer(&r, &a)
		if a.Status == abi.StatusError {
			v = append(v, list(num(a.Index), num(a.Status), num(a.Code), str(a.Message), num(a.RetryAfterMs)))
			continue
		}
		v = append(v, list(num(a.Index), num(a.Status), rawOrNil(a.Value)))
	}
	return v
}

func entries(r *abi.Reader, count int32) []any {
	v := list()
	for range count {
		key, value := abi.ReadEntry(r)
		v = append(v, bin(key), bin(value))
	}
	return v
}

func byteLists(b []byte, elem func(*abi.Reader) []byte) any {
	r := abi.NewReader(b)
	var l abi.List
	abi.ReadList(&r, &l)
	v := list()
	for range l.Count {
		v = append(v, bin(elem(&r)))
	}
	return list(v)
}

func headers(raw []byte) any {
	h := abi.ReadHeaders(raw)
	if h.Len() == 0 {
		return nil
	}
	v := list()
	for {
		name, value, ok := h.Next()
		if !ok {
			return v
		}
		v = append(v, list(str(name), bin(value)))
	}
}

func marker(m abi.Marker) any {
	switch m.Kind {
	case abi.MarkerInt:
		return num(m.Int)
	case abi.MarkerText:
		return str(m.Text)
	case abi.MarkerTime:
		return list(num(m.Int))
	}
	return nil
}

func list(v ...any) []any { return append([]any{}, v...) }

func each[T any](in []T, f func(T) any) []any {
	out := make([]any, len(in))
	for i, v := range in {
		out[i] = f(v)
	}
	return out
}

func names(in []string) []any { return each(in, func(s string) any { return str(s) }) }

type integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

func num[T integer](v T) any {
	if v < 0 {
		return "i:" + strconv.FormatInt(int64(v), 10)
	}
	return "i:" + strconv.FormatUint(uint64(v), 10)
}

func str[T string | []byte](v T) any {
	for _, c := range []byte(v) {
		if c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return "x:" + hex.EncodeToString([]byte(v))
		}
	}
	return "s:" + string(v)
}

func bin(v []byte) any {
	if v == nil {
		return nil
	}
	return "b:" + hex.EncodeToString(v)
}

func rawOrNil(v []byte) any {
	if v == nil {
		return nil
	}
	return "r:" + hex.EncodeToString(v)
}
