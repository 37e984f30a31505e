//! Column mapping: the ids and physical names that fields get once and keep, whatever they are called later.

use std::collections::BTreeMap;

use serde_json::json;
use sluice_core::schema::{DataType, Field, check_names};
use sluice_core::{Code, Error, Result};

use crate::world::World;

const MODE: &str = "delta.columnMapping.mode";
const MAX_ID: &str = "delta.columnMapping.maxColumnId";
const ID: &str = "delta.columnMapping.id";
const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";

fn is_on(properties: &BTreeMap<String, String>) -> bool {
    properties.get(MODE).is_some_and(|mode| !mode.eq_ignore_ascii_case("none"))
}

/// Prepares the fields that are not in `old`, at every level, for a table with these properties: with column mapping they
/// get ids and physical names, and without it they must have names that go into Parquet files.
pub fn map_new_fields(
    world: &dyn World,
    fields: &mut [Field],
    old: &[Field],
    properties: &mut BTreeMap<String, String>,
) -> Result<()> {
    if !is_on(properties) {
        walk(fields, old, &mut |field| {
            field.metadata.remove(ID);
            field.metadata.remove(PHYSICAL_NAME);
        });
        return check_names("", fields);
    }
    let mut max_id = match properties.get(MAX_ID) {
        Some(text) => text
            .parse::<i64>()
            .map_err(|e| Error::new(Code::TableCorrupt, format!("table property {MAX_ID}={text}: {e}")))?,
        None => 0,
    };
    walk(fields, old, &mut |field| {
        max_id += 1;
        field.metadata.insert(ID.to_owned(), json!(max_id));
        field.metadata.insert(PHYSICAL_NAME.to_owned(), json!(format!("col-{}", world.uuid())));
    });
    properties.insert(MAX_ID.to_owned(), max_id.to_string());
    Ok(())
}

fn walk(fields: &mut [Field], old: &[Field], visit: &mut dyn FnMut(&mut Field)) {
    for field in fields {
        let before = old.iter().find(|other| other.name == field.name);
        if before.is_none() {
            visit(field);
        }
        walk_type(&mut field.data_type, before.map(|field| &field.data_type), visit);
    }
}

fn walk_type(data_type: &mut DataType, old: Option<&DataType>, visit: &mut dyn FnMut(&mut Field)) {
    match data_type {
        DataType::Struct(fields) => match old {
            Some(DataType::Struct(old)) => walk(fields, old, visit),
            _ => walk(fields, &[], visit),
        },
        DataType::Array { element, .. } => match old {
            Some(DataType::Array { element: old, .. }) => walk_type(element, Some(old), visit),
            _ => walk_type(element, None, visit),
        },
        DataType::Map { key, value, .. } => {
            let (old_key, old_value) = match old {
                Some(DataType::Map { key, value, .. }) => (Some(&**key), Some(&**value)),
                _ => (None, None),
            };
            walk_type(key, old_key, visit);
            walk_type(value, old_value, visit);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::of_tests;
    use sluice_core::schema::Schema;

    fn fields(text: &str) -> Vec<Field> {
        Schema::parse(&format!(r#"{{"type":"struct","fields":[{text}]}}"#)).unwrap().fields
    }

    fn struct_of(name: &str, inner: &str) -> String {
        format!(
            r#"{{"name":"{name}","nullable":true,"metadata":{{}},"type":{{"type":"array","containsNull":true,
            "elementType":{{"type":"struct","fields":[{inner}]}}}}}}"#
        )
    }

    fn long(name: &str) -> String {
        format!(r#"{{"name":"{name}","type":"long","nullable":true,"metadata":{{"comment":"kept"}}}}"#)
    }

    fn mapped(mode: &str) -> BTreeMap<String, String> {
        [(MODE.to_owned(), mode.to_owned())].into()
    }

    #[test]
    fn only_new_fields_get_the_next_ids_at_every_level() {
        let mut properties = mapped("name");
        let mut first = fields(&struct_of("s", &long("a")));
        map_new_fields(&*of_tests(), &mut first, &[], &mut properties).unwrap();
        assert_eq!(properties[MAX_ID], "2");
        assert_eq!(first[0].metadata[ID], 1);

        let mut second = fields(&[struct_of("s", &[long("a"), long("b")].join(",")), long("c")].join(","));
        second[0].metadata = first[0].metadata.clone();
        map_new_fields(&*of_tests(), &mut second, &first, &mut properties).unwrap();
        assert_eq!(properties[MAX_ID], "4");
        assert_eq!(second[0], Field { data_type: second[0].data_type.clone(), ..first[0].clone() });
        assert_eq!(second[1].metadata[ID], 4);
        assert_eq!(second[1].metadata["comment"], "kept");
        let DataType::Array { element, .. } = &second[0].data_type else { panic!() };
        let DataType::Struct(inner) = &**element else { panic!() };
        assert_eq!(inner[0].metadata.get(ID), None, "an old field is left as it is");
        assert_eq!(inner[1].metadata[ID], 3);
        assert!(inner[1].metadata[PHYSICAL_NAME].as_str().unwrap().starts_with("col-"));
    }

    #[test]
    fn without_mapping_fields_carry_no_ids_and_plain_names() {
        let mut copied = fields(&long("a"));
        copied[0].metadata.insert(ID.into(), json!(7));
        map_new_fields(&*of_tests(), &mut copied, &[], &mut mapped("none")).unwrap();
        assert_eq!(copied[0].metadata.get(ID), None);
        let mut spaced = fields(&struct_of("s", &long("a b")));
        let error = map_new_fields(&*of_tests(), &mut spaced, &[], &mut BTreeMap::new()).unwrap_err();
        assert!(
            error.message.contains("s.element.a b")
                && error.message.contains("delta.columnMapping.mode=name")
        );
        map_new_fields(&*of_tests(), &mut spaced, &[], &mut mapped("id")).unwrap();
    }
}
