package main

import (
	"math"
	"strings"
)

var scanRequestCases = []vector{
	canonical("everything", arr{nil, nil, nil, false, 100, nil}),
	canonical("prefix", arr{bin("a"), nil, nil, false, 1, nil}),
	canonical("range, reverse, next page", arr{nil, bin("a"), bin("m"), true, 4096, bin("\x00c")}),
	canonical("empty bounds", arr{bin(""), bin(""), bin(""), true, 1, bin("")}),
	liberal("long forms", "dc0006 a161 c0 c500016d c3 ce00000005 c0", arr{bin("a"), nil, bin("m"), true, 5, nil}),
	forward("more fields", arr{nil, nil, nil, false, 1, nil, 1, "x"}, arr{nil, nil, nil, false, 1, nil}),
	reject("5 fields", "95 c0 c0 c0 c2 01", 0, "a scan of 6 fields"),
	reject("limit of 0", "96 c0 c0 c0 c2 00 c0", 5, "a limit from 1 to 4096"),
	reject("limit below 0", "96 c0 c0 c0 c2 ff c0", 5, "a limit from 1 to 4096"),
	reject("limit of 4097", "96 c0 c0 c0 c2 cd1001 c0", 5, "a limit from 1 to 4096"),
	reject("reverse is nil", "96 c0 c0 c0 c0 01 c0", 4, "bool"),
	reject("prefix is an integer", "96 01 c0 c0 c2 01 c0", 1, "byte string or nil"),
	reject("bytes behind the message", "96 c0 c0 c0 c2 01 c0 c0", 7, "the end of the message"),
}

var scanPageCases = []vector{
	canonical("empty", arr{nil, 0}),
	canonical("last page", arr{nil, 1, bin("k"), bin("v")}),
	canonical("page with a next one", arr{bin("k2"), 2, bin("k1"), bin(""), bin("k2"), bin("v")}),
	forward("fields behind the entries", arr{nil, 1, bin("k"), bin("v"), pairs{}, 2}, arr{nil, 1, bin("k"), bin("v")}),
	reject("1 field", "91 c0", 0, "a page of at least 2 fields"),
	reject("count above the entries", "94 c0 02 c400 c400", 0, "as many entries as the count says, at most 65536"),
	reject("count above 4096", "92 c0 cd1001", 0, "a page of at most 4096 entries"),
	reject("key is nil", "94 c0 01 c0 c400", 3, "byte string"),
	reject("bytes behind the message", "92 c0 00 00", 3, "the end of the message"),
}

func keyListCases() []vector {
	return []vector{
		canonical("no key", arr{arr{}}),
		canonical("keys", arr{arr{bin("a"), bin(""), bin("a")}}),
		canonical("int key", arr{arr{bin("\x2a\x00\x00\x00\x00\x00\x00\x00")}}),
		canonical("4096 keys", arr{func() (list arr) {
			for range 4096 {
				list = append(list, bin(""))
			}
			return list
		}()}),
		forward("more fields", arr{arr{bin("a")}, nil}, arr{arr{bin("a")}}),
		reject("no field", "90", 0, "a list of 1 field"),
		reject("key is nil", "91 91 c0", 2, "byte string"),
		reject("4097 keys", "91 dc1001"+strings.Repeat("c400", 4097), 1, "at most 4096 keys"),
		reject("count beyond the bytes", "91 dc0fff c400", 1, "an array that ends within the message"),
		reject("bytes behind the message", "91 90 00", 2, "the end of the message"),
	}
}

var valueListCases = []vector{
	canonical("values", arr{arr{bin("v"), nil, bin("")}}),
	liberal("str", "91 92 a176 c0", arr{arr{bin("v"), nil}}),
	forward("more fields", arr{arr{nil}, 1}, arr{arr{nil}}),
	reject("value is an integer", "91 91 01", 2, "byte string or nil"),
	reject("bytes behind the message", "91 90 c0", 2, "the end of the message"),
}

func heartbeatCases() []vector {
	return []vector{
		canonical("named", arr{"weather", arr{1700000000000}}),
		canonical("the only dependency", arr{nil, 12}),
		canonical("empty name is a name", arr{"", "x"}),
		canonical("no marker", arr{nil, nil}),
		canonical("lowest integer", arr{nil, math.MinInt64}),
		liberal("name as bin, marker in a long form", "dc0002 c40164 d10005", arr{"d", 5}),
		forward("more fields", arr{"d", arr{5, 6}, 7}, arr{"d", arr{5}}),
		reject("1 field", "91 a164", 0, "a heartbeat of 2 fields"),
		reject("marker is a map", "92 a164 80", 3, "a marker: nil, integer, text or [milliseconds]"),
		reject("marker above 63 bits", "92 c0 cf8000000000000000", 2, "integer within 64 signed bits"),
		rejected("name of 256 bytes", arr{strings.Repeat("n", 256), 1}, 1, "a name of at most 255 bytes"),
		reject("bytes behind the message", "92 c0 05 05", 3, "the end of the message"),
	}
}

var latencyCases = []vector{
	canonical("late", arr{true, arr{2}, arr{1}}),
	canonical("before the first pulse", arr{false, nil, arr{1}}),
	forward("more fields", arr{false, nil, nil, 1}, arr{false, nil, nil}),
	reject("2 fields", "92 c2 c0", 0, "a latency of 3 fields"),
	reject("is_late is an integer", "93 00 c0 c0", 1, "bool"),
	reject("bytes behind the message", "93 c2 c0 c0 c0", 4, "the end of the message"),
}

var pulseCases = []vector{
	canonical("time and state", arr{arr{1700000000000}, raw{pairs{"0", 2, "1", 70}}}),
	canonical("empty state", arr{5, raw{pairs{}}}),
	liberal("long forms", "dc0002 dc0001 d005 df00000001 a130 02", arr{arr{5}, raw{hexed("df00000001 a130 02")}}),
	forward("more fields", arr{nil, raw{pairs{}}, pairs{}}, arr{nil, raw{pairs{}}}),
	reject("1 field", "91 05", 0, "a pulse of 2 fields"),
	reject("state is nil", "92 05 c0", 2, "a map of at most 65536 bytes"),
	reject("state nested 65 deep", "92 05 81 00"+string(nested(64)), 4+63, "a value nested at most 64 deep"),
	reject("bytes behind the message", "92 05 80 80", 3, "the end of the message"),
}

var downtimeListCases = []vector{
	canonical("all up", stream{}),
	canonical("two down", arr{arr{arr{"weather", 5400000}, arr{"sun", 1}}}),
	liberal("an empty list", "91 90", stream{}),
	forward("more fields", arr{arr{arr{"d", 1, 2}}, 3}, arr{arr{arr{"d", 1}}}),
	reject("entry of 1 field", "91 91 91 a164", 2, "a downtime of 2 fields"),
	reject("no field", "90", 0, "a list of downtimes of 1 field"),
	reject("bytes behind the message", "91 90 90", 2, "the end of the message"),
}
