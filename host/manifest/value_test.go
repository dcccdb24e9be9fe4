package manifest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
)

func TestSecretsAreHiddenFromEveryVerb(t *testing.T) {
	v := NewValue("canary", true)
	p := StringParam("p", v)
	type outer struct {
		V      Value
		hidden Value
		param  Param
		list   []Property
	}
	o := outer{v, v, p, []Property{{"n", v}}}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v, "p", p, "o", o)
	text, err := json.Marshal(map[string]any{"v": v})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, x := range []any{v, &v, p, o, &o, []Value{v}, map[string]Param{"a": p}} {
			if s := fmt.Sprintf(verb, x); strings.Contains(s, "canary") || strings.Contains(s, "63616e617279") {
				t.Errorf("%s of %T shows it: %s", verb, x, s)
			}
		}
	}
	if s := log.String() + string(text); strings.Contains(s, "canary") {
		t.Errorf("shown: %s", s)
	}
	if v.Reveal() != "canary" || !v.Secret() || !v.Equal(NewValue("canary", true)) || v.Equal(NewValue("canary", false)) {
		t.Error("the value itself is not kept")
	}
}

func TestParametersConvert(t *testing.T) {
	m := parse(t, small+`params = { i = 15, f = 1.5, b = true, s = "x", n = "${N}", g = "${G}", t = "${T}", big = 9007199254740993 }`,
		map[string]string{"N": "0x1F", "G": "2.5", "T": "true"})
	by := map[string]Param{}
	for _, p := range m.Handlers[0].Params {
		by[p.Name] = p
	}
	for _, c := range []struct {
		name string
		to   ParamType
		want string
	}{
		{"i", ParamInt, "15"},
		{"i", ParamFloat, "15.0"},
		{"i", ParamString, ""},
		{"i", ParamBool, ""},
		{"f", ParamFloat, "1.5"},
		{"f", ParamInt, ""},
		{"b", ParamBool, "true"},
		{"b", ParamInt, ""},
		{"s", ParamString, `"x"`},
		{"s", ParamInt, ""},
		{"n", ParamInt, "31"},
		{"n", ParamString, `"0x1F"`},
		{"n", ParamBool, ""},
		{"g", ParamFloat, "2.5"},
		{"g", ParamInt, ""},
		{"t", ParamBool, "true"},
		{"big", ParamFloat, ""},
	} {
		p, ok := by[c.name].As(c.to)
		got := ""
		if ok {
			got = p.String()
		}
		if got != c.want || ok && p.Type != c.to {
			t.Errorf("%s as %v: got %q, want %q", c.name, c.to, got, c.want)
		}
	}
	if by["i"].Int() != 15 || by["f"].Float() != 1.5 || !by["b"].Bool() || by["s"].Text().Reveal() != "x" || by["i"].Bool() || by["f"].Int() != 0 {
		t.Errorf("values are not those of the manifest: %v", m.Handlers[0].Params)
	}
	if by["i"].Pos.Line != 7 {
		t.Errorf("position %+v", by["i"].Pos)
	}
}

func TestScalars(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"100ms": 100 * time.Millisecond, "1m30s": 90 * time.Second, "7d": 168 * time.Hour, "0s": 0, "1.5h": 90 * time.Minute,
	} {
		got, err := parseDuration(in)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
		if again, err := parseDuration(formatDuration(got)); err != nil || again != want {
			t.Errorf("%s is written %s and read %v, %v", in, formatDuration(got), again, err)
		}
	}
	for _, in := range []string{"", "5", "-1s", "d", "-1d", "1e9d", "99999999d", "1 s", "1w", "1d2h"} {
		if got, err := parseDuration(in); err == nil {
			t.Errorf("%q is read as %v", in, got)
		}
	}
	for in, want := range map[string]int64{
		"64MiB": 64 << 20, "25MB": 25e6, "1 GiB": 1 << 30, "0B": 0, "7kB": 7000, "7KB": 7000, "3KiB": 3072, "8388607TiB": 8388607 << 40,
	} {
		got, err := parseSize(in)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
		if again, err := parseSize(formatSize(got)); err != nil || again != want {
			t.Errorf("%s is written %s and read %v, %v", in, formatSize(got), again, err)
		}
	}
	for _, in := range []string{"", "64", "MiB", "-1B", "1.5MB", "8388608TiB", "1mb", "+1B"} {
		if got, err := parseSize(in); err == nil {
			t.Errorf("%q is read as %v", in, got)
		}
	}
	for in, want := range map[string]int64{"1_000": 1000, "0xFF": 255, "0o17": 15, "0b11": 3, "-5": -5, "+5": 5, "0": 0, "9223372036854775807": math.MaxInt64} {
		if got, err := parseInt(in); err != nil || got != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "_1", "1__0", "9223372036854775808", "1.0", "abc", "0x"} {
		if got, err := parseInt(in); err == nil {
			t.Errorf("%q is read as %v", in, got)
		}
	}
	for _, f := range []float64{0, 1, -1.5, 1e300, math.Inf(1), math.Inf(-1), 1e21} {
		if got, err := parseFloat(formatFloat(f)); err != nil || got != f {
			t.Errorf("%v is written %s and read %v, %v", f, formatFloat(f), got, err)
		}
	}
	for _, in := range []string{"infinity", "0x1p4", "NaN", "", "1e"} {
		if got, err := parseFloat(in); err == nil {
			t.Errorf("%q is read as %v", in, got)
		}
	}
}

func TestNearestFindsMisspellings(t *testing.T) {
	have := []string{"partitions", "replication", "codec", "key_codec", "start"}
	for in, want := range map[string]string{
		"partition": "partitions", "partitons": "partitions", "codce": "codec", "strat": "start",
		"keycodec": "key_codec", "zzz": "", "x": "", "": "", "CODEC": "codec",
	} {
		if got := nearest(in, have); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
