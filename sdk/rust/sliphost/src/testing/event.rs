//! What a handler is told beside records.

use super::{Harness, Outcome};
use crate::message;
use crate::zz_abi::FLAG_ADVANCE;

impl Harness {
    /// Tells the handler that stream time of the partition at hand moved to
    /// `stream_time`, in milliseconds, without a record; see
    /// [`OnAdvance`](crate::OnAdvance). Stream time does not go back: one lower
    /// than that of the partition counts as it.
    ///
    /// # Panics
    /// If the handler lists no `OnAdvance`; and as [`Harness::send`].
    pub fn advance(&mut self, stream_time: i64) -> Outcome {
        self.advanced(stream_time, false)
    }

    /// Tells the handler that no record of the partition at hand follows: an
    /// advance that is final, at the stream time that was reached.
    ///
    /// # Panics
    /// As [`Harness::advance`].
    pub fn finish(&mut self) -> Outcome {
        self.advanced(-1, true)
    }

    fn advanced(&mut self, stream_time: i64, is_final: bool) -> Outcome {
        let message = message::Advance {
            partition: self.partition,
            stream_time: stream_time.max(self.host.store.stream_time()),
            is_final,
        };
        let mut b = Vec::new();
        message.append(&mut b);
        self.event(FLAG_ADVANCE, "advance", &b, message.stream_time)
    }

    /// Hands over a message that is a batch of one.
    pub(super) fn event(
        &mut self,
        flag: u64,
        kind: &str,
        message: &[u8],
        stream_time: i64,
    ) -> Outcome {
        let mut flags = self.items().iter().map(|i| i.options().flags);
        assert!(
            flags.any(|f| f & flag != 0),
            "handler \"{}\" does not take kind {}",
            self.function,
            kind
        );
        self.host.may_seek = flag != FLAG_ADVANCE;
        let mut all = self.process(message, vec![stream_time]);
        self.host.may_seek = false;
        let mut outcome = all.pop().expect("one outcome");
        let seeks = std::mem::take(&mut self.host.seeks);
        if outcome.error.is_none() {
            let names = seeks
                .into_iter()
                .map(|(source, partition, offset)| (self.source_name(source), partition, offset));
            outcome.seeks = names.collect();
        }
        outcome
    }
}
