package checker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// spoiler changes one thing of a right run.
type spoiler struct {
	name string
	want []string // the checks that must find it, and no others
	do   func(t *testing.T, r *Run)
}

// pick finds a partition and a record that fit.
func pick(t *testing.T, topic *Topic, fits func(recs []Record, i int) bool) (p, i int) {
	t.Helper()
	for p, recs := range topic.Parts {
		for i := range recs {
			if fits(recs, i) {
				return p, i
			}
		}
	}
	t.Fatalf("%s has no record that fits", topic.Name)
	return 0, 0
}

func middle(recs []Record, i int) bool { return i == len(recs)/2 && i > 0 && i < len(recs)-1 }

func remove(topic *Topic, p, i int) {
	topic.Parts[p] = slices.Delete(topic.Parts[p], i, i+1)
}

// repeat writes a record once more right behind itself, in its transaction.
func repeat(topic *Topic, p, i int) {
	topic.Parts[p] = slices.Insert(topic.Parts[p], i+1, topic.Parts[p][i])
}

// swap exchanges what two neighbours say.
func swap(topic *Topic, p, i, j int) {
	a, b := &topic.Parts[p][i], &topic.Parts[p][j]
	a.Key, b.Key, a.Value, b.Value = b.Key, a.Key, b.Value, a.Value
}

// noViews forgets the concurrent readers and observations, which notice many
// changes, too.
func noViews(r *Run) { r.Views, r.Watched = nil, nil }

// lastOf says whether no later record has the key.
func lastOf(recs []Record, i int) bool {
	for _, later := range recs[i+1:] {
		if string(later.Key) == string(recs[i].Key) {
			return false
		}
	}
	return true
}

func same(recs []Record, i int) bool {
	return i > 2 && string(recs[i].Key) == string(recs[i-1].Key) && recs[i].Writer == recs[i-1].Writer
}

var spoilers = []spoiler{
	{"an output is lost", []string{"C1"}, func(t *testing.T, r *Run) {
		noViews(r)
		p, i := pick(t, r.Outputs[Pass], middle)
		remove(r.Outputs[Pass], p, i)
	}},
	{"one of several outputs is lost", []string{"C1"}, func(t *testing.T, r *Run) {
		noViews(r)
		p, i := pick(t, r.Outputs[Fan], middle)
		remove(r.Outputs[Fan], p, i)
	}},
	{"the last output is lost", []string{"C1"}, func(t *testing.T, r *Run) {
		noViews(r)
		p, i := pick(t, r.Outputs[Count], func(recs []Record, i int) bool { return i == len(recs)-1 })
		remove(r.Outputs[Count], p, i)
	}},
	{"all outputs of a partition are lost", []string{"C1"}, func(t *testing.T, r *Run) {
		noViews(r)
		r.Outputs[Poison].Parts[1] = nil
	}},
	{"the end of a grouped topic is lost", []string{"C1"}, func(t *testing.T, r *Run) {
		p, i := pick(t, r.Outputs[Rekey], lastOf)
		remove(r.Outputs[Rekey], p, i)
	}},
	{"an acknowledged input is not there", []string{"C1"}, func(_ *testing.T, r *Run) {
		r.Journal.Acked = append(r.Journal.Acked, Ack{0, 1 << 20, 1 << 20})
	}},
	{"an output repeats", []string{"C2"}, func(t *testing.T, r *Run) {
		noViews(r)
		p, i := pick(t, r.Outputs[Pass], middle)
		repeat(r.Outputs[Pass], p, i)
	}},
	{"a transaction repeats", []string{"C2"}, func(t *testing.T, r *Run) {
		noViews(r)
		recs := r.Outputs[Count].Parts[0]
		w := recs[len(recs)/2].Writer
		for _, rec := range slices.Clone(recs) {
			if rec.Writer == w {
				rec.Writer.Seq = 1 << 20
				rec.Offset += 1 << 20
				r.Outputs[Count].Parts[0] = append(r.Outputs[Count].Parts[0], rec)
			}
		}
	}},
	{"a grouped output repeats", []string{"C2"}, func(t *testing.T, r *Run) {
		p, i := pick(t, r.Outputs[Rekey], middle)
		repeat(r.Outputs[Rekey], p, i)
	}},
	{"an output of a record that emits nothing", []string{"C2"}, func(t *testing.T, r *Run) {
		p, i := pick(t, &r.Input, func(recs []Record, i int) bool {
			in := mustParse(string(recs[i].Key), recs[i].Value)
			return in.ID%4 == 0
		})
		in := mustParse(string(r.Input.Parts[p][i].Key), r.Input.Parts[p][i].Value)
		w := r.Outputs[Pass].Parts[p][i].Writer // as many outputs as inputs
		list := &r.Outputs[Fan].Parts[p]
		at := slices.IndexFunc(*list, func(rec Record) bool { return rec.Writer.Producer == w.Producer })
		rec := (*list)[at]
		rec.Key, rec.Value, rec.Offset = []byte(in.Key), fmt.Appendf(nil, "%d %d 0", in.ID, in.N), 1<<20
		rec.Writer = Writer{w.Producer, w.Epoch, 1 << 20}
		*list = append(*list, rec)
		noViews(r)
	}},
	{"outputs of a key change places", []string{"C3"}, func(t *testing.T, r *Run) {
		noViews(r)
		p, i := pick(t, r.Outputs[Pass], same)
		swap(r.Outputs[Pass], p, i-1, i)
	}},
	{"outputs of two keys change places", []string{"C3"}, func(t *testing.T, r *Run) {
		noViews(r)
		p, i := pick(t, r.Outputs[Count], func(recs []Record, i int) bool {
			return i > 2 && string(recs[i].Key) != string(recs[i-1].Key) && recs[i].Writer == recs[i-1].Writer
		})
		swap(r.Outputs[Count], p, i-1, i)
	}},
	{"an output is in another partition", []string{"C3"}, func(t *testing.T, r *Run) {
		noViews(r)
		from := r.Outputs[Pass]
		p, i := pick(t, from, middle)
		rec := from.Parts[p][i]
		remove(from, p, i)
		to := (p + 1) % worldParts
		rec.Writer.Seq, rec.Offset = 1<<20, 1<<20
		from.Parts[to] = append(from.Parts[to], rec)
	}},
	{"grouped outputs of one key change places", []string{"C3"}, func(t *testing.T, r *Run) {
		t1 := r.Outputs[Rekey]
		p, i, j := -1, 0, 0
		for q, recs := range t1.Parts {
			for a := range recs {
				for b := a + 1; b < len(recs) && p < 0; b++ {
					x, y := keyOfInput(r, recs[a]), keyOfInput(r, recs[b])
					if x == y && string(recs[a].Key) == string(recs[b].Key) && recs[a].Writer == recs[b].Writer {
						p, i, j = q, a, b
					}
				}
			}
		}
		if p < 0 {
			t.Fatal("no two records fit")
		}
		// The ids change places, counts and sums are made right again.
		a, b := mustID(t1.Parts[p][i]), mustID(t1.Parts[p][j])
		retell(t1, p, i, b)
		retell(t1, p, j, a)
		r.Changelogs[Groups].Parts[p] = r.Changelogs[Groups].Parts[p][:0:0]
		last := map[string]Record{}
		for _, rec := range t1.Parts[p] {
			last[string(rec.Key)] = rec
		}
		for key, rec := range last {
			_, tally, _ := strings.Cut(string(rec.Value), " ")
			rec.Value = []byte(tally)
			r.Changelogs[Groups].Parts[p] = append(r.Changelogs[Groups].Parts[p], Record{Key: []byte(key), Value: rec.Value, Writer: rec.Writer})
		}
	}},
	{"a changelog record is of the next transaction", []string{"C4"}, func(t *testing.T, r *Run) {
		log := r.Changelogs[Counts]
		p, i := pick(t, log, func(recs []Record, i int) bool {
			return i > 0 && recs[i].Writer.Producer == recs[i-1].Writer.Producer && recs[i].Writer.Seq == recs[i-1].Writer.Seq+1
		})
		log.Parts[p][i-1].Writer = log.Parts[p][i].Writer
	}},
	{"an output is of another producer", []string{"C4"}, func(t *testing.T, r *Run) {
		p, i := pick(t, r.Outputs[Fan], middle)
		r.Outputs[Fan].Parts[p][i].Writer.Producer = 77
	}},
	{"an output is of another epoch", []string{"C4"}, func(t *testing.T, r *Run) {
		p, i := pick(t, r.Outputs[Hop], middle)
		r.Outputs[Hop].Parts[p][i].Writer.Epoch++
	}},
	{"a dead letter is of a transaction of its own", []string{"C4"}, func(t *testing.T, r *Run) {
		p, i := pick(t, r.Dead, func(recs []Record, i int) bool {
			return i > 0 && recs[i].Writer == recs[i-1].Writer
		})
		r.Dead.Parts[p][i].Writer.Seq = 1 << 20
	}},
	{"an output is of no transaction", []string{"C4"}, func(t *testing.T, r *Run) {
		p, i := pick(t, r.Outputs[Poison], middle)
		r.Outputs[Poison].Parts[p][i].Writer = Writer{}
	}},
	{"a group's changelog is of another transaction", []string{"C4"}, func(t *testing.T, r *Run) {
		log := r.Changelogs[Groups]
		p, i := pick(t, log, middle)
		log.Parts[p][i].Writer.Producer = 77
	}},
	{"offsets were committed before the outputs", []string{"C4"}, func(t *testing.T, r *Run) {
		i := slices.IndexFunc(r.Watched, func(o Observation) bool { return o.Before[0] < o.After[0] })
		if i < 0 {
			t.Fatal("no observation fits")
		}
		r.Watched[i].Before = r.Watched[i].After
	}},
	{"outputs were visible before the offsets", []string{"C4"}, func(t *testing.T, r *Run) {
		i := slices.IndexFunc(r.Watched, func(o Observation) bool { return o.Before[0] > 5 })
		r.Watched[i].After = slices.Clone(r.Watched[i].After)
		r.Watched[i].After[0] = 0
	}},
	{"a changelog ends in a wrong value", []string{"C5"}, func(t *testing.T, r *Run) {
		p, i := pick(t, r.Changelogs[Survivors], lastOf)
		r.Changelogs[Survivors].Parts[p][i].Value = []byte("1000 1000")
	}},
	{"a changelog lacks its end", []string{"C5"}, func(t *testing.T, r *Run) {
		p, i := pick(t, r.Changelogs[Hops], lastOf)
		remove(r.Changelogs[Hops], p, i)
	}},
	{"a changelog goes back", []string{"C5"}, func(t *testing.T, r *Run) {
		log := r.Changelogs[Seen]
		p, i := pick(t, log, func(recs []Record, i int) bool { return !lastOf(recs, i) })
		log.Parts[p] = append(log.Parts[p], log.Parts[p][i])
	}},
	{"a changelog held a value that never was", []string{"C5"}, func(t *testing.T, r *Run) {
		p, i := pick(t, r.Changelogs[Counts], func(recs []Record, i int) bool { return !lastOf(recs, i) })
		r.Changelogs[Counts].Parts[p][i].Value = []byte("3 999999")
	}},
	{"a changelog has a key of nobody", []string{"C5"}, func(t *testing.T, r *Run) {
		r.Changelogs[Counts].Parts[0] = append(r.Changelogs[Counts].Parts[0], Record{Key: []byte("ghost"), Value: []byte("1 1")})
	}},
	{"a changelog deletes a key", []string{"C5"}, func(t *testing.T, r *Run) {
		log := r.Changelogs[Seen]
		log.Parts[0] = append(log.Parts[0], Record{Key: log.Parts[0][0].Key})
	}},
	{"a group's changelog is wrong at its end", []string{"C5"}, func(t *testing.T, r *Run) {
		p, i := pick(t, r.Changelogs[Groups], lastOf)
		r.Changelogs[Groups].Parts[p][i].Value = []byte("1 1")
	}},
	{"a store differs", []string{"C5"}, func(t *testing.T, r *Run) {
		for key := range r.Stores[Counts][0] {
			r.Stores[Counts][0][key] = "5 5"
			break
		}
	}},
	{"a store has a key too many", []string{"C5"}, func(_ *testing.T, r *Run) { r.Stores[Groups][1]["ghost"] = "1 1" }},
	{"an output counted a record twice", []string{"C5"}, func(t *testing.T, r *Run) {
		noViews(r)
		p, i := pick(t, r.Outputs[Count], middle)
		rec := &r.Outputs[Count].Parts[p][i]
		rec.Value = append(slices.Clone(rec.Value), '9')
	}},
	{"a group counted a record twice", []string{"C5"}, func(t *testing.T, r *Run) {
		p, i := pick(t, r.Outputs[Rekey], lastOf)
		rec := &r.Outputs[Rekey].Parts[p][i]
		rec.Value = append(slices.Clone(rec.Value), '9')
		r.Changelogs[Groups].Parts[p] = slices.DeleteFunc(r.Changelogs[Groups].Parts[p], func(x Record) bool { return string(x.Key) == string(rec.Key) })
	}},
	{"the committed offset is behind", []string{"C6"}, func(_ *testing.T, r *Run) { r.Offsets[0].Committed = r.Offsets[0].Next - 1 }},
	{"nothing is committed", []string{"C6"}, func(_ *testing.T, r *Run) { r.Offsets[1].Committed = -1 }},
	{"the committed offset is beyond the end", []string{"C6"}, func(_ *testing.T, r *Run) { r.Offsets[2].Committed = r.Offsets[2].End + 1 }},
	{"positions are not committed", []string{"C6"}, func(_ *testing.T, r *Run) { r.Offsets[0].Metadata = "" }},
	{"an aborted input came out", []string{"C7"}, func(t *testing.T, r *Run) {
		rec := r.Outputs[Pass].Parts[0][0]
		rec.Value, rec.Offset = []byte("1000000 1 - 00000000 x"), 1<<20
		r.Outputs[Pass].Parts[0] = append(r.Outputs[Pass].Parts[0], rec)
	}},
	{"an output is of nobody", []string{"C7"}, func(t *testing.T, r *Run) {
		rec := r.Outputs[Rekey].Parts[0][0]
		rec.Value, rec.Offset = []byte("garbage"), 1<<20
		r.Outputs[Rekey].Parts[0] = append(r.Outputs[Rekey].Parts[0], rec)
	}},
	{"a reader was given what is not there", []string{"C7"}, func(_ *testing.T, r *Run) {
		v := &r.Views[0]
		v.Parts[0][len(v.Parts[0])-1].Value = []byte("7 7 - 00000000 x")
	}},
	{"a reader was given more than there is", []string{"C7"}, func(_ *testing.T, r *Run) {
		v := &r.Views[1]
		v.Parts[0] = append(slices.Clone(r.Outputs[Count].Parts[0]), v.Parts[0][0])
	}},
	{"nothing was aborted", []string{"C8"}, func(_ *testing.T, r *Run) { r.Aborted = 0 }},
	{"nothing moved for too long", []string{"C9"}, func(_ *testing.T, r *Run) {
		r.Progress = []Progress{{0, 1, true}, {20 * time.Second, 1, true}, {31 * time.Second, 1, true}, {50 * time.Second, 1, true}}
	}},
	{"a dead letter repeats", []string{"I9"}, func(t *testing.T, r *Run) { repeat(r.Dead, first(t, r.Dead), 0) }},
	{"a dead letter is lost", []string{"I9"}, func(t *testing.T, r *Run) { remove(r.Dead, first(t, r.Dead), 0) }},
	{"a dead letter of a good record", []string{"I9"}, func(t *testing.T, r *Run) {
		p, i := pick(t, &r.Input, func(recs []Record, i int) bool {
			return !mustParse(string(recs[i].Key), recs[i].Value).Mark.Fails()
		})
		out := r.Outputs[Pass].Parts[p][i]
		at := slices.IndexFunc(r.Dead.Parts[p], func(d Record) bool { return d.Writer.Producer == out.Writer.Producer })
		rec := r.Dead.Parts[p][at]
		rec.Key, rec.Value, rec.Writer.Seq = out.Key, out.Value, 1<<20
		r.Dead.Parts[p] = append(r.Dead.Parts[p], rec)
	}},
	{"a dead letter has other bytes", []string{"I9"}, func(t *testing.T, r *Run) {
		rec := &r.Dead.Parts[first(t, r.Dead)][0]
		rec.Value = append(slices.Clone(rec.Value), ' ')
	}},
	{"a dead letter has another key", []string{"I9"}, func(t *testing.T, r *Run) { r.Dead.Parts[first(t, r.Dead)][0].Key = nil }},
	{"a dead letter lacks the record's header", []string{"I9"}, func(t *testing.T, r *Run) {
		rec := &r.Dead.Parts[first(t, r.Dead)][0]
		rec.Headers = rec.Headers[1:]
	}},
	{"a dead letter names another offset", []string{"I9"}, func(t *testing.T, r *Run) {
		rec := &r.Dead.Parts[first(t, r.Dead)][0]
		rec.Headers = append(rec.Headers, Header{"slip.offset", []byte("-5")})
	}},
}

func first(t *testing.T, topic *Topic) int {
	p, _ := pick(t, topic, func([]Record, int) bool { return true })
	return p
}

func mustID(r Record) int64 {
	id, _ := idOf(r.Value)
	return id
}

func keyOfInput(r *Run, out Record) string {
	for _, recs := range r.Input.Parts {
		for _, in := range recs {
			if mustID(in) == mustID(out) {
				return string(in.Key)
			}
		}
	}
	return ""
}

// retell gives a grouped output another id and makes the tallies of its group
// follow.
func retell(t *Topic, p, i int, id int64) {
	key := string(t.Parts[p][i].Key)
	t.Parts[p][i].Value = fmt.Appendf(nil, "%d 0 0", id)
	var sum tally
	for n := range t.Parts[p] {
		if rec := &t.Parts[p][n]; string(rec.Key) == key {
			own := mustID(*rec)
			rec.Value = fmt.Appendf(nil, "%d %s", own, sum.add(own))
		}
	}
}

// Each fault is found, and by its own check alone.
func TestEachFaultIsFound(t *testing.T) {
	seed := rand.Uint64()
	for _, s := range spoilers {
		t.Run(s.name, func(t *testing.T) {
			r := newWorld(seed, 600, 9).clone()
			s.do(t, r)
			found := check(t, r)
			if diff := cmp.Diff(s.want, found.Checks()); diff != "" {
				t.Errorf("seed %d: checks (- wanted, + found):\n%s%s", seed, diff, found.Report(3))
			}
		})
	}
	covered := map[string]bool{}
	for _, s := range spoilers {
		for _, c := range s.want {
			covered[c] = true
		}
	}
	for _, c := range []string{"C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "I9"} {
		if !covered[c] {
			t.Errorf("no log violates %s", c)
		}
	}
}

// A single change anywhere in what a host writes does not escape.
func TestNoSingleChangeEscapes(t *testing.T) {
	seed := rand.Uint64()
	w := newWorld(seed, 150, 7)
	rnd := rand.New(rand.NewPCG(seed, 2))
	for n := range 400 {
		r := w.clone()
		r.Views, r.Watched = nil, nil
		what := spoilAtRandom(rnd, r)
		if found := check(t, r); len(found) == 0 {
			t.Fatalf("seed %d, change %d: %s escapes", seed, n, what)
		}
	}
}

func spoilAtRandom(rnd *rand.Rand, r *Run) string {
	var outs []*Topic
	for _, h := range allHandlers {
		outs = append(outs, r.Outputs[h])
	}
	outs = append(outs, r.Dead)
	topic := outs[rnd.IntN(len(outs))]
	p := rnd.IntN(worldParts)
	for len(topic.Parts[p]) < 2 {
		p = (p + 1) % worldParts
	}
	i := rnd.IntN(len(topic.Parts[p]))
	what := fmt.Sprintf("of %s[%d], record %d", topic.Name, p, i)
	rec := &topic.Parts[p][i]
	switch rnd.IntN(4) {
	case 0:
		remove(topic, p, i)
		return "loss " + what
	case 1:
		repeat(topic, p, i)
		return "repetition " + what
	case 2:
		rec.Value = slices.Clone(rec.Value)
		rec.Value[rnd.IntN(len(rec.Value))] ^= 1 << rnd.IntN(7)
		return "flipped value " + what
	default:
		rec.Key = slices.Clone(rec.Key)
		rec.Key[rnd.IntN(len(rec.Key))] ^= 1 << rnd.IntN(7)
		return "flipped key " + what
	}
}
