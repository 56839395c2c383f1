//! Counts and checksums, kept up to date change by change.

use crate::signal::{Signal, Width};

/// What a feed has in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Entries by signal code.
    pub counts: [u64; Signal::CODES],
    /// Entries of signal `url` by width code.
    pub widths: [u64; 5],
    /// The sum of the entries' terms modulo 2^128.
    pub checksum: u128,
}

impl Tally {
    pub fn add(&mut self, signal: Signal, width: Width, term: u128) {
        self.counts[usize::from(signal.code())] += 1;
        self.widths[usize::from(width.code())] += 1;
        self.checksum = self.checksum.wrapping_add(term);
    }

    pub fn subtract(&mut self, signal: Signal, width: Width, term: u128) {
        self.counts[usize::from(signal.code())] -= 1;
        self.widths[usize::from(width.code())] -= 1;
        self.checksum = self.checksum.wrapping_sub(term);
    }

    /// Whether there are URL entries of the width.
    pub fn has_width(&self, width: Width) -> bool {
        self.widths[usize::from(width.code())] > 0
    }
}
