//! What a table's schema becomes when records bring other columns or wider types. The rules are in `docs/evolution.md`.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::names::{PHYSICAL_NAME, check_names, check_unique};
use super::{DataType, Field, Schema, child_path};
use crate::Result;

const COMMENT: &str = "comment";
pub(super) const TYPE_CHANGES: &str = "delta.typeChanges";

/// Which changes records may make to a table's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Evolution {
    #[default]
    None,
    /// New columns, and columns that may be null from now on.
    Add,
    /// Also wider types, where the table has type widening enabled.
    Widen,
}

/// The schema of the table so that it takes what `wanted` describes; None: it stays as it is.
///
/// `wanted` is complete: a column that it does not have gets no values from now on.
pub fn merge(
    table: &Schema,
    wanted: &Schema,
    evolution: Evolution,
    type_widening: bool,
) -> Result<Option<Schema>> {
    if evolution == Evolution::None {
        return Ok(None);
    }
    check_unique(&wanted.fields)?;
    let mut merged = table.clone();
    let merge = Merge {
        widen: evolution == Evolution::Widen && type_widening,
        any_name: table.fields.iter().any(|field| field.metadata.contains_key(PHYSICAL_NAME)),
    };
    merge.fields("", &mut merged.fields, &wanted.fields)?;
    Ok((merged != *table).then_some(merged))
}

struct Merge {
    widen: bool,
    /// The table has column mapping, so the files do not hold the names.
    any_name: bool,
}

impl Merge {
    fn fields(&self, parent: &str, table: &mut Vec<Field>, wanted: &[Field]) -> Result<()> {
        let wanted_names: HashSet<_> = wanted.iter().map(|field| field.name.to_lowercase()).collect();
        for field in &mut *table {
            field.nullable |= !wanted_names.contains(&field.name.to_lowercase());
        }
        let table_at: HashMap<_, _> =
            table.iter().enumerate().map(|(at, field)| (field.name.to_lowercase(), at)).collect();
        for new in wanted {
            match table_at.get(&new.name.to_lowercase()) {
                Some(&at) => self.field(parent, &mut table[at], new)?,
                None => {
                    if !self.any_name {
                        check_names(parent, std::slice::from_ref(new))?;
                    }
                    table.push(new.as_added());
                }
            }
        }
        Ok(())
    }

    fn field(&self, parent: &str, table: &mut Field, wanted: &Field) -> Result<()> {
        table.nullable |= wanted.nullable;
        let mut changes = Vec::new();
        let path = child_path(parent, &table.name);
        self.types(&path, "", &mut table.data_type, &wanted.data_type, &mut changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        match table.metadata.get_mut(TYPE_CHANGES) {
            Some(Value::Array(history)) => history.extend(changes),
            _ => _ = table.metadata.insert(TYPE_CHANGES.to_owned(), Value::Array(changes)),
        }
        Ok(())
    }

    /// `inside` is the path from the nearest field, such as `value.element`.
    fn types(
        &self,
        path: &str,
        inside: &str,
        table: &mut DataType,
        wanted: &DataType,
        changes: &mut Vec<Value>,
    ) -> Result<()> {
        let mut entry = |name: &str, table: &mut DataType, wanted: &DataType| {
            self.types(&child_path(path, name), &child_path(inside, name), table, wanted, changes)
        };
        match (table, wanted) {
            (DataType::Struct(table), DataType::Struct(wanted)) => self.fields(path, table, wanted)?,
            (
                DataType::Array { element, contains_null },
                DataType::Array { element: wanted, contains_null: wanted_null },
            ) => {
                *contains_null |= wanted_null;
                entry("element", element, wanted)?;
            }
            (
                DataType::Map { key, value, value_contains_null },
                DataType::Map { key: wanted_key, value: wanted, value_contains_null: wanted_null },
            ) => {
                *value_contains_null |= wanted_null;
                // A key of another shape would be another key.
                if !key.is_nested() {
                    entry("key", key, wanted_key)?;
                }
                entry("value", value, wanted)?;
            }
            (table, wanted) => {
                if let Some(wider) = table.wider(wanted).filter(|_| self.widen) {
                    changes.push(type_change(table, &wider, inside));
                    *table = wider;
                }
            }
        }
        Ok(())
    }
}

fn type_change(from: &DataType, to: &DataType, inside: &str) -> Value {
    let mut change = json!({"fromType": from.to_string(), "toType": to.to_string()});
    if !inside.is_empty() {
        change["fieldPath"] = inside.into();
    }
    change
}

impl Field {
    /// As a new column of a table: rows that are there already have no value for it.
    fn as_added(&self) -> Field {
        let comment = self.metadata.get_key_value(COMMENT);
        Field {
            name: self.name.clone(),
            data_type: self.data_type.all_nullable(),
            nullable: true,
            metadata: comment.map(|(key, value)| (key.clone(), value.clone())).into_iter().collect(),
        }
    }
}

impl DataType {
    /// With every field, element and value inside of it nullable. Of metadata only comments stay.
    pub(super) fn all_nullable(&self) -> DataType {
        match self {
            DataType::Struct(fields) => DataType::Struct(fields.iter().map(Field::as_added).collect()),
            DataType::Array { element, .. } => {
                DataType::Array { element: Box::new(element.all_nullable()), contains_null: true }
            }
            DataType::Map { key, value, .. } => DataType::Map {
                key: Box::new(key.all_nullable()),
                value: Box::new(value.all_nullable()),
                value_contains_null: true,
            },
            primitive => primitive.clone(),
        }
    }

    fn is_nested(&self) -> bool {
        matches!(self, DataType::Struct(_) | DataType::Array { .. } | DataType::Map { .. })
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::seq::{IndexedRandom, SliceRandom};
    use rand::{RngExt, SeedableRng};

    use super::super::build::{array, field, map, parse, schema, structure};
    use super::*;
    use crate::Code;

    fn add(table: &Schema, wanted: &Schema) -> Option<Schema> {
        merge(table, wanted, Evolution::Add, true).unwrap()
    }

    fn widen(table: &Schema, wanted: &Schema) -> Option<Schema> {
        merge(table, wanted, Evolution::Widen, true).unwrap()
    }

    fn columns(schema: &Schema) -> String {
        DataType::Struct(schema.fields.clone()).to_string()
    }

    #[test]
    fn columns_are_added_at_every_depth_at_the_end_and_nullable() {
        let table = schema([
            field("id", DataType::Long, false),
            field("s", structure([field("a", DataType::Long, true)]), true),
            field("l", array(structure([field("a", DataType::Long, true)]), false), true),
            field("m", map(DataType::String, structure([field("a", DataType::Long, true)]), false), true),
        ]);
        let inner = || structure([field("b", DataType::Date, false), field("a", DataType::Long, true)]);
        let mut wanted = schema([
            field("new", structure([field("x", array(DataType::Long, false), false)]), false),
            field("m", map(DataType::String, inner(), false), true),
            field("l", array(inner(), false), true),
            field("s", inner(), true),
            field("id", DataType::Long, false),
        ]);
        let metadata = &mut wanted.fields[0].metadata;
        metadata.insert("comment".into(), "what it is".into());
        metadata.insert("delta.columnMapping.id".into(), 7.into());

        let merged = add(&table, &wanted).unwrap();
        assert_eq!(
            columns(&merged),
            "struct<id:long,s:struct<a:long,b:date>,l:array<struct<a:long,b:date>>,\
             m:map<string,struct<a:long,b:date>>,new:struct<x:array<long>>>"
        );
        assert!(!merged.fields[0].nullable, "what both require stays required");
        let mut new = field("new", structure([field("x", array(DataType::Long, true), true)]), true);
        new.metadata.insert("comment".into(), "what it is".into());
        assert_eq!(merged.fields[4], new);
        let DataType::Struct(inner) = &merged.fields[1].data_type else { panic!() };
        assert!(inner[1].nullable);
        assert_eq!(add(&merged, &wanted), None);
        assert_eq!(merge(&table, &wanted, Evolution::None, true), Ok(None));
    }

    #[test]
    fn what_the_records_lack_or_may_have_null_is_no_longer_required() {
        let table = schema([
            field("gone", DataType::Long, false),
            field("null", DataType::Long, false),
            field("s", structure([field("gone", DataType::Long, false)]), false),
            field("l", array(DataType::Long, false), false),
            field("m", map(DataType::Long, DataType::Long, false), false),
            field("kept", DataType::Long, false),
        ]);
        let wanted = schema([
            field("null", DataType::Long, true),
            field("s", structure([field("new", DataType::Long, true)]), false),
            field("l", array(DataType::Long, true), false),
            field("m", map(DataType::Long, DataType::Long, true), false),
            field("KEPT", DataType::Long, false),
        ]);
        let merged = add(&table, &wanted).unwrap();
        let expected = schema([
            field("gone", DataType::Long, true),
            field("null", DataType::Long, true),
            field(
                "s",
                structure([field("gone", DataType::Long, true), field("new", DataType::Long, true)]),
                false,
            ),
            field("l", array(DataType::Long, true), false),
            field("m", map(DataType::Long, DataType::Long, true), false),
            field("kept", DataType::Long, false),
        ]);
        assert_eq!(merged, expected);
    }

    #[test]
    fn the_tables_spelling_and_metadata_stay() {
        let mut table = schema([field("Name", structure([field("First", DataType::Integer, true)]), true)]);
        let metadata = &mut table.fields[0].metadata;
        metadata.insert("comment".into(), "of the table".into());
        metadata.insert(PHYSICAL_NAME.into(), "col-1".into());
        let mut wanted = schema([field("NAME", structure([field("first", DataType::Long, true)]), true)]);
        wanted.fields[0].metadata.insert("comment".into(), "of the records".into());
        assert_eq!(add(&table, &wanted), None);

        let DataType::Struct(inner) = &mut wanted.fields[0].data_type else { panic!() };
        inner.push(field("a b", DataType::Long, true));
        let merged = add(&table, &wanted).unwrap();
        assert_eq!(
            columns(&merged),
            "struct<Name:struct<First:integer,a b:long>>",
            "any name with column mapping"
        );
        assert_eq!(merged.fields[0].metadata, table.fields[0].metadata);

        table.fields[0].metadata.clear();
        let error = merge(&table, &wanted, Evolution::Add, false).unwrap_err();
        assert_eq!(error.code, Code::SchemaUnclear);
        assert!(
            error.message.starts_with("field NAME.a b: ") || error.message.starts_with("field Name.a b: ")
        );
    }

    #[test]
    fn types_are_widened_where_table_and_settings_allow_and_the_change_is_recorded() {
        let table = parse(
            r#"{"type":"struct","fields":[
            {"name":"i","type":"integer","nullable":true,"metadata":{"delta.typeChanges":[{"fromType":"short","toType":"integer"}]}},
            {"name":"l","type":{"type":"array","elementType":{"type":"map","keyType":"float","valueType":"date",
             "valueContainsNull":true},"containsNull":true},"nullable":true,"metadata":{}},
            {"name":"s","type":{"type":"array","elementType":{"type":"struct","fields":[
             {"name":"d","type":"decimal(5,1)","nullable":true,"metadata":{}}]},"containsNull":true},"nullable":true,"metadata":{}},
            {"name":"n","type":"long","nullable":true,"metadata":{}}]}"#,
        );
        let wanted = schema([
            field("i", DataType::Long, true),
            field("l", array(map(DataType::Double, DataType::TimestampNtz, true), true), true),
            field("s", array(structure([field("d", DataType::Integer, true)]), true), true),
            field("n", DataType::String, true),
        ]);
        let merged = widen(&table, &wanted).unwrap();
        assert_eq!(
            columns(&merged),
            "struct<i:long,l:array<map<double,timestamp_ntz>>,s:array<struct<d:decimal(11,1)>>,n:long>"
        );
        let changes = |field: &Field| field.metadata.get(TYPE_CHANGES).cloned();
        assert_eq!(
            changes(&merged.fields[0]),
            Some(
                json!([{"fromType": "short", "toType": "integer"}, {"fromType": "integer", "toType": "long"}])
            )
        );
        assert_eq!(
            changes(&merged.fields[1]),
            Some(json!([
                {"fromType": "float", "toType": "double", "fieldPath": "element.key"},
                {"fromType": "date", "toType": "timestamp_ntz", "fieldPath": "element.value"}
            ]))
        );
        assert_eq!(changes(&merged.fields[2]), None);
        let DataType::Array { element, .. } = &merged.fields[2].data_type else { panic!() };
        let DataType::Struct(inner) = &**element else { panic!() };
        assert_eq!(
            changes(&inner[0]),
            Some(json!([{"fromType": "decimal(5,1)", "toType": "decimal(11,1)"}]))
        );
        assert_eq!(widen(&merged, &wanted), None);
        assert_eq!(add(&table, &wanted), None);
        assert_eq!(merge(&table, &wanted, Evolution::Widen, false), Ok(None));
    }

    #[test]
    fn keys_that_are_structs_stay() {
        let key = |name: &str| structure([field(name, DataType::Long, true)]);
        let table = schema([field("m", map(key("a"), DataType::Long, true), true)]);
        let wanted = schema([field("m", map(key("b"), DataType::Long, true), true)]);
        assert_eq!(add(&table, &wanted), None);
    }

    #[test]
    fn names_that_differ_by_case_only_are_refused() {
        let table = schema([field("s", structure([field("a", DataType::Long, true)]), true)]);
        let twice = structure([field("b", DataType::Long, true), field("B", DataType::Long, true)]);
        for name in ["s", "new"] {
            let wanted = schema([field(name, twice.clone(), true)]);
            let error = merge(&table, &wanted, Evolution::Add, true).unwrap_err();
            assert_eq!(error.code, Code::SchemaUnclear);
            assert!(error.message.starts_with(&format!("field {name}.B: ")), "{}", error.message);
        }
    }

    /// Types of one family can all be widened to their largest, in any order.
    fn scalar(random: &mut StdRng, family: usize) -> DataType {
        let decimal = |precision, scale| DataType::Decimal { precision, scale };
        let types = match family % 5 {
            0 => vec![DataType::Byte, DataType::Short, DataType::Integer, DataType::Long],
            1 => vec![DataType::Float, DataType::Double],
            2 => vec![decimal(3, 1), decimal(10, 0), decimal(9, 9), decimal(18, 6), decimal(25, 4)],
            3 => vec![DataType::Date, DataType::TimestampNtz],
            _ => vec![DataType::String],
        };
        types.choose(random).unwrap().clone()
    }

    /// The shape of a field follows from its name, so that two random schemas never contradict each other.
    fn random_fields(random: &mut StdRng, depth: usize) -> Vec<Field> {
        let mut names: Vec<usize> = (0..9).filter(|_| random.random_bool(0.6)).collect();
        names.push(4);
        names.sort_unstable();
        names.dedup();
        names.shuffle(random);
        let mut fields = Vec::new();
        for name in names {
            let text = format!("c{name}");
            let text = if random.random() { text.to_uppercase() } else { text };
            let data_type = match name {
                5 if depth > 0 => DataType::Struct(random_fields(random, depth - 1)),
                6 if depth > 0 => array(DataType::Struct(random_fields(random, depth - 1)), random.random()),
                7 if depth > 0 => {
                    let value = array(DataType::Struct(random_fields(random, depth - 1)), random.random());
                    map(scalar(random, 0), value, random.random())
                }
                8 => array(map(scalar(random, 4), scalar(random, 0), random.random()), random.random()),
                name => scalar(random, name),
            };
            fields.push(field(&text, data_type, random.random()));
        }
        fields
    }

    /// Names in lower case and in order, so that schemas with the same columns are equal; without what may depend on the order
    /// of merges: nullability and the history of type changes.
    fn canonical(data_type: &DataType) -> DataType {
        let all_nullable = data_type.all_nullable();
        let DataType::Struct(mut fields) = all_nullable else {
            return match all_nullable {
                DataType::Array { element, contains_null } => array(canonical(&element), contains_null),
                DataType::Map { key, value, value_contains_null } => {
                    map(canonical(&key), canonical(&value), value_contains_null)
                }
                other => other,
            };
        };
        for field in &mut fields {
            field.name = field.name.to_lowercase();
            field.data_type = canonical(&field.data_type);
        }
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        DataType::Struct(fields)
    }

    fn merged(table: &Schema, wanted: &Schema) -> Schema {
        widen(table, wanted).unwrap_or_else(|| table.clone())
    }

    /// Every column of `old` is in `new` at the same place, with the same or a wider type, and required only if it was.
    fn assert_grown(old: &DataType, new: &DataType) {
        match (old, new) {
            (DataType::Struct(old), DataType::Struct(new)) => {
                for (old, new) in old.iter().zip(new) {
                    assert_eq!(old.name, new.name);
                    assert!(new.nullable || !old.nullable);
                    assert_grown(&old.data_type, &new.data_type);
                }
                assert!(new.len() >= old.len());
                assert!(new[old.len()..].iter().all(|field| field.nullable));
            }
            (
                DataType::Array { element: old, contains_null: old_null },
                DataType::Array { element: new, contains_null: new_null },
            ) => {
                assert!(new_null | !old_null);
                assert_grown(old, new);
            }
            (
                DataType::Map { key: old_key, value: old, .. },
                DataType::Map { key: new_key, value: new, .. },
            ) => {
                assert_grown(old_key, new_key);
                assert_grown(old, new);
            }
            (old, new) => assert!(old == new || old.widens_to(new), "{old} became {new}"),
        }
    }

    #[test]
    fn merging_is_idempotent_only_grows_and_ends_with_the_same_columns_in_any_order() {
        let mut random = StdRng::seed_from_u64(4);
        for _ in 0..300 {
            let mut next = || Schema { fields: random_fields(&mut random, 3) };
            let table = next();
            let mut wanted: Vec<Schema> = (0..4).map(|_| next()).collect();
            let mut ends = Vec::new();
            for _ in 0..3 {
                wanted.shuffle(&mut random);
                let mut grown = table.clone();
                for wanted in &wanted {
                    let before = DataType::Struct(grown.fields.clone());
                    grown = merged(&grown, wanted);
                    assert_grown(&before, &DataType::Struct(grown.fields.clone()));
                    assert_eq!(widen(&grown, wanted), None);
                    assert_eq!(Schema::parse(&grown.to_json()), Ok(grown.clone()));
                }
                assert!(
                    wanted.iter().all(|wanted| widen(&grown, wanted).is_none()),
                    "all of them fit at the end"
                );
                ends.push(canonical(&DataType::Struct(grown.fields)));
            }
            assert_eq!(ends[0], ends[1]);
            assert_eq!(ends[0], ends[2]);
        }
    }
}
