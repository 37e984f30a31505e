//! The records whose rows are made: what Kafka knows of them, and which of them turn out to be bad.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, Int32Array, Int64Array, ListArray, StringArray, StructArray, new_null_array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType as ArrowType, Field as ArrowField, Fields};

use super::expression::Kafka;
use super::functions;
use super::headers::{Headers, Problem, text_or_bytes};
use super::path::pick_rows;
use crate::Code;
use crate::connect::{Kind, Payload};
use crate::crossing::{Segment, TimestampType};
use crate::decode::json::RowError;
use crate::offsets::TopicPartition;

/// Rows of a segment, by their indices in it.
pub struct Rows<'a> {
    pub segment: &'a Segment,
    pub indices: &'a [usize],
    /// The original partition behind an id of the segment.
    pub partition: &'a dyn Fn(i32) -> &'a TopicPartition,
}

/// The first error of each bad row.
#[derive(Default)]
pub struct BadRows {
    errors: BTreeMap<usize, RowError>,
}

/// Where errors are noted that concern a column and what it is made from.
pub struct Report<'a> {
    pub bad: &'a mut BadRows,
    pub column: &'a str,
    pub source: String,
}

impl BadRows {
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    pub fn contains(&self, row: usize) -> bool {
        self.errors.contains_key(&row)
    }

    pub fn add(&mut self, row: usize, error: RowError) {
        self.errors.entry(row).or_insert(error);
    }

    pub fn into_errors(self) -> Vec<(usize, RowError)> {
        self.errors.into_iter().collect()
    }
}

impl Report<'_> {
    pub fn add(&mut self, row: usize, (code, why): Problem) {
        let error =
            RowError { code, path: self.source.clone(), message: format!("column {}: {why}", self.column) };
        self.bad.add(row, error);
    }
}

impl Rows<'_> {
    pub fn kafka(&self, part: Kafka, report: &mut Report<'_>) -> ArrayRef {
        let extras = &self.segment.extras;
        let partitions = || self.indices.iter().map(|row| (self.partition)(self.segment.partitions[*row]));
        match part {
            Kafka::Topic => {
                Arc::new(StringArray::from_iter_values(partitions().map(|partition| &partition.topic)))
            }
            Kafka::Partition => {
                Arc::new(Int32Array::from_iter_values(partitions().map(|partition| partition.partition)))
            }
            Kafka::Offset => Arc::new(Int64Array::from_iter_values(
                self.indices.iter().map(|row| self.segment.offsets[*row]),
            )),
            Kafka::Timestamp => match &extras.timestamps {
                Some(ms) => {
                    let ms = pick_rows(ms, self.indices);
                    functions::timestamps(ms.as_primitive::<Int64Type>(), 1_000, report)
                }
                None => new_null_array(
                    &ArrowType::Timestamp(arrow_schema::TimeUnit::Microsecond, Some("UTC".into())),
                    self.indices.len(),
                ),
            },
            Kafka::TimestampType => {
                let name = |id: i8| match id {
                    id if id == TimestampType::CreateTime as i8 => Some("CreateTime"),
                    id if id == TimestampType::LogAppendTime as i8 => Some("LogAppendTime"),
                    _ => None,
                };
                let ids = extras.timestamp_types.as_ref();
                let names = self.indices.iter().map(|row| ids.and_then(|ids| name(ids[*row])));
                Arc::new(names.collect::<StringArray>())
            }
            Kafka::Key => self.key(report),
            Kafka::Headers => self.headers(report),
        }
    }

    fn key(&self, report: &mut Report<'_>) -> ArrayRef {
        let structured = || {
            let why =
                "the key is neither bytes nor a string: set delta.key.mode=columns to have it in columns";
            (Code::RecordType, why.to_owned())
        };
        match &self.segment.key {
            Payload::Absent => new_null_array(&ArrowType::Binary, self.indices.len()),
            Payload::Raw(keys) => pick_rows(keys, self.indices),
            Payload::Any(keys) => {
                let mut builder = BinaryBuilder::new();
                for (row, index) in self.indices.iter().enumerate() {
                    let key = match keys.is_valid(*index) {
                        true => text_or_bytes(keys.value(*index)).and_then(|key| key.ok_or_else(structured)),
                        false => Ok(None),
                    };
                    builder.append_option(key.unwrap_or_else(|problem| {
                        report.add(row, problem);
                        None
                    }));
                }
                Arc::new(builder.finish())
            }
            Payload::Typed { schema, array } => match schema.kind {
                Kind::String => {
                    let keys = BinaryArray::from(array.as_string::<i32>().clone());
                    pick_rows(&keys, self.indices)
                }
                Kind::Bytes if schema.name.is_none() => pick_rows(array, self.indices),
                _ => {
                    for (row, index) in self.indices.iter().enumerate() {
                        if array.is_valid(*index) {
                            report.add(row, structured());
                        }
                    }
                    new_null_array(&ArrowType::Binary, self.indices.len())
                }
            },
        }
    }

    fn header_bytes(&self, row: usize) -> &[u8] {
        match &self.segment.extras.headers {
            Some(headers) if headers.is_valid(row) => headers.value(row),
            _ => &[],
        }
    }

    fn headers(&self, report: &mut Report<'_>) -> ArrayRef {
        let (mut names, mut values) = (StringBuilder::new(), BinaryBuilder::new());
        let mut lengths = Vec::with_capacity(self.indices.len());
        for (row, index) in self.indices.iter().enumerate() {
            let before = names.len();
            let mut append = || -> Result<(), Problem> {
                for header in Headers::new(self.header_bytes(*index))? {
                    let (name, value) = header?;
                    let value =
                        value.bytes().map_err(|(code, why)| (code, format!("header {name} is {why}")))?;
                    names.append_value(name);
                    values.append_option(value);
                }
                Ok(())
            };
            if let Err(problem) = append() {
                report.add(row, problem);
            }
            lengths.push(names.len() - before);
        }
        let fields = Fields::from(vec![
            ArrowField::new("key", ArrowType::Utf8, false),
            ArrowField::new("value", ArrowType::Binary, true),
        ]);
        let element = Arc::new(ArrowField::new("element", ArrowType::Struct(fields.clone()), false));
        let headers =
            StructArray::new(fields, vec![Arc::new(names.finish()), Arc::new(values.finish())], None);
        Arc::new(ListArray::new(element, OffsetBuffer::from_lengths(lengths), Arc::new(headers), None))
    }

    /// The last header of the name, as text.
    pub fn header(&self, wanted: &str, report: &mut Report<'_>) -> ArrayRef {
        let mut texts = StringBuilder::new();
        for (row, index) in self.indices.iter().enumerate() {
            let last = || -> Result<_, Problem> {
                let mut last = None;
                for header in Headers::new(self.header_bytes(*index))? {
                    let (name, value) = header?;
                    if name == wanted {
                        last = Some(value);
                    }
                }
                let Some(value) = last else { return Ok(None) };
                let bytes = value.bytes().map_err(|(code, why)| (code, format!("it is {why}")))?;
                let text = bytes.map(|bytes| String::from_utf8(bytes.into_owned())).transpose();
                text.map_err(|_| (Code::RecordType, "it is not UTF-8".into()))
            };
            texts.append_option(last().unwrap_or_else(|problem| {
                report.add(row, problem);
                None
            }));
        }
        Arc::new(texts.finish())
    }
}

/// The rows of a batch that are not bad.
pub fn good_rows(batch: Vec<ArrayRef>, rows: usize, bad: &BadRows) -> Vec<ArrayRef> {
    if bad.is_empty() {
        return batch;
    }
    let good: Vec<_> = (0..rows).filter(|row| !bad.contains(*row)).collect();
    batch.iter().map(|column| pick_rows(column, &good)).collect()
}
