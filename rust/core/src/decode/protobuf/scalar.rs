//! Numbers, strings and enums into columns.

use super::model::{EnumType, Kind};
use super::read::Context;
use super::wire::{Raw, Wire, malformed, zigzag};
use crate::decode::Parse;
use crate::decode::column::{Column, Values};
use crate::decode::value::Value;

/// How a field's value is read from the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scalar {
    pub wire: Wire,
    form: Form,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Signed32,
    Signed64,
    Unsigned32,
    Unsigned64,
    ZigZag32,
    ZigZag64,
    Boolean,
    Float,
    Double,
    Text,
    Bytes,
}

impl Scalar {
    /// None: an enum or a message.
    pub fn of(kind: &Kind) -> Option<Self> {
        let (wire, form) = match kind {
            Kind::Double => (Wire::Fixed64, Form::Double),
            Kind::Float => (Wire::Fixed32, Form::Float),
            Kind::Int64 => (Wire::Varint, Form::Signed64),
            Kind::UInt64 => (Wire::Varint, Form::Unsigned64),
            Kind::Int32 => (Wire::Varint, Form::Signed32),
            Kind::Fixed64 => (Wire::Fixed64, Form::Unsigned64),
            Kind::Fixed32 => (Wire::Fixed32, Form::Unsigned32),
            Kind::Bool => (Wire::Varint, Form::Boolean),
            Kind::String => (Wire::Bytes, Form::Text),
            Kind::Bytes => (Wire::Bytes, Form::Bytes),
            Kind::UInt32 => (Wire::Varint, Form::Unsigned32),
            Kind::SFixed32 => (Wire::Fixed32, Form::Signed32),
            Kind::SFixed64 => (Wire::Fixed64, Form::Signed64),
            Kind::SInt32 => (Wire::Varint, Form::ZigZag32),
            Kind::SInt64 => (Wire::Varint, Form::ZigZag64),
            Kind::Enum(_) | Kind::Message { .. } => return None,
        };
        Some(Scalar { wire, form })
    }

    /// Appends the value. After an error nothing was appended.
    #[inline(always)]
    pub fn put(self, column: &mut Column, raw: Raw<'_>) -> Parse {
        let integer = match self.form {
            Form::Signed32 => i64::from(raw.number as i32),
            Form::Signed64 => raw.number as i64,
            Form::Unsigned32 => i64::from(raw.number as u32),
            Form::Unsigned64 => match i64::try_from(raw.number) {
                Ok(number) => number,
                Err(_) => {
                    return column.put(&Value::Decimal { unscaled: Some(raw.number.into()), scale: 0 });
                }
            },
            Form::ZigZag32 => zigzag((raw.number as u32).into()),
            Form::ZigZag64 => zigzag(raw.number),
            Form::Boolean => return column.put(&Value::Boolean(raw.number != 0)),
            Form::Float => return put_float(column, f32::from_bits(raw.number as u32)),
            Form::Double => return put_double(column, f64::from_bits(raw.number)),
            Form::Text => return put_text(column, raw.bytes),
            Form::Bytes => return column.put(&Value::Bytes(raw.bytes)),
        };
        put_integer(column, integer)
    }
}

#[inline(always)]
pub(super) fn put_integer(column: &mut Column, integer: i64) -> Parse {
    match (&mut column.values, i32::try_from(integer)) {
        (Values::Long(values), _) => values.push(integer),
        (Values::Integer(values), Ok(integer)) => values.push(integer),
        _ => return column.put(&Value::Integer(integer)),
    }
    column.valid.append_non_null();
    Ok(())
}

fn put_float(column: &mut Column, value: f32) -> Parse {
    let Values::Float(values) = &mut column.values else {
        return column.put(&Value::Float(value.into()));
    };
    values.push(value);
    column.valid.append_non_null();
    Ok(())
}

fn put_double(column: &mut Column, value: f64) -> Parse {
    let Values::Double(values) = &mut column.values else { return column.put(&Value::Float(value)) };
    values.push(value);
    column.valid.append_non_null();
    Ok(())
}

#[inline(always)]
fn put_text(column: &mut Column, bytes: &[u8]) -> Parse {
    let text = text(bytes)?;
    match column.values {
        Values::String { .. } => column.append_text(bytes),
        _ => return column.put(&Value::Text(text)),
    }
    Ok(())
}

pub(super) fn text(bytes: &[u8]) -> Parse<&str> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| malformed("a string that is not UTF-8".into()))
}

impl EnumType {
    /// Whether a number stands for none of the values that there can be, so that the field counts as unknown.
    pub fn drops(&self, column: &Column, number: i32) -> bool {
        self.closed && matches!(column.values, Values::String { .. }) && self.name_of(number).is_none()
    }

    /// The name into a string column, the number into any other.
    pub fn put(&self, column: &mut Column, number: i32, context: &mut Context) -> Parse {
        if !matches!(column.values, Values::String { .. }) {
            return put_integer(column, number.into());
        }
        let unnamed;
        let name = match self.name_of(number) {
            Some(name) => name,
            None => {
                // As Protobuf for Java, and therefore Confluent's converter, calls it.
                unnamed = format!("UNKNOWN_ENUM_VALUE_{}_{number}", self.name);
                &unnamed
            }
        };
        context.spend_text(name.len())?;
        column.append_text(name.as_bytes());
        Ok(())
    }
}
