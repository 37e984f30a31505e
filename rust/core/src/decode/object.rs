//! The columns of a record: those of the table, or of a struct column.

use std::cmp::Ordering;
use std::collections::HashMap;

use arrow_array::ArrayRef;

use super::column::{Column, Format};
use super::{MAX_DEPTH, MAX_UNKNOWN_NAMES, Parse, RowError, UnknownFieldCounts, UnknownFields, excerpt};
use crate::schema::{Field, child_path};
use crate::{Code, Error, Result};

pub(super) struct Object {
    /// Without array positions, such as `items[]`.
    path: String,
    pub members: Vec<Member>,
    by_name: HashMap<Box<[u8]>, usize>,
    by_lower_name: HashMap<Box<str>, usize>,
    /// Which member came after each one in the last object that had it; at the end, which came first.
    pub next: Vec<usize>,
    unknown: HashMap<Box<[u8]>, u64>,
    /// Unknown fields beyond the names kept.
    unknown_unnamed: u64,
    /// Bytes that every row takes at least.
    pub width: usize,
}

pub(super) struct Member {
    pub name: Box<str>,
    /// `"name":` as most producers of JSON write it; a NUL, which no record has there, where the name needs escapes.
    pub written: Box<[u8]>,
    pub column: Column,
}

impl Member {
    /// Appends the null of a field that the record does not have.
    pub fn fill_missing(&mut self) -> Parse {
        if !self.column.nullable() {
            let error = RowError::boxed(
                Code::RecordNull,
                "column is not nullable, record does not have the field".into(),
            );
            return Err(error.in_field(&self.name));
        }
        self.column.append_null();
        Ok(())
    }
}

impl Object {
    pub fn new(fields: &[Field], path: &str, depth: usize, format: Format) -> Result<Self> {
        if depth > MAX_DEPTH {
            let message = format!("column {path}: deeper than {MAX_DEPTH} levels, which no record can fill");
            return Err(Error::new(Code::SchemaInvalid, message));
        }
        let member = |field: &Field| {
            let path = child_path(path, &field.name);
            Ok(Member {
                name: field.name.as_str().into(),
                written: written(&field.name),
                column: Column::new(&field.data_type, field.nullable, &path, depth, format)?,
            })
        };
        let members = fields.iter().map(member).collect::<Result<Vec<_>>>()?;
        let names = || fields.iter().enumerate();
        Ok(Object {
            path: path.to_owned(),
            width: members.iter().map(|member| member.column.width).sum(),
            members,
            by_name: names().map(|(i, field)| (field.name.as_bytes().into(), i)).collect(),
            by_lower_name: names().map(|(i, field)| (field.name.to_lowercase().into(), i)).collect(),
            next: (1..=fields.len()).map(|i| i % fields.len().max(1)).chain([0]).collect(),
            unknown: HashMap::new(),
            unknown_unnamed: 0,
        })
    }

    /// Without regard to case, where the name as it is has no member. A name that was noted as unknown before is not
    /// looked up again.
    pub fn find_in_any_case(&self, name: &[u8]) -> Option<usize> {
        self.by_name.get(name).copied().or_else(|| {
            if self.unknown.contains_key(name) {
                return None;
            }
            self.by_lower_name.get(str::from_utf8(name).ok()?.to_lowercase().as_str()).copied()
        })
    }

    /// Of a field that has no column.
    pub fn take_note(&mut self, name: &[u8], unknown_fields: UnknownFields) -> Parse {
        count_name(&mut self.unknown, &mut self.unknown_unnamed, name);
        match unknown_fields {
            UnknownFields::Ignore => Ok(()),
            UnknownFields::Fail => Err(unknown_field(&excerpt(name))),
        }
    }

    pub fn compare(&self, a: usize, b: usize) -> Ordering {
        let columns = self.members.iter().map(|member| &member.column);
        columns.fold(Ordering::Equal, |order, column| order.then_with(|| column.compare(a, b)))
    }

    pub fn fill_missing(&mut self, rows: usize) -> Parse {
        let mut missing = self.members.iter_mut().filter(|member| member.column.rows() == rows);
        missing.try_for_each(Member::fill_missing)
    }

    /// A null in every column, for an object that is null itself.
    pub fn append_null(&mut self) {
        for member in &mut self.members {
            member.column.append_null();
        }
    }

    pub fn truncate(&mut self, rows: usize) {
        for member in &mut self.members {
            member.column.truncate(rows);
        }
    }

    pub fn bytes(&self) -> usize {
        self.members.iter().map(|member| member.column.bytes()).sum()
    }

    pub fn finish(&mut self) -> Vec<ArrayRef> {
        self.members.iter_mut().map(|member| member.column.finish()).collect()
    }

    pub fn take_unknown(&mut self, counts: &mut UnknownFieldCounts) {
        counts.total += std::mem::take(&mut self.unknown_unnamed);
        for (name, count) in self.unknown.drain() {
            counts.count(&child_path(&self.path, &String::from_utf8_lossy(&name)), count);
        }
        for member in &mut self.members {
            member.column.take_unknown(counts);
        }
    }
}

pub(super) fn given_twice(name: &str) -> Box<RowError> {
    RowError::boxed(Code::RecordDuplicateField, "the field is given twice".into()).in_field(name)
}

pub(super) fn unknown_field(name: &str) -> Box<RowError> {
    RowError::boxed(Code::RecordUnknownField, "the table has no such column".into()).in_field(name)
}

/// Long names count under their excerpt.
fn count_name(counts: &mut HashMap<Box<[u8]>, u64>, unnamed: &mut u64, name: &[u8]) {
    if let Some(count) = counts.get_mut(name) {
        *count += 1;
        return;
    }
    let short = excerpt(name);
    if let Some(count) = counts.get_mut(short.as_bytes()) {
        *count += 1;
    } else if counts.len() < MAX_UNKNOWN_NAMES {
        counts.insert(short.as_bytes().into(), 1);
    } else {
        *unnamed += 1;
    }
}

fn written(name: &str) -> Box<[u8]> {
    let plain = !name.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\');
    if plain { format!("\"{name}\":").into_bytes().into() } else { [0].into() }
}
