package chaos

import (
	"context"
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
	a.judge()
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
	a.runWith(state, nil, "--until-idle").end(a.t, 90*time.Second)
}

// judge reads all topics and runs the checker.
func (a *app) judge() {
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
	if r.Stores, err = a.dumpStores(); err != nil {
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

// dumpStores is where the dump of the caches on disk comes in, through
// the command "cache export", once there is one: C5 then compares it with
// the model, too (checker.Run.Stores). Until then there is none to compare.
func (a *app) dumpStores() (map[string]checker.Fold, error) { return nil, nil }
