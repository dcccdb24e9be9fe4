//! The cases that the guests of both languages answer alike, on the host in
//! memory. Their README.md says what the fields mean.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sliphost::testing::{from_json, Harness, Input, KeyType, Outcome};
use sliphost::zz_abi::{
    CODE_DECODE, CODE_DROP, CODE_FAILED, CODE_LIMIT, CODE_MESSAGE, CODE_RETRY, CODE_UNBOUND,
};
use sliphost::{Doc, Kind};
use state::HANDLERS;

/// How the records of a case are handed over.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Batch,
    Single,
    Restart,
}

/// One record and its outcome.
struct Sent {
    input: Input,
    partition: i32,
    /// It is one of many that a record stands for.
    repeated: bool,
    want: Want,
}

/// Sink, key and value.
type Emitted = (String, Option<Vec<u8>>, Option<Vec<u8>>);

#[derive(Debug)]
enum Want {
    Outputs(Vec<Emitted>),
    /// The code's name, and the text if it matters.
    Error(String, Option<String>),
}

#[test]
fn the_cases_of_both_languages() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../go/sdktest/testdata/state");
    let mut cases = 0;
    for file in std::fs::read_dir(&dir).expect("the cases are in the Go SDK") {
        let path = file.unwrap().path();
        if path.extension() != Some("json".as_ref()) {
            continue;
        }
        let raw = from_json(&std::fs::read_to_string(&path).unwrap());
        for case in Doc::parse(&raw).unwrap().items() {
            for mode in [Mode::Batch, Mode::Single, Mode::Restart] {
                run(case, mode);
            }
            cases += 1;
        }
    }
    assert!(cases >= 30, "only {} cases", cases);
}

fn run(case: Doc<'_>, mode: Mode) {
    let name = case.get("name").str().unwrap();
    let handler = case.get("handler").str().unwrap();
    let context = format!("{}: {} ({:?})", handler, name, mode);
    let mut h = start(case, handler);
    let mut records = Vec::new();
    for record in case.get("records").items() {
        match record.get("repeat").as_i64() {
            None => records.push(read_record(record, None)),
            Some(n) => records.extend((0..n).map(|i| read_record(record, Some(i)))),
        }
    }
    let mut metrics = BTreeMap::new();
    let mut from = 0;
    while from < records.len() {
        let first = &records[from];
        if mode == Mode::Restart && from > 0 && !first.repeated {
            h.restart();
        }
        let joins = |r: &Sent| {
            r.partition == first.partition
                && (mode == Mode::Batch || mode == Mode::Restart && r.repeated)
        };
        let more = records[from + 1..].iter().take_while(|r| joins(r)).count();
        let batch = &records[from..from + 1 + more];
        h.move_to(first.partition);
        let inputs = batch.iter().map(|r| r.input.clone()).collect();
        for (outcome, sent) in h.send_batch(inputs).iter().zip(batch) {
            check(outcome, &sent.want, &context);
            for (name, n) in &outcome.metrics {
                *metrics.entry(name.clone()).or_insert(0.0) += n;
            }
        }
        from += 1 + more;
    }
    for (cache, want) in case.get("after").entries() {
        let cache = cache.str().unwrap();
        let mut left: Vec<_> = want.items().map(|e| entry(e)).collect();
        for partition in 0..4 {
            h.move_to(partition);
            let here = |e: &(Vec<u8>, Vec<u8>, i32)| e.2 == partition;
            let of: Vec<_> = left
                .iter()
                .filter(|e| here(e))
                .map(|e| (e.0.clone(), e.1.clone()))
                .collect();
            left.retain(|e| !here(e));
            if cache == "side" && partition > 0 {
                continue;
            }
            assert_eq!(h.entries(cache), of, "{}: cache {}", context, cache);
        }
        assert!(
            left.is_empty(),
            "{}: more partitions than are looked at",
            context
        );
    }
    for (metric, want) in case.get("metrics").entries() {
        let got = metrics.get(metric.str().unwrap()).copied().unwrap_or(0.0);
        assert_eq!(got, want.f64().unwrap(), "{}: metrics", context);
    }
}

/// The handler as the case binds it, with what its caches hold before.
fn start(case: Doc<'_>, handler: &str) -> Harness {
    let mut h = Harness::new(HANDLERS, handler);
    match handler {
        "typed" => {
            h = h.keys("ints", KeyType::Int);
            h = h
                .keys("floats", KeyType::Float)
                .keys("bools", KeyType::Bool);
        }
        "lookup" => h = h.global("side"),
        "window" => h = h.sink("counts").sink("late"),
        _ => {}
    }
    if let Some(bytes) = case.get("staged").as_u64() {
        h = h.staged(bytes as usize);
    }
    for (name, value) in case.get("params").entries() {
        h = h.param(name.str().unwrap(), value.i64().unwrap());
    }
    for (cache, entries) in case.get("before").entries() {
        for (key, value, partition) in entries.items().map(|e| entry(e)) {
            h = h.partition(partition);
            h = h.entry(cache.str().unwrap(), &key, value);
        }
    }
    h
}

fn entry(e: Doc<'_>) -> (Vec<u8>, Vec<u8>, i32) {
    let bytes = |at| read_bytes(e.at(at), None).expect("keys and values are not nil");
    (bytes(0), bytes(1), e.at(2).as_i64().unwrap_or(0) as i32)
}

fn read_record(r: Doc<'_>, number: Option<i64>) -> Sent {
    let mut input = match read_bytes(r.get("value"), number) {
        Some(value) => Input::new(value),
        None => Input::tombstone(),
    };
    if let Some(key) = read_bytes(r.get("key"), number) {
        input = input.key(key);
    }
    let error = r.get("error");
    let text = |d: Doc<'_>| d.str().unwrap().to_owned();
    let want = if error.exists() {
        let message = if error.len() > 1 {
            Some(text(error.at(1)))
        } else {
            None
        };
        Want::Error(text(error.at(0)), message)
    } else {
        let output = |o: Doc<'_>| {
            let bytes = |at| read_bytes(o.at(at), number);
            (text(o.at(0)), bytes(1), bytes(2))
        };
        Want::Outputs(r.get("outputs").items().map(output).collect())
    };
    Sent {
        input: input.timestamp(r.get("time").as_i64().unwrap_or(-1)),
        partition: r.get("partition").as_i64().unwrap_or(0) as i32,
        repeated: number.is_some(),
        want,
    }
}

/// Bytes in any of the forms that stand for them.
fn read_bytes(d: Doc<'_>, number: Option<i64>) -> Option<Vec<u8>> {
    match d.kind() {
        Kind::Missing | Kind::Null => None,
        Kind::Map if d.get("int").exists() => {
            Some(d.get("int").i64().unwrap().to_le_bytes().into())
        }
        Kind::Map if d.get("float").exists() => {
            Some(d.get("float").f64().unwrap().to_le_bytes().into())
        }
        Kind::Map if d.get("bool").exists() => Some(vec![d.get("bool").bool().unwrap().into()]),
        Kind::Map => {
            let start = d.get("window").i64().unwrap() ^ i64::MIN;
            let mut key = start.to_be_bytes().to_vec();
            key.extend(read_bytes(d.get("key"), number).unwrap());
            Some(key)
        }
        _ => {
            let mut text = d.str().unwrap().to_owned();
            if let Some(number) = number {
                text = text.replace('#', &format!("{:04}", number));
            }
            let byte = |c| u8::try_from(u32::from(c)).expect("characters stand for bytes");
            Some(text.chars().map(byte).collect())
        }
    }
}

fn check(got: &Outcome, want: &Want, context: &str) {
    match want {
        Want::Outputs(want) => {
            assert_eq!(got.error, None, "{}", context);
            let outputs = got.outputs.iter();
            let got: Vec<_> = outputs
                .map(|o| (o.sink.clone(), o.key.clone(), o.value.clone()))
                .collect();
            assert_eq!(&got, want, "{}", context);
        }
        Want::Error(code, message) => {
            let e = got.error.as_ref();
            let e = e.unwrap_or_else(|| panic!("{}: no error, want {:?}", context, want));
            assert_eq!(name_of(e.code), code, "{}: {}", context, e.message);
            if let Some(message) = message {
                assert_eq!(&e.message, message, "{}", context);
            }
        }
    }
}

fn name_of(code: u64) -> &'static str {
    match code {
        CODE_FAILED => "failed",
        CODE_DROP => "drop",
        CODE_RETRY => "retry",
        CODE_DECODE => "decode",
        CODE_UNBOUND => "unbound",
        CODE_MESSAGE => "message",
        CODE_LIMIT => "limit",
        _ => "another",
    }
}
