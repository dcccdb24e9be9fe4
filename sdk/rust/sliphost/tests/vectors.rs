//! The byte vectors of the ABI, which every codec reads the same way; see
//! abi/vectors/README.md.

use std::fs;
use std::path::Path;

use sliphost::message::recode;
use sliphost::testing::from_json;
use sliphost::Doc;

fn unhex(text: &str) -> Vec<u8> {
    let digit = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digit).collect()
}

/// Checks one vector; the text says what is wrong.
fn check(v: Doc<'_>) -> Result<(), String> {
    let field = |name| v.get(name).as_str().unwrap_or("");
    let read = match recode(field("message"), &unhex(field("hex"))) {
        Some(read) => read,
        None => return Err("no such message".to_owned()),
    };
    match (field("class"), read) {
        ("canonical" | "liberal" | "forward", Ok(written)) => {
            let want = unhex(field("canon"));
            if written != want {
                return Err(format!("wrote {:02x?}, want {:02x?}", written, want));
            }
        }
        // The words and places are those of the Go reader: this one mirrors it.
        ("reject", Err(e)) => {
            let want = format!("message byte {}: want {}", field("at"), field("error"));
            if e.to_string() != want {
                return Err(format!("refused with {}, want {}", e, want));
            }
        }
        ("reject", Ok(_)) => return Err("accepted".to_owned()),
        (class, Err(e)) => return Err(format!("class {}: refused: {}", class, e)),
        (class, Ok(_)) => return Err(format!("unknown class {}", class)),
    }
    Ok(())
}

#[test]
fn every_vector_holds() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../abi/vectors");
    let mut checked = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&dir).expect("abi/vectors") {
        let path = entry.expect("abi/vectors").path();
        if path.extension().map_or(true, |e| e != "json") {
            continue;
        }
        let raw = from_json(&fs::read_to_string(&path).expect("a vector file"));
        for v in Doc::parse(&raw).expect("msgpack").items() {
            checked += 1;
            if let Err(e) = check(v) {
                let name = v.get("name").as_str().unwrap_or("");
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                wrong.push(format!("{} \"{}\": {}", file, name, e));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(checked > 200, "only {} vectors", checked);
}
