//! Walks a datum along a plan.

use std::fmt;

use super::plan::{Plan, Step, Target, Targets};

/// How deep records, arrays and maps may nest in a datum; the top-level record is the first.
pub const MAX_DEPTH: u32 = 64;

/// Takes the mapped values, in the order of the datum; several of one field if there are arrays on its path.
///
/// Null, the empty string, empty bytes and the empty array count as missing and are not reported.
pub trait Sink {
    /// A value of the id.
    fn id(&mut self, raw: Raw<'_>);
    /// A value of the mapped field with this number.
    fn value(&mut self, field: usize, raw: Raw<'_>);
}

/// A value as the datum has it. It has no `Debug`, so that it can't end up in a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Raw<'a> {
    /// An Avro string: should be UTF-8, may be anything.
    Str(&'a [u8]),
    /// Avro `bytes` or `fixed`.
    Bytes(&'a [u8]),
    /// `int` or `long`, with or without a logical type.
    Int(i64),
    /// The symbol of an enum.
    Enum(&'a str),
}

/// Why a datum can't be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatumError {
    /// It ends within a value.
    Truncated,
    /// No writer of this schema makes such bytes.
    Invalid,
    /// Bytes follow its end.
    Trailing,
}

impl fmt::Display for DatumError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Truncated => "the datum is truncated",
            Self::Invalid => "the datum does not fit its schema",
            Self::Trailing => "bytes follow the datum",
        })
    }
}

impl std::error::Error for DatumError {}

impl Plan {
    /// Reads one datum (without wire header) and reports the mapped values.
    ///
    /// # Errors
    /// [`DatumError`]; what was reported before it stays valid.
    pub fn read(&self, datum: &[u8], sink: &mut impl Sink) -> Result<(), DatumError> {
        let mut walk = Walk {
            plan: self,
            left: Bytes(datum),
            sink,
            depth: 0,
        };
        walk.step(Step::Record(0))?;
        if walk.left.0.is_empty() {
            Ok(())
        } else {
            Err(DatumError::Trailing)
        }
    }
}

struct Walk<'p, 'd, 's, S> {
    plan: &'p Plan,
    left: Bytes<'d>,
    sink: &'s mut S,
    depth: u32,
}

impl<S: Sink> Walk<'_, '_, '_, S> {
    fn step(&mut self, step: Step) -> Result<(), DatumError> {
        let plan = self.plan;
        match step {
            Step::Skip(width) => {
                self.left.take(width)?;
            }
            Step::Varint => {
                self.left.varint()?;
            }
            Step::Blob => {
                self.left.blob()?;
            }
            Step::Boolean => {
                if self.left.take(1)?[0] > 1 {
                    return Err(DatumError::Invalid);
                }
            }
            Step::Index(symbols) => {
                self.left.index(symbols as usize)?;
            }
            Step::Union(number) => {
                let branches = &plan.unions[number as usize];
                let branch = self.left.index(branches.len())?;
                self.step(branches[branch])?;
            }
            Step::Record(number) => {
                let steps = &plan.records[number as usize];
                self.nested(|walk| steps.iter().try_for_each(|&step| walk.step(step)))?;
            }
            Step::Array(number) => {
                let items = plan.arrays[number as usize];
                self.nested(|walk| walk.blocks(|walk, count| walk.items(items, count)))?;
            }
            Step::Map(number) => {
                let map = &plan.maps[number as usize];
                self.nested(|walk| {
                    walk.blocks(|walk, count| {
                        // Every entry takes a byte at least, so that the loop ends with the datum.
                        for _ in 0..count {
                            let key = walk.left.blob()?;
                            let named = map.keys.iter().find(|(name, _)| **name == *key);
                            walk.step(named.map_or(map.other, |(_, step)| *step))?;
                        }
                        Ok(())
                    })
                })?;
            }
            Step::String(targets) => {
                let text = self.left.blob()?;
                if !text.is_empty() {
                    self.report(targets, Raw::Str(text));
                }
            }
            Step::Bytes(targets) => {
                let bytes = self.left.blob()?;
                if !bytes.is_empty() {
                    self.report(targets, Raw::Bytes(bytes));
                }
            }
            Step::Fixed(size, targets) => {
                let bytes = self.left.take(size as usize)?;
                self.report(targets, Raw::Bytes(bytes));
            }
            Step::Integer(targets) => {
                let number = self.left.varint()?;
                self.report(targets, Raw::Int(number));
            }
            Step::Symbol(number, targets) => {
                let symbols = &plan.enums[number as usize];
                let symbol = &symbols[self.left.index(symbols.len())?];
                if !symbol.is_empty() {
                    self.report(targets, Raw::Enum(symbol));
                }
            }
        }
        Ok(())
    }

    fn report(&mut self, targets: Targets, raw: Raw<'_>) {
        for &target in &self.plan.targets[targets.start as usize..targets.end as usize] {
            match target {
                Target::Id => self.sink.id(raw),
                Target::Field(number) => self.sink.value(number, raw),
            }
        }
    }

    fn nested(
        &mut self,
        walk: impl FnOnce(&mut Self) -> Result<(), DatumError>,
    ) -> Result<(), DatumError> {
        if self.depth == MAX_DEPTH {
            return Err(DatumError::Invalid);
        }
        self.depth += 1;
        walk(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn items(&mut self, items: Step, count: u64) -> Result<(), DatumError> {
        if let Step::Skip(width) = items {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            self.left.take(count.saturating_mul(width))?;
            return Ok(());
        }
        // Every other item takes a byte at least, so that the loop ends with the datum.
        for _ in 0..count {
            self.step(items)?;
        }
        Ok(())
    }

    /// The blocks of an array or a map. A block with a negative count states its size in bytes. It is walked all the
    /// same: other readers ignore the size, and to trust it would show us another event than it shows them.
    fn blocks(
        &mut self,
        mut walk: impl FnMut(&mut Self, u64) -> Result<(), DatumError>,
    ) -> Result<(), DatumError> {
        loop {
            let count = self.left.varint()?;
            match count {
                0 => return Ok(()),
                1.. => walk(self, count.unsigned_abs())?,
                i64::MIN => return Err(DatumError::Invalid),
                _ => {
                    let size = self.left.length()?;
                    let before = self.left.0.len();
                    walk(self, count.unsigned_abs())?;
                    if before - self.left.0.len() != size {
                        return Err(DatumError::Invalid);
                    }
                }
            }
        }
    }
}

/// What is left of the datum.
struct Bytes<'d>(&'d [u8]);

impl<'d> Bytes<'d> {
    #[inline]
    fn take(&mut self, count: usize) -> Result<&'d [u8], DatumError> {
        let (taken, left) = self
            .0
            .split_at_checked(count)
            .ok_or(DatumError::Truncated)?;
        self.0 = left;
        Ok(taken)
    }

    /// An `int` or `long`: zigzag, little-endian groups of seven bits, at most ten bytes.
    #[inline]
    fn varint(&mut self) -> Result<i64, DatumError> {
        let (&first, left) = self.0.split_first().ok_or(DatumError::Truncated)?;
        if first < 0x80 {
            self.0 = left;
            return Ok(zigzag(first.into()));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<i64, DatumError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            // The tenth byte has one bit left to give.
            if shift == 63 && byte > 1 {
                return Err(DatumError::Invalid);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(zigzag(value));
            }
        }
        Err(DatumError::Invalid)
    }

    /// A length that what is left can hold.
    #[inline]
    fn length(&mut self) -> Result<usize, DatumError> {
        let length = u64::try_from(self.varint()?).map_err(|_| DatumError::Invalid)?;
        match usize::try_from(length) {
            Ok(length) if length <= self.0.len() => Ok(length),
            _ => Err(DatumError::Truncated),
        }
    }

    #[inline]
    fn blob(&mut self) -> Result<&'d [u8], DatumError> {
        let length = self.length()?;
        self.take(length)
    }

    /// The place of a union's branch or an enum's symbol, below `count`.
    #[inline]
    fn index(&mut self, count: usize) -> Result<usize, DatumError> {
        let index = usize::try_from(self.varint()?).map_err(|_| DatumError::Invalid)?;
        if index < count {
            Ok(index)
        } else {
            Err(DatumError::Invalid)
        }
    }
}

#[inline]
fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
