//! Lists and maps whose elements were widened since a file was written. The Delta kernel does not cast them: it reads them as they
//! are in the file, and they are cast here.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType as ArrowType, FieldRef, Fields, Schema as ArrowSchema};
use buoyant_kernel as delta_kernel;
use delta_kernel::DeltaResult;
use delta_kernel::engine::arrow_conversion::{TryFromArrow, TryIntoArrow};
use delta_kernel::schema::{
    ArrayType, ColumnMetadataKey, DataType, MapType, MetadataValue, SchemaRef, StructField, StructType,
};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

/// The schema to read a file with; the same one where nothing is to be cast.
pub fn as_in_file(schema: &SchemaRef, file: &Fields) -> DeltaResult<SchemaRef> {
    let narrowed = StructType::try_new(fields(schema, file, false)?)?;
    Ok(if narrowed == **schema { schema.clone() } else { Arc::new(narrowed) })
}

/// Makes of rows with the one schema rows with the other.
pub fn cast_to(schema: &SchemaRef, rows: RecordBatch) -> DeltaResult<RecordBatch> {
    let schema: ArrowSchema = schema.as_ref().try_into_arrow()?;
    let columns = rows.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type()));
    let columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}

fn fields(wanted: &StructType, file: &Fields, is_element: bool) -> DeltaResult<Vec<StructField>> {
    let narrowed = |field: &StructField| {
        let Some(there) = file.iter().find(|there| is_same(field, there)) else { return Ok(field.clone()) };
        let data_type = narrow(field.data_type(), there.data_type(), is_element)?;
        Ok(StructField { data_type, ..field.clone() })
    };
    wanted.fields().map(narrowed).collect()
}

/// As the kernel matches them: by id, where the file has ids, and by name.
fn is_same(field: &StructField, there: &FieldRef) -> bool {
    let id = match field.metadata().get(ColumnMetadataKey::ParquetFieldId.as_ref()) {
        Some(MetadataValue::Number(id)) => Some(id.to_string()),
        _ => None,
    };
    match (id, there.metadata().get(PARQUET_FIELD_ID_META_KEY)) {
        (Some(id), Some(there)) => id == *there,
        _ => field.name() == there.name(),
    }
}

fn narrow(wanted: &DataType, file: &ArrowType, is_element: bool) -> DeltaResult<DataType> {
    Ok(match (wanted, file) {
        (DataType::Struct(wanted), ArrowType::Struct(file)) => {
            DataType::from(StructType::try_new(fields(wanted, file, false)?)?)
        }
        (DataType::Array(wanted), ArrowType::List(item)) => {
            let element = narrow(wanted.element_type(), item.data_type(), true)?;
            DataType::from(ArrayType::new(element, wanted.contains_null()))
        }
        (DataType::Map(wanted), ArrowType::Map(entries, _)) => {
            let ArrowType::Struct(pair) = entries.data_type() else {
                return Ok(DataType::Map(wanted.clone()));
            };
            let key = narrow(wanted.key_type(), pair[0].data_type(), true)?;
            let value = narrow(wanted.value_type(), pair[1].data_type(), true)?;
            DataType::from(MapType::new(key, value, wanted.value_contains_null()))
        }
        (DataType::Primitive(_), narrow) if is_element && is_widened(narrow) => {
            DataType::try_from_arrow(narrow)?
        }
        _ => wanted.clone(),
    })
}

/// Types that have wider ones.
fn is_widened(data_type: &ArrowType) -> bool {
    use ArrowType::{Date32, Decimal128, Float32, Int8, Int16, Int32};
    matches!(data_type, Int8 | Int16 | Int32 | Float32 | Date32 | Decimal128(..))
}
