//! Random schemas with random datums, intact and damaged.

use proptest::collection::vec;
use proptest::prelude::*;

use super::shapes::{Shape, Writer};
use super::{DatumError, FieldSpec, Plan, Seen};

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
    let mut writer = Writer::new(seed);
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
        if datum.is_empty() {
            return Ok(());
        }
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
