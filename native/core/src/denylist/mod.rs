//! What is in force: staged records and policies in, immutable snapshots out.
//!
//! One thread writes. A snapshot shares what has not changed, so taking and dropping one costs next to nothing, and
//! whoever reads one never waits.

mod contains;
mod ledger;
mod snapshot;
mod staged;
mod writer;

pub use ledger::Tally;
pub use snapshot::{Action, Feed, Label, Policy, Snapshot};
pub use writer::Denylist;
