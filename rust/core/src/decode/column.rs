//! One Arrow column as it grows.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, Date32Type, Decimal128Type, TimestampMicrosecondType};
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, ListArray, MapArray, PrimitiveArray, StringArray, StructArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer};
use arrow_schema::{DataType as ArrowType, Field as ArrowField};

use super::object::Object;
use super::{MAX_DEPTH, Parse, RowError, UnknownFieldCounts, excerpt};
use crate::schema::DataType;
use crate::{Code, Error, Result};

pub(super) struct Column {
    /// For messages.
    pub takes: Box<str>,
    pub nullable: bool,
    arrow: ArrowType,
    /// Bytes that every row takes at least.
    pub width: usize,
    pub valid: NullBufferBuilder,
    pub values: Values,
}

/// Where the values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    /// Text that something else than the columns explains: JSON with a schema, CSV.
    Text,
    /// Values that have their own types.
    Connect,
}

pub(super) enum Values {
    Boolean(BooleanBufferBuilder),
    Byte(Vec<i8>),
    Short(Vec<i16>),
    Integer(Vec<i32>),
    Long(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    /// `limit` is 10^precision.
    Decimal {
        values: Vec<i128>,
        scale: u8,
        limit: i128,
    },
    String {
        ends: Ends,
        bytes: Vec<u8>,
    },
    Binary {
        ends: Ends,
        bytes: Vec<u8>,
    },
    Date(Vec<i32>),
    Timestamp {
        values: Vec<i64>,
        zoned: bool,
    },
    Struct(Box<Object>),
    List {
        ends: Ends,
        element: Box<Column>,
    },
    Map {
        ends: Ends,
        key: Box<Column>,
        value: Box<Column>,
        order: Vec<usize>,
    },
}

/// Arrow's offsets: row `i` of the column is from the `i`-th to the next one of its child.
pub(super) struct Ends(Vec<i32>);

impl Ends {
    fn new() -> Self {
        Ends(vec![0])
    }

    /// The decoders' `push` keeps every column below 2^31.
    #[inline(always)]
    pub fn push(&mut self, end: usize) {
        self.0.push(i32::try_from(end).expect("a column has fewer than 2^31 bytes and elements"));
    }

    fn push_empty(&mut self) {
        self.0.push(self.0[self.0.len() - 1]);
    }

    fn rows(&self) -> usize {
        self.0.len() - 1
    }

    /// Where `row` starts, which may be the one after the last.
    pub fn start(&self, row: usize) -> usize {
        self.0[row] as usize
    }

    fn range(&self, row: usize) -> Range<usize> {
        self.start(row)..self.start(row + 1)
    }

    /// Leaves `rows` rows; returns what the child has to be cut to.
    fn truncate(&mut self, rows: usize) -> usize {
        self.0.truncate(rows + 1);
        self.start(self.rows())
    }

    fn bytes(&self) -> usize {
        4 * self.rows()
    }

    fn finish(&mut self) -> OffsetBuffer<i32> {
        let ends = take(&mut self.0);
        self.0.push(0);
        OffsetBuffer::new(ends.into())
    }
}

impl Column {
    /// `path` without array positions; `depth` is the level that the column's object or array is in.
    pub fn new(
        data_type: &DataType,
        nullable: bool,
        path: &str,
        depth: usize,
        format: Format,
    ) -> Result<Self> {
        let refuse = |why: String| Err(Error::new(Code::SchemaInvalid, format!("column {path}: {why}")));
        if depth > MAX_DEPTH {
            return refuse(format!("deeper than {MAX_DEPTH} levels, which no record can fill"));
        }
        let values = match data_type {
            DataType::Boolean => Values::Boolean(BooleanBufferBuilder::new(0)),
            DataType::Byte => Values::Byte(Vec::new()),
            DataType::Short => Values::Short(Vec::new()),
            DataType::Integer => Values::Integer(Vec::new()),
            DataType::Long => Values::Long(Vec::new()),
            DataType::Float => Values::Float(Vec::new()),
            DataType::Double => Values::Double(Vec::new()),
            &DataType::Decimal { precision, scale } => {
                Values::Decimal { values: Vec::new(), scale, limit: 10i128.pow(precision.into()) }
            }
            DataType::String => Values::String { ends: Ends::new(), bytes: Vec::new() },
            DataType::Binary => Values::Binary { ends: Ends::new(), bytes: Vec::new() },
            DataType::Date => Values::Date(Vec::new()),
            DataType::Timestamp => Values::Timestamp { values: Vec::new(), zoned: true },
            DataType::TimestampNtz => Values::Timestamp { values: Vec::new(), zoned: false },
            DataType::Struct(fields) => {
                Values::Struct(Box::new(Object::new(fields, path, depth + 1, format)?))
            }
            DataType::Array { element, contains_null } => {
                let path = format!("{path}[]");
                let element = Column::new(element, *contains_null, &path, depth + 1, format)?;
                Values::List { ends: Ends::new(), element: Box::new(element) }
            }
            DataType::Map { key, .. } if format == Format::Json && **key != DataType::String => {
                return refuse(format!("{data_type}: a JSON object has only string keys"));
            }
            DataType::Map { key, value, value_contains_null } => {
                let path = format!("{path}[]");
                let value = Column::new(value, *value_contains_null, &path, depth + 1, format)?;
                let key = Column::new(key, false, &path, depth + 1, format)?;
                Values::Map {
                    ends: Ends::new(),
                    key: Box::new(key),
                    value: Box::new(value),
                    order: Vec::new(),
                }
            }
        };
        let arrow = data_type.arrow();
        let width = match &values {
            Values::Struct(object) => object.width,
            Values::List { .. } | Values::Map { .. } | Values::String { .. } | Values::Binary { .. } => 4,
            _ => arrow.primitive_width().unwrap_or(1),
        };
        Ok(Column {
            takes: takes(data_type, format).into(),
            nullable,
            arrow,
            // And at most a byte for the validity.
            width: width + 1,
            valid: NullBufferBuilder::new(0),
            values,
        })
    }

    #[inline(always)]
    pub fn rows(&self) -> usize {
        self.valid.len()
    }

    pub fn nullable(&self) -> bool {
        self.nullable
    }

    /// To a column of strings.
    #[inline(always)]
    pub fn append_text(&mut self, text: &[u8]) {
        let Values::String { ends, bytes } = &mut self.values else { unreachable!("a string column") };
        bytes.extend_from_slice(text);
        ends.push(bytes.len());
        self.valid.append_non_null();
    }

    pub fn append_null(&mut self) {
        match &mut self.values {
            Values::Boolean(values) => values.append(false),
            Values::Byte(values) => values.push(0),
            Values::Short(values) => values.push(0),
            Values::Integer(values) | Values::Date(values) => values.push(0),
            Values::Long(values) | Values::Timestamp { values, .. } => values.push(0),
            Values::Float(values) => values.push(0.0),
            Values::Double(values) => values.push(0.0),
            Values::Decimal { values, .. } => values.push(0),
            Values::String { ends, .. }
            | Values::Binary { ends, .. }
            | Values::List { ends, .. }
            | Values::Map { ends, .. } => ends.push_empty(),
            Values::Struct(object) => object.append_null(),
        }
        self.valid.append_null();
    }

    /// Leaves the first `rows` rows, also when the last one is half read.
    pub fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Boolean(values) => values.truncate(rows),
            Values::Byte(values) => values.truncate(rows),
            Values::Short(values) => values.truncate(rows),
            Values::Integer(values) | Values::Date(values) => values.truncate(rows),
            Values::Long(values) | Values::Timestamp { values, .. } => values.truncate(rows),
            Values::Float(values) => values.truncate(rows),
            Values::Double(values) => values.truncate(rows),
            Values::Decimal { values, .. } => values.truncate(rows),
            Values::String { ends, bytes } | Values::Binary { ends, bytes } => {
                bytes.truncate(ends.truncate(rows));
            }
            Values::Struct(object) => object.truncate(rows),
            Values::List { ends, element } => element.truncate(ends.truncate(rows)),
            Values::Map { ends, key, value, .. } => {
                let entries = ends.truncate(rows);
                key.truncate(entries);
                value.truncate(entries);
            }
        }
        self.valid.truncate(rows);
    }

    pub fn bytes(&self) -> usize {
        let values = match &self.values {
            Values::String { ends, bytes } | Values::Binary { ends, bytes } => ends.bytes() + bytes.len(),
            Values::Struct(object) => object.bytes(),
            Values::List { ends, element } => ends.bytes() + element.bytes(),
            Values::Map { ends, key, value, .. } => ends.bytes() + key.bytes() + value.bytes(),
            _ => self.rows() * self.arrow.primitive_width().unwrap_or(1),
        };
        values + self.valid.as_slice().map_or(0, <[u8]>::len)
    }

    pub fn finish(&mut self) -> ArrayRef {
        let nulls = self.valid.finish();
        match &mut self.values {
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Byte(values) => primitive::<Int8Type>(values, nulls, &self.arrow),
            Values::Short(values) => primitive::<Int16Type>(values, nulls, &self.arrow),
            Values::Integer(values) => primitive::<Int32Type>(values, nulls, &self.arrow),
            Values::Long(values) => primitive::<Int64Type>(values, nulls, &self.arrow),
            Values::Float(values) => primitive::<Float32Type>(values, nulls, &self.arrow),
            Values::Double(values) => primitive::<Float64Type>(values, nulls, &self.arrow),
            Values::Decimal { values, .. } => primitive::<Decimal128Type>(values, nulls, &self.arrow),
            Values::Date(values) => primitive::<Date32Type>(values, nulls, &self.arrow),
            Values::Timestamp { values, .. } => {
                primitive::<TimestampMicrosecondType>(values, nulls, &self.arrow)
            }
            Values::String { ends, bytes } => {
                Arc::new(StringArray::new(ends.finish(), Buffer::from_vec(take(bytes)), nulls))
            }
            Values::Binary { ends, bytes } => {
                Arc::new(BinaryArray::new(ends.finish(), Buffer::from_vec(take(bytes)), nulls))
            }
            Values::Struct(object) => {
                let ArrowType::Struct(fields) = &self.arrow else { unreachable!("a struct column") };
                Arc::new(StructArray::new(fields.clone(), object.finish(), nulls))
            }
            Values::List { ends, element } => {
                let ArrowType::List(field) = &self.arrow else { unreachable!("a list column") };
                Arc::new(ListArray::new(field.clone(), ends.finish(), element.finish(), nulls))
            }
            Values::Map { ends, key, value, .. } => {
                let ArrowType::Map(field, _) = &self.arrow else { unreachable!("a map column") };
                let entries = map_entries(field, key.finish(), value.finish());
                Arc::new(MapArray::new(field.clone(), ends.finish(), entries, nulls, false))
            }
        }
    }

    /// The order of two rows, as far as telling them apart goes.
    pub fn compare(&self, a: usize, b: usize) -> Ordering {
        match (self.valid.is_valid(a), self.valid.is_valid(b)) {
            (true, true) => {}
            (a, b) => return a.cmp(&b),
        }
        let lists = |ends: &Ends, columns: &[&Column]| {
            let (a, b) = (ends.range(a), ends.range(b));
            let compare = |(a, b)| {
                columns.iter().fold(Ordering::Equal, |order, column| order.then_with(|| column.compare(a, b)))
            };
            let elements = a.clone().zip(b.clone()).map(compare);
            elements.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
        };
        match &self.values {
            Values::Boolean(values) => values.get_bit(a).cmp(&values.get_bit(b)),
            Values::Byte(values) => values[a].cmp(&values[b]),
            Values::Short(values) => values[a].cmp(&values[b]),
            Values::Integer(values) | Values::Date(values) => values[a].cmp(&values[b]),
            Values::Long(values) | Values::Timestamp { values, .. } => values[a].cmp(&values[b]),
            Values::Float(values) => values[a].total_cmp(&values[b]),
            Values::Double(values) => values[a].total_cmp(&values[b]),
            Values::Decimal { values, .. } => values[a].cmp(&values[b]),
            Values::String { ends, bytes } | Values::Binary { ends, bytes } => {
                bytes[ends.range(a)].cmp(&bytes[ends.range(b)])
            }
            Values::Struct(object) => object.compare(a, b),
            Values::List { ends, element } => lists(ends, &[element]),
            Values::Map { ends, key, value, .. } => lists(ends, &[key, value]),
        }
    }

    /// In a column of map keys: none from the row `first` on stands twice. `order` is only kept to be reused.
    pub fn refuse_duplicates(&self, first: usize, order: &mut Vec<usize>) -> Parse {
        order.clear();
        order.extend(first..self.rows());
        order.sort_unstable_by(|&a, &b| self.compare(a, b));
        match order.windows(2).find(|pair| self.compare(pair[0], pair[1]).is_eq()) {
            None => Ok(()),
            Some(pair) => {
                let error = RowError::boxed(Code::RecordDuplicateField, "the key is given twice".into());
                Err(error.in_field(&self.key_name(pair[0])))
            }
        }
    }

    /// In a column of map keys: how a message calls the one in `row`.
    pub fn key_name(&self, row: usize) -> String {
        match &self.values {
            Values::String { ends, bytes } => excerpt(&bytes[ends.range(row)]),
            Values::Byte(values) => values[row].to_string(),
            Values::Short(values) => values[row].to_string(),
            Values::Integer(values) => values[row].to_string(),
            Values::Long(values) => values[row].to_string(),
            _ => "{key}".into(),
        }
    }

    pub fn take_unknown(&mut self, counts: &mut UnknownFieldCounts) {
        match &mut self.values {
            Values::Struct(object) => object.take_unknown(counts),
            Values::List { element: child, .. } | Values::Map { value: child, .. } => {
                child.take_unknown(counts)
            }
            _ => {}
        }
    }
}

fn takes(data_type: &DataType, format: Format) -> String {
    match data_type {
        _ if format == Format::Connect => data_type.to_string(),
        DataType::Binary => "binary (base64)".into(),
        DataType::Date => "date (\"YYYY-MM-DD\")".into(),
        DataType::Timestamp => "timestamp (\"YYYY-MM-DDThh:mm:ss.ffffffZ\")".into(),
        DataType::TimestampNtz => "timestamp_ntz (\"YYYY-MM-DDThh:mm:ss.ffffff\")".into(),
        DataType::Struct(_) => "struct (an object)".into(),
        DataType::Array { .. } => "array".into(),
        DataType::Map { key, .. } if **key != DataType::String => "map (an array of {key, value})".into(),
        DataType::Map { .. } => "map (an object)".into(),
        primitive => primitive.to_string(),
    }
}

fn map_entries(field: &ArrowField, keys: ArrayRef, values: ArrayRef) -> StructArray {
    let ArrowType::Struct(fields) = field.data_type() else { unreachable!("entries are a struct") };
    StructArray::new(fields.clone(), vec![keys, values], None)
}

fn primitive<T: ArrowPrimitiveType>(
    values: &mut Vec<T::Native>,
    nulls: Option<NullBuffer>,
    arrow: &ArrowType,
) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(take(values).into(), nulls).with_data_type(arrow.clone()))
}

const ROOM_BYTES: usize = 1 << 20;

/// Leaves an empty one with room for as much again: the next batch is likely to be as large. No budget counts that room.
fn take<T>(values: &mut Vec<T>) -> Vec<T> {
    let room = values.len().min(ROOM_BYTES / size_of::<T>());
    std::mem::replace(values, Vec::with_capacity(room))
}
