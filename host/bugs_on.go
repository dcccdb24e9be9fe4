//go:build bug_dup || bug_loss || bug_order || bug_state

package host

import "context"

// Seeded bugs, for the negative controls of the crash tests: a checker that
// does not fail on these builds is worth nothing. Each build tag turns on one.

// keepStaged (bug_state) lets cache writes stay that were rolled back.
const keepStaged = bugState

// skipOffsets (bug_dup) leaves the positions out of every third transaction.
func skipOffsets(w *worker) bool { return bugDup && w.stats.commits.Load()%3 == 2 }

// lossy (bug_loss) says that one record more than was processed is done with.
func lossy(n int64) int64 {
	if bugLoss && n%2 == 0 {
		return n + 1
	}
	return n
}

// swapOutputs (bug_order) emits the roots of a batch backwards now and then.
func swapOutputs(w *worker) bool { return bugOrder && w.stats.commits.Load()%3 == 2 }

// emitBackwards emits the roots from the last to the first.
func (r *run) emitBackwards(ctx context.Context) {
	for pos := r.limit - 1; pos >= 0; pos-- {
		for i := range r.root.calls {
			c := &r.root.calls[i]
			for c.next = 0; c.next < len(c.effects) && c.effects[c.next].pos < pos; {
				c.next++
			}
		}
		n := 0
		_ = r.emit(ctx, r.root, pos, &n)
	}
}
