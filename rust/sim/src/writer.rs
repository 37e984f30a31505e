//! Another writer of the same tables, which breaks no rule of Delta: it appends, deletes, compacts and changes the schema.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use sluice_core::{Code, Error, Result};
use sluice_delta::store::{Claim, Store};

use crate::machine::{Millis, Sim};
use crate::oracle::{Oracle, View};
use crate::plan::SCHEMA;

pub struct Writer {
    pub sim: Sim,
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
}

impl Writer {
    /// Blocks. What fails is left as it is: nobody waits for this writer.
    pub fn change(&mut self, change: Change, number: u64) {
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
            Change::Append => {
                let values =
                    [self.first_value - number as i64 * 10, self.first_value - number as i64 * 10 - 1];
                Some(vec![info("WRITE"), self.add(&format!("foreign-{number}.parquet"), &values, true)?])
            }
            Change::Delete if live.is_empty() => None,
            Change::Delete => {
                let (path, _) = &live[self.sim.draw(live.len() as u64) as usize];
                Some(vec![info("DELETE"), remove(path, true)])
            }
            Change::Compact if live.len() < 2 => None,
            Change::Compact => {
                let from = self.sim.draw(live.len() as u64 - 1) as usize;
                let merged: Vec<_> = live[from..].iter().take(3).collect();
                let values: Vec<i64> = merged.iter().flat_map(|(_, values)| values.iter().copied()).collect();
                let mut actions = vec![info("OPTIMIZE")];
                actions.push(self.add(&format!("compacted-{number}.parquet"), &values, false)?);
                actions.extend(merged.iter().map(|(path, _)| remove(path, false)));
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
        Ok(json!({"add": {"path": name, "partitionValues": {}, "size": size, "modificationTime": 0,
            "dataChange": data_change, "stats": stats}}))
    }
}

/// The first commit of a table that keeps offsets for so long.
pub fn creation(retention: Option<Millis>) -> Vec<Value> {
    let configuration = match retention {
        Some(ms) => json!({"delta.setTransactionRetentionDuration": format!("interval {ms} milliseconds")}),
        None => json!({}),
    };
    vec![
        json!({"commitInfo": {"operation": "CREATE TABLE", "engineInfo": "another writer"}}),
        json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
        json!({"metaData": {"id": "created", "format": {"provider": "parquet", "options": {}}, "schemaString": SCHEMA,
            "partitionColumns": [], "configuration": configuration, "createdTime": 0}}),
    ]
}

fn remove(path: &str, data_change: bool) -> Value {
    json!({"remove": {"path": path, "deletionTimestamp": 0, "dataChange": data_change}})
}
