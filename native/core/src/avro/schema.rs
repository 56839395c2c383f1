//! The types of a writer schema, as a graph: named types refer to each other by index, so it may be cyclic.

use std::collections::HashSet;
use std::fmt;

use super::parse::Parser;

/// A writer schema that can't be read, or that the mapping doesn't fit. The message names schema parts only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError(String);

impl SchemaError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for SchemaError {}

pub(super) type TypeId = usize;

/// A logical type is its base type: a mapped value is judged by what the wire holds.
pub(super) enum Type {
    Null,
    Boolean,
    /// `int` and `long`, which the wire does not tell apart.
    Integer,
    Float,
    Double,
    Bytes,
    String,
    Fixed(u32),
    Enum(Vec<Box<str>>),
    Array(TypeId),
    Map(TypeId),
    Union(Vec<TypeId>),
    Record(Vec<Field>),
}

impl Type {
    /// The type's name in a schema.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
            Self::Fixed(_) => "fixed",
            Self::Enum(_) => "enum",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Union(_) => "union",
            Self::Record(_) => "record",
        }
    }
}

pub(super) struct Field {
    pub(super) name: String,
    pub(super) aliases: Vec<String>,
    pub(super) kind: TypeId,
}

/// The types of one writer schema and of the schemas that it refers to.
pub(super) struct Schema {
    pub(super) types: Vec<Type>,
    /// By type: whether every value is encoded in no bytes at all. Such values are skipped without a loop.
    pub(super) bare: Vec<bool>,
    pub(super) root: TypeId,
}

impl Schema {
    /// Parses a writer schema. `references` are parsed before it, in order, so that later ones may name earlier ones.
    pub(super) fn parse(text: &str, references: &[String]) -> Result<Self, SchemaError> {
        let mut parser = Parser::default();
        // A registry may list one reference twice when two others share it.
        let mut seen = HashSet::new();
        for reference in references.iter().filter(|text| seen.insert(text.as_str())) {
            parser.document(reference, "a referenced schema")?;
        }
        let root = parser.document(text, "the schema")?;
        let bare = bare_types(&parser.types);
        Ok(Self {
            types: parser.types,
            bare,
            root,
        })
    }
}

/// The least fixed point: a record that holds itself unconditionally has no values, and isn't bare.
fn bare_types(types: &[Type]) -> Vec<bool> {
    let mut bare = vec![false; types.len()];
    loop {
        let mut changed = false;
        // A record stands before the types of its fields, mostly: backwards, one round finds nearly all.
        for (id, kind) in types.iter().enumerate().rev() {
            let now = match kind {
                Type::Null | Type::Fixed(0) => true,
                Type::Record(fields) => fields.iter().all(|field| bare[field.kind]),
                _ => false,
            };
            changed |= now != bare[id];
            bare[id] = now;
        }
        if !changed {
            return bare;
        }
    }
}
