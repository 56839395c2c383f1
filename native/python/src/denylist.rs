use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crawlsieve_core::denylist::{self, Action, Policy};
use crawlsieve_core::signal::Signal;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::DamagedRecord;
use crate::convert::signal;
use crate::keys::Keys;
use crate::snapshot::Snapshot;

#[pyclass(module = "crawlsieve._native", frozen)]
pub struct Denylist {
    writer: Mutex<denylist::Denylist>,
    /// What readers get: they never wait for the writer, who may hold its lock for long.
    newest: Mutex<Arc<denylist::Snapshot>>,
}

/// So many staged records are worth the time that it takes to give their memory back.
const LARGE: usize = 1 << 16;

type Record<'py> = (Bound<'py, PyBytes>, Option<Bound<'py, PyBytes>>);

#[pymethods]
impl Denylist {
    #[new]
    fn new(keys: &Keys, denylist_id: &[u8]) -> Self {
        let writer = denylist::Denylist::new(Arc::clone(&keys.0), denylist_id);
        Self {
            newest: Mutex::new(Arc::new(writer.snapshot())),
            writer: Mutex::new(writer),
        }
    }

    fn stage(&self, py: Python<'_>, records: Vec<Record<'_>>) -> PyResult<()> {
        let borrowed: Vec<(&[u8], Option<&[u8]>)> = records
            .iter()
            .map(|(key, value)| (key.as_bytes(), value.as_ref().map(|value| value.as_bytes())))
            .collect();
        py.detach(|| lock(&self.writer).stage(borrowed))
            .map_err(|damaged| DamagedRecord::new_err(damaged.to_string()))
    }

    #[pyo3(signature = (feed, *, action, max_distance, overruled_by))]
    fn apply(
        &self,
        py: Python<'_>,
        feed: &str,
        action: &str,
        max_distance: HashMap<String, u32>,
        overruled_by: Vec<String>,
    ) -> PyResult<(HashMap<&'static str, u64>, u128)> {
        let action = Action::from_name(action)
            .ok_or_else(|| PyValueError::new_err("unknown action; quarantine, allow or observe"))?;
        let mut policy = Policy {
            overruled_by,
            ..Policy::new(action)
        };
        for (name, distance) in max_distance {
            let signal = signal(&name)?;
            let limit = signal.distance_limit();
            if !signal.is_perceptual() || distance > limit {
                let name = signal.name();
                return Err(PyValueError::new_err(format!(
                    "max_distance of {name} must be within 0 and {limit}"
                )));
            }
            policy.max_distance[usize::from(signal.code())] = distance;
        }
        Ok(py.detach(|| {
            let mut writer = lock(&self.writer);
            let is_large = writer.staged(feed) > LARGE;
            let tally = writer.apply(feed, policy);
            let counts = |signal: Signal| (signal.name(), tally.counts[usize::from(signal.code())]);
            let result = (
                Signal::ALL
                    .into_iter()
                    .map(counts)
                    .filter(|(_, n)| *n > 0)
                    .collect(),
                tally.checksum,
            );
            self.publish(&writer);
            if is_large {
                return_freed_memory();
            }
            result
        }))
    }

    fn drop(&self, py: Python<'_>, feed: &str) {
        py.detach(|| {
            let mut writer = lock(&self.writer);
            writer.drop_feed(feed);
            self.publish(&writer);
        });
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot(Arc::clone(&lock(&self.newest)))
    }

    #[getter]
    fn memory(&self) -> usize {
        lock(&self.newest).memory()
    }
}

impl Denylist {
    fn publish(&self, writer: &denylist::Denylist) {
        *lock(&self.newest) = Arc::new(writer.snapshot());
    }
}

/// Locks even if a panic has poisoned it: the panic has surfaced as an exception already.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives what was freed back to the system, which glibc does not do by itself for pieces below 32 MiB: after a load of
/// two million entries the process would keep twice what they need.
fn return_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim has no preconditions, is thread-safe and touches freed memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}
