//! The cases that the guests of both languages answer alike, on the host in
//! memory. Their README.md says what the fields mean.

use std::collections::BTreeMap;
use std::path::PathBuf;

use checkpoint::HANDLERS;
use sliphost::testing::{from_json, Checkpoint, Harness, Input, Outcome};
use sliphost::{Check, Doc, Error, Marker};

const NAME: &str = "weather-first";

/// The handlers of a case.
struct Case {
    checkpoint: Checkpoint,
    seek: Option<String>,
    handlers: BTreeMap<String, Harness>,
}

#[test]
fn the_cases_of_both_languages() {
    let file = "../../../go/sdktest/testdata/checkpoint/cases.json";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    let raw = from_json(&std::fs::read_to_string(path).expect("the cases are in the Go SDK"));
    let cases = Doc::parse(&raw).unwrap();
    assert!(cases.len() >= 12, "only {} cases", cases.len());
    for case in cases.items() {
        let name = case.get("name").str().unwrap();
        let mut all = start(case);
        for (i, step) in case.get("steps").items().enumerate() {
            let want: Vec<_> = step.get("want").items().map(|w| w.str().unwrap()).collect();
            let mut got = all.step(step);
            for (got, want) in got.iter_mut().zip(&want) {
                if *want == "error" && got.starts_with("error: ") {
                    got.truncate(want.len());
                }
            }
            assert_eq!(got, want, "{}: step {}", name, i);
        }
    }
}

fn start(case: Doc<'_>) -> Case {
    let mut checkpoint = Checkpoint::new(NAME);
    for d in case.get("dependencies").items() {
        checkpoint = checkpoint.dependency(d.at(0).str().unwrap(), d.at(1).i64().unwrap());
    }
    if case.get("checks").as_bool() == Some(true) {
        let (down, up) = (checked(), checked());
        let failed = |f: sliphost::testing::Failure| Error::failed(f.message);
        checkpoint = checkpoint
            .downtime_check(move |q| down.check_downtime(NAME, q).map_err(failed))
            .recovery_check(move |q| up.check_recovery(NAME, q).map_err(failed));
    }
    Case {
        checkpoint,
        seek: case.get("seek").as_str().map(str::to_owned),
        handlers: BTreeMap::new(),
    }
}

fn checked() -> Harness {
    Harness::new(HANDLERS, "checked")
}

impl Case {
    fn handler(&mut self, name: &str) -> &mut Harness {
        if !self.handlers.contains_key(name) {
            let mut h = Harness::new(HANDLERS, name);
            if name != "advance" {
                h = h.checkpoint(&self.checkpoint);
            }
            if let ("recover", Some(seek)) = (name, &self.seek) {
                h = h.param("seek", seek);
            }
            self.handlers.insert(name.to_owned(), h);
        }
        self.handlers.get_mut(name).expect("made a moment ago")
    }

    fn step(&mut self, step: Doc<'_>) -> Vec<String> {
        if let Some(handler) = step.get("to").as_str() {
            let mut input = Input::new(step.get("value").str().unwrap()).key("k");
            input = input.timestamp(step.get("time").as_i64().unwrap_or(0));
            if step.get("replayed").as_bool() == Some(true) {
                input = input.replayed();
            }
            return lines(&[self.handler(handler).send(input)]);
        }
        if let Some(handler) = step.get("border").as_str() {
            return lines(&self.handler(handler).border());
        }
        if let Some(ms) = step.get("advance").as_i64() {
            return lines(&[self.handler("advance").advance(ms)]);
        }
        if step.get("final").as_bool() == Some(true) {
            return lines(&[self.handler("advance").finish()]);
        }
        let check = Check {
            dependency: "weather",
            dependent_marker: marker(step.get("dependent")),
            dependency_marker: marker(step.get("dependency")),
            threshold_ms: 1000,
        };
        let asked = self.handler("check");
        let answer = match step.get("ask").str().unwrap() {
            "downtime" => asked.check_downtime(NAME, &check).map(|ms| ms.to_string()),
            _ => asked.check_recovery(NAME, &check).map(|up| up.to_string()),
        };
        vec![answer.unwrap_or_else(|f| format!("error: {}", f.message))]
    }
}

fn marker(d: Doc<'_>) -> Marker<'_> {
    let text = d.str().unwrap();
    match text.split_once(':') {
        Some(("t", ms)) => Marker::Time(ms.parse().unwrap()),
        Some(("i", n)) => Marker::Int(n.parse().unwrap()),
        Some((_, text)) => Marker::text(text),
        None => Marker::None,
    }
}

/// What comes of calls: outputs, then failures, then seeks.
fn lines(all: &[Outcome]) -> Vec<String> {
    let text = |b: &Option<Vec<u8>>| String::from_utf8(b.clone().unwrap_or_default()).unwrap();
    let outputs = all.iter().flat_map(|o| &o.outputs);
    let mut lines: Vec<_> = outputs
        .map(|o| format!("{}={}", text(&o.key), o.text()))
        .collect();
    let errors = all.iter().filter_map(|o| o.error.as_ref());
    lines.extend(errors.map(|e| format!("error: {}", e.message)));
    for (source, partition, offset) in all.iter().flat_map(|o| &o.seeks) {
        lines.push(format!("seek {} {} {}", source, partition, offset));
    }
    lines
}
