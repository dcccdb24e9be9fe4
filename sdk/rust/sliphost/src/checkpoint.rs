//! Checkpoints: sources that wait for others.

mod event;
mod seek;

use std::ops::Deref;

pub use event::{Check, Downtime, OnCheck, OnDowntime, OnRecovery, Recovery};
pub use seek::{Position, Seek};

use crate::abi;
use crate::binding::Decl;
use crate::call::Call;
use crate::error::{join, Error, Result};
use crate::export::{Item, ItemKind};
use crate::message::{self, Marker};
use crate::value::{Plain, Writer};
use crate::wire::{append_array_header, append_map_header, append_nil, append_str};
use crate::zz_abi::{CODE_MESSAGE, MAX_MARKER};

/// A checkpoint: it watches how far a source, the dependent, is ahead of those
/// it depends on, and holds it back while one of them is down. Declare it as a
/// static and list it in [`export!`](crate::export); the manifest says which
/// sources it is about and what is done when one goes down.
///
/// Handlers tell it how far they are, each of a dependency with
/// [`Checkpoint::heartbeat`] and each of the dependent with
/// [`Checkpoint::check_pulse`], unless the manifest takes the markers from the
/// records itself. They may be told in turn: [`Checkpoint::on_downtime`] and
/// [`Checkpoint::on_recovery`]. What is down is decided by times or integers
/// and a threshold, or by [`Checkpoint::downtime_check`] and
/// [`Checkpoint::recovery_check`].
///
/// What a record told a checkpoint counts with the record, and is undone when
/// it fails.
///
/// ```
/// use sliphost::prelude::*;
/// use sliphost::testing::{self, Harness, Input};
/// use sliphost::{Checkpoint, Marker, Recovery};
///
/// static WEATHER: Checkpoint = Checkpoint::new("weather-first");
///
/// fn activity(call: &mut Call, rec: Record<'_>) -> Result<()> {
///     let partition = rec.partition().to_string();
///     let state = [(&*partition, rec.offset().into())];
///     let down = WEATHER.check_pulse(call, Marker::Time(rec.timestamp()), &state)?;
///     if let Some(first) = down.first() {
///         log!(call, Level::Warn, "{} is down for {} ms", first.dependency, first.ms);
///     }
///     call.emit(rec.key(), rec.value());
///     Ok(())
/// }
///
/// /// Has what was handled without the weather handled again.
/// fn recovered(call: &mut Call, recovery: &Recovery<'_>) -> Result<()> {
///     for position in &recovery.detected {
///         call.seek_to(position)?;
///     }
///     Ok(())
/// }
///
/// export! { "activity" => activity, WEATHER.on_recovery(recovered) }
///
/// # fn main() -> Result<()> {
/// let weather = testing::Checkpoint::new("weather-first").dependency("weather", 1000);
/// let mut activity = Harness::new(HANDLERS, "activity").checkpoint(&weather);
/// weather.heartbeat(Marker::Time(10_000), None)?;
/// activity.send(Input::new("ride").timestamp(12_000));
/// assert_eq!(weather.down("weather"), Some(2000));
/// weather.heartbeat(Marker::Time(12_001), None)?;
/// let calls = activity.border();
/// assert_eq!(calls[0].seeks, [("in".to_owned(), 0, 0)]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Every method returns an error for a checkpoint that
/// [`export!`](crate::export) does not list for the handler or the manifest
/// does not bind.
#[derive(Debug)]
pub struct Checkpoint {
    pub(crate) decl: Decl,
}

/// What a heartbeat learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    /// The dependency is down, also after this heartbeat.
    pub is_late: bool,
    dependent: Kept,
    dependency: Kept,
}

/// A marker that belongs to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    None,
    Int(i64),
    Text(Box<[u8]>),
    Time(i64),
}

impl Kept {
    #[inline]
    fn new(m: Marker<'_>) -> Self {
        match m {
            Marker::None => Kept::None,
            Marker::Int(n) => Kept::Int(n),
            Marker::Text(text) => Kept::Text(text.into()),
            Marker::Time(ms) => Kept::Time(ms),
        }
    }

    fn marker(&self) -> Marker<'_> {
        match self {
            Kept::None => Marker::None,
            Kept::Int(n) => Marker::Int(*n),
            Kept::Text(text) => Marker::Text(text),
            Kept::Time(ms) => Marker::Time(*ms),
        }
    }
}

impl Latency {
    #[inline]
    pub(crate) fn new(m: &message::Latency<'_>) -> Self {
        Latency {
            is_late: m.is_late,
            dependent: Kept::new(m.dependent_marker),
            dependency: Kept::new(m.dependency_marker),
        }
    }

    /// How far the dependent is; none before its first pulse.
    pub fn dependent(&self) -> Marker<'_> {
        self.dependent.marker()
    }

    /// The marker just given.
    pub fn dependency(&self) -> Marker<'_> {
        self.dependency.marker()
    }
}

/// A dependency that is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    /// Its name in the manifest.
    pub dependency: String,
    /// For how long, in milliseconds, as the check found it last.
    pub ms: i64,
}

/// The dependencies that are down, in the order of the manifest: a slice of
/// [`Down`], whose `first` tells whether there is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Downtimes(Vec<Down>);

impl Downtimes {
    /// For how long a dependency is down; `None` if it is not.
    pub fn of(&self, dependency: &str) -> Option<i64> {
        let down = self.0.iter().find(|d| d.dependency == dependency);
        down.map(|d| d.ms)
    }
}

impl Deref for Downtimes {
    type Target = [Down];

    fn deref(&self) -> &[Down] {
        &self.0
    }
}

impl Checkpoint {
    /// Declares a checkpoint; `name` is the module's own name for it.
    pub const fn new(name: &'static str) -> Self {
        Checkpoint {
            decl: Decl::new(name),
        }
    }

    /// Tells how far a dependency is: the handler of its source calls it for
    /// each record. `dependency` is its name in the manifest, `None` for the
    /// checkpoint's only one. If it was down and has caught up, the checkpoint
    /// recovers once the record counts.
    ///
    /// # Errors
    /// A dependency that is unknown, or `None` where there are several; a
    /// marker that the checkpoint's check cannot compare.
    pub fn heartbeat<'n>(
        &self,
        call: &mut Call,
        marker: Marker<'_>,
        dependency: impl Into<Option<&'n str>>,
    ) -> Result<Latency> {
        let id = self.id(call, marker)?;
        let request = &mut call.scratch;
        request.clear();
        append_array_header(request, 2);
        match dependency.into() {
            None => append_nil(request),
            Some(name) => append_str(request, name.as_bytes()),
        }
        marker.append(request);
        self.check(abi::checkpoint_heartbeat(id, request, &mut call.held))?;
        match message::Latency::read(&call.held) {
            Ok(m) => Ok(Latency::new(&m)),
            Err(_) => Err(self.garbled()),
        }
    }

    /// Tells how far the dependent is: the handler of its source calls it for
    /// each record. It returns the dependencies that are down; if there are
    /// any, the record still counts and its outputs stand, and the dependent
    /// pauses behind it.
    ///
    /// `state` are fields to set in the dependent's state, which is kept with
    /// the checkpoint and comes with a downtime and a recovery: what was set
    /// before stays, and all of it has at most 65536 bytes. Their names differ.
    ///
    /// # Errors
    /// A marker that the checkpoint's check cannot compare, a state that is too
    /// large.
    pub fn check_pulse(
        &self,
        call: &mut Call,
        marker: Marker<'_>,
        state: &[(&str, Plain<'_>)],
    ) -> Result<Downtimes> {
        let id = self.id(call, marker)?;
        let request = &mut call.scratch;
        request.clear();
        append_array_header(request, 2);
        marker.append(request);
        append_map_header(request, state.len());
        for (name, value) in state {
            append_str(request, name.as_bytes());
            Writer::new(request).plain(*value);
        }
        let n = abi::checkpoint_pulse(id, request, &mut call.held);
        if n == 0 {
            return Ok(Downtimes::default());
        }
        self.check(n)?;
        self.down(&call.held)
    }

    /// Reads what a pulse found.
    #[cold]
    fn down(&self, list: &[u8]) -> Result<Downtimes> {
        let list = message::DowntimeList::read(list).map_err(|_| self.garbled())?;
        let down = list.down.iter().map(|(name, ms)| Down {
            dependency: String::from_utf8_lossy(name).into_owned(),
            ms: *ms,
        });
        Ok(Downtimes(down.collect()))
    }

    /// Has `run` called when a dependency goes down, at the commit border behind
    /// the record that found it: list the result in
    /// [`export!`](crate::export), which lists the checkpoint, too. What it
    /// emits and writes to caches counts if it returns `Ok`; an output without a
    /// timestamp has that of stream time. [`Call::seek`] is allowed.
    pub const fn on_downtime(
        &'static self,
        run: fn(&mut Call, &Downtime<'_>) -> Result<()>,
    ) -> OnDowntime {
        OnDowntime::new(self, run)
    }

    /// Has `run` called when a dependency has recovered, at the commit border
    /// before the dependent resumes, if the manifest has
    /// `on_recovery = "call"`; otherwise as [`Checkpoint::on_downtime`]. It may
    /// go back: [`Call::seek`] and [`Call::seek_to`].
    pub const fn on_recovery(
        &'static self,
        run: fn(&mut Call, &Recovery<'_>) -> Result<()>,
    ) -> OnRecovery {
        OnRecovery::new(self, run)
    }

    /// Has `check` say for how long a dependency is down, in milliseconds, 0 or
    /// less for not at all, in place of the check that compares times or
    /// integers with the threshold: list the result in
    /// [`export!`](crate::export), which lists the checkpoint, too.
    ///
    /// It must depend on nothing but the [`Check`] and the handler's
    /// parameters: it is called in an instance of its own, and caches and
    /// checkpoints are not there. It cannot emit.
    pub const fn downtime_check(
        &'static self,
        check: fn(&mut Call, &Check<'_>) -> Result<i64>,
    ) -> OnCheck {
        OnCheck::downtime(self, check)
    }

    /// Has `check` say whether a dependency that was down has recovered, in
    /// place of the check that wants its marker ahead of the dependent's. The
    /// rules of [`Checkpoint::downtime_check`] hold.
    pub const fn recovery_check(
        &'static self,
        check: fn(&mut Call, &Check<'_>) -> Result<bool>,
    ) -> OnCheck {
        OnCheck::recovery(self, check)
    }

    #[inline]
    fn id(&self, call: &Call, marker: Marker<'_>) -> Result<i32> {
        match marker {
            Marker::Text(text) if text.len() > MAX_MARKER => {
                Err(self.wrong("a text marker has at most 255 bytes"))
            }
            _ => call.bound().id("checkpoint", &self.decl),
        }
    }

    #[cold]
    fn wrong(&self, why: &str) -> Error {
        Error::failed(join(&["checkpoint \"", self.decl.name, "\": ", why]))
    }

    #[cold]
    fn garbled(&self) -> Error {
        let mut e = self.wrong("the host's answer cannot be read");
        e.code = CODE_MESSAGE;
        e
    }

    #[inline]
    fn check(&self, result: i64) -> Result<()> {
        if result < 0 {
            return Err(Error::host("checkpoint", self.decl.name, result));
        }
        Ok(())
    }
}

impl Item for Checkpoint {
    fn kind(&self) -> ItemKind {
        ItemKind::Checkpoint
    }

    fn decl(&self) -> Option<&Decl> {
        Some(&self.decl)
    }

    fn rollback(&self) -> Option<fn()> {
        Some(abi::rollback_record)
    }
}
