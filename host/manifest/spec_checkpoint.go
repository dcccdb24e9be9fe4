package manifest

import "time"

func checkpointField() field {
	return field{
		name: "checkpoint", kind: fieldTables, id: "checkpoint",
		help: "[checkpoint.ID] holds a source back, the dependent, while one of those it depends on is too far behind: each partition by itself, without leaving the consumer group, while everything else goes on. How far a source has come is told by markers.",
		add:  adder(func(m *Manifest) *[]Checkpoint { return &m.Checkpoints }, func(c *Checkpoint) *string { return &c.ID }),
		each: walker(func(m *Manifest) *[]Checkpoint { return &m.Checkpoints }, func(c *Checkpoint) *string { return &c.ID }),
		table: &table{fields: []field{
			{
				name: "pause", kind: fieldBool, def: "true", example: "false",
				help: "Whether the dependent waits while a dependency is down. Without it downtimes are only told: in metrics, logs, and to handlers.",
				slot: at(func(c *Checkpoint) *bool { return &c.Pause }),
			},
			{
				name: "on_recovery", kind: fieldChoice, def: string(RecoveryResume), example: `"seek:detected"`,
				help: "Where the dependent goes on when no dependency is down any more. Records that are read again come only to the handlers that have the checkpoint in their key checkpoint, marked as replayed.",
				choices: []choice{
					{name: string(RecoveryResume), help: "Where it stopped."},
					{name: string(RecoverySeekHealthy), help: "At the record that was processed last when the dependency was heard of last before it went down: everything since then may have been processed with old data."},
					{name: string(RecoverySeekDetected), help: "At the record with which the downtime was found."},
					{name: string(RecoveryCall), help: "Where the recovery call of a handler seeks to; where it stopped, if that does not seek."},
				},
				slot: textAt(func(c *Checkpoint) *OnRecovery { return &c.OnRecovery }),
			},
			{
				name: "max_pause", kind: fieldDuration, defNote: "no end", min: sec, max: 365 * 24 * 3600 * sec, example: `"1h"`,
				help: "The longest time that the dependent waits.",
				slot: at(func(c *Checkpoint) *time.Duration { return &c.MaxPause }),
			},
			{
				name: "on_max_pause", kind: fieldChoice, def: string(MaxPauseFail), example: `"resume"`,
				help: "What follows when the dependent has waited for max_pause.",
				choices: []choice{
					{name: string(MaxPauseFail), help: "The partition counts as stopped: status and health say so, and a run until idle fails. It still goes on when the dependencies return."},
					{name: string(MaxPauseResume), help: "Go on without them, until all are up again and one goes down anew."},
				},
				slot: textAt(func(c *Checkpoint) *MaxPausePolicy { return &c.OnMaxPause }),
			},
			{
				name: "wall_clock", kind: fieldBool, def: "false", example: "true",
				help: "Also look for downtimes by the clock: a dependency that was not heard of for longer than its threshold is down, even while the dependent has no records.",
				slot: at(func(c *Checkpoint) *bool { return &c.WallClock }),
			},
			{
				name: "mode", kind: fieldChoice, def: string(CheckpointDefault), example: `"compat"`,
				help: "Which behaviour the checkpoint has.",
				choices: []choice{
					{name: string(CheckpointDefault), help: "Downtimes are kept over restarts, told once each, and recovery calls come before the seek and the seek before the first record."},
					{name: string(CheckpointCompat), help: "That of slipstream, for programs that rely on it: downtimes are told at each record that finds them and forgotten by a restart."},
				},
				slot: textAt(func(c *Checkpoint) *CheckpointMode { return &c.Mode }),
			},
			{
				name: "dependent", kind: fieldTable,
				help: "The source that waits.",
				sub:  inside(func(c *Checkpoint) *CheckpointSide { return &c.Dependent }),
				table: &table{fields: sideFields(
					func(s *CheckpointSide) *string { return &s.source },
					func(s *CheckpointSide) *Marker { return &s.Marker })},
			},
			{
				name: "dependency", kind: fieldTables, id: "dependency",
				help: "A source that is waited for. ID is what handlers and logs call it.",
				add:  adder(func(c *Checkpoint) *[]Dependency { return &c.Dependencies }, func(d *Dependency) *string { return &d.ID }),
				each: walker(func(c *Checkpoint) *[]Dependency { return &c.Dependencies }, func(d *Dependency) *string { return &d.ID }),
				table: &table{fields: append(sideFields(
					func(d *Dependency) *string { return &d.source },
					func(d *Dependency) *Marker { return &d.Marker }), dependencyFields()...)},
			},
		}},
	}
}

// sideFields are the keys that both ends of a checkpoint have.
func sideFields[P any](source func(*P) *string, marker func(*P) *Marker) []field {
	return []field{
		{
			name: "source", kind: fieldString, required: true, example: `"weather"`, check: checkNotEmpty,
			help: "The source as the handlers that read it name it: the id of a topic or repartition, a file, or stdin.",
			slot: textAt(source),
		},
		{
			name: "marker", kind: fieldMarker, def: markerTimestamp, example: `{ at = "/date", layout = "2006-01-02" }`,
			help: `Where a record's marker is: "timestamp" is the record's own, { at = "/date", layout = "2006-01-02" } a field of the value, given by a JSON pointer and, for a time written as text, its layout in the notation of Go's package time (without a layout: an integer, RFC 3339, or any text), and "call" what handlers say by heartbeat and check_pulse. The first two need no code. A record without its marker counts as one that cannot be decoded: on_error of the handlers decides.`,
			slot: at(marker),
		},
	}
}

// dependencyFields are those that a dependency has beside them.
func dependencyFields() []field {
	return []field{
		{
			name: "threshold", kind: fieldDuration, def: "10m", min: ms, max: 3650 * 24 * 3600 * sec, example: `"1h"`,
			help: "How far the dependency's marker may be behind the dependent's. Between integers the difference counts as milliseconds.",
			slot: at(func(d *Dependency) *time.Duration { return &d.Threshold }),
		},
		{
			name: "idle_after", kind: fieldDuration, defNote: "the threshold", min: ms, max: 3650 * 24 * 3600 * sec, example: `"10m"`,
			help: "A dependency has come as far as the last of its partitions. One that was silent for this long does not count, else an empty partition would pause the dependent for ever.",
			slot: at(func(d *Dependency) *time.Duration { return &d.IdleAfter }),
		},
		{
			name: "checks", kind: fieldStrings, example: `["downtime", "recovery"]`,
			help: `Which of the two questions, "downtime" and "recovery", a handler answers in place of the host: the first one that has the checkpoint in its key checkpoint and a function with checks.`,
			slot: at(func(d *Dependency) *[]string { return &d.checks }),
		},
	}
}
