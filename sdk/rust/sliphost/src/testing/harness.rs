//! One handler, bound as a manifest would bind it.

use std::mem;

use super::input::{Failure, Input, Outcome, Output};
use crate::cache::Key;
use crate::call::Level;
use crate::export::{Handler, Item, ItemKind};
use crate::message::{
    self, BatchHeader, Binding, Endpoint, Headers, Init, InitReply, Param, RawRecord, RecordResult,
    EVERY_SINK,
};
use crate::native::{self, Host, KeyType, Spec};
use crate::runtime::Runtime;
use crate::value::{Plain, Writer};
use crate::wire::Reader;
use crate::zz_abi::{
    KIND_RECORDS, KIND_REPLAYED, MAJOR, MINOR, REPR_BYTES, REPR_MSGPACK, REPR_TEXT, STATUS_ERROR,
};

/// How keys or values of a source or sink are represented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repr {
    /// As they are on the wire: codec `raw`.
    Bytes,
    /// UTF-8 text: codec `string`.
    Text,
    /// One msgpack value: codec `json` and the other decoded ones.
    Msgpack,
}

impl Repr {
    fn number(self) -> u64 {
        match self {
            Repr::Bytes => REPR_BYTES,
            Repr::Text => REPR_TEXT,
            Repr::Msgpack => REPR_MSGPACK,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Port {
    name: String,
    key: Repr,
    value: Repr,
}

/// A handler on a host in memory. Set it up first; the first record starts the
/// instance.
///
/// Every sink and cache that the handler lists is bound. Without any other
/// sink there is one more, named `out`; the source is named `in`, partition 0.
#[derive(Debug)]
pub struct Harness {
    handlers: &'static [Handler],
    pub(super) function: String,
    params: Vec<(String, Vec<u8>)>,
    source: Port,
    pub(super) partition: i32,
    sinks: Vec<Port>,
    pub(super) host: Host,
    running: Option<Runtime>,
    /// The bound sinks, by id.
    bound: Vec<Port>,
    next_offset: i64,
    /// How many events of each checkpoint the handler was told.
    pub(super) told: Vec<usize>,
}

impl Harness {
    /// The handler `function` of `handlers`, which is the `HANDLERS` that
    /// [`export!`](crate::export) defines.
    ///
    /// # Panics
    /// If there is no such handler.
    pub fn new(handlers: &'static [Handler], function: &str) -> Self {
        assert!(
            handlers.iter().any(|h| h.name == function),
            "export! lists no handler \"{}\"",
            function
        );
        Harness {
            handlers,
            function: function.to_owned(),
            params: Vec::new(),
            source: Port {
                name: "in".to_owned(),
                key: Repr::Bytes,
                value: Repr::Bytes,
            },
            partition: 0,
            sinks: Vec::new(),
            host: Host::default(),
            running: None,
            bound: Vec::new(),
            next_offset: 0,
            told: Vec::new(),
        }
    }

    /// Gives a parameter a value, as `params` in the manifest does.
    pub fn param<'v>(mut self, name: &str, value: impl Into<Plain<'v>>) -> Self {
        let mut raw = Vec::new();
        Writer::new(&mut raw).plain(value);
        self.params.push((name.to_owned(), raw));
        self
    }

    /// Names the source and says how its keys and values are represented.
    pub fn source(mut self, name: &str, key: Repr, value: Repr) -> Self {
        let name = name.to_owned();
        self.source = Port { name, key, value };
        self
    }

    /// The partition that records come from.
    pub fn partition(mut self, partition: i32) -> Self {
        self.move_to(partition);
        self
    }

    /// Binds a sink with the representations of the source.
    pub fn sink(self, name: &str) -> Self {
        let (key, value) = (self.source.key, self.source.value);
        self.sink_as(name, key, value)
    }

    /// Binds a sink and says how its keys and values are represented.
    pub fn sink_as(mut self, name: &str, key: Repr, value: Repr) -> Self {
        let name = name.to_owned();
        self.sinks.push(Port { name, key, value });
        self
    }

    /// Values are documents, keys are text, as with `codec = "json"` and
    /// `key_codec = "string"`: at the source, and at sinks bound from here on.
    pub fn json(mut self) -> Self {
        self.source.key = Repr::Text;
        self.source.value = Repr::Msgpack;
        self
    }

    /// Says of what type the keys of a cache are, as `key` in the manifest does;
    /// bytes by default.
    ///
    /// # Panics
    /// If the handler lists no such cache; and so the following.
    pub fn keys(mut self, cache: &str, key: KeyType) -> Self {
        self.spec(cache).key = key;
        self
    }

    /// Makes a cache `kind = "global"`: handlers cannot write to it, and all
    /// partitions see the same entries.
    pub fn global(mut self, cache: &str) -> Self {
        self.spec(cache).global = true;
        self
    }

    /// Sets an entry of a cache before the first record, in the partition at
    /// hand.
    ///
    /// # Panics
    /// If the key is not of the cache's type.
    pub fn entry(mut self, cache: &str, key: impl Key, value: impl AsRef<[u8]>) -> Self {
        let id = self.cache(cache);
        self.specs();
        let form = key
            .form()
            .unwrap_or_else(|why| panic!("cache \"{}\": {}", cache, why));
        let set = self.host.store.set(id, form.as_ref(), value.as_ref());
        assert!(set, "cache \"{}\": the key is of another type", cache);
        self
    }

    /// The most bytes of cache keys and values that one record may write, as
    /// `staged` in the manifest; 16 MiB by default.
    pub fn staged(mut self, bytes: usize) -> Self {
        self.host.store.most = bytes;
        self
    }

    /// From here on records come from another partition, which has entries and
    /// a stream time of its own; the instance stays.
    pub fn move_to(&mut self, partition: i32) {
        self.partition = partition;
        self.host.store.partition = partition;
    }

    /// Goes on with a fresh instance: what the handler kept in its memory is
    /// gone, what it wrote to caches is not.
    pub fn restart(&mut self) {
        self.running = None;
    }

    /// Handles one record.
    ///
    /// # Panics
    /// As the handler does; and if the module refuses its parameters.
    pub fn send(&mut self, record: impl Into<Input>) -> Outcome {
        let mut all = self.send_batch(vec![record.into()]);
        all.pop().expect("one outcome a record")
    }

    /// Handles records in one batch, as the host hands them over.
    ///
    /// # Panics
    /// As [`Harness::send`].
    pub fn send_batch(&mut self, records: Vec<Input>) -> Vec<Outcome> {
        let first = self.next_offset;
        let message = self.batch(&records);
        let timestamps = records.iter().map(|r| r.timestamp.unwrap_or(0)).collect();
        self.host.offsets = offsets(&records, first);
        let all = self.process(&message, timestamps);
        self.host.offsets.clear();
        all
    }

    /// Hands a message over: one outcome for each of the timestamps.
    pub(super) fn process(&mut self, message: &[u8], timestamps: Vec<i64>) -> Vec<Outcome> {
        self.start();
        let mut all = vec![Outcome::default(); timestamps.len()];
        let runtime = self.running.as_mut().expect("started");
        self.host.timestamps = timestamps;
        native::with(|h| mem::swap(h, &mut self.host));
        let rest = runtime.process(0, message).to_vec();
        native::with(|h| mem::swap(h, &mut self.host));
        self.host.end_record();
        let mut stream = mem::take(&mut self.host.pieces);
        stream.extend(rest);
        self.read_reply(&stream, &mut all);
        for index in self.host.limited.drain(..) {
            all[index].limit();
        }
        for (index, level, line) in self.host.logs.drain(..) {
            let line = String::from_utf8_lossy(&line).into_owned();
            all[index].logs.push((Level::of(level), line));
        }
        for (index, name, value) in self.host.metrics.drain(..) {
            all[index].metrics.push((name, value));
        }
        all
    }

    /// The value of a key in a cache that the handler lists, in the partition at
    /// hand.
    ///
    /// # Panics
    /// If the handler lists no such cache.
    pub fn cached(&self, cache: &str, key: impl Key) -> Option<&[u8]> {
        let id = self.cache(cache);
        self.host.store.look(id, key.form().ok()?.as_ref())
    }

    /// The entries of a cache that the handler lists, in the partition at hand,
    /// in order. Keys have the form that [`Key`] says.
    ///
    /// # Panics
    /// If the handler lists no such cache.
    pub fn entries(&self, cache: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.host.store.all(self.cache(cache))
    }

    /// The id of a cache.
    fn cache(&self, name: &str) -> usize {
        let names = self.listed(ItemKind::Cache);
        let id = names.iter().position(|c| *c == name);
        id.unwrap_or_else(|| panic!("the handler lists no cache \"{}\"", name))
    }

    /// Makes the caches known to the host.
    fn specs(&mut self) {
        let caches = self.listed(ItemKind::Cache).len();
        self.host.store.specs.resize_with(caches, Spec::default);
    }

    fn spec(&mut self, cache: &str) -> &mut Spec {
        let id = self.cache(cache);
        self.specs();
        &mut self.host.store.specs[id]
    }

    pub(super) fn items(&self) -> &'static [&'static dyn Item] {
        let handler = self.handlers.iter().find(|h| h.name == self.function);
        handler.expect("checked by new").items
    }

    /// The names of what the handler lists, by kind.
    fn listed(&self, kind: ItemKind) -> Vec<&'static str> {
        let of_kind = self.items().iter().filter(|i| i.kind() == kind);
        of_kind.filter_map(|i| i.decl()).map(|d| d.name).collect()
    }

    /// Initialises the module, once.
    fn start(&mut self) {
        if self.running.is_some() {
            return;
        }
        self.specs();
        self.machines();
        let (bound, runtime) = self.instance();
        self.bound = bound;
        self.running = Some(runtime);
    }

    /// A new instance, and the sinks that it is bound to.
    pub(super) fn instance(&self) -> (Vec<Port>, Runtime) {
        let (key, value) = (self.source.key, self.source.value);
        let mut others = self.sinks.clone();
        let mut bound = Vec::new();
        for name in self.listed(ItemKind::Sink) {
            let given = others.iter().position(|o| o.name == name);
            let port = given.map(|at| others.remove(at));
            let name = name.to_owned();
            bound.push(port.unwrap_or(Port { name, key, value }));
        }
        if others.is_empty() {
            let name = "out".to_owned();
            others.push(Port { name, key, value });
        }
        bound.extend(others);
        let caches = self.listed(ItemKind::Cache);
        let checkpoints = self.checkpoints();
        let init = Init {
            major: MAJOR,
            minor: MINOR,
            features: 0,
            bindings: vec![Binding {
                function: self.function.as_bytes(),
                name: self.function.as_bytes(),
                params: self.params.iter().map(param).collect(),
                sinks: bound.iter().map(endpoint).collect(),
                caches: caches.iter().map(|c| c.as_bytes()).collect(),
                checkpoints: checkpoints.iter().map(|c| c.as_bytes()).collect(),
                sources: vec![endpoint(&self.source)],
            }],
        };
        let (mut message, mut reply) = (Vec::new(), Vec::new());
        init.append(&mut message);
        let runtime = Runtime::init(self.handlers, &message, message.len(), &mut reply);
        match (InitReply::read(&reply), runtime) {
            (Ok(InitReply::Refused { message, .. }), _) => {
                panic!("init: {}", String::from_utf8_lossy(message))
            }
            (_, runtime) => (bound, runtime.expect("init: no runtime")),
        }
    }

    /// The name of the source, which is the only one.
    pub(super) fn source_name(&self, _id: i32) -> String {
        self.source.name.clone()
    }

    pub(super) fn source_id(&self, name: &str) -> i32 {
        assert_eq!(name, self.source.name, "no such source");
        0
    }

    fn batch(&mut self, records: &[Input]) -> Vec<u8> {
        let base_offset = self.next_offset;
        let mut b = Vec::new();
        let head = BatchHeader {
            kind: match records.first() {
                Some(first) if first.replayed => KIND_REPLAYED,
                _ => KIND_RECORDS,
            },
            source: 0,
            partition: self.partition,
            base_offset,
            base_timestamp: 0,
            count: records.len() as i32,
        };
        head.append(&mut b);
        for record in records {
            let offset = record.offset.unwrap_or(self.next_offset);
            self.next_offset = offset + 1;
            let headers = record.raw_headers();
            let raw = RawRecord {
                offset_delta: offset - base_offset,
                timestamp_delta: record.timestamp.unwrap_or(0),
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                headers: headers.as_deref(),
            };
            raw.append(&mut b);
        }
        b
    }

    fn read_reply(&self, stream: &[u8], all: &mut [Outcome]) {
        let mut r = Reader::new(stream);
        while r.ok() && r.left() > 0 {
            let result = RecordResult::read(&mut r);
            let outcome = &mut all[result.index as usize];
            for _ in 0..result.outputs {
                let o = message::Output::read(&mut r);
                let every = o.sink == EVERY_SINK;
                for (id, port) in self.bound.iter().enumerate() {
                    if every || o.sink as usize == id {
                        outcome.outputs.push(output(&port.name, &o));
                    }
                }
            }
            result.end(&mut r);
            if result.status == STATUS_ERROR {
                outcome.outputs.clear();
                outcome.error = Some(Failure {
                    code: result.code,
                    message: String::from_utf8_lossy(result.message).into_owned(),
                    retry_after_ms: result.retry_after_ms,
                });
            }
        }
        if let Some(e) = r.err() {
            panic!("the reply of the SDK is broken: {}", e);
        }
    }
}

/// The offsets of records of which the first has `next` if it says nothing.
fn offsets(records: &[Input], mut next: i64) -> Vec<i64> {
    let each = records.iter().map(|r| {
        let offset = r.offset.unwrap_or(next);
        next = offset + 1;
        offset
    });
    each.collect()
}

fn param(p: &(String, Vec<u8>)) -> Param<'_> {
    Param {
        name: p.0.as_bytes(),
        value: &p.1,
    }
}

fn endpoint(p: &Port) -> Endpoint<'_> {
    Endpoint {
        name: p.name.as_bytes(),
        key: p.key.number(),
        value: p.value.number(),
    }
}

fn output(sink: &str, o: &message::Output<'_>) -> Output {
    let headers = Headers::new(o.headers).map(|(name, value)| {
        let name = String::from_utf8_lossy(name).into_owned();
        (name, value.map(<[u8]>::to_vec))
    });
    Output {
        sink: sink.to_owned(),
        key: o.key.map(<[u8]>::to_vec),
        value: o.value.map(<[u8]>::to_vec),
        headers: headers.collect(),
        timestamp: o.timestamp,
        partition: o.partition,
    }
}
