package connector

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
)

// pages is a reader with a place to begin at behind each size-th record.
type pages struct {
	size, total int
	begun       []string // the positions it was begun at
	final       []string // what Committed said
}

func (p *pages) Read(_ context.Context, position []byte, deliver func(*Record) error) error {
	n := 0
	p.begun = append(p.begun, string(position))
	if position != nil {
		n, _ = strconv.Atoi(string(position))
	}
	for ; n < p.total; n++ {
		rec := Record{Value: fmt.Appendf(nil, "v%d", n)}
		if p.size > 0 && (n+1)%p.size == 0 {
			rec.Position = strconv.AppendInt(nil, int64(n+1), 10)
		}
		if err := deliver(&rec); err != nil {
			return err
		}
	}
	return nil
}

func (p *pages) Committed(position []byte) error {
	p.final = append(p.final, string(position))
	return nil
}

func (p *pages) Close() error { return nil }

// lives runs a reader again and again from what the life before has committed: n
// records each, one of them polled and lost.
func lives(t *testing.T, p *pages, position []byte, n ...int) (committed []string, last []byte) {
	t.Helper()
	for _, n := range n {
		c := OpenCustom(p, 0, 100, clock{})
		if position != nil {
			if err := c.Resume(position); err != nil {
				t.Fatal(err)
			}
		}
		next := int64(100)
		for polled := 0; polled < n+1; {
			var b abi.Packed
			eof, err := c.Poll(&b, 1, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if eof {
				break
			}
			if len(b.Runs) == 0 {
				<-c.Ready()
				continue
			}
			polled++
			if polled > n {
				continue
			}
			committed = append(committed, records(t, &b)...)
			if next++; polled%2 == 0 || polled == n { // some commits are of two records
				if position, err = c.Position(next); err != nil {
					t.Fatal(err)
				}
				if err := c.Commit(next); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return committed, position
}

func values(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("v%d", i))
	}
	return all
}

// Records that were committed do not come again, wherever positions are.
func TestReaderWithPositionsOnSomeRecords(t *testing.T) {
	p := &pages{size: 7, total: 40}
	got, position := lives(t, p, nil, 9, 1, 2, 1, 1, 5, 12, 3)
	if d := cmp.Diff(values(34), got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"", "7", "7", "7", "7", "14", "14", "28"}, p.begun); d != "" {
		t.Error(d)
	}
	if got, err := parsePlace(position); err != nil || string(got.position) != "28" || got.behind != 6 {
		t.Errorf("%q: %+v, %v", position, got, err)
	}
	if last := p.final[len(p.final)-1]; last != "28" {
		t.Errorf("committed up to %q", last)
	}
	// The same reader, improved: it can begin behind every record.
	p.size = 1
	got, position = lives(t, p, position, 1)
	if d := cmp.Diff([]string{"v34"}, got); d != "" || string(position) != "35" {
		t.Errorf("%q\n%s", position, d)
	}
}

// A position from before there were places is one.
func TestReaderGoesOnAtAPlainPosition(t *testing.T) {
	got, position := lives(t, &pages{size: 1, total: 9}, []byte("4"), 2, 1)
	if d := cmp.Diff([]string{"v4", "v5", "v6"}, got); d != "" || string(position) != "7" {
		t.Errorf("%q\n%s", position, d)
	}
}

// A reader without positions begins at the beginning: what it says then is its
// own affair, and nothing of it is passed over.
func TestReaderWithoutPositions(t *testing.T) {
	got, position := lives(t, &pages{total: 9}, nil, 2, 1)
	if d := cmp.Diff([]string{"v0", "v1", "v0"}, got); d != "" || position != nil {
		t.Errorf("%q\n%s", position, d)
	}
}

func TestPlace(t *testing.T) {
	for _, want := range []place{
		{[]byte("7"), 0},
		{[]byte{}, 3},
		{[]byte("7"), 300},
		{[]byte(placeMark + "x"), 0},
		{[]byte(placeMark), 1 << 40},
	} {
		got, err := parsePlace(want.text())
		if err != nil || string(got.position) != string(want.position) || got.behind != want.behind || got.position == nil {
			t.Errorf("%+v came back as %+v, %v", want, got, err)
		}
	}
	for _, bad := range []string{"", "\x80", strings.Repeat("\xff", 11)} {
		if got, err := parsePlace([]byte(placeMark + bad)); err == nil {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}
