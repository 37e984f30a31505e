//! Who is measured, with which settings. All get the same topic, consumer settings, commit interval and Parquet codec.

use std::path::Path;

use serde_json::{Value, json};
use sluice_testkit::{Context, Result};

/// The events as JSON.
pub const TOPIC: &str = "bench";

const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";

/// What a sink is given for each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The JSON as it stands, by ByteArrayConverter.
    Bytes,
    /// JsonConverter's maps.
    Json,
    /// Structs by a converter that reads nothing but the record's number.
    Structs,
    /// Avro records, by ByteArrayConverter.
    Avro,
    /// Protobuf messages, likewise.
    Protobuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    Noop,
    Iceberg,
    /// Another build of Sluice.
    Other,
    Sluice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub input: Input,
    pub sink: Sink,
}

impl Input {
    pub fn name(self) -> &'static str {
        match self {
            Input::Bytes => "bytes",
            Input::Json => "JsonConverter",
            Input::Structs => "structs",
            Input::Avro => "Avro",
            Input::Protobuf => "Protobuf",
        }
    }
}

impl Input {
    pub fn topic(self) -> &'static str {
        match self {
            Input::Bytes | Input::Json | Input::Structs => TOPIC,
            Input::Avro => "bench-avro",
            Input::Protobuf => "bench-protobuf",
        }
    }

    /// Of records that Sluice decodes itself.
    pub fn raw_format(self) -> Option<&'static str> {
        match self {
            Input::Bytes => Some("json"),
            Input::Avro => Some("avro"),
            Input::Protobuf => Some("protobuf"),
            Input::Json | Input::Structs => None,
        }
    }
}

impl Sink {
    pub fn name(self) -> &'static str {
        match self {
            Sink::Noop => "no-op",
            Sink::Iceberg => "Iceberg",
            Sink::Other => "the other",
            Sink::Sluice => "Sluice",
        }
    }
}

impl Entry {
    /// In the order of one round. Another build of Sluice takes the place of the Iceberg sink.
    pub fn all(beside: bool) -> Vec<Entry> {
        let mut all = Vec::new();
        for input in [Input::Bytes, Input::Json, Input::Structs, Input::Avro, Input::Protobuf] {
            let rival = match input {
                _ if beside => Some(Sink::Other),
                Input::Json => Some(Sink::Iceberg),
                _ => None,
            };
            let sinks = [Some(Sink::Noop), rival, Some(Sink::Sluice)];
            all.extend(sinks.into_iter().flatten().map(|sink| Entry { input, sink }));
        }
        all
    }

    /// Fit for a connector, a consumer group and a folder.
    pub fn slug(self) -> String {
        format!("{}-{}", self.input.name(), self.sink.name()).to_lowercase().replace(' ', "-")
    }

    /// The connector's settings. `demo` are those of `connect-config/demo.json`, `output` is where the sink may write.
    pub fn settings(self, demo: &Value, topic: &str, output: &Path) -> Result<Value> {
        let output = output.display();
        let mut settings = json!({});
        for (key, value) in demo.as_object().into_iter().flatten() {
            let delta = matches!(self.sink, Sink::Other | Sink::Sluice);
            if delta || key.contains(".converter") || key.starts_with("consumer.override.") {
                settings[key] = value.clone();
            }
        }
        for (key, value) in match self.input {
            Input::Bytes | Input::Avro | Input::Protobuf => vec![],
            Input::Json => {
                vec![("value.converter", JSON_CONVERTER), ("value.converter.schemas.enable", "false")]
            }
            Input::Structs => vec![("value.converter", "DemoStructs")],
        } {
            settings[key] = value.into();
        }
        settings["topics"] = topic.into();
        settings["tasks.max"] = "1".into();
        match self.sink {
            Sink::Noop => {
                settings["connector.class"] = "NoopSink".into();
                settings["count.file"] = format!("{output}/count").into();
            }
            Sink::Iceberg => {
                for (key, value) in iceberg(demo, &format!("{output}")) {
                    settings[key] = value.into();
                }
            }
            Sink::Other | Sink::Sluice => {
                settings["delta.table.uri"] = format!("{output}/table").into();
                settings["delta.parquet.compression"] = "zstd".into();
                match self.input.raw_format() {
                    Some(format) => settings["delta.raw.format"] = format.into(),
                    None => settings["delta.input.mode"] = "connect".into(),
                }
                if self.input == Input::Json {
                    settings["delta.schema.json"] = as_json_says(demo)?.into();
                }
            }
        }
        Ok(settings)
    }
}

/// The control topic, which the Iceberg sink wants to find.
pub const CONTROL_TOPIC: &str = "control-iceberg";

fn iceberg(demo: &Value, warehouse: &str) -> Vec<(&'static str, String)> {
    let interval = demo["delta.commit.interval.ms"].as_str().unwrap_or_default();
    vec![
        ("connector.class", "org.apache.iceberg.connect.IcebergSinkConnector".into()),
        ("iceberg.catalog.type", "hadoop".into()),
        ("iceberg.catalog.warehouse", format!("file://{warehouse}")),
        ("iceberg.tables", "bench.table".into()),
        ("iceberg.tables.auto-create-enabled", "true".into()),
        // For columns that are null or absent in the first record.
        ("iceberg.tables.evolve-schema-enabled", "true".into()),
        ("iceberg.tables.auto-create-props.write.parquet.compression-codec", "zstd".into()),
        ("iceberg.tables.auto-create-props.write.parquet.compression-level", ZSTD_LEVEL.into()),
        ("iceberg.control.topic", CONTROL_TOPIC.into()),
        ("iceberg.control.commit.interval-ms", interval.into()),
    ]
}

/// Sluice's; Iceberg's own default is 3.
const ZSTD_LEVEL: &str = "1";

/// JsonConverter knows of no times without a schema, and makes a double of each number with a point. The Iceberg sink creates
/// its table so by itself.
fn as_json_says(demo: &Value) -> Result<String> {
    let schema = demo["delta.schema.json"].as_str().unwrap_or_default();
    let mut schema: Value = serde_json::from_str(schema).context(|| "the demo's delta.schema.json".into())?;
    for field in schema["fields"].as_array_mut().into_iter().flatten() {
        let told = match field["type"].as_str() {
            Some("timestamp") => "string",
            Some(number) if number.starts_with("decimal") => "double",
            _ => continue,
        };
        field["type"] = told.into();
    }
    Ok(schema.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(input: Input, sink: Sink) -> Value {
        let demo: Value = serde_json::from_str(include_str!("../../../../connect-config/demo.json")).unwrap();
        Entry { input, sink }.settings(&demo["config"], "events", Path::new("/there")).unwrap()
    }

    #[test]
    fn every_sink_has_a_floor_and_another_build_stands_for_iceberg() {
        for beside in [false, true] {
            let all = Entry::all(beside);
            assert_eq!(all.iter().any(|entry| entry.sink == Sink::Iceberg), !beside);
            assert_eq!(
                all.iter().filter(|entry| entry.sink == Sink::Other).count(),
                if beside { 5 } else { 0 }
            );
            for entry in &all {
                assert!(all.contains(&Entry { sink: Sink::Noop, ..*entry }), "{entry:?}");
            }
        }
    }

    #[test]
    fn all_get_the_same_records_in_the_same_way() {
        let [sluice, iceberg, noop] =
            [Sink::Sluice, Sink::Iceberg, Sink::Noop].map(|sink| settings(Input::Json, sink));
        for key in ["topics", "tasks.max", "value.converter", "consumer.override.fetch.max.wait.ms"] {
            assert!(sluice[key].is_string(), "{key}");
            assert_eq!((&sluice[key], &sluice[key]), (&iceberg[key], &noop[key]), "{key}");
        }
        assert_eq!(sluice["delta.commit.interval.ms"], iceberg["iceberg.control.commit.interval-ms"]);
        let prefixed = |settings: &Value, prefix: &str| {
            settings.as_object().unwrap().keys().any(|key| key.starts_with(prefix))
        };
        assert!(!prefixed(&iceberg, "delta.") && !prefixed(&noop, "delta.") && !prefixed(&noop, "iceberg."));
    }

    #[test]
    fn the_table_of_maps_has_the_types_of_json() {
        let raw = settings(Input::Bytes, Sink::Sluice);
        assert_eq!(
            (&raw["delta.input.mode"], &raw["delta.table.uri"]),
            (&json!("raw"), &json!("/there/table"))
        );
        let maps = settings(Input::Json, Sink::Sluice);
        let schema = maps["delta.schema.json"].as_str().unwrap();
        assert!(!schema.contains("timestamp") && !schema.contains("decimal"), "{schema}");
        assert_eq!(schema.matches("\"name\"").count(), 15);
    }
}
