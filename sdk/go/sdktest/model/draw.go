package model

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/sliphost/sliphost/sdk/go/sdktest/cases"
)

// Handlers are those that there is a model of.
var Handlers = []string{"tumbling", "hopping", "session", "join", "dedup"}

// Cases draws cases of a handler, with what the model says of them.
func Cases(handler string) *rapid.Generator[*cases.Case] {
	return rapid.Custom(func(t *rapid.T) *cases.Case {
		c := &cases.Case{Name: "random", Handler: handler, Params: params(t, handler)}
		partitions := rapid.Int32Range(1, 2).Draw(t, "partitions")
		key := rapid.SampledFrom([]string{"a", "b", "ab", "a\x00", "a\x00\x01\x00\x00\x00\x00", "\xff\xff", ""})
		times := make([]int64, partitions)
		for i := range rapid.IntRange(1, 80).Draw(t, "records") {
			r := cases.Record{Partition: rapid.Int32Range(0, partitions-1).Draw(t, "partition")}
			now := &times[r.Partition]
			// Mostly a little forwards, sometimes far or back.
			switch rapid.IntRange(0, 9).Draw(t, "move") {
			case 0:
				*now += rapid.Int64Range(0, 60).Draw(t, "far")
				r.Time = *now
			case 1, 2, 3:
				r.Time = max(*now-rapid.Int64Range(0, 40).Draw(t, "back"), 0)
			default:
				*now += rapid.Int64Range(0, 6).Draw(t, "on")
				r.Time = *now
			}
			if kind := rapid.IntRange(0, 30).Draw(t, "kind"); kind < 2 && handler != "dedup" {
				r.Advance, r.Final = true, kind == 0
			} else {
				r.Key = []byte(key.Draw(t, "key"))
				side := rapid.SampledFrom([]string{"<", ">"}).Draw(t, "side")
				r.Value = fmt.Appendf(nil, "%s%d", side, i)
			}
			c.Records = append(c.Records, r)
		}
		if handler != "dedup" {
			// A cache is empty once all is closed.
			for p := range partitions {
				c.Records = append(c.Records, cases.Record{Partition: p, Time: times[p], Advance: true, Final: true})
			}
			c.After = map[string][]cases.Entry{"state": {}}
		}
		Fill(c)
		return c
	})
}

// Crowd is a case in which more is over at once than one record closes, and
// records come for what is over and not closed yet.
func Crowd(handler string) *cases.Case {
	const keys = 1300
	c := &cases.Case{Name: "crowd", Handler: handler, Params: map[string]map[string]int64{
		"tumbling": {"size": 10, "close": 1}, "hopping": {"size": 10, "step": 5, "close": 1},
		"session": {"gap": 10, "close": 1}, "join": {"before": 10, "after": 10, "kind": 2}, "dedup": {"ttl": 10},
	}[handler]}
	add := func(time int64, key int, value string) {
		c.Records = append(c.Records, cases.Record{Time: time, Key: fmt.Appendf(nil, "%04d", key), Value: []byte(value)})
	}
	for k := range keys {
		add(0, k, "<a")
	}
	add(11, keys, "<b")
	for _, k := range []int{keys - 1, keys - 2, 0} {
		add(10, k, ">c")
	}
	add(10, keys-1, "<d")
	add(5, keys-2, ">e")
	add(21, keys, "<f")
	if handler != "dedup" {
		c.Records = append(c.Records, cases.Record{Time: 21, Advance: true}, cases.Record{Time: 21, Advance: true, Final: true})
		c.After = map[string][]cases.Entry{"state": {}}
	}
	Fill(c)
	return c
}

func params(t *rapid.T, handler string) map[string]int64 {
	draw := func(name string, least, most int64) int64 { return rapid.Int64Range(least, most).Draw(t, name) }
	p := map[string]int64{}
	if handler != "dedup" {
		p["grace"] = draw("grace", 0, 20)
	}
	switch handler {
	case "tumbling", "hopping":
		p["size"], p["close"] = draw("size", 1, 25), draw("close", 0, 1)
		if handler == "hopping" {
			p["step"] = draw("step", 1, p["size"])
		}
	case "session":
		p["gap"], p["close"] = draw("gap", 1, 12), draw("close", 0, 1)
	case "join":
		p["before"], p["kind"] = draw("before", -5, 15), draw("kind", 0, 2)
		p["after"] = draw("after", -p["before"], 15)
	case "dedup":
		p["ttl"] = draw("ttl", 1, 30)
	}
	return p
}
