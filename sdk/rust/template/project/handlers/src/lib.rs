//! The module: the handlers that manifest.toml binds to topics. It is compiled
//! to WebAssembly; `cargo test` runs it natively.

use sliphost::prelude::*;

static GREETING: TextParam = TextParam::new("greeting", "Hello", "what each name is greeted with");

export! { "hello" => hello, GREETING, Options::new().stateless() }

/// Answers {"name": "Ada"} with {"text": "Hello, Ada!"}. A record without a
/// name is dropped; what is no document fails, and the handler's on_error
/// policy decides what becomes of it.
fn hello(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let doc = rec.doc()?;
    let name = match doc.get("name").as_str() {
        None | Some("") => return Err(Error::drop("nobody to greet")),
        Some(name) => name,
    };
    let text = format!("{}, {}!", GREETING.get(call), name);
    call.emit_doc(rec.key(), |w| w.fields(&[("text", (&text).into())]))
}

#[cfg(test)]
mod tests {
    use super::HANDLERS;
    use sliphost::testing::{Harness, Input};
    use sliphost::zz_abi::CODE_DROP;

    #[test]
    fn hello_greets() {
        let mut hello = Harness::new(HANDLERS, "hello")
            .json()
            .param("greeting", "Hi");
        let out = hello.send(Input::json(r#"{"name": "Ada"}"#).key("1"));
        assert_eq!(out.ok()[0].json(), r#"{"text":"Hi, Ada!"}"#);
    }

    #[test]
    fn hello_drops_a_record_without_a_name() {
        let mut hello = Harness::new(HANDLERS, "hello").json();
        let out = hello.send(Input::json(r#"{"age": 36}"#));
        assert_eq!(out.failure().code, CODE_DROP);
    }
}
