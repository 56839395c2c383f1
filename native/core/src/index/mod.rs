//! Look-up of keyed values (exact) and of perceptual values (within a distance).
//!
//! Both map a value to its records. What is published is immutable and shared; the writer changes copies.

mod exact;
mod perceptual;
mod records;
mod table;

pub use exact::{Exact, Writer};
pub use perceptual::Perceptual;
pub use records::{LabelId, Record, Records};
