//! Rules for the names of columns.

use std::collections::HashSet;

use super::{DataType, Field, child_path};
use crate::{Code, Error, Result};

/// In a field's metadata: its name in the files, where the table has column mapping.
pub(super) const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";

/// What Delta allows in a name with column mapping only.
const FORBIDDEN: &str = " ,;{}()\n\t=";

/// Whether a table without column mapping can have these columns. `parent` is the path of their struct.
pub fn check_names(parent: &str, fields: &[Field]) -> Result<()> {
    each_struct(parent, fields, &mut |parent, fields| {
        let forbidden = |field: &Field| field.name.chars().find(|c| FORBIDDEN.contains(*c));
        match fields.iter().find_map(|field| Some((field, forbidden(field)?))) {
            None => Ok(()),
            Some((field, forbidden)) => unusable(
                parent,
                field,
                &format!(
                    "a column's name cannot hold {forbidden:?}. Rename the field (the transform ReplaceField), or give \
                     the table column mapping (delta.columnMapping.mode=name)"
                ),
            ),
        }
    })
}

/// No name is empty, and none stands twice without regard to case.
pub(super) fn check_unique(fields: &[Field]) -> Result<()> {
    each_struct("", fields, &mut |parent, fields| {
        let mut names = HashSet::with_capacity(fields.len());
        for field in fields {
            if field.name.is_empty() {
                let why = "a column's name cannot be empty. Rename the field (the transform ReplaceField)";
                return unusable(parent, field, why);
            }
            if !names.insert(field.name.to_lowercase()) {
                let why = "another field's name differs by case only, and Delta does not look at case. Rename one of \
                           the two (the transform ReplaceField)";
                return unusable(parent, field, why);
            }
        }
        Ok(())
    })
}

fn unusable(parent: &str, field: &Field, why: &str) -> Result<()> {
    Err(Error::new(Code::SchemaUnclear, format!("field {}: {why}", child_path(parent, &field.name))))
}

type Visit<'a> = &'a mut dyn FnMut(&str, &[Field]) -> Result<()>;

/// These fields and those of every struct inside, with the struct's path.
fn each_struct(path: &str, fields: &[Field], visit: Visit<'_>) -> Result<()> {
    visit(path, fields)?;
    fields
        .iter()
        .try_for_each(|field| each_struct_in_type(&child_path(path, &field.name), &field.data_type, visit))
}

fn each_struct_in_type(path: &str, data_type: &DataType, visit: Visit<'_>) -> Result<()> {
    match data_type {
        DataType::Struct(fields) => each_struct(path, fields, visit),
        DataType::Array { element, .. } => each_struct_in_type(&child_path(path, "element"), element, visit),
        DataType::Map { key, value, .. } => {
            each_struct_in_type(&child_path(path, "key"), key, visit)?;
            each_struct_in_type(&child_path(path, "value"), value, visit)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::{array, field, map, structure};
    use super::*;

    #[test]
    fn names_are_checked_at_every_depth() {
        let inner =
            |name: &str| structure([field("ok", DataType::Long, true), field(name, DataType::Long, true)]);
        let fields = |name: &str| {
            vec![
                field("l", array(map(DataType::String, inner(name), true), true), true),
                field("OK", DataType::Long, true),
            ]
        };
        assert_eq!(check_unique(&fields("fine")), Ok(()));
        assert_eq!(check_names("", &fields("fine-ü.:/")), Ok(()));
        for name in ["Ok", ""] {
            let error = check_unique(&fields(name)).unwrap_err();
            assert_eq!(error.code, Code::SchemaUnclear);
            assert!(
                error.message.starts_with(&format!("field l.element.value.{name}: ")),
                "{}",
                error.message
            );
        }
        for forbidden in FORBIDDEN.chars() {
            let error = check_names("", &fields(&format!("a{forbidden}"))).unwrap_err();
            assert_eq!(error.code, Code::SchemaUnclear);
            assert!(error.message.contains(&format!("{forbidden:?}")), "{}", error.message);
            assert!(error.message.starts_with("field l.element.value.a"), "{}", error.message);
        }
    }
}
