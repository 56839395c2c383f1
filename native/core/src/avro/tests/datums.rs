//! What is seen in datums, intact and damaged.

use super::super::MAX_DEPTH;
use super::*;

#[test]
fn every_type_that_can_hold_a_value() {
    let one = |kind: &str, datum: &[u8]| values(&compile(&field(kind), &["v"]).unwrap(), datum);
    assert_eq!(
        one(r#""string""#, &[4, 0xff, 0xfe]),
        [Value::Str(vec![0xff, 0xfe])]
    );
    assert_eq!(
        one(r#"{"type":"string","logicalType":"uuid"}"#, &text("u")),
        strs(&["u"])
    );
    assert_eq!(one(r#""bytes""#, &[2, 7]), [Value::Bytes(vec![7])]);
    assert_eq!(
        one(r#"{"type":"fixed","name":"F","size":2}"#, &[8, 9]),
        [Value::Bytes(vec![8, 9])]
    );
    assert_eq!(
        one(r#"{"type":"enum","name":"N","symbols":["A","B"]}"#, &[2]),
        [Value::Enum("B".into())]
    );
    assert_eq!(one(r#""int""#, &[3]), [Value::Int(-2)]);
    for number in [0, -1, 63, 64, i64::MAX, i64::MIN] {
        assert_eq!(
            one(
                r#"{"type":"long","logicalType":"timestamp-millis"}"#,
                &long(number)
            ),
            [Value::Int(number)]
        );
    }
}

#[test]
fn what_is_empty_counts_as_missing() {
    for kind in [
        r#""string""#,
        r#""bytes""#,
        r#"["null","string"]"#,
        r#"{"type":"array","items":"string"}"#,
    ] {
        assert_eq!(values(&compile(&field(kind), &["v"]).unwrap(), &[0]), []);
    }
}

#[test]
fn unions_in_any_order_and_with_records() {
    let plan = compile(&field(r#"["string","null"]"#), &["v"]).unwrap();
    assert_eq!(values(&plan, &[0, 2, b'x']), strs(&["x"]));
    assert_eq!(values(&plan, &[2]), []);
    let kind = r#"["null","string",{"type":"record","name":"R","fields":[{"name":"w","type":"string"}]},
        {"type":"record","name":"S","fields":[{"name":"u","type":"long"},{"name":"w","type":"string"}]}]"#;
    let plan = compile(&field(kind), &["v", "v.w"]).unwrap();
    assert_eq!(
        read(&plan, &[2, 2, b'x']).0.values,
        [(0, Value::Str(b"x".to_vec()))]
    );
    assert_eq!(
        read(&plan, &[4, 2, b'x']).0.values,
        [(1, Value::Str(b"x".to_vec()))]
    );
    assert_eq!(
        read(&plan, &[6, 8, 2, b'x']).0.values,
        [(1, Value::Str(b"x".to_vec()))]
    );
    assert_eq!(read(&plan, &[8, 2, b'x']).1, Err(DatumError::Invalid));
    assert_eq!(read(&plan, &[1]).1, Err(DatumError::Invalid));
}

#[test]
fn every_element_of_arrays_on_the_way() {
    let kind = r#"{"type":"array","items":["null",{"type":"record","name":"R","fields":[
        {"name":"n","type":"double"},{"name":"w","type":{"type":"array","items":"string"}}]}]}"#;
    let plan = compile(&field(kind), &["v.w"]).unwrap();
    let element = |words: &[&str]| {
        let words: Vec<u8> = words.iter().flat_map(|word| text(word)).collect();
        [vec![2], vec![0; 8], long(2), words, vec![0]].concat()
    };
    let datum = [
        long(2),
        element(&["a", "b"]),
        vec![0],
        long(1),
        element(&["c", "d"]),
        vec![0],
    ]
    .concat();
    assert_eq!(values(&plan, &datum), strs(&["a", "b", "c", "d"]));
}

#[test]
fn sizes_of_blocks_are_verified() {
    let block = |count: i64, size: i64| {
        [long(-count), long(size), vec![2, b'a', 2, b'b'], vec![0]].concat()
    };
    for kind in [
        r#"{"type":"array","items":"string"}"#,
        r#"{"type":"map","values":"string"}"#,
    ] {
        let count = if kind.contains("map") { 1 } else { 2 };
        assert_eq!(skipped(kind, &block(count, 4)), Ok(()));
        assert_eq!(skipped(kind, &block(count, 3)), Err(DatumError::Invalid));
        assert_eq!(skipped(kind, &block(count, 5)), Err(DatumError::Invalid));
        assert_eq!(skipped(kind, &block(count, 6)), Err(DatumError::Truncated));
        assert_eq!(skipped(kind, &block(count, -1)), Err(DatumError::Invalid));
        assert_eq!(
            skipped(kind, &[long(i64::MIN), vec![0, 0]].concat()),
            Err(DatumError::Invalid)
        );
    }
    let doubles = r#"{"type":"array","items":"double"}"#;
    assert_eq!(
        skipped(
            doubles,
            &[long(-2), long(16), vec![1; 16], vec![0]].concat()
        ),
        Ok(())
    );
    assert_eq!(
        skipped(
            doubles,
            &[long(-2), long(15), vec![1; 16], vec![0]].concat()
        ),
        Err(DatumError::Invalid)
    );
}

#[test]
fn huge_blocks_of_nothing_take_no_time() {
    for items in [
        r#""null""#,
        r#"{"type":"fixed","name":"F","size":0}"#,
        &field(r#"["null"]"#),
        &field(r#""null""#),
    ] {
        let kind = format!(r#"{{"type":"array","items":{items}}}"#);
        let kind = kind.replace("\"E\"", "\"Inner\"");
        let expected = if items.contains("[\"null\"]") {
            Err(DatumError::Truncated)
        } else {
            Ok(())
        };
        assert_eq!(
            skipped(&kind, &[long(i64::MAX), vec![0]].concat()),
            expected
        );
    }
    assert_eq!(
        error(
            r#"{"type":"array","items":"string"}"#,
            &[long(i64::MAX), vec![0; 9]].concat()
        ),
        DatumError::Truncated
    );
    let doubles = r#"{"type":"array","items":"double"}"#;
    assert_eq!(
        skipped(doubles, &[long(i64::MAX), vec![0; 9]].concat()),
        Err(DatumError::Truncated)
    );
}

#[test]
fn keys_of_maps_are_components() {
    let kind = r#"{"type":"map","values":["null","string",{"type":"map","values":"bytes"}]}"#;
    let plan = compile(&field(kind), &["v.md5", "v.more.sha1"]).unwrap();
    let more = [
        text("more"),
        vec![4, 4],
        text("sha1"),
        vec![2, 9],
        text("x"),
        vec![2, 8],
        vec![0],
    ]
    .concat();
    let datum = [
        long(2),
        text("md5"),
        vec![2],
        text("m"),
        text("z"),
        vec![0],
        long(1),
        more,
        vec![0],
    ]
    .concat();
    assert_eq!(
        read(&plan, &datum).0.values,
        [(0, Value::Str(b"m".to_vec())), (1, Value::Bytes(vec![9]))]
    );
    assert_eq!(read(&plan, &datum).1, Ok(()));
}

#[test]
fn recursive_types_are_read_to_the_limit() {
    let schema = r#"{"type":"record","name":"E","namespace":"n","fields":[
        {"name":"v","type":"string"},{"name":"next","type":["null","n.E"]}]}"#;
    let plan = compile(schema, &["v", "next.next.v"]).unwrap();
    let chain = |count: usize| {
        [
            [text("x"), vec![2]].concat().repeat(count - 1),
            text("x"),
            vec![0],
        ]
        .concat()
    };
    assert_eq!(read(&plan, &chain(4)).0.values.len(), 2);
    let limit = MAX_DEPTH as usize;
    assert_eq!(read(&plan, &chain(limit)).1, Ok(()));
    assert_eq!(read(&plan, &chain(limit + 1)).1, Err(DatumError::Invalid));
    assert_eq!(read(&plan, &chain(1_000_000)).1, Err(DatumError::Invalid));
    let endless = r#"{"type":"record","name":"E","fields":[{"name":"a","type":"E"},{"name":"b","type":"E"}]}"#;
    assert_eq!(
        read(&compile(endless, &[]).unwrap(), &[0; 9]).1,
        Err(DatumError::Invalid)
    );
}

#[test]
fn datums_that_no_writer_makes() {
    let string = r#""string""#;
    assert_eq!(error(string, &[1]), DatumError::Invalid);
    assert_eq!(error(string, &[]), DatumError::Truncated);
    assert_eq!(error(string, &[4, b'a']), DatumError::Truncated);
    assert_eq!(error(string, &long(i64::MAX)), DatumError::Truncated);
    assert_eq!(error(string, &[2, b'a', 0]), DatumError::Trailing);
    assert_eq!(error(r#""long""#, &[0x80; 11]), DatumError::Invalid);
    assert_eq!(error(r#""long""#, &[0x80; 9]), DatumError::Truncated);
    assert_eq!(
        error(r#""long""#, &[[0xff; 9].as_slice(), &[2]].concat()),
        DatumError::Invalid
    );
    assert_eq!(
        error(r#"{"type":"enum","name":"N","symbols":["A"]}"#, &[2]),
        DatumError::Invalid
    );
    assert_eq!(
        skipped(r#"{"type":"enum","name":"N","symbols":["A"]}"#, &[1]),
        Err(DatumError::Invalid)
    );
    assert_eq!(skipped(r#""boolean""#, &[2]), Err(DatumError::Invalid));
    assert_eq!(skipped(r#""boolean""#, &[1]), Ok(()));
    assert_eq!(skipped(r#"["null"]"#, &[2]), Err(DatumError::Invalid));
    assert_eq!(
        error(r#"{"type":"fixed","name":"F","size":3}"#, &[1, 2]),
        DatumError::Truncated
    );
}

#[test]
fn what_was_read_before_an_error_stays() {
    let schema = record(r#"{"name":"v","type":"string"},{"name":"w","type":"boolean"}"#);
    let (seen, result) = read(&compile(&schema, &["v"]).unwrap(), &[2, b'a', 9]);
    assert_eq!(result, Err(DatumError::Invalid));
    assert_eq!(seen.values, [(0, Value::Str(b"a".to_vec()))]);
}

#[test]
fn only_what_is_nested_counts_as_depth() {
    let kind = r#"{"type":"array","items":{"type":"record","name":"R","fields":[{"name":"w","type":"string"}]}}"#;
    let plan = compile(&field(kind), &["v.w"]).unwrap();
    let datum = [long(1_000), [2, b'x'].repeat(1_000), vec![0]].concat();
    assert_eq!(values(&plan, &datum).len(), 1_000);
}
