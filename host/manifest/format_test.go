package manifest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestFormats(t *testing.T) {
	for _, c := range []struct {
		name  string
		check func(string) *problem
		good  []string
		bad   []string
	}{
		{
			"id", checkID,
			[]string{"a", "a1", "late-flights", "v2-x-3", strings.Repeat("a", 64)},
			[]string{"", "A", "1a", "-a", "a-", "a--b", "a_b", "a.b", "a b", "caf\u00e9", strings.Repeat("a", 65)},
		},
		{
			"topic name", checkTopicName,
			[]string{"Orders.v1_x-2", "_x", strings.Repeat("a", 249)},
			[]string{"", ".", "..", "a b", "a/b", "__x", "\u00e9", strings.Repeat("a", 250)},
		},
		{
			"application name", checkAppName,
			[]string{"flights", "Flights_2.0-eu", "7up"},
			[]string{"", "-x", ".x", "_x", "a b", strings.Repeat("a", 101)},
		},
		{
			"group", checkGroup,
			[]string{"flights", "any thing/at all", strings.Repeat("g", 249)},
			[]string{"", " ", "a\nb", "\x7f", strings.Repeat("g", 250)},
		},
		{
			"servers", checkServers,
			[]string{"embedded", "localhost", "localhost:9092", "a:1, b:2,c", "[::1]:9092", "SASL_SSL://b-1.example:9096"},
			[]string{"", ",", "a:1,", "a:0", "a:65536", "a:b", "embedded,a:1", "a b:1", "user@host:1", "http://a:1/x", "::1:2:x"},
		},
		{
			"address", checkAddress,
			[]string{"127.0.0.1:9797", "[::1]:80", "localhost:1", "0.0.0.0:1", ":9797", "example.org:1"},
			[]string{"", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:-1", "::1:2"},
		},
		{
			"loopback", func(s string) *problem {
				if isLoopback(s) {
					return nil
				}
				return &problem{CodeAddress, "is not loopback", "write 127.0.0.1:1"}
			},
			[]string{"127.0.0.1:9797", "127.9.9.9:0", "[::1]:80", "localhost:1"},
			[]string{"", "127.0.0.1", ":9797", "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.org:1", "localhost.evil:1"},
		},
		{
			"sha256", checkSHA256,
			[]string{strings.Repeat("0aF", 21) + "9"},
			[]string{"", "abc", strings.Repeat("g", 64), strings.Repeat("a", 65)},
		},
		{
			"module path", checkModulePath,
			[]string{"m.wasm", "build/m.wasm", "./m.wasm", "a/../m.wasm", "/opt/m.wasm"},
			[]string{"", " ", "../m.wasm", "a/../../m.wasm", ".."},
		},
	} {
		for _, s := range c.good {
			if p := c.check(s); p != nil {
				t.Errorf("%s %q is refused: %s", c.name, s, p.msg)
			}
		}
		for _, s := range c.bad {
			if p := c.check(s); p == nil {
				t.Errorf("%s %q is accepted", c.name, s)
			} else if _, ok := Explain(p.code); !ok || p.msg == "" {
				t.Errorf("%s %q is refused with %+v", c.name, s, p)
			}
		}
	}
}

func TestKebabMakesIDs(t *testing.T) {
	for in, want := range map[string]string{
		"My_Orders": "my-orders", "orders.v1": "orders-v1", "__x__": "x", "1st": "st", "\u00e9": "", "a--b": "a-b",
		strings.Repeat("ab_", 40): strings.Repeat("ab-", 21) + "a",
	} {
		got := kebab(in)
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if got != "" && checkID(got) != nil {
			t.Errorf("%q: %q is no id", in, got)
		}
	}
}

func TestStartPositions(t *testing.T) {
	for in, want := range map[string]string{
		"earliest": "earliest", "latest": "latest", "error": "error",
		"2026-01-31T12:00:00Z": "2026-01-31T12:00:00Z", "2026-01-31 13:00:00.5+01:00": "2026-01-31T12:00:00.5Z",
	} {
		v, p := parseStart(in)
		if p != nil || v.(Start).String() != want {
			t.Errorf("%s: %v, %v", in, v, p)
		}
	}
	for _, in := range []string{"", "EARLIEST", "2026-01-31", "2026-01-31T12:00:00", "1960-01-01T00:00:00Z", "now", "-5m"} {
		if v, p := parseStart(in); p == nil {
			t.Errorf("%q is read as %v", in, v)
		}
	}
}

func TestErrorsAreFoundInsideOthers(t *testing.T) {
	found := findings(small+"[topic.t]\n", testOptions(nil, nil))
	if len(found) != 1 || found.Fatal() != nil || len(found.Warnings()) != 1 {
		t.Fatalf("%v", found)
	}
	wrapped := fmt.Errorf("check manifest: %w", found)
	var one Error
	if got := AsErrors(wrapped); len(got) != 1 || got[0].Code != CodeUnused {
		t.Errorf("%v", got)
	}
	if !errors.As(wrapped, &one) || one.Code != CodeUnused || one.Position().Line != 7 {
		t.Errorf("%+v", one)
	}
	if got := AsErrors(fmt.Errorf("x: %w", one)); len(got) != 1 {
		t.Errorf("%v", got)
	}
	if AsErrors(io.EOF) != nil || AsErrors(nil) != nil {
		t.Error("findings where there are none")
	}
	if s := NewError(CodeBrokerUnreachable, Position{}, "no broker answers", "start one").Render(); s != "error SLP501: no broker answers\n      hint: start one\n" {
		t.Errorf("%q", s)
	}
}

func TestExcerptsAreSafeToPrint(t *testing.T) {
	long := small + "[topic.t]\nx = \"" + strings.Repeat("x", 300) + "\"\n"
	for _, text := range []string{
		small + "[topic.t]\n\"\u202e\\u001b[31m\" = \"\t\" # \t\u00e9\n",
		small + "[topic.t]\r\n\"x y\" = 1\r\n", long,
	} {
		found := findings(text, testOptions(nil, nil))
		if len(found) == 0 {
			t.Fatalf("nothing found in %q", text)
		}
		out := found.Render()
		if strings.ContainsAny(out, "\x1b\r") {
			t.Errorf("control characters in %q", out)
		}
		if len(out) > 600 {
			t.Errorf("a long line is shown whole:\n%s", out)
		}
	}
}

func TestTablesWithSecretNamesAreShown(t *testing.T) {
	found := findings(small+"[topic.secrets]\npartition = 4\n", testOptions(nil, nil))
	if out := found.Render(); !strings.Contains(out, "partition = 4") {
		t.Errorf("%s", out)
	}
}
