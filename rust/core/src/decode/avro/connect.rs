//! The Connect schema that Confluent's `AvroConverter` makes of an Avro schema with its default settings (`AvroData`), so that a
//! table gets the same columns from the converter and from Avro itself. What that converter takes for plain numbers and bytes
//! though Avro says more of it (microseconds, local times, big decimals) keeps its meaning here.

use super::schema::{Id, Meaning, NO_PRECISION, Node, Schema, Shape, Unit};
use crate::Result;
use crate::connect::{ConnectSchema, Kind};
use crate::decode::MAX_DEPTH;
use crate::schema::{child_path, unusable};

/// Columns at every level that a record may ask for.
const MAX_TYPES: usize = 10_000;
const DATA: &str = "org.apache.kafka.connect.data";

impl Schema {
    /// For the columns of a table.
    pub fn connect(&self) -> Result<ConnectSchema> {
        Mapping { schema: self, within: Vec::new(), seen: 0 }.of("", self.root(), false)
    }

    /// Of a type that is neither nested nor null: what its values stand for.
    pub(super) fn scalar(&self, id: Id) -> Option<ConnectSchema> {
        let node = self.node(id);
        let kind = match &node.shape {
            Shape::Boolean => Kind::Boolean,
            Shape::Int => match node.connect.r#type.as_deref() {
                Some("int8") => Kind::Int8,
                Some("int16") => Kind::Int16,
                _ => Kind::Int32,
            },
            Shape::Long => Kind::Int64,
            Shape::Float => Kind::Float32,
            Shape::Double => Kind::Float64,
            Shape::Fixed(_) if node.meaning == Meaning::Uuid => Kind::String,
            Shape::Bytes | Shape::Fixed(_) => Kind::Bytes,
            Shape::String | Shape::Enum(_) => Kind::String,
            _ => return None,
        };
        let mut schema = ConnectSchema::new(kind, false);
        let mut parameter = |name: &str, value: String| {
            schema.parameters.insert(name.into(), value.into());
        };
        schema.name = match node.meaning {
            Meaning::Decimal { precision, scale } => {
                parameter("scale", scale.to_string());
                if precision != NO_PRECISION {
                    parameter("connect.decimal.precision", precision.to_string());
                }
                Some(format!("{DATA}.Decimal").into())
            }
            Meaning::Date => Some(format!("{DATA}.Date").into()),
            Meaning::TimeMillis => Some(format!("{DATA}.Time").into()),
            Meaning::Timestamp { unit, zoned } => Some(timestamp(unit, zoned).into()),
            _ => None,
        };
        named(&mut schema, node);
        Some(schema)
    }
}

/// Names by which Connect and Debezium say the same.
fn timestamp(unit: Unit, zoned: bool) -> String {
    match (unit, zoned) {
        (Unit::Millis, true) => format!("{DATA}.Timestamp"),
        (Unit::Micros, true) => "avro.TimestampMicros".into(),
        (Unit::Nanos, true) => "avro.TimestampNanos".into(),
        (Unit::Millis, false) => "io.debezium.time.Timestamp".into(),
        (Unit::Micros, false) => "io.debezium.time.MicroTimestamp".into(),
        (Unit::Nanos, false) => "io.debezium.time.NanoTimestamp".into(),
    }
}

fn named(schema: &mut ConnectSchema, node: &Node) {
    let own = &node.connect;
    let declared = (!node.name.is_empty() && !matches!(node.shape, Shape::Fixed(_))).then_some(&node.name);
    if schema.name.is_none() {
        schema.name = own.name.as_ref().or(declared).cloned();
    }
    schema.parameters.extend(own.parameters.iter().cloned());
    schema.doc = own.doc.clone();
}

struct Mapping<'a> {
    schema: &'a Schema,
    /// Records that lead here.
    within: Vec<Id>,
    /// Types that were gone through. One that is used often counts as often.
    seen: usize,
}

impl Mapping<'_> {
    fn of(&mut self, path: &str, id: Id, optional: bool) -> Result<ConnectSchema> {
        self.seen += 1;
        if self.seen > MAX_TYPES {
            return Err(unusable(
                path,
                &format!("the record has more than {MAX_TYPES} fields at all levels"),
            ));
        }
        let node = self.schema.node(id);
        if let Some(mut scalar) = self.schema.scalar(id) {
            scalar.optional = optional;
            return Ok(scalar);
        }
        let (mut kind, mut optional) = (None, optional);
        match &node.shape {
            Shape::Array(items) => kind = Some(Kind::Array(self.inner(path, "element", *items)?)),
            Shape::Map(values) => {
                let key = Box::new(ConnectSchema::new(Kind::String, false));
                kind = Some(Kind::Map(key, self.inner(path, "value", *values)?));
            }
            Shape::Entries { key, value, .. } => {
                let key = self.inner(path, "key", *key)?;
                kind = Some(Kind::Map(key, self.inner(path, "value", *value)?));
            }
            Shape::Union(branches) => {
                if let Some((_, value)) = self.schema.nullable(branches) {
                    return self.of(path, value, true);
                }
                let mut members = Vec::with_capacity(branches.len());
                for branch in branches {
                    match self.schema.shape(*branch) {
                        Shape::Null => optional = true,
                        _ => members.push(self.member(
                            path,
                            self.schema.branch_name(*branch),
                            *branch,
                            true,
                        )?),
                    }
                }
                kind = Some(Kind::Struct(members));
            }
            Shape::Record(fields) => {
                self.enter(path, id)?;
                let mut members = Vec::with_capacity(fields.len());
                for field in fields {
                    let (name, mut member) = self.member(path, &field.name, field.node, false)?;
                    member.doc = member.doc.or_else(|| field.doc.clone());
                    members.push((name, member));
                }
                self.within.pop();
                kind = Some(Kind::Struct(members));
            }
            _ => {}
        }
        let Some(kind) = kind else {
            return Err(unusable(
                path,
                "its type is null, which no column has. Leave it out, or make it a union",
            ));
        };
        let mut schema = ConnectSchema::new(kind, optional);
        named(&mut schema, node);
        Ok(schema)
    }

    fn member(
        &mut self,
        path: &str,
        name: &str,
        id: Id,
        optional: bool,
    ) -> Result<(Box<str>, ConnectSchema)> {
        Ok((name.into(), self.of(&child_path(path, name), id, optional)?))
    }

    fn inner(&mut self, path: &str, name: &str, id: Id) -> Result<Box<ConnectSchema>> {
        Ok(Box::new(self.of(&child_path(path, name), id, false)?))
    }

    fn enter(&mut self, path: &str, id: Id) -> Result<()> {
        if self.within.contains(&id) {
            let name = &self.schema.node(id).name;
            let why = format!(
                "the record {name} holds itself, and no column can. Give the table's schema (delta.schema.json or \
                 delta.schema.file), with as many levels as are wanted"
            );
            return Err(unusable(path, &why));
        }
        if self.within.len() == MAX_DEPTH {
            return Err(unusable(path, &format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.within.push(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Schema as TableSchema, from_connect};

    fn columns(fields: &str) -> Result<String> {
        let text = format!(r#"{{"type":"record","name":"a.R","fields":[{fields}]}}"#);
        let schema = TableSchema { fields: from_connect(&Schema::parse(&text, &[])?.connect()?)? };
        let columns = schema.fields.iter().map(|field| {
            let nullable = if field.nullable { "?" } else { "" };
            format!("{}{nullable}:{}", field.name, field.data_type)
        });
        Ok(columns.collect::<Vec<_>>().join(" "))
    }

    fn column(data_type: &str) -> String {
        let columns = columns(&format!(r#"{{"name":"f","type":{data_type}}}"#));
        columns.unwrap_or_else(|error| error.message)
    }

    #[test]
    fn every_type_has_its_column() {
        let logical = |base: &str, logical: &str| format!(r#"{{"type":"{base}","logicalType":"{logical}"}}"#);
        let fixed = |size: u8, logical: &str| {
            format!(r#"{{"type":"fixed","name":"F","size":{size},"logicalType":"{logical}"}}"#)
        };
        for (data_type, expected) in [
            (r#""boolean""#.to_owned(), "f:boolean"),
            (r#""int""#.to_owned(), "f:integer"),
            (r#"{"type":"int","connect.type":"int8"}"#.to_owned(), "f:byte"),
            (r#"{"type":"int","connect.type":"int16"}"#.to_owned(), "f:short"),
            (r#"{"type":"int","connect.type":"int16","logicalType":"date"}"#.to_owned(), "f:date"),
            (r#"{"type":"int","connect.type":"int16","logicalType":"other"}"#.to_owned(), "f:integer"),
            (r#""long""#.to_owned(), "f:long"),
            (r#""float""#.to_owned(), "f:float"),
            (r#""double""#.to_owned(), "f:double"),
            (r#""bytes""#.to_owned(), "f:binary"),
            (r#""string""#.to_owned(), "f:string"),
            (fixed(3, "nothing"), "f:binary"),
            (fixed(12, "duration"), "f:binary"),
            (fixed(16, "uuid"), "f:string"),
            (logical("string", "uuid"), "f:string"),
            (r#"{"type":"enum","name":"E","symbols":["X","Y"]}"#.to_owned(), "f:string"),
            (r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#.to_owned(), "f:decimal(9,2)"),
            (
                r#"{"type":"fixed","name":"F","size":5,"logicalType":"decimal","precision":9,"scale":0}"#.to_owned(),
                "f:decimal(9,0)",
            ),
            (r#"{"type":"bytes","logicalType":"decimal","scale":2}"#.to_owned(), "f:decimal(38,2)"),
            (r#"{"type":"bytes","logicalType":"decimal","precision":64,"scale":2}"#.to_owned(), "f:decimal(38,2)"),
            (logical("bytes", "big-decimal"), "f:binary"),
            (logical("int", "date"), "f:date"),
            (logical("int", "Date"), "f:date"),
            (logical("int", "time-millis"), "f:integer"),
            (logical("long", "time-micros"), "f:long"),
            (logical("long", "timestamp-millis"), "f:timestamp"),
            (logical("long", "timestamp-micros"), "f:timestamp"),
            (logical("long", "timestamp-nanos"), "f:timestamp"),
            (logical("long", "local-timestamp-millis"), "f:timestamp_ntz"),
            (logical("long", "local-timestamp-micros"), "f:timestamp_ntz"),
            (logical("long", "local-timestamp-nanos"), "f:timestamp_ntz"),
            (r#"{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}"#.to_owned(), "f:timestamp_ntz"),
            (r#"{"type":"array","items":["null","int"]}"#.to_owned(), "f:array<integer>"),
            (r#"{"type":"map","values":"long"}"#.to_owned(), "f:map<string,long>"),
            (
                r#"{"type":"array","items":{"type":"record","name":"MapEntry","namespace":"io.confluent.connect.avro",
                    "fields":[{"name":"key","type":"int"},{"name":"value","type":["null","string"]}]}}"#
                    .to_owned(),
                "f:map<integer,string>",
            ),
            (
                r#"{"type":"array","items":{"type":"record","name":"Own","connect.internal.type":"MapEntry",
                    "fields":[{"name":"key","type":"long"},{"name":"value","type":"int"}]}}"#
                    .to_owned(),
                "f:map<long,integer>",
            ),
            (r#"["null","int"]"#.to_owned(), "f?:integer"),
            (r#"["int","null"]"#.to_owned(), "f?:integer"),
            (r#"["int","string"]"#.to_owned(), "f:struct<int:integer,string:string>"),
            (
                r#"["null","int",{"type":"record","name":"b.In","fields":[{"name":"x","type":"int"}]}]"#.to_owned(),
                "f?:struct<int:integer,In:struct<x:integer>>",
            ),
            (r#"["int"]"#.to_owned(), "f:struct<int:integer>"),
            (
                r#"{"type":"record","name":"b.In","fields":[{"name":"x","type":["null","int"]}]}"#.to_owned(),
                "f:struct<x:integer>",
            ),
        ] {
            assert_eq!(column(&data_type), expected, "{data_type}");
        }
    }

    #[test]
    fn what_no_column_holds_is_named() {
        let recursive = r#"{"type":"array","items":"R"}"#;
        assert!(
            column(recursive).starts_with("field f.element: the record a.R holds itself"),
            "{}",
            column(recursive)
        );
        assert!(column(r#""null""#).starts_with("field f: its type is null"));
        let precise = r#"{"type":"bytes","logicalType":"decimal","precision":50,"scale":2}"#;
        assert!(column(precise).starts_with("field f: Delta has no decimal(50,2)"), "{}", column(precise));
    }

    #[test]
    fn a_record_used_twice_is_no_recursion() {
        let money = r#"{"type":"record","name":"Money","fields":[{"name":"cents","type":"long"}]}"#;
        let made = columns(&format!(r#"{{"name":"net","type":{money}}},{{"name":"tax","type":"Money"}}"#));
        assert_eq!(made.unwrap(), "net:struct<cents:long> tax:struct<cents:long>");
    }

    #[test]
    fn docs_become_comments() {
        let text = r#"{"type":"record","name":"R","fields":[{"name":"f","type":"int","doc":"how many"}]}"#;
        let fields = from_connect(&Schema::parse(text, &[]).unwrap().connect().unwrap()).unwrap();
        assert_eq!(fields[0].metadata["comment"], "how many");
    }
}
