package slip_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	slip "github.com/sliphost/sliphost/sdk/go"
	"github.com/sliphost/sliphost/sdk/go/sliptest"
)

var advanced = slip.Cache("advanced")

func init() {
	told := func(name string) slip.Binding {
		return slip.OnAdvance(func(c *slip.Call, a slip.Advance) error {
			if _, err := advanced.AddInt(c, []byte(name), 1); err != nil {
				return err
			}
			text := strconv.FormatInt(a.StreamTime, 10) + " " + strconv.FormatInt(c.StreamTime(), 10)
			c.Emit([]byte(name), []byte(text+" "+strconv.Itoa(int(a.Partition))+" "+strconv.FormatBool(a.Final)))
			if name == "second" && a.StreamTime == 13 {
				return errors.New("unlucky")
			}
			return nil
		})
	}
	slip.Handle("advance-twice", func(c *slip.Call, rec slip.Record) error {
		c.Emit(rec.Key, rec.Value)
		return nil
	}, advanced, told("first"), told("second"))
}

// values returns the keys and values of outputs, a line each.
func values(r *sliptest.Result) (lines []string) {
	for _, o := range r.Outputs {
		lines = append(lines, string(o.Key)+": "+string(o.Value)+" @"+strconv.FormatInt(o.Timestamp, 10))
	}
	return lines
}

func TestAdvance(t *testing.T) {
	h := sliptest.New(t, "advance-twice")
	if diff := cmp.Diff([]string{"first: 5 5 0 false @5", "second: 5 5 0 false @5"}, values(h.Advance(5))); diff != "" {
		t.Error(diff)
	}
	rec := sliptest.KV("k", "v")
	rec.Timestamp = 12
	h.Send(rec)
	got := h.Advance(13)
	if diff := cmp.Diff([]sliptest.Error{{Code: "failed", Message: "unlucky"}}, got.Errors); diff != "" || got.Outputs != nil {
		t.Error(diff, got.Outputs)
	}
	if diff := cmp.Diff([]string{"first: 20 20 1 true @20", "second: 20 20 1 true @20"}, values(h.AdvanceOf(1, 20, true))); diff != "" {
		t.Error(diff)
	}
	if got := h.Cache("advanced")["first"]; len(got) == 0 || got[0] != 1 {
		t.Errorf("the writes of a failed advance stay: %v", got)
	}
}
