use std::sync::Arc;

use crawlsieve_core::keys::{self, MIN_SECRET};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

#[pyclass(module = "crawlsieve._native", frozen)]
pub struct Keys(pub Arc<keys::Keys>);

#[pymethods]
impl Keys {
    #[new]
    fn new(secret: &[u8]) -> PyResult<Self> {
        let keys = keys::Keys::derive(secret);
        let too_short =
            || PyValueError::new_err(format!("the secret must have at least {MIN_SECRET} bytes"));
        Ok(Self(Arc::new(keys.ok_or_else(too_short)?)))
    }

    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.id())
    }

    fn mac<'py>(&self, py: Python<'py>, message: &[u8]) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.status_mac(message))
    }

    fn checksum(&self, message: &[u8]) -> u128 {
        self.0.policy_checksum(message)
    }

    fn feed_tag<'py>(&self, py: Python<'py>, feed: &str) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.feed_tag(feed))
    }
}
