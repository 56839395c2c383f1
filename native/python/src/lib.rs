//! The Python face of the native core; see `consumers/crawlsieve/_native.pyi` for what it promises.

mod convert;
mod denylist;
mod functions;
mod keys;
mod reader;
mod screened;
mod sealer;
mod snapshot;

use pyo3::prelude::*;

pyo3::create_exception!(
    crawlsieve._native,
    DamagedRecord,
    pyo3::exceptions::PyValueError
);
pyo3::create_exception!(
    crawlsieve._native,
    SchemaUnusable,
    pyo3::exceptions::PyValueError
);

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("CANONICAL_FORM", crawlsieve_core::url::CANONICAL_FORM)?;
    module.add("DamagedRecord", module.py().get_type::<DamagedRecord>())?;
    module.add("SchemaUnusable", module.py().get_type::<SchemaUnusable>())?;
    module.add_class::<keys::Keys>()?;
    module.add_class::<sealer::Sealer>()?;
    module.add_class::<denylist::Denylist>()?;
    module.add_class::<reader::Reader>()?;
    module.add_class::<screened::Reason>()?;
    module.add_class::<screened::Screened>()?;
    module.add_class::<snapshot::Snapshot>()?;
    module.add_function(wrap_pyfunction!(functions::canonical_url, module)?)?;
    module.add_function(wrap_pyfunction!(functions::url_expressions, module)?)?;
    module.add_function(wrap_pyfunction!(functions::hashed_url_forms, module)?)?;
    module.add_function(wrap_pyfunction!(functions::normal_digest, module)?)
}
