//! The module's side of SPEC.md, sections 6 to 9, on the host in memory.

use std::cell::Cell;

use super::Runtime;
use crate::abi;
use crate::export::Handler;
use crate::message::{
    Advance, BatchHeader, Binding, Endpoint, Headers, Init, InitReply, Output, Param, RawRecord,
    RecordResult, Selftest,
};
use crate::native;
use crate::prelude::*;
use crate::wire::Reader;
use crate::zz_abi::{
    CODE_FAILED, CODE_LIMIT, CODE_MESSAGE, CODE_PARAM, CODE_UNBOUND, FEATURE_METERED, KIND_RECORDS,
    KIND_REPLAYED, KIND_TIMER, PROGRESS_MAGIC, RESULT_LIMIT, STATUS_ERROR, STATUS_MORE, STATUS_OK,
};

static NAMED: Sink = Sink::new("named");
static SEEN: Cache = Cache::new("seen");
static COUNT: IntParam = IntParam::new("count", 2, "outputs");

thread_local! {
    /// The runtime's progress block, for handlers to look at.
    static BLOCK: Cell<u64> = const { Cell::new(0) };
}

/// A word of the progress block, as the host reads it.
fn word(at: usize) -> u32 {
    abi::progress_word(BLOCK.with(Cell::get), at)
}

/// Emits `count` values, with the value "fail" an error behind them, with
/// "stop" it asks to stop.
fn emit(call: &mut Call, rec: Record<'_>) -> Result<()> {
    assert_eq!(
        (word(1), word(2)),
        (rec.offset() as u32, rec.offset() as u32)
    );
    for _ in 0..COUNT.get(call) {
        call.emit(rec.key(), rec.value_opt());
    }
    let key = &rec.value()[..rec.value().len().min(100)];
    SEEN.put(call, key, rec.value())?;
    match rec.value() {
        b"fail" => bail!("failed"),
        b"stop" => abi::set_progress_word(BLOCK.with(Cell::get), 5, 1),
        _ => {}
    }
    Ok(())
}

fn unlisted(call: &mut Call, rec: Record<'_>) -> Result<()> {
    NAMED.emit(call, rec.key(), rec.value_opt());
    assert!(call.failure().is_some());
    call.emit(rec.key(), rec.value_opt());
    Ok(())
}

/// Emits with everything that an output can have.
fn full(call: &mut Call, rec: Record<'_>) -> Result<()> {
    NAMED
        .record(call)
        .key("k")
        .headers(rec.headers())
        .header("a", "1")
        .header("b", NIL)
        .timestamp(-5)
        .partition(7)
        .emit();
    Ok(())
}

export! {
    "emit" => emit, COUNT, SEEN;
    "unlisted" => unlisted;
    "full" => full, NAMED;
}

fn endpoint(name: &'static str) -> Endpoint<'static> {
    Endpoint {
        name: name.as_bytes(),
        ..Endpoint::default()
    }
}

fn binding(function: &'static str) -> Binding<'static> {
    let caches: Vec<&[u8]> = if function == "emit" {
        vec![b"seen"]
    } else {
        vec![]
    };
    Binding {
        function: function.as_bytes(),
        name: b"x",
        sinks: vec![endpoint("other"), endpoint("named")],
        sources: vec![endpoint("in")],
        caches,
        ..Binding::default()
    }
}

fn init(handlers: &'static [Handler], m: &Init<'_>) -> Result<Runtime, (u64, String)> {
    let (mut message, mut reply) = (Vec::new(), Vec::new());
    m.append(&mut message);
    let runtime = Runtime::init(handlers, &message, 4096, &mut reply);
    // The address of a native block has more than 32 bits.
    let mut r = Reader::new(&reply);
    assert_eq!(r.array(), 3);
    if r.uint() == STATUS_OK {
        BLOCK.with(|b| b.set(r.uint()));
        assert_eq!(r.uint(), 4096);
        return Ok(runtime.expect("accepted"));
    }
    assert!(runtime.is_none());
    match InitReply::read(&reply) {
        Ok(InitReply::Refused { code, message }) => {
            Err((code, String::from_utf8_lossy(message).into_owned()))
        }
        other => panic!("{:?}", other),
    }
}

fn start(function: &'static str) -> Runtime {
    native::with(|h| {
        *h = native::Host::default();
        h.store.specs.push(Default::default());
    });
    let m = Init {
        major: 1,
        bindings: vec![binding(function)],
        ..Init::default()
    };
    init(HANDLERS, &m).expect("init")
}

fn batch(kind: u64, values: &[&str]) -> Vec<u8> {
    let mut b = Vec::new();
    let head = BatchHeader {
        kind,
        count: values.len() as i32,
        ..BatchHeader::default()
    };
    head.append(&mut b);
    for (i, value) in values.iter().enumerate() {
        let rec = RawRecord {
            offset_delta: i as i64,
            value: Some(value.as_bytes()),
            headers: Some(b"\x91\x92\xa1h\xc4\x01v"),
            ..RawRecord::default()
        };
        rec.append(&mut b);
    }
    b
}

/// Index, status and outputs, or code and message, of each result.
fn results(stream: &[u8]) -> Vec<(i32, u64, usize, u64, String)> {
    let mut r = Reader::new(stream);
    let mut all = Vec::new();
    while r.left() > 0 {
        let res = RecordResult::read(&mut r);
        for _ in 0..res.outputs {
            Output::read(&mut r);
        }
        res.end(&mut r);
        assert_eq!(r.err(), None);
        let message = String::from_utf8_lossy(res.message).into_owned();
        all.push((res.index, res.status, res.outputs, res.code, message));
    }
    all
}

fn ok(index: i32, outputs: usize) -> (i32, u64, usize, u64, String) {
    (index, STATUS_OK, outputs, 0, String::new())
}

#[test]
fn progress_is_told_before_and_after_each_record() {
    let mut runtime = start("emit");
    assert_eq!(word(0), u32::from_le_bytes(PROGRESS_MAGIC));
    for kind in [KIND_RECORDS, KIND_REPLAYED, KIND_TIMER] {
        let reply = runtime
            .process(0, &batch(kind, &["a", "fail", "b"]))
            .to_vec();
        let failed = (1, STATUS_ERROR, 0, CODE_FAILED, "failed".to_owned());
        assert_eq!(results(&reply), [ok(0, 2), failed, ok(2, 2)]);
        assert_eq!((word(1), word(2)), (2, 3));
        assert_eq!(word(4) as usize, reply.len());
    }
    native::with(|h| {
        let keys: Vec<_> = h.store.all(0).into_iter().map(|(k, _)| k).collect();
        assert_eq!(
            keys,
            [b"a".to_vec(), b"b".to_vec()],
            "the failed write is undone"
        );
    });
}

#[test]
fn stop_ends_the_batch_after_the_record() {
    let mut runtime = start("emit");
    let reply = runtime.process(0, &batch(KIND_RECORDS, &["a", "stop", "b"]));
    assert_eq!(results(reply), [ok(0, 2), ok(1, 2)]);
    assert_eq!((word(1), word(2)), (1, 2));
}

#[test]
fn a_long_reply_goes_out_in_pieces() {
    let mut runtime = start("emit");
    let value = "x".repeat(150 << 10);
    let values = ["a", &value, &value, "b"];
    let rest = runtime.process(0, &batch(KIND_RECORDS, &values)).to_vec();
    let pieces = native::with(|h| std::mem::take(&mut h.pieces));
    assert!(!pieces.is_empty() && !rest.is_empty());
    assert_eq!(word(4) as usize, rest.len(), "no byte is handed over twice");
    let all = results(&[pieces, rest].concat());
    let finals: Vec<_> = all
        .iter()
        .filter(|r| r.1 == STATUS_OK)
        .map(|r| r.0)
        .collect();
    assert_eq!(finals, [0, 1, 2, 3]);
    assert!(all.iter().any(|r| r.1 == STATUS_MORE));
    assert_eq!(all.iter().map(|r| r.2).sum::<usize>(), 8);
}

#[test]
fn lists_of_every_length_are_in_the_shortest_form() {
    for count in [0, 1, 15, 16, 17, 65_534, 65_535, 65_536, 140_000] {
        native::with(|h| *h = native::Host::default());
        let mut raw = Vec::new();
        crate::wire::append_int(&mut raw, count);
        let mut b = binding("emit");
        b.params = vec![Param {
            name: b"count",
            value: &raw,
        }];
        let m = Init {
            major: 1,
            bindings: vec![b],
            ..Init::default()
        };
        let mut runtime = init(HANDLERS, &m).expect("init");
        native::with(|h| h.store.specs.push(Default::default()));
        let rest = runtime.process(0, &batch(KIND_RECORDS, &["v"])).to_vec();
        let pieces = native::with(|h| std::mem::take(&mut h.pieces));
        let stream = [pieces, rest].concat();
        let all = results(&stream);
        assert_eq!(all.iter().map(|r| r.2).sum::<usize>(), count as usize);
        let written = crate::message::recode("Reply", &stream).unwrap().unwrap();
        assert_eq!(written, stream, "{} outputs: not canonical", count);
    }
}

#[test]
fn a_host_that_takes_no_more_fails_the_record() {
    let mut runtime = start("emit");
    native::with(|h| h.flush_result = RESULT_LIMIT as i32);
    let value = "x".repeat(200 << 10);
    let reply = runtime
        .process(0, &batch(KIND_RECORDS, &["a", &value, "b"]))
        .to_vec();
    let all = results(&reply);
    assert_eq!(
        (all[0].0, all[0].1, all[0].3),
        (1, STATUS_ERROR, CODE_LIMIT)
    );
    assert_eq!(all[1], ok(2, 2));
    assert_eq!(word(2), 3);
}

#[test]
fn an_unlisted_sink_fails_the_record_whatever_it_returns() {
    let mut runtime = start("unlisted");
    let all = results(runtime.process(0, &batch(KIND_RECORDS, &["a"])));
    let why = "sink \"named\": export! does not list it for handler \"unlisted\"";
    assert_eq!(all, [(0, STATUS_ERROR, 0, CODE_UNBOUND, why.to_owned())]);
}

#[test]
fn an_output_may_have_everything() {
    let mut runtime = start("full");
    let reply = runtime.process(0, &batch(KIND_RECORDS, &["a"])).to_vec();
    let mut r = Reader::new(&reply);
    RecordResult::read(&mut r);
    let o = Output::read(&mut r);
    assert_eq!((o.sink, o.key, o.value), (1, Some(&b"k"[..]), None));
    assert_eq!((o.timestamp, o.partition), (Some(-5), Some(7)));
    let headers: Vec<_> = Headers::new(o.headers).collect();
    let want: [(&[u8], Option<&[u8]>); 3] = [(b"h", Some(b"v")), (b"a", Some(b"1")), (b"b", None)];
    assert_eq!(headers, want);
    assert_eq!(r.err(), None);
}

#[test]
fn what_cannot_be_handled_is_answered() {
    let mut runtime = start("emit");
    let mut advance = Vec::new();
    Advance::default().append(&mut advance);
    let mut selftest = Vec::new();
    Selftest::default().append(&mut selftest);
    for message in [advance, selftest] {
        let all = results(runtime.process(0, &message));
        let why = "handler \"emit\" takes no message of this kind";
        assert_eq!(all, [(0, STATUS_ERROR, 0, CODE_UNBOUND, why.to_owned())]);
        assert_eq!(word(2), 1);
    }
    let all = results(runtime.process(9, &batch(KIND_RECORDS, &["a"])));
    assert_eq!((all[0].1, all[0].3), (STATUS_ERROR, CODE_UNBOUND));

    let whole = batch(KIND_RECORDS, &["a", "b"]);
    for cut in 0..whole.len() {
        let all = results(runtime.process(0, &whole[..cut]));
        let last = all.last().unwrap();
        assert_eq!(
            (last.1, last.3),
            (STATUS_ERROR, CODE_MESSAGE),
            "cut at {}",
            cut
        );
    }
}

#[test]
fn a_metered_module_marks_each_record() {
    start("emit");
    let m = Init {
        major: 1,
        features: FEATURE_METERED,
        bindings: vec![binding("emit")],
        ..Init::default()
    };
    let mut runtime = init(HANDLERS, &m).expect("init");
    runtime.process(0, &batch(KIND_RECORDS, &["a", "b", "c"]));
    assert_eq!(native::with(|h| h.marks), 3);
}

#[test]
fn one_handler_may_be_bound_several_times() {
    start("emit");
    let mut second = binding("emit");
    second.params = vec![Param {
        name: b"count",
        value: &[5],
    }];
    let m = Init {
        major: 1,
        bindings: vec![binding("emit"), second],
        ..Init::default()
    };
    let mut runtime = init(HANDLERS, &m).expect("init");
    let one = batch(KIND_RECORDS, &["a"]);
    assert_eq!(results(runtime.process(0, &one)), [ok(0, 2)]);
    assert_eq!(results(runtime.process(1, &one)), [ok(0, 5)]);
}

#[test]
fn init_refuses_what_the_module_cannot_work_with() {
    let refused = |m: &Init<'_>| init(HANDLERS, m).map(|_| ()).unwrap_err();
    let mut m = Init {
        major: 2,
        ..Init::default()
    };
    assert_eq!(refused(&m).0, CODE_MESSAGE);
    m.major = 1;
    m.bindings = vec![binding("nope")];
    assert_eq!(refused(&m).0, CODE_UNBOUND);
    m.bindings = vec![binding("emit")];
    m.bindings[0].params = vec![Param {
        name: b"count",
        value: b"\xa1x",
    }];
    let want = "handler \"emit\": parameter \"count\": want a whole number";
    assert_eq!(refused(&m), (CODE_PARAM, want.to_owned()));

    m.bindings[0].params[0].value = &[7];
    let mut whole = Vec::new();
    m.append(&mut whole);
    for cut in 0..whole.len() {
        let mut reply = Vec::new();
        assert!(Runtime::init(HANDLERS, &whole[..cut], 0, &mut reply).is_none());
        let refused = matches!(
            InitReply::read(&reply),
            Ok(InitReply::Refused {
                code: CODE_MESSAGE,
                ..
            })
        );
        assert!(refused, "cut at {}", cut);
    }
}
