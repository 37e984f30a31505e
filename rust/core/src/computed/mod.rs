//! Columns that are not in the record's value: metadata, key columns, derived columns and partition transforms. All but
//! the key columns are expressions. For users: `docs/columns.md`.

mod arrange;
mod bucket;
mod calendar;
mod expression;
mod functions;
mod headers;
mod parser;
mod path;
mod plan;
mod rows;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::crossing::Needs;
use crate::schema::{DataType, Field, Schema};
use crate::{Code, Error, Result};
use expression::{Expression, Kafka};
use plan::Bound;

pub use parser::names as column_names;
pub use plan::{Keys, Plan};
pub use rows::Rows;

const METADATA_COLUMNS: &str = "delta.metadata.columns";
const METADATA_STRUCT: &str = "delta.metadata.struct";
const KEY_PREFIX: &str = "delta.key.prefix";
const DERIVED_COLUMNS: &str = "delta.derived.columns";
const PARTITION_BY: &str = "delta.partition.by";

/// The settings' texts as the user gave them; empty where they are not given.
#[derive(Debug, Clone, Copy, Default)]
pub struct ComputedSettings<'a> {
    pub metadata_columns: &'a str,
    pub metadata_prefix: &'a str,
    pub metadata_struct: Option<&'a str>,
    pub key_columns: bool,
    pub key_prefix: &'a str,
    pub derived: &'a str,
    pub partition_by: &'a str,
}

/// The computed columns that the settings ask for. [`Plan`] makes them for one table.
#[derive(Debug, Clone, PartialEq)]
pub struct Computed {
    /// A column may read those before it.
    columns: Arc<[Column]>,
    partition_by: Vec<String>,
    /// None where keys have no columns.
    key_prefix: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Column {
    name: String,
    expression: Expression,
    /// The name of the setting that declares it.
    setting: &'static str,
}

/// A setting's name and what is wrong with its value.
pub type SettingError = (&'static str, String);

/// A computed column does not fit a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// The name of the setting that declares it.
    pub setting: &'static str,
    pub why: String,
}

impl From<Mismatch> for Error {
    fn from(mismatch: Mismatch) -> Error {
        Error::new(Code::ColumnMismatch, mismatch.why)
    }
}

impl Computed {
    pub fn parse(settings: &ComputedSettings<'_>) -> Result<Computed, SettingError> {
        let mut columns = metadata(settings)?;
        let derived = parser::derived(settings.derived).map_err(|why| (DERIVED_COLUMNS, why))?;
        columns.extend(derived.into_iter().map(|(name, expression)| Column {
            name,
            expression,
            setting: DERIVED_COLUMNS,
        }));
        let partition_by = partitions(settings.partition_by, &mut columns)?;
        for (place, column) in columns.iter().enumerate() {
            if let Some(first) = columns[..place].iter().find(|first| path::same(&first.name, &column.name)) {
                let also = match first.setting == column.setting {
                    true => String::new(),
                    false => format!(", also in {}", first.setting),
                };
                return Err((column.setting, format!("column {} is declared twice{also}", column.name)));
            }
        }
        if settings.key_columns && settings.key_prefix.trim_end_matches('_').is_empty() {
            return Err((KEY_PREFIX, "it has to be a name, such as key_".into()));
        }
        Ok(Computed {
            columns: columns.into(),
            partition_by,
            key_prefix: settings.key_columns.then(|| settings.key_prefix.to_owned()),
        })
    }

    /// What has to cross from Java for it.
    pub fn needs(&self) -> Needs {
        let uses = |wanted: &[Kafka]| {
            self.columns
                .iter()
                .any(|column| column.expression.kafka().iter().any(|part| wanted.contains(part)))
        };
        Needs {
            topic: false,
            timestamp: uses(&[Kafka::Timestamp, Kafka::TimestampType]),
            key: uses(&[Kafka::Key]) || self.key_prefix.is_some(),
            headers: uses(&[Kafka::Headers]),
        }
    }

    /// The columns by which a new table is partitioned.
    pub fn partition_by(&self) -> &[String] {
        &self.partition_by
    }

    /// Whether a column of the table is computed, so that no field of the record's value fills it.
    pub fn owns(&self, column: &str) -> bool {
        self.is_computed(column) || self.is_key(column)
    }

    fn is_computed(&self, column: &str) -> bool {
        self.columns.iter().any(|computed| path::same(&computed.name, column))
    }

    fn is_key(&self, column: &str) -> bool {
        let Some(prefix) = &self.key_prefix else { return false };
        let is_whole = path::same(column, prefix.trim_end_matches('_'));
        (is_whole || self.key_field(column).is_some()) && !self.is_computed(column)
    }

    /// The field of a key that goes to a column.
    fn key_field<'a>(&self, column: &'a str) -> Option<&'a str> {
        let (prefix, field) = column.split_at_checked(self.key_prefix.as_ref()?.len())?;
        (self.key_prefix.as_ref().is_some_and(|wanted| path::same(wanted, prefix)) && !field.is_empty())
            .then_some(field)
    }

    /// The columns that a new table gets beside `value`, the fields of the record's value. Of these, the ones that it
    /// [owns](Computed::owns) are to be left out. `key` is a key's type, if there are keys.
    pub fn fields(&self, value: &[Field], key: Option<&DataType>) -> Result<Vec<Field>> {
        let keys = self.key_columns(key);
        if let Some(key) = keys.iter().find(|key| self.is_computed(&key.name)) {
            let why = format!("column {}: a field of the key and a computed column have this name", key.name);
            return Err(Error::new(Code::ColumnMismatch, why));
        }
        let bound = Bound::new(&self.columns, value.to_vec(), keys)?;
        Ok(bound.scope[bound.values..].to_vec())
    }

    /// The columns of a key of that type.
    pub fn key_columns(&self, key: Option<&DataType>) -> Vec<Field> {
        match (&self.key_prefix, key) {
            (Some(prefix), Some(DataType::Struct(fields))) => {
                let named = |field: &Field| Field {
                    name: format!("{prefix}{}", field.name),
                    nullable: true,
                    ..field.clone()
                };
                fields.iter().map(named).collect()
            }
            (Some(prefix), Some(other)) => vec![path::nullable(prefix.trim_end_matches('_'), other.clone())],
            _ => Vec::new(),
        }
    }

    /// The computed columns, without the key's, that a table does not have yet.
    pub fn missing(&self, table: &Schema) -> Result<Vec<Field>, Mismatch> {
        let bound = self.bound_to(table)?;
        let computed = bound.computed(&self.columns).iter();
        Ok(computed.filter(|field| path::find_field(&table.fields, &field.name).is_none()).cloned().collect())
    }

    /// Whether a table with this schema has a column for each.
    pub fn check(&self, table: &Schema) -> Result<(), Mismatch> {
        let bound = self.bound_to(table)?;
        let mut computed = self.columns.iter().zip(bound.computed(&self.columns));
        computed.try_for_each(|(column, field)| column.check(field, table))
    }

    fn bound_to(&self, table: &Schema) -> Result<Bound, Mismatch> {
        let (keys, others): (Vec<_>, Vec<_>) =
            table.fields.iter().cloned().partition(|field| self.is_key(&field.name));
        let values = others.into_iter().filter(|field| !self.owns(&field.name)).collect();
        Bound::new(&self.columns, values, keys)
    }

    /// How the rows of a table with this schema are made.
    pub fn plan(&self, table: &Schema) -> Result<Plan> {
        Plan::new(self, table)
    }
}

impl Column {
    fn mismatch(&self, why: &str) -> Mismatch {
        Mismatch { setting: self.setting, why: format!("column {} ({}): {why}", self.name, self.setting) }
    }

    /// That the table has a column for it.
    fn check(&self, computed: &Field, table: &Schema) -> Result<(), Mismatch> {
        let Some(found) = path::find_field(&table.fields, &self.name) else {
            return Err(self.mismatch(&format!(
                "the table does not have it: add it with the type {}, or set delta.schema.evolution=add",
                computed.data_type
            )));
        };
        let column = &table.fields[found].data_type;
        if arrange::fits(&computed.data_type, column) {
            return Ok(());
        }
        Err(self.mismatch(&format!(
            "{} gives {}, and the table's column is {column}",
            self.expression, computed.data_type
        )))
    }
}

fn metadata(settings: &ComputedSettings<'_>) -> Result<Vec<Column>, SettingError> {
    let mut parts = Vec::new();
    for word in settings.metadata_columns.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let Some(part) = Kafka::from_name(&word.replace('.', "_")) else {
            let known = "topic, partition, offset, timestamp, timestamp.type, key and headers";
            return Err((METADATA_COLUMNS, format!("{word:?} is not one; there are {known}")));
        };
        if parts.contains(&part) {
            return Err((METADATA_COLUMNS, format!("{word:?} is given twice")));
        }
        parts.push(part);
    }
    let column = |name, expression| Column { name, expression, setting: METADATA_COLUMNS };
    match settings.metadata_struct {
        Some(name) if parts.is_empty() => {
            Err((METADATA_STRUCT, format!("nothing would be in {name}: say what in {METADATA_COLUMNS}")))
        }
        Some("") => Err((METADATA_STRUCT, "it has to be the name of a column".into())),
        Some(name) => Ok(vec![column(name.to_owned(), Expression::KafkaStruct(parts))]),
        None => {
            let named = |part: &Kafka| format!("{}{}", settings.metadata_prefix, part.name());
            Ok(parts.iter().map(|part| column(named(part), Expression::Kafka(*part))).collect())
        }
    }
}

/// The names of the partition columns; the columns that are functions come to `columns`.
fn partitions(text: &str, columns: &mut Vec<Column>) -> Result<Vec<String>, SettingError> {
    let mut names: Vec<String> = Vec::new();
    for item in parser::list(text).map_err(|why| (PARTITION_BY, why))? {
        let name = match &item {
            Expression::Field { path, data_type: None } if path.steps.is_empty() => path.root.clone(),
            Expression::Call { name, source, .. } if !source.source_name().is_empty() => {
                let name = format!("{}_{name}", source.source_name());
                columns.push(Column { name: name.clone(), expression: item, setting: PARTITION_BY });
                name
            }
            other => {
                let why = format!(
                    "{other} is neither a column nor a function of one: declare it in {DERIVED_COLUMNS} and give its name here"
                );
                return Err((PARTITION_BY, why));
            }
        };
        if names.iter().any(|before| path::same(before, &name)) {
            let why = format!("{name} is given twice; a name of your own is declared in {DERIVED_COLUMNS}");
            return Err((PARTITION_BY, why));
        }
        names.push(name);
    }
    Ok(names)
}
