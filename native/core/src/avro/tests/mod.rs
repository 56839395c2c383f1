//! Every rule by example, and random schemas and datums. Those in Python are compared with fastavro.

mod datums;
mod fuzz;
mod schemas;
mod shapes;

use super::{DatumError, FieldSpec, Plan, Raw, SchemaError, Sink};

/// A reported value that outlives the datum.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Str(Vec<u8>),
    Bytes(Vec<u8>),
    Int(i64),
    Enum(String),
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    ids: Vec<Value>,
    values: Vec<(usize, Value)>,
}

fn kept(raw: Raw<'_>) -> Value {
    match raw {
        Raw::Str(text) => Value::Str(text.to_vec()),
        Raw::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        Raw::Int(number) => Value::Int(number),
        Raw::Enum(symbol) => Value::Enum(symbol.to_owned()),
    }
}

impl Sink for Seen {
    fn id(&mut self, raw: Raw<'_>) {
        self.ids.push(kept(raw));
    }

    fn value(&mut self, field: usize, raw: Raw<'_>) {
        self.values.push((field, kept(raw)));
    }
}

fn long(value: i64) -> Vec<u8> {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

fn text(value: &str) -> Vec<u8> {
    [long(value.len() as i64), value.as_bytes().to_vec()].concat()
}

fn compile(schema: &str, paths: &[&str]) -> Result<Plan, SchemaError> {
    let fields: Vec<_> = paths
        .iter()
        .map(|path| FieldSpec {
            path: (*path).to_owned(),
        })
        .collect();
    Plan::compile(schema, &[], "id", &fields)
}

/// A record with the given fields, `v` mapped unless said otherwise.
fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"E","fields":[{fields}]}}"#)
}

fn field(kind: &str) -> String {
    record(&format!(r#"{{"name":"v","type":{kind}}}"#))
}

fn read(plan: &Plan, datum: &[u8]) -> (Seen, Result<(), DatumError>) {
    let mut seen = Seen::default();
    let result = plan.read(datum, &mut seen);
    (seen, result)
}

fn values(plan: &Plan, datum: &[u8]) -> Vec<Value> {
    let (seen, result) = read(plan, datum);
    assert_eq!(result, Ok(()));
    seen.values.into_iter().map(|(_, value)| value).collect()
}

fn error(kind: &str, datum: &[u8]) -> DatumError {
    read(&compile(&field(kind), &["v"]).unwrap(), datum)
        .1
        .unwrap_err()
}

/// The same where the value is skipped.
fn skipped(kind: &str, datum: &[u8]) -> Result<(), DatumError> {
    read(&compile(&field(kind), &[]).unwrap(), datum).1
}

fn strs(texts: &[&str]) -> Vec<Value> {
    texts
        .iter()
        .map(|text| Value::Str(text.as_bytes().to_vec()))
        .collect()
}
