//! Checkpoints in memory.

use std::fmt;
use std::rc::Rc;

use super::{Failure, Harness, Outcome};
use crate::checkpoint::{Check, Latency, Position};
use crate::error::{Error, Result};
use crate::export::{Item, ItemKind};
use crate::message::{self, Heartbeat, Marker};
use crate::native::{self, Event as Found, Machine, Shared};
use crate::runtime::Runtime;
use crate::value::{Plain, Writer};
use crate::wire::Reader;
use crate::zz_abi::{
    CHECK_DOWNTIME, CHECK_RECOVERY, FLAG_CHECK, FLAG_DOWNTIME, FLAG_RECOVERY, STATUS_ERROR,
};

/// How far a dependent may be ahead, in milliseconds.
const THRESHOLD: i64 = 10 * 60 * 1000;

/// A checkpoint in memory: markers, thresholds and who is down, as the host has
/// them with the default settings, for one partition of each dependency.
/// Several harnesses may share it ([`Harness::checkpoint`]): that of the
/// dependent's handler and those of the dependencies'. What is found is told
/// with [`Harness::border`].
#[derive(Clone)]
pub struct Checkpoint {
    pub(super) machine: Shared,
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.machine.borrow().fmt(f)
    }
}

impl Checkpoint {
    /// A checkpoint, named as handlers declare it, to which nothing has
    /// happened yet and without dependencies. One that no harness was given has
    /// a dependency named `dependency` with a threshold of 10 minutes.
    pub fn new(name: &str) -> Self {
        Checkpoint {
            machine: Rc::new(Machine::new(name).into()),
        }
    }

    /// Adds a dependency: its name, and how many milliseconds (or, with
    /// integers for markers, how much) the dependent may be ahead.
    pub fn dependency(self, name: &str, threshold_ms: i64) -> Self {
        self.machine.borrow_mut().add(name, threshold_ms);
        self
    }

    /// Tells how far a dependency is, as the handler of another module would;
    /// `None` is the only one.
    ///
    /// # Errors
    /// The checkpoint refuses it.
    pub fn heartbeat<'n>(
        &self,
        marker: Marker<'_>,
        dependency: impl Into<Option<&'n str>>,
    ) -> Result<Latency> {
        let dependency = dependency.into().map(str::as_bytes);
        let m = Heartbeat { dependency, marker };
        let mut reply = Vec::new();
        let answered = self.machine.borrow_mut().heartbeat(&m, &mut reply);
        let why = "the checkpoint refuses the heartbeat: an unknown dependency or a marker that \
                   cannot be compared";
        answered.ok_or_else(|| Error::failed(why))?;
        let latency = message::Latency::read(&reply).expect("written a moment ago");
        Ok(Latency::new(&latency))
    }

    /// For how long a dependency is down, in milliseconds; `None` if it is not.
    pub fn down(&self, dependency: &str) -> Option<i64> {
        self.machine.borrow().down(dependency)
    }

    /// Has `check` say what is down, in place of the threshold: with what
    /// [`Harness::check_downtime`] returns, the check of a handler; with
    /// anything else, a script. An error refuses the call.
    pub fn downtime_check(self, check: impl Fn(&Check<'_>) -> Result<i64> + 'static) -> Self {
        let script = move |m: &message::Check<'_>| check(&question(m)).ok();
        self.machine.borrow_mut().downtime = Some(Box::new(script));
        self
    }

    /// [`Checkpoint::downtime_check`] for the end of a downtime.
    pub fn recovery_check(self, check: impl Fn(&Check<'_>) -> Result<bool> + 'static) -> Self {
        let script = move |m: &message::Check<'_>| check(&question(m)).ok();
        self.machine.borrow_mut().recovery = Some(Box::new(script));
        self
    }
}

fn question<'a>(m: &message::Check<'a>) -> Check<'a> {
    Check {
        dependency: std::str::from_utf8(m.dependency).expect("names are text"),
        dependent_marker: m.dependent_marker,
        dependency_marker: m.dependency_marker,
        threshold_ms: m.threshold_ms,
    }
}

/// A downtime or a recovery by script; see [`Harness::downtime`] and
/// [`Harness::recovery`].
#[derive(Clone, Debug, Default)]
pub struct Event<'a> {
    /// The handler's name for the checkpoint.
    pub checkpoint: &'a str,
    /// The dependency's name in the manifest.
    pub dependency: &'a str,
    /// How far the dependent is.
    pub dependent_marker: Marker<'a>,
    /// How far the dependency is.
    pub dependency_marker: Marker<'a>,
    /// How long the dependency is down, of a downtime.
    pub ms: i64,
    /// Fields of the state.
    pub state: &'a [(&'a str, Plain<'a>)],
    /// Of a recovery.
    pub healthy: &'a [Position<'a>],
    /// Of a recovery.
    pub detected: &'a [Position<'a>],
}

impl Harness {
    /// Has the handler use a checkpoint that it lists by that name.
    ///
    /// # Panics
    /// If it lists none.
    pub fn checkpoint(mut self, checkpoint: &Checkpoint) -> Self {
        let at = self.checkpoint_id(&checkpoint.machine.borrow().name);
        self.machines();
        self.host.checkpoints[at] = checkpoint.machine.clone();
        self
    }

    /// The border of a commit: tells the handler which dependencies of its
    /// checkpoints went down and which recovered since the last one; an outcome
    /// for each that the handler wants to know.
    ///
    /// # Panics
    /// As [`Harness::send`].
    pub fn border(&mut self) -> Vec<Outcome> {
        self.machines();
        let mut all = Vec::new();
        for id in 0..self.host.checkpoints.len() {
            let events = self.host.checkpoints[id].borrow().events().to_vec();
            for event in &events[self.told[id].min(events.len())..] {
                let flag = if event.is_recovery {
                    FLAG_RECOVERY
                } else {
                    FLAG_DOWNTIME
                };
                if self.flags() & flag != 0 {
                    all.push(self.tell(id, event));
                }
            }
            self.told[id] = events.len();
        }
        all
    }

    /// Tells the handler that a dependency went down, whatever the checkpoint
    /// knows.
    ///
    /// # Panics
    /// If the handler takes no downtimes or lists no such checkpoint; and as
    /// [`Harness::send`].
    pub fn downtime(&mut self, event: &Event<'_>) -> Outcome {
        self.scripted(event, false)
    }

    /// Tells the handler that a dependency recovered, whatever the checkpoint
    /// knows.
    ///
    /// # Panics
    /// As [`Harness::downtime`]; and if a position is not of the source.
    pub fn recovery(&mut self, event: &Event<'_>) -> Outcome {
        self.scripted(event, true)
    }

    fn scripted(&mut self, event: &Event<'_>, is_recovery: bool) -> Outcome {
        let id = self.checkpoint_id(event.checkpoint);
        let mut state = Vec::new();
        let written = Writer::new(&mut state).fields(event.state);
        written.expect("the fields of a state");
        let positions = |all: &[Position<'_>]| {
            let own = all.iter().map(|p| message::Position {
                source: self.source_id(p.source),
                partition: p.partition,
                offset: p.offset,
            });
            own.collect()
        };
        let found = Found {
            is_recovery,
            dependency: event.dependency.to_owned(),
            dependent_marker: native::Owned::new(event.dependent_marker),
            dependency_marker: native::Owned::new(event.dependency_marker),
            ms: event.ms,
            state,
            healthy: positions(event.healthy),
            detected: positions(event.detected),
        };
        self.tell(id, &found)
    }

    fn tell(&mut self, id: usize, event: &Found) -> Outcome {
        let mut b = Vec::new();
        let (flag, kind) = if event.is_recovery {
            message::Recovery {
                checkpoint: id as i32,
                dependency: event.dependency.as_bytes(),
                dependent_marker: event.dependent_marker.marker(),
                dependency_marker: event.dependency_marker.marker(),
                state: &event.state,
                healthy: event.healthy.clone(),
                detected: event.detected.clone(),
            }
            .append(&mut b);
            (FLAG_RECOVERY, "recovery")
        } else {
            message::Downtime {
                checkpoint: id as i32,
                dependency: event.dependency.as_bytes(),
                dependent_marker: event.dependent_marker.marker(),
                dependency_marker: event.dependency_marker.marker(),
                downtime_ms: event.ms,
                state: &event.state,
            }
            .append(&mut b);
            (FLAG_DOWNTIME, "downtime")
        };
        let now = self.host.store.stream_time();
        self.event(flag, kind, &b, now)
    }

    /// Asks the handler's downtime check.
    ///
    /// # Errors
    /// What the check returned.
    ///
    /// # Panics
    /// If the handler has no check or lists no such checkpoint.
    pub fn check_downtime(&self, checkpoint: &str, check: &Check<'_>) -> Result<i64, Failure> {
        self.check(checkpoint, CHECK_DOWNTIME, check, |r| r.int())
    }

    /// Asks the handler's recovery check.
    ///
    /// # Errors
    /// What the check returned.
    ///
    /// # Panics
    /// As [`Harness::check_downtime`].
    pub fn check_recovery(&self, checkpoint: &str, check: &Check<'_>) -> Result<bool, Failure> {
        self.check(checkpoint, CHECK_RECOVERY, check, |r| r.bool())
    }

    /// Asks as the host does: an instance of its own, which has nothing but the
    /// message.
    fn check<T>(
        &self,
        checkpoint: &str,
        which: u64,
        check: &Check<'_>,
        read: impl FnOnce(&mut Reader<'_>) -> T,
    ) -> Result<T, Failure> {
        assert!(
            self.flags() & FLAG_CHECK != 0,
            "handler \"{}\" does not take kind check",
            self.function
        );
        let mut b = Vec::new();
        message::Check {
            checkpoint: self.checkpoint_id(checkpoint) as i32,
            which,
            dependency: check.dependency.as_bytes(),
            dependent_marker: check.dependent_marker,
            dependency_marker: check.dependency_marker,
            threshold_ms: check.threshold_ms,
        }
        .append(&mut b);
        let mut runtime: Runtime = self.instance().1;
        let outer = native::with(std::mem::take);
        let reply = runtime.process(0, &b).to_vec();
        native::with(|h| *h = outer);
        let mut r = Reader::new(&reply);
        match message::Answer::read(&mut r) {
            message::Answer::Value { value, .. } => {
                let mut r = Reader::new(value);
                let value = read(&mut r);
                assert!(r.ok(), "the answer is of another type");
                Ok(value)
            }
            message::Answer::Error(e) => {
                assert!(r.ok() && e.status == STATUS_ERROR, "no answer");
                Err(Failure {
                    code: e.code,
                    message: String::from_utf8_lossy(e.message).into_owned(),
                    retry_after_ms: e.retry_after_ms,
                })
            }
        }
    }

    fn flags(&self) -> u64 {
        let flags = self.items().iter().map(|i| i.options().flags);
        flags.fold(0, |all, f| all | f)
    }

    /// Makes the checkpoints that no harness was given.
    pub(super) fn machines(&mut self) {
        for name in self
            .checkpoints()
            .into_iter()
            .skip(self.host.checkpoints.len())
        {
            let mut machine = Machine::new(name);
            machine.add("dependency", THRESHOLD);
            self.host.checkpoints.push(Rc::new(machine.into()));
            self.told.push(0);
        }
    }

    /// The names of the checkpoints that the handler lists, each once.
    pub(super) fn checkpoints(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        let of_kind = |i: &&&dyn Item| i.kind() == ItemKind::Checkpoint;
        let items = self.items().iter().filter(of_kind);
        for name in items.filter_map(|i| i.decl()).map(|d| d.name) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn checkpoint_id(&self, name: &str) -> usize {
        let id = self.checkpoints().iter().position(|c| *c == name);
        id.unwrap_or_else(|| panic!("the handler lists no checkpoint \"{}\"", name))
    }
}
