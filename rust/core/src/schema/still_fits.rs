//! Whether files made for one version of a table can be committed to a later one.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::merge::TYPE_CHANGES;
use super::names::PHYSICAL_NAME;
use super::{DataType, Field, child_path};
use crate::table::TableInfo;

const MAPPING_MODE: &str = "delta.columnMapping.mode";
/// Table properties with this prefix are conditions that every row meets.
const CONSTRAINT_PREFIX: &str = "delta.constraints.";
/// In a field's metadata: conditions for its values, or where they come from.
const CONDITIONS: [&str; 2] = ["delta.invariants", "delta.generationExpression"];

/// Columns may have been added, renamed, dropped under column mapping, widened, or made nullable. The error text lists every
/// change that the files do not go along with.
pub fn still_fits(made_for: &TableInfo, now: &TableInfo) -> Result<(), String> {
    let mut changes = Vec::new();
    compare_properties(made_for, now, &mut changes);
    let mut files =
        Files { mapped_before: is_mapped(made_for), mapped: is_mapped(now), changes: &mut changes };
    if files.partition_columns(made_for, files.mapped_before) != files.partition_columns(now, files.mapped) {
        files.changes.push(format!(
            "the partition columns were {:?} and are {:?}",
            made_for.partition_by, now.partition_by
        ));
    }
    files.compare_fields("", &made_for.schema.fields, &now.schema.fields);
    if changes.is_empty() {
        return Ok(());
    }
    Err(changes.join("; "))
}

fn mapping_mode(table: &TableInfo) -> &str {
    table.properties.get(MAPPING_MODE).map_or("none", String::as_str)
}

fn is_mapped(table: &TableInfo) -> bool {
    mapping_mode(table) != "none"
}

fn compare_properties(made_for: &TableInfo, now: &TableInfo, changes: &mut Vec<String>) {
    // Files that are found by field ids have to hold them.
    if mapping_mode(now) == "id" && mapping_mode(made_for) != "id" {
        changes.push(format!("{MAPPING_MODE} became id"));
    }
    for (name, condition) in now.properties.range(CONSTRAINT_PREFIX.to_owned()..) {
        if name.starts_with(CONSTRAINT_PREFIX) && made_for.properties.get(name) != Some(condition) {
            changes.push(format!("the constraint {} was added", &name[CONSTRAINT_PREFIX.len()..]));
        }
    }
}

struct Files<'a> {
    /// Whether the table had column mapping when the files were made, and whether it has now.
    mapped_before: bool,
    mapped: bool,
    changes: &'a mut Vec<String>,
}

impl Files<'_> {
    /// By their names in the files.
    fn partition_columns<'a>(&self, table: &'a TableInfo, mapped: bool) -> Vec<&'a str> {
        let by_name: HashMap<_, _> = table
            .schema
            .fields
            .iter()
            .map(|field| (field.name.as_str(), name_in_files(field, mapped)))
            .collect();
        table.partition_by.iter().map(|name| *by_name.get(name.as_str()).unwrap_or(&name.as_str())).collect()
    }

    fn compare_fields(&mut self, parent: &str, made_for: &[Field], now: &[Field]) {
        let before: HashMap<_, _> =
            made_for.iter().map(|field| (name_in_files(field, self.mapped_before), field)).collect();
        for field in now {
            let path = child_path(parent, &field.name);
            match before.get(name_in_files(field, self.mapped)) {
                Some(old) => self.compare_field(&path, old, field),
                None => self.added(&path, field),
            }
        }
        // With column mapping a column is dropped without touching files, and what they hold of it is not read.
        if !(self.mapped_before && self.mapped) {
            let now: HashSet<_> = now.iter().map(|field| name_in_files(field, self.mapped)).collect();
            for gone in made_for.iter().filter(|old| !now.contains(name_in_files(old, self.mapped_before))) {
                self.changes.push(format!("{} was dropped", child_path(parent, &gone.name)));
            }
        }
    }

    fn added(&mut self, path: &str, field: &Field) {
        if !field.nullable {
            self.changes.push(format!("{path} was added and is not nullable"));
        }
        self.compare_conditions(path, None, field);
    }

    fn compare_field(&mut self, path: &str, old: &Field, new: &Field) {
        self.compare_null(path, old.nullable, new.nullable);
        self.compare_conditions(path, Some(old), new);
        let history = new.metadata.get(TYPE_CHANGES);
        let widened = history.is_some() && history != old.metadata.get(TYPE_CHANGES);
        self.compare_types(path, widened, &old.data_type, &new.data_type);
    }

    fn compare_conditions(&mut self, path: &str, old: Option<&Field>, new: &Field) {
        for name in CONDITIONS {
            let condition = |field: &Field| -> Option<Value> { field.metadata.get(name).cloned() };
            if condition(new).is_some() && condition(new) != old.and_then(condition) {
                self.changes.push(format!("{path} got {name}"));
            }
        }
    }

    fn compare_null(&mut self, path: &str, old: bool, new: bool) {
        if old && !new {
            self.changes.push(format!("{path} was nullable and is not"));
        }
    }

    /// `widened`: the nearest field has recorded changes of its type, or of types inside of it.
    fn compare_types(&mut self, path: &str, widened: bool, old: &DataType, new: &DataType) {
        match (old, new) {
            (DataType::Struct(old), DataType::Struct(new)) => self.compare_fields(path, old, new),
            (
                DataType::Array { element: old, contains_null: old_null },
                DataType::Array { element: new, contains_null: new_null },
            ) => {
                let path = child_path(path, "element");
                self.compare_null(&path, *old_null, *new_null);
                self.compare_types(&path, widened, old, new);
            }
            (
                DataType::Map { key: old_key, value: old, value_contains_null: old_null },
                DataType::Map { key: new_key, value: new, value_contains_null: new_null },
            ) => {
                self.compare_types(&child_path(path, "key"), widened, old_key, new_key);
                let path = child_path(path, "value");
                self.compare_null(&path, *old_null, *new_null);
                self.compare_types(&path, widened, old, new);
            }
            (old, new) if old == new || (widened && old.widens_to(new)) => {}
            (old, new) => self.changes.push(format!("{path} was {old} and is {new}")),
        }
    }
}

fn name_in_files(field: &Field, mapped: bool) -> &str {
    let physical = field.metadata.get(PHYSICAL_NAME).and_then(Value::as_str);
    physical.filter(|_| mapped).unwrap_or(&field.name)
}

#[cfg(test)]
mod tests {
    use super::super::build::{array, field, map, schema, structure};
    use super::super::{Evolution, Schema, merge};
    use super::*;

    fn table<const N: usize>(fields: [Field; N]) -> TableInfo {
        TableInfo::unpartitioned(schema(fields))
    }

    fn mapped(mode: &str, mut table: TableInfo) -> TableInfo {
        table.properties.insert(MAPPING_MODE.into(), mode.into());
        table
    }

    fn physical(name: &str, mut field: Field) -> Field {
        field.metadata.insert(PHYSICAL_NAME.into(), name.into());
        field
    }

    fn long(name: &str) -> Field {
        field(name, DataType::Long, true)
    }

    fn changes(made_for: &TableInfo, now: &TableInfo) -> Vec<String> {
        still_fits(made_for, now).unwrap_err().split("; ").map(str::to_owned).collect()
    }

    #[test]
    fn what_evolution_makes_of_a_table_goes_along_with_its_files() {
        let inner = |fields| map(DataType::Byte, array(fields, false), false);
        let made_for = table([
            field("a", DataType::Integer, false),
            field("m", inner(structure([field("x", DataType::Date, false)])), false),
        ]);
        let wanted = Schema {
            fields: vec![
                field("new", structure([long("y")]), true),
                field("m", inner(structure([field("X", DataType::TimestampNtz, true), long("y")])), true),
                field("A", DataType::Decimal { precision: 12, scale: 1 }, true),
            ],
        };
        let schema = merge(&made_for.schema, &wanted, Evolution::Widen, true).unwrap().unwrap();
        let mut now = TableInfo::unpartitioned(schema);
        now.properties.insert("delta.enableTypeWidening".into(), "true".into());
        now.schema.fields[0].metadata.insert("comment".into(), "new".into());
        assert_eq!(still_fits(&made_for, &now), Ok(()));
        assert_eq!(
            changes(&now, &made_for),
            [
                "a was nullable and is not",
                "a was decimal(12,1) and is integer",
                "m was nullable and is not",
                "m.value.element.x was nullable and is not",
                "m.value.element.x was timestamp_ntz and is date",
                "m.value.element.y was dropped",
                "new was dropped",
            ]
        );

        for field in &mut now.schema.fields {
            field.metadata.remove(TYPE_CHANGES);
        }
        assert_eq!(
            changes(&made_for, &now),
            ["a was integer and is decimal(12,1)"],
            "the column was replaced, not widened: readers would not expect the old type in files"
        );
    }

    #[test]
    fn conditions_that_the_rows_were_not_checked_for_are_listed() {
        let made_for = table([long("a"), field("l", array(DataType::Long, true), true)]);
        let mut now = table([
            field("a", DataType::Long, false),
            field("l", array(DataType::Long, false), true),
            field("new", DataType::Long, false),
            long("b"),
        ]);
        now.schema.fields[0].metadata.insert("delta.invariants".into(), "{}".into());
        now.schema.fields[3].metadata.insert("delta.generationExpression".into(), "a + 1".into());
        now.properties.insert("delta.constraints.positive".into(), "a > 0".into());
        now.properties.insert("delta.zzz".into(), "is no constraint".into());
        assert_eq!(
            changes(&made_for, &now),
            [
                "the constraint positive was added",
                "a was nullable and is not",
                "a got delta.invariants",
                "l.element was nullable and is not",
                "new was added and is not nullable",
                "b got delta.generationExpression",
            ]
        );
        assert_eq!(still_fits(&now, &now), Ok(()));
    }

    #[test]
    fn without_column_mapping_no_column_may_go() {
        let made_for = table([long("a"), field("s", structure([long("x"), long("y")]), true)]);
        let now = table([long("A"), field("s", structure([long("y")]), true)]);
        assert_eq!(changes(&made_for, &now), ["s.x was dropped", "a was dropped"]);
        let other = table([long("a"), field("s", DataType::String, true)]);
        assert_eq!(changes(&made_for, &other), ["s was struct<x:long,y:long> and is string"]);
    }

    #[test]
    fn with_column_mapping_columns_are_renamed_and_dropped() {
        for mode in ["name", "id"] {
            let inner = structure([physical("col-3", long("x")), physical("col-4", long("y"))]);
            let made_for = mapped(
                mode,
                table([
                    physical("col-1", long("a")),
                    physical("col-2", field("s", array(inner, true), true)),
                ]),
            );
            let inner = structure([physical("col-4", long("x"))]);
            let now = mapped(
                mode,
                table([
                    physical("col-2", field("renamed", array(inner, true), true)),
                    physical("col-5", field("a", DataType::String, true)),
                ]),
            );
            assert_eq!(still_fits(&made_for, &now), Ok(()));

            let wrong = mapped(mode, table([physical("col-1", field("b", DataType::String, true))]));
            assert_eq!(changes(&made_for, &wrong), ["b was long and is string"]);
        }
    }

    #[test]
    fn column_mapping_may_be_switched_on_while_the_names_in_files_stay() {
        let made_for = table([long("a"), long("b")]);
        let now = table([physical("a", long("renamed")), physical("b", long("b"))]);
        assert_eq!(still_fits(&made_for, &mapped("name", now.clone())), Ok(()));
        assert_eq!(changes(&made_for, &mapped("id", now)), ["delta.columnMapping.mode became id"]);

        let made_for = table([long("a")]);
        let now = mapped("name", table([physical("col-1", long("a"))]));
        assert_eq!(changes(&made_for, &now), ["a was dropped"], "nobody would find it in the files");
        assert_eq!(changes(&now, &made_for), ["a was dropped"]);
    }

    #[test]
    fn partition_columns_stay() {
        let partitioned = |mut table: TableInfo, by: &[&str]| {
            table.partition_by = by.iter().map(|name| (*name).to_owned()).collect();
            table
        };
        let columns = || table([long("a"), long("b")]);
        let made_for = partitioned(columns(), &["a", "b"]);
        assert_eq!(still_fits(&made_for, &made_for), Ok(()));
        assert_eq!(
            changes(&made_for, &partitioned(columns(), &["b", "a"])),
            [r#"the partition columns were ["a", "b"] and are ["b", "a"]"#]
        );

        let renamed = table([physical("a", long("x")), physical("b", long("a"))]);
        let renamed = mapped("name", renamed);
        assert_eq!(still_fits(&made_for, &partitioned(renamed.clone(), &["x", "a"])), Ok(()));
        assert_eq!(changes(&made_for, &partitioned(renamed, &["a", "x"])).len(), 1);
    }
}
