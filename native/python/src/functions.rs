use crawlsieve_core::digest::{self, Encoding};
use crawlsieve_core::url::{self, Canonical, Expressions, Widths};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::convert::{Value, signal};

#[pyfunction]
pub fn canonical_url(url: Value<'_>) -> Option<String> {
    let canonical = canonical(&url)?;
    Some(String::from_utf8_lossy(canonical.text()).into_owned())
}

#[pyfunction]
pub fn url_expressions(url: Value<'_>) -> Option<Vec<(&'static str, String)>> {
    let canonical = canonical(&url)?;
    let written = |(width, text): (crawlsieve_core::signal::Width, &[u8])| {
        (width.name(), String::from_utf8_lossy(text).into_owned())
    };
    Some(
        Expressions::new(&canonical, Widths::ALL)
            .map(written)
            .collect(),
    )
}

#[pyfunction]
pub fn hashed_url_forms<'py>(
    py: Python<'py>,
    url: Value<'py>,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let (bytes, _) = url.get().ok_or_else(|| PyValueError::new_err("not-utf8"))?;
    let forms = url::hashed_forms(bytes, &mut Canonical::default());
    let forms = forms.map_err(|fault| PyValueError::new_err(fault.reason()))?;
    Ok(forms.iter().map(|form| PyBytes::new(py, form)).collect())
}

#[pyfunction]
#[pyo3(signature = (signal, value, encoding="auto"))]
pub fn normal_digest<'py>(
    py: Python<'py>,
    signal: &str,
    value: Value<'py>,
    encoding: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let signal = self::signal(signal)?;
    if signal.digest_len().is_none() {
        return Err(PyValueError::new_err("url is no digest"));
    }
    let encoding =
        Encoding::from_name(encoding).ok_or_else(|| PyValueError::new_err("unknown encoding"))?;
    // Lone surrogates have no bytes; they are no digits either.
    let (bytes, is_text) = value.get().unwrap_or((b"\xff", true));
    Ok(match digest::read(signal, encoding, bytes, is_text) {
        Ok(digest) => PyBytes::new(py, digest.as_slice()).into_any(),
        Err(fault) => PyString::new(py, fault.reason()).into_any(),
    })
}

fn canonical(url: &Value<'_>) -> Option<Canonical> {
    let mut canonical = Canonical::default();
    canonical.read(url.get()?.0).ok()?;
    Some(canonical)
}
