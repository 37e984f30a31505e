//! Record keys into the table's key columns.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, StructArray, UInt32Array};
use arrow_select::take::take;

use super::rows::plan_for;
use crate::computed::{self, Keys};
use crate::connect::{ConnectSchema, Kind, Payload};
use crate::decode::any::{AnyDecoder, is_map, named};
use crate::decode::{RowError, UnknownFields, connect};
use crate::error::{Code, Error, Result};
use crate::schema::{DataType, Field, Inference, from_connect};
use crate::settings::JsonStrings;

/// The name under which a key that is a single value is converted.
const WHOLE: &str = "key";

/// Bad rows, by row of the segment.
type Bad = Vec<(usize, RowError)>;

pub struct KeyDecoder {
    /// For a key that is a struct or a map.
    fields: Vec<Field>,
    /// For any other.
    whole: Option<Field>,
    typed: Vec<(Arc<ConnectSchema>, connect::Plan)>,
}

/// The type that columns for such keys have. A key without a schema is looked at in the first row that has one.
pub fn key_type(key: &Payload) -> Result<Option<DataType>> {
    let only = |fields: Vec<Field>| fields.into_iter().next().map(|field| field.data_type);
    match key {
        Payload::Absent => Ok(None),
        Payload::Raw(_) => Ok(Some(DataType::Binary)),
        Payload::Typed { schema, .. } => match &schema.kind {
            Kind::Struct(_) => Ok(Some(DataType::Struct(from_connect(schema)?))),
            _ => Ok(only(from_connect(&in_struct(schema))?)),
        },
        Payload::Any(keys) => {
            let Some(first) = keys.iter().flatten().next() else { return Ok(None) };
            let mut inference = Inference::new(JsonStrings::Strict, None);
            if is_map(first) {
                inference.add_any(first);
                return Ok(inference.finish()?.map(|schema| DataType::Struct(schema.fields)));
            }
            inference.add_any(&named(WHOLE, first));
            Ok(inference.finish()?.and_then(|schema| only(schema.fields)))
        }
    }
}

fn in_struct(schema: &ConnectSchema) -> ConnectSchema {
    ConnectSchema::new(Kind::Struct(vec![(WHOLE.into(), schema.clone())]), false)
}

impl KeyDecoder {
    pub fn new(plan: &computed::Plan) -> Self {
        let whole = plan.key_column().map(|column| Field { name: WHOLE.into(), ..column.clone() });
        KeyDecoder { fields: plan.key_fields().to_vec(), whole, typed: Vec::new() }
    }

    /// The keys of `rows`, which ascend, and which of them cannot be converted, ascending too.
    pub fn decode(&mut self, key: &Payload, rows: &[usize]) -> Result<(Keys, Bad)> {
        if self.fields.is_empty() && self.whole.is_none() {
            return Ok((Keys::None, vec![]));
        }
        let (mut columns, is_whole, bad) = match key {
            Payload::Absent => return Ok((Keys::None, vec![])),
            Payload::Raw(keys) => return Ok(self.raw(keys, rows)),
            Payload::Typed { schema, array } => self.typed(schema, array)?,
            Payload::Any(keys) => self.any(keys)?,
        };
        let bad = bad.into_iter().filter(|(row, _)| rows.binary_search(row).is_ok()).collect();
        let keys = match is_whole {
            true => columns.pop().map_or(Keys::None, Keys::Whole),
            false if columns.is_empty() => Keys::None,
            false => Keys::Fields(columns),
        };
        let at: Vec<_> = rows.iter().map(|row| *row as u32).collect();
        Ok((pick(keys, &at), bad))
    }

    /// Bytes as they are, or as the string that they are.
    fn raw(&self, keys: &BinaryArray, rows: &[usize]) -> (Keys, Bad) {
        let refuse = |row: &usize, message: &str| {
            let error = RowError { code: Code::RecordType, path: "(key)".into(), message: message.into() };
            (*row, error)
        };
        let at = UInt32Array::from_iter_values(rows.iter().map(|row| *row as u32));
        let picked = take(keys, &at, None).expect("every row is in the column");
        match self.whole.as_ref().map(|field| &field.data_type) {
            Some(DataType::Binary) => (Keys::Whole(picked), vec![]),
            Some(DataType::String) => {
                let valid = |row: usize| keys.is_null(row) || std::str::from_utf8(keys.value(row)).is_ok();
                let bad: Bad = rows
                    .iter()
                    .filter(|row| !valid(**row))
                    .map(|row| refuse(row, "the key is not UTF-8, and its column is a string"))
                    .collect();
                let text = |row: &usize| {
                    keys.is_valid(*row).then(|| String::from_utf8_lossy(keys.value(*row)).into_owned())
                };
                let texts: arrow_array::StringArray = rows.iter().map(text).collect();
                (Keys::Whole(Arc::new(texts)), bad)
            }
            _ => {
                let message = "the key is bytes, and the table has no binary or string column for it: set key.converter";
                let bad = rows.iter().filter(|row| keys.is_valid(**row)).map(|row| refuse(row, message));
                (Keys::None, bad.collect())
            }
        }
    }

    fn typed(&mut self, schema: &Arc<ConnectSchema>, array: &ArrayRef) -> Result<(Vec<ArrayRef>, bool, Bad)> {
        let whole = !matches!(schema.kind, Kind::Struct(_));
        let fields = if whole { self.whole.as_slice() } else { &self.fields };
        let plan = plan_for(&mut self.typed, schema, || match whole {
            true => connect::Plan::new(&in_struct(schema), fields, UnknownFields::Ignore),
            false => connect::Plan::new(schema, fields, UnknownFields::Ignore),
        })?;
        let wrapped;
        let rows = match array.as_struct_opt().filter(|_| !whole) {
            Some(rows) => rows,
            None => {
                let arrow_schema::DataType::Struct(arrow) = in_struct(schema).arrow() else {
                    return Err(Error::new(Code::NativePanic, "a struct is a struct"));
                };
                wrapped = StructArray::new(arrow, vec![array.clone()], None);
                &wrapped
            }
        };
        let converted = plan.convert(rows);
        Ok((converted.columns, whole, in_keys(converted.bad)))
    }

    fn any(&self, keys: &BinaryArray) -> Result<(Vec<ArrayRef>, bool, Bad)> {
        let whole = keys.iter().flatten().next().is_some_and(|first| !is_map(first));
        let fields = if whole { self.whole.as_slice() } else { &self.fields };
        if fields.is_empty() {
            return Ok((vec![], whole, vec![]));
        }
        let mut nullable = fields.to_vec();
        nullable.iter_mut().for_each(|field| field.nullable = true);
        let schema = crate::schema::Schema { fields: nullable };
        let mut decoder = AnyDecoder::new(&schema, UnknownFields::Ignore)?;
        let mut bad = Bad::new();
        let nothing = crate::decode::any::EMPTY_MAP;
        for row in 0..keys.len() {
            let key = match keys.is_valid(row) {
                false => nothing.to_vec(),
                true if whole => named(WHOLE, keys.value(row)),
                true => keys.value(row).to_vec(),
            };
            if let Err(error) = decoder.push(&key) {
                bad.push((row, error));
                decoder.push(nothing).map_err(|e| Error::new(Code::NativePanic, e.to_string()))?;
            }
        }
        Ok((decoder.finish().columns().to_vec(), whole, in_keys(bad)))
    }
}

/// The keys at these positions.
pub fn pick(keys: Keys, at: &[u32]) -> Keys {
    let at = UInt32Array::from(at.to_vec());
    let pick = |column: &ArrayRef| take(column, &at, None).expect("every position is in the column");
    match keys {
        Keys::None => Keys::None,
        Keys::Fields(columns) => Keys::Fields(columns.iter().map(pick).collect()),
        Keys::Whole(column) => Keys::Whole(pick(&column)),
    }
}

fn in_keys(mut bad: Bad) -> Bad {
    for (_, error) in &mut bad {
        error.path = if error.path.is_empty() { "(key)".into() } else { format!("(key).{}", error.path) };
    }
    bad
}
