use std::sync::Arc;

use crawlsieve_core::entry::{self, Codec, KEY_LEN};
use crawlsieve_core::signal::{Signal, Width};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::convert::Value;
use crate::keys::Keys;
use crate::{DamagedRecord, convert};

#[pyclass(module = "crawlsieve._native")]
pub struct Sealer(entry::Sealer);

/// One category for all values, or one for each.
#[derive(FromPyObject)]
pub enum Categories {
    One(String),
    Each(Vec<String>),
}

impl Categories {
    fn of(&self, place: usize) -> &str {
        match self {
            Self::One(category) => category,
            Self::Each(categories) => &categories[place],
        }
    }
}

type Sealed = Result<([u8; KEY_LEN], Vec<u8>), &'static str>;

#[pymethods]
impl Sealer {
    #[new]
    fn new(keys: &Keys, denylist_id: &[u8], feed: &str, schema_id: u32) -> Self {
        Self(entry::Sealer::new(
            Codec::new(Arc::clone(&keys.0), denylist_id),
            feed,
            schema_id,
        ))
    }

    #[pyo3(signature = (signal, values, *, width=None, categories, record_ids=None))]
    fn seal<'py>(
        &mut self,
        py: Python<'py>,
        signal: &str,
        values: Vec<Value<'py>>,
        width: Option<&str>,
        categories: Categories,
        record_ids: Option<Vec<Option<String>>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let signal = convert::signal(signal)?;
        let width = entry_width(signal, width)?;
        let as_long = |len: usize| len == values.len();
        if matches!(&categories, Categories::Each(each) if !as_long(each.len()))
            || record_ids.as_ref().is_some_and(|ids| !as_long(ids.len()))
        {
            return Err(PyValueError::new_err(
                "values, categories and record ids must be as many",
            ));
        }
        let borrowed: Vec<Option<(&[u8], bool)>> = values.iter().map(Value::get).collect();
        let sealer = &mut self.0;
        let sealed: Vec<Sealed> = py.detach(|| {
            let seal = |(place, value): (usize, &Option<(&[u8], bool)>)| {
                let (bytes, is_text) = value.ok_or("not-utf8")?;
                let record_id = record_ids.as_ref().and_then(|ids| ids[place].as_deref());
                sealer.seal(
                    signal,
                    width,
                    bytes,
                    is_text,
                    categories.of(place),
                    record_id,
                )
            };
            borrowed.iter().enumerate().map(seal).collect()
        });
        let results = PyList::empty(py);
        for result in sealed {
            match result {
                Ok((key, value)) => {
                    results.append((PyBytes::new(py, &key), PyBytes::new(py, &value)))?
                }
                Err(reason) => results.append(PyString::intern(py, reason))?,
            }
        }
        Ok(results)
    }

    fn term(&self, key: &[u8], value: &[u8]) -> PyResult<u128> {
        let codec = self.0.codec();
        let entry = codec
            .open(key, value)
            .map_err(|damaged| DamagedRecord::new_err(damaged.to_string()))?;
        Ok(entry.key.term(codec.keys(), entry.category))
    }
}

fn entry_width(signal: Signal, width: Option<&str>) -> PyResult<Width> {
    match (signal, width) {
        (Signal::Url, None) => Err(PyValueError::new_err("entries of signal url need a width")),
        (Signal::Url, Some(name)) => Width::from_name(name)
            .ok_or_else(|| PyValueError::new_err("unknown width; exact, page, prefix or host")),
        (_, None) => Ok(Width::None),
        (_, Some(_)) => Err(PyValueError::new_err(
            "only entries of signal url have a width",
        )),
    }
}
