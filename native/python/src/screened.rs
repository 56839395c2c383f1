use std::collections::HashMap;

use crawlsieve_core::screen;
use crawlsieve_core::signal::Signal;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

#[pyclass(module = "crawlsieve._native", frozen, get_all)]
pub struct Reason {
    feed: String,
    signal: &'static str,
    category: String,
    distance: u32,
    tag: Py<PyBytes>,
}

impl Reason {
    pub fn new(py: Python<'_>, reason: &screen::Reason) -> Self {
        Self {
            feed: reason.feed.to_string(),
            signal: reason.signal.name(),
            category: reason.category.to_string(),
            distance: reason.distance,
            tag: PyBytes::new(py, &reason.tag).unbind(),
        }
    }
}

#[pymethods]
impl Reason {
    fn __repr__(&self) -> String {
        let Self {
            feed,
            signal,
            category,
            distance,
            ..
        } = self;
        format!(
            "Reason(feed={feed:?}, signal={signal:?}, category={category:?}, distance={distance})"
        )
    }
}

#[pyclass(module = "crawlsieve._native", frozen, get_all)]
pub struct Screened {
    codes: Py<PyBytes>,
    quarantined: Py<PyList>,
    dead: Py<PyList>,
    checked: Py<PyDict>,
    matched: Py<PyDict>,
    cancelled: Py<PyDict>,
    observed: Py<PyDict>,
}

impl Screened {
    pub fn new(py: Python<'_>, screened: screen::Screened) -> PyResult<Self> {
        let codes: Vec<u8> = screened
            .verdicts
            .iter()
            .map(|verdict| *verdict as u8)
            .collect();
        let quarantined = PyList::empty(py);
        for event in screened.quarantined {
            let reasons: Vec<Reason> = event
                .reasons
                .iter()
                .map(|reason| Reason::new(py, reason))
                .collect();
            quarantined.append((event.event, event.id, reasons))?;
        }
        let dead = PyList::empty(py);
        for event in screened.dead {
            dead.append((event.event, event.reason, event.path))?;
        }
        let counts = screened.counts;
        let checked = PyDict::new(py);
        for signal in Signal::ALL {
            let count = counts.checked[usize::from(signal.code())];
            if count > 0 {
                checked.set_item(signal.name(), count)?;
            }
        }
        let matched = PyDict::new(py);
        for ((feed, signal, category), count) in counts.matched {
            matched.set_item((&*feed, signal.name(), &*category), count)?;
        }
        Ok(Self {
            codes: PyBytes::new(py, &codes).unbind(),
            quarantined: quarantined.unbind(),
            dead: dead.unbind(),
            checked: checked.unbind(),
            matched: matched.unbind(),
            cancelled: by_feed(py, counts.cancelled)?,
            observed: by_feed(py, counts.observed)?,
        })
    }
}

fn by_feed(
    py: Python<'_>,
    counts: HashMap<(std::sync::Arc<str>, Signal), u64>,
) -> PyResult<Py<PyDict>> {
    let found = PyDict::new(py);
    for ((feed, signal), count) in counts {
        found.set_item((&*feed, signal.name()), count)?;
    }
    Ok(found.unbind())
}
