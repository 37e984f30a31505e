//! How a table's rows lie in its data files: which columns, under which names, in which folders, with which statistics.

use std::sync::Arc;

use arrow_schema::{DataType as ArrowType, Field as ArrowField, Fields, Schema as ArrowSchema, SchemaRef};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use rand::RngExt;
use rand::distr::Alphanumeric;
use serde_json::Value;
use sluice_core::schema::{DataType, Field};
use sluice_core::table::TableInfo;
use sluice_core::{Code, Error, Result};

use crate::partition::{self, PartitionColumn, PartitionValue};
use crate::stats::StatsColumns;

const MAPPING_MODE: &str = "delta.columnMapping.mode";
pub const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";
const FIELD_ID: &str = "delta.columnMapping.id";
const MATERIALIZE: &str = "delta.feature.materializePartitionColumns";

/// What the writer goes by, made once for a table.
pub struct Layout {
    pub table: Arc<TableInfo>,
    /// The schema of the files.
    pub schema: SchemaRef,
    /// Of the files, those that hold others included.
    pub columns_at_every_level: usize,
    /// Where the columns of the files are among the table's.
    pub columns: Vec<usize>,
    pub partition_columns: Vec<PartitionColumn>,
    pub stats: StatsColumns,
    random_folders: bool,
}

impl Layout {
    pub fn new(table: Arc<TableInfo>) -> Result<Layout> {
        Layout::with_longs(table, &[])
    }

    /// With more columns at the end of the files, of type long, that the table's schema does not have. They get no statistics.
    pub fn with_longs(table: Arc<TableInfo>, more: &[String]) -> Result<Layout> {
        let fields = &table.schema.fields;
        let mapped = is_mapped(&table)?;
        let physical = physical_fields(fields, mapped)?;
        let place = |name: &String| {
            let place = fields.iter().position(|field| field.name == *name);
            place.ok_or_else(|| {
                Error::new(Code::TableCorrupt, format!("partition column {name}: it is not in the schema"))
            })
        };
        let partitions = table.partition_by.iter().map(place).collect::<Result<Vec<usize>>>()?;
        let partition_column = |&place: &usize| PartitionColumn {
            place,
            field: fields[place].clone(),
            physical: physical[place].name().clone(),
        };
        let partition_columns = partitions.iter().map(partition_column).collect();
        let data = (0..fields.len()).filter(|place| !partitions.contains(place));
        let columns: Vec<usize> = if materializes_partitions(&table) {
            (0..fields.len()).collect()
        } else {
            data.clone().collect()
        };
        if data.clone().next().is_none() {
            let message = "every column is a partition column, which leaves none for the files";
            return Err(Error::new(Code::TableUnsupported, message));
        }
        let schema =
            ArrowSchema::new(columns.iter().map(|&place| physical[place].clone()).collect::<Fields>());
        let stats = StatsColumns::new(&table, &schema, &columns, &partitions);
        let more = more.iter().map(|name| Arc::new(ArrowField::new(name, ArrowType::Int64, true)));
        let schema = ArrowSchema::new(schema.fields().iter().cloned().chain(more).collect::<Fields>());
        let random_folders = mapped || table.is_on("delta.randomizeFilePrefixes");
        Ok(Layout {
            columns_at_every_level: schema.flattened_fields().len(),
            schema: Arc::new(schema),
            columns,
            partition_columns,
            stats,
            random_folders,
            table,
        })
    }

    /// The folder of a file, ending with a slash; empty for the table's root. With column mapping a random one, as
    /// physical names say nothing; so too where a value is too long for a folder's name.
    pub fn folder(&self, values: &[PartitionValue]) -> String {
        let hive = partition::folder(&self.partition_columns, values);
        match hive {
            Some(folder) if !self.random_folders => folder,
            _ => {
                let random = rand::rng().sample_iter(Alphanumeric).take(2).map(char::from);
                random.chain(['/']).collect()
            }
        }
    }
}

fn is_mapped(table: &TableInfo) -> Result<bool> {
    match table.properties.get(MAPPING_MODE).map(|mode| mode.to_ascii_lowercase()).as_deref() {
        None | Some("none") => Ok(false),
        Some("name" | "id") => Ok(true),
        Some(other) => Err(Error::new(
            Code::TableUnsupported,
            format!("{MAPPING_MODE} is {other}; name, id and none are known"),
        )),
    }
}

fn materializes_partitions(table: &TableInfo) -> bool {
    table.properties.contains_key(MATERIALIZE) || table.is_on("delta.enableIcebergCompatV3")
}

fn physical_fields(fields: &[Field], mapped: bool) -> Result<Fields> {
    fields.iter().map(|field| physical_field(field, mapped)).collect()
}

/// With column mapping, both modes have the physical name and the id in the file.
fn physical_field(field: &Field, mapped: bool) -> Result<ArrowField> {
    let data_type = physical_type(&field.data_type, mapped)?;
    if !mapped {
        return Ok(ArrowField::new(&field.name, data_type, field.nullable));
    }
    let missing = |key: &str| {
        let message = format!("column {}: the table uses column mapping, and {key} is missing", field.name);
        Error::new(Code::TableCorrupt, message)
    };
    let name =
        field.metadata.get(PHYSICAL_NAME).and_then(Value::as_str).ok_or_else(|| missing(PHYSICAL_NAME))?;
    let id = field.metadata.get(FIELD_ID).and_then(Value::as_i64).ok_or_else(|| missing(FIELD_ID))?;
    let metadata = [(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())].into();
    Ok(ArrowField::new(name, data_type, field.nullable).with_metadata(metadata))
}

fn physical_type(data_type: &DataType, mapped: bool) -> Result<ArrowType> {
    let logical = data_type.arrow();
    Ok(match (data_type, logical) {
        (DataType::Struct(fields), _) => ArrowType::Struct(physical_fields(fields, mapped)?),
        (DataType::Array { element, .. }, ArrowType::List(item)) => {
            let element = physical_type(element, mapped)?;
            ArrowType::List(Arc::new(item.as_ref().clone().with_data_type(element)))
        }
        (DataType::Map { key, value, .. }, ArrowType::Map(entries, sorted)) => {
            let ArrowType::Struct(pair) = entries.data_type() else { return Ok(data_type.arrow()) };
            let types = [physical_type(key, mapped)?, physical_type(value, mapped)?];
            let pair = pair.iter().zip(types).map(|(field, of)| field.as_ref().clone().with_data_type(of));
            let pair = ArrowType::Struct(pair.collect());
            ArrowType::Map(Arc::new(entries.as_ref().clone().with_data_type(pair)), sorted)
        }
        (_, primitive) => primitive,
    })
}
