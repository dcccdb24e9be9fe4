//! What a checkpoint tells and asks.

use std::fmt;

use super::seek::{positions, Position};
use super::Checkpoint;
use crate::abi;
use crate::binding::{text, Decl, Slot};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::export::{Item, ItemKind, Options};
use crate::message::{self, Marker};
use crate::runtime::unreadable;
use crate::value::Doc;
use crate::wire::{append_bool, append_int};
use crate::zz_abi::{
    CHECK_DOWNTIME, CHECK_RECOVERY, FLAG_CHECK, FLAG_DOWNTIME, FLAG_RECOVERY, KIND_CHECK,
    KIND_DOWNTIME, KIND_RECOVERY,
};

/// A dependency of a checkpoint went down.
#[derive(Clone, Debug)]
pub struct Downtime<'a> {
    /// Its name in the manifest.
    pub dependency: &'a str,
    /// At detection.
    pub dependent_marker: Marker<'a>,
    /// At detection.
    pub dependency_marker: Marker<'a>,
    /// What the check found, in milliseconds, above 0.
    pub ms: i64,
    /// The dependent's state at detection, a map.
    pub state: Doc<'a>,
}

/// A dependency of a checkpoint recovered.
#[derive(Clone, Debug)]
pub struct Recovery<'a> {
    /// Its name in the manifest.
    pub dependency: &'a str,
    /// At recovery.
    pub dependent_marker: Marker<'a>,
    /// At recovery.
    pub dependency_marker: Marker<'a>,
    /// The dependency's checkpoint state, a map: the dependent's state at the
    /// last heartbeat.
    pub state: Doc<'a>,
    /// The dependent's positions at the last heartbeat before the downtime.
    pub healthy: Vec<Position<'a>>,
    /// The dependent's positions when the downtime was found: what lies between
    /// was handled without the dependency.
    pub detected: Vec<Position<'a>>,
}

/// A question of a checkpoint's to a check of the handler's own.
#[derive(Clone, Debug)]
pub struct Check<'a> {
    /// The name of the dependency in question in the manifest.
    pub dependency: &'a str,
    /// To be judged; none if there was no pulse yet.
    pub dependent_marker: Marker<'a>,
    /// To be judged; none if there was no heartbeat yet.
    pub dependency_marker: Marker<'a>,
    /// The dependency's threshold in the manifest, in milliseconds.
    pub threshold_ms: i64,
}

/// Declares an item that a checkpoint calls.
macro_rules! item {
    ($(#[$doc:meta])* $name:ident, $run:ty, $flag:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name {
            checkpoint: &'static Checkpoint,
            run: $run,
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.checkpoint.decl.name)
            }
        }

        impl Item for $name {
            fn kind(&self) -> ItemKind {
                ItemKind::Checkpoint
            }

            fn decl(&self) -> Option<&Decl> {
                Some(&self.checkpoint.decl)
            }

            fn rollback(&self) -> Option<fn()> {
                Some(abi::rollback_record)
            }

            fn options(&self) -> Options {
                Options::flag($flag)
            }

            fn take(&self, call: &mut Call, kind: u64, message: &[u8]) -> Result<bool> {
                self.taken(call, kind, message)
            }
        }
    };
}

item! {
    /// What [`Checkpoint::on_downtime`] returns.
    OnDowntime, fn(&mut Call, &Downtime<'_>) -> Result<()>, FLAG_DOWNTIME
}

item! {
    /// What [`Checkpoint::on_recovery`] returns.
    OnRecovery, fn(&mut Call, &Recovery<'_>) -> Result<()>, FLAG_RECOVERY
}

item! {
    /// What [`Checkpoint::downtime_check`] and [`Checkpoint::recovery_check`]
    /// return.
    OnCheck, Question, FLAG_CHECK
}

#[derive(Clone, Copy)]
enum Question {
    Downtime(fn(&mut Call, &Check<'_>) -> Result<i64>),
    Recovery(fn(&mut Call, &Check<'_>) -> Result<bool>),
}

/// Whether a message is about a checkpoint, which it names by its id.
fn about(call: &Call, checkpoint: &Checkpoint, id: i32) -> bool {
    matches!(call.bound().slot(&checkpoint.decl), Slot::Id(own) if own == id)
}

impl OnDowntime {
    pub(super) const fn new(
        checkpoint: &'static Checkpoint,
        run: fn(&mut Call, &Downtime<'_>) -> Result<()>,
    ) -> Self {
        OnDowntime { checkpoint, run }
    }

    fn taken(&self, call: &mut Call, kind: u64, message: &[u8]) -> Result<bool> {
        if kind != KIND_DOWNTIME {
            return Ok(false);
        }
        let m = message::Downtime::read(message).map_err(|e| unreadable(e.want))?;
        if about(call, self.checkpoint, m.checkpoint) {
            let downtime = Downtime {
                dependency: text(m.dependency),
                dependent_marker: m.dependent_marker,
                dependency_marker: m.dependency_marker,
                ms: m.downtime_ms,
                state: Doc::parse(m.state)?,
            };
            (self.run)(call, &downtime)?;
        }
        Ok(true)
    }
}

impl OnRecovery {
    pub(super) const fn new(
        checkpoint: &'static Checkpoint,
        run: fn(&mut Call, &Recovery<'_>) -> Result<()>,
    ) -> Self {
        OnRecovery { checkpoint, run }
    }

    fn taken(&self, call: &mut Call, kind: u64, message: &[u8]) -> Result<bool> {
        if kind != KIND_RECOVERY {
            return Ok(false);
        }
        let m = message::Recovery::read(message).map_err(|e| unreadable(e.want))?;
        if about(call, self.checkpoint, m.checkpoint) {
            let bound = call.bound();
            let recovery = Recovery {
                dependency: text(m.dependency),
                dependent_marker: m.dependent_marker,
                dependency_marker: m.dependency_marker,
                state: Doc::parse(m.state)?,
                healthy: positions(bound, &m.healthy),
                detected: positions(bound, &m.detected),
            };
            (self.run)(call, &recovery)?;
        }
        Ok(true)
    }
}

impl OnCheck {
    pub(super) const fn downtime(
        checkpoint: &'static Checkpoint,
        check: fn(&mut Call, &Check<'_>) -> Result<i64>,
    ) -> Self {
        OnCheck {
            checkpoint,
            run: Question::Downtime(check),
        }
    }

    pub(super) const fn recovery(
        checkpoint: &'static Checkpoint,
        check: fn(&mut Call, &Check<'_>) -> Result<bool>,
    ) -> Self {
        OnCheck {
            checkpoint,
            run: Question::Recovery(check),
        }
    }

    fn taken(&self, call: &mut Call, kind: u64, message: &[u8]) -> Result<bool> {
        if kind != KIND_CHECK {
            return Ok(false);
        }
        let m = message::Check::read(message).map_err(|e| unreadable(e.want))?;
        if !about(call, self.checkpoint, m.checkpoint) {
            return Ok(false);
        }
        let check = Check {
            dependency: text(m.dependency),
            dependent_marker: m.dependent_marker,
            dependency_marker: m.dependency_marker,
            threshold_ms: m.threshold_ms,
        };
        let mut answer = Vec::new();
        match self.run {
            Question::Downtime(run) if m.which == CHECK_DOWNTIME => {
                append_int(&mut answer, run(call, &check)?);
            }
            Question::Recovery(run) if m.which == CHECK_RECOVERY => {
                append_bool(&mut answer, run(call, &check)?);
            }
            _ => return Ok(false),
        }
        if !call.reply.answer(&answer) {
            return Err(Error::failed("a check cannot emit"));
        }
        Ok(true)
    }
}
