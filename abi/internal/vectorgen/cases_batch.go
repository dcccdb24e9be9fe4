package main

import (
	"math"
	"strings"
)

func batch(kind int, records ...any) arr32 {
	head := arr32{kind, 0, 3, 1000, 1700000000000, len(records)}
	return append(head, records...)
}

func batchCases() []vector {
	plain := rec{0, 0, bin("k"), bin("v"), nil}
	one := "dd00000008 00 00 00 00 00 01"
	return []vector{
		canonical("no record", batch(0)),
		canonical("one record", batch(0, plain)),
		canonical("deltas", batch(0, plain, rec{1, 5, bin("k"), bin("v"), nil}, rec{70, -3, bin("k"), bin("v"), nil}, rec{100000, 1 << 40, nil, bin("v"), nil})),
		canonical("nil and empty differ", batch(0, rec{0, 0, nil, nil, nil}, rec{1, 0, bin(""), nil, nil}, rec{2, 0, nil, bin(""), nil}, rec{3, 0, bin(""), bin(""), nil})),
		canonical("headers", batch(0, rec{0, 0, nil, nil, arr{arr{"trace", bin("\x00\xff")}, arr{"trace", nil}, arr{"", bin("")}}})),
		canonical("20 headers", batch(0, rec{0, 0, nil, nil, func() (h arr) {
			for range 20 {
				h = append(h, arr{"h", bin("x")})
			}
			return h
		}()})),
		canonical("key of 255 bytes, value of 256", batch(0,
			rec{0, 0, bin(strings.Repeat("k", 255)), bin(strings.Repeat("v", 256)), nil})),
		canonical("replayed", batch(9, plain)),
		canonical("timer", batch(1, rec{0, 0, nil, nil, nil}, rec{1, 60000, nil, nil, nil})),
		canonical("no timestamps", arr32{0, 0, 0, 0, -1, 1, plain}),
		canonical("extremes", arr32{0, math.MaxInt32, math.MaxInt32, math.MaxInt64, math.MinInt64, 1, rec{math.MinInt64, math.MaxInt64, nil, nil, nil}}),
		liberal("short array", "98 00 00 03 00 00 01 ce00000006 95 00 00 c0 c0 c0", arr32{0, 0, 3, 0, 0, 1, rec{0, 0, nil, nil, nil}}),
		liberal("long integers", "dd00000008 cc00 d100 00 d200000003 d30000000000000000 cf0000000000000000 ce00000001 ce00000006 95 00 00 c0 c0 c0", arr32{0, 0, 3, 0, 0, 1, rec{0, 0, nil, nil, nil}}),
		liberal("str for bin, bin for str", one+"ce00000010 95 00 00 a16b d90176 91 92 c50001 68 a178", arr32{0, 0, 0, 0, 0, 1, rec{0, 0, bin("k"), bin("v"), arr{arr{"h", bin("x")}}}}),
		liberal("bin 32", one+"ce0000000b 95 00 00 c600000001 76 c0 c0", arr32{0, 0, 0, 0, 0, 1, rec{0, 0, bin("v"), nil, nil}}),
		liberal("empty header array", one+"ce00000006 95 00 00 c0 c0 90", arr32{0, 0, 0, 0, 0, 1, rec{0, 0, nil, nil, nil}}),
		forward("fields behind a record", batch(0, rec{0, 0, bin("k"), nil, nil, 1, "new"}), batch(0, rec{0, 0, bin("k"), nil, nil})),
		forward("fields behind a header", batch(0, rec{0, 0, nil, nil, arr{arr{"h", nil, 5}}}), batch(0, rec{0, 0, nil, nil, arr{arr{"h", nil}}})),
		forward("fields behind the records", arr32{0, 0, 0, 0, 0, 1, plain, pairs{"new", 1}, nil}, arr32{0, 0, 0, 0, 0, 1, plain}),
		reject("empty", "", 0, "array"),
		reject("5 fields", "95 00 00 00 00 00", 0, "a batch of at least 6 fields"),
		reject("kind of another layout", "96 02 00 00 00 00 00", 1, "kind records, replayed or timer"),
		reject("unknown kind", "96 0b 00 00 00 00 00", 1, "kind records, replayed or timer"),
		reject("kind above 255", "96 cd0100 00 00 00 00 00", 1, "a kind of batch"),
		reject("source above 32 bits", "96 00 ce80000000 00 00 00 00", 2, "integer within 32 bits"),
		reject("partition below 32 bits", "96 00 00 d3ffffffff7fffffff 00 00 00", 3, "integer within 32 bits"),
		reject("offset above 63 bits", "96 00 00 00 cf8000000000000000 00 00", 4, "integer within 64 signed bits"),
		reject("offset is a float", "96 00 00 00 cb0000000000000000 00 00", 4, "integer"),
		reject("negative count", "96 00 00 00 00 00 ff", 0, "as many entries as the count says, at most 65536"),
		reject("count above the array", "98 00 00 00 00 00 02 ce00000006 95 00 00 c0 c0 c0", 0, "as many entries as the count says, at most 65536"),
		reject("count without records", "96 00 00 00 00 00 01", 0, "as many entries as the count says, at most 65536"),
		reject("array beyond the bytes", "dd7fffffff 00 00 00 00 00 01", 0, "an array that ends within the message"),
		reject("length in a short form", "98 00 00 00 00 00 01 05 95 00 00 c0 c0 c0", 7, "a record's length in the fixed 5-byte form"),
		reject("length beyond the message", "98 00 00 00 00 00 01 ce00000007 95 00 00 c0 c0 c0", 7, "a record that ends within the message"),
		reject("length of 2^32-1", "98 00 00 00 00 00 01 ceffffffff 95 00 00 c0 c0 c0", 7, "a record that ends within the message"),
		reject("length too short", "98 00 00 00 00 00 01 ce00000005 95 00 00 c0 c0 c0", 7, "a record as long as its length says"),
		reject("length too long", "9a 00 00 00 00 00 02 ce00000007 95 00 00 c0 c0 c0 ce00000006 95 00 00 c0 c0 c0", 7, "a record as long as its length says"),
		reject("truncated length", "98 00 00 00 00 00 01 ce0000", 7, "a record's length in the fixed 5-byte form"),
		reject("record of 4 fields", "98 00 00 00 00 00 01 ce00000005 94 00 00 c0 c0", 12, "a record of 5 fields"),
		reject("key is an integer", "98 00 00 00 00 00 01 ce00000006 95 00 00 07 c0 c0", 15, "byte string or nil"),
		reject("key beyond the message", "98 00 00 00 00 00 01 ce00000007 95 00 00 c409 c0 c0", 15, "a byte string that ends within the message"),
		reject("headers is a map", "98 00 00 00 00 00 01 ce00000006 95 00 00 c0 c0 80", 17, "array"),
		reject("header of 1 field", "98 00 00 00 00 00 01 ce00000008 95 00 00 c0 c0 91 91 a0", 18, "a header of 2 fields"),
		reject("header name is nil", "98 00 00 00 00 00 01 ce00000009 95 00 00 c0 c0 91 92 c0 c0", 19, "string"),
		reject("header count beyond the bytes", "98 00 00 00 00 00 01 ce00000008 95 00 00 c0 c0 dcffff", 17, "an array that ends within the message"),
		reject("delta above 63 bits", "98 00 00 00 00 00 01 ce0000000e 95 cf8000000000000000 00 c0 c0 c0", 13, "integer within 64 signed bits"),
	}
}

var advanceCases = []vector{
	canonical("stream time", arr{10, 3, 1700000000000, false}),
	canonical("final", arr{10, 0, -1, true}),
	canonical("fixint ends", arr{10, 127, -32, false}),
	canonical("8 bits", arr{10, 128, -33, false}),
	canonical("8 bits, ends", arr{10, 255, -128, false}),
	canonical("16 bits", arr{10, 256, -129, false}),
	canonical("16 bits, ends", arr{10, 65535, -32768, false}),
	canonical("32 bits", arr{10, 65536, -32769, false}),
	canonical("32 bits, ends", arr{10, math.MaxInt32, math.MinInt32, false}),
	canonical("negative partition", arr{10, math.MinInt32, math.MinInt32 - 1, false}),
	canonical("33 bits", arr{10, 0, math.MaxUint32 + 1, false}),
	canonical("32 unsigned bits", arr{10, 0, math.MaxUint32, false}),
	canonical("64 bits", arr{10, 0, math.MaxInt64, false}),
	canonical("64 bits below", arr{10, 0, math.MinInt64, false}),
	liberal("signed forms of numbers from 0 up", "dc0004 d00a d10003 d30000000000000005 c3", arr{10, 3, 5, true}),
	liberal("64-bit forms", "dd00000004 cf000000000000000a d3ffffffffffffffff d3ffffffffffffffff c2", arr{10, -1, -1, false}),
	forward("more fields", arr{10, 0, 0, true, false, "x"}, arr{10, 0, 0, true}),
	reject("3 fields", "93 0a 00 00", 0, "an advance of 4 fields"),
	reject("other kind", "94 05 00 00 c2", 1, "kind advance"),
	reject("kind of 16 bits that ends in 10", "94 cd010a 00 00 c2", 1, "kind advance"),
	reject("final is an integer", "94 0a 00 00 01", 4, "bool"),
	reject("truncated integer", "94 0a 00 d30000", 3, "integer"),
	reject("bytes behind the message", "94 0a 00 00 c2 c2", 5, "the end of the message"),
	reject("unknown field cut off", "95 0a 00 00 c2 a5", 5, "a byte string that ends within the message"),
	reject("unknown field 0xc1", "95 0a 00 00 c2 c1", 5, "a msgpack value"),
}

func downtimeCases() []vector {
	head := func(dependent, dependency any) arr {
		return arr{2, 0, "weather", dependent, dependency, 5400000, raw{pairs{"0", 2}}}
	}
	return []vector{
		canonical("times", head(arr{1700000000000}, arr{1699999000000})),
		canonical("integers", head(12, -7)),
		canonical("texts", head("2026-01-02", "")),
		canonical("beyond ASCII", head("caf\u00e9", strings.Repeat("x", 255))),
		canonical("none", head(nil, nil)),
		canonical("empty state", arr{2, 1023, "d", nil, nil, 1, raw{pairs{}}}),
		canonical("nested state", arr{2, 0, "d", nil, nil, 1, raw{pairs{"a", arr{1, nil, pairs{1, 2}}, bin("k"), 1.5}}}),
		liberal("markers in long forms", "dc0007 02 00 c40164 d90178 dc0001 cc05 ce00000001 de0000",
			arr{2, 0, "d", "x", arr{5}, 1, raw{hexed("de0000")}}),
		liberal("marker as bin", "97 02 00 a164 c40178 d0ff 01 80", arr{2, 0, "d", "x", -1, 1, raw{pairs{}}}),
		forward("fields behind a time and the message", arr{2, 0, "d", arr{5, "UTC"}, nil, 1, raw{pairs{}}, nil}, arr{2, 0, "d", arr{5}, nil, 1, raw{pairs{}}}),
		reject("6 fields", "96 02 00 a164 c0 c0 01", 0, "a downtime of 7 fields"),
		reject("other kind", "97 03 00 a164 c0 c0 01 80", 1, "kind downtime"),
		reject("dependency is nil", "97 02 00 c0 c0 c0 01 80", 3, "string"),
		reject("marker is a bool", "97 02 00 a164 c3 c0 01 80", 5, "a marker: nil, integer, text or [milliseconds]"),
		reject("marker is a float", "97 02 00 a164 cb0000000000000000 c0 01 80", 5, "a marker: nil, integer, text or [milliseconds]"),
		reject("marker is an empty array", "97 02 00 a164 90 c0 01 80", 5, "a marker: nil, integer, text or [milliseconds]"),
		reject("time is a text", "97 02 00 a164 91a178 c0 01 80", 6, "integer"),
		rejected("marker of 256 bytes", head(strings.Repeat("x", 256), nil), 11, "a marker of at most 255 bytes"),
		reject("state is nil", "97 02 00 a164 c0 c0 01 c0", 8, "a map of at most 65536 bytes"),
		reject("state is an array", "97 02 00 a164 c0 c0 01 90", 8, "a map of at most 65536 bytes"),
		reject("state cut off", "97 02 00 a164 c0 c0 01 81 a161", 8+1+2, "value"),
		reject("state of an odd count", "97 02 00 a164 c0 c0 01 82 a161", 8, "a map that ends within the message"),
	}
}

var recoveryCases = []vector{
	canonical("positions", arr{3, 0, "weather", arr{13}, arr{14}, raw{pairs{"0", 2}}, arr{arr{0, 0, 1}, arr{0, 1, 70}}, arr{arr{0, 0, 2}}}),
	canonical("no positions", arr{3, 1, "d", nil, nil, raw{pairs{}}, arr{}, arr{}}),
	forward("fields behind a position and the message", arr{3, 0, "d", nil, nil, raw{pairs{}}, arr{arr{0, 0, 1, 99}}, arr{}, 1}, arr{3, 0, "d", nil, nil, raw{pairs{}}, arr{arr{0, 0, 1}}, arr{}}),
	reject("7 fields", "97 03 00 a164 c0 c0 80 90", 0, "a recovery of 8 fields"),
	reject("other kind", "98 02 00 a164 c0 c0 80 90 90", 1, "kind recovery"),
	reject("position of 2 fields", "98 03 00 a164 c0 c0 80 91 92 00 00 90", 9, "a position of 3 fields"),
	reject("positions is nil", "98 03 00 a164 c0 c0 80 c0 90", 8, "array"),
	reject("position count beyond the bytes", "98 03 00 a164 c0 c0 80 dd00010000 90", 8, "an array that ends within the message"),
	reject("bytes behind the message", "98 03 00 a164 c0 c0 80 90 90 90", 10, "the end of the message"),
}

var checkCases = []vector{
	canonical("downtime", arr{4, 0, 0, "weather", arr{10}, arr{9}, 600000}),
	canonical("recovery", arr{4, 0, 1, "weather", 10, 9, 0}),
	forward("more fields", arr{4, 0, 1, "d", nil, nil, 0, "x"}, arr{4, 0, 1, "d", nil, nil, 0}),
	reject("6 fields", "96 04 00 00 a164 c0 c0", 0, "a check of 7 fields"),
	reject("unknown check", "97 04 00 02 a164 c0 c0 00", 3, "a check of downtime or recovery"),
	reject("other kind", "97 05 00 00 a164 c0 c0 00", 1, "kind check"),
	reject("bytes behind the message", "97 04 00 00 a164 c0 c0 00 00", 9, "the end of the message"),
}

var selftestCases = []vector{
	canonical("selftest", arr{5}),
	liberal("long forms", "dc0001 cc05", arr{5}),
	forward("more fields", arr{5, pairs{}, 1}, arr{5}),
	reject("no field", "90", 0, "a selftest of 1 field"),
	reject("other kind", "91 04", 1, "kind selftest"),
	reject("bytes behind the message", "91 05 05", 2, "the end of the message"),
}

var migrateCases = []vector{
	canonical("no entry", arr{6, 0, 1, 2, 0}),
	canonical("entries", arr{6, 1, 1, 3, 2, bin("k"), bin("v"), bin(""), bin("")}),
	canonical("20 entries", func() arr {
		m := arr{6, 0, 0, uint64(math.MaxUint64), 20}
		for range 40 {
			m = append(m, bin("x"))
		}
		return m
	}()),
	liberal("array 32 and str", "dd00000007 06 00 01 02 01 a16b a0", arr{6, 0, 1, 2, 1, bin("k"), bin("")}),
	forward("fields behind the entries", arr{6, 0, 1, 2, 1, bin("k"), bin("v"), "x", nil}, arr{6, 0, 1, 2, 1, bin("k"), bin("v")}),
	reject("4 fields", "94 06 00 01 02", 0, "a migration of at least 5 fields"),
	reject("other kind", "95 07 00 01 02 00", 1, "kind migrate"),
	reject("count above the entries", "97 06 00 01 02 02 c400 c400", 0, "as many entries as the count says, at most 65536"),
	reject("negative count", "95 06 00 01 02 ff", 0, "as many entries as the count says, at most 65536"),
	reject("key is nil", "97 06 00 01 02 01 c0 c400", 6, "byte string"),
	reject("value is nil", "97 06 00 01 02 01 c400 c0", 8, "byte string"),
	reject("bytes behind the message", "95 06 00 01 02 00 c0", 6, "the end of the message"),
}

var codecCases = []vector{
	canonical("decode values", arr{8, "flights", 1, 2, bin("{}"), bin("")}),
	canonical("encode keys", arr{7, "t", 0, 1, bin("\xc0")}),
	canonical("no value", arr{7, "", 0, 0}),
	liberal("long forms", "dc0005 cc08 c40174 d001 d001 a178", arr{8, "t", 1, 1, bin("x")}),
	forward("fields behind the values", arr{8, "t", 1, 1, bin("x"), pairs{}}, arr{8, "t", 1, 1, bin("x")}),
	reject("3 fields", "93 08 a174 01", 0, "a codec message of at least 4 fields"),
	reject("other kind", "94 06 a174 01 00", 1, "kind encode or decode"),
	reject("unknown part", "94 08 a174 02 00", 4, "part key or value"),
	reject("count above the values", "94 08 a174 01 01", 0, "as many entries as the count says, at most 65536"),
	reject("value is nil", "95 08 a174 01 01 c0", 6, "byte string"),
	reject("topic is nil", "94 08 c0 01 00", 2, "string"),
	reject("bytes behind the message", "94 08 a174 01 00 00", 6, "the end of the message"),
}
