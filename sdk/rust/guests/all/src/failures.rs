//! Guests that fail.

use std::cell::RefCell;
use std::hint::black_box;

use sliphost::prelude::*;

pub static BAD: TextParam = TextParam::new("text", "bad", "the value that is refused");
pub static MIB: IntParam = IntParam::required("mib", "MiB to keep per record");

thread_local! {
    /// What grow_memory allocated.
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Panics on the value "trap" and passes all others on.
pub fn trap(call: &mut Call, rec: Record<'_>) -> Result<()> {
    if rec.value() == b"trap" {
        panic!("the value is trap");
    }
    call.emit(rec.key(), rec.value_opt());
    Ok(())
}

/// Panics on the value "bad N", after N outputs of that value and allocations
/// of many sizes that stay in use, and passes all others on. What may stand
/// behind N, after a space, only makes the value longer.
pub fn emit_then_trap(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let n = match rec.value().strip_prefix(b"bad ") {
        None => {
            call.emit(rec.key(), rec.value_opt());
            return Ok(());
        }
        Some(_) => rec.text()?.split(' ').nth(1).unwrap_or_default(),
    };
    let mut kept = Vec::new();
    for i in 0..n.parse::<u32>()? {
        call.emit(rec.key(), rec.value_opt());
        if i < 500 {
            keep_some(&mut kept);
        }
    }
    keep_some(&mut kept);
    panic!("{} outputs emitted", n);
}

fn keep_some(kept: &mut Vec<Vec<u8>>) {
    for size in [24, 100, 200, 500, 1000, 2000, 4000, 8000] {
        kept.push(black_box(vec![b'Z'; size]));
    }
}

/// Emits a record, and refuses it when its value is the parameter's: the
/// output must not be seen.
pub fn fail_on(call: &mut Call, rec: Record<'_>) -> Result<()> {
    call.emit(rec.key(), rec.value_opt());
    if rec.value() == BAD.get(call).as_bytes() {
        bail!("refused: {}", String::from_utf8_lossy(rec.value()));
    }
    Ok(())
}

/// Is fail_on with the error that skips a record.
pub fn drop_on(call: &mut Call, rec: Record<'_>) -> Result<()> {
    call.emit(rec.key(), rec.value_opt());
    if rec.value() == b"drop" {
        return Err(Error::drop("asked to"));
    }
    Ok(())
}

/// Is fail_on with the error that asks for another attempt.
pub fn retry_on(call: &mut Call, rec: Record<'_>) -> Result<()> {
    call.emit(rec.key(), rec.value_opt());
    if rec.value() == b"retry" {
        return Err(Error::retry(50, "asked to"));
    }
    Ok(())
}

/// Allocates memory for each record and keeps it.
pub fn grow_memory(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let bytes = (MIB.get(call) as usize) << 20;
    KEPT.with(|kept| kept.borrow_mut().push(vec![1; bytes]));
    call.emit(rec.key(), rec.value_opt());
    Ok(())
}

/// Never returns.
pub fn spin_forever(_: &mut Call, _: Record<'_>) -> Result<()> {
    let mut n = 0_u64;
    loop {
        n = black_box(n).wrapping_add(1);
    }
}
