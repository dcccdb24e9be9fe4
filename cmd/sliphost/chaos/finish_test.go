package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/sliphost/sliphost/cmd/sliphost/chaos/checker"
)

// finish ends the load, lets one more process drain what is left, reads
// everything back and has it judged. Processes of the scenario have ended, or
// are the last one's company.
func (a *app) finish(state string) {
	a.t.Helper()
	a.drain(state)
	a.judge(state)
	result := "ok"
	if len(a.findings) > 0 {
		a.t.Errorf("the checks say:\n%s", a.findings.Report(5))
	}
	if a.t.Failed() {
		result = "FAILED"
		if names := a.findings.Checks(); len(names) > 0 {
			result = "FAILED " + strings.Join(names, " ")
		}
	}
	a.row(result)
}

// row notes the scenario in the table.
func (a *app) row(result string) {
	a.noted = true
	written := 0
	if a.load != nil {
		written = int(a.load.written.Load())
	}
	record(row{a.scenario, a.broker.Name, a.language, a.rounds, written, a.kills, a.aborted, result, time.Since(a.began)})
}

// drain processes what is left, to the end.
func (a *app) drain(state string) {
	a.t.Helper()
	a.load.finish(a.t)
	a.watch.outage.Store(false)
	if !full() {
		a.dismiss(state)
	}
	a.runWith(state, nil, "--until-idle").end(a.t, 90*time.Second)
}

// judge reads all topics and the store, which nobody uses any more, and runs
// the checker.
func (a *app) judge(state string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var all []string
	for _, name := range a.topics {
		all = append(all, name)
	}
	if err := a.settled(ctx, all); err != nil {
		a.t.Fatal(err)
	}
	a.watch.finish()
	if len(a.watch.watched) == 0 {
		a.t.Fatalf("nothing could be observed: %v", a.watch.err)
	}
	stable, end, err := readAll(ctx, a.t, a.broker.Addr, true, a.partitions, all...)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, _, err := readAll(ctx, a.t, a.broker.Addr, false, a.partitions, all...)
	if err != nil {
		a.t.Fatal(err)
	}
	r := &checker.Run{
		Delivery: a.delivery, Handlers: a.handlers, Input: *stable.topics[a.topics["in"]], Journal: a.journal,
		Outputs: map[string]*checker.Topic{}, Changelogs: map[string]*checker.Topic{}, DeadHandler: checker.Poison,
		Watched: a.watch.watched, Views: a.watch.views(), Progress: a.watch.progress,
		MustAbort: a.mustAbort && a.delivery == checker.ExactlyOnce,
	}
	for id, name := range a.topics {
		// Of repartition topics records are deleted meanwhile.
		if id != "in" && !a.owned(id) {
			r.Aborted += raw.topics[name].Len() - stable.topics[name].Len()
		}
	}
	a.aborted = r.Aborted
	for _, h := range a.handlers {
		r.Outputs[h] = stable.topics[a.topics["out-"+h]]
		for _, c := range checker.CachesOf(h) {
			r.Changelogs[c] = stable.topics[a.topics["changelog-"+c]]
		}
	}
	if name, ok := a.topics["dead"]; ok {
		r.Dead = stable.topics[name]
	}
	if r.Offsets, err = a.offsets(ctx, stable, end); err != nil {
		a.t.Fatal(err)
	}
	if r.Stores, err = a.dumpStores(state); err != nil {
		a.t.Fatal(err)
	}
	if a.findings, err = checker.Check(r); err != nil {
		a.t.Fatalf("the run cannot be judged: %v", err)
	}
	if a.noAbort && a.aborted > 0 {
		a.t.Errorf("%d records were written and never committed, although no process was killed", a.aborted)
	}
	a.t.Logf("%d inputs, %d kills, %d observations, %d records of aborted transactions", r.Input.Len(), a.kills, len(r.Watched), r.Aborted)
}

// offsets describes what the group committed in all that it reads.
func (a *app) offsets(ctx context.Context, stable *collector, end map[string][]int64) ([]checker.Offset, error) {
	sources := []string{a.topics["in"]}
	if name, ok := a.topics["regrouped"]; ok {
		sources = append(sources, name)
	}
	got, err := groupOffsets(ctx, client(a.t, a.broker.Addr), a.name, a.partitions, sources...)
	if err != nil {
		return nil, err
	}
	var all []checker.Offset
	for _, name := range sources {
		for p, c := range got[name] {
			o := checker.Offset{Topic: name, Partition: p, Committed: c.offset, Metadata: c.metadata, End: end[name][p], Stateful: a.delivery == checker.ExactlyOnce}
			if recs := stable.topics[name].Parts[p]; len(recs) > 0 {
				o.Next = recs[len(recs)-1].Offset + 1
			}
			all = append(all, o)
		}
	}
	return all, nil
}

// dumpStores has the caches in the store of a state directory written out, as
// a person may when the host is stopped.
func (a *app) dumpStores(state string) (map[string]checker.Fold, error) {
	if a.delivery != checker.ExactlyOnce {
		return nil, nil
	}
	dumps := map[string]checker.Fold{}
	for _, h := range a.handlers {
		for _, c := range checker.CachesOf(h) {
			fold, err := a.export(state, c)
			if err != nil {
				return nil, err
			}
			dumps[c] = fold
		}
	}
	return dumps, nil
}

// export runs `sliphost cache export`.
func (a *app) export(state, cache string) (checker.Fold, error) {
	var complaint bytes.Buffer
	cmd := exec.Command(a.bin, "cache", "export", cache, "--state-dir", a.state(state))
	cmd.Dir, cmd.Stderr = a.dir, &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("export the cache %s: %w\n%s", cache, err, complaint.Bytes())
	}
	fold := make(checker.Fold, a.partitions)
	for p := range fold {
		fold[p] = map[string]string{}
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var e struct {
			Partition  int
			Key, Value string
		}
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			return fold, nil
		} else if err != nil {
			return nil, fmt.Errorf("export the cache %s: %w", cache, err)
		}
		if e.Partition < 0 || e.Partition >= len(fold) {
			return nil, fmt.Errorf("export the cache %s: partition %d of %d", cache, e.Partition, len(fold))
		}
		if _, twice := fold[e.Partition][e.Key]; twice {
			return nil, fmt.Errorf("export the cache %s: key %q of partition %d twice", cache, e.Key, e.Partition)
		}
		fold[e.Partition][e.Key] = e.Value
	}
}
