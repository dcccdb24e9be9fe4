package main

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/boot"
	"github.com/sliphost/sliphost/host/manifest"
)

func TestFromIsAPlaceOrATime(t *testing.T) {
	day := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	cases := map[string]boot.TapStart{
		"beginning":                 {At: boot.TapBeginning},
		"end":                       {At: boot.TapEnd},
		"0":                         {At: boot.TapOffset},
		"17":                        {At: boot.TapOffset, Offset: 17},
		"-5":                        {At: boot.TapOffset, Offset: -5},
		"2026-01-31":                {At: boot.TapTime, Time: day},
		"2026-01-31T12:00:00Z":      {At: boot.TapTime, Time: day.Add(12 * time.Hour)},
		"2026-01-31T12:00:00+02:00": {At: boot.TapTime, Time: day.Add(10 * time.Hour)},
		"2026-01-31T12:00:00.5Z":    {At: boot.TapTime, Time: day.Add(12*time.Hour + time.Second/2)},
	}
	for in, want := range cases {
		got, err := parseFrom(in)
		if err != nil || got.At != want.At || got.Offset != want.Offset || !got.Time.Equal(want.Time) {
			t.Errorf("%q: %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "start", "1e3", "2026-13-01", "99999999999999999999"} {
		var usage usageError
		if _, err := parseFrom(in); !errors.As(err, &usage) {
			t.Errorf("%q: error %v is no usage error", in, err)
		}
	}
}

func tapped(key, value []byte) *boot.Tapped {
	return &boot.Tapped{
		Topic:     manifest.Topic{ID: "t", Name: "T.1", Codec: manifest.CodecJSON, KeyCodec: manifest.CodecString},
		Partition: 3, Offset: 17, Timestamp: 1700000000000, Key: key, Value: value,
		Headers: abi.AppendHeader(abi.AppendHeader(abi.AppendArrayHeader(nil, 2), "a", []byte("1")), "b", nil),
	}
}

func TestFormatIsThatOfKcat(t *testing.T) {
	cases := []struct {
		format     string
		key, value []byte
		want       string
	}{
		{`%t [%p] at %o: %k=%s\n`, []byte("k"), []byte(`{"a":1}`), "T.1 [3] at 17: k={\"a\":1}\n"},
		{`%K,%S`, nil, []byte{}, "-1,0"},
		{`%K,%S`, []byte("abc"), nil, "3,-1"},
		{`%T|%h|%%|\t\r\\|\0`, nil, nil, "1700000000000|a=1,b=|%|\t\r\\|\x00"},
		{`plain`, nil, nil, "plain"},
		{``, nil, nil, ""},
	}
	for _, c := range cases {
		show, err := parseFormat(c.format)
		if err != nil {
			t.Fatal(err)
		}
		got, err := show(nil, tapped(c.key, c.value))
		if err != nil || string(got) != c.want {
			t.Errorf("%q: %q, %v; want %q", c.format, got, err, c.want)
		}
	}
	for _, bad := range []string{"%", "%z", `\`, `\q`, "x%"} {
		if _, err := parseFormat(bad); err == nil {
			t.Errorf("%q is taken for a format", bad)
		}
	}
}

func TestLinesForMachinesAndPeople(t *testing.T) {
	cases := []struct {
		key, value  []byte
		json, plain string
	}{
		{[]byte("k"), []byte(`{ "a": 1.50 }`), `"key":"k","value":{"a":1.50}`, "k\t" + `{"a":1.50}`},
		{nil, nil, `"key":null,"value":null`, "null\tnull"},
		{[]byte{}, []byte("{bad"), `"key":"","value":{"$text":"{bad"}`, "\t" + `{"$text":"{bad"}`},
		{[]byte{0xff}, []byte{0xfe}, `"key":{"$base64":"/w=="},"value":{"$raw":"/g=="}`, `{"$base64":"/w=="}` + "\t" + `{"$raw":"/g=="}`},
		{[]byte("a\nb"), []byte("1"), `"key":"a\nb","value":1`, `"a\nb"` + "\t1"},
	}
	for _, c := range cases {
		got, err := appendTapJSON(nil, tapped(c.key, c.value))
		want := `{"topic":"T.1","partition":3,"offset":17,"timestamp":1700000000000,` + c.json + `,"headers":[["a","1"],["b",null]]}` + "\n"
		if err != nil || string(got) != want {
			t.Errorf("json: %v\n got %s\nwant %s", err, got, want)
		}
		got, err = appendPlain(nil, tapped(c.key, c.value))
		if err != nil || string(got) != "T.1[3]@17\t"+c.plain+"\n" {
			t.Errorf("plain: %q, %v", got, err)
		}
	}
}

func TestShowingARecordAllocatesNothing(t *testing.T) {
	rec := tapped([]byte("k"), []byte("text"))
	rec.Topic.Codec = manifest.CodecString
	show, err := parseFormat(`%t %p %o %k %s %h\n`)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 1<<10)
	if n := testing.AllocsPerRun(100, func() { _, _ = show(buf, rec) }); n > 0 {
		t.Errorf("%v allocations a record", n)
	}
}

func TestShellWordsAreQuotedWhereNeeded(t *testing.T) {
	cases := map[string]string{"a/b-c.d": "a/b-c.d", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$x": "'$x'"}
	got := map[string]string{}
	for in := range cases {
		got[in] = shellWord(in)
	}
	if diff := cmp.Diff(cases, got); diff != "" {
		t.Error(diff)
	}
}
