//! Tables that have changed since their files were written.

use std::io::Write;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use parquet::data_type::{Int64Type as ParquetLong, Int96, Int96Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use sluice_core::schema::DataType;

use super::*;
use crate::readback::{Random, field, id, mapped};

#[test]
fn columns_may_be_added_dropped_and_renamed() {
    for mode in ["name", "id"] {
        let mut next = 0;
        let inner = vec![field("a", DataType::Long), field("b", DataType::String)];
        let fields = vec![
            id(),
            field("s", DataType::Struct(inner)),
            field("gone", DataType::Long),
            field("old", DataType::String),
        ];
        let fields = fields.into_iter().map(|field| mapped(field, &mut next)).collect();
        let highest = next.to_string();
        let properties = [("delta.columnMapping.mode", mode), ("delta.columnMapping.maxColumnId", &highest)];
        let mut table = Table::new(fields, &[], &properties);
        let mut random = Random::new(14);
        let write = |table: &Table, random: &mut Random, n: usize| {
            let batch = random.batch(&table.rig, n * 30, 30);
            drop(table.rig.write(&[batch]));
        };
        (0..2).for_each(|n| write(&table, &mut random, n));
        table.alter(|info| {
            let fields = &mut info.schema.fields;
            fields.remove(2);
            fields[2].name = "new name".into();
            fields.push(mapped(field("gone", DataType::Double), &mut next));
            let DataType::Struct(inner) = &mut fields[1].data_type else { panic!() };
            inner.remove(0);
            inner.insert(0, mapped(field("c", DataType::Date), &mut next));
            fields.swap(0, 2);
            fields.swap(0, 2);
            info.properties.insert("delta.columnMapping.maxColumnId".into(), next.to_string());
        });
        (2..4).for_each(|n| write(&table, &mut random, n));
        table.compact_all(&eager());
        let stored = table.stored(&table.files()[0]);
        let names: Vec<_> = stored.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["col-1", "col-2", "col-6", "col-7"], "{mode}");
        assert!(stored.column(3).null_count() >= 60);
    }
}

/// The Delta kernel reads the files before and after.
#[test]
fn widened_columns_have_their_new_types() {
    let decimal = |precision, scale| DataType::Decimal { precision, scale };
    let changes = [
        (DataType::Byte, DataType::Short),
        (DataType::Byte, DataType::Integer),
        (DataType::Short, DataType::Integer),
        (DataType::Short, DataType::Long),
        (DataType::Integer, DataType::Long),
        (DataType::Integer, DataType::Double),
        (DataType::Byte, decimal(12, 2)),
        (DataType::Long, decimal(20, 0)),
        (DataType::Float, DataType::Double),
        (DataType::Date, DataType::TimestampNtz),
        (decimal(7, 2), decimal(12, 4)),
        (decimal(18, 3), decimal(38, 10)),
        (
            DataType::Struct(vec![field("x", DataType::Short)]),
            DataType::Struct(vec![field("x", DataType::Long), field("y", DataType::String)]),
        ),
    ];
    let name = |n: usize| format!("c{n}");
    let old = changes.iter().enumerate().map(|(n, (from, _))| field(&name(n), from.clone()));
    let mut table =
        Table::new([vec![id()], old.collect()].concat(), &[], &[("delta.enableTypeWidening", "true")]);
    let mut random = Random::new(15);
    for n in 0..4 {
        if n == 2 {
            table.alter(|info| {
                for (n, (_, to)) in changes.iter().enumerate() {
                    info.schema.fields[n + 1].data_type = to.clone();
                }
            });
        }
        let batch = random.batch(&table.rig, n * 50, 50);
        table.rig.write(&[batch]);
    }
    table.compact_all(&eager());
    let stored = table.stored(&table.files()[0]).schema();
    for (n, (_, to)) in changes.iter().enumerate() {
        assert_eq!(*stored.field(n + 1).data_type(), to.arrow(), "{}", name(n));
    }
}

/// The Delta kernel does not read such files before they are merged.
#[test]
fn widened_elements_of_lists_and_maps_have_their_new_types() {
    let list = |of: &DataType| DataType::Array { element: Box::new(of.clone()), contains_null: true };
    let map = |of: &DataType| DataType::Map {
        key: Box::new(DataType::String),
        value: Box::new(of.clone()),
        value_contains_null: true,
    };
    for mode in ["none", "name", "id"] {
        let fields = |of: DataType, next: &mut i64| {
            let inner = DataType::Struct(vec![field("l", list(&of)), field("plain", of.clone())]);
            let all = [list(&of), map(&of), inner.clone(), list(&inner)].into_iter().enumerate();
            let all = all.map(|(n, data_type)| field(&format!("c{n}"), data_type));
            [id()].into_iter().chain(all).map(|field| mapped(field, next)).collect::<Vec<_>>()
        };
        for (from, to) in [
            (DataType::Integer, DataType::Long),
            (DataType::Byte, DataType::Short),
            (DataType::Float, DataType::Double),
            (DataType::Decimal { precision: 7, scale: 2 }, DataType::Decimal { precision: 20, scale: 3 }),
        ] {
            let mut next = 0;
            let old = fields(from, &mut next);
            let highest = next.to_string();
            let properties =
                [("delta.columnMapping.mode", mode), ("delta.columnMapping.maxColumnId", highest.as_str())];
            let mut table = Table::new(old, &[], &properties);
            let mut random = Random::new(18);
            let mut expected = Vec::new();
            for n in 0..4 {
                if n == 2 {
                    table.alter(|info| info.schema.fields = fields(to.clone(), &mut 0));
                }
                let batch = random.batch(&table.rig, n * 50, 50);
                table.rig.write(std::slice::from_ref(&batch));
                expected.push(batch);
            }
            assert_eq!(table.try_compact(&eager()).unwrap().removed_files, 4);
            let schema = table.rig.table.schema.arrow();
            let cast = |batch: &RecordBatch| {
                let columns = batch.columns().iter().zip(schema.fields());
                let columns =
                    columns.map(|(array, field)| arrow_cast::cast(array, field.data_type()).unwrap());
                RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
            };
            let expected: Vec<RecordBatch> = expected.iter().map(cast).collect();
            let expected = arrow_select::concat::concat_batches(&schema, &expected).unwrap();
            assert_eq!(table.rig.read(None), expected, "{mode} {to}");
        }
    }
}

/// Spark writes times with 96 bits, of any year. As nanoseconds in 64 bits most years would become others.
#[test]
fn times_of_96_bits_keep_their_year() {
    const DAY: i64 = 86_400_000_000;
    let table = Table::new(vec![id(), field("t", DataType::Timestamp)], &[], &[]);
    let days: [i64; 4] = [-719_162, 2_932_896, 0, -150_000];
    let message = "message m { optional int64 id; optional int96 t; }";
    for (n, days) in days.chunks(2).enumerate() {
        let mut bytes = Vec::new();
        let schema = Arc::new(parse_message_type(message).unwrap());
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let ids = [n as i64 * 2, n as i64 * 2 + 1];
        column.typed::<ParquetLong>().write_batch(&ids, Some(&[1, 1]), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let times: Vec<Int96> = days
            .iter()
            .map(|day| {
                let nanos = 3_000_u64;
                Int96::from(vec![nanos as u32, (nanos >> 32) as u32, (day + 2_440_588) as u32])
            })
            .collect();
        column.typed::<Int96Type>().write_batch(&times, Some(&[1, 1]), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        let name = format!("spark-{n}.parquet");
        let mut file = fs::File::create(table.rig.folder.path().join(&name)).unwrap();
        file.write_all(&bytes).unwrap();
        table.commit(&[
            json!({"add": {"path": name, "size": bytes.len(), "partitionValues": {}, "modificationTime": n,
            "dataChange": true, "stats": json!({"numRecords": 2}).to_string()}}),
        ]);
    }
    assert_eq!(table.try_compact(&eager()).unwrap().removed_files, 2);
    let rows = table.rig.read(None);
    let times = rows.column(1).as_primitive::<TimestampMicrosecondType>();
    let expected: Vec<i64> = days.iter().map(|day| day * DAY + 3).collect();
    assert_eq!(times.values().to_vec(), expected);
}
