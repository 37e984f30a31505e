//! Whether rows made for one schema can be written to a table of another.

use super::{DataType, Field, Schema, child_path};
use crate::{Code, Error, Result};

/// Every column of `given` is in `table` with the same type and may be null only where the table's may; what only the table
/// has is nullable. The error lists every difference.
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
        match table.iter().find(|other| other.name == field.name) {
            Some(other) => {
                compare_null(&path, field.nullable, other.nullable, differences);
                compare_types(&path, &field.data_type, &other.data_type, differences);
            }
            None => {
                let same = |other: &&Field| other.name.to_lowercase() == field.name.to_lowercase();
                differences.push(match table.iter().find(same) {
                    Some(other) => {
                        format!("{path}: {} is written {:?} in the table", field.data_type, other.name)
                    }
                    None => format!("{path}: {} is not in the table", field.data_type),
                });
            }
        }
    }
    for field in table.iter().filter(|field| !field.nullable) {
        if !given.iter().any(|other| other.name.to_lowercase() == field.name.to_lowercase()) {
            let path = child_path(parent, &field.name);
            differences.push(format!(
                "{path}: {} is not nullable in the table and not in the settings",
                field.data_type
            ));
        }
    }
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
    use super::*;

    fn field(name: &str, data_type: DataType, nullable: bool) -> Field {
        Field { name: name.into(), data_type, nullable, metadata: Default::default() }
    }

    fn schema(fields: Vec<Field>) -> Schema {
        Schema { fields }
    }

    #[test]
    fn a_subset_of_the_tables_columns_in_any_order_fits() {
        let inner =
            |fields| DataType::Array { element: Box::new(DataType::Struct(fields)), contains_null: true };
        let given = schema(vec![
            field("b", inner(vec![field("x", DataType::Long, false)]), true),
            field("a", DataType::String, false),
        ]);
        let mut table = schema(vec![
            field("a", DataType::String, true),
            field("c", DataType::Date, true),
            field(
                "b",
                inner(vec![field("y", DataType::Long, true), field("x", DataType::Long, false)]),
                true,
            ),
        ]);
        table.fields[0].metadata.insert("comment".into(), "kept out of it".into());
        assert_eq!(check_fits(&given, &table), Ok(()));
    }

    #[test]
    fn every_difference_is_listed() {
        let map = |value, null| DataType::Map {
            key: Box::new(DataType::String),
            value: Box::new(value),
            value_contains_null: null,
        };
        let given = schema(vec![
            field("a", DataType::Long, true),
            field("B", DataType::Long, true),
            field("m", map(DataType::Struct(vec![field("x", DataType::Date, false)]), true), false),
            field("new", DataType::Decimal { precision: 5, scale: 1 }, true),
        ]);
        let table = schema(vec![
            field("a", DataType::Integer, false),
            field("b", DataType::Long, false),
            field("m", map(DataType::Struct(vec![field("x", DataType::String, false)]), false), false),
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
                "B: long is written \"b\" in the table",
                "m.value: nullable in the settings, not nullable in the table",
                "m.value.x: date in the settings, string in the table",
                "new: decimal(5,1) is not in the table",
                "must: string is not nullable in the table and not in the settings",
            ]
        );
    }
}
