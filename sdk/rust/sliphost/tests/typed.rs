//! Typed values: what serde types become, and what is refused.
#![cfg(feature = "serde")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use sliphost::prelude::*;
use sliphost::testing::{from_json, to_json, Harness, Input, Repr};
use sliphost::zz_abi::{CODE_DECODE, CODE_FAILED};
use sliphost::{from_slice, to_vec};

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Order<'a> {
    id: u64,
    name: &'a str,
    delta: i64,
    price: f64,
    paid: bool,
    note: Option<String>,
    lines: Vec<Line>,
    state: State,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    sku: String,
    count: u8,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
enum State {
    #[default]
    Open,
    Sent(u32),
    Returned {
        why: String,
    },
    Moved(i32, i32),
}

fn order(state: State) -> Order<'static> {
    Order {
        id: u64::MAX,
        name: "tea",
        delta: i64::MIN,
        price: 2.5,
        paid: true,
        note: None,
        lines: vec![Line {
            sku: "a".to_owned(),
            count: 2,
        }],
        state,
    }
}

#[test]
fn a_struct_is_a_map_with_field_names() {
    let raw = to_vec(&order(State::Open)).unwrap();
    let json = r#"{"id":18446744073709551615,"name":"tea","delta":-9223372036854775808,"price":2.5,"paid":true,"note":null,"lines":[{"sku":"a","count":2}],"state":"Open"}"#;
    assert_eq!(to_json(&raw), json);
    assert_eq!(
        from_slice::<Order>(&from_json(json)).unwrap(),
        order(State::Open)
    );
}

#[test]
fn enums_are_as_serde_json_has_them() {
    let cases = [
        (State::Sent(7), r#"{"Sent":7}"#),
        (
            State::Returned { why: "late".into() },
            r#"{"Returned":{"why":"late"}}"#,
        ),
        (State::Moved(-1, 2), r#"{"Moved":[-1,2]}"#),
    ];
    for (state, json) in cases {
        let raw = to_vec(&state).unwrap();
        assert_eq!(to_json(&raw), json);
        assert_eq!(from_slice::<State>(&raw).unwrap(), state);
        let whole = order(state);
        assert_eq!(
            from_slice::<Order>(&to_vec(&whole).unwrap()).unwrap(),
            whole
        );
    }
}

#[test]
fn other_types_make_the_round_trip() {
    fn trip<'a, T>(value: &T, raw: &'a mut Vec<u8>) -> T
    where
        T: Serialize + Deserialize<'a>,
    {
        *raw = to_vec(value).unwrap();
        from_slice(raw).unwrap()
    }
    let raw = &mut Vec::new();
    let map: BTreeMap<_, _> = (0..40).map(|i| (i.to_string(), vec![i; i])).collect();
    assert_eq!(trip(&map, raw), map);
    assert_eq!(trip(&(1_u8, "a".to_owned(), Some(())), raw).1, "a");
    assert_eq!(trip(&'\u{fc}', raw), '\u{fc}');
    assert_eq!(trip(&Ipv4Addr::LOCALHOST, raw), Ipv4Addr::LOCALHOST);
    assert_eq!(to_json(raw), "\"127.0.0.1\"", "human readable");
    assert_eq!(trip(&0.1_f32, raw), 0.1_f32);
    assert_eq!(from_slice::<f64>(&from_json("3")).unwrap(), 3.0);
    assert_eq!(trip(&i128::from(u64::MAX), raw), i128::from(u64::MAX));
    assert!(to_vec(&(i128::from(u64::MAX) + 1)).is_err());
}

/// A collection of unknown length, and one that lies about it.
struct Counted(Option<usize>);

impl Serialize for Counted {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut seq = s.serialize_seq(self.0)?;
        for i in 0..20 {
            seq.serialize_element(&i)?;
        }
        seq.end()
    }
}

#[test]
fn a_collection_of_unknown_length_is_written_in_the_shortest_form() {
    assert_eq!(
        to_vec(&Counted(None)).unwrap(),
        to_vec(&Counted(Some(20))).unwrap()
    );
    assert!(to_vec(&Counted(Some(19))).is_err());
}

#[test]
fn errors_name_the_field() {
    let cases = [
        (
            r#"{"sku":"a","count":"x"}"#,
            "field \"count\": want u8, got string",
        ),
        (
            r#"{"sku":"a","count":300}"#,
            "field \"count\": want u8, got another integer",
        ),
        (r#"{"sku":"a"}"#, "field \"count\": missing"),
        (r#"["a",1]"#, "want struct Line, got array"),
    ];
    for (json, want) in &cases {
        let e = from_slice::<Line>(&from_json(json)).unwrap_err();
        assert_eq!(e.message(), *want);
    }
    let deep =
        r#"{"id":1,"name":"","delta":0,"price":0,"paid":true,"lines":[{"sku":1}],"state":"Open"}"#;
    let e = from_slice::<Order>(&from_json(deep)).unwrap_err();
    let want = "field \"lines.sku\": want a string, got integer";
    assert_eq!(e.message(), want);
}

#[test]
fn what_is_not_one_value_is_refused() {
    let whole = to_vec(&order(State::Moved(1, 2))).unwrap();
    for cut in 0..whole.len() {
        assert!(
            from_slice::<Order>(&whole[..cut]).is_err(),
            "cut at {}",
            cut
        );
    }
    let mut more = whole;
    more.push(0xc0);
    assert!(from_slice::<Order>(&more).is_err());
    // Deeper than any document may be, as long as it likes.
    #[derive(Deserialize)]
    struct Nest(#[allow(dead_code)] Vec<Nest>);
    let deep = vec![0x91; 100_000];
    assert!(from_slice::<Nest>(&deep).is_err());
    assert!(from_slice::<&str>(b"\xa1\xff").is_err(), "not UTF-8");
}

static OUT: Sink = Sink::new("out");

fn copy(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let line: Option<Line> = rec.decode()?;
    OUT.emit_value(call, rec.key(), &line)
}

fn text(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let text: &str = rec.decode()?;
    call.emit_value(rec.key(), text)
}

fn number(call: &mut Call, _: Record<'_>) -> Result<()> {
    call.record().header("a", "b").emit_value(&1)
}

export! {
    "copy" => copy, OUT;
    "text" => text;
    "number" => number;
}

#[test]
fn records_are_decoded_by_the_representation() {
    let mut h = Harness::new(HANDLERS, "copy").json();
    let json = r#"{"sku":"a","count":1}"#;
    assert_eq!(h.send(Input::json(json)).ok()[0].json(), json);
    assert_eq!(h.send(Input::tombstone()).ok()[0].json(), "null");
    assert_eq!(h.send(Input::json("[]")).failure().code, CODE_DECODE);

    let e = Harness::new(HANDLERS, "text").send("a").failure().clone();
    assert!(e.message.contains("codec = \"json\""), "{}", e.message);
    let mut h = Harness::new(HANDLERS, "text").source("in", Repr::Text, Repr::Text);
    assert_eq!(h.send("a").values(), ["a"]);
}

#[test]
fn each_sink_gets_a_value_in_its_representation() {
    use Repr::{Bytes, Msgpack, Text};
    let both = |h: Harness| {
        h.source("in", Text, Text)
            .sink_as("a", Text, Text)
            .sink_as("b", Text, Msgpack)
    };
    let out = both(Harness::new(HANDLERS, "text")).send("x");
    assert_eq!(out.ok()[0].value.as_deref(), Some(&b"x"[..]));
    assert_eq!(out.ok()[1].json(), "\"x\"");

    let e = both(Harness::new(HANDLERS, "number"))
        .send("x")
        .failure()
        .clone();
    let hint = "sink \"a\" takes text: emit a string, or set codec = \"json\" on its topic in the manifest";
    assert_eq!((&*e.message, e.code), (hint, CODE_FAILED));
    let mut h = Harness::new(HANDLERS, "number").sink_as("log", Bytes, Bytes);
    let hint = "sink \"log\" takes bytes: set codec = \"json\" on its topic in the manifest, or emit bytes";
    assert_eq!(h.send("x").failure().message, hint);
    let mut h = Harness::new(HANDLERS, "number").sink_as("log", Text, Msgpack);
    let out = h.send("x");
    assert_eq!(out.ok()[0].json(), "1");
    assert_eq!(out.ok()[0].headers.len(), 1);
}
