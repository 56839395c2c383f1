//! Values between Python and the core.

use crawlsieve_core::signal::Signal;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// A `str` or `bytes`, borrowed for as long as this lives.
#[derive(FromPyObject)]
pub enum Value<'py> {
    Text(Bound<'py, PyString>),
    Bytes(Bound<'py, PyBytes>),
}

impl Value<'_> {
    /// The bytes, and whether they are text. `None`: a `str` with lone surrogates, which has no UTF-8.
    pub fn get(&self) -> Option<(&[u8], bool)> {
        match self {
            Self::Text(text) => text.to_str().ok().map(|text| (text.as_bytes(), true)),
            Self::Bytes(bytes) => Some((bytes.as_bytes(), false)),
        }
    }
}

/// Raises `ValueError` if there is no such signal.
pub fn signal(name: &str) -> PyResult<Signal> {
    Signal::from_name(name).ok_or_else(|| PyValueError::new_err("unknown signal"))
}
