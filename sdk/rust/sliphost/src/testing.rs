//! Tests of handlers without wasm.
