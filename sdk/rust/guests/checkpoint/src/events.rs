//! What the checkpoint tells and asks.

use std::cmp::Ordering;

use sliphost::prelude::*;
use sliphost::{Check, Downtime, Marker, Position, Recovery, Seek};

use crate::words::{positions, show, state};
use crate::SEEK;

/// Emits what it is told of a downtime.
pub fn down(call: &mut Call, d: &Downtime<'_>) -> Result<()> {
    let text = format!(
        "downtime {} {} {} {{{}}}",
        d.ms,
        show(d.dependent_marker),
        show(d.dependency_marker),
        state(d.state)?
    );
    call.emit(d.dependency, &text);
    Ok(())
}

/// Emits what it is told of a recovery and goes back.
pub fn recovered(call: &mut Call, r: &Recovery<'_>) -> Result<()> {
    let text = format!(
        "recovery {} {} {{{}}} healthy{} detected{}",
        show(r.dependent_marker),
        show(r.dependency_marker),
        state(r.state)?,
        positions(&r.healthy),
        positions(&r.detected)
    );
    call.emit(r.dependency, &text);
    let place = SEEK.get(call).to_owned();
    match &*place {
        "none" => Ok(()),
        "healthy" => all(call, &r.healthy, |p| Seek::Offset(p.offset)),
        "detected" => all(call, &r.detected, |p| Seek::Offset(p.offset)),
        "beginning" => all(call, &r.detected, |_| Seek::Beginning),
        "end" => all(call, &r.detected, |_| Seek::End),
        "elsewhere" => call.seek("elsewhere", 0, Seek::Offset(0)),
        "state" => by_state(call, r),
        _ => bail!("unknown seek: {}", place),
    }
}

fn all(call: &mut Call, to: &[Position<'_>], place: impl Fn(&Position<'_>) -> Seek) -> Result<()> {
    for p in to {
        call.seek(p.source, p.partition, place(p))?;
    }
    Ok(())
}

/// As the seed has it: the state says where each partition was.
fn by_state(call: &mut Call, r: &Recovery<'_>) -> Result<()> {
    for (name, at) in r.state.entries() {
        let partition = match name.str()?.parse::<i32>() {
            Ok(partition) => partition,
            Err(_) => continue,
        };
        for p in r.detected.iter().filter(|p| p.partition == partition) {
            let offset = at.i64()?;
            call.seek_to(&Position { offset, ..*p })?;
        }
    }
    Ok(())
}

/// Finds a dependency down as soon as it is behind: between texts for a second
/// for each byte that the dependent's is longer, and at least one.
pub fn downtime_check(_: &mut Call, check: &Check<'_>) -> Result<i64> {
    let (dependent, dependency) = (check.dependent_marker, check.dependency_marker);
    if let Marker::Text(text) = dependent {
        let other = match dependency {
            Marker::Text(other) => other,
            _ => bail!("{} is not at a text", check.dependency),
        };
        if text <= other {
            return Ok(0);
        }
        return Ok(1000 * (text.len() as i64 - other.len() as i64).max(1));
    }
    match dependent.ahead_of(dependency) {
        Some(ahead) => Ok(ahead - check.threshold_ms / 2),
        None => bail!("markers {} and {}", show(dependent), show(dependency)),
    }
}

/// Finds a dependency up again that is as far as the dependent.
pub fn recovery_check(_: &mut Call, check: &Check<'_>) -> Result<bool> {
    let (dependent, dependency) = (check.dependent_marker, check.dependency_marker);
    match dependency.compare(dependent) {
        Some(order) => Ok(order != Ordering::Less),
        None => bail!("markers {} and {}", show(dependent), show(dependency)),
    }
}
