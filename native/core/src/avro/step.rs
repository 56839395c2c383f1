//! What a plan consists of: one small step for each value of a datum.

/// What is done with one value. `u32`s are places in the plan's lists.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// Passes so many bytes of any content; none for a bare type.
    Skip(usize),
    Boolean,
    Varint,
    /// Bytes or a string, skipped.
    Blob,
    /// An enum, skipped; the number of its symbols.
    Index(u32),
    Record(u32),
    Array(u32),
    Map(u32),
    Union(u32),
    String(Targets),
    Bytes(Targets),
    Fixed(u32, Targets),
    Integer(Targets),
    Symbol(u32, Targets),
}

/// A range of the plan's targets; never empty.
#[derive(Clone, Copy)]
pub(super) struct Targets {
    pub(super) start: u32,
    pub(super) end: u32,
}

#[derive(Clone, Copy)]
pub(super) enum Target {
    Id,
    Field(usize),
}

pub(super) struct MapSteps {
    /// The keys that paths name, and what is done with their values.
    pub(super) keys: Box<[(Box<[u8]>, Step)]>,
    /// What is done with the value of any other key.
    pub(super) other: Step,
}
