//! Values without types: reading in place and writing.

use sliphost::testing::{from_json, to_json};
use sliphost::{Doc, Kind, Writer};

#[test]
fn a_document_is_read_in_place() {
    let raw = from_json(
        r#"{"a":1,"b":-7,"c":18446744073709551615,"d":2.5,"e":"x\u00fc\ud83d\ude00","f":[true,null,{"g":0}],"a":2}"#,
    );
    let doc = Doc::parse(&raw).unwrap();
    assert_eq!((doc.kind(), doc.len()), (Kind::Map, 7));
    assert_eq!(doc.get("a").as_i64(), Some(1), "the first of two");
    assert_eq!(doc.get("b").as_i64(), Some(-7));
    assert_eq!(doc.get("b").as_u64(), None);
    assert_eq!(doc.get("c").as_u64(), Some(u64::MAX));
    assert_eq!(doc.get("c").as_i64(), None);
    assert_eq!(doc.get("d").as_f64(), Some(2.5));
    assert_eq!(doc.get("b").as_f64(), Some(-7.0));
    assert_eq!(doc.get("e").as_str(), Some("x\u{fc}\u{1f600}"));
    let f = doc.get("f");
    assert_eq!((f.at(0).as_bool(), f.at(1).is_null()), (Some(true), true));
    assert_eq!(f.at(2).get("g").as_i64(), Some(0));
    assert!(!f.at(3).exists() && !doc.get("nope").exists());
    let kinds: Vec<_> = f.items().map(|d| d.kind()).collect();
    assert_eq!(kinds, [Kind::Bool, Kind::Null, Kind::Map]);
}

#[test]
fn errors_say_where_and_what() {
    let raw = from_json(r#"{"a":"x","b":[1],"c":null}"#);
    let doc = Doc::parse(&raw).unwrap();
    let cases = [
        (doc.get("a"), "field \"a\": want integer, got string"),
        (doc.get("z"), "field \"z\": want integer, got nothing"),
        (doc.get("c"), "field \"c\": want integer, got null"),
        (
            doc.get("c").get("d"),
            "field \"d\": want integer, got nothing",
        ),
        (doc.get("b").get("d"), "field \"d\": want map, got array"),
        (
            doc.get("b").get("d").get("e"),
            "field \"e\": want map, got array",
        ),
        (doc.get("a").at(0), "field \"a\": want array, got string"),
        (doc, "want integer, got map"),
    ];
    for (value, want) in cases {
        assert_eq!(value.i64().unwrap_err().message(), want);
    }
    assert!(Doc::parse(&raw[..raw.len() - 1]).is_err());
    assert!(Doc::parse(&[raw, vec![0]].concat()).is_err());
}

fn edited(base: &str, fields: &[(&str, sliphost::Plain<'_>)]) -> Result<String, String> {
    let raw = from_json(base);
    let mut out = Vec::new();
    Writer::new(&mut out)
        .edit(Doc::parse(&raw).unwrap(), fields)
        .map_err(|e| e.message().to_owned())?;
    Ok(to_json(&out))
}

#[test]
fn edit_sets_fields_in_place_or_at_the_end() {
    let fields = [
        ("late", true.into()),
        ("by", 20.into()),
        ("who", "me".into()),
    ];
    let cases = [
        ("{}", r#"{"late":true,"by":20,"who":"me"}"#),
        ("null", r#"{"late":true,"by":20,"who":"me"}"#),
        (
            r#"{"by":1,"x":[]}"#,
            r#"{"by":20,"x":[],"late":true,"who":"me"}"#,
        ),
    ];
    for (base, want) in cases {
        assert_eq!(edited(base, &fields).as_deref(), Ok(want));
    }
    assert_eq!(edited("[]", &fields), Err("want map, got array".to_owned()));
    let twice = [("a", 1.into()), ("a", 2.into())];
    assert_eq!(edited(r#"{"a":0}"#, &twice).as_deref(), Ok(r#"{"a":2}"#));
    assert_eq!(edited("{}", &twice).as_deref(), Ok(r#"{"a":2}"#));
}

#[test]
fn what_is_written_is_read() {
    let mut out = Vec::new();
    let mut w = Writer::new(&mut out);
    w.array(8);
    w.nil();
    w.bool(false);
    w.int(i64::MIN);
    w.uint(u64::MAX);
    w.float(0.5);
    w.str("s");
    w.bytes(b"b");
    w.map(0);
    let doc = Doc::parse(&out).unwrap();
    assert!(doc.at(0).is_null());
    assert!(!doc.at(1).bool().unwrap());
    assert_eq!(doc.at(2).i64().unwrap(), i64::MIN);
    assert_eq!(doc.at(3).u64().unwrap(), u64::MAX);
    assert_eq!(doc.at(4).f64().unwrap(), 0.5);
    assert_eq!(doc.at(5).str().unwrap(), "s");
    assert_eq!(doc.at(6).bytes().unwrap(), b"b");
    assert_eq!(doc.at(7).kind(), Kind::Map);
}
