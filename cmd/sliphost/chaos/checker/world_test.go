package checker

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"
)

// world writes the logs of a host without faults, in transactions of which
// some are aborted. It does what the handlers do, apart from the model.
type world struct {
	rnd     *rand.Rand
	topics  map[string]*Topic
	next    map[string][]int64       // end of each partition
	seqs    map[string][]map[int]int // transactions of each producer in each partition
	offsets []int64                  // committed, of the input
	caches  map[string][]map[string]string
	run     *Run
}

const worldParts = 3

var allHandlers = []string{Pass, Fan, Count, Hop, Poison, Rekey}

// txn is an open transaction.
type txn struct {
	w        *world
	producer int
	parts    map[string]map[int]bool
	keep     bool // it commits
	dirty    map[string]map[string]string
}

func (w *world) topic(name string) *Topic {
	if w.topics[name] == nil {
		w.topics[name] = &Topic{Name: name, Parts: make([][]Record, worldParts)}
		w.next[name] = make([]int64, worldParts)
		w.seqs[name] = []map[int]int{{}, {}, {}}
	}
	return w.topics[name]
}

func (w *world) begin(producer int, keep bool) *txn {
	return &txn{w, producer, map[string]map[int]bool{}, keep, map[string]map[string]string{}}
}

func (x *txn) write(name string, p int, r Record) {
	t := x.w.topic(name)
	if x.parts[name] == nil {
		x.parts[name] = map[int]bool{}
	}
	if !x.parts[name][p] {
		x.parts[name][p] = true
		x.w.seqs[name][p][x.producer]++
	}
	r.Offset = x.w.next[name][p]
	x.w.next[name][p]++
	r.Writer = Writer{Producer: int64(x.producer), Epoch: 1, Seq: x.w.seqs[name][p][x.producer]}
	if x.keep {
		t.Parts[p] = append(t.Parts[p], r)
	} else {
		x.w.run.Aborted++
	}
}

func (x *txn) emit(name, key, value string) {
	x.write(name, partitionOf(key, worldParts), Record{Key: []byte(key), Value: []byte(value)})
}

// cache is a view of a cache's partition with this transaction's writes.
func (x *txn) get(cache string, p int, key string) string {
	if v, ok := x.dirty[cache+"/"+strconv.Itoa(p)][key]; ok {
		return v
	}
	return x.w.caches[cache][p][key]
}

func (x *txn) put(cache string, p int, key, value string) {
	at := cache + "/" + strconv.Itoa(p)
	if x.dirty[at] == nil {
		x.dirty[at] = map[string]string{}
	}
	x.dirty[at][key] = value
}

func (x *txn) add(cache string, p int, key string, id int64) string {
	var n, sum int64
	_, _ = fmt.Sscanf(x.get(cache, p, key), "%d %d", &n, &sum)
	value := fmt.Sprintf("%d %d", n+1, sum+id)
	x.put(cache, p, key, value)
	return value
}

// end writes the changelogs and the markers.
func (x *txn) end() {
	for _, at := range slices.Sorted(maps.Keys(x.dirty)) {
		cache, p := at[:len(at)-2], int(at[len(at)-1]-'0')
		for _, key := range slices.Sorted(maps.Keys(x.dirty[at])) {
			x.write("log-"+cache, p, Record{Key: []byte(key), Value: []byte(x.dirty[at][key])})
			if x.keep {
				x.w.caches[cache][p][key] = x.dirty[at][key]
			}
		}
	}
	for name, parts := range x.parts {
		for p := range parts {
			x.w.next[name][p]++ // the marker
		}
	}
}

// newWorld runs n inputs over keys through all handlers.
func newWorld(seed uint64, n, keys int) *world {
	w := &world{
		rnd: rand.New(rand.NewPCG(seed, 1)), topics: map[string]*Topic{}, next: map[string][]int64{},
		seqs: map[string][]map[int]int{}, caches: map[string][]map[string]string{},
		offsets: make([]int64, worldParts),
		run: &Run{
			Handlers: allHandlers, DeadHandler: "poison", MustAbort: true,
			Journal: &Journal{Aborted: map[int64]bool{1_000_000: true}}, Stores: map[string]Fold{},
		},
	}
	for _, c := range []string{Counts, Seen, Hops, Survivors, Groups} {
		w.caches[c] = []map[string]string{{}, {}, {}}
		w.topic("log-" + c)
	}
	for _, h := range allHandlers {
		w.topic("out-" + h)
	}
	w.topic("dead")
	w.fill(n, keys)
	w.process()
	return w
}

// fill writes the inputs.
func (w *world) fill(n, keys int) {
	counts := map[string]int64{}
	marks := []Mark{MarkError, MarkTrap, MarkRetry, MarkDrop}
	t := w.topic("in")
	for id := range int64(n) {
		key := fmt.Sprintf("k%d", w.rnd.IntN(keys))
		counts[key]++
		in := Input{Key: key, ID: id + 1, N: counts[key], Mark: MarkNone, Pad: "pad"}
		if w.rnd.IntN(8) == 0 {
			in.Mark = marks[w.rnd.IntN(len(marks))]
		}
		p := partitionOf(key, worldParts)
		w.next["in"][p] += int64(w.rnd.IntN(2)) // a marker of the generator's
		t.Parts[p] = append(t.Parts[p], Record{
			Offset: w.next["in"][p], Key: []byte(key), Value: in.Value(),
			Headers: []Header{{"trace", []byte(strconv.FormatInt(in.ID, 10))}},
		})
		w.run.Journal.Acked = append(w.run.Journal.Acked, Ack{int32(p), w.next["in"][p], in.ID})
		w.next["in"][p]++
	}
}

// process takes batches from random partitions until nothing is left.
func (w *world) process() {
	at := make([]int, worldParts)
	var queue [worldParts][]Record // the repartition topic
	left := func() bool {
		for p := range at {
			if at[p] < len(w.topic("in").Parts[p]) || len(queue[p]) > 0 {
				return true
			}
		}
		return false
	}
	for left() {
		p := w.rnd.IntN(worldParts)
		keep := w.rnd.IntN(4) > 0
		size := 1 + w.rnd.IntN(12)
		o := Observation{Before: slices.Clone(w.offsets), High: w.ends(), Stable: w.ends()}
		if w.rnd.IntN(3) == 0 {
			n := min(size, len(queue[p]))
			x := w.begin(10+p, keep)
			for _, r := range queue[p][:n] {
				in := mustParse(string(r.Key), r.Value)
				key := groupOf(in.ID)
				x.emit("out-rekey", key, fmt.Sprintf("%d %s", in.ID, x.add(Groups, p, key, in.ID)))
			}
			x.end()
			if keep {
				queue[p] = queue[p][n:]
			}
		} else {
			batch := w.topic("in").Parts[p][at[p]:]
			batch = batch[:min(size, len(batch))]
			x := w.begin(p%2, keep)
			for _, r := range batch {
				w.handle(x, p, r)
			}
			x.end()
			if keep {
				for _, r := range batch {
					in := mustParse(string(r.Key), r.Value)
					to := partitionOf(groupOf(in.ID), worldParts)
					queue[to] = append(queue[to], r)
				}
				at[p] += len(batch)
				if len(batch) > 0 {
					w.offsets[p] = batch[len(batch)-1].Offset + 1
				}
			}
		}
		o.After = slices.Clone(w.offsets)
		if w.rnd.IntN(2) == 0 { // seen after the commit instead
			o = Observation{Before: o.After, High: w.ends(), Stable: w.ends(), After: o.After}
		}
		w.run.Watched = append(w.run.Watched, o)
	}
}

func (w *world) handle(x *txn, p int, r Record) {
	key := string(r.Key)
	in := mustParse(key, r.Value)
	x.emit("out-pass", key, string(r.Value))
	for i := range in.ID % 4 {
		x.emit("out-fan", key, fmt.Sprintf("%d %d %d", in.ID, in.N, i))
	}
	x.emit("out-count", key, fmt.Sprintf("%d %s", in.ID, x.add(Counts, p, key, in.ID)))
	x.put(Seen, p, key, strconv.FormatInt(in.ID, 10))
	for range 1 + in.ID%2 {
		var n int64
		_, _ = fmt.Sscanf(x.add(Hops, p, key, in.ID), "%d", &n)
		x.emit("out-hop", key, fmt.Sprintf("%d %d %s %d", in.ID, in.N, x.get(Seen, p, key), n))
	}
	switch in.Mark {
	case MarkNone:
		x.emit("out-poison", key, fmt.Sprintf("%d %s", in.ID, x.add(Survivors, p, key, in.ID)))
	case MarkDrop:
	default:
		header := func(name string, v any) Header { return Header{"slip." + name, fmt.Append(nil, v)} }
		x.write("dead", partitionOf(key, worldParts), Record{Key: r.Key, Value: r.Value, Headers: append(slices.Clone(r.Headers),
			header("handler", "poison"), header("topic", "in"), header("partition", p), header("offset", r.Offset))})
	}
}

func (w *world) ends() map[string][]int64 {
	ends := map[string][]int64{}
	for name, next := range w.next {
		ends[name] = slices.Clone(next)
	}
	return ends
}

func mustParse(key string, value []byte) Input {
	in, err := ParseInput([]byte(key), value)
	if err != nil {
		panic(err)
	}
	return in
}

// clone returns the world's run with topics of its own, to be spoilt.
func (w *world) clone() *Run {
	r := *w.run
	get := func(name string) *Topic {
		t := *w.topics[name]
		t.Parts = make([][]Record, worldParts)
		for p := range t.Parts {
			for _, rec := range w.topics[name].Parts[p] {
				rec.Headers = slices.Clone(rec.Headers)
				t.Parts[p] = append(t.Parts[p], rec)
			}
		}
		return &t
	}
	r.Input, r.Dead = *get("in"), get("dead")
	r.Outputs, r.Changelogs, r.Stores = map[string]*Topic{}, map[string]*Topic{}, map[string]Fold{}
	for _, h := range allHandlers {
		r.Outputs[h] = get("out-" + h)
		for _, c := range CachesOf(h) {
			r.Changelogs[c] = get("log-" + c)
			r.Stores[c] = FoldOf(r.Changelogs[c])
		}
	}
	j := *w.run.Journal
	j.Acked = slices.Clone(j.Acked)
	r.Journal = &j
	r.Watched = slices.Clone(w.run.Watched)
	r.Views = []Topic{*get("out-pass"), *get("out-count")}
	for i := range r.Views {
		for p, recs := range r.Views[i].Parts {
			r.Views[i].Parts[p] = recs[:len(recs)*2/3]
		}
	}
	for p := range worldParts {
		o := Offset{Topic: "in", Partition: p, Committed: w.offsets[p], End: w.next["in"][p], Metadata: "x", Stateful: true}
		if recs := r.Input.Parts[p]; len(recs) > 0 {
			o.Next = recs[len(recs)-1].Offset + 1
		}
		r.Offsets = append(slices.Clone(r.Offsets), o)
	}
	for i := range 100 {
		r.Progress = append(slices.Clone(r.Progress), Progress{At: time.Duration(i) * Stall * 3 / 4, Done: int64(i), Waiting: true})
	}
	return &r
}

func check(t *testing.T, r *Run) Findings {
	t.Helper()
	found, err := Check(r)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
