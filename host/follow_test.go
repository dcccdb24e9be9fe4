package host

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/state"
)

// follow reads n updates.
func follow(t *testing.T, h *Host, q FollowQuery, n int) (got []string, at string) {
	t.Helper()
	f, err := h.Follow(t.Context(), &q)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for end := time.Now().Add(time.Minute); len(got) < n && time.Now().Before(end); {
		err := f.Next(time.Second, func(u *CacheUpdate) error {
			value := "gone"
			if u.Value != nil {
				value = fmt.Sprintf("%q", u.Value)
			}
			got = append(got, fmt.Sprintf("%d %s %s", u.Partition, f.Text(u.Key), value))
			if len(got) == n {
				at = f.Position()
				return errEnough
			}
			return nil
		})
		if err != nil && err != errEnough {
			t.Fatal(err)
		}
	}
	return got, at
}

var errEnough = errors.New("enough")

func TestFollowersSeeWhatIsCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := hosttest.NewBroker(map[string]int{"in": 2, "out": 2, "app-counts-changelog": 2})
		plan := countPlan()
		c := &plan.Caches[0]
		c.Partitions, c.Key = 2, state.KeyString
		c.Log, _ = b.Identity("app-counts-changelog")
		keep := func(call *fakeCall, rec *abi.Record) error {
			if rec.Value == nil {
				call.state.CacheDelete(call.at, 0, rec.Key)
				return nil
			}
			call.put(0, string(rec.Key), string(rec.Value))
			if string(rec.Value) == "bad" {
				return errNo
			}
			return nil
		}
		plan.Handlers[0].OnError = OnError{Policy: PolicySkip}
		l := &life{b, "h", state.NewMemory()}
		h := New(plan, Options{CommitInterval: 10 * time.Millisecond}, []int{0}, 0, l.backends(t, plan, []statefulFunc{keep}), discard)
		done := start(h)
		put := func(p int32, key string, value []byte) {
			produce(t, b, hosttest.Record{Topic: "in", Partition: p, Key: []byte(key), Value: value})
			after(time.Second)
		}
		after(time.Second)
		put(0, "a", []byte("1"))
		put(1, "b", []byte(""))
		put(1, "b", []byte("bad"))
		put(0, "a", nil)
		put(0, "ab", []byte("2"))
		all := []string{`0 a "1"`, `1 b ""`, "0 a gone", `0 ab "2"`}
		got, _ := follow(t, h, FollowQuery{Cache: "counts", Partition: 0, Start: true}, 3)
		if d := cmp.Diff([]string{all[0], all[2], all[3]}, got); d != "" {
			t.Error(d)
		}
		got, at := follow(t, h, FollowQuery{Cache: "counts", Partition: -1, Start: true}, 4)
		if len(got) != 4 {
			t.Error(got)
		}
		if got, _ = follow(t, h, FollowQuery{Cache: "counts", Partition: -1, Start: true, Prefix: "ab"}, 1); got[0] != all[3] {
			t.Error(got)
		}
		if got, _ = follow(t, h, FollowQuery{Cache: "counts", Partition: -1, Start: true, Key: "b"}, 1); got[0] != all[1] {
			t.Error(got)
		}
		// From the end on, and behind a position, also in a later life.
		f, err := h.Follow(t.Context(), &FollowQuery{Cache: "counts", Partition: -1})
		if err != nil {
			t.Fatal(err)
		}
		drained(t, h, done)
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		h = New(plan, Options{CommitInterval: 10 * time.Millisecond}, []int{0}, 0, l.backends(t, plan, []statefulFunc{keep}), discard)
		done = start(h)
		put(1, "c", []byte("3"))
		if got, _ := follow(t, h, FollowQuery{Cache: "counts", Partition: -1, After: at}, 1); got[0] != `1 c "3"` {
			t.Error(got)
		}
		for _, q := range []struct {
			FollowQuery
			want InquiryError
		}{
			{FollowQuery{Cache: "nobody"}, InquiryError{Unknown: true}},
			{FollowQuery{Cache: "counts", Partition: 2}, InquiryError{Invalid: true}},
			{FollowQuery{Cache: "counts", Partition: -1, After: "x"}, InquiryError{Invalid: true}},
			{FollowQuery{Cache: "counts", Partition: -1, After: at[:8] + "-0:1"}, InquiryError{Invalid: true}},
			{FollowQuery{Cache: "counts", Partition: -1, After: at[:8] + "-0:1000000-1:0"}, InquiryError{Gone: true}},
			{FollowQuery{Cache: "counts", Partition: -1, After: "00000000-0:0-1:0"}, InquiryError{Gone: true}},
		} {
			_, err := h.Follow(context.Background(), &q.FollowQuery)
			ie := new(InquiryError)
			if !errors.As(err, &ie) || ie.Unknown != q.want.Unknown || ie.Invalid != q.want.Invalid || ie.Gone != q.want.Gone || ie.Reason == "" {
				t.Errorf("%+v: %v", q.FollowQuery, err)
			}
		}
		drained(t, h, done)
	})
}

func FuzzPosition(f *testing.F) {
	f.Add("0000002a-0:1-1:22")
	f.Add("0000002a")
	f.Fuzz(func(t *testing.T, text string) {
		log, next, err := parsePosition(text)
		if err != nil {
			return
		}
		n := 0
		for p := range next {
			n = max(n, int(p)+1)
		}
		if n > 1<<16 {
			return
		}
		fo := Follower{cache: &Cache{Log: log}, next: make([]int64, n)}
		for p := range fo.next {
			fo.next[p] = abi.OffsetNone
		}
		for p, at := range next {
			fo.next[p] = at
		}
		again, back, err := parsePosition(fo.Position())
		if d := cmp.Diff(next, back); again != log || err != nil || d != "" {
			t.Errorf("%q: %v %s", text, err, d)
		}
	})
}
