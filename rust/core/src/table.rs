//! A Delta table as its newest known version describes it.

use std::collections::BTreeMap;

use crate::schema::Schema;

#[derive(Debug, Clone, PartialEq)]
pub struct TableInfo {
    pub schema: Schema,
    /// Logical column names, in their order.
    pub partition_by: Vec<String>,
    /// `configuration` of the metaData action, such as `delta.enableTypeWidening`.
    pub properties: BTreeMap<String, String>,
}

impl TableInfo {
    pub fn unpartitioned(schema: Schema) -> Self {
        TableInfo { schema, partition_by: Vec::new(), properties: BTreeMap::new() }
    }

    pub fn is_on(&self, property: &str) -> bool {
        self.properties.get(property).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}
