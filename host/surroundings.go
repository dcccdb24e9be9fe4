package host

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/state"
)

// What a group has committed refers to topics and changelogs that anybody with
// access to the broker can cut, delete or make anew, and to offsets that anybody
// can set. Each such change is recognised when a partition is taken over, and a
// policy of the manifest ([on_change]) decides what follows.

// changedError says that something was changed from outside and that the policy
// is to stop.
type changedError struct {
	where, what, key, ways string
}

func (e *changedError) Error() string {
	return fmt.Sprintf("%s: %s; set on_change.%s to %s, or start over with sliphost reset", e.where, e.what, e.key, e.ways)
}

// stop makes e the end of the run.
func (w *worker) stop(e *changedError) error {
	w.fatal = &finalError{e}
	return w.fatal
}

// finalError is one that a new start does not mend.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

// position finds where an input begins and notes what its metadata says.
func (w *worker) position(ctx context.Context, in *input, committed abi.TopicOffset, b abi.Bounds) (int64, error) {
	src := &w.plan.Sources[in.source]
	in.meta.streamTime = -1
	at := committed.Offset
	if at == abi.OffsetNone {
		return w.startOffset(ctx, src, in.kafka, b)
	}
	meta, err := decodeMeta(committed.Metadata)
	in.foreign = errors.Is(err, errForeignMeta)
	if !in.foreign {
		in.meta = meta
	}
	recreated := false
	if was, known := meta.input(src.Topic); known {
		recreated = isAnother(was, src.Identity)
	}
	switch {
	case recreated || at > b.High:
		what := fmt.Sprintf("the committed offset %d lies behind the end %d: the topic was made anew or cut", at, b.High)
		if recreated {
			what = madeAnew
		}
		if err := w.recreated(in, what); err != nil {
			return 0, err
		}
		in.meta.attempts, in.meta.until, in.meta.replays = nil, 0, nil
		return w.startOffset(ctx, src, in.kafka, b)
	case at < b.Low:
		in.restoreReplay(w.plan)
		return w.recordsGone(in, at, b)
	}
	return at, nil
}

const madeAnew = "the topic was deleted and made anew since the last commit"

// isAnother says whether two identities, where both are known, are of different
// topics.
func isAnother(was, is uint32) bool { return was != 0 && is != 0 && was != is }

// recreated decides about an input whose topic is not the one that was read.
func (w *worker) recreated(in *input, what string) error {
	src := &w.plan.Sources[in.source]
	if w.plan.OnChange.TopicRecreated == ChangeFail {
		return w.stop(&changedError{
			fmt.Sprintf("topic %q partition %d", src.Topic, in.partition), what,
			"topic_recreated", `"restart" to begin by its start policy with the caches as they are`,
		})
	}
	w.log.Warn("beginning anew", "topic", src.Topic, "partition", in.partition, "because", what)
	return nil
}

// lostOffsets notices inputs of a task without an offset that others have
// committed theirs beside: a broker deletes a topic's offsets with the topic,
// and anybody can delete one. What the caches say of such an input is not what
// it will bring from here on.
func (w *worker) lostOffsets(t *task) error {
	for _, in := range t.inputs {
		if in.hadOffset {
			continue
		}
		src := &w.plan.Sources[in.source]
		for _, other := range t.inputs {
			was, known := other.meta.input(src.Topic)
			if !known {
				continue
			}
			if !isAnother(was, src.Identity) {
				in.foreign = true
			} else if err := w.recreated(in, madeAnew); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// recordsGone decides about a position whose record the log has no more. Of
// records that a checkpoint goes back to nothing is lost that was not processed,
// so what is left of them comes again, whatever the policy.
func (w *worker) recordsGone(in *input, at int64, b abi.Bounds) (int64, error) {
	src := &w.plan.Sources[in.source]
	in.meta.attempts = nil
	if until := in.replay.until; at < until {
		for _, f := range in.replay.from {
			if f.offset < b.Low {
				w.replayCut(in, f.checkpoint, max(at, f.offset), until, b)
			}
		}
		if b.Low <= until {
			return b.Low, nil
		}
		at = until
	}
	switch policy := w.plan.OnChange.RecordsGone; policy {
	case ChangeEarliest, ChangeLatest:
		to := b.Low
		if policy == ChangeLatest {
			to = b.LastStable
		}
		w.log.Error("records were deleted before they were processed (retention)",
			"topic", src.Topic, "partition", in.partition, "next", at, "oldest", b.Low, "going on at", to)
		return to, nil
	}
	return 0, w.stop(&changedError{
		fmt.Sprintf("topic %q partition %d", src.Topic, in.partition),
		fmt.Sprintf("records %d to %d were deleted before they were processed (retention)", at, b.Low-1),
		"records_gone", `"earliest" or "latest" to go on without them`,
	})
}

// enter lets tasks begin whose inputs are all here: it compares what the store
// holds with what the group committed and restores the difference.
func (w *worker) enter(ctx context.Context) error {
	w.entering = false
	defer w.publish()
	var ready []*task
	for _, t := range w.tasks {
		if t.phase == taskWaiting && w.complete(t) {
			ready = append(ready, t)
		}
	}
	for _, t := range ready {
		if err := w.lostOffsets(t); err != nil {
			return err
		}
	}
	bounds, err := w.askBounds(ctx, ready)
	if err != nil {
		return err
	}
	for _, t := range ready {
		if err := w.compare(t, bounds); err != nil {
			return err
		}
		if len(t.targets) > 0 {
			t.phase = taskRestoring
			w.restorer.add(ctx, t)
			continue
		}
		if err := w.start(ctx, t); err != nil {
			return err
		}
	}
	return w.pauseWaiting()
}

// pauseWaiting stops the fetching of what no task takes yet.
func (w *worker) pauseWaiting() error {
	for part, in := range w.inputs {
		if in.task.phase != taskRunning && !in.paused {
			in.paused = true
			if err := w.consumer.Pause([]abi.TopicPartition{part}); err != nil {
				return err
			}
		}
	}
	return nil
}

// start begins to process a task whose caches are as they must be. An error
// leaves it waiting.
func (w *worker) start(ctx context.Context, t *task) error {
	t.phase = taskWaiting
	if err := w.begun(ctx, t); err != nil {
		w.detach(t)
		w.entering = true
		return err
	}
	t.phase, t.targets, t.clear, t.rewrite = taskRunning, nil, nil, nil
	t.changed, w.uncommitted = true, true
	w.full = w.full || t.unsettled
	for _, in := range t.inputs {
		w.passEnd(in)
		if err := w.throttle(in); err != nil {
			return err
		}
	}
	w.publish()
	return nil
}

// begun makes the caches of t usable.
func (w *worker) begun(ctx context.Context, t *task) error {
	if err := w.attach(t); err != nil {
		return w.storeError(err)
	}
	if len(t.rewrite) == 0 {
		return nil
	}
	return w.rewriteChangelogs(ctx, t)
}

// slot is a cache's partition.
type slot struct {
	cache     int
	partition int32
}

// askBounds asks for the ends of those changelogs whose stored entries are not
// what the group has committed: with a thousand partitions one question, and
// usually none.
func (w *worker) askBounds(ctx context.Context, tasks []*task) (map[slot]abi.Bounds, error) {
	var slots []slot
	var parts []LogPartition
	for _, t := range tasks {
		for _, c := range w.plan.Subs[t.sub].Caches {
			cache := &w.plan.Caches[c]
			if cache.Kind != state.KV {
				continue
			}
			have, stored, err := w.backends.Store.Position(c, t.partition)
			if err != nil {
				return nil, w.storeError(err)
			}
			if want, known := t.committed(cache.ID); stored && known && !t.foreign() && have == want && have.Log == cache.Log {
				continue
			}
			slots = append(slots, slot{c, t.partition})
			parts = append(parts, LogPartition{cache.Topic, t.partition})
		}
	}
	if len(parts) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, assignTimeout)
	defer cancel()
	ends, err := w.backends.LogBounds(ctx, w.cluster, parts)
	if err != nil {
		return nil, &unansweredError{fmt.Errorf("ask for the ends of changelogs: %w", err)}
	}
	bounds := make(map[slot]abi.Bounds, len(slots))
	for i, s := range slots {
		bounds[s] = ends[i]
	}
	return bounds, nil
}

// compare fills t.targets with what has to be read before t can run. The
// restorer may still look at the targets of an earlier time.
func (w *worker) compare(t *task, bounds map[slot]abi.Bounds) error {
	t.targets, t.clear, t.rewrite, t.unsettled = nil, nil, nil, false
	for _, c := range w.plan.Subs[t.sub].Caches {
		cache := &w.plan.Caches[c]
		if cache.Kind != state.KV {
			continue
		}
		b, asked := bounds[slot{c, t.partition}]
		if !asked {
			continue // what is stored is what is committed
		}
		if err := w.compareCache(t, c, cache, b); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) compareCache(t *task, c int, cache *Cache, b abi.Bounds) error {
	where := fmt.Sprintf("cache %q partition %d", cache.ID, t.partition)
	have, stored, err := w.backends.Store.Position(c, t.partition)
	if err != nil {
		return w.storeError(err)
	}
	want, known := t.committed(cache.ID)
	t.unsettled = t.unsettled || !known
	switch {
	case !known && b.High == 0:
		want = state.Position{Log: cache.Log} // never written
	case !known || t.foreign():
		t.unsettled = true
		what := "its changelog has records, but the committed offsets of its inputs do not say how many belong to them: offsets were set from outside, or have expired"
		switch w.plan.OnChange.OffsetsReset {
		case ChangeKeep, ChangeClear:
			w.log.Warn("offsets were changed from outside", "cache", cache.ID, "partition", t.partition, "clear", w.plan.OnChange.OffsetsReset == ChangeClear)
			want = state.Position{Log: cache.Log, Next: b.LastStable}
			if w.plan.OnChange.OffsetsReset == ChangeClear {
				t.clear = append(t.clear, c)
			}
		default:
			return w.stop(&changedError{where, what, "offsets_reset", `"keep" or "clear" to go on with the cache as it is or empty`})
		}
	case want.Log != cache.Log && want.Log != 0 && want.Next > 0, want.Next > b.High:
		if done, err := w.changelogGone(t, c, cache, where, stored && have == want, &want, b); done || err != nil {
			return err
		}
		stored = false
	}
	want.Log = cache.Log
	if stored && (have.Log != want.Log || have.Next > want.Next || have.Next < b.Low && have.Next < want.Next) {
		// Of another changelog, or ahead of what is committed: not to be trusted.
		w.log.Warn("the stored entries do not belong to the committed offsets; reading the changelog from the beginning",
			"cache", cache.ID, "partition", t.partition, "stored", have.Next, "committed", want.Next)
		stored = false
	}
	if !stored {
		if err := w.backends.Store.Wipe(c, t.partition); err != nil {
			return w.storeError(err)
		}
		have = state.Position{Log: want.Log}
	}
	if from := max(have.Next, b.Low); from < want.Next {
		if have.Next < b.Low {
			w.log.Warn("the beginning of a changelog was deleted; entries written there and not since are lost",
				"cache", cache.ID, "partition", t.partition, "topic", cache.Topic, "oldest", b.Low)
		}
		t.targets = append(t.targets, target{cache: c, pos: want, from: from})
	}
	return nil
}

// committed is the changelog position that the inputs of t have committed: the
// furthest, since each commit names all.
func (t *task) committed(cache string) (pos state.Position, known bool) {
	for _, in := range t.inputs {
		if p, ok := in.meta.position(cache); ok && (!known || p.Next > pos.Next) {
			pos, known = p, true
		}
	}
	return pos, known
}

// foreign says that the offset of an input was set or deleted from outside.
func (t *task) foreign() bool {
	return slices.ContainsFunc(t.inputs, func(in *input) bool { return in.foreign })
}

// changelogGone decides about a changelog that lacks what was committed to it.
// done says that nothing is left to compare; otherwise want is what is to be
// read of the changelog now. complete says that the store has all that was
// committed.
func (w *worker) changelogGone(t *task, c int, cache *Cache, where string, complete bool, want *state.Position, b abi.Bounds) (done bool, err error) {
	switch policy := w.plan.OnChange.ChangelogGone; {
	case policy == ChangeLocal && complete:
		w.log.Warn("the changelog is gone; writing it anew from the store", "cache", cache.ID, "partition", t.partition, "topic", cache.Topic)
		t.rewrite, t.unsettled = append(t.rewrite, c), true
		return true, nil
	case policy == ChangeEmpty:
		w.log.Error("the changelog is gone; going on with an empty cache", "cache", cache.ID, "partition", t.partition, "topic", cache.Topic)
		// What is left of it is read once more, so that it can be deleted there as
		// well: a later restore would bring it back.
		*want = state.Position{Log: cache.Log, Next: b.LastStable}
		t.clear, t.unsettled = append(t.clear, c), true
		return false, nil
	}
	ways := `"empty" to go on without its entries`
	if complete {
		ways = `"local" to write it anew from this host's store, or "empty" to go on without its entries`
	}
	return true, w.stop(&changedError{
		where, fmt.Sprintf("its changelog %q has been deleted or cut: offset %d was committed, the log ends at %d", cache.Topic, want.Next, b.High),
		"changelog_gone", ways,
	})
}

// rewriteChangelogs writes every stored entry of the caches whose changelogs
// are gone to these anew, in several commits if need be. Up to the last one the
// positions stay what they were, so that it begins anew after a crash.
func (w *worker) rewriteChangelogs(ctx context.Context, t *task) error {
	for _, c := range t.rewrite {
		if err := w.rewriteChangelog(ctx, t.caches[c]); err != nil {
			return err
		}
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	for _, c := range t.rewrite {
		next := max(w.changelogs[c].delivered(t.partition), 0)
		t.caches[c].SetPosition(state.Position{Next: next, Log: w.plan.Caches[c].Log})
	}
	return nil
}

func (w *worker) rewriteChangelog(ctx context.Context, p *state.Partition) error {
	out := w.changelogs[p.Cache()]
	page := state.Page{Limit: 4096, MaxBytes: 1 << 20}
	from, size := []byte(nil), 0
	for more := true; more; {
		page.Reset()
		var err error
		if more, err = p.Stored(from, nil, &page); err != nil {
			return w.storeError(err)
		}
		for i := range page.Len() {
			key, value := page.Entry(i)
			out.append(p.Partition(), key, value, nil, -1)
			size += len(key) + len(value)
			from = append(append(from[:0], key...), 0)
		}
		if size < rewriteStep && more {
			continue
		}
		size = 0
		if err := w.commit(ctx); err != nil {
			return err
		}
	}
	return nil
}
