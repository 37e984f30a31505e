//! JSON values into columns.

use super::reader::{Parse, Reader};
use super::scalar;
use crate::Code;
use crate::decode::column::{Column, Values};
use crate::decode::object::{Object, given_twice};

/// Who reads the value of an object's member.
pub(in crate::decode) trait Guide: Copy {
    /// Appends the value that comes next to `column`, the member at `position`.
    fn read(self, position: usize, column: &mut Column, reader: &mut Reader<'_>) -> Parse;
}

/// Nothing but the columns says what the values are.
#[derive(Clone, Copy)]
pub(in crate::decode) struct ByColumn;

impl Guide for ByColumn {
    #[inline(always)]
    fn read(self, _: usize, column: &mut Column, reader: &mut Reader<'_>) -> Parse {
        column.read_json(reader)
    }
}

impl Column {
    /// Appends the value that comes next. After an error the column may hold parts of it: cut it with `truncate`.
    pub(in crate::decode) fn read_json(&mut self, reader: &mut Reader<'_>) -> Parse {
        if reader.byte() == b'n' {
            return self.read_json_null(reader);
        }
        let takes = &*self.takes;
        match &mut self.values {
            Values::Boolean(values) => values.append(scalar::boolean(reader, takes)?),
            Values::Byte(values) => values.push(scalar::integer(reader, takes)?),
            Values::Short(values) => values.push(scalar::integer(reader, takes)?),
            Values::Integer(values) => values.push(scalar::integer(reader, takes)?),
            Values::Long(values) => values.push(scalar::integer(reader, takes)?),
            Values::Float(values) => values.push(scalar::float(reader, takes)?),
            Values::Double(values) => values.push(scalar::double(reader, takes)?),
            Values::Decimal { values, scale, limit } => {
                values.push(scalar::decimal(reader, takes, *scale, *limit)?);
            }
            Values::String { ends, bytes } => {
                scalar::string(reader, takes, bytes)?;
                ends.push(bytes.len());
            }
            Values::Binary { ends, bytes } => {
                scalar::binary(reader, takes, bytes)?;
                ends.push(bytes.len());
            }
            Values::Date(values) => values.push(scalar::date(reader, takes)?),
            Values::Timestamp { values, zoned } => values.push(scalar::timestamp(reader, takes, *zoned)?),
            Values::Struct(object) => {
                expect_bracket(reader, b'{', takes)?;
                object.read_json(reader, self.valid.len(), ByColumn)?;
            }
            Values::List { ends, element } => {
                expect_bracket(reader, b'[', takes)?;
                read_list(reader, element, Column::read_json)?;
                ends.push(element.rows());
            }
            Values::Map { ends, key, value, order } => {
                if !matches!(key.values, Values::String { .. }) {
                    return Err(reader.misfit(reader.position(), Code::RecordType, takes, ""));
                }
                expect_bracket(reader, b'{', takes)?;
                let first = value.rows();
                read_map(reader, key, value, Column::read_json)?;
                key.refuse_duplicates(first, order)?;
                ends.push(value.rows());
            }
        }
        self.valid.append_non_null();
        Ok(())
    }

    pub(in crate::decode) fn read_json_null(&mut self, reader: &mut Reader<'_>) -> Parse {
        reader.literal("null")?;
        self.put_null()
    }
}

impl Object {
    /// Appends one object, whose bracket comes next, to columns that have `rows` rows.
    pub(in crate::decode) fn read_json(
        &mut self,
        reader: &mut Reader<'_>,
        rows: usize,
        guide: impl Guide,
    ) -> Parse {
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
                        return Err(given_twice(&member.name));
                    }
                    let read = guide.read(index, &mut member.column, reader);
                    read.map_err(|error| error.in_field(&member.name))?;
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
        let unknown_fields = reader.options.unknown_fields;
        let key = reader.key()?;
        if let Some(index) = self.find_in_any_case(key) {
            reader.colon()?;
            return Ok(Some(index));
        }
        self.take_note(key, unknown_fields)?;
        reader.colon()?;
        reader.skip()?;
        Ok(None)
    }
}

#[inline(always)]
pub(in crate::decode) fn expect_bracket(reader: &mut Reader<'_>, bracket: u8, takes: &str) -> Parse {
    if reader.byte() == bracket {
        return Ok(());
    }
    Err(reader.misfit(reader.position(), Code::RecordType, takes, ""))
}

pub(in crate::decode) fn read_list(
    reader: &mut Reader<'_>,
    element: &mut Column,
    read: impl Fn(&mut Column, &mut Reader<'_>) -> Parse,
) -> Parse {
    let first = element.rows();
    let width = element.width;
    if reader.open(b']')? {
        return Ok(());
    }
    loop {
        reader.spend(width)?;
        let index = element.rows() - first;
        read(element, reader).map_err(|error| error.in_element(index))?;
        if !reader.more(b']')? {
            return Ok(());
        }
    }
}

/// `key` is a column of strings.
pub(in crate::decode) fn read_map(
    reader: &mut Reader<'_>,
    key: &mut Column,
    value: &mut Column,
    read: impl Fn(&mut Column, &mut Reader<'_>) -> Parse,
) -> Parse {
    let width = value.width + 4;
    if reader.open(b'}')? {
        return Ok(());
    }
    loop {
        reader.spend(width)?;
        let entry = key.rows();
        key.append_text(reader.key()?);
        reader.colon()?;
        read(value, reader).map_err(|error| error.in_field(&key.key_name(entry)))?;
        if !reader.more(b'}')? {
            return Ok(());
        }
    }
}
