//! Every rule of schemas and datums by example. Random ones are in `fuzz`, and in the Python tests beside fastavro.

use super::{DatumError, FieldSpec, MAX_DEPTH, Plan, Raw, SchemaError, Sink};

/// A reported value that outlives the datum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Str(Vec<u8>),
    Bytes(Vec<u8>),
    Int(i64),
    Enum(String),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) ids: Vec<Value>,
    pub(super) values: Vec<(usize, Value)>,
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

pub(super) fn long(value: i64) -> Vec<u8> {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

pub(super) fn text(value: &str) -> Vec<u8> {
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

#[test]
fn reads_the_bundled_event() {
    let schema = include_str!("../../../../consumers/crawlsieve/schemas/1-crawl-event.avsc");
    let plan = compile(schema, &["url", "image_md5", "image_sha256", "hashes.pdq"]).unwrap();
    let datum = [
        text("e1"),
        text("http://example.com/"),
        vec![2],
        text("a caption"),
        long(1_700_000_000_000),
        vec![0],
        vec![2, 4, 0xde, 0xad],
        vec![2, 2],
        text("beef"),
    ]
    .concat();
    let (seen, result) = read(&plan, &datum);
    assert_eq!(result, Ok(()));
    assert_eq!(seen.ids, strs(&["e1"]));
    let url = Value::Str(b"http://example.com/".to_vec());
    let pdq = Value::Str(b"beef".to_vec());
    assert_eq!(
        seen.values,
        [(0, url), (2, Value::Bytes(vec![0xde, 0xad])), (3, pdq)]
    );
    assert!(plan.absent().is_empty() && !plan.id_absent());
}

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
fn a_record_that_doubles_at_every_level_without_bytes_is_skipped() {
    let mut schema = r#"{"type":"record","name":"R0","fields":[]}"#.to_owned();
    for level in 1..40 {
        let below = level - 1;
        schema = format!(
            r#"{{"type":"record","name":"R{level}","fields":[{{"name":"a","type":{schema}}},{{"name":"b","type":"R{below}"}}]}}"#
        );
    }
    let plan = compile(&schema, &["a.b"]);
    assert!(matches!(plan, Err(ref error) if error.to_string().contains("a.b")));
    assert_eq!(read(&compile(&schema, &[]).unwrap(), &[]).1, Ok(()));
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
fn aliases_and_absent_fields() {
    let schema = record(
        r#"{"name":"key","aliases":["id"],"type":"long"},{"name":"link","aliases":["url"],"type":"string"},
           {"name":"other","aliases":["link"],"type":"string"}"#,
    );
    let plan = compile(&schema, &["url", "gone", "link", "link.deeper"]).unwrap();
    let (seen, result) = read(&plan, &[vec![2], text("u"), text("o")].concat());
    assert_eq!(result, Ok(()));
    assert_eq!(seen.ids, [Value::Int(1)]);
    // A name goes before another field's alias.
    assert_eq!(
        seen.values,
        [
            (0, Value::Str(b"u".to_vec())),
            (2, Value::Str(b"u".to_vec()))
        ]
    );
    assert_eq!(plan.absent(), [1, 3]);
    assert!(compile(&field(r#""string""#), &["v"]).unwrap().id_absent());
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
fn a_long_chain_of_types_compiles_without_the_stack() {
    let links: Vec<String> = (1..5_000)
        .map(|link| {
            let below = link - 1;
            format!(r#"{{"name":"f{link}","type":{{"type":"record","name":"R{link}","fields":[{{"name":"x","type":"R{below}"}}]}}}}"#)
        })
        .collect();
    let first = r#"{"name":"f0","type":{"type":"record","name":"R0","fields":[{"name":"x","type":"string"}]}},"#;
    let plan = compile(
        &record(&(first.to_owned() + &links.join(","))),
        &["f0.x", "f9.x.y"],
    )
    .unwrap();
    assert_eq!(plan.absent(), [1]);
    assert_eq!(read(&plan, &[0; 5_000]).1, Err(DatumError::Invalid));
}

#[test]
fn names_in_namespaces_and_references() {
    let hash = r#"{"type":"fixed","name":"Hash","namespace":"com.x","size":1}"#.to_owned();
    let page =
        r#"{"type":"record","name":"com.x.Page","fields":[{"name":"h","type":"Hash"}]}"#.to_owned();
    let event = r#"{"type":"record","name":"com.y.Event","fields":[
        {"name":"p","type":"com.x.Page"},{"name":"k","type":{"type":"enum","name":"Kind","symbols":["A"]}},
        {"name":"k2","type":"Kind"},{"name":"k3","type":"com.y.Kind"},{"name":"h","type":{"type":"com.x.Hash"}}]}"#;
    let fields = ["p.h", "k2", "h"].map(|path| FieldSpec {
        path: path.to_owned(),
    });
    let plan = Plan::compile(event, &[hash.clone(), page.clone(), hash], "k3", &fields).unwrap();
    let (seen, result) = read(&plan, &[7, 0, 0, 0, 8]);
    assert_eq!(result, Ok(()));
    assert_eq!(seen.ids, [Value::Enum("A".into())]);
    let expected = [
        (0, Value::Bytes(vec![7])),
        (1, Value::Enum("A".into())),
        (2, Value::Bytes(vec![8])),
    ];
    assert_eq!(seen.values, expected);
    let error = Plan::compile(event, &[page], "k3", &fields).err().unwrap();
    assert_eq!(error.to_string(), "the type Hash is not defined");
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
fn mappings_that_do_not_fit() {
    let inner = r#"{"type":"record","name":"R","fields":[]}"#;
    let map = r#"{"type":"map","values":"string"}"#;
    let doubles = r#"["string",{"type":"array","items":"double"}]"#;
    let kinds = [
        (r#""boolean""#, "boolean"),
        (r#"["null","float"]"#, "float"),
        (doubles, "double"),
        (r#""null""#, "null"),
        (inner, "record"),
        (map, "map"),
    ];
    for (kind, name) in kinds {
        let error = compile(&field(kind), &["v"]).err().unwrap().to_string();
        assert_eq!(
            error,
            format!("the mapped path v ends on a {name}, which can't hold a value to be checked")
        );
    }
    assert!(compile(&field(&format!(r#"["string",{map},{inner}]"#)), &["v"]).is_ok());
}

#[test]
fn schemas_that_can_not_be_read() {
    let kinds = [
        ("{", "not JSON"),
        ("7", "neither"),
        (r#""string""#, "no record: string"),
        (r#""Unknown""#, "Unknown is not defined"),
        (r#"{"name":"v"}"#, "without the attribute \"type\""),
        (r#"{"type":"record","name":"E"}"#, "fields"),
        (r#"{"type":"record","fields":[]}"#, "name"),
        (&field(r#"["null",["null"]]"#), "union"),
        (&field(r#"{"type":"fixed","name":"F","size":-1}"#), "size"),
        (
            &field(r#"{"type":"fixed","name":"E","size":1}"#),
            "E is defined twice",
        ),
        (
            &field(r#"{"type":"enum","name":"N","symbols":[1]}"#),
            "symbols",
        ),
        (&field(r#"{"type":"array"}"#), "items"),
        (&field(r#"{"type":"map"}"#), "values"),
        (
            &record(r#"{"name":"v","type":"int"},{"name":"v","type":"int"}"#),
            "v occurs twice",
        ),
        (&"[".repeat(100_000), "not JSON"),
    ];
    for (schema, part) in kinds {
        let error = compile(schema, &[]).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    }
}
