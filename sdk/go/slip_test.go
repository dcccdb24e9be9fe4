package slip_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	slip "github.com/sliphost/sliphost/sdk/go"
	"github.com/sliphost/sliphost/sdk/go/sliptest"
)

// run is what the handler "run" does; each test sets it for itself, so these
// tests are not parallel.
var run slip.Func

var (
	audit    = slip.Sink("audit")
	other    = slip.Sink("other") // never bound
	seen     = slip.Cache("seen")
	unseen   = slip.Cache("unseen") // never bound
	word     = slip.StringParam("word", "w", "")
	number   = slip.IntParam("number", -5, "")
	ratio    = slip.FloatParam("ratio", 0.5, "")
	yes      = slip.BoolParam("yes", true, "")
	required = slip.RequiredInt("required", "")
	free     = slip.IntParam("free", 1, "") // never bound
)

func init() {
	slip.Handle("run", func(c *slip.Call, rec slip.Record) error { return run(c, rec) },
		audit, seen, word, number, ratio, yes)
	slip.Handle("needs", func(*slip.Call, slip.Record) error { return nil }, required)
}

// send runs fn over one record and returns what became of it.
func send(t *testing.T, fn slip.Func, rec sliptest.Record, options ...sliptest.Option) *sliptest.Result {
	t.Helper()
	run = fn
	return sliptest.New(t, "run", append([]sliptest.Option{sliptest.Sink("audit", "raw"), sliptest.Sink("out", "raw")}, options...)...).Send(rec)
}

// sendJSON is send with JSON on both sides.
func sendJSON(t *testing.T, fn slip.Func, value string) *sliptest.Result {
	t.Helper()
	run = fn
	return sliptest.New(t, "run", sliptest.Codec("json")).Send(sliptest.KV("k", value))
}

func TestParamsHaveDefaultsAndValues(t *testing.T) {
	type params struct {
		Word   string
		Number int
		Ratio  float64
		Yes    bool
	}
	var got params
	get := func(c *slip.Call, _ slip.Record) error {
		got = params{word.Get(c), number.Get(c), ratio.Get(c), yes.Get(c)}
		return nil
	}
	send(t, get, sliptest.KV("k", "v"))
	if diff := cmp.Diff(params{"w", -5, 0.5, true}, got); diff != "" {
		t.Error(diff)
	}
	send(t, get, sliptest.KV("k", "v"), sliptest.Param("word", "x"), sliptest.Param("number", 7), sliptest.Param("ratio", 2), sliptest.Param("yes", false))
	if diff := cmp.Diff(params{"x", 7, 2, false}, got); diff != "" {
		t.Error(diff)
	}
	for _, tc := range []struct {
		handler string
		option  sliptest.Option
		want    string
	}{
		{"needs", sliptest.Codec("raw"), `parameter "required" has no default`},
		{"needs", sliptest.Param("required", "x"), "takes a int, not x of type string"},
		{"needs", sliptest.Param("requird", 1), `no parameter "requird"`},
		{"need", sliptest.Codec("raw"), "this program has:"},
		{"run", sliptest.Codec("yaml"), `codec "yaml"`},
	} {
		if _, err := sliptest.Start(tc.handler, tc.option); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.handler, err, tc.want)
		}
	}
}

func TestWhatIsNotBoundFailsTheRecord(t *testing.T) {
	for _, tc := range []struct {
		fn   slip.Func
		want string
	}{
		{func(c *slip.Call, rec slip.Record) error { other.Emit(c, nil, nil); return nil }, `sink "other" is not bound: add it to slip.Handle of handler "run"`},
		{func(c *slip.Call, rec slip.Record) error { other.EmitValue(c, nil, 1); return nil }, `sink "other" is not bound`},
		{func(c *slip.Call, rec slip.Record) error { other.EmitRecord(c, slip.Out{}); return nil }, `sink "other" is not bound`},
		{func(c *slip.Call, rec slip.Record) error { _ = free.Get(c); return nil }, `parameter "free" is not bound`},
		{func(c *slip.Call, rec slip.Record) error { return unseen.Put(c, nil, nil) }, `cache "unseen" is not bound`},
		{func(c *slip.Call, rec slip.Record) error { _, _, err := unseen.Get(c, nil); return err }, `cache "unseen" is not bound`},
		{func(c *slip.Call, rec slip.Record) error { _, err := unseen.Contains(c, nil); return err }, `cache "unseen" is not bound`},
		{func(c *slip.Call, rec slip.Record) error { return unseen.Delete(c, nil) }, `cache "unseen" is not bound`},
	} {
		got := send(t, tc.fn, sliptest.KV("k", "v"))
		if len(got.Errors) != 1 || got.Errors[0].Code != "unbound" || !strings.Contains(got.Errors[0].Message, tc.want) {
			t.Errorf("got %+v, want unbound: %s", got, tc.want)
		}
	}
}

func TestEmitReachesEverySinkOrOne(t *testing.T) {
	got := send(t, func(c *slip.Call, rec slip.Record) error {
		c.Emit(rec.Key, rec.Value)
		audit.Emit(c, nil, []byte{})
		audit.EmitRecord(c, slip.Out{Value: rec.Value, Headers: rec.Headers().Add("b", nil)}.At(9).To(3))
		c.EmitRecord(slip.Out{Key: []byte("x")}.At(-1))
		return nil
	}, sliptest.Record{Key: []byte("k"), Value: []byte("v"), Timestamp: 5, Headers: []sliptest.Header{{Name: "a", Value: []byte("1")}}})
	want := []sliptest.Output{
		{Sink: "audit", Key: []byte("k"), Value: []byte("v"), Timestamp: 5, Partition: -1},
		{Sink: "out", Key: []byte("k"), Value: []byte("v"), Timestamp: 5, Partition: -1},
		{Sink: "audit", Value: []byte{}, Timestamp: 5, Partition: -1},
		{
			Sink: "audit", Value: []byte("v"), Timestamp: 9, Partition: 3,
			Headers: []sliptest.Header{{Name: "a", Value: []byte("1")}, {Name: "b"}},
		},
		{Sink: "audit", Key: []byte("x"), Timestamp: 5, Partition: -1},
		{Sink: "out", Key: []byte("x"), Timestamp: 5, Partition: -1},
	}
	if diff := cmp.Diff(want, got.Outputs); diff != "" {
		t.Error(diff)
	}
}

func TestRecordSaysWhereItCameFrom(t *testing.T) {
	type where struct {
		Topic, Function, Handler   string
		Offset, Timestamp, Stream  int64
		Partition                  int32
		First, Last                string
		Found, Missing, Absent, OK bool
	}
	var got []where
	run = func(c *slip.Call, rec slip.Record) error {
		last, found := rec.Header("h")
		absent, ok := rec.Header("nil")
		_, missing := rec.Header("none")
		w := where{
			Topic: rec.Topic(), Function: c.Function(), Handler: c.Handler(), Offset: rec.Offset, Timestamp: rec.Timestamp,
			Stream: c.StreamTime(), Partition: rec.Partition, Last: string(last), Found: found, Missing: missing, Absent: absent == nil, OK: ok,
		}
		for name, value := range rec.Headers().All() {
			w.First = name + "=" + string(value)
			break
		}
		got = append(got, w)
		return nil
	}
	h := sliptest.New(t, "run", sliptest.Source("flights"))
	headers := []sliptest.Header{{Name: "h", Value: []byte("1")}, {Name: "nil"}, {Name: "h", Value: []byte("2")}}
	h.Send(sliptest.Record{Timestamp: 50, Partition: 2, Headers: headers}, sliptest.Record{Timestamp: 40, Partition: 2})
	want := []where{
		{"flights", "run", "run", 0, 50, 50, 2, "h=1", "2", true, false, true, true},
		{"flights", "run", "run", 1, 40, 50, 2, "", "", false, false, true, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCachesKeepWritesAndUndoThoseOfAFailedRecord(t *testing.T) {
	run = func(c *slip.Call, rec slip.Record) error {
		old, ok, err := seen.Get(c, rec.Key)
		if err != nil {
			return err
		}
		has, err := seen.Contains(c, rec.Key)
		if err != nil || has != ok {
			return errors.New("contains and get differ")
		}
		if err := seen.Put(c, rec.Key, append(old, rec.Value...)); err != nil {
			return err
		}
		switch string(rec.Value) {
		case "fail":
			return errors.New("asked to")
		case "delete":
			return seen.Delete(c, rec.Key)
		}
		return nil
	}
	h := sliptest.New(t, "run")
	h.Put("seen", []byte("b"), []byte("0"))
	got := h.Send(sliptest.KV("a", "1"), sliptest.KV("a", "fail"), sliptest.KV("a", "2"), sliptest.KV("b", "delete"),
		sliptest.KV("c", "fail"), sliptest.KV("d", ""))
	want := map[string][]byte{"a": []byte("12"), "d": {}}
	if diff := cmp.Diff(want, h.Cache("seen")); diff != "" || len(got.Errors) != 2 {
		t.Errorf("%s%+v", diff, got.Errors)
	}
	long := send(t, func(c *slip.Call, rec slip.Record) error { return seen.Put(c, make([]byte, 70000), nil) }, sliptest.KV("k", "v"))
	if len(long.Errors) != 1 || long.Errors[0].Code != "limit" {
		t.Errorf("a key of 70000 bytes: %+v", long)
	}
}

func TestLogsAndMetricsReachTheHost(t *testing.T) {
	run = func(c *slip.Call, rec slip.Record) error {
		c.Debug("d")
		c.Info("i")
		c.Warn("w")
		c.Error("e")
		c.Count("n", 2)
		c.Gauge("g", 1.5)
		c.Observe("o", 3)
		return nil
	}
	h := sliptest.New(t, "run")
	got := h.Send(sliptest.KV("k", "v"), sliptest.KV("k", "v"))
	want := []sliptest.Log{
		{Record: 0, Level: slip.LevelDebug, Text: "d"},
		{Record: 0, Level: slip.LevelInfo, Text: "i"},
		{Record: 0, Level: slip.LevelWarn, Text: "w"},
		{Record: 0, Level: slip.LevelError, Text: "e"},
		{Record: 1, Level: slip.LevelDebug, Text: "d"},
		{Record: 1, Level: slip.LevelInfo, Text: "i"},
		{Record: 1, Level: slip.LevelWarn, Text: "w"},
		{Record: 1, Level: slip.LevelError, Text: "e"},
	}
	if diff := cmp.Diff(want, got.Logs); diff != "" {
		t.Error(diff)
	}
	if n, g, o := h.Metric("n"), h.Metric("g"), h.Metric("o"); n != 4 || g != 1.5 || o != 3 {
		t.Errorf("metrics %v %v %v", n, g, o)
	}
}

func TestRegistrationRefusesMistakes(t *testing.T) {
	fn := func(*slip.Call, slip.Record) error { return nil }
	for want, register := range map[string]func(){
		"a name has 1 to 255 bytes":      func() { slip.Handle("", fn) },
		"has no function":                func() { slip.Handle("x", nil) },
		"two handlers are named run":     func() { slip.Handle("run", fn) },
		"binds two sinks named twin":     func() { slip.Handle("x", fn, slip.Sink("twin"), slip.Sink("twin")) },
		"binds two caches named twin":    func() { slip.Handle("x", fn, slip.Cache("twin"), slip.Cache("twin")) },
		"binds two parameters named twi": func() { slip.Handle("x", fn, slip.IntParam("twin", 1, ""), slip.BoolParam("twin", true, "")) },
		"slip.Sink: a name has":          func() { slip.Sink(strings.Repeat("x", 256)) },
		"slip.Cache: a name has":         func() { slip.Cache("") },
	} {
		func() {
			defer func() {
				if text, _ := recover().(string); !strings.Contains(text, want) {
					t.Errorf("panic %q, want %q", text, want)
				}
			}()
			register()
		}()
	}
}
