//! Random records against models that remember everything, on the host in
//! memory. SLIPHOST_SEED repeats a run.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use sliphost::testing::{Harness, Input, Outcome};
use windows::HANDLERS;

/// A small generator (splitmix64): the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % n as u64) as i64
    }
}

#[derive(Clone, Debug)]
struct Sent {
    key: &'static str,
    value: String,
    at: i64,
}

/// What a model emits for a record; `None` stands for the end.
type Model = Box<dyn FnMut(i64, Option<&Sent>) -> Vec<String>>;

fn check(handler: &str, make: impl Fn(&mut Random) -> (Vec<(&'static str, i64)>, Model)) {
    let seed = std::env::var("SLIPHOST_SEED").ok().map_or_else(
        || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.map_or(1, |d| d.as_nanos() as u64)
        },
        |s| s.parse().expect("SLIPHOST_SEED is a number"),
    );
    for round in 0..60 {
        let mut random = Random(seed.wrapping_add(round));
        let (params, mut model) = make(&mut random);
        let (mut now, mut records) = (0, Vec::new());
        for i in 0..80 {
            let at = match random.below(10) {
                0 => now + random.below(60),
                1..=3 => (now - random.below(40)).max(0),
                _ => now + random.below(6),
            };
            now = now.max(at);
            let key = ["a", "b", "a\0", ""][random.below(4) as usize];
            let side = ["<", ">"][random.below(2) as usize];
            let value = format!("{}{}", side, i);
            records.push(Sent { key, value, at });
        }
        let mut stream = -1;
        let mut want = Vec::new();
        for r in &records {
            stream = stream.max(r.at);
            want.push(model(stream, Some(r)));
        }
        let last = model(stream, None);
        for size in [1024, 7, 1] {
            let context = format!("{} {:?}, batches of {}", handler, params, size);
            let context = format!("{}: SLIPHOST_SEED={}", context, seed.wrapping_add(round));
            let mut h = Harness::new(HANDLERS, handler);
            for (name, value) in &params {
                h = h.param(name, *value);
            }
            let mut got = Vec::new();
            for some in records.chunks(size) {
                let input = |r: &Sent| Input::new(&r.value).key(r.key).timestamp(r.at);
                let outcomes = h.send_batch(some.iter().map(input).collect());
                got.extend(outcomes.iter().map(shown));
                if size == 1 {
                    h.restart();
                }
            }
            assert_eq!(got, want, "{}", context);
            if handler != "dedup" {
                assert_eq!(shown(&h.finish()), last, "{}", context);
                assert_eq!(h.entries("state"), [], "{}", context);
            }
        }
    }
}

fn shown(outcome: &Outcome) -> Vec<String> {
    let text = |b: &Option<Vec<u8>>| String::from_utf8(b.clone().unwrap_or_default()).unwrap();
    let outputs = outcome.ok().iter();
    let of = outputs.map(|o| format!("{} {}={}", o.sink, text(&o.key), text(&o.value)));
    of.collect()
}

fn late(r: &Sent) -> String {
    format!("late {}={}", r.key, r.value)
}

#[test]
fn hopping_windows() {
    check("hopping", |random| {
        let size = 1 + random.below(25);
        let (step, grace) = (1 + random.below(size), random.below(20));
        let mut counts: BTreeMap<(i64, &str), i64> = BTreeMap::new();
        let model: Model = Box::new(move |now, r| {
            let mut out = Vec::new();
            let open: Vec<_> = counts.keys().copied().collect();
            for (start, key) in open {
                if r.is_none() || start + size + grace <= now {
                    let n = counts.remove(&(start, key)).unwrap();
                    out.push(format!("out {}={}-{}:{}", key, start, start + size, n));
                }
            }
            if let Some(r) = r {
                let starts = (r.at - size + 1..=r.at).filter(|s| s % step == 0);
                let open: Vec<_> = starts.filter(|s| s + size + grace > now).collect();
                for start in &open {
                    *counts.entry((*start, r.key)).or_insert(0) += 1;
                }
                if open.is_empty() {
                    out.push(late(r));
                }
            }
            out
        });
        let params = [
            ("size", size),
            ("step", step),
            ("grace", grace),
            ("close", 1),
        ];
        (params.to_vec(), model)
    });
}

#[test]
fn sessions() {
    check("session", |random| {
        let (gap, grace) = (1 + random.below(12), random.below(20));
        // End, key, start, value.
        let mut open: Vec<(i64, &str, i64, String)> = Vec::new();
        let model: Model = Box::new(move |now, r| {
            let mut out = Vec::new();
            open.sort();
            open.retain(|(end, key, start, text)| {
                let closed = r.is_none() || end + gap + grace < now;
                if closed {
                    out.push(format!("out {}={}-{}:{}", key, start, end, text));
                }
                !closed
            });
            if let Some(r) = r {
                let near = |s: &&(i64, &str, i64, String)| {
                    s.1 == r.key && s.2 - gap <= r.at && r.at <= s.0 + gap
                };
                let parts: Vec<_> = open.iter().filter(near).cloned().collect();
                if parts.is_empty() && r.at + gap + grace < now {
                    out.push(late(r));
                    return out;
                }
                open.retain(|s| !near(&s));
                let end = parts.iter().map(|p| p.0).fold(r.at, i64::max);
                let start = parts.iter().map(|p| p.2).fold(r.at, i64::min);
                let texts: Vec<_> = parts.iter().map(|p| p.3.as_str()).collect();
                open.push((end, r.key, start, texts.join("+") + &r.value));
            }
            out
        });
        (
            [("gap", gap), ("grace", grace), ("close", 1)].to_vec(),
            model,
        )
    });
}

#[test]
fn joins() {
    check("join", |random| {
        let before = random.below(20) - 5;
        let (after, grace) = (random.below(15).max(-before), random.below(20));
        let kind = random.below(3);
        // End, key, left, number, time, value, matched.
        let mut kept: Vec<(i64, &str, bool, usize, i64, String, bool)> = Vec::new();
        let model: Model = Box::new(move |now, r| {
            let mut out = Vec::new();
            let bytes = |k: &(i64, &str, bool, usize, i64, String, bool)| {
                let mut b = k.1.as_bytes().to_vec();
                b.push(u8::from(!k.2));
                b.extend((k.3 as u32).to_be_bytes());
                (k.0, b)
            };
            kept.sort_by_key(bytes);
            kept.retain(|k| {
                let over = r.is_none() || k.0 + grace < now;
                if over && !k.6 && (kind == 2 || kind == 1 && k.2) {
                    let text = format!("{}@{}", k.5, k.4);
                    out.push(match k.2 {
                        true => format!("out {}={} -", k.1, text),
                        false => format!("out {}=- {}", k.1, text),
                    });
                }
                !over
            });
            if let Some(r) = r {
                let left = r.value.starts_with('<');
                let end = r.at + if left { after } else { before }.max(0);
                if end + grace < now {
                    out.push(late(r));
                    return out;
                }
                let same = |k: &&(i64, &str, bool, usize, i64, String, bool)| {
                    k.1 == r.key && k.2 == left && k.4 == r.at
                };
                let number = kept.iter().filter(same).count();
                let mut matched = false;
                kept.sort_by_key(|k| (k.4, k.3));
                for k in kept.iter_mut().filter(|k| k.1 == r.key && k.2 != left) {
                    let apart = if left { k.4 - r.at } else { r.at - k.4 };
                    if -before <= apart && apart <= after {
                        let (mine, theirs) =
                            (format!("{}@{}", r.value, r.at), format!("{}@{}", k.5, k.4));
                        out.push(match left {
                            true => format!("out {}={} {}", r.key, mine, theirs),
                            false => format!("out {}={} {}", r.key, theirs, mine),
                        });
                        k.6 = true;
                        matched = true;
                    }
                }
                kept.push((end, r.key, left, number, r.at, r.value.clone(), matched));
            }
            out
        });
        let params = [
            ("before", before),
            ("after", after),
            ("grace", grace),
            ("kind", kind),
        ];
        (params.to_vec(), model)
    });
}

#[test]
fn first_of_a_key() {
    check("dedup", |random| {
        let ttl = 1 + random.below(30);
        let mut seen: BTreeMap<&str, i64> = BTreeMap::new();
        let model: Model = Box::new(move |now, r| match r {
            Some(r) if now >= seen.get(r.key).copied().unwrap_or(i64::MIN) + ttl => {
                seen.insert(r.key, now);
                vec![format!("out {}={}", r.key, r.value)]
            }
            _ => Vec::new(),
        });
        (vec![("ttl", ttl)], model)
    });
}
