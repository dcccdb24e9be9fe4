//! Checkpoints in memory, with the default settings of a host and one partition
//! of each dependency.

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::rc::Rc;

use crate::message::{Check, DowntimeList, Heartbeat, Latency, Marker, Position, Pulse};
use crate::wire::{append_map_header, Reader};
use crate::zz_abi::{CHECK_DOWNTIME, CHECK_RECOVERY, MAX_STATE};

/// A marker that belongs to itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Owned {
    #[default]
    None,
    Int(i64),
    Text(Vec<u8>),
    Time(i64),
}

impl Owned {
    pub(crate) fn new(m: Marker<'_>) -> Self {
        match m {
            Marker::None => Owned::None,
            Marker::Int(n) => Owned::Int(n),
            Marker::Text(text) => Owned::Text(text.to_vec()),
            Marker::Time(ms) => Owned::Time(ms),
        }
    }

    pub(crate) fn marker(&self) -> Marker<'_> {
        match self {
            Owned::None => Marker::None,
            Owned::Int(n) => Marker::Int(*n),
            Owned::Text(text) => Marker::Text(text),
            Owned::Time(ms) => Marker::Time(*ms),
        }
    }
}

/// A downtime or a recovery that a handler is to be told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Event {
    pub(crate) is_recovery: bool,
    pub(crate) dependency: String,
    pub(crate) dependent_marker: Owned,
    pub(crate) dependency_marker: Owned,
    pub(crate) ms: i64,
    pub(crate) state: Vec<u8>,
    pub(crate) healthy: Vec<Position>,
    pub(crate) detected: Vec<Position>,
}

#[derive(Clone, Debug, Default)]
struct Dependency {
    name: String,
    threshold: i64,
    marker: Owned,
    state: Vec<u8>,
    down: bool,
    ms: i64,
    healthy: Vec<Position>,
    detected: Vec<Position>,
}

/// What changes, and what it is made of.
#[derive(Clone, Debug, Default)]
struct State {
    marker: Owned,
    /// Names and values as msgpack.
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    positions: Vec<Position>,
    dependencies: Vec<Dependency>,
    events: Vec<Event>,
}

/// A check by script; `None` refuses the call.
pub(crate) type DowntimeScript = Box<dyn Fn(&Check<'_>) -> Option<i64>>;
/// And for the end of a downtime.
pub(crate) type RecoveryScript = Box<dyn Fn(&Check<'_>) -> Option<bool>>;

#[derive(Default)]
pub(crate) struct Machine {
    pub(crate) name: String,
    state: State,
    /// What there was before the record at hand, if it made a call.
    saved: Option<State>,
    pub(crate) downtime: Option<DowntimeScript>,
    pub(crate) recovery: Option<RecoveryScript>,
}

/// One that several harnesses may share.
pub(crate) type Shared = Rc<RefCell<Machine>>;

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.name, self.state)
    }
}

impl Machine {
    pub(crate) fn new(name: &str) -> Self {
        Machine {
            name: name.to_owned(),
            ..Machine::default()
        }
    }

    pub(crate) fn add(&mut self, name: &str, threshold: i64) {
        self.state.dependencies.push(Dependency {
            name: name.to_owned(),
            threshold,
            ..Dependency::default()
        });
    }

    pub(crate) fn down(&self, name: &str) -> Option<i64> {
        let all = &mut self.state.dependencies.iter();
        all.find(|d| d.name == name && d.down).map(|d| d.ms)
    }

    pub(crate) fn events(&self) -> &[Event] {
        &self.state.events
    }

    /// Takes back what the record at hand did.
    pub(super) fn undo(&mut self) {
        if let Some(saved) = self.saved.take() {
            self.state = saved;
        }
    }

    /// Has what the record at hand did count.
    pub(super) fn settle(&mut self) {
        self.saved = None;
    }

    /// Runs a call; one that is refused has no effect.
    fn call<T>(&mut self, f: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let before = self.state.clone();
        let result = f(self);
        if result.is_none() {
            self.state = before;
        } else if self.saved.is_none() {
            self.saved = Some(before);
        }
        result
    }

    /// What checkpoint_heartbeat does; `None` refuses it.
    pub(crate) fn heartbeat(&mut self, m: &Heartbeat<'_>, reply: &mut Vec<u8>) -> Option<()> {
        self.call(|k| k.beat(m, reply))
    }

    fn beat(&mut self, m: &Heartbeat<'_>, reply: &mut Vec<u8>) -> Option<()> {
        let all = &self.state.dependencies;
        let at = match m.dependency {
            Some(name) => all.iter().position(|d| d.name.as_bytes() == name)?,
            None if all.len() == 1 => 0,
            None => return None,
        };
        if m.marker == Marker::None {
            return None;
        }
        let state = self.encoded();
        self.state.dependencies[at].marker = Owned::new(m.marker);
        self.state.dependencies[at].state = state.clone();
        if !self.state.dependencies[at].down {
            if !self.comparable(m.marker) {
                return None;
            }
        } else if self.recovered(at)? {
            let d = &mut self.state.dependencies[at];
            d.down = false;
            let event = Event {
                is_recovery: true,
                dependency: d.name.clone(),
                dependent_marker: self.state.marker.clone(),
                dependency_marker: d.marker.clone(),
                ms: 0,
                state,
                healthy: d.healthy.clone(),
                detected: d.detected.clone(),
            };
            self.state.events.push(event);
        }
        let d = &mut self.state.dependencies[at];
        if !d.down {
            d.healthy.clone_from(&self.state.positions);
        }
        Latency {
            is_late: d.down,
            dependent_marker: self.state.marker.marker(),
            dependency_marker: d.marker.marker(),
        }
        .append(reply);
        Some(())
    }

    /// What checkpoint_pulse does for a record that stands somewhere; `None`
    /// refuses it.
    pub(crate) fn pulse(&mut self, m: &Pulse<'_>, at: Position, reply: &mut Vec<u8>) -> Option<()> {
        self.call(|k| k.beat_of_dependent(m, at, reply))
    }

    fn beat_of_dependent(
        &mut self,
        m: &Pulse<'_>,
        at: Position,
        reply: &mut Vec<u8>,
    ) -> Option<()> {
        if m.marker == Marker::None {
            return None;
        }
        self.state.marker = Owned::new(m.marker);
        self.set(m.state);
        let here = |p: &Position| (p.source, p.partition) == (at.source, at.partition);
        self.state.positions.retain(|p| !here(p));
        self.state.positions.push(at);
        let state = self.encoded();
        if state.len() > MAX_STATE {
            return None;
        }
        for i in 0..self.state.dependencies.len() {
            let d = &mut self.state.dependencies[i];
            if d.marker == Owned::None {
                d.marker = self.state.marker.clone();
                d.state.clone_from(&state);
            }
            let ms = self.downtime(i)?;
            if ms <= 0 {
                continue;
            }
            let d = &mut self.state.dependencies[i];
            d.ms = ms;
            if !mem::replace(&mut d.down, true) {
                d.detected.clone_from(&self.state.positions);
                let event = Event {
                    dependency: d.name.clone(),
                    dependent_marker: self.state.marker.clone(),
                    dependency_marker: d.marker.clone(),
                    ms,
                    state: state.clone(),
                    ..Event::default()
                };
                self.state.events.push(event);
            }
        }
        let down = self.state.dependencies.iter().filter(|d| d.down);
        let down = down.map(|d| (d.name.as_bytes(), d.ms)).collect();
        DowntimeList { down }.append(reply);
        Some(())
    }

    fn set(&mut self, raw: &[u8]) {
        let mut r = Reader::new(raw);
        for _ in 0..r.map() {
            let (name, value) = (r.skip().to_vec(), r.skip().to_vec());
            let mut fields = self.state.fields.iter_mut();
            match fields.find(|f| f.0 == name) {
                Some(field) => field.1 = value,
                None => self.state.fields.push((name, value)),
            }
        }
    }

    fn encoded(&self) -> Vec<u8> {
        let mut b = Vec::new();
        append_map_header(&mut b, self.state.fields.len());
        for (name, value) in &self.state.fields {
            b.extend_from_slice(name);
            b.extend_from_slice(value);
        }
        b
    }

    /// What a check of the handler's own is asked.
    fn question(&self, which: u64, at: usize) -> Check<'_> {
        let d = &self.state.dependencies[at];
        Check {
            checkpoint: 0,
            which,
            dependency: d.name.as_bytes(),
            dependent_marker: self.state.marker.marker(),
            dependency_marker: d.marker.marker(),
            threshold_ms: d.threshold,
        }
    }

    fn comparable(&self, m: Marker<'_>) -> bool {
        let dependent = self.state.marker.marker();
        self.downtime.is_some() || dependent == Marker::None || m.ahead_of(dependent).is_some()
    }

    fn downtime(&self, at: usize) -> Option<i64> {
        let q = self.question(CHECK_DOWNTIME, at);
        match &self.downtime {
            Some(script) => script(&q),
            None => {
                let ahead = q.dependent_marker.ahead_of(q.dependency_marker)?;
                Some(if ahead > q.threshold_ms { ahead } else { 0 })
            }
        }
    }

    fn recovered(&self, at: usize) -> Option<bool> {
        let q = self.question(CHECK_RECOVERY, at);
        match &self.recovery {
            Some(script) => script(&q),
            None => Some(q.dependency_marker.ahead_of(q.dependent_marker)? > 0),
        }
    }
}
