//! Random schemas, and a writer of datums that shares no code with the reader.

use super::{Value, long, text};

/// A schema without names: those follow from the place.
#[derive(Clone, Debug)]
pub enum Shape {
    Null,
    Boolean,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(usize),
    Array(Box<Shape>),
    Map(Box<Shape>),
    Union(Vec<Shape>),
    Record(Vec<Shape>),
}

impl Shape {
    pub fn json(&self, named: &mut usize) -> String {
        *named += 1;
        let name = format!("N{named}");
        match self {
            Self::Null => r#""null""#.to_owned(),
            Self::Boolean => r#""boolean""#.to_owned(),
            Self::Long => r#"{"type":"long","logicalType":"timestamp-millis"}"#.to_owned(),
            Self::Float => r#""float""#.to_owned(),
            Self::Double => r#""double""#.to_owned(),
            Self::Bytes => r#""bytes""#.to_owned(),
            Self::String => r#""string""#.to_owned(),
            Self::Fixed(size) => format!(r#"{{"type":"fixed","name":"{name}","size":{size}}}"#),
            Self::Enum(count) => {
                let symbols: Vec<_> = (0..*count)
                    .map(|symbol| format!(r#""S{symbol}""#))
                    .collect();
                format!(
                    r#"{{"type":"enum","name":"{name}","symbols":[{}]}}"#,
                    symbols.join(",")
                )
            }
            Self::Array(items) => format!(r#"{{"type":"array","items":{}}}"#, items.json(named)),
            Self::Map(values) => format!(r#"{{"type":"map","values":{}}}"#, values.json(named)),
            Self::Union(branches) => {
                let branches: Vec<_> = branches.iter().map(|branch| branch.json(named)).collect();
                format!("[{}]", branches.join(","))
            }
            Self::Record(fields) => {
                let fields = fields.iter().enumerate();
                let fields: Vec<_> = fields
                    .map(|(place, field)| {
                        format!(r#"{{"name":"f{place}","type":{}}}"#, field.json(named))
                    })
                    .collect();
                format!(
                    r#"{{"type":"record","name":"{name}","fields":[{}]}}"#,
                    fields.join(",")
                )
            }
        }
    }

    /// The paths on which a value may be mapped, and those on which none may since a branch there can't hold any.
    pub fn paths(&self, path: &str, fit: &mut Vec<String>, unfit: &mut Vec<String>) {
        match self {
            Self::Null => {}
            Self::Boolean | Self::Float | Self::Double => unfit.push(path[1..].to_owned()),
            Self::Long | Self::Bytes | Self::String | Self::Fixed(_) | Self::Enum(_) => {
                fit.push(path[1..].to_owned())
            }
            Self::Array(items) => items.paths(path, fit, unfit),
            Self::Map(values) => {
                // The names of fields, which meet in unions of records and maps.
                for key in 0..5 {
                    values.paths(&format!("{path}.f{key}"), fit, unfit);
                }
            }
            Self::Union(branches) => branches
                .iter()
                .for_each(|branch| branch.paths(path, fit, unfit)),
            Self::Record(fields) => {
                for (place, field) in fields.iter().enumerate() {
                    field.paths(&format!("{path}.f{place}"), fit, unfit);
                }
            }
        }
    }
}

/// Writes a random datum and notes every value that it holds, with its path.
pub struct Writer {
    state: u64,
    pub datum: Vec<u8>,
    pub noted: Vec<(String, Value)>,
}

impl Writer {
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed,
            datum: Vec::new(),
            noted: Vec::new(),
        }
    }

    /// Sebastiano Vigna's splitmix64.
    pub fn random(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn bytes(&mut self, count: u64) -> Vec<u8> {
        (0..count).map(|_| self.random(256) as u8).collect()
    }

    fn blob(&mut self) -> Vec<u8> {
        let count = if self.random(8) == 0 {
            100
        } else {
            self.random(4)
        };
        let bytes = self.bytes(count);
        self.datum.extend(long(count as i64));
        self.datum.extend(&bytes);
        bytes
    }

    fn note(&mut self, path: &str, value: Value) {
        self.noted.push((path[1..].to_owned(), value));
    }

    pub fn write(&mut self, shape: &Shape, path: &str) {
        match shape {
            Shape::Null => {}
            Shape::Boolean => {
                let bit = self.random(2) as u8;
                self.datum.push(bit);
            }
            Shape::Long => {
                let shift = self.random(64);
                let number = (self.random(u64::MAX) >> shift) as i64;
                self.datum.extend(long(number));
                self.note(path, Value::Int(number));
            }
            Shape::Float | Shape::Double => {
                let bytes = self.bytes(if matches!(shape, Shape::Float) { 4 } else { 8 });
                self.datum.extend(bytes);
            }
            Shape::Bytes => {
                let bytes = self.blob();
                if !bytes.is_empty() {
                    self.note(path, Value::Bytes(bytes));
                }
            }
            Shape::String => {
                let bytes = self.blob();
                if !bytes.is_empty() {
                    self.note(path, Value::Str(bytes));
                }
            }
            Shape::Fixed(size) => {
                let bytes = self.bytes(*size as u64);
                self.datum.extend(&bytes);
                if *size > 0 {
                    self.note(path, Value::Bytes(bytes));
                }
            }
            Shape::Enum(count) => {
                let symbol = self.random(*count as u64);
                self.datum.extend(long(symbol as i64));
                self.note(path, Value::Enum(format!("S{symbol}")));
            }
            Shape::Array(items) => self.blocks(|writer| writer.write(items, path)),
            Shape::Map(values) => self.blocks(|writer| {
                let key = format!("f{}", writer.random(6));
                writer.datum.extend(text(&key));
                writer.write(values, &format!("{path}.{key}"));
            }),
            Shape::Union(branches) => {
                let branch = self.random(branches.len() as u64);
                self.datum.extend(long(branch as i64));
                self.write(&branches[branch as usize], path);
            }
            Shape::Record(fields) => {
                for (place, field) in fields.iter().enumerate() {
                    self.write(field, &format!("{path}.f{place}"));
                }
            }
        }
    }

    fn blocks(&mut self, mut entry: impl FnMut(&mut Self)) {
        for _ in 0..self.random(3) {
            let count = self.random(3) as i64 + 1;
            let outer = std::mem::take(&mut self.datum);
            (0..count).for_each(|_| entry(self));
            let block = std::mem::replace(&mut self.datum, outer);
            if self.random(2) == 0 {
                self.datum.extend(long(count));
            } else {
                self.datum.extend(long(-count));
                self.datum.extend(long(block.len() as i64));
            }
            self.datum.extend(block);
        }
        self.datum.push(0);
    }
}
