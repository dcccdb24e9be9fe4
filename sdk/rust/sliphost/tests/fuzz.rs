//! Decoders on bytes that nobody wrote: they may refuse, but not panic, and
//! what they accept is written in a form that is read the same. The seed is
//! printed and repeats a run: SLIPHOST_SEED=n cargo test.

use std::fs;
use std::path::Path;

use sliphost::message::recode;
use sliphost::testing::from_json;
use sliphost::Doc;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// Messages and their names, from the vectors.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../abi/vectors");
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).expect("abi/vectors") {
        let path = entry.expect("abi/vectors").path();
        if path.extension().map_or(true, |e| e != "json") {
            continue;
        }
        let raw = from_json(&fs::read_to_string(path).expect("a vector file"));
        for v in Doc::parse(&raw).expect("msgpack").items() {
            let hex = v.get("hex").as_str().expect("hex");
            let digit = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex");
            let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(digit).collect();
            let name = v.get("message").as_str().expect("a name");
            // Long ones only slow the search down.
            if bytes.len() < 2000 {
                all.push((name.to_owned(), bytes));
            }
        }
    }
    all.sort();
    all
}

fn mutate(r: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..1 + r.below(4) {
        let at = r.below(bytes.len() + 1);
        match r.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, r.below(256) as u8),
            2 if at < bytes.len() => bytes[at] = r.below(256) as u8,
            3 if at < bytes.len() => {
                bytes.remove(at);
            }
            _ => {
                let from = r.below(other.len() + 1);
                let tail = &other[from..];
                bytes.splice(at.., tail.iter().copied());
            }
        }
    }
}

#[test]
fn decoders_survive_what_nobody_wrote() {
    let seed = std::env::var("SLIPHOST_SEED").ok();
    let seed = seed.and_then(|s| s.parse().ok()).unwrap_or(0x5eed_u64);
    println!("SLIPHOST_SEED={}", seed);
    let mut r = Random(seed.max(1));
    let corpus = corpus();
    let mut accepted = 0;
    for round in 0..60_000 {
        let (name, bytes) = &corpus[r.below(corpus.len())];
        let mut bytes = bytes.clone();
        let other = r.below(corpus.len());
        mutate(&mut r, &mut bytes, &corpus[other].1);
        let first = match recode(name, &bytes).expect("a known name") {
            Ok(first) => first,
            Err(_) => continue,
        };
        accepted += 1;
        let again = recode(name, &first).expect("a known name");
        assert_eq!(
            again.as_ref(),
            Ok(&first),
            "round {}: {} {:02x?}",
            round,
            name,
            bytes
        );
    }
    assert!(
        accepted > 500,
        "only {} accepted: nothing was tested",
        accepted
    );
}

#[test]
fn documents_survive_what_nobody_wrote() {
    let mut r = Random(0x5eed);
    let base = from_json(r#"{"a":[1,-2,3.5,"x",null,true,{"b":[]}],"c":"text","d":{"e":{}}}"#);
    for _ in 0..30_000 {
        let mut bytes = base.clone();
        mutate(&mut r, &mut bytes, &base);
        if let Ok(doc) = Doc::parse(&bytes) {
            visit(doc);
            sliphost::testing::to_json(&bytes);
        }
    }
}

fn visit(doc: Doc<'_>) -> usize {
    let scalars = [
        doc.as_i64().is_some(),
        doc.as_u64().is_some(),
        doc.as_f64().is_some(),
        doc.as_bool().is_some(),
        doc.as_str().is_some(),
        doc.as_bytes().is_some(),
    ];
    let inner: usize = doc.items().map(visit).sum();
    let fields: usize = doc.entries().map(|(k, v)| visit(k) + visit(v)).sum();
    assert_eq!(doc.items().count() + doc.entries().count(), doc.len());
    doc.get("a").at(0).exists() as usize + scalars.len() + inner + fields
}
