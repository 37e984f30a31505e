//! Tables written by the unit writer and read back by the Delta kernel. Random rows from fixed seeds.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, ListArray, MapArray, PrimitiveArray, RecordBatch,
    StringArray, StructArray, UInt32Array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType as ArrowType, Schema as ArrowSchema};
use arrow_select::concat::concat_batches;
use buoyant_kernel as delta_kernel;
use delta_kernel::Snapshot;
use delta_kernel::committer::FileSystemCommitter;
use delta_kernel::engine::arrow_data::{ArrowEngineData, EngineDataArrowExt};
use delta_kernel::expressions::{ColumnName, Expression, Predicate, Scalar};
use delta_kernel::transaction::CommitResult;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sluice_core::schema::{DataType, Field, Schema};
use sluice_core::settings::Compression;
use sluice_core::table::TableInfo;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use url::Url;

use crate::commit::add_actions;
use crate::features::{Features, needed_by};
use crate::kernel::{KernelEngine, engine};
use crate::physical::Layout;
use crate::store::{LocalStore, Store};
use crate::unit::StagedFile;
use crate::world::{Tokio, World};
use crate::writer::UnitWriter;

pub(crate) struct Rig {
    pub folder: TempDir,
    _runtime: Runtime,
    pub world: Arc<dyn World>,
    pub store: Arc<LocalStore>,
    engine: Arc<KernelEngine>,
    pub table: Arc<TableInfo>,
}

impl Rig {
    pub fn new(fields: Vec<Field>, partition_by: &[&str], properties: &[(&str, &str)]) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalStore::new(Url::from_directory_path(folder.path()).unwrap()).unwrap());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let world = Tokio::world(runtime.handle().clone());
        let engine = Arc::new(engine(&*store, &world));
        let texts = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let table = TableInfo {
            schema: Schema { fields },
            partition_by: partition_by.iter().map(|name| (*name).to_owned()).collect(),
            properties: properties.iter().map(texts).collect(),
        };
        let features = ["columnMapping", "deletionVectors", "timestampNtz", "typeWidening"];
        let of_writers = [&features[..], &["appendOnly", "domainMetadata"]].concat();
        let more = needed_by(&table.properties, &table.schema);
        let of_writers: Features = of_writers.into_iter().map(str::to_owned).chain(more).collect();
        let protocol = json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7,
            "readerFeatures": features, "writerFeatures": of_writers}});
        let metadata = json!({"metaData": {"id": "t", "format": {"provider": "parquet", "options": {}},
            "schemaString": table.schema.to_json(), "partitionColumns": table.partition_by,
            "configuration": table.properties}});
        store.claim(0, format!("{protocol}\n{metadata}\n").as_bytes()).unwrap();
        Rig { folder, _runtime: runtime, world, store, engine, table: Arc::new(table) }
    }

    pub fn stage(&self, batches: &[RecordBatch]) -> Vec<StagedFile> {
        let mut writer =
            UnitWriter::new(self.store.clone(), self.world.clone(), Compression::Snappy, u64::MAX);
        batches.iter().for_each(|batch| writer.write(&self.table, batch).unwrap());
        writer.finish().unwrap()
    }

    pub fn write(&self, batches: &[RecordBatch]) -> Vec<StagedFile> {
        let files = self.stage(batches);
        let snapshot = Snapshot::builder_for(self.store.root().as_str()).build(&*self.engine).unwrap();
        let mut transaction =
            snapshot.transaction(Box::new(FileSystemCommitter::new()), &*self.engine).unwrap();
        for batch in add_actions(&files.iter().collect::<Vec<_>>()).unwrap() {
            transaction.add_files(Box::new(ArrowEngineData::new(batch)));
        }
        let committed = transaction.commit(&*self.engine).unwrap();
        assert!(matches!(committed, CommitResult::CommittedTransaction(_)));
        files
    }

    /// The rows that are left when files are skipped, by the first column.
    pub fn read(&self, predicate: Option<Predicate>) -> RecordBatch {
        let snapshot = Snapshot::builder_for(self.store.root().as_str()).build(&*self.engine).unwrap();
        let scan = snapshot.scan_builder().with_predicate(predicate.map(Arc::new)).build().unwrap();
        let batches = scan.execute(self.engine.clone()).unwrap();
        let batches: Vec<_> = batches.map(|batch| batch.unwrap().try_into_record_batch().unwrap()).collect();
        let plain = self.table.schema.arrow();
        // Only names, types and values matter here.
        let batches = batches.iter().map(|batch| {
            let columns = batch.columns().iter().zip(plain.fields());
            let columns = columns.map(|(array, field)| arrow_cast::cast(array, field.data_type()).unwrap());
            RecordBatch::try_new(plain.clone(), columns.collect()).unwrap()
        });
        sorted(&concat_batches(&plain, batches.collect::<Vec<_>>().iter()).unwrap())
    }

    pub fn rows(&self, columns: Vec<ArrayRef>) -> RecordBatch {
        RecordBatch::try_new(self.table.schema.arrow(), columns).unwrap()
    }

    fn adds(&self) -> Vec<Value> {
        let commit = std::fs::read_to_string(self.folder.path().join("_delta_log/00000000000000000001.json"));
        let actions = commit.unwrap();
        actions
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["add"].take())
            .filter(|add| !add.is_null())
            .collect()
    }
}

fn sorted(rows: &RecordBatch) -> RecordBatch {
    let ids = rows.column(0).as_primitive::<Int64Type>();
    let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
    order.sort_by_key(|row| ids.value(*row as usize));
    arrow_select::take::take_record_batch(rows, &UInt32Array::from(order)).unwrap()
}

pub(crate) fn field(name: &str, data_type: DataType) -> Field {
    Field { name: name.into(), data_type, nullable: true, metadata: Default::default() }
}

pub(crate) fn id() -> Field {
    field("id", DataType::Long)
}

pub(crate) fn ids(from: usize, rows: usize) -> ArrayRef {
    Arc::new((from as i64..(from + rows) as i64).map(Some).collect::<PrimitiveArray<Int64Type>>())
}

/// All that can be compared and be a partition's value.
pub(crate) fn scalars() -> Vec<Field> {
    vec![
        field("byte", DataType::Byte),
        field("short", DataType::Short),
        field("integer", DataType::Integer),
        field("long", DataType::Long),
        field("float", DataType::Float),
        field("double", DataType::Double),
        field("small", DataType::Decimal { precision: 7, scale: 2 }),
        field("middle", DataType::Decimal { precision: 18, scale: 18 }),
        field("large", DataType::Decimal { precision: 38, scale: 10 }),
        field("string", DataType::String),
        field("boolean", DataType::Boolean),
        field("date", DataType::Date),
        field("timestamp", DataType::Timestamp),
        field("ntz", DataType::TimestampNtz),
    ]
}

pub(crate) fn nested() -> Vec<Field> {
    let list = |of| DataType::Array { element: Box::new(of), contains_null: true };
    let map = DataType::Map {
        key: Box::new(DataType::String),
        value: Box::new(DataType::Struct(vec![field("x", DataType::Double)])),
        value_contains_null: true,
    };
    let inner =
        vec![field("list", list(DataType::Long)), field("d", DataType::Double), field("s", DataType::String)];
    vec![
        field("binary", DataType::Binary),
        field(
            "list",
            list(DataType::Struct(vec![field("y", DataType::Float), field("z", DataType::String)])),
        ),
        field("map", map),
        field(
            "struct",
            DataType::Struct(vec![field("deep", DataType::Struct(inner)), field("n", DataType::Long)]),
        ),
        field("last", DataType::Long),
    ]
}

pub(crate) struct Random {
    rng: StdRng,
    /// Values that a partition can hold only: no NaN in many forms, no long text.
    texts: &'static [&'static str],
}

const TEXTS: &[&str] = &[
    "",
    " ",
    "a b",
    "12:30:00",
    "a/b=c",
    "50%",
    "%2F",
    "{x}[y]^`|\\\"'#?*<>",
    "\u{7f}\t\n",
    "Zürich",
    "日本語",
    "🎵\u{10FFFF}",
    "__HIVE_DEFAULT_PARTITION__",
    "null",
    "..",
];

impl Random {
    pub fn new(seed: u64) -> Random {
        Random { rng: StdRng::seed_from_u64(seed), texts: TEXTS }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.random_range(0..from.len())]
    }

    fn nulls(&mut self, rows: usize) -> Option<NullBuffer> {
        let share = self.pick(&[0.0, 0.0, 0.3, 0.3, 1.0]);
        let valid: Vec<bool> = (0..rows).map(|_| !self.rng.random_bool(share)).collect();
        Some(NullBuffer::from(valid))
    }

    fn primitives<T: ArrowPrimitiveType>(
        &mut self,
        rows: usize,
        nulls: Option<NullBuffer>,
        mut value: impl FnMut(&mut Random) -> T::Native,
    ) -> PrimitiveArray<T> {
        PrimitiveArray::new((0..rows).map(|_| value(self)).collect(), nulls)
    }

    fn double(&mut self) -> f64 {
        let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE];
        let round = self.rng.random_range(0..60);
        match round {
            0..5 => special[round],
            5..12 => -0.0,
            12..20 => 0.0,
            _ => self.rng.random_range(-1e6..1e6),
        }
    }

    fn text(&mut self) -> String {
        let texts = self.texts;
        let length = self.pick(&[0, 1, 2, 31, 32, 33, 40, 70, 200]);
        let alphabet = self.pick(&["ab", "a\u{7e}\u{7f}", "zü日", "🎵\u{10FFFF}", "\u{10FFFF}"]);
        let alphabet: Vec<char> = alphabet.chars().collect();
        if self.rng.random_bool(0.3) {
            self.pick(texts).to_owned()
        } else {
            (0..length).map(|_| self.pick(&alphabet)).collect()
        }
    }

    fn array(&mut self, data_type: &DataType, rows: usize) -> ArrayRef {
        let nulls = self.nulls(rows);
        match data_type {
            DataType::Byte => Arc::new(self.primitives::<Int8Type>(rows, nulls, |r| r.rng.random())),
            DataType::Short => Arc::new(self.primitives::<Int16Type>(rows, nulls, |r| r.rng.random())),
            DataType::Integer => Arc::new(self.primitives::<Int32Type>(rows, nulls, |r| r.rng.random())),
            DataType::Long => Arc::new(self.primitives::<Int64Type>(rows, nulls, |r| {
                let any = r.rng.random();
                r.pick(&[any, 0, i64::MAX, i64::MIN])
            })),
            DataType::Float => Arc::new(self.primitives::<Float32Type>(rows, nulls, |r| r.double() as f32)),
            DataType::Double => Arc::new(self.primitives::<Float64Type>(rows, nulls, Random::double)),
            DataType::Decimal { precision, scale } => {
                let most = 10i128.pow(u32::from(*precision)) - 1;
                let array = self.primitives::<Decimal128Type>(rows, nulls, |r| {
                    let any = r.rng.random_range(-most..=most);
                    r.pick(&[any, any % 1000, most, -most, most - 1])
                });
                Arc::new(array.with_precision_and_scale(*precision, *scale as i8).unwrap())
            }
            DataType::String => {
                let texts: Vec<String> = (0..rows).map(|_| self.text()).collect();
                let texts = StringArray::from(texts);
                Arc::new(StringArray::new(texts.offsets().clone(), texts.values().clone(), nulls))
            }
            DataType::Binary => {
                let bytes: Vec<_> = (0..rows).map(|row| Some([row as u8, 0xff, 0])).collect();
                Arc::new(bytes.iter().map(|bytes| bytes.as_ref()).collect::<BinaryArray>())
            }
            DataType::Boolean => {
                let values: Vec<bool> = (0..rows).map(|_| self.rng.random()).collect();
                Arc::new(BooleanArray::new(values.into(), nulls))
            }
            DataType::Date => Arc::new(
                self.primitives::<Date32Type>(rows, nulls, |r| r.rng.random_range(-719_162..=2_932_896)),
            ),
            DataType::Timestamp | DataType::TimestampNtz => {
                let array = self.primitives::<TimestampMicrosecondType>(rows, nulls, |r| {
                    let near = r.rng.random_range(-5_000..5_000);
                    r.pick(&[near, r_any(near), -62_135_596_800_000_000, 253_402_300_799_999_999])
                });
                arrow_cast::cast(&array, &data_type.arrow()).unwrap()
            }
            DataType::Struct(fields) => {
                let columns = fields.iter().map(|field| self.array(&field.data_type, rows)).collect();
                let ArrowType::Struct(fields) = data_type.arrow() else { panic!() };
                Arc::new(StructArray::new(fields, columns, nulls))
            }
            DataType::Array { element, .. } => {
                let ArrowType::List(item) = data_type.arrow() else { panic!() };
                let lengths: Vec<usize> = (0..rows).map(|_| self.rng.random_range(0..3)).collect();
                let values = self.array(element, lengths.iter().sum());
                Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(lengths), values, nulls))
            }
            DataType::Map { value, .. } => {
                let ArrowType::Map(entries, _) = data_type.arrow() else { panic!() };
                let ArrowType::Struct(pair) = entries.data_type() else { panic!() };
                let lengths: Vec<usize> = (0..rows).map(|_| self.rng.random_range(0..2)).collect();
                let count = lengths.iter().sum();
                let keys = StringArray::from_iter_values((0..count).map(|n| format!("k{n}")));
                let pairs =
                    StructArray::new(pair.clone(), vec![Arc::new(keys), self.array(value, count)], None);
                Arc::new(MapArray::new(
                    entries.clone(),
                    OffsetBuffer::from_lengths(lengths),
                    pairs,
                    nulls,
                    false,
                ))
            }
        }
    }

    pub fn batch(&mut self, rig: &Rig, from: usize, rows: usize) -> RecordBatch {
        let fields = rig.table.schema.fields[1..].iter();
        let columns: Vec<_> = fields.map(|field| self.array(&field.data_type, rows)).collect();
        rig.rows([vec![ids(from, rows)], columns].concat())
    }
}

/// Some other moment, to the microsecond.
fn r_any(near: i64) -> i64 {
    near * 1_234_567_891
}

/// A value in the order that Delta has.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Key {
    Int(i128),
    Float(f64),
    Text(String),
}

fn key(array: &dyn Array, row: usize) -> Option<Key> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        ArrowType::Int8 => Key::Int(array.as_primitive::<Int8Type>().value(row).into()),
        ArrowType::Int16 => Key::Int(array.as_primitive::<Int16Type>().value(row).into()),
        ArrowType::Int32 => Key::Int(array.as_primitive::<Int32Type>().value(row).into()),
        ArrowType::Int64 => Key::Int(array.as_primitive::<Int64Type>().value(row).into()),
        ArrowType::Float32 => Key::Float(array.as_primitive::<Float32Type>().value(row).into()),
        ArrowType::Float64 => Key::Float(array.as_primitive::<Float64Type>().value(row)),
        ArrowType::Decimal128(..) => Key::Int(array.as_primitive::<Decimal128Type>().value(row)),
        ArrowType::Utf8 => Key::Text(array.as_string::<i32>().value(row).to_owned()),
        ArrowType::Date32 => Key::Int(array.as_primitive::<Date32Type>().value(row).into()),
        ArrowType::Timestamp(..) => {
            Key::Int(array.as_primitive::<TimestampMicrosecondType>().value(row).into())
        }
        _ => return None,
    })
}

/// The column below `path`, null where a struct around it is.
fn column(rows: &StructArray, path: &[&str]) -> Option<ArrayRef> {
    let child = rows.column_by_name(path[0])?;
    let nulls = NullBuffer::union(rows.nulls(), child.nulls());
    let child = arrow_array::make_array(child.to_data().into_builder().nulls(nulls).build().unwrap());
    if path.len() == 1 { Some(child) } else { column(child.as_struct(), &path[1..]) }
}

fn leaf_paths(fields: &[Field]) -> Vec<Vec<&str>> {
    let paths = fields.iter().flat_map(|field| match &field.data_type {
        DataType::Struct(fields) => {
            let inner = leaf_paths(fields).into_iter();
            inner.map(|path| [vec![field.name.as_str()], path].concat()).collect()
        }
        _ => vec![vec![field.name.as_str()]],
    });
    paths.collect()
}

/// `stats` as a reader gets it from the log, numbers exact.
fn parsed_stats(file: &StagedFile) -> StructArray {
    let ArrowType::Struct(fields) = file.stats.data_type() else { panic!() };
    let schema = Arc::new(ArrowSchema::new(fields.clone()));
    let mut decoder = arrow_json::ReaderBuilder::new(schema).build_decoder().unwrap();
    let json = file.stats_json().unwrap();
    assert_eq!(decoder.decode(json.as_bytes()).unwrap(), json.len());
    decoder.flush().unwrap().unwrap().into()
}

#[test]
fn every_value_lies_between_the_bounds_of_its_file() {
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let fields = [vec![id()], scalars(), nested()].concat();
        let rig = Rig::new(
            fields,
            &[],
            &[("delta.dataSkippingNumIndexedCols", "-1"), ("delta.enableDeletionVectors", "true")],
        );
        let rows = random.pick(&[1, 3, 50]);
        let batches: Vec<_> = (0..3).map(|n| random.batch(&rig, n * rows, rows)).collect();
        let files = rig.stage(&batches);
        let [file] = files.as_slice() else { panic!("one file") };
        let stats = parsed_stats(file);
        let written: StructArray = concat_batches(&batches[0].schema(), &batches).unwrap().into();
        assert_eq!(
            column(&stats, &["numRecords"]).unwrap().as_primitive::<Int64Type>().value(0),
            3 * rows as i64
        );
        assert!(column(&stats, &["tightBounds"]).unwrap().as_boolean().value(0));
        for path in leaf_paths(&rig.table.schema.fields) {
            let at = format!("seed {seed}, {path:?}: {}", file.stats_json().unwrap());
            let values = column(&written, &path).unwrap();
            let stat = |name| column(&stats, &[vec![name], path.clone()].concat());
            let nulls = stat("nullCount").unwrap();
            assert_eq!(nulls.as_primitive::<Int64Type>().value(0), values.null_count() as i64, "{at}");
            let keys: Vec<Key> = (0..values.len()).filter_map(|row| key(&values, row)).collect();
            let (Some(min), Some(max)) = (stat("minValues"), stat("maxValues")) else {
                assert!(keys.is_empty(), "{at}");
                continue;
            };
            let is_nan = |key: &Key| matches!(key, Key::Float(value) if value.is_nan());
            let is_finite = |key: &Key| !matches!(key, Key::Float(value) if !value.is_finite());
            let (min, max) = (key(&min, 0), key(&max, 0));
            if keys.iter().any(is_nan) || keys.is_empty() {
                assert_eq!((min, max), (None, None), "{at}");
                continue;
            }
            let order = |a: &&Key, b: &&Key| a.partial_cmp(b).unwrap();
            let (least, most) = (keys.iter().min_by(order).unwrap(), keys.iter().max_by(order).unwrap());
            // JSON has no infinity.
            assert_eq!(min.is_some(), is_finite(least), "{at}");
            assert_eq!(max.is_some(), is_finite(most), "{at}");
            assert!(min.as_ref().is_none_or(|min| min <= least), "{min:?} {least:?} {at}");
            match (values.data_type(), max) {
                (ArrowType::Timestamp(..), Some(Key::Int(max))) => {
                    assert!(Key::Int(max) <= *most && *most <= Key::Int(max + 999), "{at}");
                }
                (ArrowType::Utf8, max) => assert!(max.is_none_or(|max| *most <= max), "{most:?} {at}"),
                (_, max) => assert!(max.is_none_or(|max| *most == max), "{at}"),
            }
        }
    }
}

#[test]
fn skipping_files_by_their_statistics_loses_no_row() {
    let mut random = Random::new(7);
    let names: Vec<String> = scalars().into_iter().map(|field| field.name).collect();
    let rig = Rig::new([vec![id()], scalars()].concat(), &[], &[]);
    let mut writes = vec![];
    for n in 0..12 {
        let batch = random.batch(&rig, n * 4, 4);
        rig.write(std::slice::from_ref(&batch));
        writes.push(batch);
    }
    let all = rig.read(None);
    assert_eq!(all, concat_batches(&all.schema(), &writes).unwrap());
    let mut skipped = 0;
    for name in names.iter().filter(|name| *name != "boolean") {
        let place = all.schema().index_of(name).unwrap();
        for row in (0..all.num_rows()).step_by(5) {
            let Some(literal) = key(all.column(place), row) else { continue };
            let scalar = scalar(&rig.table.schema.fields[place].data_type, &literal);
            let named = || Expression::column(ColumnName::new([name.as_str()]));
            let literal_of = || Expression::literal(scalar.clone());
            type Holds = fn(&Key, &Key) -> bool;
            let cases: [(Predicate, Holds); 3] = [
                (Predicate::lt(named(), literal_of()), |value, literal| value < literal),
                (Predicate::eq(named(), literal_of()), |value, literal| value == literal),
                (Predicate::gt(named(), literal_of()), |value, literal| value > literal),
            ];
            for (predicate, holds) in cases {
                let matching = |rows: &RecordBatch| -> Vec<i64> {
                    let ids = rows.column(0).as_primitive::<Int64Type>();
                    let holds = |row: &usize| {
                        key(rows.column(place), *row).is_some_and(|value| holds(&value, &literal))
                    };
                    (0..rows.num_rows()).filter(holds).map(|row| ids.value(row)).collect()
                };
                let at = format!("{predicate}");
                let read = rig.read(Some(predicate));
                skipped += all.num_rows() - read.num_rows();
                assert_eq!(matching(&read), matching(&all), "{at}");
            }
        }
    }
    assert!(skipped > 1000, "{skipped} rows skipped");
}

fn scalar(data_type: &DataType, key: &Key) -> Scalar {
    match (data_type, key) {
        (DataType::Byte, Key::Int(value)) => Scalar::Byte(*value as i8),
        (DataType::Short, Key::Int(value)) => Scalar::Short(*value as i16),
        (DataType::Integer, Key::Int(value)) => Scalar::Integer(*value as i32),
        (DataType::Long, Key::Int(value)) => Scalar::Long(*value as i64),
        (DataType::Date, Key::Int(value)) => Scalar::Date(*value as i32),
        (DataType::Timestamp, Key::Int(value)) => Scalar::Timestamp(*value as i64),
        (DataType::TimestampNtz, Key::Int(value)) => Scalar::TimestampNtz(*value as i64),
        (DataType::Decimal { precision, scale }, Key::Int(value)) => {
            Scalar::decimal(*value, *precision, *scale).unwrap()
        }
        (DataType::Float, Key::Float(value)) => Scalar::Float(*value as f32),
        (DataType::Double, Key::Float(value)) => Scalar::Double(*value),
        (DataType::String, Key::Text(value)) => Scalar::String(value.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn partition_values_of_every_type_are_read_as_they_were_written() {
    for scalar in scalars() {
        let mut random = Random::new(11);
        let rig = Rig::new(vec![id(), scalar.clone(), field("v", DataType::Long)], &[&scalar.name], &[]);
        let mut expected = random.batch(&rig, 0, 120);
        let files = rig.write(std::slice::from_ref(&expected));
        if scalar.data_type == DataType::String {
            // Delta has no empty text in partition columns.
            let texts = expected.column(1).as_string::<i32>();
            let texts: StringArray = texts.iter().map(|text| text.filter(|text| !text.is_empty())).collect();
            expected =
                rig.rows(vec![expected.column(0).clone(), Arc::new(texts), expected.column(2).clone()]);
        }
        let read = rig.read(None);
        assert_eq!(comparable(&read), comparable(&expected), "{}", scalar.name);
        let partitions: std::collections::HashSet<_> =
            files.iter().map(|file| &file.partition_values).collect();
        assert_eq!(partitions.len(), files.len(), "a file for each partition of {}", scalar.name);
        assert!(partitions.len() > 1);
    }
}

/// As text, where -0.0 is 0.0 and NaN is NaN.
fn comparable(rows: &RecordBatch) -> String {
    let text = |column: usize, row| match key(rows.column(column), row) {
        Some(Key::Float(value)) => format!("{:?}", value + 0.0),
        other => format!("{other:?} {:?}", rows.column(column).slice(row, 1)),
    };
    let lines = (0..rows.num_rows()).map(|row| [0, 1, 2].map(|column| text(column, row)).join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn folders_and_paths_are_those_of_spark() {
    let rig = Rig::new(
        vec![id(), field("a b", DataType::String), field("t", DataType::Timestamp)],
        &["a b", "t"],
        &[],
    );
    let long = "x".repeat(300);
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a/b:c %"), None, Some("ü"), Some(&long)]));
    let times = PrimitiveArray::<TimestampMicrosecondType>::from(vec![Some(1), Some(-1), None, Some(0)]);
    let files = rig.write(&[rig.rows(vec![ids(0, 4), texts, Arc::new(times.with_timezone("UTC"))])]);
    let folder = |file: &StagedFile| file.name.rsplit_once('/').unwrap().0.to_owned();
    assert_eq!(folder(&files[0]), "a b=a%2Fb%3Ac %25/t=1970-01-01T00%3A00%3A00.000001Z");
    assert_eq!(folder(&files[1]), "a b=__HIVE_DEFAULT_PARTITION__/t=1969-12-31T23%3A59%3A59.999999Z");
    assert_eq!(folder(&files[2]), "a b=ü/t=__HIVE_DEFAULT_PARTITION__");
    assert_eq!(folder(&files[3]).len(), 2, "too long for a folder's name: {}", files[3].name);
    let adds = rig.adds();
    assert!(
        adds[0]["path"].as_str().unwrap().starts_with("a%20b=a%252Fb%253Ac%20%2525/t=1970-01-01T00%253A00")
    );
    assert_eq!(adds[0]["partitionValues"], json!({"a b": "a/b:c %", "t": "1970-01-01T00:00:00.000001Z"}));
    assert_eq!(adds[1]["partitionValues"]["a b"], Value::Null);
    assert_eq!(rig.read(None).num_rows(), 4);
}

#[test]
fn column_mapping_writes_physical_names_and_ids_at_every_level() {
    for mode in ["name", "id"] {
        let mut next = 0;
        let fields = [vec![id(), field("p q", DataType::Date)], scalars(), nested()].concat();
        let fields = fields.into_iter().map(|field| mapped(field, &mut next)).collect();
        let highest = next.to_string();
        let properties = [("delta.columnMapping.mode", mode), ("delta.columnMapping.maxColumnId", &highest)];
        let rig = Rig::new(fields, &["p q"], &properties);
        let mut random = Random::new(3);
        let batch = random.batch(&rig, 0, 40);
        let files = rig.write(std::slice::from_ref(&batch));
        let read = rig.read(None);
        assert_eq!(read, batch, "{mode}");
        assert_eq!(files[0].partition_values[0].0, "col-2");
        assert_eq!(files[0].name.find('/'), Some(2), "a random folder: {}", files[0].name);
        let stats: Value = serde_json::from_str(&files[0].stats_json().unwrap()).unwrap();
        assert!(stats["nullCount"]["col-1"].is_i64(), "{stats}");
        let schema = Layout::new(rig.table.clone()).unwrap().schema;
        let ArrowType::List(item) = schema.field_with_name("col-18").unwrap().data_type() else { panic!() };
        let ArrowType::Struct(inner) = item.data_type() else { panic!() };
        assert_eq!(
            (inner[0].name().as_str(), inner[0].metadata()["PARQUET:field_id"].as_str()),
            ("col-19", "19")
        );
    }
}

pub(crate) fn mapped(mut field: Field, next: &mut i64) -> Field {
    *next += 1;
    field.metadata.insert("delta.columnMapping.id".into(), json!(*next));
    field.metadata.insert("delta.columnMapping.physicalName".into(), json!(format!("col-{next}")));
    field.data_type = mapped_type(field.data_type, next);
    field
}

fn mapped_type(data_type: DataType, next: &mut i64) -> DataType {
    match data_type {
        DataType::Struct(fields) => {
            DataType::Struct(fields.into_iter().map(|field| mapped(field, next)).collect())
        }
        DataType::Array { element, contains_null } => {
            DataType::Array { element: Box::new(mapped_type(*element, next)), contains_null }
        }
        DataType::Map { key, value, value_contains_null } => {
            DataType::Map { key, value: Box::new(mapped_type(*value, next)), value_contains_null }
        }
        primitive => primitive,
    }
}
