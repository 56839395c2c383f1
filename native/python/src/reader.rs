use std::sync::{Arc, PoisonError, RwLock};

use crawlsieve_core::digest::Encoding;
use crawlsieve_core::screen::{self, Field};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::SchemaUnusable;
use crate::convert::signal;

#[pyclass(module = "crawlsieve._native", frozen)]
pub struct Reader(RwLock<Arc<screen::Reader>>);

#[pymethods]
impl Reader {
    #[new]
    #[pyo3(signature = (*, id_path, fields, unchecked))]
    fn new(
        id_path: String,
        fields: Vec<(String, String, String, bool, String)>,
        unchecked: &str,
    ) -> PyResult<Self> {
        let unchecked_is_clean = choice("unchecked", unchecked, ["dead", "clean"])?;
        let fields = fields
            .into_iter()
            .map(|(path, name, encoding, optional, invalid)| {
                let encoding = Encoding::from_name(&encoding).ok_or_else(|| {
                    PyValueError::new_err("unknown encoding; auto, hex, base64 or bytes")
                })?;
                let skip_invalid = choice("invalid", &invalid, ["dead", "skip"])?;
                Ok(Field {
                    path,
                    signal: signal(&name)?,
                    encoding,
                    optional,
                    skip_invalid,
                })
            });
        let fields = fields.collect::<PyResult<_>>()?;
        Ok(Self(RwLock::new(Arc::new(screen::Reader::new(
            id_path,
            fields,
            unchecked_is_clean,
        )))))
    }

    #[pyo3(signature = (schema_id, schema, references=Vec::new()))]
    fn add_schema(&self, schema_id: u32, schema: &str, references: Vec<String>) -> PyResult<()> {
        self.change(|reader| reader.add_schema(schema_id, schema, &references))
            .map_err(|unusable| SchemaUnusable::new_err(unusable.to_string()))
    }

    fn reject_schema(&self, schema_id: u32, reason: String) {
        self.change(|reader| reader.reject_schema(schema_id, reason));
    }

    fn forget_schema(&self, schema_id: u32) {
        self.change(|reader| reader.forget_schema(schema_id));
    }

    fn missing(&self, py: Python<'_>, values: Vec<Option<Bound<'_, PyBytes>>>) -> Vec<u32> {
        let borrowed = borrow(&values);
        let reader = self.current();
        py.detach(|| reader.missing(&borrowed))
    }
}

impl Reader {
    /// The reader as it is now; later changes don't reach it.
    pub fn current(&self) -> Arc<screen::Reader> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, change: impl FnOnce(&mut screen::Reader) -> T) -> T {
        change(Arc::make_mut(
            &mut self.0.write().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

pub fn borrow<'a>(values: &'a [Option<Bound<'_, PyBytes>>]) -> Vec<Option<&'a [u8]>> {
    values
        .iter()
        .map(|value| value.as_ref().map(|value| value.as_bytes()))
        .collect()
}

/// Whether the second of two choices is meant.
fn choice(what: &str, found: &str, of: [&str; 2]) -> PyResult<bool> {
    match of.iter().position(|choice| *choice == found) {
        Some(place) => Ok(place == 1),
        None => Err(PyValueError::new_err(format!(
            "{what} must be {} or {}",
            of[0], of[1]
        ))),
    }
}
