//! Scans, transactions, numbers, documents, windows and limits of caches.

use std::ops::Bound;

use sliphost::prelude::*;
use sliphost::testing::{Harness, Input, KeyType};
use sliphost::zz_abi::{CODE_FAILED, CODE_LIMIT};
use sliphost::{Entry, Scan};

static MAP: Cache = Cache::new("map");
static SINK: Sink = Sink::new("late");

thread_local! {
    /// What the handler under test does.
    static RUN: std::cell::Cell<fn(&mut Call, Record<'_>) -> Result<()>> =
        const { std::cell::Cell::new(|_, _| Ok(())) };
}

fn run(call: &mut Call, rec: Record<'_>) -> Result<()> {
    RUN.with(std::cell::Cell::get)(call, rec)
}

export! {
    "run" => run, MAP;
    "late" => run, MAP, SINK;
}

fn handler(run: fn(&mut Call, Record<'_>) -> Result<()>) -> Harness {
    RUN.with(|r| r.set(run));
    Harness::new(HANDLERS, "run")
}

/// The keys of a scan as text, joined.
fn keys(scan: Scan) -> Result<String> {
    let all: Result<Vec<_>> = scan.keys().collect();
    Ok(String::from_utf8_lossy(&all?.join(&b' ')).into_owned())
}

const REFUSED: &str = "cache \"map\": the host refused the request: the manifest declares another type of keys than the handler uses \
    (key = of its cache), \
    or handlers may not write to it (kind = global)";

#[test]
fn pages_join_and_entries_outlive_them() {
    let mut h = handler(|call, _| {
        for page in [1, 2, 3, 299, 300, 4096, 5000] {
            let all: Result<Vec<Entry>> = MAP.scan(call).page(page).collect();
            let all = all?;
            assert_eq!(all.len(), 300, "pages of {}", page);
            for (i, entry) in all.iter().enumerate() {
                let text = format!("{:03}", i);
                assert_eq!(
                    (entry.key(), entry.value()),
                    (text.as_bytes(), text.as_bytes())
                );
            }
        }
        let mut scan = MAP.scan(call).page(0).backwards();
        assert_eq!(scan.next().unwrap()?.key(), b"299");
        assert_eq!(scan.by_ref().count(), 299);
        assert!(scan.next().is_none() && scan.next().is_none());
        Ok(())
    });
    for i in 0..300 {
        let text = format!("{:03}", i);
        h = h.entry("map", &text, &text);
    }
    h.send("x").ok();
}

#[test]
fn a_page_is_bounded_in_bytes_but_has_an_entry() {
    let mut h = handler(|call, _| {
        let sizes: Result<Vec<_>> = MAP.scan(call).values().map(|v| Ok(v?.len())).collect();
        assert_eq!(sizes?, [600_000, 3_000_000, 600_000, 0]);
        Ok(())
    });
    for (key, size) in [("a", 600_000), ("b", 3_000_000), ("c", 600_000), ("d", 0)] {
        h = h.entry("map", key, vec![7; size]);
    }
    h.send("x").ok();
}

#[test]
fn bounds_of_every_kind() {
    let mut h = handler(|call, _| {
        let scan = || MAP.scan(call);
        assert_eq!(
            keys(scan().range((Bound::Excluded("a"), Bound::Excluded("c"))))?,
            "b"
        );
        assert_eq!(keys(scan().range("b"..))?, "b c");
        assert_eq!(keys(scan().range("a".."c").prefix("b"))?, "b");
        assert_eq!(keys(scan().range("a".."b").range(..))?, "a b c");
        assert_eq!(keys(scan().range(..""))?, "");
        assert_eq!(keys(scan().range(.."").range("c"..))?, "c");
        Ok(())
    });
    for key in ["a", "b", "c"] {
        h = h.entry("map", key, "");
    }
    h.send("x").ok();
}

#[test]
fn nothing_is_below_the_empty_key() {
    let mut h = handler(|call, _| {
        MAP.delete_range(call, ..rec_end())?;
        MAP.delete_range(call, "x"..rec_end())?;
        assert_eq!(keys(MAP.scan(call))?, "a");
        MAP.delete_range(call, ..)?;
        assert_eq!(keys(MAP.scan(call))?, "");
        Ok(())
    });
    h = h.entry("map", "a", "");
    h.send("x").ok();
}

/// The end of a range that a record could have given.
fn rec_end() -> &'static str {
    ""
}

#[test]
fn a_scan_tells_its_error_once() {
    let mut h = handler(|call, _| {
        let mut scan = MAP.scan(call).prefix("a");
        let e = scan.next().unwrap().unwrap_err();
        assert_eq!(e.message(), REFUSED);
        assert!(scan.next().is_none());
        let mut scan = MAP.scan(call).range(f64::NAN..);
        let e = scan.next().unwrap().unwrap_err();
        assert_eq!(e.message(), "cache \"map\": NaN is no key");
        assert!(scan.next().is_none());
        let mut scan = MAP.scan(call).range(1.0..);
        assert!(
            scan.next().unwrap().is_err(),
            "a float is no key here, by its place"
        );
        Ok(())
    })
    .keys("map", KeyType::Bool);
    h.send("x").ok();
}

#[test]
fn keys_have_types() {
    let mut h = handler(|call, _| {
        for n in [3, -1, i64::MAX, i64::MIN] {
            MAP.put(call, n, &n.to_string())?;
        }
        let all: Result<Vec<i64>> = MAP.scan(call).map(|e| e?.key_as()).collect();
        assert_eq!(all?, [i64::MIN, -1, 3, i64::MAX]);
        let below: Result<Vec<i64>> = MAP.scan(call).range(..3).map(|e| e?.key_as()).collect();
        assert_eq!(below?, [i64::MIN, -1]);
        let above = (Bound::Excluded(-1), Bound::Included(i64::MAX));
        let above: Result<Vec<i64>> = MAP.scan(call).range(above).map(|e| e?.key_as()).collect();
        assert_eq!(above?, [3, i64::MAX]);
        MAP.delete_range(call, ..=3)?;
        let entry = MAP.scan(call).next().unwrap()?;
        let e = entry.key_as::<bool>().unwrap_err();
        assert_eq!(
            (e.message(), entry.value()),
            (
                "cache \"map\": the key is not a bool of 1 byte",
                &b"9223372036854775807"[..]
            )
        );
        let e = entry.value_as::<i64>().unwrap_err();
        assert_eq!(
            e.message(),
            "cache \"map\": the value is not an int of 8 bytes"
        );
        MAP.put(call, "abc", "")
    })
    .keys("map", KeyType::Int);
    let e = h.send("x").failure().clone();
    assert_eq!((e.code, &*e.message), (CODE_FAILED, REFUSED));
    assert!(h.entries("map").is_empty(), "undone");
}

#[test]
fn numbers_and_documents_are_values() {
    let mut h = handler(|call, rec| {
        assert_eq!(MAP.get_i64(call, "n")?, None);
        assert_eq!(MAP.add_i64(call, "n", 5)?, 5);
        assert_eq!(MAP.add_i64(call, "n", -7)?, -2);
        assert_eq!(MAP.get_i64(call, "n")?, Some(-2));
        MAP.put_i64(call, "n", i64::MIN)?;
        let e = MAP.add_i64(call, "n", -1).unwrap_err();
        assert_eq!(
            e.message(),
            "cache \"map\": the sum does not fit into 64 bits"
        );
        assert_eq!(MAP.add_f64(call, "x", 1.5)?, 1.5);
        assert_eq!(MAP.add_f64(call, "x", 1.0)?, 2.5);
        MAP.put_f64(call, "y", -0.5)?;
        assert_eq!(MAP.get_f64(call, "y")?, Some(-0.5));
        MAP.put_doc(call, "d", |w| w.fields(&[("a", 1.into())]))?;
        assert_eq!(MAP.doc(call, "d")?.unwrap().get("a").i64()?, 1);
        assert!(MAP.doc(call, "none")?.is_none());
        let e = MAP.put_doc(call, "d", |_| Ok(())).unwrap_err();
        assert!(e.message().starts_with("the value is not msgpack"), "{}", e);
        assert!(MAP.doc(call, "n").is_err(), "a number is no document");
        let many = MAP.get_many(call, &["y", "none", "y"])?;
        let y = Some((-0.5_f64).to_le_bytes().to_vec());
        assert_eq!(many, [y.clone(), None, y]);
        assert_eq!(MAP.get_many::<&str>(call, &[])?, []);
        let keys: Vec<i64> = (0..5000).collect();
        assert_eq!(MAP.get_many(call, &keys)?, vec![None; 5000]);
        MAP.read(call, "y", |call, y| {
            call.emit(rec.key(), y);
            Ok(())
        })
    });
    let out = h.send("x");
    assert_eq!(
        out.ok()[0].value.as_deref(),
        Some(&(-0.5_f64).to_le_bytes()[..])
    );
}

#[test]
fn transactions_nest_and_undo() {
    let mut h = handler(|call, rec| {
        MAP.put(call, "kept", "1")?;
        let e = MAP.transaction(call, "k", |call| {
            MAP.put(call, "outer", "1")?;
            MAP.transaction(call, "k", |call| MAP.put(call, "inner", "1"))?;
            let lost: Result<()> = MAP.transaction(call, "k", |call| {
                MAP.delete(call, "kept")?;
                bail!("inner")
            });
            assert_eq!(lost.unwrap_err().message(), "inner");
            assert!(MAP.contains(call, "kept")?);
            if rec.value() == b"keep" {
                return Ok(7);
            }
            bail!("outer")
        });
        assert_eq!(
            keys(MAP.scan(call))?,
            if e.is_ok() {
                "inner kept outer"
            } else {
                "kept"
            }
        );
        assert_eq!(
            e.as_ref().ok(),
            if rec.value() == b"keep" {
                Some(&7)
            } else {
                None
            }
        );
        Ok(())
    });
    h.send("undo").ok();
    h.send("keep").ok();
}

#[test]
fn too_many_savepoints_are_the_records_limit() {
    fn nest(call: &mut Call, depth: u32) -> Result<()> {
        if depth == 0 {
            return Ok(());
        }
        MAP.transaction(call, "k", |call| nest(call, depth - 1))
    }
    let mut h = handler(|call, _| nest(call, 64));
    h.send("x").ok();
    let mut h = handler(|call, _| {
        let _ = nest(call, 65);
        Ok(())
    });
    assert_eq!(h.send("x").failure().code, CODE_LIMIT);
}

#[test]
fn a_limit_fails_the_record_whatever_the_handler_returns() {
    let mut h = handler(|call, rec| {
        MAP.put(call, "a", rec.value())?;
        let _ = MAP.put(call, "b", rec.value());
        Ok(())
    })
    .staged(100);
    let all = h.send_batch(vec![
        "x".repeat(49).as_str().into(),
        "x".repeat(50).as_str().into(),
    ]);
    all[0].ok();
    assert_eq!(all[1].failure().code, CODE_LIMIT);
    assert_eq!(h.cached("map", "a").map(<[u8]>::len), Some(49), "undone");
    let mut h = handler(|call, _| {
        let long = vec![0; 65_536];
        let _ = MAP.contains(call, &long);
        Ok(())
    });
    assert_eq!(h.send("x").failure().code, CODE_LIMIT);
    let mut h = handler(|call, _| {
        let _ = MAP.delete_range(call, ..);
        Ok(())
    })
    .staged(5)
    .entry("map", "abc", "")
    .entry("map", "def", "");
    assert_eq!(h.send("x").failure().code, CODE_LIMIT);
    assert_eq!(h.entries("map").len(), 2);
}

#[test]
fn a_global_cache_is_read_only() {
    let mut h = handler(|call, _| {
        assert!(MAP.put(call, "a", "2").is_err());
        assert!(MAP.delete(call, "a").is_err());
        assert!(MAP.delete_range(call, ..).is_err());
        assert_eq!(MAP.peek(call, "a")?, Some(&b"1"[..]));
        Ok(())
    })
    .global("map")
    .entry("map", "a", "1");
    h.send("x").ok();
    h.move_to(3);
    h.send("x").ok();
}

#[test]
fn stream_time_is_the_largest_timestamp() {
    let mut h = handler(|call, rec| {
        call.emit(rec.key(), &call.stream_time().to_string());
        Ok(())
    });
    let mut at = |t: i64| h.send(Input::new("x").timestamp(t)).values()[0].to_owned();
    assert_eq!([at(-1), at(7), at(5), at(8)], ["-1", "7", "7", "8"]);
    h.restart();
    assert_eq!(h.send(Input::new("x").timestamp(2)).values(), ["8"]);
    h.move_to(1);
    assert_eq!(h.send(Input::new("x").timestamp(2)).values(), ["2"]);
}

static WINDOWS: Tumbling = Tumbling::new(&MAP, 10, 0).late(&SINK);

/// What a failed record removed is back, and so the next one looks again.
#[test]
fn windows_are_swept_again_after_a_failure() {
    let mut h = handler(|call, rec| {
        WINDOWS.update(call, rec, "k", |old| {
            assert_eq!(old, None);
            Ok(rec.value().to_vec())
        })?;
        match rec.value() {
            b"fail" => bail!("asked to"),
            _ => Ok(()),
        }
    });
    let mut starts = |value: &str, t| {
        h.send(Input::new(value).timestamp(t));
        let all = h.entries("map").into_iter();
        all.map(|(k, _)| i64::from(k[7])).collect::<Vec<_>>()
    };
    assert_eq!(starts("a", 1), [0]);
    assert_eq!(starts("fail", 11), [0]);
    assert_eq!(starts("b", 12), [10]);
}

#[test]
fn a_transaction_that_fails_takes_the_sweep_back() {
    let mut h = handler(|call, rec| {
        let _: Result<()> = MAP.transaction(call, "k", |call| {
            WINDOWS.add_i64(call, rec, "k", 1)?;
            bail!("undone")
        });
        WINDOWS.add_i64(call, rec, "k", 1)?;
        Ok(())
    });
    h.send(Input::new("x").timestamp(1)).ok();
    h.send(Input::new("x").timestamp(11)).ok();
    assert_eq!(h.entries("map").len(), 1);
}

#[test]
fn late_records_come_as_they_are() {
    RUN.with(|r| {
        r.set(|call, rec| {
            let window = WINDOWS.update(call, rec, rec.key(), |_| Ok(b"v".to_vec()))?;
            assert_eq!(window.is_none(), rec.timestamp() == 3);
            Ok(())
        })
    });
    let mut h = Harness::new(HANDLERS, "late");
    h.send(Input::new("a").key("k").timestamp(10)).ok();
    let late = h.send(Input::new("b").key("k").header("h", "1").timestamp(3));
    let out = &late.ok()[0];
    assert_eq!(
        (&*out.sink, out.key.as_deref(), out.text()),
        ("late", Some(&b"k"[..]), "b")
    );
    assert_eq!(out.headers, [("h".to_owned(), Some(b"1".to_vec()))]);
    assert_eq!(late.metrics, [("slip_late_records".to_owned(), 1.0)]);
}

#[test]
fn windows_ahead_of_stream_time_are_found() {
    handler(|call, rec| {
        for (key, at) in [
            ("k", 95),
            ("k", -1),
            ("j", 50),
            ("l", 50),
            ("k", 12),
            ("k", 55),
        ] {
            WINDOWS.update(call, rec.at(at), key, |_| Ok(key.into()))?;
        }
        let all: Result<Vec<_>> = WINDOWS.windows(call, "k").collect();
        let all: Vec<_> = all?.iter().map(|w| (w.start, w.end)).collect();
        assert_eq!(all, [(10, 20), (50, 60), (90, 100)]);
        assert_eq!(WINDOWS.get(call, 59, "j")?.as_deref(), Some(&b"j"[..]));
        assert_eq!(keys(WINDOWS.entries(call, 51))?, "j k l");
        let e = Tumbling::new(&MAP, 0, 0)
            .windows(call, "k")
            .next()
            .unwrap()
            .unwrap_err();
        assert_eq!(e.message(), "window \"map\": size 0: want at least 1");
        assert!(Tumbling::new(&MAP, 0, 0)
            .entries(call, 0)
            .next()
            .unwrap()
            .is_err());
        assert!(Tumbling::new(&MAP, 10, -1).get(call, 0, "k").is_err());
        Ok(())
    });
    let mut h = Harness::new(HANDLERS, "late");
    let late = h.send(Input::new("x").timestamp(0));
    assert_eq!(late.ok().len(), 1, "the window before 0 is over");
}
