use std::sync::Arc;

use crawlsieve_core::denylist;
use crawlsieve_core::entry::Key;
use crawlsieve_core::screen;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::DamagedRecord;
use crate::convert::{Value, signal};
use crate::reader::{Reader, borrow};
use crate::screened::{Reason, Screened};

#[pyclass(module = "crawlsieve._native", frozen)]
pub struct Snapshot(pub Arc<denylist::Snapshot>);

#[pymethods]
impl Snapshot {
    fn screen(
        &self,
        py: Python<'_>,
        reader: &Reader,
        values: Vec<Option<Bound<'_, PyBytes>>>,
    ) -> PyResult<Screened> {
        let borrowed = borrow(&values);
        let reader = reader.current();
        let screened = py.detach(|| match reader.missing(&borrowed).first() {
            None => Ok(screen::screen(&self.0, &reader, &borrowed)),
            Some(&schema_id) => Err(schema_id),
        });
        Screened::new(py, screened.map_err(PyKeyError::new_err)?)
    }

    #[expect(clippy::needless_pass_by_value, reason = "arguments come by value")]
    fn find(&self, py: Python<'_>, signal: &str, value: Value<'_>) -> PyResult<Vec<Reason>> {
        let signal = self::signal(signal)?;
        let (bytes, is_text) = value
            .get()
            .ok_or_else(|| PyValueError::new_err("not-utf8"))?;
        let found = py
            .detach(|| screen::find(&self.0, signal, bytes, is_text))
            .map_err(PyValueError::new_err)?;
        Ok(found.iter().map(|reason| Reason::new(py, reason)).collect())
    }

    fn contains(&self, key: &[u8]) -> PyResult<bool> {
        let key =
            Key::decode(key).map_err(|damaged| DamagedRecord::new_err(damaged.to_string()))?;
        Ok(self.0.contains(&key))
    }

    fn entry_tag<'py>(&self, py: Python<'py>, key: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let key =
            Key::decode(key).map_err(|damaged| DamagedRecord::new_err(damaged.to_string()))?;
        Ok(PyBytes::new(
            py,
            &self.0.keys().entry_tag(key.feed, key.value),
        ))
    }
}
