//! `google.protobuf.Struct`, `Value` and `ListValue` as JSON text.

use std::borrow::Cow;
use std::collections::HashMap;

use super::known::expect;
use super::model::Known;
use super::read::{Context, join};
use super::scalar::text;
use super::wire::{Raw, Tag, Wire, each};
use crate::Code;
use crate::decode::column::{Column, Values};
use crate::decode::{Parse, RowError, excerpt};

/// What a field of a Struct takes while it is read.
const FIELD_BYTES: usize = 96;
/// Above it a double no longer holds every whole number.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

pub(super) fn put(known: Known, column: &mut Column, message: &[u8], context: &mut Context) -> Parse {
    if !matches!(column.values, Values::String { .. }) {
        return Err(column.misfit(Code::RecordType, "a value of any type"));
    }
    let mut json = Vec::new();
    match known {
        Known::Struct => write_struct(message, &mut json, context)?,
        Known::ListValue => write_list(message, &mut json, context)?,
        _ => write_value(message, &mut json, context)?,
    }
    context.spend_text(json.len())?;
    column.append_text(&json);
    Ok(())
}

/// The last of the fields counts, and what it held before it was given again, if it is a message.
fn write_value(message: &[u8], json: &mut Vec<u8>, context: &mut Context) -> Parse {
    let mut last = Tag { number: 1, wire: Wire::Varint };
    let (mut number, mut bytes) = (0, Cow::Borrowed(&[][..]));
    each(message, |tag, raw| {
        let wire = match tag.number {
            1 | 4 => Wire::Varint,
            2 => Wire::Fixed64,
            3 | 5 | 6 => Wire::Bytes,
            _ => return Ok(()),
        };
        expect(tag.wire, wire, raw)?;
        if tag.number > 4 && tag.number == last.number {
            join(&mut bytes, raw.bytes, context)?;
        } else {
            (number, bytes) = (raw.number, Cow::Borrowed(raw.bytes));
        }
        last = tag;
        Ok(())
    })?;
    match last.number {
        1 => json.extend_from_slice(b"null"),
        2 => write_number(f64::from_bits(number), json)?,
        3 => write_text(&bytes, json)?,
        4 => json.extend_from_slice(if number != 0 { b"true" } else { b"false" }),
        5 => write_struct(&bytes, json, context)?,
        _ => write_list(&bytes, json, context)?,
    }
    Ok(())
}

fn write_struct(message: &[u8], json: &mut Vec<u8>, context: &mut Context) -> Parse {
    context.enter()?;
    let mut fields: Vec<(&[u8], Cow<'_, [u8]>)> = Vec::new();
    let mut places: HashMap<&[u8], usize> = HashMap::new();
    each(message, |tag, raw| {
        if tag.number != 1 {
            return Ok(());
        }
        context.budget.spend(FIELD_BYTES)?;
        let (key, value) = entry(expect(tag.wire, Wire::Bytes, raw)?, context)?;
        let place = *places.entry(key).or_insert(fields.len());
        match fields.get_mut(place) {
            Some(field) => field.1 = value,
            None => fields.push((key, value)),
        }
        Ok(())
    })?;
    json.push(b'{');
    for (i, (key, value)) in fields.iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        write_text(key, json)?;
        json.push(b':');
        write_value(value, json, context).map_err(|error| error.in_field(&excerpt(key)))?;
    }
    json.push(b'}');
    context.leave();
    Ok(())
}

/// The key and the value of a map's entry, whose value is a message.
fn entry<'a>(entry: Raw<'a>, context: &mut Context) -> Parse<(&'a [u8], Cow<'a, [u8]>)> {
    let (mut key, mut value) = (&[][..], None::<Cow<'_, [u8]>>);
    each(entry.bytes, |tag, raw| {
        match tag.number {
            1 => key = expect(tag.wire, Wire::Bytes, raw)?.bytes,
            2 => {
                let bytes = expect(tag.wire, Wire::Bytes, raw)?.bytes;
                match &mut value {
                    None => value = Some(Cow::Borrowed(bytes)),
                    Some(value) => join(value, bytes, context)?,
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, value.unwrap_or_default()))
}

fn write_list(message: &[u8], json: &mut Vec<u8>, context: &mut Context) -> Parse {
    context.enter()?;
    json.push(b'[');
    let mut index = 0;
    each(message, |tag, raw| {
        if tag.number != 1 {
            return Ok(());
        }
        if index > 0 {
            json.push(b',');
        }
        let value = expect(tag.wire, Wire::Bytes, raw)?.bytes;
        write_value(value, json, context).map_err(|error| error.in_element(index))?;
        index += 1;
        Ok(())
    })?;
    json.push(b']');
    context.leave();
    Ok(())
}

fn write_text(bytes: &[u8], json: &mut Vec<u8>) -> Parse {
    json.extend_from_slice(serde_json::Value::from(text(bytes)?).to_string().as_bytes());
    Ok(())
}

/// Whole numbers without a fraction, as producers of JSON write them.
fn write_number(number: f64, json: &mut Vec<u8>) -> Parse {
    let negative_zero = number == 0.0 && number.is_sign_negative();
    let written = if number.fract() == 0.0 && number.abs() <= MAX_WHOLE && !negative_zero {
        (number as i64).to_string()
    } else {
        match serde_json::Number::from_f64(number) {
            Some(number) => number.to_string(),
            None => {
                let message = format!("the number {number}, which JSON has not");
                return Err(RowError::boxed(Code::RecordRange, message));
            }
        }
    };
    json.extend_from_slice(written.as_bytes());
    Ok(())
}
