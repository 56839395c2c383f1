//! Events and a snapshot in, verdicts out.

mod batch;
mod event;
mod find;
mod matches;
mod reader;
mod verdict;

pub use batch::{Counts, Screened, screen};
pub use find::find;
pub use matches::Reason;
pub use reader::{Field, Reader, Schema};
pub use verdict::{Dead, Quarantined, Verdict};
