//! What schemas and mappings compile to.

use super::*;

#[test]
fn reads_the_bundled_event() {
    let schema = include_str!("../../../../../consumers/crawlsieve/schemas/1-crawl-event.avsc");
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

#[test]
fn a_name_is_looked_up_in_the_enclosing_namespace_then_in_none() {
    let kind = |name: &str, symbol: &str| {
        format!(r#"{{"type":"enum","name":"{name}","symbols":["{symbol}"]}}"#)
    };
    let schema = format!(
        r#"{{"type":"record","name":"E","namespace":"a","fields":[
            {{"name":"f","type":"Outside"}},{{"name":"g","type":{}}},{{"name":"h","type":"Both"}},
            {{"name":"i","type":{{"type":"record","name":"R","namespace":"","fields":[{{"name":"h","type":"Both"}}]}}}}]}}"#,
        kind("Both", "Inner")
    );
    let outside = [kind("Outside", "Free"), kind("Both", "Outer")];
    let fields = ["f", "h", "i.h"].map(|path| FieldSpec {
        path: path.to_owned(),
    });
    let plan = Plan::compile(&schema, &outside, "id", &fields).unwrap();
    let symbols = ["Free", "Inner", "Outer"].map(|symbol| Value::Enum(symbol.to_owned()));
    assert_eq!(values(&plan, &[0; 4]), symbols);
}

#[test]
fn a_component_is_a_whole_name() {
    let schema = record(
        r#"{"name":"identity","type":"string"},{"name":"i","type":"string"},{"name":"id","type":"string"}"#,
    );
    let (seen, _) = read(
        &compile(&schema, &[]).unwrap(),
        &[2, b'a', 2, b'b', 2, b'c'],
    );
    assert_eq!(seen.ids, strs(&["c"]));
}
