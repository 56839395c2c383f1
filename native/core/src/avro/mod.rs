//! Reads the mapped fields of Avro datums (Avro 1.12 binary encoding) without building objects.
//!
//! A [`Plan`] is compiled once a writer schema; [`Plan::read`] walks a datum, skips what isn't mapped and hands the
//! rest to a [`Sink`] as slices of the datum.
//!
//! What callers and the other modules rely on:
//!
//! 1. `read` allocates nothing, and takes time linear in the datum: whatever has no bytes is skipped without a loop.
//! 2. The stack is bounded: records, arrays and maps nest at most [`MAX_DEPTH`] deep in a datum, deeper is `Invalid`.
//! 3. What is skipped is checked as strictly as what is read, and the byte sizes of blocks are verified, never trusted:
//!    a reader that ignores them sees the same fields, or `read` says `Invalid`.
//! 4. What was reported before an error stays valid; nothing is reported after it.
//! 5. No error text contains a byte of a datum.

mod compile;
mod datum;
mod parse;
mod plan;
mod schema;
#[cfg(test)]
mod tests;

pub use datum::{DatumError, MAX_DEPTH, Raw, Sink};
pub use plan::{FieldSpec, Plan};
pub use schema::SchemaError;
