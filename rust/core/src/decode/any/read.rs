//! Values without a schema into columns.

use super::reader::Reader;
use crate::Code;
use crate::connect::tagged::{KEYED_MAP, LIST, MAP, NULL, as_text};
use crate::decode::Parse;
use crate::decode::column::{Column, Values};
use crate::decode::object::{Object, given_twice};
use crate::decode::value::Value;

impl Column {
    /// Appends the value that comes next. After an error the column may hold parts of it: cut it with `truncate`.
    pub fn read_any(&mut self, reader: &mut Reader<'_>) -> Parse {
        let rows = self.rows();
        match (reader.tag()?, &mut self.values) {
            (NULL, _) => return self.put_null(),
            (LIST, Values::List { ends, element }) => {
                read_list(reader, element)?;
                ends.push(element.rows());
            }
            (MAP, Values::Struct(object)) => object.read_any(reader, rows)?,
            (tag @ (MAP | KEYED_MAP), Values::Map { ends, key, value, order }) => {
                let first = value.rows();
                read_map(reader, tag, key, value)?;
                key.refuse_duplicates(first, order)?;
                ends.push(value.rows());
            }
            (LIST, _) => return Err(self.misfit(Code::RecordType, "a list")),
            (MAP, _) => return Err(self.misfit(Code::RecordType, "a map")),
            (KEYED_MAP, _) => {
                return Err(self.misfit(Code::RecordType, "a map whose keys are not all strings"));
            }
            (tag, _) => return self.put(&reader.scalar(tag)?),
        }
        self.valid.append_non_null();
        Ok(())
    }
}

impl Object {
    /// Appends one map, whose count comes next, to columns that have `rows` rows.
    pub fn read_any(&mut self, reader: &mut Reader<'_>, rows: usize) -> Parse {
        reader.enter()?;
        let mut given = 0;
        let mut last = self.members.len();
        for _ in 0..reader.count()? {
            let name = reader.bytes()?;
            let expected = self.next[last];
            let index = match self.members.get(expected) {
                Some(member) if member.name.as_bytes() == name => Some(expected),
                _ => self.find_in_any_case(as_text(name)?.as_bytes()),
            };
            let Some(index) = index else {
                self.take_note(name, reader.unknown_fields)?;
                reader.skip()?;
                continue;
            };
            self.next[last] = index;
            last = index;
            given += 1;
            let member = &mut self.members[index];
            if member.column.rows() > rows {
                return Err(given_twice(&member.name));
            }
            member.column.read_any(reader).map_err(|error| error.in_field(&member.name))?;
        }
        reader.leave();
        if given < self.members.len() {
            self.fill_missing(rows)?;
        }
        Ok(())
    }
}

fn read_list(reader: &mut Reader<'_>, element: &mut Column) -> Parse {
    reader.enter()?;
    for index in 0..reader.count()? {
        reader.budget.spend(element.width)?;
        element.read_any(reader).map_err(|error| error.in_element(index))?;
    }
    reader.leave();
    Ok(())
}

fn read_map(reader: &mut Reader<'_>, tag: u8, key: &mut Column, value: &mut Column) -> Parse {
    reader.enter()?;
    for _ in 0..reader.count()? {
        reader.budget.spend(key.width + value.width)?;
        let entry = key.rows();
        match tag {
            MAP => key.put(&Value::Text(reader.text()?)),
            _ => key.read_any(reader),
        }
        .map_err(|error| error.in_field("{key}"))?;
        value.read_any(reader).map_err(|error| error.in_field(&key.key_name(entry)))?;
    }
    reader.leave();
    Ok(())
}
