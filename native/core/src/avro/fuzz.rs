//! Random schemas with random datums, intact and damaged.

use proptest::collection::vec;
use proptest::prelude::*;

use super::tests::{Seen, Value, long};
use super::{DatumError, FieldSpec, Plan};

/// A schema without names: those follow from the place.
#[derive(Clone, Debug)]
enum Shape {
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
    fn json(&self, named: &mut usize) -> String {
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
    fn paths(&self, path: &str, fit: &mut Vec<String>, unfit: &mut Vec<String>) {
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
struct Writer {
    state: u64,
    datum: Vec<u8>,
    noted: Vec<(String, Value)>,
}

impl Writer {
    /// Sebastiano Vigna's splitmix64.
    fn random(&mut self, below: u64) -> u64 {
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

    fn write(&mut self, shape: &Shape, path: &str) {
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
                writer.datum.extend(super::tests::text(&key));
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

fn shapes() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        1 => Just(Shape::Null),
        1 => Just(Shape::Boolean),
        1 => Just(Shape::Long),
        1 => Just(Shape::Float),
        1 => Just(Shape::Double),
        1 => Just(Shape::Bytes),
        4 => Just(Shape::String),
        1 => (0..5_usize).prop_map(Shape::Fixed),
        1 => (1..4_usize).prop_map(Shape::Enum),
    ];
    let nested = leaf.prop_recursive(5, 40, 5, |inner| {
        let branch = inner.clone().prop_filter("no union in a union", |shape| {
            !matches!(shape, Shape::Union(_))
        });
        prop_oneof![
            1 => inner.clone().prop_map(|items| Shape::Array(Box::new(items))),
            1 => inner.clone().prop_map(|values| Shape::Map(Box::new(values))),
            1 => vec(branch, 1..4).prop_map(Shape::Union),
            2 => vec(inner, 0..5).prop_map(Shape::Record),
        ]
    });
    vec(nested, 1..6).prop_map(Shape::Record)
}

/// A plan over up to four paths of a shape, the first of them the id, and a datum with what must be seen in it.
fn case(shape: &Shape, seed: u64) -> (Plan, Vec<u8>, Seen) {
    let mut writer = Writer {
        state: seed,
        datum: Vec::new(),
        noted: Vec::new(),
    };
    writer.write(shape, "");
    let (mut paths, mut unfit) = (Vec::new(), Vec::new());
    shape.paths("", &mut paths, &mut unfit);
    paths.retain(|path| !unfit.contains(path));
    let picked: Vec<String> = (0..4)
        .map(|_| match paths.len() {
            0 => "none".to_owned(),
            count => paths[writer.random(count as u64) as usize].clone(),
        })
        .collect();
    let fields: Vec<_> = picked[1..]
        .iter()
        .map(|path| FieldSpec { path: path.clone() })
        .collect();
    let plan = Plan::compile(&shape.json(&mut 0), &[], &picked[0], &fields).unwrap();
    let mut seen = Seen::default();
    for (path, value) in &writer.noted {
        for (number, _) in picked
            .iter()
            .enumerate()
            .filter(|(_, mapped)| *mapped == path)
        {
            match number {
                0 => seen.ids.push(value.clone()),
                _ => seen.values.push((number - 1, value.clone())),
            }
        }
    }
    (plan, writer.datum, seen)
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(3_000))]

    #[test]
    fn sees_what_was_written(shape in shapes(), seed: u64) {
        let (plan, datum, expected) = case(&shape, seed);
        let mut seen = Seen::default();
        prop_assert_eq!(plan.read(&datum, &mut seen), Ok(()));
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn a_shortened_datum_is_truncated_and_shows_the_same_beginning(shape in shapes(), seed: u64, cut: usize) {
        let (plan, datum, expected) = case(&shape, seed);
        prop_assume!(!datum.is_empty());
        let mut seen = Seen::default();
        prop_assert_eq!(plan.read(&datum[..cut % datum.len()], &mut seen), Err(DatumError::Truncated));
        prop_assert!(expected.values.starts_with(&seen.values));
        prop_assert!(expected.ids.starts_with(&seen.ids));
    }

    #[test]
    fn a_lengthened_datum_has_trailing_bytes(shape in shapes(), seed: u64, more in vec(any::<u8>(), 1..9)) {
        let (plan, mut datum, expected) = case(&shape, seed);
        datum.extend(more);
        let mut seen = Seen::default();
        prop_assert_eq!(plan.read(&datum, &mut seen), Err(DatumError::Trailing));
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn a_damaged_datum_ends_soon(
        shape in shapes(),
        seed: u64,
        damage in vec((0..5_u8, any::<usize>(), any::<u8>()), 1..6),
    ) {
        let (plan, mut datum, _) = case(&shape, seed);
        for (kind, place, byte) in damage {
            let place = place % (datum.len() + 1);
            match kind {
                0 if place < datum.len() => datum[place] = byte,
                1 if place < datum.len() => datum[place] ^= 1 << (byte % 8),
                2 if place < datum.len() => { datum.remove(place); }
                3 => datum.insert(place, byte),
                _ => { datum.splice(place..place, [0xff; 9].into_iter().chain([1])); }
            }
        }
        let mut seen = Seen::default();
        let _ = plan.read(&datum, &mut seen);
        // Each value takes a byte at least, and goes to at most four targets.
        prop_assert!(seen.ids.len() + seen.values.len() <= 4 * datum.len());
    }

    #[test]
    fn random_bytes_end_soon(shape in shapes(), seed: u64, datum in vec(any::<u8>(), 0..300)) {
        let (plan, _, _) = case(&shape, seed);
        let mut seen = Seen::default();
        let _ = plan.read(&datum, &mut seen);
        prop_assert!(seen.ids.len() + seen.values.len() <= 4 * datum.len());
    }

    #[test]
    fn a_damaged_schema_is_refused_or_read(shape in shapes(), place: usize, byte in 32..127_u8, datum in vec(any::<u8>(), 0..99)) {
        let mut text = shape.json(&mut 0).into_bytes();
        let place = place % text.len();
        text[place] = byte;
        let schema = String::from_utf8(text).unwrap();
        if let Ok(plan) = Plan::compile(&schema, &[], "f0", &[]) {
            let _ = plan.read(&datum, &mut Seen::default());
        }
    }
}
