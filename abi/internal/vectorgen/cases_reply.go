package main

import (
	"math"
	"strings"
)

func replyCases() []vector {
	out := func(fields ...any) arr { return arr(fields) }
	return []vector{
		canonical("nothing", stream{}),
		canonical("ok without outputs", stream{arr{0, 0, arr{}}}),
		canonical("one output", stream{arr{0, 0, arr{out(-1, bin("k"), bin("v"))}}}),
		canonical("outputs of every length", stream{arr{7, 0, arr{
			out(0, nil, nil),
			out(1, bin(""), bin(""), arr{arr{"h", bin("x")}, arr{"h", nil}}),
			out(2, nil, bin("v"), nil, 1700000000000),
			out(3, nil, bin("v"), nil, nil, 0),
			out(1023, nil, bin("v"), arr{arr{"", bin("")}}, -1, math.MaxInt32),
		}}}),
		canonical("records in order", stream{arr{0, 0, arr{out(-1, nil, bin("a"))}}, arr{2, 1, 2, "not wanted", 0}, arr{300, 0, arr{out(-1, nil, bin("b"))}}}),
		canonical("more, then ok", stream{arr{0, 2, arr{out(-1, nil, bin("a"))}}, arr{0, 2, arr{}}, arr{0, 0, arr{out(-1, nil, bin("b"))}}}),
		canonical("more, then error", stream{arr{4, 2, arr{out(-1, nil, bin("a"))}}, arr{4, 1, 1, "late trouble", 0}}),
		canonical("retry", stream{arr{0, 1, 3, "busy", 2500}}),
		canonical("error with extremes", stream{arr{math.MaxInt32, 1, 65535, "", math.MaxInt64}}),
		canonical("error text beyond ASCII", stream{arr{0, 1, 1, "caf\u00e9 \"zu\"", 0}}),
		canonical("20 outputs", stream{arr{0, 0, func() (list arr) {
			for range 20 {
				list = append(list, out(-1, nil, nil))
			}
			return list
		}()}}),
		canonical("value of 65536 bytes", stream{arr{0, 0, arr{out(-1, nil, bin(strings.Repeat("v", 65536)))}}}),
		liberal("trailing nils", "93 00 00 91 96 ff c0 c0 c0 c0 c0", stream{arr{0, 0, arr{out(-1, nil, nil)}}}),
		liberal("empty header array", "93 00 00 91 94 00 c0 c0 90", stream{arr{0, 0, arr{out(0, nil, nil)}}}),
		liberal("long forms", "dc0003 d20000000a cc00 dd00000001 dc0003 d3ffffffffffffffff a16b c60000000176", stream{arr{10, 0, arr{out(-1, bin("k"), bin("v"))}}}),
		liberal("error text as bin", "95 00 d001 ce00000001 c40178 d000", stream{arr{0, 1, 1, "x", 0}}),
		forward("field behind ok", stream{arr{0, 0, arr{}, "new"}, arr{1, 0, arr{}}}, stream{arr{0, 0, arr{}}, arr{1, 0, arr{}}}),
		forward("field behind an error", stream{arr{0, 1, 1, "x", 0, arr{1}, nil}}, stream{arr{0, 1, 1, "x", 0}}),
		forward("field behind an output", stream{arr{0, 0, arr{out(0, nil, nil, nil, nil, 5, "new")}}}, stream{arr{0, 0, arr{out(0, nil, nil, nil, nil, 5)}}}),
		forward("code of a newer version", stream{arr{0, 1, 999, "x", 0, 1}}, stream{arr{0, 1, 999, "x", 0}}),
		reject("not an array", "00", 0, "array"),
		reject("result of 2 fields", "92 00 00 90", 0, "a result of at least 3 fields"),
		reject("error of 4 fields", "94 00 01 01 a178", 0, "an error result of 5 fields"),
		reject("error of 3 fields", "93 00 01 01", 0, "an error result of 5 fields"),
		reject("unknown status", "93 00 04 90", 2, "a result status of ok, error or more"),
		reject("status value", "93 00 03 90", 2, "a result status of ok, error or more"),
		reject("status of 16 bits that ends in 0", "93 00 cd0100 90", 2, "a result status of ok, error or more"),
		reject("negative index", "93 ff 00 90", 1, "non-negative integer"),
		reject("index above 31 bits", "93 ce80000000 00 90", 1, "an index within 31 bits"),
		reject("outputs is nil", "93 00 00 c0", 3, "array"),
		reject("output count beyond the bytes", "93 00 00 dd0fffffff", 3, "an array that ends within the message"),
		reject("output missing", "93 00 00 91", 3, "an array that ends within the message"),
		reject("output of 2 fields", "93 00 00 91 92 00 c0", 4, "an output of at least 3 fields"),
		reject("output is a map", "93 00 00 91 80", 4, "array"),
		reject("sink below -1", "93 00 00 91 93 fe c0 c0", 5, "a sink from -1 up"),
		reject("sink above 32 bits", "93 00 00 91 93 ce80000000 c0 c0", 5, "integer within 32 bits"),
		reject("sink is nil", "93 00 00 91 93 c0 c0 c0", 5, "integer"),
		reject("value is an array", "93 00 00 91 93 00 c0 90", 7, "byte string or nil"),
		reject("headers is a string", "93 00 00 91 94 00 c0 c0 a0", 8, "array"),
		reject("timestamp is a text", "93 00 00 91 95 00 c0 c0 c0 a130", 9, "integer"),
		reject("partition above 32 bits", "93 00 00 91 96 00 c0 c0 c0 c0 ce80000000", 10, "integer within 32 bits"),
		reject("code above 16 bits", "95 00 01 ce00010000 a178 00", 3, "an error code below 65536"),
		reject("code negative", "95 00 01 ff a178 00", 3, "non-negative integer"),
		reject("message is nil", "95 00 01 01 c0 00", 4, "string"),
		reject("negative retry", "95 00 01 01 a178 ff", 6, "non-negative integer"),
		reject("retry above 63 bits", "95 00 01 01 a178 cf8000000000000000", 6, "milliseconds within 63 bits"),
		reject("second result cut off", "93 00 00 90 93 01", 4, "an array that ends within the message"),
		reject("unknown field nested 65 deep", "94 00 00 90"+string(nested(65)), 4+64, "a value nested at most 64 deep"),
	}
}

var answerCases = []vector{
	canonical("none", stream{}),
	canonical("check of a downtime", stream{arr{0, 3, raw{5400000}}}),
	canonical("check of a recovery", stream{arr{0, 3, raw{true}}}),
	canonical("bytes and nil", stream{arr{0, 3, raw{bin("\x81\xa1a\x01")}}, arr{1, 3, raw{nil}}, arr{2, 3, raw{bin("")}}}),
	canonical("an error between values", stream{arr{0, 3, raw{bin("a")}}, arr{1, 1, 4, "no schema", 0}, arr{2, 3, raw{bin("c")}}}),
	liberal("long forms", "dc0003 cd0000 d003 c40161", stream{arr{0, 3, raw{bin("a")}}}),
	forward("field behind a value", stream{arr{0, 3, raw{nil}, arr{}}, arr{1, 3, raw{nil}}}, stream{arr{0, 3, raw{nil}}, arr{1, 3, raw{nil}}}),
	reject("value missing", "92 00 03 c0", 0, "an answer of at least 3 fields"),
	reject("status ok", "93 00 00 90", 2, "a status of value or error"),
	reject("status more", "93 00 02 90", 2, "a status of value or error"),
	reject("error of 4 fields", "94 00 01 01 a0", 0, "an error result of 5 fields"),
	reject("value cut off", "93 00 03 c405 00", 3, "a byte string that ends within the message"),
	reject("value nested 65 deep", "93 00 03"+string(nested(65)), 3+64, "a value nested at most 64 deep"),
	reject("negative index", "93 ff 03 c0", 1, "non-negative integer"),
}
