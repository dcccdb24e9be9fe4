package main

import "strings"

var messages = []message{
	{"Describe", describeCases()},
	{"Init", initCases()},
	{"InitReply", initReplyCases},
	{"Batch", batchCases()},
	{"Advance", advanceCases},
	{"Downtime", downtimeCases()},
	{"Recovery", recoveryCases},
	{"Check", checkCases},
	{"Selftest", selftestCases},
	{"Migrate", migrateCases},
	{"Codec", codecCases},
	{"Reply", replyCases()},
	{"Answers", answerCases},
	{"ScanRequest", scanRequestCases},
	{"ScanPage", scanPageCases},
	{"KeyList", keyListCases()},
	{"ValueList", valueListCases},
	{"Heartbeat", heartbeatCases()},
	{"Latency", latencyCases},
	{"Pulse", pulseCases},
	{"DowntimeList", downtimeListCases},
	{"Value", valueCases()},
}

// names is n names that differ.
func names(n int) arr {
	list := make(arr, n)
	for i := range list {
		list[i] = string([]byte{'a' + byte(i/676), 'a' + byte(i/26%26), 'a' + byte(i%26)})
	}
	return list
}

func describe(handlers ...any) arr {
	return arr{1, 0, "sdk 1", "go1.26", arr(handlers), 0}
}

func handler(name any, params, caches, sinks, checkpoints arr) arr {
	return arr{name, 0, params, caches, sinks, checkpoints, 0}
}

func describeCases() []vector {
	full := arr{
		"split", 1 | 256,
		arr{
			arr{"limit", 1, raw{100}, "lines for each record"},
			arr{"prefix", 0, raw{""}, ""},
			arr{"ratio", 2, raw{0.5}, "share kept"},
			arr{"strict", 3, raw{false}, ""},
			arr{"needed", 0, nil, "no default"},
		},
		arr{"seen"},
		arr{"audit", "late"},
		arr{"weather-first"},
		3,
	}
	oneParam := func(fields ...any) arr { return describe(handler("h", arr{arr(fields)}, arr{}, arr{}, arr{})) }
	return []vector{
		canonical("no handlers", describe()),
		canonical("one bare handler", describe(handler("h", arr{}, arr{}, arr{}, arr{}))),
		canonical("everything", arr{1, 7, "sliphost-go 0.1.0", "go1.26.0", arr{full, handler("drop", arr{}, arr{}, arr{}, arr{})}, 1}),
		canonical("minor above this one", arr{1, 200, "s", "l", arr{}, 0}),
		canonical("unknown flags and features", arr{1, 0, "s", "l", arr{arr{"h", 1 << 40, arr{}, arr{}, arr{}, arr{}, 0}}, uint64(1 << 63)}),
		canonical("parameter of an unknown type", oneParam("p", 9, raw{arr{1, "x"}}, "")),
		canonical("name of 255 bytes", describe(handler(strings.Repeat("n", 255), arr{}, arr{}, arr{}, arr{}))),
		canonical("names beyond ASCII", describe(handler("z\u00e4hler", arr{}, arr{"caf\u00e9"}, arr{}, arr{}))),
		canonical("1024 sinks", describe(handler("h", arr{}, arr{}, names(1024), arr{}))),
		canonical("float parameter with an integer default", oneParam("p", 2, raw{5}, "")),
		liberal("long forms", "dc0006 cc01 d000 d903 736431 c4026c31 dd00000000 d300000000 00000000", arr{1, 0, "sd1", "l1", arr{}, 0}),
		liberal("bin for names", "96 01 00 a0 a0 91 97 c40168 00 90 91 c40163 90 90 00 00",
			arr{1, 0, "", "", arr{handler("h", arr{}, arr{"c"}, arr{}, arr{})}, 0}),
		canonical("float 32 default is kept as it is", oneParam("p", 2, raw{hexed("ca3f000000")}, "")),
		forward("fields behind the message", arr{1, 1, "s", "l", arr{}, 0, "new", arr{1, pairs{"a", nil}}}, arr{1, 1, "s", "l", arr{}, 0}),
		forward("fields behind a handler", describe(arr{"h", 0, arr{}, arr{}, arr{}, arr{}, 0, arr{}, 1.5}), describe(handler("h", arr{}, arr{}, arr{}, arr{}))),
		forward("fields behind a parameter", oneParam("p", 0, raw{"x"}, "", true, nil), oneParam("p", 0, raw{"x"}, "")),
		reject("empty", "", 0, "array"),
		reject("not an array", "81 01 00", 0, "array"),
		rejected("1 field", arr{1}, 0, "a description of at least 2 fields"),
		rejected("5 fields", arr{1, 0, "s", "l", arr{}}, 0, "a description of 6 fields"),
		reject("truncated", "96 01 00 a0 a0", 0, "an array that ends within the message"),
		reject("truncated string", "96 01 00 a0 a5 61 62 63", 4, "a byte string that ends within the message"),
		reject("bytes behind the message", "96 01 00 a0 a0 90 00 c0", 7, "the end of the message"),
		rejected("negative major", arr{-1, 0, "s", "l", arr{}, 0}, 1, "non-negative integer"),
		rejected("sdk is nil", arr{1, 0, nil, "l", arr{}, 0}, 3, "string"),
		rejected("handlers is a map", arr{1, 0, "", "", pairs{}, 0}, 5, "array"),
		rejected("handler of 6 fields", describe(arr{"h", 0, arr{}, arr{}, arr{}, arr{}}), 17, "a handler of 7 fields"),
		rejected("parameter of 3 fields", oneParam("p", 0, nil), 22, "a parameter of 4 fields"),
		rejected("type above 255", oneParam("p", 256, nil, ""), 25, "a type below 256"),
		rejected("text default of an int", oneParam("p", 1, "x", ""), 26, "integer"),
		rejected("int default of a text", oneParam("p", 0, 1, ""), 26, "byte string or nil"),
		rejected("int default of a bool", oneParam("p", 3, 0, ""), 26, "bool"),
		rejected("bool default of a float", oneParam("p", 2, true, ""), 26, "number"),
		rejected("int default above 63 bits", oneParam("p", 1, uint64(1<<63), ""), 26, "integer within 64 signed bits"),
		rejected("name of 256 bytes", describe(handler(strings.Repeat("n", 256), arr{}, arr{}, arr{}, arr{})), 18, "a name of at most 255 bytes"),
		rejected("two handlers of one name", describe(handler("h", arr{}, arr{}, arr{}, arr{}), handler("h", arr{}, arr{}, arr{}, arr{})), 16, "names that differ"),
		rejected("two sinks of one name", describe(handler("h", arr{}, arr{}, arr{"a", "b", "a"}, arr{})), 23, "names that differ"),
		rejected("two parameters of one name", describe(handler("h", arr{arr{"p", 0, nil, ""}, arr{"p", 1, nil, ""}}, arr{}, arr{}, arr{})), 21, "names that differ"),
		rejected("1025 sinks", describe(handler("h", arr{}, arr{}, names(1025), arr{})), 23, "at most 1024 names"),
		rejected("cache name is nil", describe(handler("h", arr{}, arr{nil}, arr{}, arr{})), 23, "string"),
		reject("handler count beyond the bytes", "96 01 00 a0 a0 dd ffffffff 00", 5, "an array that ends within the message"),
		rejected("default nested 65 deep", oneParam("p", 9, nested(65), ""), 26+64, "a value nested at most 64 deep"),
	}
}

// nested is n arrays, one in the other, with nil in the innermost.
func nested(n int) hexed { return hexed(strings.Repeat("91", n) + "c0") }

func binding(function string) arr {
	return arr{function, function, arr{}, arr{}, arr{}, arr{}, arr{}}
}

func initCases() []vector {
	full := arr{
		"split", "split-lines",
		arr{arr{"limit", raw{100}}, arr{"prefix", raw{"x"}}, arr{"ratio", raw{0.25}}, arr{"strict", raw{true}}},
		arr{arr{"audit", 0, 2}, arr{"out", 1, 1}},
		arr{"seen"},
		arr{"weather-first"},
		arr{arr{"lines", 0, 2}, arr{"timer:1m", 0, 0}},
	}
	return []vector{
		canonical("no bindings", arr{1, 0, 0, arr{}}),
		canonical("metered", arr{1, 0, 1, arr{binding("h")}}),
		canonical("everything", arr{1, 3, 1, arr{full, binding("drop")}}),
		canonical("one function twice", arr{1, 0, 0, arr{binding("h"), arr{"h", "other", arr{}, arr{}, arr{}, arr{}, arr{}}}}),
		canonical("unknown representation", arr{1, 0, 0, arr{arr{"h", "h", arr{}, arr{arr{"s", 200, 255}}, arr{}, arr{}, arr{}}}}),
		liberal("long forms", "dd00000004 d30000000000000001 d100 00 ce00000000 dc0000", arr{1, 0, 0, arr{}}),
		forward("fields behind everything",
			arr{1, 1, 0, arr{arr{"h", "h", arr{arr{"p", raw{1}, "new"}}, arr{arr{"s", 0, 0, 7}}, arr{}, arr{}, arr{}, pairs{}}}, bin("new")},
			arr{1, 1, 0, arr{arr{"h", "h", arr{arr{"p", raw{1}}}, arr{arr{"s", 0, 0}}, arr{}, arr{}, arr{}}}}),
		rejected("3 fields", arr{1, 0, 0}, 0, "an init message of 4 fields"),
		rejected("binding of 6 fields", arr{1, 0, 0, arr{arr{"h", "h", arr{}, arr{}, arr{}, arr{}}}}, 5, "a binding of 7 fields"),
		rejected("parameter without value", arr{1, 0, 0, arr{arr{"h", "h", arr{arr{"p"}}, arr{}, arr{}, arr{}, arr{}}}}, 11, "a parameter of 2 fields"),
		rejected("endpoint of 2 fields", arr{1, 0, 0, arr{arr{"h", "h", arr{}, arr{arr{"s", 0}}, arr{}, arr{}, arr{}}}}, 12, "an endpoint of 3 fields"),
		rejected("representation above 255", arr{1, 0, 0, arr{arr{"h", "h", arr{}, arr{arr{"s", 256, 0}}, arr{}, arr{}, arr{}}}}, 15, "a representation below 256"),
		rejected("bytes behind the message", stream{arr{1, 0, 0, arr{}}, 0}, 5, "the end of the message"),
		reject("truncated", "94 01 00 00", 0, "an array that ends within the message"),
		rejected("parameter nested 65 deep", arr{1, 0, 0, arr{arr{"h", "h", arr{arr{"p", nested(65)}}, arr{}, arr{}, arr{}, arr{}}}}, 14+64, "a value nested at most 64 deep"),
	}
}

var initReplyCases = []vector{
	canonical("accepted", arr{0, 4096, 65536}),
	canonical("highest address", arr{0, 4294967292, 4294967295}),
	canonical("refused", arr{1, 8, "limit must be above 0"}),
	canonical("refused without text", arr{1, 65535, ""}),
	liberal("long forms", "dc0003 cc00 ce00001000 cf0000000000010000", arr{0, 4096, 65536}),
	liberal("text as bin", "93 01 01 c40178", arr{1, 1, "x"}),
	forward("accepted with more", arr{0, 4, 8, 9, "x"}, arr{0, 4, 8}),
	forward("refused with more", arr{1, 1, "x", arr{}}, arr{1, 1, "x"}),
	reject("empty", "", 0, "array"),
	rejected("2 fields", arr{0, 4}, 0, "an init reply of 3 fields"),
	rejected("unknown status", arr{2, 4, 8}, 1, "an init status of ok or error"),
	rejected("negative status", arr{-1, 4, 8}, 1, "non-negative integer"),
	rejected("address above 32 bits", arr{0, 1 << 32, 8}, 2, "an address within 32 bits"),
	rejected("address between multiples of 4", arr{0, 6, 8}, 2, "a progress block at a multiple of 4"),
	rejected("capacity above 32 bits", arr{0, 4, 1 << 32}, 3, "a capacity within 32 bits"),
	rejected("code above 16 bits", arr{1, 65536, "x"}, 2, "an error code below 65536"),
	rejected("text is nil", arr{1, 1, nil}, 3, "string"),
	rejected("bytes behind the message", stream{arr{0, 4, 8}, nil}, 4, "the end of the message"),
}
