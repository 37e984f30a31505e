//! How the rows of one table are put together: worked out once for each schema of the table.

use std::sync::Arc;

use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, StringArray, StructArray, new_null_array,
};
use arrow_schema::SchemaRef;

use super::arrange::arrange;
use super::expression::{Expression, Literal, find_in_scope, kafka_fields};
use super::functions;
use super::path::{self, gather};
use super::rows::{BadRows, Report, Rows, good_rows};
use super::{Column, Computed, Mismatch};
use crate::decode::json::RowError;
use crate::schema::{DataType, Field, Schema};
use crate::{Code, Error, Result};

/// The columns that expressions read, in the order in which they come to be: the value's, the key's, then the computed.
pub struct Bound {
    pub scope: Vec<Field>,
    pub values: usize,
}

pub struct Plan {
    columns: Arc<[Column]>,
    table: SchemaRef,
    bound: Bound,
    decode_schema: Schema,
    key_fields: Vec<Field>,
    key_column: Option<Field>,
    /// For each column of the table its place in the scope.
    order: Vec<usize>,
    is_plain: bool,
}

/// The keys of the rows, converted.
pub enum Keys {
    /// No row has one, or nobody asked for it.
    None,
    /// One column for each of [`Plan::key_fields`].
    Fields(Vec<ArrayRef>),
    /// Keys that are single values, for [`Plan::key_column`].
    Whole(ArrayRef),
}

impl Bound {
    /// `values` get the fields that only expressions read. `keys` are columns of the table.
    pub fn new(columns: &[Column], mut values: Vec<Field>, keys: Vec<Field>) -> Result<Bound, Mismatch> {
        let mut before: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        for column in columns {
            if let Some((path, wanted)) = column.expression.reads()
                && !before.iter().any(|name| path::same(name, &path.root))
            {
                path::extend(&mut values, path, wanted.as_ref()).map_err(|why| column.mismatch(&why))?;
            }
            before.push(&column.name);
        }
        let mut bound = Bound { values: values.len(), scope: values };
        bound.scope.extend(keys);
        for column in columns {
            let data_type = column.expression.data_type(&bound.scope).map_err(|why| column.mismatch(&why))?;
            bound.scope.push(path::nullable(&column.name, data_type));
        }
        Ok(bound)
    }

    /// For each column of the settings.
    pub fn computed(&self, columns: &[Column]) -> &[Field] {
        &self.scope[self.scope.len() - columns.len()..]
    }
}

impl Plan {
    pub fn new(computed: &Computed, table: &Schema) -> Result<Plan> {
        let (keys, others): (Vec<_>, Vec<_>) =
            table.fields.iter().cloned().partition(|field| computed.is_key(&field.name));
        let values: Vec<_> = others.into_iter().filter(|field| !computed.owns(&field.name)).collect();
        if values.is_empty() {
            let why = "the table has no column for the record's value, only computed ones";
            return Err(Error::new(Code::ColumnMismatch, why));
        }
        let key_column = keys.iter().find(|key| computed.key_field(&key.name).is_none()).cloned();
        let key_fields: Vec<_> = keys
            .iter()
            .filter_map(|key| Some(Field { name: computed.key_field(&key.name)?.to_owned(), ..key.clone() }))
            .collect();
        let bound = Bound::new(&computed.columns, values, keys)?;
        for (column, field) in computed.columns.iter().zip(bound.computed(&computed.columns)) {
            column.check(field, table)?;
        }
        let place = |field: &Field| {
            let in_scope = bound.scope.iter().rposition(|other| path::same(&other.name, &field.name));
            in_scope.expect("each column of the table is a value's, a key's or a computed one")
        };
        Ok(Plan {
            columns: computed.columns.clone(),
            table: table.arrow(),
            decode_schema: Schema { fields: bound.scope[..bound.values].to_vec() },
            is_plain: bound.scope.len() == bound.values,
            order: table.fields.iter().map(place).collect(),
            key_fields,
            key_column,
            bound,
        })
    }

    /// What the record's value has to be decoded to: the table's columns that are not computed, and after them, or
    /// in them, the fields that only expressions read.
    pub fn decode_schema(&self) -> &Schema {
        &self.decode_schema
    }

    /// What a key has to be converted to that is a struct or a map. The names have no prefix.
    pub fn key_fields(&self) -> &[Field] {
        &self.key_fields
    }

    /// The column of a key that is a single value.
    pub fn key_column(&self) -> Option<&Field> {
        self.key_column.as_ref()
    }

    /// The rows that the table gets, in the order of its columns, without the bad ones: these are given by their
    /// position in `rows`, ascending. `decoded` has the columns of [`Plan::decode_schema`]; it and `keys` have one row
    /// for each of `rows`.
    pub fn assemble(
        &self,
        decoded: RecordBatch,
        keys: Keys,
        rows: &Rows<'_>,
    ) -> (RecordBatch, Vec<(usize, RowError)>) {
        if self.is_plain {
            return (decoded, Vec::new());
        }
        let count = rows.indices.len();
        assert_eq!(decoded.num_rows(), count, "decoded rows are those that are asked for");
        let mut bad = BadRows::default();
        let mut scope = decoded.columns().to_vec();
        scope.extend(self.key_columns(keys, count));
        for column in self.columns.iter() {
            let mut report = Report { bad: &mut bad, column: &column.name, source: String::new() };
            let array = self.evaluate(&column.expression, &scope, rows, &mut report);
            assert_eq!(array.len(), count, "an expression has a value for each row");
            scope.push(array);
        }
        let mut batch = Vec::with_capacity(self.order.len());
        for (place, field) in self.order.iter().zip(self.table.fields()) {
            let column = arrange(&scope[*place], field.data_type());
            if *place >= self.bound.values && !field.is_nullable() && column.null_count() > 0 {
                for row in (0..count).filter(|row| column.is_null(*row)) {
                    let message = "no value for a column that is not nullable".to_owned();
                    bad.add(row, RowError { code: Code::RecordNull, path: field.name().clone(), message });
                }
            }
            batch.push(column);
        }
        let batch = RecordBatch::try_new(self.table.clone(), good_rows(batch, count, &bad))
            .expect("the columns are arranged by this schema and have the same length");
        (batch, bad.into_errors())
    }

    fn key_columns(&self, keys: Keys, count: usize) -> Vec<ArrayRef> {
        let columns = &self.bound.scope[self.bound.values..self.bound.scope.len() - self.columns.len()];
        let is_whole =
            |column: &Field| self.key_column.as_ref().is_some_and(|whole| whole.name == column.name);
        let (mut fields, whole) = match keys {
            Keys::None => (Vec::new(), None),
            Keys::Fields(fields) => (fields, None),
            Keys::Whole(whole) => (Vec::new(), Some(whole)),
        };
        assert!(
            fields.is_empty() || fields.len() == self.key_fields.len(),
            "a column for each field of the key"
        );
        let mut fields = fields.drain(..);
        let columns = columns.iter().map(|column| {
            let array = if is_whole(column) { whole.clone() } else { fields.next() };
            array.unwrap_or_else(|| new_null_array(&column.data_type.arrow(), count))
        });
        columns.inspect(|column| assert_eq!(column.len(), count, "a key for each row")).collect()
    }

    fn evaluate(
        &self,
        expression: &Expression,
        scope: &[ArrayRef],
        rows: &Rows<'_>,
        report: &mut Report<'_>,
    ) -> ArrayRef {
        let count = rows.indices.len();
        if !matches!(expression, Expression::Call { .. }) {
            report.source = expression.to_string();
        }
        match expression {
            Expression::Field { path, .. } => {
                let column = find_in_scope(&self.bound.scope[..scope.len()], path)
                    .expect("every path was looked up when the plan was made");
                gather(&scope[column], &path.steps)
            }
            Expression::Literal(literal) => constant(literal, count),
            Expression::Kafka(part) => rows.kafka(*part, report),
            Expression::KafkaStruct(parts) => {
                let columns = parts.iter().map(|part| {
                    report.source = Expression::Kafka(*part).to_string();
                    rows.kafka(*part, report)
                });
                let columns: Vec<_> = columns.collect();
                let fields = Schema { fields: kafka_fields(parts) }.arrow().fields().clone();
                Arc::new(StructArray::new(fields, columns, None))
            }
            Expression::Header(name) => rows.header(name, report),
            Expression::Call { function, source, .. } => {
                let source = self.evaluate(source, scope, rows, report);
                functions::apply(function, &source, report)
            }
        }
    }
}

fn constant(literal: &Literal, count: usize) -> ArrayRef {
    match literal {
        Literal::String(text) => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, count))),
        Literal::Boolean(value) => Arc::new(BooleanArray::from(vec![*value; count])),
        Literal::Integer(value, data_type) => {
            // It was checked to fit when the settings were read.
            match data_type {
                DataType::Byte => Arc::new(PrimitiveArray::<Int8Type>::from_value(*value as i8, count)),
                DataType::Short => Arc::new(PrimitiveArray::<Int16Type>::from_value(*value as i16, count)),
                DataType::Integer => Arc::new(PrimitiveArray::<Int32Type>::from_value(*value as i32, count)),
                _ => Arc::new(PrimitiveArray::<Int64Type>::from_value(*value, count)),
            }
        }
    }
}
