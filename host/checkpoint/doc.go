// Package checkpoint decides when a stream that depends on others must wait
// for them: the seed's Checkpoint and Dependency as a state machine. It has no
// goroutine, no clock and does no I/O. Whoever drives it hands in events with
// their time and carries out the actions that come of them.
//
// # Who drives it, and when
//
// There is one Machine for each checkpoint and partition of the dependent
// source. It belongs to one goroutine.
//
//   - A record of the dependent is a Pulse, one of a dependency a Heartbeat,
//     which goes to every machine of the checkpoint. Both answer at once, so
//     they can serve a guest that waits for the result of a host call.
//   - What must be done outside (pause, call the handler, seek, resume) is
//     queued. Due says that something waits: the batch should end after the
//     record. At the commit border the driver first answers the open checks
//     (Check, AnswerDowntime, AnswerRecovery), then takes one action after the
//     other (Next), carries it out and says Done.
//   - Tick comes from a timer, about each second; it is needed for MaxPause,
//     WallClock and for partitions that become idle while nothing arrives.
//
// All times are milliseconds of one clock, the driver's wall clock. They are
// used for what is about waiting (idle, max_pause, silence), never for the
// markers, which are what the records say.
//
// # Checks of the user's own
//
// A default check is done within the event. One of the user's own is a call
// into a guest, which cannot happen while that guest waits for the answer of a
// host call: the event only opens the check, and the driver asks it at the
// border with the markers as they are then. Pulses of one batch open one
// check, not one each; a driver that wants the seed's order, where each pulse
// asks, ends the batch when Due. Until it is answered, Pulse reports what
// was known before.
//
// # Records that are taken back
//
// Every change is journalled: Mark names a moment, Undo returns to it,
// including the queue of actions and those that were Done since. Forget is for
// the commit: nothing before it can be undone. Undo(0) is for the abort. After
// Undo the driver compares Held with what it holds.
//
// # Durable form
//
// AppendSnapshot writes everything that must outlive the process, the actions
// not yet done among it. An action that was Done is in no snapshot written
// later: if the snapshot commits together with what the action did, the action
// happens once. Load reads it back.
package checkpoint
