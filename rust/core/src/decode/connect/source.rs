//! What the values of a Connect schema stand for, by its kind and its name.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayAccessor, ArrayRef};

use super::Errors;
use crate::Code;
use crate::connect::{ConnectSchema, Kind};
use crate::decode::column::Column;
use crate::decode::value::Value;
use crate::decode::{Parse, RowError};
use crate::schema::DataType;

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// Values that are neither nested nor without a schema.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::decode) enum Source {
    Plain,
    /// None: the schema has no parameter `scale` that is a number.
    Decimal(Option<i32>),
    Date,
    /// Milliseconds of the day, which stay a number.
    TimeOfDay,
    Timestamp {
        unit: Unit,
        zoned: bool,
    },
    ZonedTimestamp,
    /// Debezium's struct of scale and unscaled value.
    VariableScaleDecimal,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::decode) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Source {
    /// None: a list, map or struct, or a value without a schema.
    pub fn of(schema: &ConnectSchema) -> Option<Self> {
        let name = schema.name.as_deref().unwrap_or_default();
        let timestamp = |unit, zoned| Source::Timestamp { unit, zoned };
        Some(match (&schema.kind, name) {
            (Kind::Struct(fields), "io.debezium.data.VariableScaleDecimal") => {
                let parts: Vec<_> = fields.iter().map(|(name, schema)| (&**name, &schema.kind)).collect();
                match parts[..] {
                    [("scale", Kind::Int32), ("value", Kind::Bytes)] => Source::VariableScaleDecimal,
                    _ => return None,
                }
            }
            (Kind::Array(_) | Kind::Map(..) | Kind::Struct(_) | Kind::Any, _) => return None,
            (Kind::Bytes, "org.apache.kafka.connect.data.Decimal") => {
                Source::Decimal(schema.parameters.get("scale").and_then(|scale| scale.parse().ok()))
            }
            (Kind::Int32, "org.apache.kafka.connect.data.Date" | "io.debezium.time.Date") => Source::Date,
            (Kind::Int32, "org.apache.kafka.connect.data.Time") => Source::TimeOfDay,
            (Kind::Int64, "org.apache.kafka.connect.data.Timestamp") => timestamp(Unit::Millis, true),
            (Kind::Int64, "io.debezium.time.Timestamp") => timestamp(Unit::Millis, false),
            (Kind::Int64, "io.debezium.time.MicroTimestamp") => timestamp(Unit::Micros, false),
            (Kind::Int64, "io.debezium.time.NanoTimestamp") => timestamp(Unit::Nanos, false),
            (Kind::Int64, name) if name.ends_with(".TimestampMicros") => timestamp(Unit::Micros, true),
            (Kind::Int64, name) if name.ends_with(".TimestampNanos") => timestamp(Unit::Nanos, true),
            (Kind::String, "io.debezium.time.ZonedTimestamp") => Source::ZonedTimestamp,
            _ => Source::Plain,
        })
    }

    /// What an integer stands for.
    pub fn integer(self, value: i64) -> Parse<Value<'static>> {
        Ok(match (self, i32::try_from(value)) {
            (Source::Date, Ok(days)) => Value::Date(days),
            (Source::TimeOfDay, _) if !(0..DAY_MILLIS).contains(&value) => {
                let last = DAY_MILLIS - 1;
                let message = format!("a time of the day is 0 to {last} milliseconds, and this one {value}");
                return Err(RowError::boxed(Code::RecordRange, message));
            }
            (Source::Timestamp { unit, zoned }, _) => Value::Timestamp { micros: unit.micros(value), zoned },
            _ => Value::Integer(value),
        })
    }

    /// Whether the values are in the column already.
    pub fn is_same(self, schema: &ConnectSchema, target: &DataType) -> bool {
        let plain = matches!(self, Source::Plain | Source::TimeOfDay | Source::ZonedTimestamp);
        plain && schema.arrow() == target.arrow()
    }

    /// Puts every value into `column`, which is empty; what does not fit becomes null.
    pub fn fill(self, array: &ArrayRef, column: &mut Column, errors: &mut Errors) {
        let integers = |value: i64| Value::Integer(value);
        match (self, array.data_type()) {
            (Source::Decimal(scale), _) => fill(array.as_binary::<i32>(), column, errors, |bytes| {
                scale.map(|scale| Value::decimal(bytes, scale))
            }),
            (Source::Date, _) => {
                fill(array.as_primitive::<Int32Type>(), column, errors, |days| Some(Value::Date(days)))
            }
            (Source::Timestamp { unit, zoned }, _) => {
                fill(array.as_primitive::<Int64Type>(), column, errors, |value| {
                    Some(Value::Timestamp { micros: unit.micros(value), zoned })
                })
            }
            (Source::ZonedTimestamp, _) => {
                fill(array.as_string::<i32>(), column, errors, |text| Some(Value::ZonedText(text)))
            }
            (Source::VariableScaleDecimal, _) => fill_variable(array, column, errors),
            // A time of the day comes from a `java.util.Date`, and was looked at there.
            (Source::Plain | Source::TimeOfDay, data_type) => {
                use arrow_schema::DataType as Arrow;
                match data_type {
                    Arrow::Int8 => {
                        fill(array.as_primitive::<Int8Type>(), column, errors, |v| Some(integers(v.into())))
                    }
                    Arrow::Int16 => {
                        fill(array.as_primitive::<Int16Type>(), column, errors, |v| Some(integers(v.into())))
                    }
                    Arrow::Int32 => {
                        fill(array.as_primitive::<Int32Type>(), column, errors, |v| Some(integers(v.into())))
                    }
                    Arrow::Int64 => {
                        fill(array.as_primitive::<Int64Type>(), column, errors, |v| Some(integers(v)))
                    }
                    Arrow::Float32 => fill(array.as_primitive::<Float32Type>(), column, errors, |v| {
                        Some(Value::Float(v.into()))
                    }),
                    Arrow::Float64 => {
                        fill(array.as_primitive::<Float64Type>(), column, errors, |v| Some(Value::Float(v)))
                    }
                    Arrow::Boolean => fill(array.as_boolean(), column, errors, |v| Some(Value::Boolean(v))),
                    Arrow::Utf8 => fill(array.as_string::<i32>(), column, errors, |v| Some(Value::Text(v))),
                    _ => fill(array.as_binary::<i32>(), column, errors, |v| Some(Value::Bytes(v))),
                }
            }
        }
    }
}

impl Unit {
    /// None: finer than a microsecond, or too large.
    fn micros(self, value: i64) -> Option<i64> {
        match self {
            Unit::Millis => value.checked_mul(1000),
            Unit::Micros => Some(value),
            Unit::Nanos => (value % 1000 == 0).then_some(value / 1000),
        }
    }
}

/// `value` gives none where the schema does not say what it is.
fn fill<'a, A: ArrayAccessor>(
    array: A,
    column: &mut Column,
    errors: &mut Errors,
    value: impl Fn(A::Item) -> Option<Value<'a>>,
) where
    A::Item: 'a,
{
    for row in 0..array.len() {
        if array.is_null(row) {
            column.append_null();
            continue;
        }
        let outcome = match value(array.value(row)) {
            Some(value) => column.put(&value),
            None => Err(super::no_scale()),
        };
        if let Err(error) = outcome {
            errors.insert(row, error);
            column.append_null();
        }
    }
}

fn fill_variable(array: &ArrayRef, column: &mut Column, errors: &mut Errors) {
    let parts = array.as_struct();
    let scales = parts.column(0).as_primitive::<Int32Type>();
    let values = parts.column(1).as_binary::<i32>();
    for row in 0..array.len() {
        let outcome = match (array.is_null(row), scales.is_null(row) || values.is_null(row)) {
            (true, _) => {
                column.append_null();
                Ok(())
            }
            (false, true) => {
                Err(column.misfit(crate::Code::RecordType, "a decimal without a scale or value"))
            }
            _ => column.put(&Value::decimal(values.value(row), scales.value(row))),
        };
        if let Err(error) = outcome {
            errors.insert(row, error);
            column.append_null();
        }
    }
}
