package sliptest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	slip "github.com/sliphost/sliphost/sdk/go"
	"github.com/sliphost/sliphost/sdk/go/sliptest"
)

var kept = slip.Cache("kept")

func init() {
	slip.Handle("careless", func(c *slip.Call, rec slip.Record) error {
		_ = kept.Put(c, rec.Key, rec.Value) // whatever it says
		c.Emit(rec.Key, rec.Value)
		return nil
	}, kept)
	slip.Handle("silent", func(c *slip.Call, rec slip.Record) error {
		_ = kept.Put(c, rec.Key, rec.Value)
		return nil
	}, kept)
}

func TestALimitFailsTheRecordWhateverItsHandlerReturns(t *testing.T) {
	for _, handler := range []string{"careless", "silent"} {
		h := sliptest.New(t, handler, sliptest.Staged(5))
		got := h.Send(sliptest.KV("a", "1234"), sliptest.KV("b", "12345"), sliptest.KV("c", "1"), sliptest.KV("d", "12345"))
		want := []sliptest.Error{
			{Record: 1, Code: "limit", Message: "a limit of this record was reached"},
			{Record: 3, Code: "limit", Message: "a limit of this record was reached"},
		}
		if diff := cmp.Diff(want, got.Errors); diff != "" {
			t.Errorf("%s: %s", handler, diff)
		}
		for _, o := range got.Outputs {
			if o.Record%2 != 0 {
				t.Errorf("%s: an output of record %d", handler, o.Record)
			}
		}
		if diff := cmp.Diff(map[string][]byte{"a": []byte("1234"), "c": []byte("1")}, h.Cache("kept")); diff != "" {
			t.Errorf("%s: %s", handler, diff)
		}
	}
}

func TestPartitionsAndGlobalCaches(t *testing.T) {
	h := sliptest.New(t, "careless")
	one := sliptest.KV("a", "one")
	one.Partition = 1
	h.Send(sliptest.KV("a", "zero"), one)
	if diff := cmp.Diff(map[string][]byte{"a": []byte("one")}, h.CacheOf("kept", 1)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string][]byte{"a": []byte("zero")}, h.Cache("kept")); diff != "" {
		t.Error(diff)
	}
	if err := h.Restart(); err != nil {
		t.Fatal(err)
	}
	if len(h.Cache("kept")) != 1 || h.Cache("other") != nil || h.Put("other", nil, nil) {
		t.Error("the caches after a restart")
	}
	h = sliptest.New(t, "careless", sliptest.GlobalCache("kept"))
	h.Put("kept", []byte("a"), []byte("before"))
	h.Send(one)
	if diff := cmp.Diff(map[string][]byte{"a": []byte("before")}, h.CacheOf("kept", 1)); diff != "" {
		t.Error(diff)
	}
}

func TestOptionsForCachesAreChecked(t *testing.T) {
	for want, option := range map[string]sliptest.Option{
		`it has no cache "other"`:          sliptest.GlobalCache("other"),
		`it has no cache "more"`:           sliptest.CacheKey("more", "int"),
		`cache "kept": key "number": want`: sliptest.CacheKey("kept", "number"),
	} {
		if _, err := sliptest.Start("careless", option); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	h := sliptest.New(t, "careless", sliptest.CacheKey("kept", "int"))
	if h.Put("kept", []byte("short"), nil) {
		t.Error("a key of another type is taken")
	}
}
