package module

import "testing"

func TestReadGoPanic(t *testing.T) {
	tests := []struct{ name, account, message, location string }{
		{"index", goPanic, "runtime error: index out of range [5] with length 3", "/home/u/plug/main.go:12"},
		{"value", "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/x/main.go:3 +0x1\n", "boom", "/x/main.go:3"},
		{
			"panic in a recovered panic",
			"panic: first [recovered, repanicked]\n\ngoroutine 1 [running]:\npanic({0x1, 0x2})\n\t/usr/local/go/src/runtime/panic.go:783 +0x1\nmain.f()\n\t/x/f.go:9 +0x1\n",
			"first", "/x/f.go:9",
		},
		{
			"in a package of the author",
			"panic: boom\n\ngoroutine 1 [running]:\npanic({0x1, 0x2})\n\t/usr/local/go/src/runtime/panic.go:783 +0x1\nflights/parse.Line(...)\n\t/x/parse/line.go:40\nmain.f()\n\t/x/f.go:9 +0x1\n",
			"boom", "/x/parse/line.go:40",
		},
		{
			"trimmed paths",
			"panic: strings: negative Repeat count\n\ngoroutine 1 [running]:\nstrings.Repeat({0x1, 0x1}, 0x1)\n\tstrings/strings.go:624 +0x1\nmain.f()\n\tplug/f.go:9 +0x1\n",
			"strings: negative Repeat count", "plug/f.go:9",
		},
		{"fatal", "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.f()\n\t/x/f.go:4 +0x1\n", "all goroutines are asleep - deadlock!", "/x/f.go:4"},
		{"creator is not the place", "panic: x\n\ngoroutine 7 [running]:\ncreated by main.f in goroutine 1\n\t/x/f.go:4 +0x1\n", "x", ""},
		{
			"several lines",
			"panic: one\n\ttwo\n\nthree\n\ngoroutine 1 [running]:\nmain.f()\n\t/x/f.go:9 +0x1\n",
			"one\ntwo", "/x/f.go:9",
		},
		{
			"method of the library",
			"panic: x\n\ngoroutine 1 [running]:\nencoding/json.(*Decoder).Decode(0x1)\n\t/usr/local/go/src/encoding/json/stream.go:1 +0x1\nmain.f()\n\t/x/f.go:9 +0x1\n",
			"x", "/x/f.go:9",
		},
		{
			"the author's package of a name like the library's",
			"panic: x\n\ngoroutine 1 [running]:\ntext/flight.Parse(0x1)\n\t/home/u/text/flight/f.go:1 +0x1\n",
			"x", "/home/u/text/flight/f.go:1",
		},
		{"no stack", "panic: x", "x", ""},
		{"empty", "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			message, location := readGoPanic(tt.account)
			if message != tt.message || location != tt.location {
				t.Errorf("%q at %q, want %q at %q", message, location, tt.message, tt.location)
			}
		})
	}
}

func TestReadPanic(t *testing.T) {
	tests := []struct{ text, message, location string }{
		{"boom: src/lib.rs:7:13", "boom", "src/lib.rs:7"},
		{"a: b: src/lib.rs:7", "a: b", "src/lib.rs:7"},
		{"boom", "boom", ""},
		{"at src/lib.rs:7 it went", "at src/lib.rs:7 it went", "src/lib.rs:7"},
		{": x:1", "", "x:1"},
		{"", "", ""},
	}
	for _, tt := range tests {
		if message, location := readPanic(tt.text); message != tt.message || location != tt.location {
			t.Errorf("%q: %q at %q, want %q at %q", tt.text, message, location, tt.message, tt.location)
		}
	}
}

func TestWasmStack(t *testing.T) {
	text := "wasm error: unreachable\nwasm stack trace:\n\t.main.split(i32) i64\n\t\t0x12: /src/lib.rs:12:5\n\t.slip_process(i32,i32) i64\n\nGo runtime stack trace:\ngoroutine 1"
	want := "main.split(i32) i64\n0x12: /src/lib.rs:12:5\nslip_process(i32,i32) i64"
	if got := wasmStack(text); got != want {
		t.Errorf("%q", got)
	}
	if got := sourceLine(want); got != "/src/lib.rs:12" {
		t.Errorf("at %q", got)
	}
}

func FuzzReadPanics(f *testing.F) {
	f.Add(goPanic)
	f.Add("boom: src/lib.rs:7:13")
	f.Fuzz(func(_ *testing.T, text string) {
		readGoPanic(text)
		readPanic(text)
		wasmStack(stackMark + text)
	})
}
