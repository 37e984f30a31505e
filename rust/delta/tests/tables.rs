//! Tables as users have them: creation with properties and partitions, growing schemas, and every writer feature.
#![allow(clippy::disallowed_methods, reason = "in the real world")]
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use buoyant_kernel::Snapshot;
use buoyant_kernel::engine::arrow_data::EngineDataArrowExt;
use buoyant_kernel_engine::DefaultEngineBuilder;
use buoyant_kernel_engine::executor::tokio::TokioMultiThreadExecutor;
use common::{Fault, Rig, SCHEMA, WHATEVER_THE_TABLE_HAS, create_by_hand, features, write_by_hand};
use object_store::local::LocalFileSystem;
use serde_json::{Value, json};
use sluice_core::schema::{Evolution, Schema};
use sluice_core::table::TableInfo;
use sluice_core::task::{Event, Table, Tables};
use sluice_core::{Code, Error, Result};
use sluice_delta::{Hub, Spec};

/// Waits for the answer to one request.
fn answer(table: &mut impl Table) -> Result<Event> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(Instant::now() < deadline, "no answer");
        match table.poll() {
            Some(Event::Failed(error)) => return Err(error),
            Some(event) => return Ok(event),
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

struct Opened(<sluice_delta::TaskTables as Tables>::Table);

impl Opened {
    fn new(rig: &Rig, process: &Arc<Hub>, spec: impl FnOnce(&mut Spec)) -> Opened {
        let mut tables = rig.tables(process, &rig.settings(&[]));
        let mut wanted = Spec { auto_create: true, ..Spec::default() };
        spec(&mut wanted);
        Opened(tables.open_as(rig.store_uri().as_str(), wanted))
    }

    fn load(&mut self) -> Result<Option<Arc<TableInfo>>> {
        self.0.load(vec!["a".to_owned()]);
        match answer(&mut self.0)? {
            Event::Loaded { table, offsets } => {
                assert_eq!(offsets, [("a".to_owned(), None)]);
                Ok(table)
            }
            other => panic!("{other:?}"),
        }
    }

    fn evolve(&mut self, wanted: &Schema) -> Result<Arc<TableInfo>> {
        self.0.evolve(wanted.clone());
        match answer(&mut self.0)? {
            Event::Evolved { table } => Ok(table),
            other => panic!("{other:?}"),
        }
    }
}

fn properties(of: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    of.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn schema(fields: Value) -> Schema {
    Schema::parse(&json!({"type": "struct", "fields": fields}).to_string()).unwrap()
}

fn column(name: &str, data_type: impl Into<Value>) -> Value {
    json!({"name": name, "type": data_type.into(), "nullable": true, "metadata": {}})
}

fn columns(names: &[&str]) -> Schema {
    schema(names.iter().map(|name| column(name, "long")).collect())
}

fn names(info: &TableInfo) -> Vec<&str> {
    info.schema.fields.iter().map(|field| field.name.as_str()).collect()
}

fn create(rig: &Rig, wanted: &Schema, spec: impl FnOnce(&mut Spec)) -> Result<Arc<TableInfo>> {
    Opened::new(rig, &rig.process(), spec).evolve(wanted)
}

/// The first action of a kind in a version.
fn action(rig: &Rig, version: usize, kind: &str) -> Value {
    let lines = &rig.log()[version];
    let actions = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    actions.map(|action| action[kind].clone()).find(|action| !action.is_null()).unwrap_or_default()
}

fn rows_by_kernel(rig: &Rig) -> Vec<RecordBatch> {
    let executor = Arc::new(TokioMultiThreadExecutor::new(rig.runtime.handle().clone()));
    let engine =
        DefaultEngineBuilder::new(Arc::new(LocalFileSystem::new())).with_task_executor(executor).build();
    let snapshot = Snapshot::builder_for(rig.store_uri()).build(&engine).unwrap();
    let scan = snapshot.scan_builder().build().unwrap();
    let rows = scan.execute(Arc::new(engine)).unwrap();
    rows.map(|rows| rows.unwrap().try_into_record_batch().unwrap()).collect()
}

fn values_by_kernel(rig: &Rig) -> Vec<i64> {
    let column = |batch: &RecordBatch| batch["v"].as_primitive::<Int64Type>().values().to_vec();
    let mut values: Vec<i64> = rows_by_kernel(rig).iter().flat_map(column).collect();
    values.sort_unstable();
    values
}

/// Two commits by a task with no schema of its own.
fn append(rig: &Rig) -> Result<()> {
    let mut task = rig.task(&rig.process(), &WHATEVER_THE_TABLE_HAS);
    task.open(&[0])?;
    for unit in 0..2 {
        task.put(0, unit * 10..unit * 10 + 10)?;
        task.until_committed(0, unit * 10 + 10)?;
    }
    Ok(())
}

#[test]
fn a_missing_table_is_created_by_the_first_evolution_with_the_lowest_protocol() {
    let rig = Rig::new();
    let mut table = Opened::new(&rig, &rig.process(), |_| ());
    assert_eq!(table.load(), Ok(None));
    let wanted = schema(json!([
        {"name": "v", "type": "long", "nullable": false, "metadata": {"comment": "the value"}},
        column("w", "string"),
    ]));
    let info = table.evolve(&wanted).unwrap();
    assert_eq!(info.schema, wanted, "comments are kept");
    assert_eq!(action(&rig, 0, "protocol"), json!({"minReaderVersion": 1, "minWriterVersion": 2}));
    assert_eq!(action(&rig, 0, "commitInfo")["operation"], "CREATE TABLE");
    assert_eq!(table.evolve(&wanted).unwrap(), info, "asking again changes nothing");
    assert_eq!(rig.log().len(), 1);
    append(&rig).unwrap();
    assert_eq!(values_by_kernel(&rig), (0..20).collect::<Vec<_>>());
}

#[test]
fn without_auto_create_a_missing_table_is_an_error() {
    let rig = Rig::new();
    let mut table = Opened::new(&rig, &rig.process(), |spec| spec.auto_create = false);
    assert_eq!(table.load().unwrap_err().code, Code::TableMissing);
    assert_eq!(table.evolve(&columns(&["v"])).unwrap_err().code, Code::TableMissing);
    assert!(!rig.table().exists());
}

#[test]
fn properties_and_partitions_are_in_the_first_commit_with_their_features() {
    let rig = Rig::new();
    let given = [
        ("delta.enableDeletionVectors", "true"),
        ("delta.enableInCommitTimestamps", "true"),
        ("delta.enableRowTracking", "true"),
        ("delta.feature.vacuumProtocolCheck", "supported"),
        ("delta.checkpointPolicy", "v2"),
        ("delta.dataSkippingNumIndexedCols", "5"),
        ("owner", "us"),
    ];
    let wanted = schema(json!([column("v", "long"), column("Day", "date"), column("t", "timestamp_ntz")]));
    let info = create(&rig, &wanted, |spec| {
        spec.properties = properties(&given);
        spec.partition_by = vec!["day".to_owned()];
    })
    .unwrap();
    assert_eq!(info.partition_by, ["Day"]);
    assert_eq!(info.properties["owner"], "us");
    assert_eq!(info.properties["delta.dataSkippingNumIndexedCols"], "5");
    assert!(info.properties["delta.rowTracking.materializedRowIdColumnName"].starts_with("_row-id-col-"));
    assert!(!info.properties.contains_key("delta.feature.vacuumProtocolCheck"));
    let readers = json!(["deletionVectors", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"]);
    let protocol = action(&rig, 0, "protocol");
    assert_eq!((&protocol["minReaderVersion"], &protocol["minWriterVersion"]), (&json!(3), &json!(7)));
    assert_eq!(protocol["readerFeatures"], readers);
    let writers = [
        "appendOnly",
        "deletionVectors",
        "domainMetadata",
        "inCommitTimestamp",
        "invariants",
        "rowTracking",
        "timestampNtz",
        "v2Checkpoint",
        "vacuumProtocolCheck",
    ];
    assert_eq!(protocol["writerFeatures"], json!(writers));
    assert!(rig.log()[0].lines().next().unwrap().contains("inCommitTimestamp"), "commitInfo comes first");
}

#[test]
fn a_table_that_would_not_work_is_not_created() {
    let refused = |wanted: &Schema, spec: &dyn Fn(&mut Spec)| {
        let rig = Rig::new();
        let error = create(&rig, wanted, spec).unwrap_err();
        assert!(!rig.table().join("_delta_log").exists());
        error
    };
    let by = |name: &'static str| move |spec: &mut Spec| spec.partition_by = vec![name.to_owned()];
    let nested = schema(json!([
        column("v", "long"),
        column("s", json!({"type": "struct", "fields": [column("x", "long")]}))
    ]));
    let cases = [
        (refused(&nested, &by("missing")), "the table has no column missing"),
        (refused(&nested, &by("s")), "column s is struct<x:long>"),
        (refused(&columns(&["v"]), &by("v")), "not every column"),
        (refused(&columns(&["a b"]), &|_| ()), "field a b: "),
    ];
    for (error, text) in cases {
        assert!(error.message.contains(text), "{error}");
    }
    let generated = schema(
        json!([{"name": "g", "type": "long", "nullable": true, "metadata": {"delta.invariants": "{}"}}]),
    );
    assert!(refused(&generated, &|_| ()).message.contains("column g uses the table feature invariants"));
}

#[test]
fn a_table_with_other_partitions_than_the_settings_say_is_refused() {
    let rig = Rig::new();
    create(&rig, &columns(&["v", "a"]), |spec| spec.partition_by = vec!["a".to_owned()]).unwrap();
    let load =
        |by: &str| Opened::new(&rig, &rig.process(), |spec| spec.partition_by = vec![by.to_owned()]).load();
    assert_eq!(load("A").unwrap().unwrap().partition_by, ["a"]);
    assert_eq!(load("v").unwrap_err().code, Code::SchemaMismatch);
}

#[test]
fn of_many_creators_one_wins_and_the_others_go_on_with_its_table() {
    let rig = Rig::new();
    let made: Vec<Arc<TableInfo>> =
        evolve_at_once(&rig, |n| columns(&["v", &format!("c{}", n % 3)]), Evolution::Add);
    assert_eq!(rig.log().iter().filter(|commit| commit.contains("CREATE TABLE")).count(), 1);
    let mut last = names(made.iter().max_by_key(|info| info.schema.fields.len()).unwrap());
    last.sort_unstable();
    assert_eq!(last, ["c0", "c1", "c2", "v"]);
}

#[test]
fn ten_processes_that_meet_new_columns_at_once_end_with_one_schema() {
    for mode in ["none", "name"] {
        let rig = Rig::new();
        let mapped = |spec: &mut Spec| spec.properties = properties(&[("delta.columnMapping.mode", mode)]);
        create(&rig, &columns(&["v"]), mapped).unwrap();
        evolve_at_once(&rig, |_| columns(&["v", "same"]), Evolution::Add);
        assert_eq!(rig.log().len(), 2, "one change for all");
        evolve_at_once(&rig, |n| columns(&["v", "same", &format!("own{n}")]), Evolution::Add);
        let info = Opened::new(&rig, &rig.process(), |_| ()).load().unwrap().unwrap();
        assert_eq!((info.schema.fields.len(), rig.log().len()), (12, 12));
        let ids: Vec<_> = info
            .schema
            .fields
            .iter()
            .filter_map(|field| field.metadata.get("delta.columnMapping.id"))
            .collect();
        let expected: Vec<Value> = (1..=12).map(|id| json!(id)).filter(|_| mode == "name").collect();
        assert_eq!(ids, expected.iter().collect::<Vec<_>>());
        let mut task = rig.task(&rig.process(), &WHATEVER_THE_TABLE_HAS);
        task.open(&[0]).unwrap();
        task.put_json(&[(0, 0, r#"{"v":1,"same":2,"own9":3}"#)]).unwrap();
        task.until_committed(0, 1).unwrap();
        let row = &rows_by_kernel(&rig)[0];
        let of = |name: &str| row[name].as_primitive::<Int64Type>().value(0);
        assert_eq!((of("v"), of("same"), of("own9")), (1, 2, 3));
    }
}

/// Ten processes, each with a wish of its own.
fn evolve_at_once(
    rig: &Rig,
    wanted: impl Fn(usize) -> Schema + Sync,
    evolution: Evolution,
) -> Vec<Arc<TableInfo>> {
    let evolve = &|n| {
        let mut table = Opened::new(rig, &rig.process(), |spec| spec.evolution = evolution);
        table.load().unwrap();
        table.evolve(&wanted(n)).unwrap()
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..10).map(|n| scope.spawn(move || evolve(n))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn columns_grow_and_widen_at_every_level() {
    let rig = Rig::new();
    let inner = |fields: Value| json!({"type": "array", "elementType": {"type": "struct", "fields": fields}, "containsNull": true});
    let before = schema(json!([
        column("v", "long"),
        column("n", "integer"),
        column("s", inner(json!([column("x", "byte")])))
    ]));
    let after = schema(json!([
        column("v", "long"),
        column("n", "long"),
        column("s", inner(json!([column("x", "integer"), column("y", "string")])))
    ]));
    let mode = [("delta.columnMapping.mode", "id"), ("delta.enableTypeWidening", "true")];
    create(&rig, &before, |spec| spec.properties = properties(&mode)).unwrap();
    let first = r#"{"v":1,"n":2,"s":[{"x":3}]}"#;
    let second = r#"{"v":1,"n":9000000000,"s":[{"x":70000,"y":"new"}]}"#;
    let put = |offset, text| {
        let mut task = rig.task(&rig.process(), &WHATEVER_THE_TABLE_HAS);
        task.open(&[0]).unwrap();
        assert_eq!(task.put_json(&[(0, offset, text)]), Ok(vec![]));
        task.until_committed(0, offset + 1).unwrap();
    };
    put(0, first);
    let evolve = || create(&rig, &after, |spec| spec.evolution = Evolution::Widen).unwrap();
    let info = evolve();
    assert_eq!(info.schema.fields[1].data_type.to_string(), "long");
    assert_eq!(info.schema.fields[2].data_type.to_string(), "array<struct<x:integer,y:string>>");
    assert_eq!(info.properties["delta.columnMapping.maxColumnId"], "5");
    assert_eq!(evolve(), info, "asking again changes nothing");
    put(1, second);
    let mut numbers: Vec<i64> =
        rows_by_kernel(&rig).iter().map(|row| row["n"].as_primitive::<Int64Type>().value(0)).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 9_000_000_000]);
}

#[test]
fn the_columns_of_the_settings_are_added_at_the_load() {
    let rig = Rig::new();
    create(&rig, &columns(&["v"]), |_| ()).unwrap();
    let load = |evolution| {
        let mut table = Opened::new(&rig, &rig.process(), |spec| {
            spec.schema = Some(columns(&["v", "new"]));
            spec.evolution = evolution;
        });
        table.load()
    };
    assert_eq!(load(Evolution::None).unwrap_err().code, Code::SchemaMismatch);
    assert_eq!(names(&load(Evolution::Add).unwrap().unwrap()), ["v", "new"]);
    load(Evolution::None).unwrap();
}

/// The feature has partition columns in the files, too.
#[test]
fn partition_columns_are_in_the_files_where_the_table_wants_them() {
    for (feature, columns) in [("materializePartitionColumns", 2), ("appendOnly", 1)] {
        let rig = Rig::new();
        let mut first = create_by_hand(&[], json!({}), features(&[], &[feature]), SCHEMA);
        first[2]["metaData"]["partitionColumns"] = json!(["w"]);
        write_by_hand(&rig, &first);
        append(&rig).unwrap();
        assert!(rig.read().iter().all(|rows| rows.num_columns() == columns), "{feature}");
        assert_eq!(values_by_kernel(&rig), (0..20).collect::<Vec<_>>());
    }
}

#[test]
fn a_change_with_a_lost_reply_is_made_once() {
    for fault in [Fault::ClaimLandsAndFails, Fault::ClaimLandsAndLooksTaken, Fault::ClaimFails] {
        let rig = Rig::new();
        let mut table = Opened::new(&rig, &rig.process(), |spec| spec.evolution = Evolution::Add);
        rig.faults.lock().unwrap().push_back(fault);
        table.evolve(&columns(&["v"])).unwrap();
        rig.faults.lock().unwrap().push_back(fault);
        assert_eq!(names(&table.evolve(&columns(&["v", "new"])).unwrap()), ["v", "new"]);
        assert_eq!(rig.log().len(), 2, "{fault:?}");
    }
}

#[test]
fn a_change_keeps_the_rest_of_the_metadata_and_raises_the_protocol_where_it_has_to() {
    let rig = Rig::new();
    let mut first = create_by_hand(
        &[],
        json!({"delta.enableInCommitTimestamps": "true", "mine": "x"}),
        json!({
        "minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["inCommitTimestamp", "appendOnly"]}),
        SCHEMA,
    );
    first[2]["metaData"]["name"] = "the name".into();
    let future = 4_000_000_000_000_i64;
    first[0]["commitInfo"]["inCommitTimestamp"] = future.into();
    write_by_hand(&rig, &first);
    let mut table = Opened::new(&rig, &rig.process(), |spec| spec.evolution = Evolution::Add);
    let wanted = schema(json!([
        column("v", "long"),
        column("t", json!({"type": "array", "elementType": "timestamp_ntz", "containsNull": true}))
    ]));
    assert_eq!(names(&table.evolve(&wanted).unwrap()), ["v", "w", "t"]);
    let (before, after) = (action(&rig, 0, "metaData"), action(&rig, 1, "metaData"));
    for key in ["id", "name", "format", "configuration", "partitionColumns", "createdTime"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert_eq!(
        action(&rig, 1, "commitInfo")["inCommitTimestamp"],
        future + 1,
        "never behind the version before"
    );
    assert!(rig.log()[1].lines().next().unwrap().contains("commitInfo"));
    let protocol = json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timestampNtz"],
        "writerFeatures": ["appendOnly", "inCommitTimestamp", "timestampNtz"]});
    assert_eq!(action(&rig, 1, "protocol"), protocol);
    append(&rig).unwrap();
    assert_eq!(values_by_kernel(&rig), (0..20).collect::<Vec<_>>());
}

fn mapped(name: &str, data_type: &str, id: i64) -> Value {
    let metadata =
        json!({"delta.columnMapping.id": id, "delta.columnMapping.physicalName": format!("col-{id}")});
    json!({"name": name, "type": data_type, "nullable": true, "metadata": metadata})
}

#[test]
fn tables_with_each_feature_are_written_and_read_back() {
    let clustering = json!({"domainMetadata": {"domain": "delta.clustering", "removed": false,
        "configuration": r#"{"clusteringColumns":[["v"]],"domainName":"delta.clustering"}"#}});
    let own_domain = json!({"domainMetadata": {"domain": "mine", "removed": false, "configuration": "{}"}});
    let mapped =
        json!({"type": "struct", "fields": [mapped("v", "long", 1), mapped("w", "string", 2)]}).to_string();
    let mapping =
        |mode: &str| json!({"delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "2"});
    let none: [Value; 0] = [];
    let cases = [
        (
            "appendOnly",
            features(&[], &["appendOnly"]),
            json!({"delta.appendOnly": "true"}),
            &none[..],
            SCHEMA,
        ),
        ("columnMapping by name", features(&["columnMapping"], &[]), mapping("name"), &none, &mapped),
        ("columnMapping by id", features(&["columnMapping"], &[]), mapping("id"), &none, &mapped),
        (
            "deletionVectors",
            features(&["deletionVectors"], &[]),
            json!({"delta.enableDeletionVectors": "true"}),
            &none,
            SCHEMA,
        ),
        (
            "typeWidening",
            features(&["typeWidening"], &[]),
            json!({"delta.enableTypeWidening": "true"}),
            &none,
            SCHEMA,
        ),
        (
            "typeWidening-preview",
            features(&["typeWidening-preview"], &[]),
            json!({"delta.enableTypeWidening": "true"}),
            &none,
            SCHEMA,
        ),
        ("timestampNtz", features(&["timestampNtz"], &[]), json!({}), &none, SCHEMA),
        (
            "rowTracking",
            features(&[], &["rowTracking", "domainMetadata"]),
            json!({"delta.enableRowTracking": "true"}),
            &none,
            SCHEMA,
        ),
        ("domainMetadata", features(&[], &["domainMetadata"]), json!({}), &[own_domain], SCHEMA),
        ("clustering", features(&[], &["clustering", "domainMetadata"]), json!({}), &[clustering], SCHEMA),
        (
            "inCommitTimestamp",
            features(&[], &["inCommitTimestamp"]),
            json!({"delta.enableInCommitTimestamps": "true"}),
            &none,
            SCHEMA,
        ),
        (
            "v2Checkpoint",
            features(&["v2Checkpoint"], &[]),
            json!({"delta.checkpointPolicy": "v2"}),
            &none,
            SCHEMA,
        ),
        ("vacuumProtocolCheck", features(&["vacuumProtocolCheck"], &[]), json!({}), &none, SCHEMA),
        ("variantType", features(&["variantType"], &[]), json!({}), &none, SCHEMA),
        (
            "changeDataFeed",
            features(&[], &["changeDataFeed"]),
            json!({"delta.enableChangeDataFeed": "true"}),
            &none,
            SCHEMA,
        ),
        ("invariants", features(&[], &["invariants"]), json!({}), &none, SCHEMA),
        ("checkConstraints", features(&[], &["checkConstraints"]), json!({}), &none, SCHEMA),
        ("generatedColumns", features(&[], &["generatedColumns"]), json!({}), &none, SCHEMA),
        ("identityColumns", features(&[], &["identityColumns"]), json!({}), &none, SCHEMA),
        ("allowColumnDefaults", features(&[], &["allowColumnDefaults"]), json!({}), &none, SCHEMA),
        ("icebergCompatV2", features(&[], &["icebergCompatV2"]), json!({}), &none, SCHEMA),
        ("checkpointProtection", features(&[], &["checkpointProtection"]), json!({}), &none, SCHEMA),
        (
            "materializePartitionColumns",
            features(&[], &["materializePartitionColumns"]),
            json!({}),
            &none,
            SCHEMA,
        ),
    ];
    for (name, protocol, configuration, extra, schema) in cases {
        let rig = Rig::new();
        write_by_hand(&rig, &create_by_hand(extra, configuration, protocol.clone(), schema));
        append(&rig).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(values_by_kernel(&rig), (0..20).collect::<Vec<_>>(), "{name}");
        assert_eq!(rig.log().iter().filter(|commit| commit.contains("\"protocol\"")).count(), 1, "{name}");
        let audit = rig.audit();
        assert!(audit.is_clean(), "{name}: {:?}", audit.findings);
        match name {
            "rowTracking" => assert_eq!(action(&rig, 2, "add")["baseRowId"], 10),
            "inCommitTimestamp" => {
                let of = |version| action(&rig, version, "commitInfo")["inCommitTimestamp"].as_i64().unwrap();
                assert!(of(0) < of(1) && of(1) < of(2));
            }
            _ => {}
        }
    }
}

#[test]
fn legacy_protocols_are_written_where_nothing_uses_what_they_imply() {
    for (reader, writer) in [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (2, 5), (1, 6), (2, 6)] {
        let rig = Rig::new();
        let protocol = json!({"minReaderVersion": reader, "minWriterVersion": writer});
        write_by_hand(&rig, &create_by_hand(&[], json!({}), protocol, SCHEMA));
        append(&rig).unwrap();
        assert_eq!(values_by_kernel(&rig), (0..20).collect::<Vec<_>>(), "{reader}/{writer}");
        let audit = rig.audit();
        assert!(audit.is_clean(), "{:?}", audit.findings);
        let mut table = Opened::new(&rig, &rig.process(), |spec| spec.evolution = Evolution::Add);
        table.evolve(&columns(&["v", "new"])).unwrap();
        assert_eq!(action(&rig, 3, "protocol"), Value::Null, "the protocol stays as it is");
    }
}

/// Several processes on a table that the kernel would not commit to by itself.
#[test]
fn racing_processes_lose_nothing_on_a_legacy_table() {
    let rig = Rig::new();
    let protocol = json!({"minReaderVersion": 1, "minWriterVersion": 4});
    write_by_hand(&rig, &create_by_hand(&[], json!({}), protocol, SCHEMA));
    std::thread::scope(|scope| {
        for id in 0..3 {
            let rig = &rig;
            scope.spawn(move || {
                let mut task = rig.task(&rig.process(), &WHATEVER_THE_TABLE_HAS);
                task.open(&[id]).unwrap();
                for unit in 0..6 {
                    task.put(id, unit * 10..unit * 10 + 10).unwrap();
                    task.until_committed(id, unit * 10 + 10).unwrap();
                }
            });
        }
    });
    assert_eq!(values_by_kernel(&rig).len(), 180);
    let audit = rig.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
}

#[test]
fn features_that_are_used_or_unknown_are_refused_by_name() {
    let with = |metadata: Value| {
        json!({"type": "struct", "fields": [{"name": "v", "type": "long", "nullable": true, "metadata": metadata}]}).to_string()
    };
    let legacy = |writer: i32| json!({"minReaderVersion": 1, "minWriterVersion": writer});
    let constraint = json!({"delta.constraints.positive": "v > 0"});
    let plain = with(json!({}));
    let cases = [
        (
            legacy(2),
            json!({}),
            with(json!({"delta.invariants": "{}"})),
            "column v uses the table feature invariants",
        ),
        (
            legacy(3),
            constraint,
            plain.clone(),
            "property delta.constraints.positive uses the table feature checkConstraints",
        ),
        (
            legacy(4),
            json!({}),
            with(json!({"delta.generationExpression": "1"})),
            "column v uses the table feature generatedColumns",
        ),
        (
            legacy(6),
            json!({}),
            with(json!({"delta.identity.start": 1})),
            "column v uses the table feature identityColumns",
        ),
        (
            features(&[], &["allowColumnDefaults"]),
            json!({}),
            with(json!({"CURRENT_DEFAULT": "1"})),
            "column v uses the table feature allowColumnDefaults",
        ),
        (
            features(&[], &["icebergCompatV1"]),
            json!({"delta.enableIcebergCompatV1": "true"}),
            plain.clone(),
            "icebergCompatV1",
        ),
        (
            features(&["catalogManaged"], &["inCommitTimestamp"]),
            json!({"delta.enableInCommitTimestamps": "true"}),
            plain.clone(),
            "catalogManaged",
        ),
        (features(&[], &["tomorrow"]), json!({}), plain.clone(), "it has the table feature tomorrow"),
        (features(&["variantType"], &[]), json!({}), plain.replace("\"long\"", "\"variant\""), "variant"),
        (
            legacy(2),
            json!({"delta.setTransactionRetentionDuration": "interval 1 month"}),
            plain.clone(),
            "setTransactionRetentionDuration is \"interval 1 month\"",
        ),
    ];
    for (protocol, configuration, schema, text) in cases {
        let rig = Rig::new();
        write_by_hand(&rig, &create_by_hand(&[], configuration, protocol, &schema));
        let error: Error = Opened::new(&rig, &rig.process(), |_| ()).load().unwrap_err();
        assert_eq!(error.code, Code::TableUnsupported, "{text}: {error}");
        assert!(error.message.contains(text), "{error}");
    }
}
