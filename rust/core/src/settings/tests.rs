use super::*;
use crate::computed::{Computed, ComputedSettings};
use crate::decode::csv::CsvOptions;
use crate::offsets::TopicPartition;
use crate::raw::Given;
use crate::schema::Schema;
use declare::{Default, Kind, SETTINGS};

const SCHEMA: &str =
    r#"{"type":"struct","fields":[{"name":"id","type":"long","nullable":false,"metadata":{}}]}"#;

fn with(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut map = BTreeMap::from([
        ("name".to_string(), "orders".to_string()),
        ("connector.class".to_string(), "x".to_string()),
        ("delta.table.uri".to_string(), "/data/orders".to_string()),
    ]);
    map.extend(more.iter().map(|(key, value)| (key.to_string(), value.to_string())));
    map
}

fn errors(more: &[(&str, &str)]) -> Vec<SettingError> {
    Settings::parse(&with(more)).unwrap_err()
}

#[test]
fn defaults_are_the_documented_ones() {
    let settings = Settings::parse(&with(&[])).unwrap();
    assert_eq!(
        settings,
        Settings {
            connector: "orders".into(),
            task: "0".into(),
            routes: Routes {
                uri: TableUriTemplate::parse("/data/orders").unwrap(),
                by: None,
                map: None,
                unmatched: Unmatched::Fail,
            },
            of_any_table: Arc::new(TableSettings {
                auto_create: false,
                properties: BTreeMap::new(),
                schema: SchemaSource::Table,
                evolution: Evolution::None,
                unknown_fields: UnknownFields::Ignore,
                computed: Computed::parse(&ComputedSettings {
                    key_prefix: "key_",
                    ..std::default::Default::default()
                })
                .unwrap(),
                kafka_delta_ingest: None,
                from_connector: None,
                maintenance: Maintenance::default(),
            }),
            of_tables: BTreeMap::new(),
            null_values: NullValues::Ignore,
            other_connectors: OtherConnectors::Fail,
            input_mode: InputMode::Auto,
            raw: Arc::new(RawSettings {
                format: RawFormat::Json,
                framing: Framing::Bare,
                json_strings: JsonStrings::Strict,
                compression: RawCompression::None,
                message: None,
                csv: CsvOptions::default(),
                value_column: "value".into(),
                given: Given::None,
            }),
            commit_interval: Duration::from_secs(60),
            commit_max_bytes: None,
            commit_max_records: None,
            target_file_bytes: 128 << 20,
            memory_budget: None,
            compression: Compression::Zstd,
            store: StoreSettings::default(),
            store_retry_timeout: Duration::from_secs(3600),
            registry: None,
            validate_connectivity: false,
        }
    );
}

#[test]
fn every_default_given_in_full_changes_nothing() {
    let all: Vec<_> = SETTINGS
        .iter()
        .filter_map(|s| match s.default {
            Default::Value(value) => Some((s.name, value)),
            _ => None,
        })
        .collect();
    assert_eq!(Settings::parse(&with(&all)), Settings::parse(&with(&[])));
}

#[test]
fn every_value_arrives_trimmed_at_its_field() {
    let settings = Settings::parse(&with(&[
        ("sluice.task.id", "3"),
        ("delta.table.uri", " file:///x/${topic}/${table} "),
        ("delta.table.properties", " delta.appendOnly = true; ;x.y=a=b "),
        ("delta.topic2table.map", "t=u"),
        ("delta.schema.evolution", "widen"),
        ("delta.input.mode", "connect"),
        ("behavior.on.null.values", "dlq"),
        ("delta.table.auto.create", " TRUE"),
        ("delta.schema.json", SCHEMA),
        ("delta.schema.unknown.fields", "fail"),
        ("delta.raw.json.strings", "lenient"),
        ("delta.commit.interval.ms", " 100\n"),
        ("delta.commit.max.bytes", "1048576"),
        ("delta.commit.max.records", "7"),
        ("delta.target.file.bytes", "+1048577"),
        ("delta.memory.budget.bytes", "268435456"),
        ("delta.parquet.compression", "lz4"),
        ("delta.registry.url", " https://registry "),
        ("delta.registry.api", "apicurio"),
        ("delta.registry.request.timeout.ms", "1500"),
        ("delta.validate.connectivity", "True"),
    ]))
    .unwrap();
    assert_eq!(settings.task, "3");
    assert_eq!(settings.routes.of_topic("t")[0].uri, "file:///x/t/u/");
    let of_table = settings.of_table("u");
    assert!(of_table.auto_create);
    assert_eq!(
        of_table.properties.iter().map(|(k, v)| format!("{k}:{v}")).collect::<Vec<_>>(),
        ["delta.appendOnly:true", "x.y:a=b"]
    );
    assert_eq!(of_table.schema, SchemaSource::Given(Schema::parse(SCHEMA).unwrap()));
    assert_eq!(of_table.evolution, Evolution::Widen);
    assert_eq!(of_table.unknown_fields, UnknownFields::Fail);
    assert_eq!((settings.input_mode, settings.null_values), (InputMode::Connect, NullValues::Dlq));
    assert_eq!(settings.raw.json_strings, JsonStrings::Lenient);
    assert_eq!(settings.commit_interval, Duration::from_millis(100));
    assert_eq!(settings.commit_max_bytes, NonZeroU64::new(1 << 20));
    assert_eq!(settings.commit_max_records, NonZeroU64::new(7));
    assert_eq!(settings.target_file_bytes, (1 << 20) + 1);
    assert_eq!(settings.memory_budget.map(NonZeroU64::get), Some(256 << 20));
    assert_eq!(settings.compression, Compression::Lz4);
    let registry = settings.registry.unwrap();
    assert_eq!((registry.urls[0].url.as_str(), registry.api), ("https://registry", RegistryApi::Apicurio));
    assert_eq!(registry.request_timeout, Duration::from_millis(1500));
    assert!(settings.validate_connectivity);
}

#[test]
fn a_schema_file_is_a_path_that_is_not_read() {
    let settings = Settings::parse(&with(&[("delta.schema.file", "/nowhere/schema.json")])).unwrap();
    let mut settings = settings;
    assert_eq!(settings.of_any_table.schema, SchemaSource::File("/nowhere/schema.json".into()));
    settings.read_schema_files(|_| Ok(SCHEMA.into())).unwrap();
    assert_eq!(settings.of_any_table.schema, SchemaSource::Given(Schema::parse(SCHEMA).unwrap()));
}

#[test]
fn a_table_has_its_own_settings_over_everybodys() {
    let settings = Settings::parse(&with(&[
        ("delta.schema.evolution", "add"),
        ("delta.tables.a.b.schema.evolution", "none"),
        ("delta.tables.a.b.table.auto.create", "true"),
    ]))
    .unwrap();
    let (own, other) = (settings.of_table("a.b"), settings.of_table("a"));
    assert_eq!((own.evolution, own.auto_create), (Evolution::None, true));
    assert_eq!((other.evolution, other.auto_create), (Evolution::Add, false));
}

#[test]
fn a_table_is_taken_over_for_one_topic_only() {
    const APP_ID: &str = "delta.kafka-delta-ingest.app.id";
    for (more, refused) in [
        (vec![("topics", "a")], false),
        (vec![("topics", "a, ,a")], false),
        (vec![("topics", "a,b")], true),
        (vec![("topics", "a,b"), ("delta.table.uri", "/data/${topic}")], false),
        (vec![("topics.regex", "a.*")], true),
        (
            vec![("topics", "a,b"), ("delta.table.uri", "/data/${table}"), ("delta.topic2table.map", "b=a")],
            true,
        ),
        (
            vec![("topics", "a,b"), ("delta.table.uri", "/data/${table}"), ("delta.route.by", "field(t)")],
            true,
        ),
        (vec![("topics", "a"), ("delta.table.uri", "/data/${table}"), ("delta.route.by", "field(t)")], false),
    ] {
        let parsed = Settings::parse(&with(&[&more[..], &[(APP_ID, "kdi")]].concat()));
        let keys =
            parsed.as_ref().err().map(|errors| errors.iter().map(|e| e.key.as_str()).collect::<Vec<_>>());
        assert_eq!(keys, refused.then(|| vec![APP_ID]), "{more:?}");
    }
    let own = [
        ("topics", "a,b"),
        ("delta.table.uri", "/data/${table}"),
        ("delta.topic2table.map", "a=x;b=y"),
        ("delta.tables.x.kafka-delta-ingest.app.id", " kdi "),
    ];
    let settings = Settings::parse(&with(&own)).unwrap();
    let predecessor = |table| settings.of_table(table).predecessor(&TopicPartition::new("a", 3));
    assert_eq!(predecessor("x").map(|predecessor| predecessor.app_id), Some("kdi-3".into()));
    assert_eq!(predecessor("y"), None);
}

#[test]
fn errors_in_a_tables_settings_name_them() {
    for (key, code) in [
        ("delta.tables.a.schema.evolution", Code::ConfigInvalid),
        ("delta.tables.a.commit.interval.ms", Code::ConfigUnknownKey),
        ("delta.tables.schema.evolution", Code::ConfigUnknownKey),
    ] {
        let errors = errors(&[(key, "?")]);
        assert_eq!((errors.len(), errors[0].key.as_str(), errors[0].code), (1, key, code), "{errors:?}");
    }
}

#[test]
fn every_declared_setting_is_read() {
    for setting in SETTINGS {
        let wrong = match setting.kind {
            Kind::Text(declare::TextRule::Any) | Kind::Password => continue,
            Kind::Text(_) => "relative {",
            _ => "?",
        };
        let with = [
            (declare::ROUTE_BY, "topic"),
            (declare::S3_ROLE_ARN, "arn"),
            (declare::REGISTRY_URL, "http://registry"),
            (declare::REGISTRY_OAUTH_CLIENT_ID, "sluice"),
            (declare::REGISTRY_OAUTH_CLIENT_SECRET, "secret"),
            (declare::REGISTRY_TLS_CERT_FILE, "/cert.pem"),
            (declare::REGISTRY_TLS_KEY_FILE, "/key.pem"),
            (declare::COMPACTION_ENABLED, "true"),
        ];
        let errors = errors(&[&with[..], &[(setting.name, wrong)]].concat());
        let errors: Vec<_> = errors.iter().filter(|error| error.key == setting.name).collect();
        assert_eq!(errors.len(), 1, "{}: {errors:?}", setting.name);
        assert_eq!(errors[0].key, setting.name);
    }
}

#[test]
fn every_bound_is_kept() {
    for setting in SETTINGS {
        if let Kind::Int(number) | Kind::Long(number) = setting.kind {
            let given = |value: i64| {
                with(&[(declare::COMPACTION_ENABLED, "true"), (setting.name, &value.to_string())])
            };
            let min = number.min;
            assert!(Settings::parse(&given(min)).is_ok(), "{}", setting.name);
            let errors = Settings::parse(&given(min - 1)).unwrap_err();
            assert!(errors[0].message.contains(&format!("at least {min}")), "{errors:?}");
        }
    }
}

#[test]
fn maintenance_is_read_for_each_table() {
    let settings = Settings::parse(&with(&[
        ("delta.target.file.bytes", "4194304"),
        ("delta.maintenance.log.compaction.commits", "0"),
        ("delta.compaction.enabled", "true"),
        ("delta.compaction.max.bytes.per.second", "0"),
        ("delta.compaction.z.order.by", " customer.id, `the day`,_kafka . offset "),
        ("delta.vacuum.mode", "dry-run"),
        ("delta.tables.a.maintenance.enabled", "false"),
        ("delta.tables.a.compaction.enabled", "false"),
        ("delta.tables.b.maintenance.log.compaction.commits", "2"),
        ("delta.tables.b.compaction.target.file.bytes", "1048576"),
        ("delta.tables.b.compaction.min.files", "3"),
        ("delta.tables.b.compaction.scope", "all"),
        ("delta.tables.b.compaction.cold.ms", "2000"),
        ("delta.tables.b.compaction.interval.ms", "3000"),
        ("delta.tables.b.compaction.memory.bytes", "16777216"),
        ("delta.tables.b.compaction.max.bytes.per.second", "7"),
        ("delta.tables.b.compaction.order.by", "ts"),
        ("delta.tables.b.vacuum.mode", "delete"),
        ("delta.tables.b.vacuum.interval.ms", "4000"),
    ]))
    .unwrap();
    let names = ["customer.id", "the day", "_kafka.offset"].map(str::to_owned);
    let everybodys = Maintenance {
        log_compaction_commits: None,
        compaction: Some(Compaction {
            target_bytes: 4 << 20,
            bytes_per_second: None,
            order: Order::ZOrder(names.to_vec()),
            ..Compaction::default()
        }),
        vacuum: VacuumMode::DryRun,
        ..Maintenance::default()
    };
    assert_eq!(settings.of_table("t").maintenance, everybodys);
    let a = Maintenance { enabled: false, compaction: None, ..everybodys };
    assert_eq!(settings.of_table("a").maintenance, a);
    let b = Maintenance {
        enabled: true,
        log_compaction_commits: NonZeroU64::new(2),
        compaction: Some(Compaction {
            target_bytes: 1 << 20,
            min_files: 3,
            scope: CompactionScope::All,
            cold: Duration::from_secs(2),
            interval: Duration::from_secs(3),
            memory_bytes: 16 << 20,
            bytes_per_second: NonZeroU64::new(7),
            order: Order::By(vec!["ts".into()]),
        }),
        vacuum: VacuumMode::Delete,
        vacuum_interval: Duration::from_secs(4),
    };
    assert_eq!(settings.of_table("b").maintenance, b);
}

#[test]
fn what_maintenance_cannot_do_is_refused() {
    for (key, value, why) in [
        ("delta.maintenance.log.compaction.commits", "1", "saves nothing"),
        ("delta.compaction.target.file.bytes", "1048575", "0 or at least 1048576"),
        ("delta.compaction.scope", "hot", "cold, all"),
        ("delta.compaction.order.by", "a,,b", "expected, not ','"),
        ("delta.compaction.order.by", "a, b, a", "a is given twice"),
        ("delta.compaction.order.by", "a.", "expected, not the end"),
        ("delta.compaction.order.by", "day(ts)", "',' expected"),
        ("delta.vacuum.mode", "true", "off, dry-run, delete"),
    ] {
        let errors = errors(&[("delta.compaction.enabled", "true"), (key, value)]);
        assert_eq!((errors.len(), errors[0].key.as_str()), (1, key), "{errors:?}");
        assert!(errors[0].message.contains(why), "{errors:?}");
    }
    let order = [("delta.compaction.order.by", "a"), ("delta.tables.t.compaction.z.order.by", "b")];
    let refused =
        |more: &[(&str, &str)]| -> Vec<_> { errors(more).into_iter().map(|error| error.key).collect() };
    assert_eq!(refused(&order[..1]), ["delta.compaction.order.by"], "nothing is compacted");
    let on = ("delta.compaction.enabled", "true");
    assert_eq!(refused(&[&[on], &order[..]].concat()), ["delta.tables.t.compaction.z.order.by"]);
    let instead = ("delta.tables.t.compaction.order.by", "");
    let settings = Settings::parse(&with(&[&[on, instead], &order[..]].concat())).unwrap();
    let of_t = settings.of_table("t").maintenance.compaction.clone().unwrap();
    assert_eq!(of_t.order, Order::ZOrder(vec!["b".into()]));
}

#[test]
fn all_errors_are_found_at_once() {
    let found = Settings::parse(&BTreeMap::from([
        ("delta.commit.max.bytes".into(), "-1".into()),
        ("delta.table.url".into(), "/x".into()),
        ("topics".into(), "".into()),
    ]))
    .unwrap_err();
    let found: Vec<_> = found.iter().map(|e| (e.key.as_str(), e.code)).collect();
    assert_eq!(
        found,
        [
            ("name", Code::ConfigMissing),
            ("delta.table.uri", Code::ConfigMissing),
            ("delta.commit.max.bytes", Code::ConfigInvalid),
            ("delta.table.url", Code::ConfigUnknownKey),
        ]
    );
}

#[test]
fn an_unknown_setting_is_told_the_nearest() {
    let errors = errors(&[("delta.commit.interval", "5")]);
    assert_eq!(errors[0].code, Code::ConfigUnknownKey);
    assert!(errors[0].message.ends_with("delta.commit.interval.ms"), "{}", errors[0]);
}

#[test]
fn a_schema_that_is_not_deltas_keeps_its_code() {
    for json in ["{", "[]", r#"{"type":"array"}"#] {
        let errors = errors(&[("delta.schema.json", json)]);
        assert_eq!((errors.len(), errors[0].code), (1, Code::SchemaInvalid), "{json}");
    }
}

#[test]
fn as_one_error_keeps_the_first_code_and_every_message() {
    let error = as_one_error(&errors(&[("delta.input.mode", "x"), ("delta.nothing", "y")]));
    assert_eq!(error.code, Code::ConfigInvalid);
    assert!(error.message.contains("delta.input.mode") && error.message.contains("delta.nothing"), "{error}");
}

/// S3 takes 10,000 parts of a file, which may become larger than its target by a row group.
#[test]
fn parts_are_large_enough_for_the_target_size() {
    let part = |target: u64| {
        let settings = Settings::parse(&with(&[("delta.target.file.bytes", &target.to_string())])).unwrap();
        settings.store.upload_part_bytes
    };
    assert_eq!(part(128 << 20), 8 << 20);
    for target in [100 << 30, 1 << 40, 5 << 40_u64] {
        assert!(part(target) * 10_000 >= 2 * target - 10_000, "{target}");
    }
}
