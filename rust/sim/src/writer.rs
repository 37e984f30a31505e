//! Another writer of the same tables, which breaks no rule of Delta: it appends, deletes, compacts and changes the schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use sluice_core::{Code, Error, Result};
use sluice_delta::maintain::lease::LEASE_APP_ID;
use sluice_delta::store::{Claim, Store, root_path};

use crate::machine::{Millis, ProcessId, Sim};
use crate::oracle::{Oracle, View};
use crate::plan::SCHEMA;
use crate::upkeep::Upkeep;
use crate::upkeep::log::Name;

pub struct Writer {
    pub sim: Sim,
    pub process: ProcessId,
    pub oracle: Oracle,
    pub store: Arc<dyn Store>,
    /// Below the store's root.
    pub table: String,
    /// Of the values that it writes: no two writers have the same.
    pub first_value: i64,
}

#[derive(Debug, Clone, Copy)]
pub enum Change {
    Append,
    Delete,
    Compact,
    AddColumn,
    /// As if the process were gone whose turn at the upkeep it is.
    EndTurn,
    /// Deletes files that nothing has referred to for so long. No commit.
    Vacuum(Millis),
}

impl Writer {
    /// Blocks. What fails is left as it is: nobody waits for this writer.
    pub fn change(&mut self, change: Change, number: u64) {
        if let Change::Vacuum(retention) = change {
            let _ = self.vacuum(retention as i64);
            return;
        }
        // Losing a race it starts again from what the table is then.
        for _ in 0..3 {
            let Some(view) = self.oracle.view(&self.table) else { return };
            let version = view.version + 1;
            let Ok(Some(actions)) = self.actions(change, number, view) else { return };
            self.sim
                .trace(|| format!("another writer wants version {version} of {} for {change:?}", self.table));
            if !matches!(self.claim(version, &actions), Ok(Claim::Taken)) {
                return;
            }
        }
    }

    /// What the process's wall clock shows.
    fn clock(&self) -> i64 {
        self.sim.world(self.process).epoch_millis()
    }

    /// By Delta's rules: what was there before the version was read, which it does not refer to, nor any that it is in the
    /// place of within retention, and which is as old.
    fn vacuum(&self, retention: i64) -> Result<()> {
        let (world, before) = (self.sim.world(self.process), self.clock() - retention);
        let root = root_path(&*self.store)?;
        let objects = self.store.objects();
        let listed: Vec<_> = world
            .wait(objects.list(Some(&root)).try_collect::<Vec<_>>())
            .map_err(|e| Error::new(Code::StoreIo, e.to_string()))?;
        let Some(view) = self.oracle.view(&self.table) else { return Ok(()) };
        for object in listed {
            let Some(name) = object.location.as_ref().strip_prefix(&format!("{root}/")) else { continue };
            let is_young = match view.removed_at.get(name) {
                Some(at) => *at >= before,
                None => object.last_modified.timestamp_millis() >= before,
            };
            if Name::of(name) == Name::Data && !view.live.contains_key(name) && !is_young {
                self.store.delete(name)?;
            }
        }
        Ok(())
    }

    pub fn claim(&self, version: u64, actions: &[Value]) -> Result<Claim> {
        let commit = actions.iter().map(|action| format!("{action}\n")).collect::<String>().into_bytes();
        let claimed = self.store.claim(version, &commit)?;
        if claimed == Claim::Won {
            self.oracle.won(&self.table, version, commit);
        }
        Ok(claimed)
    }

    fn actions(&mut self, change: Change, number: u64, view: View) -> Result<Option<Vec<Value>>> {
        let info = |operation: &str| {
            // No two commits may be the same to the byte.
            json!({"commitInfo": {"operation": operation, "engineInfo": "another writer", "txnId": format!("{number}")}})
        };
        let live: Vec<_> = view.live.into_iter().collect();
        Ok(match change {
            Change::Vacuum(_) => None,
            Change::EndTurn => {
                Some(vec![info("MAINTENANCE"), json!({"txn": {"appId": LEASE_APP_ID, "version": 0}})])
            }
            Change::Append => {
                let values =
                    [self.first_value - number as i64 * 10, self.first_value - number as i64 * 10 - 1];
                Some(vec![info("WRITE"), self.add(&format!("foreign-{number}.parquet"), &values, true)?])
            }
            Change::Delete if live.is_empty() => None,
            Change::Delete => {
                let (path, _) = &live[self.sim.draw(live.len() as u64) as usize];
                Some(vec![info("DELETE"), remove(path, true, self.clock())])
            }
            Change::Compact if live.len() < 2 => None,
            Change::Compact => {
                let from = self.sim.draw(live.len() as u64 - 1) as usize;
                let merged: Vec<_> = live[from..].iter().take(3).collect();
                let values: Vec<i64> = merged.iter().flat_map(|(_, values)| values.iter().copied()).collect();
                let mut actions = vec![info("OPTIMIZE")];
                actions.push(self.add(&format!("compacted-{number}.parquet"), &values, false)?);
                actions.extend(merged.iter().map(|(path, _)| remove(path, false, self.clock())));
                Some(actions)
            }
            Change::AddColumn => {
                let Some(mut metadata) = view.metadata else { return Ok(None) };
                let schema = metadata["schemaString"].as_str().unwrap_or_default();
                let Ok(mut schema) = serde_json::from_str::<Value>(schema) else { return Ok(None) };
                let column = json!({"name": format!("foreign_{number}"), "type": "string", "nullable": true, "metadata": {}});
                if let Some(fields) = schema["fields"].as_array_mut() {
                    fields.push(column);
                }
                metadata["schemaString"] = schema.to_string().into();
                Some(vec![info("ADD COLUMNS"), json!({ "metaData": metadata })])
            }
        })
    }

    pub fn add(&self, name: &str, values: &[i64], data_change: bool) -> Result<Value> {
        let column: ArrayRef = Arc::new(values.iter().copied().collect::<Int64Array>());
        let broken = |e: &dyn std::fmt::Display| Error::new(Code::NativePanic, e.to_string());
        let rows = RecordBatch::try_from_iter([("v", column)]).map_err(|e| broken(&e))?;
        let mut file = self.store.create(name)?;
        let mut parquet = ArrowWriter::try_new(&mut file, rows.schema(), None).map_err(|e| broken(&e))?;
        parquet.write(&rows).map_err(|e| broken(&e))?;
        parquet.close().map_err(|e| broken(&e))?;
        let size = file.finish()?;
        let stats = json!({"numRecords": values.len()}).to_string();
        Ok(
            json!({"add": {"path": name, "partitionValues": {}, "size": size, "modificationTime": self.clock(),
            "dataChange": data_change, "stats": stats}}),
        )
    }
}

/// The first commit of a table that keeps offsets for so long.
pub fn creation(retention: Option<Millis>, upkeep: Option<&Upkeep>) -> Vec<Value> {
    let mut configuration: BTreeMap<_, _> = upkeep.map(Upkeep::properties).into_iter().flatten().collect();
    if let Some(ms) = retention {
        let name = "delta.setTransactionRetentionDuration".to_owned();
        configuration.insert(name, format!("interval {ms} milliseconds"));
    }
    vec![
        json!({"commitInfo": {"operation": "CREATE TABLE", "engineInfo": "another writer"}}),
        json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
        json!({"metaData": {"id": "created", "format": {"provider": "parquet", "options": {}}, "schemaString": SCHEMA,
            "partitionColumns": [], "configuration": configuration, "createdTime": 0}}),
    ]
}

fn remove(path: &str, data_change: bool, now: i64) -> Value {
    json!({"remove": {"path": path, "deletionTimestamp": now, "dataChange": data_change}})
}
