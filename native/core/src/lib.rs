//! The pure core of Crawlsieve: a batch of values and a snapshot of the denylist in, verdicts out.
//!
//! No input or output, no Kafka and no Python. Modules, from the bottom up: [`signal`], [`keys`], [`digest`], [`url`],
//! [`avro`], [`entry`] (denylist records), [`index`] (look-up), [`denylist`] (what is in force) and [`screen`].

pub mod avro;
pub mod denylist;
pub mod digest;
pub mod entry;
pub mod index;
pub mod keys;
pub mod screen;
pub mod signal;
pub mod url;
