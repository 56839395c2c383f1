//! What is compiled from a writer schema and the mapped paths: a graph of small steps, one for each value of a datum.

use super::compile::{Compiler, Path};
use super::schema::{Schema, SchemaError, Type};

/// A mapped field: its place in the slice that is given to [`Plan::compile`] is its number.
#[derive(Clone, Debug)]
pub struct FieldSpec {
    /// Dotted path from the top-level record.
    pub path: String,
}

/// How the datums of one writer schema are walked. Immutable, for any number of threads.
pub struct Plan {
    pub(super) records: Vec<Box<[Step]>>,
    pub(super) maps: Vec<MapSteps>,
    pub(super) arrays: Vec<Step>,
    pub(super) unions: Vec<Box<[Step]>>,
    pub(super) enums: Vec<Box<[Box<str>]>>,
    pub(super) targets: Vec<Target>,
    pub(super) absent: Vec<usize>,
    pub(super) id_absent: bool,
}

impl Plan {
    /// Compiles a writer schema; `references` are the schemas that it refers to, each after those it refers to itself.
    ///
    /// # Errors
    /// [`SchemaError`] if the schema is malformed or no record, or if a mapped path ends on something that can't hold a
    /// value to be checked: boolean, float, double; null, record and map, unless another branch of a union can.
    /// A path that the schema lacks is no error: see [`Plan::absent`].
    pub fn compile(
        schema_json: &str,
        references: &[String],
        id_path: &str,
        fields: &[FieldSpec],
    ) -> Result<Self, SchemaError> {
        let schema = Schema::parse(schema_json, references)?;
        if !matches!(schema.types[schema.root], Type::Record(_)) {
            let kind = schema.types[schema.root].kind();
            return Err(SchemaError::new(format!("the schema is no record: {kind}")));
        }
        let mapped = fields
            .iter()
            .enumerate()
            .map(|(number, field)| (field.path.as_str(), Target::Field(number)));
        let paths = std::iter::once((id_path, Target::Id))
            .chain(mapped)
            .map(|(path, target)| Path::new(path, target));
        Compiler::new(&schema, paths.collect()).compile()
    }

    /// The mapped fields that the writer schema lacks, ascending.
    #[must_use]
    pub fn absent(&self) -> &[usize] {
        &self.absent
    }

    /// Whether the writer schema lacks the id.
    #[must_use]
    pub fn id_absent(&self) -> bool {
        self.id_absent
    }
}

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
