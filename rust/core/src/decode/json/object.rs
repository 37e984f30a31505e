//! The columns of a JSON object: those of the table, or of a struct column.

use std::collections::HashMap;

use arrow_array::ArrayRef;

use super::column::Column;
use super::reader::{Parse, Reader, excerpt};
use super::{MAX_DEPTH, MAX_UNKNOWN_NAMES, RowError, UnknownFieldCounts, UnknownFields};
use crate::schema::{Field, child_path};
use crate::{Code, Error, Result};

pub(super) struct Object {
    /// Without array positions, such as `items[]`.
    path: String,
    members: Vec<Member>,
    by_name: HashMap<Box<[u8]>, usize>,
    /// Which member came after each one in the last object that had it; at the end, which came first.
    next: Vec<usize>,
    unknown: HashMap<Box<[u8]>, u64>,
    /// Unknown fields beyond the names kept.
    unknown_unnamed: u64,
    /// Bytes that every row takes at least.
    pub width: usize,
}

struct Member {
    name: Box<str>,
    /// `"name":` as most producers write it; a NUL, which no record has there, where the name needs escapes.
    written: Box<[u8]>,
    column: Column,
}

impl Object {
    pub fn new(fields: &[Field], path: &str, depth: usize) -> Result<Self> {
        if depth > MAX_DEPTH {
            let message = format!("column {path}: deeper than {MAX_DEPTH} levels, which no record can fill");
            return Err(Error::new(Code::SchemaInvalid, message));
        }
        let member = |field: &Field| {
            let path = child_path(path, &field.name);
            Ok(Member {
                name: field.name.as_str().into(),
                written: written(&field.name),
                column: Column::new(&field.data_type, field.nullable, &path, depth)?,
            })
        };
        let members = fields.iter().map(member).collect::<Result<Vec<_>>>()?;
        let names = fields.iter().enumerate();
        Ok(Object {
            path: path.to_owned(),
            width: members.iter().map(|member| member.column.width).sum(),
            members,
            by_name: names.map(|(i, field)| (field.name.as_bytes().into(), i)).collect(),
            next: (1..=fields.len()).map(|i| i % fields.len().max(1)).chain([0]).collect(),
            unknown: HashMap::new(),
            unknown_unnamed: 0,
        })
    }

    /// Appends one object, whose bracket comes next, to columns that have `rows` rows.
    pub fn read(&mut self, reader: &mut Reader<'_>, rows: usize) -> Parse {
        let mut given = 0;
        if !reader.open(b'}')? {
            let mut last = self.members.len();
            loop {
                if let Some(index) = self.read_key(reader, last)? {
                    self.next[last] = index;
                    last = index;
                    given += 1;
                    let member = &mut self.members[index];
                    if member.column.rows() > rows {
                        let error =
                            RowError::boxed(Code::RecordDuplicateField, "the field is given twice".into());
                        return Err(error.in_field(&member.name));
                    }
                    member.column.read(reader).map_err(|error| error.in_field(&member.name))?;
                }
                if !reader.more(b'}')? {
                    break;
                }
            }
        }
        if given < self.members.len() {
            self.fill_missing(rows)?;
        }
        Ok(())
    }

    /// Reads up to the value and tells its member, or passes over a field that has none.
    #[inline(always)]
    fn read_key(&mut self, reader: &mut Reader<'_>, last: usize) -> Parse<Option<usize>> {
        let expected = self.next[last];
        if reader.eat_text(&self.members[expected].written) {
            reader.whitespace();
            return Ok(Some(expected));
        }
        self.read_other_key(reader)
    }

    fn read_other_key(&mut self, reader: &mut Reader<'_>) -> Parse<Option<usize>> {
        let options = reader.options;
        let key = reader.key()?;
        if let Some(&index) = self.by_name.get(key) {
            reader.colon()?;
            return Ok(Some(index));
        }
        count_name(&mut self.unknown, &mut self.unknown_unnamed, key);
        if options.unknown_fields == UnknownFields::Fail {
            let error = RowError::boxed(Code::RecordUnknownField, "the table has no such column".into());
            return Err(error.in_field(&excerpt(key)));
        }
        reader.colon()?;
        reader.skip()?;
        Ok(None)
    }

    fn fill_missing(&mut self, rows: usize) -> Parse {
        for member in self.members.iter_mut().filter(|member| member.column.rows() == rows) {
            if !member.column.nullable() {
                let error = RowError::boxed(
                    Code::RecordNull,
                    "column is not nullable, record does not have the field".into(),
                );
                return Err(error.in_field(&member.name));
            }
            member.column.append_null();
        }
        Ok(())
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
            counts.total += count;
            let path = child_path(&self.path, &String::from_utf8_lossy(&name));
            if counts.names.len() < MAX_UNKNOWN_NAMES || counts.names.contains_key(&path) {
                *counts.names.entry(path).or_default() += count;
            }
        }
        for member in &mut self.members {
            member.column.take_unknown(counts);
        }
    }
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
