//! The sidecars that checkpoints name.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use buoyant_kernel as delta_kernel;
use delta_kernel::engine::arrow_data::EngineDataArrowExt;
use delta_kernel::schema::{DataType, SchemaRef, StructField, StructType};
use delta_kernel::{DeltaResult, Engine, FileDataReadResultIterator, FileMeta};
use percent_encoding::percent_decode_str;
use sluice_core::Result;

use super::Maintained;
use super::listing::{Kind, LogFile, Naming};
use crate::kernel::kernel_error;

impl Maintained {
    /// By their names in the folder of sidecars. Reads the checkpoints, of which none may be gone.
    pub(super) fn sidecars_of(&self, checkpoints: &[&LogFile]) -> Result<HashSet<String>> {
        let doing = format!("cannot read the checkpoints of {}", self.uri());
        let read = || -> DeltaResult<HashSet<String>> {
            let schema = sidecar_schema()?;
            let mut found = HashSet::new();
            let is_json = |file: &LogFile| matches!(&file.kind, Kind::Checkpoint(Naming::Unique(rest)) if rest.ends_with(".json"));
            let (json, parquet): (Vec<&LogFile>, Vec<_>) = checkpoints.iter().partition(|file| is_json(file));
            let (json, parquet) = (self.metas(&json)?, self.metas(&parquet)?);
            let engine: &dyn Engine = &self.engine;
            take(engine.json_handler().read_json_files(&json, schema.clone(), None)?, &mut found)?;
            take(engine.parquet_handler().read_parquet_files(&parquet, schema, None)?, &mut found)?;
            Ok(found)
        };
        read().map_err(|e| kernel_error(&doing, &e))
    }

    fn metas(&self, files: &[&LogFile]) -> DeltaResult<Vec<FileMeta>> {
        let meta = |file: &&LogFile| {
            let location = self.store.root().join(&file.name())?;
            Ok(FileMeta::new(location, file.modified, file.size))
        };
        files.iter().map(meta).collect()
    }
}

fn sidecar_schema() -> DeltaResult<SchemaRef> {
    let sidecar = StructType::try_new([StructField::nullable("path", DataType::STRING)])?;
    Ok(Arc::new(StructType::try_new([StructField::nullable("sidecar", sidecar)])?))
}

fn take(batches: FileDataReadResultIterator, found: &mut HashSet<String>) -> DeltaResult<()> {
    for batch in batches {
        let batch = batch?.try_into_record_batch()?;
        let sidecars = batch.column(0).as_struct();
        let paths = sidecars.column(0).as_string::<i32>();
        for row in (0..batch.num_rows()).filter(|row| sidecars.is_valid(*row) && paths.is_valid(*row)) {
            // A name only, as is recommended, or a whole URI.
            let path = paths.value(row);
            let name = path.rsplit('/').next().unwrap_or(path);
            found.insert(percent_decode_str(name).decode_utf8_lossy().into_owned());
        }
    }
    Ok(())
}
