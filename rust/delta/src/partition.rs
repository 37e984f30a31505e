//! Rows by their partition, and partitions as text: in `add.partitionValues`, in folder names and in `add.path`.

use std::collections::HashMap;
use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType as ArrowType};
use arrow_select::take::take_record_batch;
use buoyant_kernel as delta_kernel;
use delta_kernel::expressions::Scalar;
use delta_kernel::partition::serialization::serialize_partition_value;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sluice_core::schema::{DataType, Field};
use sluice_core::{Code, Error, Result};

pub struct PartitionColumn {
    /// Among the table's columns.
    pub place: usize,
    pub field: Field,
    pub physical: String,
}

/// As in `add.partitionValues`, where an empty text is null too.
pub type PartitionValue = Option<String>;

/// The rows of each partition, partitions in the order of their first rows.
pub fn split(
    columns: &[PartitionColumn],
    rows: &RecordBatch,
) -> Result<Vec<(Vec<PartitionValue>, RecordBatch)>> {
    let mut partitions: Vec<Vec<PartitionValue>> = vec![vec![]];
    let mut partition_of_row = vec![0; rows.num_rows()];
    for column in columns {
        let (texts, text_of_row) = texts(column, rows.column(column.place))?;
        let mut known = HashMap::new();
        let mut finer = Vec::new();
        for (partition, text) in partition_of_row.iter_mut().zip(text_of_row) {
            *partition = *known.entry((*partition, text)).or_insert_with(|| {
                finer.push([partitions[*partition].as_slice(), &[texts[text].clone()]].concat());
                finer.len() - 1
            });
        }
        partitions = finer;
    }
    if partitions.len() == 1 {
        return Ok(partitions.into_iter().map(|values| (values, rows.clone())).collect());
    }
    let mut by_partition = vec![Vec::new(); partitions.len()];
    for (row, partition) in (0..).zip(partition_of_row) {
        by_partition[partition].push(row);
    }
    let of_partitions = by_partition.into_iter().map(|of_partition| {
        // In arrays of its own: a part of a larger one keeps all of that in memory.
        take_record_batch(rows, &UInt32Array::from(of_partition)).map_err(broken)
    });
    partitions.into_iter().zip(of_partitions).map(|(values, rows)| Ok((values, rows?))).collect()
}

/// The distinct texts of a column, and which of them each row has.
fn texts(column: &PartitionColumn, array: &ArrayRef) -> Result<(Vec<PartitionValue>, Vec<usize>)> {
    // Booleans have no dictionary.
    let of = if *array.data_type() == ArrowType::Boolean { &ArrowType::Int8 } else { array.data_type() };
    let dictionary = ArrowType::Dictionary(Box::new(ArrowType::Int32), Box::new(of.clone()));
    let array = cast(array, of).and_then(|array| cast(&array, &dictionary)).map_err(broken)?;
    let dictionary = array.as_dictionary::<Int32Type>();
    let mut texts = Vec::new();
    let mut known = HashMap::new();
    let mut number = |text: PartitionValue| {
        *known.entry(text.clone()).or_insert_with(|| {
            texts.push(text);
            texts.len() - 1
        })
    };
    let null = if dictionary.null_count() > 0 { number(None) } else { 0 };
    let of_value = (0..dictionary.values().len())
        .map(|index| Ok(number(text(column, dictionary.values(), index)?)))
        .collect::<Result<Vec<usize>>>()?;
    let of_row = dictionary.keys().iter().map(|key| key.map_or(null, |key| of_value[key as usize])).collect();
    if !column.field.nullable && texts.contains(&None) {
        let message = format!(
            "column {}: a partition column that is not nullable cannot hold null, nor an empty text, which Delta \
             stores as null; filter such records out or make the column nullable",
            column.field.name
        );
        return Err(Error::new(Code::RecordNull, message));
    }
    Ok((texts, of_row))
}

fn text(column: &PartitionColumn, values: &ArrayRef, index: usize) -> Result<PartitionValue> {
    let failed = |e: &dyn std::fmt::Display| {
        let message = format!("column {}: a value cannot be a partition's: {e}", column.field.name);
        Error::new(Code::RecordRange, message)
    };
    let scalar = match &column.field.data_type {
        DataType::Byte => Scalar::Byte(values.as_primitive::<Int8Type>().value(index)),
        DataType::Short => Scalar::Short(values.as_primitive::<Int16Type>().value(index)),
        DataType::Integer => Scalar::Integer(values.as_primitive::<Int32Type>().value(index)),
        DataType::Long => Scalar::Long(values.as_primitive::<Int64Type>().value(index)),
        // Adding 0.0 makes 0.0 of -0.0: they are the same value, so the same partition.
        DataType::Float => Scalar::Float(values.as_primitive::<Float32Type>().value(index) + 0.0),
        DataType::Double => Scalar::Double(values.as_primitive::<Float64Type>().value(index) + 0.0),
        DataType::Decimal { precision, scale } => {
            let bits = values.as_primitive::<Decimal128Type>().value(index);
            Scalar::decimal(bits, *precision, *scale).map_err(|e| failed(&e))?
        }
        DataType::String => Scalar::String(values.as_string::<i32>().value(index).to_owned()),
        DataType::Binary => Scalar::Binary(values.as_binary::<i32>().value(index).to_owned()),
        DataType::Boolean => Scalar::Boolean(values.as_primitive::<Int8Type>().value(index) != 0),
        DataType::Date => Scalar::Date(values.as_primitive::<Date32Type>().value(index)),
        DataType::Timestamp => {
            Scalar::Timestamp(values.as_primitive::<TimestampMicrosecondType>().value(index))
        }
        DataType::TimestampNtz => {
            Scalar::TimestampNtz(values.as_primitive::<TimestampMicrosecondType>().value(index))
        }
        nested @ (DataType::Struct(_) | DataType::Array { .. } | DataType::Map { .. }) => {
            let message = format!("column {}: {nested} cannot be a partition column", column.field.name);
            return Err(Error::new(Code::TableUnsupported, message));
        }
    };
    serialize_partition_value(&scalar).map_err(|e| failed(&e))
}

/// What most file systems allow for the name of a folder.
const LONGEST_FOLDER_NAME: usize = 255;

/// The folder of a partition as Hive and Spark name it, ending with a slash. None where a name would be too long.
pub fn folder(columns: &[PartitionColumn], values: &[PartitionValue]) -> Option<String> {
    let mut path = String::new();
    for (column, value) in columns.iter().zip(values) {
        let value = value.as_deref().map_or("__HIVE_DEFAULT_PARTITION__".to_owned(), hive_escaped);
        let name = format!("{}={value}", hive_escaped(&column.physical));
        if name.len() > LONGEST_FOLDER_NAME {
            return None;
        }
        path = path + &name + "/";
    }
    Some(path)
}

/// As Hive's `FileUtils.escapePathName` does it.
pub fn hive_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(character) {
            // Writing to a string does not fail.
            let _ = write!(escaped, "%{:02X}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// What a path in a URI may not hold as it is.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A file's name as `add.path` has it: a URI reference, so that what Hive has escaped is escaped once more.
pub fn add_path(name: &str) -> String {
    utf8_percent_encode(name, NOT_IN_PATHS).to_string()
}

fn broken(error: ArrowError) -> Error {
    Error::new(Code::NativePanic, format!("partitioning rows: {error}"))
}
