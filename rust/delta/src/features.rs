//! The table features of Delta: which a table has, which of them Sluice writes correctly, and which protocol names them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use buoyant_kernel as delta_kernel;
use delta_kernel::Snapshot;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::table_configuration::TableConfiguration;
use serde::{Deserialize, Serialize};
use sluice_core::schema::{DataType, Field, Schema, child_path};
use sluice_core::table::TableInfo;

/// When Sluice writes to a table that lists a feature. Features that are not in [`FEATURES`]: never.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Written {
    Always,
    /// As long as nothing in the table uses it: see [`first_use`].
    Unused,
}

struct Feature {
    name: &'static str,
    /// Whether readers have to know it as well.
    of_readers: bool,
    written: Written,
}

const fn feature(name: &'static str, of_readers: bool, written: Written) -> Feature {
    Feature { name, of_readers, written }
}

const FEATURES: [Feature; 27] = [
    feature("allowColumnDefaults", false, Written::Unused),
    feature("appendOnly", false, Written::Always),
    feature("changeDataFeed", false, Written::Always),
    feature("checkConstraints", false, Written::Unused),
    // It keeps old checkpoints from being cleaned up. A commit does not do that.
    feature("checkpointProtection", false, Written::Always),
    feature("clustering", false, Written::Always),
    feature("columnMapping", true, Written::Always),
    feature("deletionVectors", true, Written::Always),
    feature("domainMetadata", false, Written::Always),
    feature("generatedColumns", false, Written::Unused),
    feature("icebergCompatV1", false, Written::Unused),
    feature("icebergCompatV2", false, Written::Unused),
    feature("icebergCompatV3", false, Written::Unused),
    feature("identityColumns", false, Written::Unused),
    feature("inCommitTimestamp", false, Written::Always),
    feature("invariants", false, Written::Unused),
    feature(MATERIALIZE, false, Written::Always),
    feature("rowTracking", false, Written::Always),
    feature("timestampNtz", true, Written::Always),
    feature("typeWidening", true, Written::Always),
    feature("typeWidening-preview", true, Written::Always),
    feature("v2Checkpoint", true, Written::Always),
    feature("vacuumProtocolCheck", true, Written::Always),
    // Used by columns of type variant, which `Schema` does not know.
    feature("variantShredding", true, Written::Always),
    feature("variantShredding-preview", true, Written::Always),
    feature("variantType", true, Written::Always),
    feature("variantType-preview", true, Written::Always),
];

const MATERIALIZE: &str = "materializePartitionColumns";

/// What the kernel does not write to even where nothing uses it.
const REFUSED_BY_KERNEL: [&str; 6] = [
    "checkConstraints",
    "checkpointProtection",
    "generatedColumns",
    "icebergCompatV1",
    "icebergCompatV2",
    "identityColumns",
];

/// Features that writer versions below 7 imply, with the first version that does.
const IMPLIED: [(i32, &str); 7] = [
    (2, "appendOnly"),
    (2, "invariants"),
    (3, "checkConstraints"),
    (4, "changeDataFeed"),
    (4, "generatedColumns"),
    (5, "columnMapping"),
    (6, "identityColumns"),
];

/// What properties of a table turn on: the property, its value, and the features.
const ENABLED_BY: [(&str, &str, &[&str]); 10] = [
    ("delta.checkpointPolicy", "v2", &["v2Checkpoint"]),
    ("delta.columnMapping.mode", "id", &["columnMapping"]),
    ("delta.columnMapping.mode", "name", &["columnMapping"]),
    ("delta.enableChangeDataFeed", "true", &["changeDataFeed"]),
    ("delta.enableDeletionVectors", "true", &["deletionVectors"]),
    ("delta.enableInCommitTimestamps", "true", &["inCommitTimestamp"]),
    ("delta.enableRowTracking", "true", &["domainMetadata", "rowTracking"]),
    ("delta.enableTypeWidening", "true", &["typeWidening"]),
    ("delta.feature.domainMetadata", "supported", &["domainMetadata"]),
    ("delta.feature.vacuumProtocolCheck", "supported", &["vacuumProtocolCheck"]),
];

pub type Features = BTreeSet<String>;

/// The protocol action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protocol {
    pub min_reader_version: i32,
    pub min_writer_version: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reader_features: Option<Features>,
    #[serde(skip_serializing_if = "Option::is_none")]
    writer_features: Option<Features>,
}

impl Protocol {
    pub fn of(snapshot: &Snapshot) -> serde_json::Result<Protocol> {
        serde_json::to_value(snapshot.table_configuration().protocol()).and_then(serde_json::from_value)
    }

    /// The lowest protocol that has the features.
    pub fn lowest(features: Features) -> Protocol {
        if features.iter().all(|name| name == "appendOnly" || name == "invariants") {
            let (reader_features, writer_features) = (None, None);
            return Protocol {
                min_reader_version: 1,
                min_writer_version: 2,
                reader_features,
                writer_features,
            };
        }
        let of_readers: Features = features.iter().filter(|name| is_of_readers(name)).cloned().collect();
        let min_reader_version = match of_readers.iter().find(|name| *name != "columnMapping") {
            Some(_) => 3,
            None if of_readers.is_empty() => 1,
            None => 2,
        };
        Protocol {
            min_reader_version,
            min_writer_version: 7,
            reader_features: (min_reader_version == 3).then_some(of_readers),
            writer_features: Some(features),
        }
    }

    /// The features that the table has, used or not.
    pub fn features(&self) -> Features {
        let implied = || {
            IMPLIED
                .iter()
                .filter(|(version, _)| *version <= self.min_writer_version)
                .filter(|(_, name)| *name != "columnMapping" || self.min_reader_version > 1)
                .map(|(_, name)| (*name).to_owned())
                .collect()
        };
        self.writer_features.clone().unwrap_or_else(implied)
    }

    /// This protocol, or the lowest one above it that has these features too.
    pub fn with(&self, more: &Features) -> Protocol {
        let has = self.features();
        if more.is_subset(&has) { self.clone() } else { Protocol::lowest(&has | more) }
    }
}

fn is_of_readers(name: &str) -> bool {
    FEATURES.iter().any(|feature| feature.name == name && feature.of_readers)
}

/// The features that these properties and columns of a table take.
pub fn needed_by(properties: &BTreeMap<String, String>, schema: &Schema) -> Features {
    let on = ENABLED_BY.iter().filter(|(key, value, _)| {
        properties.get(*key).is_some_and(|given| given.eq_ignore_ascii_case(value))
    });
    let mut features: Features =
        on.flat_map(|(_, _, names)| names.iter().map(|name| (*name).to_owned())).collect();
    if find_field(schema, |field| has_timestamp_ntz(&field.data_type)).is_some() {
        features.insert("timestampNtz".to_owned());
    }
    features
}

/// A table's properties without those that do nothing, as the table does not have their feature; and with the feature
/// that no property tells of, but that changes what is in a file.
pub fn in_effect(properties: &HashMap<String, String>, protocol: &Protocol) -> BTreeMap<String, String> {
    let has = protocol.features();
    let known = |key: &str| ENABLED_BY.iter().find(|(enabling, _, _)| *enabling == key);
    let in_effect =
        |key: &str| known(key).is_none_or(|(_, _, names)| names.iter().all(|name| has.contains(*name)));
    let kept = properties.iter().filter(|(key, _)| in_effect(key));
    let told =
        has.contains(MATERIALIZE).then(|| (format!("delta.feature.{MATERIALIZE}"), "supported".to_owned()));
    kept.map(|(key, value)| (key.clone(), value.clone())).chain(told).collect()
}

/// The property does nothing but add a feature to the protocol; it is not kept.
pub fn is_feature_property(key: &str) -> bool {
    key.starts_with("delta.feature.")
}

/// Why we would not even keep the table's log correctly, nor know which files it needs, if so: nobody knows what a feature asks
/// for that is not known.
pub fn unknown(protocol: &Protocol) -> Option<String> {
    let Protocol { min_reader_version, min_writer_version, reader_features, .. } = protocol;
    if *min_reader_version > 3 {
        return Some(format!("its minReaderVersion is {min_reader_version}, and 3 is the highest known"));
    }
    if *min_writer_version > 7 {
        return Some(format!("its minWriterVersion is {min_writer_version}, and 7 is the highest known"));
    }
    let is_known = |name: &str| FEATURES.iter().any(|feature| feature.name == name);
    let all = protocol.features().into_iter().chain(reader_features.clone().into_iter().flatten());
    all.into_iter()
        .find(|name| !is_known(name))
        .map(|name| format!("it has the table feature {name}, which Sluice does not know"))
}

/// Why we would not write to the table correctly, if so.
pub fn refusal(protocol: &Protocol, info: &TableInfo) -> Option<String> {
    if protocol.min_writer_version > 7 {
        return Some(format!(
            "its minWriterVersion is {}, and 7 is the highest known",
            protocol.min_writer_version
        ));
    }
    protocol.features().iter().find_map(|name| {
        let Some(feature) = FEATURES.iter().find(|feature| feature.name == name) else {
            return Some(format!("it has the table feature {name}, which Sluice does not write"));
        };
        let used_by = (feature.written == Written::Unused).then(|| first_use(name, info)).flatten()?;
        Some(format!("{used_by} uses the table feature {name}, which Sluice does not write"))
    })
}

/// What uses a feature that is harmless while nothing does.
fn first_use(feature: &str, info: &TableInfo) -> Option<String> {
    let column = |key: &str| {
        find_field(&info.schema, |field| field.metadata.keys().any(|name| name.starts_with(key)))
            .map(|path| format!("column {path}"))
    };
    let property = |holds: &dyn Fn(&str) -> bool| {
        info.properties.keys().find(|key| holds(key)).map(|key| format!("property {key}"))
    };
    match feature {
        "allowColumnDefaults" => column("CURRENT_DEFAULT"),
        "checkConstraints" => property(&|key| key.starts_with("delta.constraints.")),
        "generatedColumns" => column("delta.generationExpression"),
        "identityColumns" => column("delta.identity."),
        "invariants" => column("delta.invariants"),
        iceberg => {
            let version = iceberg.strip_prefix("icebergCompat")?;
            let key = format!("delta.enableIcebergCompat{version}");
            property(&|given| given == key && info.is_on(given))
        }
    }
}

/// The path of the first field, at any level, that `holds` says yes to.
fn find_field(schema: &Schema, holds: impl Fn(&Field) -> bool) -> Option<String> {
    fn in_fields(parent: &str, fields: &[Field], holds: &dyn Fn(&Field) -> bool) -> Option<String> {
        fields.iter().find_map(|field| {
            let path = child_path(parent, &field.name);
            if holds(field) { Some(path) } else { in_type(&path, &field.data_type, holds) }
        })
    }
    fn in_type(path: &str, data_type: &DataType, holds: &dyn Fn(&Field) -> bool) -> Option<String> {
        match data_type {
            DataType::Struct(fields) => in_fields(path, fields, holds),
            DataType::Array { element, .. } => in_type(&child_path(path, "element"), element, holds),
            DataType::Map { key, value, .. } => in_type(&child_path(path, "key"), key, holds)
                .or_else(|| in_type(&child_path(path, "value"), value, holds)),
            _ => None,
        }
    }
    in_fields("", &schema.fields, &holds)
}

/// Fields of structs inside are looked at on their own.
fn has_timestamp_ntz(data_type: &DataType) -> bool {
    match data_type {
        DataType::TimestampNtz => true,
        DataType::Array { element, .. } => has_timestamp_ntz(element),
        DataType::Map { key, value, .. } => has_timestamp_ntz(key) || has_timestamp_ntz(value),
        _ => false,
    }
}

/// The snapshot to build transactions on. The kernel refuses to write where the protocol names some features, also where
/// nothing uses them; in the snapshot given to it these are left out. It is for commits only: not for reading the log further.
pub fn for_transactions(
    snapshot: &SnapshotRef,
    protocol: &Protocol,
) -> delta_kernel::DeltaResult<SnapshotRef> {
    let features = protocol.features();
    let (refused, kept): (Features, Features) =
        features.into_iter().partition(|name| REFUSED_BY_KERNEL.contains(&name.as_str()));
    if refused.is_empty() {
        return Ok(snapshot.clone());
    }
    let protocol = serde_json::to_value(Protocol::lowest(kept)).and_then(serde_json::from_value)?;
    let real = snapshot.table_configuration();
    let configuration = TableConfiguration::try_new(
        real.metadata().clone(),
        protocol,
        real.table_root().clone(),
        snapshot.version(),
    )?;
    Ok(Arc::new(Snapshot::try_new(snapshot.log_segment().clone(), configuration)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(names: &[&str]) -> Features {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn protocol(json: &str) -> Protocol {
        serde_json::from_str(json).unwrap()
    }

    fn info(metadata: &str) -> TableInfo {
        let schema = format!(
            r#"{{"type":"struct","fields":[{{"name":"s","nullable":true,"metadata":{{}},"type":{{"type":"struct",
            "fields":[{{"name":"c","type":"long","nullable":true,"metadata":{metadata}}}]}}}}]}}"#
        );
        TableInfo::unpartitioned(Schema::parse(&schema).unwrap())
    }

    #[test]
    fn the_lowest_protocol_is_chosen_by_the_features() {
        let lowest = |names: &[&str]| serde_json::to_string(&Protocol::lowest(features(names))).unwrap();
        assert_eq!(lowest(&[]), r#"{"minReaderVersion":1,"minWriterVersion":2}"#);
        assert_eq!(lowest(&["appendOnly", "invariants"]), r#"{"minReaderVersion":1,"minWriterVersion":2}"#);
        assert_eq!(
            lowest(&["changeDataFeed"]),
            r#"{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["changeDataFeed"]}"#
        );
        assert_eq!(
            lowest(&["columnMapping"]),
            r#"{"minReaderVersion":2,"minWriterVersion":7,"writerFeatures":["columnMapping"]}"#
        );
        assert_eq!(
            lowest(&["columnMapping", "timestampNtz", "rowTracking"]),
            r#"{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["columnMapping","timestampNtz"],"writerFeatures":["columnMapping","rowTracking","timestampNtz"]}"#
        );
    }

    #[test]
    fn legacy_versions_imply_features_and_keep_them_when_one_is_added() {
        let legacy = |reader, writer| {
            protocol(&format!(r#"{{"minReaderVersion":{reader},"minWriterVersion":{writer}}}"#))
        };
        assert_eq!(legacy(1, 1).features(), features(&[]));
        assert_eq!(legacy(1, 3).features(), features(&["appendOnly", "checkConstraints", "invariants"]));
        assert!(!legacy(1, 5).features().contains("columnMapping"));
        assert_eq!(legacy(2, 6).features().len(), 7);
        assert_eq!(legacy(2, 5).with(&features(&["columnMapping"])), legacy(2, 5));
        let more = legacy(1, 2).with(&features(&["timestampNtz"]));
        assert_eq!(more.features(), features(&["appendOnly", "invariants", "timestampNtz"]));
        assert_eq!(more.min_reader_version, 3);
    }

    #[test]
    fn what_is_used_is_refused_by_name() {
        let used = [
            ("allowColumnDefaults", r#"{"CURRENT_DEFAULT":"1"}"#),
            ("generatedColumns", r#"{"delta.generationExpression":"a"}"#),
            ("identityColumns", r#"{"delta.identity.start":1}"#),
            ("invariants", r#"{"delta.invariants":"{}"}"#),
        ];
        for (name, metadata) in used {
            let protocol = Protocol {
                writer_features: Some(features(&[name])),
                ..protocol(r#"{"minReaderVersion":1,"minWriterVersion":7}"#)
            };
            assert_eq!(refusal(&protocol, &info("{}")), None);
            assert_eq!(
                refusal(&protocol, &info(metadata)),
                Some(format!("column s.c uses the table feature {name}, which Sluice does not write"))
            );
        }
        let constraint = |key: &str, value: &str| {
            let properties = [(key.to_owned(), value.to_owned())].into();
            TableInfo { properties, ..info("{}") }
        };
        let with = |name: &str| {
            protocol(&format!(r#"{{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["{name}"]}}"#))
        };
        assert_eq!(
            refusal(&with("checkConstraints"), &constraint("delta.constraints.positive", "v > 0")),
            Some("property delta.constraints.positive uses the table feature checkConstraints, which Sluice does not write".into())
        );
        assert!(
            refusal(&with("icebergCompatV2"), &constraint("delta.enableIcebergCompatV2", "true")).is_some()
        );
        assert_eq!(
            refusal(&with("icebergCompatV2"), &constraint("delta.enableIcebergCompatV2", "false")),
            None
        );
        for unknown in ["catalogManaged", "coordinatedCommits-preview", "geospatial", "tomorrow"] {
            assert_eq!(
                refusal(&with(unknown), &info("{}")),
                Some(format!("it has the table feature {unknown}, which Sluice does not write"))
            );
        }
    }
}
