//! Which fields of an event are checked, and how its datums are read.

use std::collections::HashMap;
use std::sync::Arc;

use crate::avro::{FieldSpec, Plan, SchemaError};
use crate::digest::Encoding;
use crate::signal::Signal;

/// A mapped field.
#[derive(Clone, Debug)]
pub struct Field {
    /// Dotted path from the top-level record.
    pub path: String,
    pub signal: Signal,
    pub encoding: Encoding,
    /// Whether an event may lack it.
    pub optional: bool,
    /// Whether a value that is none of its signal is passed over, instead of making the event dead.
    pub skip_invalid: bool,
}

/// What is known of a writer schema.
pub enum Schema {
    Usable(Plan),
    /// Events are dead with this reason.
    Rejected(String),
}

/// The mapping, and the writer schemas that are known. A clone shares the schemas.
#[derive(Clone)]
pub struct Reader {
    pub(super) id_path: String,
    pub(super) fields: Vec<Field>,
    /// Whether an event without one checkable value is clean.
    pub(super) unchecked_is_clean: bool,
    pub(super) schemas: HashMap<u32, Arc<Schema>>,
}

impl Reader {
    #[must_use]
    pub fn new(id_path: String, fields: Vec<Field>, unchecked_is_clean: bool) -> Self {
        Self {
            id_path,
            fields,
            unchecked_is_clean,
            schemas: HashMap::new(),
        }
    }

    /// Compiles a writer schema.
    ///
    /// # Errors
    /// [`SchemaError`] if it can't be read or the mapping doesn't fit it.
    pub fn add_schema(
        &mut self,
        id: u32,
        schema: &str,
        references: &[String],
    ) -> Result<(), SchemaError> {
        let specs: Vec<FieldSpec> = self
            .fields
            .iter()
            .map(|field| FieldSpec {
                path: field.path.clone(),
            })
            .collect();
        let plan = Plan::compile(schema, references, &self.id_path, &specs)?;
        self.schemas.insert(id, Arc::new(Schema::Usable(plan)));
        Ok(())
    }

    /// Makes all events of the schema dead with this reason.
    pub fn reject_schema(&mut self, id: u32, reason: String) {
        self.schemas.insert(id, Arc::new(Schema::Rejected(reason)));
    }

    pub fn forget_schema(&mut self, id: u32) {
        self.schemas.remove(&id);
    }

    /// The schema ids of the batch that are not known, distinct, in order of appearance.
    #[must_use]
    pub fn missing(&self, values: &[Option<&[u8]>]) -> Vec<u32> {
        let mut missing = Vec::new();
        let mut last = None;
        for (id, _) in values.iter().flatten().filter_map(|value| split(value)) {
            if last != Some(id) && !self.schemas.contains_key(&id) && !missing.contains(&id) {
                missing.push(id);
            }
            last = Some(id);
        }
        missing
    }

    pub(super) fn path(&self, field: usize) -> &str {
        &self.fields[field].path
    }
}

/// Schema id and datum of a value in the Confluent wire format.
pub(super) fn split(value: &[u8]) -> Option<(u32, &[u8])> {
    let (header, datum) = value.split_first_chunk::<5>()?;
    let [0, id @ ..] = *header else { return None };
    Some((u32::from_be_bytes(id), datum))
}
