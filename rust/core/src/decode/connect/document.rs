//! Every row of `docs/types.md`, against every column type.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::*;
use arrow_buffer::OffsetBuffer;

use super::*;

const LONG: Kind = Kind::Int64;

/// A value of each row in the document, by the row's first cell.
fn samples() -> Vec<(&'static str, ConnectSchema, ArrayRef)> {
    let connect = |name: &str| format!("org.apache.kafka.connect.data.{name}");
    let numbers: [(_, _, ArrayRef); 6] = [
        ("INT8", Kind::Int8, Arc::new(Int8Array::from(vec![1]))),
        ("INT16", Kind::Int16, Arc::new(Int16Array::from(vec![1]))),
        ("INT32", Kind::Int32, Arc::new(Int32Array::from(vec![1]))),
        ("INT64", LONG, Arc::new(Int64Array::from(vec![1]))),
        ("FLOAT32", Kind::Float32, Arc::new(Float32Array::from(vec![0.5]))),
        ("FLOAT64", Kind::Float64, Arc::new(Float64Array::from(vec![0.5]))),
    ];
    let mut samples: Vec<_> =
        numbers.into_iter().map(|(row, kind, array)| (row, ConnectSchema::new(kind, true), array)).collect();
    let named = |name: String, kind, parameters: &[(&str, &str)]| ConnectSchema {
        name: (!name.is_empty()).then(|| name.into()),
        parameters: parameters.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        ..ConnectSchema::new(kind, true)
    };
    let mut add = |row, schema, array: ArrayRef| samples.push((row, schema, array));
    add("BOOLEAN", named(String::new(), Kind::Boolean, &[]), Arc::new(BooleanArray::from(vec![true])));
    add("STRING", named(String::new(), Kind::String, &[]), Arc::new(StringArray::from(vec!["1"])));
    add("BYTES", named(String::new(), Kind::Bytes, &[]), Arc::new(BinaryArray::from_vec(vec![b"1"])));
    add(
        "org.apache.kafka.connect.data.Decimal",
        named(connect("Decimal"), Kind::Bytes, &[("scale", "2")]),
        Arc::new(BinaryArray::from_vec(vec![&[100]])),
    );
    for (row, name) in [
        ("org.apache.kafka.connect.data.Date", connect("Date")),
        ("org.apache.kafka.connect.data.Time", connect("Time")),
        ("io.debezium.time.Date", "io.debezium.time.Date".into()),
        ("io.debezium.time.Time", "io.debezium.time.Time".into()),
        ("io.debezium.time.Year", "io.debezium.time.Year".into()),
    ] {
        add(row, named(name, Kind::Int32, &[]), Arc::new(Int32Array::from(vec![1])));
    }
    for (row, name, value) in [
        ("org.apache.kafka.connect.data.Timestamp", connect("Timestamp"), 1),
        ("….TimestampMicros", "com.acme.TimestampMicros".into(), 1),
        ("….TimestampNanos", "com.acme.TimestampNanos".into(), 1000),
        ("io.debezium.time.MicroTime", "io.debezium.time.MicroTime".into(), 1),
        ("io.debezium.time.NanoTime", "io.debezium.time.NanoTime".into(), 1),
        ("io.debezium.time.Timestamp", "io.debezium.time.Timestamp".into(), 1),
        ("io.debezium.time.MicroTimestamp", "io.debezium.time.MicroTimestamp".into(), 1),
        ("io.debezium.time.NanoTimestamp", "io.debezium.time.NanoTimestamp".into(), 1000),
        ("io.debezium.time.MicroDuration", "io.debezium.time.MicroDuration".into(), 1),
    ] {
        add(row, named(name, LONG, &[]), Arc::new(Int64Array::from(vec![value])));
    }
    for row in [
        "io.debezium.time.ZonedTimestamp",
        "io.debezium.time.ZonedTime",
        "io.debezium.time.Interval",
        "io.debezium.data.Uuid",
        "io.debezium.data.Json",
        "io.debezium.data.Xml",
        "io.debezium.data.Enum",
        "io.debezium.data.EnumSet",
        "io.debezium.data.Ltree",
    ] {
        let text = StringArray::from(vec!["2024-01-01T12:00:00.5+02:00"]);
        add(row, named(row.into(), Kind::String, &[]), Arc::new(text));
    }
    let bits = "io.debezium.data.Bits";
    add(bits, named(bits.into(), Kind::Bytes, &[]), Arc::new(BinaryArray::from_vec(vec![b"1"])));
    nested(&mut add);
    tagged(&mut add);
    samples
}

fn nested(add: &mut impl FnMut(&'static str, ConnectSchema, ArrayRef)) {
    let optional = |kind| ConnectSchema::new(kind, true);
    let long: ArrayRef = Arc::new(Int64Array::from(vec![1]));

    let list = optional(Kind::Array(Box::new(optional(LONG))));
    let ArrowType::List(field) = list.arrow() else { panic!("{list:?}") };
    add("ARRAY", list, Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([1]), long.clone(), None)));

    let map = optional(Kind::Map(Box::new(optional(Kind::String)), Box::new(optional(LONG))));
    let ArrowType::Map(field, _) = map.arrow() else { panic!("{map:?}") };
    let ArrowType::Struct(fields) = field.data_type() else { panic!("{field}") };
    let key = Arc::new(StringArray::from(vec!["a"]));
    let entries = StructArray::new(fields.clone(), vec![key, long.clone()], None);
    add("MAP", map, Arc::new(MapArray::new(field, OffsetBuffer::from_lengths([1]), entries, None, false)));

    let record = optional(Kind::Struct(vec![("a".into(), optional(LONG))]));
    let ArrowType::Struct(fields) = record.arrow() else { panic!("{record:?}") };
    add("STRUCT", record, Arc::new(StructArray::new(fields, vec![long], None)));

    let parts = vec![("scale".into(), optional(Kind::Int32)), ("value".into(), optional(Kind::Bytes))];
    let name = "io.debezium.data.VariableScaleDecimal";
    let decimal = ConnectSchema { name: Some(name.into()), ..optional(Kind::Struct(parts)) };
    let ArrowType::Struct(fields) = decimal.arrow() else { panic!("{decimal:?}") };
    let scale = Arc::new(Int32Array::from(vec![1]));
    let value = Arc::new(BinaryArray::from_vec(vec![&[10]]));
    add(name, decimal, Arc::new(StructArray::new(fields, vec![scale, value], None)));
}

fn tagged(add: &mut impl FnMut(&'static str, ConnectSchema, ArrayRef)) {
    for (row, bytes) in [
        ("Byte", &[3, 1][..]),
        ("Short", &[4, 1, 0]),
        ("Integer", &[5, 1, 0, 0, 0]),
        ("Long", &[6, 1, 0, 0, 0, 0, 0, 0, 0]),
        ("Float", &[7, 0, 0, 0, 0x3f]),
        ("Double", &[8, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f]),
        ("Boolean", &[2]),
        ("String", b"\x09\x011"),
        ("byte[]", b"\x0a\x011"),
        ("BigDecimal", &[14, 1, 0, 0, 0, 1, 10]),
        ("java.util.Date", &[15, 1, 0, 0, 0, 0, 0, 0, 0]),
        ("List", &[11, 1, 3, 1]),
        ("Map", &[12, 1, 1, b'a', 3, 1]),
        ("Map with other keys than strings", &[13, 1, 3, 1, 3, 1]),
    ] {
        add(row, ConnectSchema::new(Kind::Any, true), Arc::new(BinaryArray::from_vec(vec![bytes])));
    }
}

/// Every kind of column, by its name in the document.
fn columns(row: &str) -> Vec<(&'static str, DataType)> {
    let key = if row.contains("other keys") { DataType::Long } else { DataType::String };
    let field =
        Field { name: "a".into(), data_type: DataType::Long, nullable: true, metadata: Default::default() };
    vec![
        ("byte", DataType::Byte),
        ("short", DataType::Short),
        ("integer", DataType::Integer),
        ("long", DataType::Long),
        ("float", DataType::Float),
        ("double", DataType::Double),
        ("decimal", DataType::Decimal { precision: 20, scale: 3 }),
        ("boolean", DataType::Boolean),
        ("string", DataType::String),
        ("binary", DataType::Binary),
        ("date", DataType::Date),
        ("timestamp", DataType::Timestamp),
        ("timestamp_ntz", DataType::TimestampNtz),
        ("array", DataType::Array { element: Box::new(DataType::Long), contains_null: true }),
        (
            "map",
            DataType::Map { key: Box::new(key), value: Box::new(DataType::Long), value_contains_null: true },
        ),
        ("struct", DataType::Struct(vec![field])),
    ]
}

/// The rows of the document's tables: the first cell, and the types in the others.
fn documented() -> Vec<(String, BTreeSet<String>)> {
    let text = include_str!("../../../../../docs/types.md");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let mut cells = line.trim_matches('|').split('|');
        let row = cells.next().expect("a cell").replace('`', "").trim().to_owned();
        let types = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned));
        (row, types.collect())
    })
    .collect()
}

#[test]
fn every_row_of_the_document_fills_just_the_columns_it_says() {
    let (documented, samples) = (documented(), samples());
    let rows = |rows: Vec<&str>| rows.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(
        rows(documented.iter().map(|(row, _)| row.as_str()).collect()),
        rows(samples.iter().map(|(row, ..)| *row).collect())
    );
    for (row, schema, array) in samples {
        let (_, said) = documented.iter().find(|(name, _)| name == row).expect(row);
        let given = ConnectSchema::new(Kind::Struct(vec![("v".into(), schema)]), false);
        let ArrowType::Struct(fields) = given.arrow() else { panic!("{given:?}") };
        let record = StructArray::new(fields, vec![array], None);
        let mut filled = BTreeSet::new();
        for (name, data_type) in columns(row) {
            let field = Field { name: "v".into(), data_type, nullable: false, metadata: Default::default() };
            let mut plan = Plan::new(&given, &[field], UnknownFields::Ignore).unwrap();
            let converted = plan.convert(&record);
            match converted.bad.first() {
                None => {
                    assert!(converted.columns[0].is_valid(0));
                    filled.insert(name.to_owned());
                }
                Some((_, error)) => assert_eq!(error.code, Code::RecordType, "{row} into {name}: {error}"),
            }
        }
        assert_eq!(&filled, said, "{row}");
    }
}

/// What stands in the columns that are made for a name.
#[test]
fn named_values_are_exact() {
    let samples = samples();
    let convert = |row: &str, data_type: DataType| {
        let (_, schema, array) = samples.iter().find(|(name, ..)| *name == row).expect(row);
        let given = ConnectSchema::new(Kind::Struct(vec![("v".into(), schema.clone())]), false);
        let ArrowType::Struct(fields) = given.arrow() else { panic!("{given:?}") };
        let record = StructArray::new(fields, vec![array.clone()], None);
        let field = Field { name: "v".into(), data_type, nullable: true, metadata: Default::default() };
        let mut plan = Plan::new(&given, &[field], UnknownFields::Ignore).unwrap();
        plan.convert(&record).columns.remove(0)
    };
    let micros = |row: &str, data_type| {
        use arrow_array::types::TimestampMicrosecondType;
        convert(row, data_type).as_primitive::<TimestampMicrosecondType>().value(0)
    };
    use DataType::{Timestamp, TimestampNtz};
    assert_eq!(micros("org.apache.kafka.connect.data.Timestamp", Timestamp), 1000);
    assert_eq!(micros("….TimestampMicros", Timestamp), 1);
    assert_eq!(micros("….TimestampNanos", Timestamp), 1);
    assert_eq!(micros("io.debezium.time.Timestamp", TimestampNtz), 1000);
    assert_eq!(micros("io.debezium.time.MicroTimestamp", TimestampNtz), 1);
    assert_eq!(micros("io.debezium.time.NanoTimestamp", TimestampNtz), 1);
    assert_eq!(micros("io.debezium.time.ZonedTimestamp", Timestamp), 1_704_103_200_500_000);
    let decimal = |row: &str| {
        use arrow_array::types::Decimal128Type;
        let column = convert(row, DataType::Decimal { precision: 20, scale: 3 });
        column.as_primitive::<Decimal128Type>().value(0)
    };
    assert_eq!(decimal("org.apache.kafka.connect.data.Decimal"), 1000);
    assert_eq!(decimal("io.debezium.data.VariableScaleDecimal"), 1000);
}
