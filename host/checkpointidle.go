package host

import (
	"context"
	"slices"
	"time"
)

// settled says that what is committed to the control topic is known, and that
// nothing follows from it: a run until idle may end. The caller has found every
// input at its end before, and no machine with something to do (pending).
//
// Partitions of dependencies that are at their end count as idle from then on.
// Nothing comes there that the dependent could wait for, and one that is empty or
// behind the others must not hold it back for good. If that lets a dependency
// recover, there is something to do after all.
func (cs *checkpoints) settled(ctx context.Context, now time.Time) (bool, error) {
	if cs == nil || len(cs.guards) == 0 {
		return true, nil
	}
	w := cs.w
	end, err := w.controlEnd(ctx)
	if err != nil {
		return false, err
	}
	if !w.host.control.reached(w.cluster, end) || cs.version != w.host.control.version.Load() {
		return false, nil
	}
	standing := w.host.standing()
	for _, g := range cs.guards {
		if g.in.stopped != nil || !g.machine.Held() {
			continue
		}
		plan := &w.plan.Checkpoints[g.checkpoint]
		for d, dep := range g.machine.Status().Dependencies {
			source := plan.Dependencies[d].Source
			if w.plan.Sources[source].Kind == SourceConnector && w.id != 0 && !w.host.workers[0].idle.Load() {
				return false, nil // only its worker knows whether it is at its end
			}
			for _, p := range dep.Partitions {
				if p.Idle || standing[sourcePartition{w.plan.Sources[source].ID, p.Partition}] {
					continue
				}
				if err := g.machine.Idle(d, p.Partition, now.UnixMilli()); err != nil {
					return false, err
				}
			}
		}
		if g.machine.Due() {
			w.uncommitted, g.in.task.changed = true, true
			w.busy()
			return false, nil
		}
	}
	return true, nil
}

// pending says that a checkpoint has yet to read what the control topic says of
// an input, or to carry out what follows from it: a recovery, for one, whose
// actions an earlier process has committed and not carried out. What is due is
// done between two transactions (border), so a worker that is otherwise at the
// end has to commit and go round once more, not to commit for ever.
func (in *input) pending() bool {
	return in.barrier > 0 || slices.ContainsFunc(in.guards, func(g *guard) bool { return !g.loaded || g.machine.Due() })
}

// reenter begins anew with the inputs that outlive new clients: what their
// machines know may be behind what was committed.
func (cs *checkpoints) reenter() error {
	if cs == nil {
		return nil
	}
	for _, in := range cs.w.connectors {
		cs.leave(in)
		if err := cs.enter(in, 0); err != nil {
			return err
		}
	}
	cs.version = 0
	return nil
}
