//! Changes of a table's columns: a commit of their own, before the rows that need them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use sluice_core::schema::{Schema, merge};
use sluice_core::table::TableInfo;
use sluice_core::{Code, Error, Result};
use tracing::info;

use crate::actions::{commit_info, lines};
use crate::fail_point::FailPoint;
use crate::features::{is_feature_property, needed_by};
use crate::mapping::map_new_fields;
use crate::store::Claim;
use crate::table::{Current, RACE_BACKOFF, Spec, TableState};

impl TableState {
    /// Makes the table have the wanted columns, as far as the settings allow, and creates it where it is missing. What
    /// others did in the meantime is merged with; asking again changes nothing.
    pub fn evolve(&mut self, spec: &Spec, wanted: &Schema) -> Result<Arc<TableInfo>> {
        let mut races = 0;
        // A change whose outcome is unknown is seen by the next round, or the next call.
        loop {
            if let Some(info) = self.try_evolve(spec, wanted)? {
                return Ok(info);
            }
            races += 1;
            self.world.pause(self.world.backoff(races, RACE_BACKOFF));
        }
    }

    /// The newest table once it needs no change. None: a change was claimed, by us or by another writer.
    fn try_evolve(&mut self, spec: &Spec, wanted: &Schema) -> Result<Option<Arc<TableInfo>>> {
        self.refresh(spec, wanted)?;
        let current = self.current()?;
        let widening = current.info.is_on("delta.enableTypeWidening");
        let Some(merged) = merge(&current.info.schema, wanted, spec.evolution, widening)? else {
            return Ok(Some(current.info.clone()));
        };
        let commit = self.change(current, merged)?;
        self.world.reached(FailPoint::EvolveBegun);
        let claim = self.store.claim(current.tip.version() + 1, &commit)?;
        self.world.reached(FailPoint::EvolveClaimed);
        match claim {
            Claim::Won => {
                self.meter.counts().schema_changes += 1;
                info!("changed the columns of table {}", self.uri());
            }
            Claim::Taken => self.meter.lost_race(Duration::ZERO),
        }
        Ok(None)
    }

    fn refresh(&mut self, spec: &Spec, wanted: &Schema) -> Result<()> {
        if self.current().is_ok() {
            return self.advance("").map(|_| ());
        }
        if !self.exists()? {
            self.create(spec, Some(wanted))?;
        }
        self.open()
    }

    /// The commit that gives the table other columns.
    fn change(&self, current: &Current, schema: Schema) -> Result<Vec<u8>> {
        let failed =
            |e: &dyn std::fmt::Display| Error::new(Code::TableCorrupt, format!("{}: {e}", self.uri()));
        let mut table = TableInfo { schema, ..(*current.info).clone() };
        map_new_fields(
            &*self.world,
            &mut table.schema.fields,
            &current.info.schema.fields,
            &mut table.properties,
        )?;
        let action = serde_json::to_value(current.tip.table_configuration().metadata());
        let Value::Object(mut metadata) = action.map_err(|e| failed(&e))? else {
            return Err(failed(&"its metaData is no object"));
        };
        metadata.retain(|_, value| !value.is_null());
        metadata.insert("schemaString".into(), table.schema.to_json().into());
        if let Some(Value::Object(configuration)) = metadata.get_mut("configuration") {
            let kept = table.properties.into_iter().filter(|(key, _)| !is_feature_property(key));
            configuration.extend(kept.map(|(key, value)| (key, value.into())));
        }

        let now = self.world.epoch_millis();
        let in_commit_timestamp = self.next_in_commit_timestamp(now)?;
        let info =
            commit_info(&*self.world, "UPDATE SCHEMA", Value::Object(Map::new()), now, in_commit_timestamp);
        let protocol = current.protocol.with(&needed_by(&BTreeMap::new(), &table.schema));
        let protocol = (protocol != current.protocol).then(|| json!({ "protocol": protocol }));
        Ok(lines(
            &[Some(info), protocol, Some(json!({ "metaData": metadata }))]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>(),
        ))
    }
}
