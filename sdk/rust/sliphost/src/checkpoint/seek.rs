//! Going back.

use crate::abi;
use crate::binding::{text, Bound};
use crate::call::Call;
use crate::error::{join, Error, Result};
use crate::message;
use crate::zz_abi::{CODE_UNBOUND, RESULT_UNBOUND};

/// The record last processed of a partition: [`Call::seek_to`] has it delivered
/// again, and those behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position<'a> {
    /// The source's name in the manifest.
    pub source: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// Where [`Call::seek`] goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// The first record that there is.
    Beginning,
    /// Behind the last record.
    End,
    /// This offset, 0 or more.
    Offset(i64),
}

impl Seek {
    fn number(self) -> i64 {
        match self {
            Seek::Beginning => -2,
            Seek::End => -1,
            // A negative one must not be taken for another place.
            Seek::Offset(offset) if offset < 0 => i64::MIN,
            Seek::Offset(offset) => offset,
        }
    }
}

/// Puts names to sources. One that the host did not name in its Init message
/// keeps an empty name, which [`Call::seek`] refuses.
pub(super) fn positions<'a>(bound: &'a Bound, all: &[message::Position]) -> Vec<Position<'a>> {
    let name = |source: i32| bound.sources.get(source as usize).map(|p| text(p.name));
    let all = all.iter().map(|p| Position {
        source: name(p.source).unwrap_or(""),
        partition: p.partition,
        offset: p.offset,
    });
    all.collect()
}

impl Call {
    /// Has a partition of a source read again from somewhere: at the next
    /// commit, if the call that it is made in succeeds; of several for a
    /// partition the last one counts. Only the handlers of the checkpoint get
    /// the records again, as [`Record::replayed`](crate::Record::replayed). It
    /// is allowed in what [`Checkpoint::on_downtime`](crate::Checkpoint) and
    /// [`Checkpoint::on_recovery`](crate::Checkpoint) have called.
    ///
    /// # Errors
    /// A source that is not the dependent's, a partition that is not this
    /// task's, a negative offset.
    pub fn seek(&mut self, source: &str, partition: i32, to: Seek) -> Result<()> {
        let mut sources = self.bound.sources.iter();
        let result = match sources.position(|p| p.name == source.as_bytes()) {
            Some(id) => abi::seek(id as i32, partition, to.number()),
            None => RESULT_UNBOUND as i32,
        };
        match i64::from(result) {
            0 => Ok(()),
            RESULT_UNBOUND => Err(Error::coded(
                CODE_UNBOUND,
                join(&[
                    "seek: source \"",
                    source,
                    "\" is not the checkpoint's dependent, or the partition not this task's, ",
                    "or it is not allowed here",
                ]),
            )),
            _ => Err(Error::failed("seek: the host refused the offset")),
        }
    }

    /// [`Call::seek`] to a position: the record there is the first that comes
    /// again.
    pub fn seek_to(&mut self, position: &Position<'_>) -> Result<()> {
        self.seek(
            position.source,
            position.partition,
            Seek::Offset(position.offset),
        )
    }
}
