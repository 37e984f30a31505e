//! The first commit of a table.

use serde_json::json;
use sluice_core::computed::Mismatch;
use sluice_core::schema::Schema;
use sluice_core::settings::declare::{PARTITION_BY, SCHEMA_JSON};
use sluice_core::settings::{Evolution, SchemaSource, TableSettings};
use sluice_core::table::TableInfo;
use sluice_core::{Code, Error, Result};
use tracing::info;

use crate::actions::{commit_info, lines};
use crate::fail_point::FailPoint;
use crate::features::{Features, Protocol, is_feature_property, needed_by, refusal};
use crate::maintain::compact::find_columns;
use crate::mapping::map_new_fields;
use crate::store::Claim;
use crate::table::{Spec, TableState};
use crate::world::World;

impl TableState {
    /// Makes sure that there is a table: ours, or that of another writer who was faster.
    pub(crate) fn create(&self, spec: &Spec, schema: Option<&Schema>) -> Result<()> {
        let Some(schema) = schema.filter(|_| spec.auto_create) else {
            let message =
                format!("no Delta table at {}: create it, or set delta.table.auto.create=true", self.uri());
            return Err(Error::new(Code::TableMissing, message));
        };
        let commit = first_commit(&*self.world, spec, schema).map_err(|e| {
            Error::new(e.code, format!("cannot create the Delta table {}: {}", self.uri(), e.message))
        })?;
        self.world.reached(FailPoint::CreateBegun);
        self.store.prepare()?;
        self.world.reached(FailPoint::CreatePrepared);
        let claim = self.store.claim(0, &commit);
        self.world.reached(FailPoint::CreateClaimed);
        match claim {
            Ok(Claim::Won) => {
                self.meter.counts().schema_changes += 1;
                info!("created table {}", self.uri());
            }
            Ok(Claim::Taken) => {
                info!("table {} was created by another writer at the same moment", self.uri())
            }
            // The reply may have been lost.
            Err(error) => match self.exists() {
                Ok(true) => {}
                _ => return Err(error),
            },
        }
        Ok(())
    }
}

/// Whether a table could be created as the settings say, if it had to be and they give its schema. What is in the way comes with
/// the setting that is.
pub fn creatable(settings: &TableSettings, world: &dyn World) -> Result<(), (&'static str, Error)> {
    let given = match &settings.schema {
        SchemaSource::Given(given) if settings.auto_create => given,
        _ => return Ok(()),
    };
    let of_column = |mismatch: Mismatch| (mismatch.setting, Error::from(mismatch));
    let mut schema = given.clone();
    schema.fields.extend(settings.computed.missing(given).map_err(of_column)?);
    settings.computed.check(&schema).map_err(of_column)?;
    let in_schema = |error| (SCHEMA_JSON, error);
    settings.computed.plan(&schema).map_err(in_schema)?;
    partition_columns(settings.computed.partition_by(), &schema)
        .map_err(|why| (PARTITION_BY, Error::new(Code::ConfigInvalid, why)))?;
    // A column that is not there yet may come with records.
    if let Some(compaction) = settings.maintenance.compaction.as_ref()
        && settings.evolution == Evolution::None
    {
        find_columns(&compaction.order, &schema.fields)
            .map_err(|(setting, why)| (setting, Error::new(Code::ConfigInvalid, why)))?;
    }
    let spec = Spec::of(settings).map_err(in_schema)?;
    first_commit(world, &spec, &schema).map_err(in_schema)?;
    Ok(())
}

fn first_commit(world: &dyn World, spec: &Spec, schema: &Schema) -> Result<Vec<u8>> {
    let partition_by = partition_columns(&spec.partition_by, schema)
        .map_err(|why| Error::new(Code::ConfigInvalid, format!("{PARTITION_BY}: {why}")))?;
    let mut table = TableInfo { schema: schema.clone(), partition_by, properties: spec.properties.clone() };
    let protocol = match needed_by(&table.properties, &table.schema) {
        none if none.is_empty() => Protocol::lowest(none),
        // As Spark does: what the lowest protocol implies is kept.
        more => Protocol::lowest(Protocol::lowest(Features::new()).features()).with(&more),
    };
    table.properties.retain(|key, _| !is_feature_property(key));
    map_new_fields(world, &mut table.schema.fields, &[], &mut table.properties)?;
    if table.is_on("delta.enableRowTracking") {
        for (column, prefix) in [("RowId", "_row-id-col"), ("RowCommitVersion", "_row-commit-version-col")] {
            let key = format!("delta.rowTracking.materialized{column}ColumnName");
            table.properties.insert(key, format!("{prefix}-{}", world.uuid()));
        }
    }
    if let Some(reason) = refusal(&protocol, &table) {
        return Err(Error::new(Code::SchemaInvalid, reason));
    }
    let now = world.epoch_millis();
    let parameters = json!({
        "isManaged": "false",
        "partitionBy": json!(table.partition_by).to_string(),
        "properties": json!(table.properties).to_string(),
    });
    let in_commit_timestamp = table.is_on("delta.enableInCommitTimestamps").then_some(now);
    let metadata = json!({
        "id": world.uuid().to_string(),
        "format": {"provider": "parquet", "options": {}},
        "schemaString": table.schema.to_json(),
        "partitionColumns": table.partition_by,
        "configuration": table.properties,
        "createdTime": now,
    });
    Ok(lines(&[
        commit_info(world, "CREATE TABLE", parameters, now, in_commit_timestamp),
        json!({ "protocol": protocol }),
        json!({ "metaData": metadata }),
    ]))
}

/// The partition columns as the schema spells them.
fn partition_columns(wanted: &[String], schema: &Schema) -> Result<Vec<String>, String> {
    let mut columns: Vec<String> = Vec::new();
    for name in wanted {
        let same = |spelled: &str| spelled.to_lowercase() == name.to_lowercase();
        let Some(field) = schema.fields.iter().find(|field| same(&field.name)) else {
            return Err(format!("the table has no column {name}"));
        };
        use sluice_core::schema::DataType::{Array, Map, Struct};
        if matches!(field.data_type, Struct(_) | Array { .. } | Map { .. }) {
            return Err(format!("column {name} is {}, which has no partition values", field.data_type));
        }
        if columns.contains(&field.name) {
            return Err(format!("column {name} is given twice"));
        }
        columns.push(field.name.clone());
    }
    if columns.len() == schema.fields.len() {
        return Err("not every column can be a partition column; one at least is for the files".to_owned());
    }
    Ok(columns)
}
