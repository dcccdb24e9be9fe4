//! What happens between the host's calls and the handlers.

use crate::abi;
use crate::binding::{Binder, Bound};
use crate::call::Call;
use crate::error::{join, Error};
use crate::export::Handler;
use crate::message::{message_kind, walk, BatchHeader, InitReply, RawRecord};
use crate::record::Record;
use crate::wire::Reader;
use crate::zz_abi::{
    CODE_MESSAGE, CODE_UNBOUND, FEATURE_METERED, KIND_RECORDS, KIND_REPLAYED, KIND_TIMER,
};

/// An initialised module.
#[derive(Debug)]
pub(crate) struct Runtime {
    bindings: Vec<&'static Bound>,
    call: Call,
    metered: bool,
}

impl Runtime {
    /// Answers an Init message: the runtime, or `None` when the module cannot
    /// work with it. `reply` gets the InitReply either way.
    #[cold]
    pub(crate) fn init(
        handlers: &'static [Handler],
        message: &[u8],
        capacity: usize,
        reply: &mut Vec<u8>,
    ) -> Option<Self> {
        reply.clear();
        match Runtime::bind(handlers, message) {
            Ok(runtime) => {
                let ready = InitReply::Ready {
                    progress: runtime.call.reply.progress().address(),
                    capacity: capacity as u64,
                };
                ready.append(reply);
                Some(runtime)
            }
            Err(e) => {
                let refused = InitReply::Refused {
                    code: e.code,
                    message: e.text.as_bytes(),
                };
                refused.append(reply);
                None
            }
        }
    }

    #[cold]
    fn bind(handlers: &'static [Handler], message: &[u8]) -> Result<Self, Error> {
        // What Init says holds as long as the instance lives, and so handlers
        // may keep references into it.
        let message: &'static [u8] = Box::leak(Box::from(message));
        let mut binder = Binder::new(handlers);
        if let Err(e) = walk(message, &mut binder) {
            return Err(Error::coded(CODE_MESSAGE, join(&["init: want ", e.want])));
        }
        if let Some(e) = binder.error {
            return Err(e);
        }
        Ok(Runtime {
            bindings: binder.bindings,
            call: Call::new(Box::leak(Box::new(Bound::none()))),
            metered: binder.features & FEATURE_METERED != 0,
        })
    }

    /// Handles a batch and returns the reply stream, or what is left of it
    /// behind the pieces that were handed over.
    pub(crate) fn process(&mut self, handler: u32, message: &[u8]) -> &[u8] {
        self.call.reply.reset();
        let mut r = Reader::new(message);
        match self.accept(handler, message, &mut r) {
            Ok((bound, Some(head))) => self.run(bound, &head, &mut r),
            Ok((bound, None)) => self.take(bound, message),
            Err(e) => {
                self.call.reply.begin(0);
                self.call.reply.fail(&e);
            }
        }
        self.call.reply.bytes()
    }

    #[inline]
    fn accept(
        &self,
        handler: u32,
        message: &[u8],
        r: &mut Reader<'_>,
    ) -> Result<(&'static Bound, Option<BatchHeader>), Error> {
        if let Some(bound) = self.bindings.get(handler as usize) {
            if let Some((head, n)) = BatchHeader::quick(message) {
                r.pass(n);
                return Ok((bound, Some(head)));
            }
        }
        self.accept_any(handler, message, r)
    }

    /// [`Runtime::accept`] for every form; without a head the message is not
    /// laid out as records.
    #[cold]
    fn accept_any(
        &self,
        handler: u32,
        message: &[u8],
        r: &mut Reader<'_>,
    ) -> Result<(&'static Bound, Option<BatchHeader>), Error> {
        let bound = *self
            .bindings
            .get(handler as usize)
            .ok_or_else(|| Error::coded(CODE_UNBOUND, "no handler has this number"))?;
        let records = [KIND_RECORDS, KIND_REPLAYED, KIND_TIMER];
        match message_kind(message) {
            Some(kind) if !records.contains(&kind) => return Ok((bound, None)),
            _ => {}
        }
        let head = BatchHeader::read(r);
        match r.err() {
            Some(e) => Err(unreadable(e.want)),
            None => Ok((bound, Some(head))),
        }
    }

    /// Handles a message of a kind that is not laid out as records: a batch of
    /// one.
    #[cold]
    fn take(&mut self, bound: &'static Bound, message: &[u8]) {
        let kind = message_kind(message).unwrap_or(KIND_RECORDS);
        let call = &mut self.call;
        call.bound = bound;
        call.partition = -1;
        call.reply.begin(0);
        if self.metered {
            abi::fuel_mark();
        }
        abi::begin_record(0);
        let mut taken = Ok(false);
        for item in bound.handler.items {
            match item.take(call, kind, message) {
                Ok(more) => taken = taken.map(|t| t || more),
                Err(e) => taken = Err(e),
            }
            if taken.is_err() || call.failure().is_some() {
                break;
            }
        }
        if call.partition == -1 {
            // Of which partition it was is not known.
            call.swept.clear();
        }
        let result = match taken {
            Ok(false) if call.failure().is_none() => {
                let why = [
                    "handler \"",
                    bound.handler.name,
                    "\" takes no message of this kind",
                ];
                Err(Error::coded(CODE_UNBOUND, join(&why)))
            }
            result => result.map(drop),
        };
        call.finish(result);
    }

    fn run(&mut self, bound: &'static Bound, head: &BatchHeader, r: &mut Reader<'_>) {
        let call = &mut self.call;
        call.bound = bound;
        call.partition = head.partition;
        for index in 0..head.count {
            call.reply.begin(index);
            let raw = RawRecord::read(r);
            if let Some(e) = r.err() {
                call.reply.fail(&unreadable(e.want));
                return;
            }
            if self.metered {
                abi::fuel_mark();
            }
            abi::begin_record(index);
            let rec = Record {
                key: raw.key,
                value: raw.value,
                headers: raw.headers,
                timestamp: head.base_timestamp.wrapping_add(raw.timestamp_delta),
                offset: head.base_offset.wrapping_add(raw.offset_delta),
                partition: head.partition,
                source: head.source,
                replayed: head.kind == KIND_REPLAYED,
                dated: false,
                bound,
            };
            let result = (bound.handler.run)(call, rec);
            call.finish(result);
            if call.reply.progress().stopped() {
                return;
            }
        }
    }
}

#[cold]
pub(crate) fn unreadable(want: &'static str) -> Error {
    Error::coded(CODE_MESSAGE, join(&["batch: want ", want]))
}

#[cfg(test)]
#[path = "runtime_tests.rs"]
mod tests;
