//! JSON values that mean more than their JSON, into columns.

use super::plan::{Branch, Hint, Members, Plan, Root, Takes};
use crate::Code;
use crate::decode::column::{Column, Values};
use crate::decode::connect::{Source, no_scale};
use crate::decode::json::read::{ByColumn, Guide, expect_bracket, read_list, read_map};
use crate::decode::json::reader::Reader;
use crate::decode::json::{JsonOptions, Strings, read_record};
use crate::decode::object::{Object, given_twice};
use crate::decode::value::Value;
use crate::decode::{Parse, RowError, excerpt, text};

impl Plan {
    /// Appends one row to columns that have `rows`; returns what of the record's budget was spent.
    #[inline]
    pub(in crate::decode) fn read(
        &self,
        root: &mut Object,
        rows: usize,
        value: &[u8],
        options: JsonOptions,
        scratch: &mut Vec<u8>,
    ) -> Parse<usize> {
        read_record(value, options, scratch, |reader| match &self.root {
            Root::Plain => root.read_json(reader, rows, ByColumn),
            Root::Struct(members) => root.read_json(reader, rows, members),
            Root::Union(branches) => read_union(reader, root, rows, branches, "a record of the schema"),
        })
    }
}

impl Guide for &Members {
    #[inline]
    fn read(self, position: usize, column: &mut Column, reader: &mut Reader<'_>) -> Parse {
        column.read_hinted(reader, self.0.get(position).and_then(Option::as_ref))
    }
}

impl Column {
    /// Appends the value that comes next. After an error the column may hold parts of it: cut it with `truncate`.
    fn read_hinted(&mut self, reader: &mut Reader<'_>, hint: Option<&Hint>) -> Parse {
        let Some(hint) = hint else { return self.read_json(reader) };
        if let Hint::Ambiguous(names) = hint {
            let message = format!("the schema's fields {names} differ only by case: they are one column");
            return Err(RowError::boxed(Code::RecordDuplicateField, message));
        }
        if reader.byte() == b'n' {
            return self.read_json_null(reader);
        }
        let rows = self.rows();
        let takes = &*self.takes;
        match (hint, &mut self.values) {
            (Hint::Scalar(source), _) => return self.read_hinted_scalar(reader, *source),
            (Hint::Json, _) => {
                let strings = std::mem::replace(&mut reader.options.strings, Strings::Lenient);
                let read = self.read_json(reader);
                reader.options.strings = strings;
                return read;
            }
            (Hint::Struct(members), Values::Struct(object)) => {
                expect_bracket(reader, b'{', takes)?;
                object.read_json(reader, rows, members)?;
            }
            (Hint::Union(branches), Values::Struct(object)) => {
                read_union(reader, object, rows, branches, takes)?
            }
            (Hint::List(hint), Values::List { ends, element }) => {
                expect_bracket(reader, b'[', takes)?;
                read_list(reader, element, |element, reader| element.read_hinted(reader, Some(hint)))?;
                ends.push(element.rows());
            }
            (Hint::Map(hint), Values::Map { ends, key, value, order })
                if matches!(key.values, Values::String { .. }) =>
            {
                expect_bracket(reader, b'{', takes)?;
                let first = value.rows();
                read_map(reader, key, value, |value, reader| value.read_hinted(reader, Some(hint)))?;
                key.refuse_duplicates(first, order)?;
                ends.push(value.rows());
            }
            (Hint::Entries(hints), Values::Map { ends, key, value, order }) if reader.byte() != b'{' => {
                expect_bracket(reader, b'[', takes)?;
                let first = key.rows();
                read_entries(reader, key, value, hints)?;
                key.refuse_duplicates(first, order)?;
                ends.push(key.rows());
            }
            _ => return self.read_json(reader),
        }
        self.valid.append_non_null();
        Ok(())
    }

    fn read_hinted_scalar(&mut self, reader: &mut Reader<'_>, source: Source) -> Parse {
        let start = reader.position();
        match source {
            Source::Decimal(scale) if reader.byte() == b'"' => {
                let mut unscaled = Vec::new();
                if !text::base64(reader.string()?, &mut unscaled) {
                    let why = ", which is not the base64 of a Decimal";
                    return Err(reader.misfit(start, Code::RecordType, &self.takes, why));
                }
                self.put(&Value::decimal(&unscaled, scale.ok_or_else(no_scale)?))
            }
            Source::Date | Source::TimeOfDay | Source::Timestamp { .. } if reader.at_number() => {
                let value = integer(reader, &self.takes)?;
                self.put(&source.integer(value)?)
            }
            Source::VariableScaleDecimal if reader.byte() == b'{' => {
                let (scale, unscaled) = variable(reader, &self.takes)?;
                self.put(&Value::decimal(&unscaled, scale))
            }
            _ => self.read_json(reader),
        }
    }
}

fn integer<T: TryFrom<i64>>(reader: &mut Reader<'_>, takes: &str) -> Parse<T> {
    let start = reader.position();
    match reader.number()?.integer().and_then(|value| T::try_from(value).ok()) {
        Some(value) => Ok(value),
        None => {
            Err(reader.misfit(start, Code::RecordRange, takes, ", which is not a whole number in its range"))
        }
    }
}

/// Debezium's struct of a scale and an unscaled value.
fn variable(reader: &mut Reader<'_>, takes: &str) -> Parse<(i32, Vec<u8>)> {
    let start = reader.position();
    let (mut scale, mut value) = (None, None);
    if !reader.open(b'}')? {
        loop {
            let is_scale = match reader.key()? {
                b"scale" => true,
                b"value" => false,
                other => return Err(stray(other, "scale and value")),
            };
            reader.colon()?;
            let at = reader.position();
            if is_scale && reader.at_number() {
                scale = Some(integer(reader, takes)?);
            } else if !is_scale && reader.byte() == b'"' {
                let mut unscaled = Vec::new();
                value = text::base64(reader.string()?, &mut unscaled).then_some(unscaled);
            } else {
                return Err(reader.misfit(at, Code::RecordType, takes, " for a scale or an unscaled value"));
            }
            if !reader.more(b'}')? {
                break;
            }
        }
    }
    match (scale, value) {
        (Some(scale), Some(value)) => Ok((scale, value)),
        _ => Err(reader.misfit(start, Code::RecordType, takes, ", a decimal without a scale or value")),
    }
}

fn read_entries(
    reader: &mut Reader<'_>,
    key: &mut Column,
    value: &mut Column,
    hints: &[Option<Hint>; 2],
) -> Parse {
    let first = key.rows();
    let width = key.width + value.width;
    if reader.open(b']')? {
        return Ok(());
    }
    loop {
        reader.spend(width)?;
        let index = key.rows() - first;
        read_entry(reader, key, value, hints).map_err(|error| error.in_element(index))?;
        if !reader.more(b']')? {
            return Ok(());
        }
    }
}

fn read_entry(
    reader: &mut Reader<'_>,
    key: &mut Column,
    value: &mut Column,
    hints: &[Option<Hint>; 2],
) -> Parse {
    let rows = key.rows();
    expect_bracket(reader, b'{', "map (an array of {key, value})")?;
    if !reader.open(b'}')? {
        loop {
            let (name, column, hint) = match reader.key()? {
                b"key" => ("key", &mut *key, &hints[0]),
                b"value" => ("value", &mut *value, &hints[1]),
                other => return Err(stray(other, "key and value")),
            };
            if column.rows() > rows {
                return Err(given_twice(name));
            }
            reader.colon()?;
            column.read_hinted(reader, hint.as_ref()).map_err(|error| error.in_field(name))?;
            if !reader.more(b'}')? {
                break;
            }
        }
    }
    match [("key", key), ("value", value)].into_iter().find(|(_, column)| column.rows() == rows) {
        None => Ok(()),
        Some((name, _)) => {
            let message = "an entry of the map does not have it".into();
            Err(RowError::boxed(Code::RecordNull, message).in_field(name))
        }
    }
}

#[cold]
fn stray(name: &[u8], expected: &str) -> Box<RowError> {
    let message = format!("an object of {expected} has nothing else");
    RowError::boxed(Code::RecordType, message).in_field(&excerpt(name))
}

fn read_union(
    reader: &mut Reader<'_>,
    object: &mut Object,
    rows: usize,
    branches: &[Branch],
    takes: &str,
) -> Parse {
    let Some(branch) = choose(reader, branches)? else {
        let why = ", which none of the schema's alternatives takes";
        return Err(reader.misfit(reader.position(), Code::RecordType, takes, why));
    };
    match branch.member {
        Some(member) => {
            let member = &mut object.members[member];
            let read = member.column.read_hinted(reader, branch.hint.as_ref());
            read.map_err(|error| error.in_field(&member.name))?;
        }
        None => {
            object.take_note(branch.name.as_bytes(), reader.options.unknown_fields)?;
            reader.skip()?;
        }
    }
    object.fill_missing(rows)
}

/// The branch that takes the value that comes next: the first one of the JSON type that is nearest to it.
fn choose<'b>(reader: &mut Reader<'_>, branches: &'b [Branch]) -> Parse<Option<&'b Branch>> {
    let first = |wanted: fn(&Takes) -> bool| branches.iter().find(|branch| wanted(&branch.takes));
    let found = match reader.byte() {
        b'"' => first(|takes| matches!(takes, Takes::Text))
            .or_else(|| first(|takes| matches!(takes, Takes::Bytes))),
        b't' | b'f' => first(|takes| matches!(takes, Takes::Boolean)),
        b'[' => first(|takes| matches!(takes, Takes::Array | Takes::Map)),
        b'{' => match first(|takes| matches!(takes, Takes::Map)) {
            Some(map) => Some(map),
            None => of_most_fields(reader, branches)?,
        },
        _ => {
            let start = reader.position();
            let integral = !reader.number()?.text.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
            reader.rewind(start);
            let exact = match integral {
                true => first(|takes| matches!(takes, Takes::Integer | Takes::Number)),
                false => first(|takes| matches!(takes, Takes::Number)),
            };
            exact
                .or_else(|| first(|takes| matches!(takes, Takes::Bytes)))
                .or_else(|| first(|takes| matches!(takes, Takes::Integer)))
        }
    };
    Ok(found.or_else(|| first(|takes| matches!(takes, Takes::Anything))))
}

/// The struct that has most of the fields that the object has.
fn of_most_fields<'b>(reader: &mut Reader<'_>, branches: &'b [Branch]) -> Parse<Option<&'b Branch>> {
    let named = |branch: &'b Branch| match &branch.takes {
        Takes::Struct(names) => Some((branch, names, 0)),
        _ => None,
    };
    let mut structs: Vec<_> = branches.iter().filter_map(named).collect();
    if structs.len() > 1 {
        let start = reader.position();
        if !reader.open(b'}')? {
            loop {
                let key = reader.key()?;
                for (_, names, count) in &mut structs {
                    *count += usize::from(names.contains(key));
                }
                reader.colon()?;
                reader.skip()?;
                if !reader.more(b'}')? {
                    break;
                }
            }
        }
        reader.rewind(start);
    }
    let most = structs.iter().map(|(_, _, count)| *count).max();
    Ok(structs.iter().find(|(_, _, count)| Some(*count) == most).map(|(branch, ..)| *branch))
}
