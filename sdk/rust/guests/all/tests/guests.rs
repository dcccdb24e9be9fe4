//! Every guest on the in-memory host: the same expectations as the golden
//! tests that run over the wasm modules of both languages.

use all::HANDLERS;
use sliphost::message::Describe;
use sliphost::testing::{describe, Harness, Input, Output};
use sliphost::zz_abi::{CODE_DECODE, CODE_DROP, CODE_FAILED, CODE_RETRY};
use sliphost::Level;

fn guest(name: &str) -> Harness {
    Harness::new(HANDLERS, name)
}

fn keys(outputs: &[Output]) -> Vec<Option<&[u8]>> {
    outputs.iter().map(|o| o.key.as_deref()).collect()
}

#[test]
fn identity_passes_on_key_value_and_headers() {
    let mut h = guest("identity");
    let input = Input::new("v").key("k").header("a", "1").header("a", "2");
    let out = h.send(input);
    let [o] = out.ok() else { panic!("{:?}", out) };
    assert_eq!((o.key.as_deref(), o.text()), (Some(&b"k"[..]), "v"));
    let header = |v: &str| ("a".to_owned(), Some(v.as_bytes().to_vec()));
    assert_eq!(o.headers, [header("1"), header("2")]);
    assert_eq!((o.timestamp, o.partition), (None, None));

    let out = h.send(Input::tombstone());
    assert_eq!((&out.ok()[0].key, &out.ok()[0].value), (&None, &None));
    let out = h.send(Input::new("").key(""));
    assert_eq!(out.ok()[0].value, Some(vec![]));
    assert_eq!(out.ok()[0].key, Some(vec![]));
}

#[test]
fn tee_emits_to_every_sink_and_to_audit_again() {
    let out = guest("tee").sink("out").send("v");
    let sinks: Vec<_> = out.ok().iter().map(|o| &*o.sink).collect();
    assert_eq!(sinks, ["audit", "out", "audit"]);
    assert_eq!(out.values(), ["v", "v", "v"]);
}

#[test]
fn drop_emits_nothing() {
    assert!(guest("drop").send("v").ok().is_empty());
}

#[test]
fn explode_counts() {
    let out = guest("explode").send(Input::new("v").key("k"));
    assert_eq!(out.values(), ["0", "1", "2"]);
    assert_eq!(keys(out.ok()), [Some(&b"k"[..]); 3]);
    let out = guest("explode").param("n", 0).send("v");
    assert!(out.ok().is_empty());
}

#[test]
#[should_panic(expected = "handler \"explode\": parameter \"n\": want a whole number")]
fn a_parameter_of_another_type_is_refused() {
    guest("explode").param("n", "three").send("v");
}

#[test]
fn flood_is_handed_over_in_pieces() {
    let out = guest("flood").param("n", 100_000).send("v");
    assert_eq!(out.ok().len(), 100_000);
    assert!(out
        .ok()
        .iter()
        .all(|o| o.value.as_deref() == Some(&[b'x'; 100])));
    assert_eq!(guest("flood").send("v").ok().len(), 1000);
}

#[test]
fn meta_tells_where_a_record_came_from() {
    use sliphost::testing::Repr::Bytes;
    let mut h = guest("meta").source("flights", Bytes, Bytes).partition(3);
    let input = Input::new("v").offset(7).timestamp(99).header("a", "b");
    assert_eq!(h.send(input).values(), ["flights 3 7 99 nil 1"]);
    assert_eq!(
        h.send(Input::new("v").key("k")).values(),
        ["flights 3 8 0 k 0"]
    );
}

#[test]
fn stamp_sets_header_timestamp_and_partition() {
    let input = Input::new("v").header("other", "x").timestamp(5);
    let out = guest("stamp").send(input);
    let o = &out.ok()[0];
    assert_eq!(o.headers, [("seen".to_owned(), Some(b"1".to_vec()))]);
    assert_eq!((o.timestamp, o.partition), (Some(6), Some(0)));
}

#[test]
fn log_logs_and_counts() {
    let out = guest("log").send("hello");
    assert_eq!(out.logs, [(Level::Info, "hello".to_owned())]);
    assert_eq!(out.metrics, [("lines".to_owned(), 1.0)]);
    assert!(out.ok().is_empty());
}

#[test]
fn zero_even_is_the_seeds_yield_page() {
    let mut h = guest("zero-even");
    let all = h.send_batch((0..5).map(|n| Input::new(n.to_string())).collect());
    let values: Vec<_> = all.iter().flat_map(|o| o.values()).collect();
    assert_eq!(values, ["zero: 0", "even: 0", "even: 2", "even: 4"]);
    assert_eq!(h.send("x").failure().code, CODE_FAILED);
    assert_eq!(h.send("-2").values(), ["even: -2"]);
}

#[test]
fn proxied_and_upper_change_text() {
    assert_eq!(guest("proxied").send("a").values(), ["Proxied a!"]);
    assert_eq!(guest("upper").send("aZ-\u{e9}").values(), ["AZ-\u{e9}"]);
    assert_eq!(guest("upper").send(Input::tombstone()).ok()[0].value, None);
}

#[test]
#[should_panic(expected = "20 outputs emitted")]
fn emit_then_trap_panics() {
    let mut h = guest("emit-then-trap");
    assert_eq!(h.send("a").values(), ["a"]);
    h.send("bad 20 and longer");
}

#[test]
#[should_panic(expected = "the value is trap")]
fn trap_panics() {
    let mut h = guest("trap");
    assert_eq!(h.send("a").values(), ["a"]);
    h.send("trap");
}

#[test]
fn failures_void_their_record_alone() {
    let cases = [
        ("fail-on", "bad", CODE_FAILED, "refused: bad", 0),
        ("drop-on", "drop", CODE_DROP, "asked to", 0),
        ("retry-on", "retry", CODE_RETRY, "asked to", 50),
    ];
    for (name, value, code, message, after) in cases {
        let inputs = ["a", value, "b"].map(Input::from);
        let all = guest(name).send_batch(inputs.to_vec());
        assert_eq!(all[0].values(), ["a"], "{}", name);
        assert!(all[1].outputs.is_empty(), "{}", name);
        let e = all[1].failure();
        assert_eq!((e.code, &*e.message), (code, message), "{}", name);
        assert_eq!(e.retry_after_ms, after, "{}", name);
        assert_eq!(all[2].values(), ["b"], "{}", name);
    }
    let mut h = guest("fail-on").param("text", "x");
    assert_eq!(h.send("bad").values(), ["bad"]);
    assert_eq!(h.send("x").failure().message, "refused: x");
}

#[test]
fn grow_memory_passes_on() {
    assert_eq!(
        guest("grow-memory").param("mib", 1).send("a").values(),
        ["a"]
    );
}

#[test]
#[should_panic(expected = "parameter \"mib\": want a value in the manifest")]
fn grow_memory_wants_its_parameter() {
    guest("grow-memory").send("a");
}

#[test]
fn flights_late_adds_a_field_to_late_flights() {
    let flight = |delay: &str| Input::json(&format!(r#"{{"date":"01010900","delay":{}}}"#, delay));
    let mut h = guest("flights-late").json();
    let out = h.send(flight("16").key("ABE"));
    assert_eq!(
        out.ok()[0].json(),
        r#"{"date":"01010900","delay":16,"late":true}"#
    );
    assert_eq!(out.ok()[0].key.as_deref(), Some(&b"ABE"[..]));
    assert!(h.send(flight("15")).ok().is_empty());

    let e = h.send(flight("\"much\"")).failure().clone();
    assert_eq!(e.message, "field \"delay\": want integer, got string");
    assert_eq!(e.code, CODE_DECODE);

    let e = guest("flights-late").send("16").failure().clone();
    let hint = "the value of \"in\" is bytes: set codec = \"json\" on topic \"in\" in the manifest";
    assert_eq!((&*e.message, e.code), (hint, CODE_DECODE));
}

#[test]
fn the_description_lists_what_handlers_use() {
    let raw = describe(HANDLERS);
    let d = Describe::read(&raw).unwrap();
    let mut again = Vec::new();
    d.append(&mut again);
    assert_eq!(raw, again, "not canonical");
    let tee = d.handlers.iter().find(|h| h.name == b"tee").unwrap();
    assert_eq!((&tee.sinks[..], tee.flags), (&[&b"audit"[..]][..], 1));
    let explode = d.handlers.iter().find(|h| h.name == b"explode").unwrap();
    assert_eq!(explode.params[0].name, b"n");
    assert_eq!(explode.params[0].default, Some(&[3][..]));
    assert_eq!(explode.params[0].help, b"outputs per record");
}
