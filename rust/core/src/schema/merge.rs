//! Stand-in until the real merge is there: adds columns at the top.

use super::Schema;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evolution {
    None,
    Add,
    Widen,
}

pub fn merge(table: &Schema, wanted: &Schema, evolution: Evolution, _type_widening: bool) -> Option<Schema> {
    let mut merged = table.clone();
    for field in &wanted.fields {
        if merged.fields.iter().all(|other| other.name.to_lowercase() != field.name.to_lowercase()) {
            merged.fields.push(super::Field { nullable: true, ..field.clone() });
        }
    }
    (evolution != Evolution::None && merged != *table).then_some(merged)
}
