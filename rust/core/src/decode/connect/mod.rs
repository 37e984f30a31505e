//! Values with a Connect schema into a table's columns, column by column. What each column type takes is in
//! `docs/types.md`.

mod nested;
mod source;

#[cfg(test)]
mod document;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StructArray, UInt32Array, new_null_array};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType as ArrowType;
use arrow_select::take::take;

use super::any::Reader;
use super::column::{Column, Format};
use super::object::unknown_field;
use super::value::null_refused;
use super::{MAX_DEPTH, RowError, UnknownFieldCounts, UnknownFields, excerpt};
use crate::connect::{ConnectSchema, Kind};
use crate::schema::{DataType, Field, child_path};
use crate::{Code, Error, Result};
use nested::{loose_list, loose_struct, place, referenced, relabel};
pub(super) use source::Source;

/// What the rows of an array became.
#[derive(Debug)]
pub struct Converted {
    /// One for each of the table's fields, of its Arrow type, with a value for each row. A bad row is null in all.
    pub columns: Vec<ArrayRef>,
    /// Rows that cannot be written, ascending, each with its first error by the order of the table's fields.
    pub bad: Vec<(usize, RowError)>,
    pub unknown: UnknownFieldCounts,
}

/// How the values of one schema become columns of one table: made once, used for every batch.
pub struct Plan {
    root: Members,
    arrow: Vec<ArrowType>,
    unknown_fields: UnknownFields,
    unknown: UnknownFieldCounts,
}

/// The first error of each element, by its position.
type Errors = BTreeMap<usize, Box<RowError>>;

struct Members {
    members: Vec<Member>,
    /// Fields of the schema that no member takes: position, name, and path for counts.
    unknown: Vec<(usize, Box<str>, String)>,
}

struct Member {
    name: Box<str>,
    from: From,
    value: Conversion,
}

enum From {
    /// The schema's field at this position.
    Field(usize),
    Missing,
    /// Several fields of the schema have the member's name.
    Ambiguous(String),
}

struct Conversion {
    nullable: bool,
    arrow: ArrowType,
    rule: Rule,
}

enum Rule {
    Same,
    Each(Source, Box<Column>),
    /// Values without a schema.
    Any(Box<Column>),
    Struct(Members),
    List(Box<Conversion>),
    Map(Box<Conversion>, Box<Conversion>),
    /// What the schema says never fits.
    Misfit(RowError),
}

impl Plan {
    /// `schema` is a STRUCT.
    pub fn new(schema: &ConnectSchema, fields: &[Field], unknown_fields: UnknownFields) -> Result<Self> {
        let Kind::Struct(given) = &schema.kind else {
            return Err(Error::new(
                Code::RecordNotStruct,
                "only a struct has fields for the table's columns",
            ));
        };
        Ok(Plan {
            root: Members::new(given, fields, "", 1)?,
            arrow: fields.iter().map(|field| field.data_type.arrow()).collect(),
            unknown_fields,
            unknown: UnknownFieldCounts::default(),
        })
    }

    /// `array` has the type that the plan's schema gives. A row that is null there is null in all columns.
    pub fn convert(&mut self, array: &StructArray) -> Converted {
        let mut errors = Errors::new();
        let mut context = Context { unknown_fields: self.unknown_fields, unknown: &mut self.unknown };
        let mut columns = self.root.convert(array, &mut context, &mut errors);
        self.root.take_unknown(&mut self.unknown);
        if !errors.is_empty() {
            let good = (0..array.len()).map(|row| (!errors.contains_key(&row)).then_some(row as u32));
            let good: UInt32Array = good.collect();
            for column in &mut columns {
                *column = take(column, &good, None).expect("every position is in the column");
            }
        }
        let columns = columns.iter().zip(&self.arrow).map(|(column, arrow)| relabel(column, arrow)).collect();
        let bad = errors.into_iter().map(|(row, error)| (row, *error)).collect();
        Converted { columns, bad, unknown: std::mem::take(&mut self.unknown) }
    }
}

struct Context<'a> {
    unknown_fields: UnknownFields,
    unknown: &'a mut UnknownFieldCounts,
}

impl Members {
    fn new(given: &[(Box<str>, ConnectSchema)], fields: &[Field], path: &str, depth: usize) -> Result<Self> {
        let mut taken = vec![false; given.len()];
        let mut members = Vec::with_capacity(fields.len());
        for field in fields {
            let lower = field.name.to_lowercase();
            let matching: Vec<usize> =
                (0..given.len()).filter(|&i| given[i].0.to_lowercase() == lower).collect();
            matching.iter().for_each(|&i| taken[i] = true);
            let from = match matching[..] {
                [] => From::Missing,
                [only] => From::Field(only),
                _ => From::Ambiguous(matching.iter().map(|&i| &*given[i].0).collect::<Vec<_>>().join(", ")),
            };
            let path = child_path(path, &field.name);
            let value = match from {
                From::Field(i) => {
                    Conversion::new(&given[i].1, &field.data_type, field.nullable, &path, depth)?
                }
                _ => {
                    Conversion { nullable: field.nullable, arrow: field.data_type.arrow(), rule: Rule::Same }
                }
            };
            members.push(Member { name: field.name.as_str().into(), from, value });
        }
        let unknown = given.iter().enumerate().filter(|(i, _)| !taken[*i]);
        let unknown =
            unknown.map(|(i, (name, _))| (i, name.clone(), child_path(path, &excerpt(name.as_bytes()))));
        Ok(Members { members, unknown: unknown.collect() })
    }

    /// Errors are by row of `array`.
    fn convert(
        &mut self,
        array: &StructArray,
        context: &mut Context<'_>,
        errors: &mut Errors,
    ) -> Vec<ArrayRef> {
        let columns = self.members.iter_mut().map(|member| member.convert(array, context, errors)).collect();
        for (position, name, path) in &self.unknown {
            let column = array.column(*position);
            let given = column.len() - column.null_count();
            if given == 0 {
                continue;
            }
            context.unknown.count(path, given as u64);
            if context.unknown_fields == UnknownFields::Fail {
                for row in (0..column.len()).filter(|row| column.is_valid(*row)) {
                    errors.entry(row).or_insert_with(|| unknown_field(name));
                }
            }
        }
        columns
    }

    fn take_unknown(&mut self, counts: &mut UnknownFieldCounts) {
        self.members.iter_mut().for_each(|member| member.value.take_unknown(counts));
    }
}

impl Member {
    fn convert(&mut self, parent: &StructArray, context: &mut Context<'_>, errors: &mut Errors) -> ArrayRef {
        let mut own = Errors::new();
        let refuse_all = |own: &mut Errors, code: Code, message: &str| {
            for row in (0..parent.len()).filter(|row| parent.is_valid(*row)) {
                own.insert(row, RowError::boxed(code, message.into()));
            }
        };
        let column = match &self.from {
            From::Field(position) => {
                self.value.convert(parent.column(*position), parent.nulls(), context, &mut own)
            }
            From::Missing => {
                if !self.value.nullable {
                    let message = "column is not nullable, record does not have the field";
                    refuse_all(&mut own, Code::RecordNull, message);
                }
                new_null_array(&self.value.arrow, parent.len())
            }
            From::Ambiguous(names) => {
                let message = format!("the record's fields {names} differ only by case: they are one column");
                refuse_all(&mut own, Code::RecordDuplicateField, &message);
                new_null_array(&self.value.arrow, parent.len())
            }
        };
        for (row, error) in own {
            errors.entry(row).or_insert_with(|| error.in_field(&self.name));
        }
        column
    }
}

impl Conversion {
    fn new(
        schema: &ConnectSchema,
        target: &DataType,
        nullable: bool,
        path: &str,
        depth: usize,
    ) -> Result<Self> {
        if depth > MAX_DEPTH {
            let message = format!("column {path}: deeper than {MAX_DEPTH} levels");
            return Err(Error::new(Code::SchemaInvalid, message));
        }
        let column = || Ok::<_, Error>(Box::new(Column::new(target, true, path, depth, Format::Connect)?));
        let inner = |schema: &ConnectSchema, target: &DataType, nullable| {
            let inner = Conversion::new(schema, target, nullable, &format!("{path}[]"), depth + 1)?;
            Ok::<_, Error>(Box::new(inner))
        };
        let rule = match (&schema.kind, target, Source::of(schema)) {
            (Kind::Struct(given), DataType::Struct(fields), _) => {
                Rule::Struct(Members::new(given, fields, path, depth + 1)?)
            }
            (_, _, Some(source)) if source.is_same(schema, target) => Rule::Same,
            (_, _, Some(source)) => Rule::Each(source, column()?),
            (Kind::Any, ..) => Rule::Any(column()?),
            (Kind::Array(element), DataType::Array { element: target, contains_null }, _) => {
                Rule::List(inner(element, target, *contains_null)?)
            }
            (
                Kind::Map(key, value),
                DataType::Map { key: to_key, value: to_value, value_contains_null },
                _,
            ) => Rule::Map(inner(key, to_key, false)?, inner(value, to_value, *value_contains_null)?),
            (kind, ..) => {
                let found = match kind {
                    Kind::Struct(_) => "a struct",
                    Kind::Map(..) => "a map",
                    _ => "an array",
                };
                Rule::Misfit(*column()?.misfit(Code::RecordType, found))
            }
        };
        Ok(Conversion { nullable, arrow: target.arrow(), rule })
    }

    /// Errors are by position in `array`. The column may have nulls where the table's may not: in those positions.
    fn convert(
        &mut self,
        array: &ArrayRef,
        parent: Option<&NullBuffer>,
        context: &mut Context<'_>,
        errors: &mut Errors,
    ) -> ArrayRef {
        if !self.nullable && array.null_count() > 0 {
            let parent_is_null = |row| parent.is_some_and(|parent| parent.is_null(row));
            for row in (0..array.len()).filter(|row| array.is_null(*row) && !parent_is_null(*row)) {
                errors.insert(row, null_refused());
            }
        }
        match &mut self.rule {
            Rule::Same => array.clone(),
            Rule::Each(source, column) => {
                source.fill(array, column, errors);
                column.finish()
            }
            Rule::Any(column) => {
                fill_any(array, column, context.unknown_fields, errors);
                column.finish()
            }
            Rule::Struct(members) => {
                let array = array.as_struct();
                let columns = members.convert(array, context, errors);
                let names = members.members.iter().map(|member| member.name.clone());
                loose_struct(names, columns, array.len(), array.nulls().cloned())
            }
            Rule::List(element) => {
                let list = array.as_list::<i32>();
                let (offsets, elements) = referenced(list.offsets(), list.values());
                let mut inner = Errors::new();
                let elements = element.convert(&elements, None, context, &mut inner);
                for (element, error) in inner {
                    let (row, index) = place(&offsets, element);
                    errors.entry(row).or_insert_with(|| error.in_element(index));
                }
                loose_list(offsets, elements, list.nulls().cloned())
            }
            Rule::Map(key, value) => {
                let map = array.as_map();
                let (offsets, keys) = referenced(map.offsets(), map.keys());
                let (_, values) = referenced(map.offsets(), map.values());
                let mut inner = Errors::new();
                let names = keys.clone();
                let keys = key.convert(&keys, None, context, &mut inner);
                let mut of_values = Errors::new();
                let values = value.convert(&values, None, context, &mut of_values);
                for (entry, error) in of_values {
                    inner.entry(entry).or_insert(error);
                }
                for (entry, error) in inner {
                    let (row, _) = place(&offsets, entry);
                    errors.entry(row).or_insert_with(|| error.in_field(&key_name(&names, entry)));
                }
                let names = ["key", "value"].map(Box::from).into_iter();
                let entries =
                    loose_struct(names, vec![keys, values], offsets[offsets.len() - 1] as usize, None);
                loose_list(offsets, entries, map.nulls().cloned())
            }
            Rule::Misfit(error) => {
                for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
                    errors.insert(row, Box::new(error.clone()));
                }
                new_null_array(&self.arrow, array.len())
            }
        }
    }

    fn take_unknown(&mut self, counts: &mut UnknownFieldCounts) {
        match &mut self.rule {
            Rule::Any(column) => column.take_unknown(counts),
            Rule::Struct(members) => members.take_unknown(counts),
            Rule::List(element) => element.take_unknown(counts),
            Rule::Map(key, value) => [key, value].into_iter().for_each(|part| part.take_unknown(counts)),
            Rule::Same | Rule::Each(..) | Rule::Misfit(_) => {}
        }
    }
}

/// Puts every value without a schema into `column`, which is empty; what does not fit becomes null.
fn fill_any(array: &ArrayRef, column: &mut Column, unknown_fields: UnknownFields, errors: &mut Errors) {
    let values = array.as_binary::<i32>();
    for row in 0..values.len() {
        if values.is_null(row) {
            column.append_null();
            continue;
        }
        let read = Reader::new(values.value(row), unknown_fields).and_then(|mut reader| {
            column.read_any(&mut reader)?;
            reader.end()
        });
        if let Err(error) = read {
            errors.insert(row, error);
            column.truncate(row);
            column.append_null();
        }
    }
}

fn key_name(keys: &ArrayRef, entry: usize) -> String {
    use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type};
    match keys.data_type() {
        ArrowType::Utf8 => excerpt(keys.as_string::<i32>().value(entry).as_bytes()),
        ArrowType::Int8 => keys.as_primitive::<Int8Type>().value(entry).to_string(),
        ArrowType::Int16 => keys.as_primitive::<Int16Type>().value(entry).to_string(),
        ArrowType::Int32 => keys.as_primitive::<Int32Type>().value(entry).to_string(),
        ArrowType::Int64 => keys.as_primitive::<Int64Type>().value(entry).to_string(),
        _ => "{key}".into(),
    }
}

pub(super) fn no_scale() -> Box<RowError> {
    let message = "the Decimal's schema has no parameter scale that is a number: mend the producer";
    RowError::boxed(Code::RecordType, message.into())
}
