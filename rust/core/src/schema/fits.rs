//! Whether the schema in the settings fits the table's.

use super::{DataType, Field, Schema, child_path};
use crate::{Code, Error, Result};

/// Every column of `given` is in `table`, in whatever case, with the same type, and may be null only where the table's may;
/// what only the table has is nullable. The error lists every difference.
pub fn check_fits(given: &Schema, table: &Schema) -> Result<()> {
    let mut differences = Vec::new();
    compare_fields("", &given.fields, &table.fields, &mut differences);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::new(Code::SchemaMismatch, differences.join("; ")))
}

fn compare_fields(parent: &str, given: &[Field], table: &[Field], differences: &mut Vec<String>) {
    for field in given {
        let path = child_path(parent, &field.name);
        match find(&field.name, table) {
            Some(other) => {
                compare_null(&path, field.nullable, other.nullable, differences);
                compare_types(&path, &field.data_type, &other.data_type, differences);
            }
            None => differences.push(format!("{path}: {} is not in the table", field.data_type)),
        }
    }
    for field in table.iter().filter(|field| !field.nullable && find(&field.name, given).is_none()) {
        differences.push(format!(
            "{}: {} is not nullable in the table and not in the settings",
            child_path(parent, &field.name),
            field.data_type
        ));
    }
}

/// As Delta looks for a column: the case does not count.
fn find<'a>(name: &str, fields: &'a [Field]) -> Option<&'a Field> {
    let same = |field: &&Field| field.name == name || field.name.to_lowercase() == name.to_lowercase();
    fields.iter().find(same)
}

fn compare_types(path: &str, given: &DataType, table: &DataType, differences: &mut Vec<String>) {
    match (given, table) {
        (DataType::Struct(given), DataType::Struct(table)) => {
            compare_fields(path, given, table, differences);
        }
        (
            DataType::Array { element: given, contains_null: given_null },
            DataType::Array { element: table, contains_null: table_null },
        ) => {
            let path = child_path(path, "element");
            compare_null(&path, *given_null, *table_null, differences);
            compare_types(&path, given, table, differences);
        }
        (
            DataType::Map { key: given_key, value: given, value_contains_null: given_null },
            DataType::Map { key: table_key, value: table, value_contains_null: table_null },
        ) => {
            compare_types(&child_path(path, "key"), given_key, table_key, differences);
            let path = child_path(path, "value");
            compare_null(&path, *given_null, *table_null, differences);
            compare_types(&path, given, table, differences);
        }
        (given, table) if given == table => {}
        (given, table) => differences.push(format!("{path}: {given} in the settings, {table} in the table")),
    }
}

fn compare_null(path: &str, given: bool, table: bool, differences: &mut Vec<String>) {
    if given && !table {
        differences.push(format!("{path}: nullable in the settings, not nullable in the table"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::{array, field, map, schema, structure};
    use super::*;

    #[test]
    fn a_subset_of_the_tables_columns_in_any_order_fits() {
        let given = schema([
            field("b", array(structure([field("x", DataType::Long, false)]), true), true),
            field("A", DataType::String, false),
        ]);
        let inner = structure([field("y", DataType::Long, true), field("X", DataType::Long, false)]);
        let mut table = schema([
            field("a", DataType::String, true),
            field("c", DataType::Date, true),
            field("b", array(inner, true), true),
        ]);
        table.fields[0].metadata.insert("comment".into(), "kept out of it".into());
        assert_eq!(check_fits(&given, &table), Ok(()));
    }

    #[test]
    fn every_difference_is_listed() {
        let given = schema([
            field("a", DataType::Long, true),
            field("B", DataType::Date, true),
            field("m", map(DataType::String, structure([field("x", DataType::Date, false)]), true), false),
            field("new", DataType::Decimal { precision: 5, scale: 1 }, true),
        ]);
        let inner = structure([field("x", DataType::String, false)]);
        let table = schema([
            field("a", DataType::Integer, false),
            field("b", DataType::Long, true),
            field("m", map(DataType::String, inner, false), false),
            field("must", DataType::String, false),
        ]);
        let error = check_fits(&given, &table).unwrap_err();
        assert_eq!(error.code, Code::SchemaMismatch);
        let listed: Vec<&str> = error.message.split("; ").collect();
        assert_eq!(
            listed,
            [
                "a: nullable in the settings, not nullable in the table",
                "a: long in the settings, integer in the table",
                "B: date in the settings, long in the table",
                "m.value: nullable in the settings, not nullable in the table",
                "m.value.x: date in the settings, string in the table",
                "new: decimal(5,1) is not in the table",
                "must: string is not nullable in the table and not in the settings",
            ]
        );
    }
}
