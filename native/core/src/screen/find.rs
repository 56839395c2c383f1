//! All matches of a single value.

use super::batch::look_up;
use super::event::{Lookup, Workspace};
use super::matches::{Reason, reasons};
use crate::denylist::Snapshot;
use crate::digest::Encoding;
use crate::signal::Signal;

/// All matches of one value, whatever their feeds' action, nothing cancelled. `is_text`: see [`crate::digest::read`].
///
/// # Errors
/// The reason why it is no value of the signal.
pub fn find(
    snapshot: &Snapshot,
    signal: Signal,
    value: &[u8],
    is_text: bool,
) -> Result<Vec<Reason>, &'static str> {
    let mut work = Workspace::default();
    Lookup {
        snapshot,
        work: &mut work,
        event: 0,
        value: 0,
    }
    .add(signal, Encoding::Auto, value, is_text)?;
    look_up(snapshot, &mut work.probes, &mut work.matches);
    Ok(reasons(snapshot, work.matches.iter()))
}
