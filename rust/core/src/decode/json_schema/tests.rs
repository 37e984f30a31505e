//! One test for each rule of `docs/json-schema.md`. What Confluent's converter does with a schema is from the tests of
//! schema-registry's `JsonSchemaDataTest` (8.x, `json-schema-converter`), whose cases are named where they are taken up.

mod columns;
mod hostile;
mod values;

use std::sync::Arc;

use arrow_array::RecordBatch;

use super::*;
use crate::Code::*;
use crate::connect::ConnectSchema;
use crate::decode::json::JsonOptions;
use crate::decode::written::{Written, WrittenDecoder};
use crate::decode::{RowError, UnknownFields};
use crate::schema::{Schema as TableSchema, from_connect};

fn parse(text: &str) -> Schema {
    Schema::parse(text, &[]).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A Connect schema in one line: `?` is optional, a name follows in parentheses.
fn show(schema: &ConnectSchema) -> String {
    let kind = match &schema.kind {
        ConnectKind::Array(element) => format!("[{}]", show(element)),
        ConnectKind::Map(key, value) => format!("<{},{}>", show(key), show(value)),
        ConnectKind::Struct(members) => {
            let members = members.iter().map(|(name, member)| format!("{name}:{}", show(member)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(" ").replace(UNION, "OneOf"))
        }
        scalar => format!("{scalar:?}").to_lowercase(),
    };
    let name = schema.name.as_ref().map(|name| format!("({name})")).unwrap_or_default();
    format!("{kind}{}{}", if schema.optional { "?" } else { "" }, name.replace(UNION, "OneOf"))
}

/// Of a field with this schema, which is required.
fn field(schema: &str) -> ConnectSchema {
    let text = format!(r#"{{"type":"object","properties":{{"v":{schema}}},"required":["v"]}}"#);
    let connect = parse(&text).connect().unwrap_or_else(|error| panic!("{error}: {schema}"));
    let ConnectKind::Struct(mut members) = connect.kind else { panic!("a struct") };
    members.remove(0).1
}

/// The columns that a table would get, by Delta's names.
fn table(schema: &Schema) -> TableSchema {
    TableSchema { fields: from_connect(&schema.connect().unwrap()).unwrap() }
}

/// Of a schema whose records go to the table that is made of it.
struct Fixture {
    written: Written,
    decoder: WrittenDecoder,
}

impl Fixture {
    fn of(text: &str) -> Self {
        let schema = parse(text);
        let table = table(&schema);
        Fixture::with(schema, &table)
    }

    fn with(schema: Schema, table: &TableSchema) -> Self {
        Fixture::of_written(Written::Json(Arc::new(schema)), table)
    }

    fn of_written(written: Written, table: &TableSchema) -> Self {
        let decoder = WrittenDecoder::of_text(table, JsonOptions::default()).unwrap();
        Fixture { written, decoder }
    }

    fn push(&mut self, record: &str) -> Result<(), RowError> {
        self.decoder.push(&self.written, record.as_bytes())
    }

    fn good(&mut self, record: &str) -> &mut Self {
        self.push(record).unwrap_or_else(|error| panic!("{error}: {record}"));
        self
    }

    fn refused(&mut self, record: &str) -> RowError {
        let before = (self.decoder.rows(), self.decoder.bytes());
        let error = self.push(record).unwrap_err();
        assert_eq!((self.decoder.rows(), self.decoder.bytes()), before);
        error
    }

    fn finish(&mut self) -> RecordBatch {
        use arrow_array::Array;
        let batch = self.decoder.finish();
        for column in batch.columns() {
            column.to_data().validate_full().unwrap();
        }
        batch
    }
}

/// Rows as JSON, as Arrow writes them.
fn rows(batch: &RecordBatch) -> Vec<String> {
    let mut writer = arrow_json::LineDelimitedWriter::new(Vec::new());
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    String::from_utf8(writer.into_inner()).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn what_is_not_json_is_no_schema() {
    for (text, references) in [("{", &[][..]), ("{}", &[("a.json", "no")])] {
        let error = Schema::parse(text, references).unwrap_err();
        assert_eq!(error.code, SchemaUnclear);
    }
    assert!(
        Schema::parse("{}", &[("a", "x")]).unwrap_err().message.contains("reference a is not a JSON Schema")
    );
    for text in ["3", "null", "[]", r#""x""#] {
        let error = parse(text).connect().unwrap_err();
        assert!(error.message.starts_with("the records' JSON Schema: a schema is an object"), "{error}");
    }
}
