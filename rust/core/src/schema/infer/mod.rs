//! A schema from records that carry none. The rules are in `docs/evolution.md`.

mod any;
mod json;
mod seen;

#[cfg(test)]
mod tests;

use seen::{Integers, MAX_PRECISION, Members, Seen};

use super::{DataType, Field, Schema, child_path};
use crate::settings::JsonStrings;
use crate::{Code, Error, Result};

/// Records that are looked at.
pub const MAX_SAMPLE: usize = 10_000;
/// Fields at every depth that the table does not have.
pub const MAX_FIELDS: usize = 2_000;
/// Integers up to this are exact in a float.
const EXACT_IN_FLOAT: i64 = 1 << 24;

/// Collects what records hold. Records that cannot be decoded tell nothing.
pub struct Inference<'a> {
    strings: JsonStrings,
    table: Option<&'a Schema>,
    seen: Seen,
    /// Fields that `seen` had before the first record.
    known_fields: usize,
    records: usize,
}

impl<'a> Inference<'a> {
    /// With a table, what it has stays in the schema and is changed only where values do not fit.
    pub fn new(strings: JsonStrings, table: Option<&'a Schema>) -> Self {
        let fields = table.map_or(&[][..], |table| &table.fields);
        let seen = Seen::for_column(&DataType::Struct(fields.to_vec()));
        Inference { strings, table, known_fields: seen.fields(), seen, records: 0 }
    }

    pub fn add_json(&mut self, record: &[u8]) {
        self.add(|| json::seen(record));
    }

    /// `record`: a value without a Connect schema, as tagged bytes.
    pub fn add_any(&mut self, record: &[u8]) {
        self.add(|| any::seen(record));
    }

    fn add(&mut self, seen: impl FnOnce() -> Option<Seen>) {
        if self.records == MAX_SAMPLE || self.has_too_many_fields() {
            return;
        }
        if let Some(record @ Seen::Struct(_)) = seen() {
            self.records += 1;
            self.seen.add(record);
        }
    }

    fn has_too_many_fields(&self) -> bool {
        self.seen.fields() > self.known_fields + MAX_FIELDS
    }

    /// None: no field has a type yet. With a table the schema has all of its columns, and can be merged into it.
    pub fn finish(&self) -> Result<Option<Schema>> {
        let refused = |message: String| Err(Error::new(Code::SchemaUnclear, message));
        if self.has_too_many_fields() {
            return refused(format!(
                "the records have more than {MAX_FIELDS} different fields. Give the table's schema (delta.schema.json or \
                 delta.schema.file), with a map for objects whose keys are data"
            ));
        }
        let Seen::Struct(members) = &self.seen else { return Ok(None) };
        let mut types = Types { strings: self.strings, unclear: Vec::new() };
        let fields = types.fields("", members, self.table.map_or(&[], |table| &table.fields));
        if types.unclear.is_empty() {
            return Ok((!fields.is_empty()).then_some(Schema { fields }));
        }
        refused(format!(
            "{}. Mend the producer, give the table's schema (delta.schema.json or delta.schema.file), or keep such \
             fields as text (delta.raw.json.strings=lenient)",
            types.unclear.join("; ")
        ))
    }
}

struct Types {
    strings: JsonStrings,
    unclear: Vec<String>,
}

impl Types {
    /// The columns of the table, then new ones.
    fn fields(&mut self, parent: &str, members: &Members, table: &[Field]) -> Vec<Field> {
        let mut fields = table.to_vec();
        for field in &mut fields {
            if let Some(seen) = members.get(&field.name) {
                field.data_type = self.for_column(&child_path(parent, &field.name), seen, &field.data_type);
            }
        }
        // The table's columns are the first members.
        for (name, seen) in members.iter().skip(table.len()) {
            if let Some(data_type) = self.new_type(&child_path(parent, name), seen) {
                fields.push(Field {
                    name: name.clone(),
                    data_type,
                    nullable: true,
                    metadata: Default::default(),
                });
            }
        }
        fields
    }

    /// The type of a column that the table has, such that it holds what was seen; other kinds of values are refused one by one.
    fn for_column(&mut self, path: &str, seen: &Seen, column: &DataType) -> DataType {
        match (seen, column) {
            (Seen::Struct(members), DataType::Struct(fields)) => {
                DataType::Struct(self.fields(path, members, fields))
            }
            (Seen::Array(elements), DataType::Array { element, contains_null }) => DataType::Array {
                element: Box::new(self.for_column(&format!("{path}[]"), elements, element)),
                contains_null: *contains_null,
            },
            (Seen::Map(keys, values), DataType::Map { key, value, value_contains_null }) => DataType::Map {
                key: Box::new(self.for_column(&child_path(path, "key"), keys, key)),
                value: Box::new(self.for_column(&child_path(path, "value"), values, value)),
                value_contains_null: *value_contains_null,
            },
            (Seen::Integer(integers), column) if !holds_integers(column, integers) => integers.smallest(),
            (Seen::Decimal { digits, scale }, column) if !holds_decimals(column, *digits, *scale) => {
                decimal((digits + scale).max(1), *scale)
            }
            (Seen::Double, DataType::Float) => DataType::Double,
            (
                Seen::Number | Seen::Float | Seen::Double,
                DataType::Byte | DataType::Short | DataType::Integer,
            ) => DataType::Double,
            (_, column) => column.clone(),
        }
    }

    fn new_type(&mut self, path: &str, seen: &Seen) -> Option<DataType> {
        Some(match seen {
            Seen::Nothing | Seen::Settled => return None,
            Seen::Boolean => DataType::Boolean,
            Seen::Integer(integers) => integers.declared.clone(),
            Seen::Float => DataType::Float,
            Seen::Number | Seen::Double => DataType::Double,
            Seen::Decimal { scale, .. } => decimal(MAX_PRECISION, *scale),
            Seen::String => DataType::String,
            Seen::Binary => DataType::Binary,
            Seen::Date => DataType::Date,
            Seen::Timestamp => DataType::Timestamp,
            Seen::Array(elements) => DataType::Array {
                element: Box::new(self.new_type(&format!("{path}[]"), elements)?),
                contains_null: true,
            },
            Seen::Map(keys, values) => {
                let key = self.new_type(&child_path(path, "key"), keys);
                let value = self.new_type(&child_path(path, "value"), values);
                DataType::Map { key: Box::new(key?), value: Box::new(value?), value_contains_null: true }
            }
            Seen::Struct(members) => {
                let fields = self.fields(path, members, &[]);
                return (!fields.is_empty()).then_some(DataType::Struct(fields));
            }
            Seen::Unclear(..) if self.strings == JsonStrings::Lenient => DataType::String,
            Seen::Unclear(one, other) => {
                self.unclear
                    .push(format!("field {path} has values without a type in common: {one} and {other}"));
                return None;
            }
        })
    }
}

/// Whether no other type is needed for them, or none helps.
fn holds_integers(column: &DataType, integers: &Integers) -> bool {
    match column {
        DataType::Byte | DataType::Short | DataType::Integer => !column.widens_to(&integers.smallest()),
        DataType::Decimal { precision, scale } => integers.digits() <= u32::from(precision - scale),
        DataType::Float => -EXACT_IN_FLOAT <= integers.least && integers.greatest <= EXACT_IN_FLOAT,
        _ => true,
    }
}

fn holds_decimals(column: &DataType, digits: u32, scale: u32) -> bool {
    match column {
        DataType::Byte | DataType::Short | DataType::Integer | DataType::Long => false,
        DataType::Decimal { precision, scale: column_scale } => {
            scale <= u32::from(*column_scale) && digits <= u32::from(precision - column_scale)
        }
        _ => true,
    }
}

fn decimal(precision: u32, scale: u32) -> DataType {
    // `Seen::decimal` lets no more than 38 digits pass.
    DataType::Decimal { precision: precision as u8, scale: scale as u8 }
}
