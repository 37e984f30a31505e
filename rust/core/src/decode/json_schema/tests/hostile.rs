//! Schemas and records that nobody wrote in good faith.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::schema::DataType;
use crate::schema::build::{field, schema, structure};

#[test]
fn a_schema_that_multiplies_is_bounded() {
    // Each level holds the next one twice: 2^40 columns.
    let levels: Vec<_> = (0..40)
        .map(|at| {
            let next = at + 1;
            format!(
                r##""l{at}":{{"type":"object","properties":{{"a":{{"$ref":"#/definitions/l{next}"}},"b":{{"$ref":"#/definitions/l{next}"}}}}}}"##
            )
        })
        .collect();
    let text = format!(
        r##"{{"$ref":"#/definitions/l0","definitions":{{{},"l40":{{"type":"string"}}}}}}"##,
        levels.join(",")
    );
    let error = parse(&text).connect().unwrap_err();
    assert_eq!(error.code, SchemaUnclear);
    assert!(error.message.contains("the schema becomes more than"), "{error}");
}

#[test]
fn long_chains_and_deep_schemas_end() {
    let chain: Vec<_> =
        (0..50_000).map(|at| format!(r##""c{at}":{{"$ref":"#/definitions/c{}"}}"##, at + 1)).collect();
    let text = format!(
        r##"{{"type":"object","properties":{{"v":{{"$ref":"#/definitions/c0"}}}},"definitions":{{{},"c50000":{{"type":"string"}}}}}}"##,
        chain.join(",")
    );
    assert_eq!(show(&parse(&text).connect().unwrap()), "{v:string?}");
    let chain: Vec<_> = (0..500)
        .map(|at| {
            format!(r##""c{at}":{{"allOf":[{{"$ref":"#/definitions/c{}"}},{{"type":"object"}}]}}"##, at + 1)
        })
        .collect();
    let text = format!(
        r##"{{"$ref":"#/definitions/c0","definitions":{{{},"c500":{{"type":"object","properties":{{"x":{{"type":"string"}}}}}}}}}}"##,
        chain.join(",")
    );
    assert_eq!(show(&parse(&text).connect().unwrap()), "{x:string?}");
    let levels: Vec<_> = (0..200)
        .map(|at| {
            format!(
                r##""l{at}":{{"type":"object","properties":{{"n":{{"$ref":"#/definitions/l{}"}}}}}}"##,
                at + 1
            )
        })
        .collect();
    let text = format!(
        r##"{{"$ref":"#/definitions/l0","definitions":{{{},"l200":{{"type":"string"}}}}}}"##,
        levels.join(",")
    );
    let error = parse(&text).connect().unwrap_err();
    assert!(error.message.contains("deeper than 64 levels"), "{error}");
    let nested = format!("{}{}", r#"{"items":"#.repeat(1000), "}".repeat(1000));
    assert_eq!(Schema::parse(&nested, &[]).unwrap_err().code, SchemaUnclear);
}

/// What a schema is made of, put together at random.
fn random_schema(random: &mut StdRng, depth: usize) -> String {
    let scalars = [
        r#"{"type":"string"}"#,
        r#"{"type":"integer","connect.type":"int32"}"#,
        r#"{"type":"integer","connect.type":"int32","title":"org.apache.kafka.connect.data.Date"}"#,
        r#"{"type":"integer","connect.type":"int64","title":"org.apache.kafka.connect.data.Timestamp"}"#,
        r#"{"type":"string","connect.type":"bytes","title":"org.apache.kafka.connect.data.Decimal","connect.parameters":{"scale":"2"}}"#,
        r#"{"type":"number"}"#,
        r#"{"type":["boolean","null"]}"#,
        r##"{"$ref":"#"}"##,
        r##"{"$ref":"#/properties/a"}"##,
        "{}",
        "true",
        "7",
        r#"{"enum":[1,"x",null]}"#,
        r#"{"type":"date"}"#,
    ];
    if depth == 0 {
        return scalars[random.random_range(0..scalars.len())].into();
    }
    let mut inner = || random_schema(random, depth - 1);
    let (one, two) = (inner(), inner());
    match random.random_range(0..8) {
        0 => format!(r#"{{"type":"object","properties":{{"a":{one},"b":{two}}},"required":["b"]}}"#),
        1 => format!(r#"{{"type":"array","items":{one}}}"#),
        2 => format!(r#"{{"type":"object","additionalProperties":{one}}}"#),
        3 => format!(
            r#"{{"type":"array","connect.type":"map","items":{{"properties":{{"key":{one},"value":{two}}}}}}}"#
        ),
        4 => format!(r#"{{"oneOf":[{one},{two}]}}"#),
        5 => format!(r#"{{"allOf":[{one},{two}]}}"#),
        6 => format!(r#"{{"anyOf":[{{"type":"null"}},{one},{two}]}}"#),
        _ => format!(r#"{{"type":["object","null"],"properties":{{"a":{one}}},"oneOf":[{two}]}}"#),
    }
}

fn random_value(random: &mut StdRng, depth: usize) -> String {
    let scalars =
        ["null", "true", "1", "-7", "2.50", "1e3", "\"x\"", "\"AJw=\"", "\"2024-01-01\"", "{}", "[]", "{"];
    if depth == 0 || random.random_range(0..4) == 0 {
        return scalars[random.random_range(0..scalars.len())].into();
    }
    let mut inner = || random_value(random, depth - 1);
    let (one, two) = (inner(), inner());
    match random.random_range(0..4) {
        0 => format!(r#"{{"a":{one},"b":{two}}}"#),
        1 => format!("[{one},{two}]"),
        2 => format!(r#"[{{"key":{one},"value":{two}}}]"#),
        _ => format!(r#"{{"b":{one},"x":{two}}}"#),
    }
}

#[test]
fn any_schema_and_any_record_make_a_row_or_an_error() {
    let fixed = schema([
        field("a", DataType::Date, true),
        field(
            "b",
            structure([field("a", DataType::String, true), field("b", DataType::Timestamp, true)]),
            true,
        ),
    ]);
    let (mut good, mut bad, mut made) = (0, 0, 0);
    for number in 0..3_000 {
        let mut random = StdRng::seed_from_u64(number);
        let text = format!(
            r#"{{"type":"object","properties":{{"a":{},"b":{}}}}}"#,
            random_schema(&mut random, 2),
            random_schema(&mut random, 3)
        );
        let writer = parse(&text);
        let own = writer.connect().and_then(|connect| from_connect(&connect));
        let own = own.map(|fields| TableSchema { fields });
        made += usize::from(own.is_ok());
        let written = Written::Json(Arc::new(writer));
        for table in [Some(&fixed), own.as_ref().ok()].into_iter().flatten() {
            let mut fixture = Fixture::of_written(written.clone(), table);
            let mut rows = 0;
            for _ in 0..6 {
                // Every second member is null, or hardly a record would make a row.
                let [a, b] = [2, 3].map(|depth| match random.random_bool(0.5) {
                    true => "null".to_owned(),
                    false => random_value(&mut random, depth),
                });
                let record = format!(r#"{{"a":{a},"b":{b}}}"#);
                match fixture.push(&record) {
                    Ok(()) => {
                        rows += 1;
                        serde_json::from_str::<serde::de::IgnoredAny>(&record)
                            .expect("what makes a row is JSON");
                    }
                    Err(error) => {
                        assert_eq!(error.code.class().name(), "RECORD", "{error}");
                        bad += 1;
                    }
                }
                assert_eq!(fixture.decoder.rows(), rows, "{record} of {text}");
            }
            good += rows;
            assert_eq!(fixture.finish().num_rows(), rows);
        }
    }
    assert!(good > 1_000 && bad > 1_000 && made > 300, "{good} good, {bad} bad, {made} tables");
}

#[test]
fn a_small_record_cannot_take_unbounded_memory() {
    let wide: Vec<_> = (0..1000).map(|at| format!(r#""c{at}":{{"type":"number"}}"#)).collect();
    let text = format!(
        r#"{{"type":"object","properties":{{"v":{{"type":"array","connect.type":"map","items":{{"properties":{{
            "key":{{"type":"integer"}},"value":{{"type":["object","null"],"properties":{{{}}}}}}}}}}}}}}}"#,
        wide.join(",")
    );
    let mut fixture = Fixture::of(&text);
    let entries: Vec<_> = (0..12_000).map(|at| format!(r#"{{"key":{at},"value":null}}"#)).collect();
    let error = fixture.refused(&format!(r#"{{"v":[{}]}}"#, entries.join(",")));
    assert_eq!((error.code, &*error.path), (RecordRange, "v"));
}
