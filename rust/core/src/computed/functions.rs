//! What the functions do with a column. Null gives null; a value that has no result is reported, and its row is bad.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, BinaryArray, Int32Array, Int64Array, PrimitiveArray, StringArray};
use arrow_schema::{DataType as ArrowType, TimeUnit};

use super::bucket::{bucket, hash_bytes, hash_decimal, hash_long};
use super::calendar::{self, MICROS_PER_DAY, MICROS_PER_HOUR};
use super::expression::Function;
use super::headers::Problem;
use super::path::{self, Path};
use super::rows::Report;
use crate::Code;
use crate::decode::json::{JsonDecoder, JsonOptions};
use crate::schema::{DataType, Schema};

/// The source has a type that the function takes.
pub fn apply(function: &Function, source: &ArrayRef, report: &mut Report<'_>) -> ArrayRef {
    match function {
        Function::Substring { start, length } => {
            let part = |text| characters(text, *start, *length);
            Arc::new(source.as_string::<i32>().iter().map(|text| text.map(part)).collect::<StringArray>())
        }
        Function::Timestamp { unit_micros } => timestamps(&longs(source), *unit_micros, report),
        Function::Date => days(source, report, |day| day),
        Function::Month => days(source, report, calendar::month),
        Function::Year => days(source, report, calendar::year),
        Function::Hour => {
            let hours = each::<_, TimestampMicrosecondType>(&longs(source), report, |at| {
                at.div_euclid(MICROS_PER_HOUR).checked_mul(MICROS_PER_HOUR).ok_or_else(|| out_of_range(at))
            });
            Arc::new(hours.with_data_type(source.data_type().clone()))
        }
        Function::Bucket(buckets) => Arc::new(buckets_of(source, *buckets)),
        Function::Truncate(width) => truncate(source, *width, report),
        Function::Json { path, data_type } => json(source.as_string::<i32>(), path, data_type, report),
    }
}

fn characters(text: &str, start: usize, length: usize) -> &str {
    let place =
        |text: &str, count: usize| text.char_indices().nth(count).map_or(text.len(), |(place, _)| place);
    let rest = &text[place(text, start)..];
    &rest[..place(rest, length)]
}

/// Whole numbers, days and microseconds as they are.
pub fn longs(source: &ArrayRef) -> Int64Array {
    match source.data_type() {
        ArrowType::Int8 => source.as_primitive::<Int8Type>().unary(i64::from),
        ArrowType::Int16 => source.as_primitive::<Int16Type>().unary(i64::from),
        ArrowType::Int32 => source.as_primitive::<Int32Type>().unary(i64::from),
        ArrowType::Date32 => source.as_primitive::<Date32Type>().unary(i64::from),
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            source.as_primitive::<TimestampMicrosecondType>().unary(|micros| micros)
        }
        _ => source.as_primitive::<Int64Type>().clone(),
    }
}

fn each<S: ArrowPrimitiveType, T: ArrowPrimitiveType>(
    source: &PrimitiveArray<S>,
    report: &mut Report<'_>,
    convert: impl Fn(S::Native) -> Result<T::Native, Problem>,
) -> PrimitiveArray<T> {
    let values = source
        .iter()
        .enumerate()
        .map(|(row, value)| convert(value?).map_err(|problem| report.add(row, problem)).ok());
    values.collect::<Vec<_>>().into_iter().collect()
}

/// Microseconds in UTC from units since the epoch.
pub fn timestamps(source: &Int64Array, unit_micros: i64, report: &mut Report<'_>) -> ArrayRef {
    let micros = each::<_, TimestampMicrosecondType>(source, report, |units| {
        let micros = units.checked_mul(unit_micros);
        micros.filter(|micros| (calendar::FIRST_MICROS..calendar::END_MICROS).contains(micros)).ok_or_else(
            || {
                let unit = match unit_micros {
                    1 => "microseconds",
                    1_000 => "milliseconds",
                    _ => "seconds",
                };
                (
                    Code::RecordRange,
                    format!(
                        "{units} {unit} since 1970 are not in the years 0001 to 9999; is the unit right?"
                    ),
                )
            },
        )
    });
    Arc::new(micros.with_timezone("UTC"))
}

fn days(source: &ArrayRef, report: &mut Report<'_>, round: impl Fn(i64) -> i64) -> ArrayRef {
    let per_day = if source.data_type() == &ArrowType::Date32 { 1 } else { MICROS_PER_DAY };
    Arc::new(each::<_, Date32Type>(&longs(source), report, |at| {
        i32::try_from(round(at.div_euclid(per_day))).map_err(|_| out_of_range(at))
    }))
}

fn out_of_range(value: i64) -> Problem {
    (Code::RecordRange, format!("{value} rounded down is outside the range of its type"))
}

fn buckets_of(source: &ArrayRef, buckets: u32) -> Int32Array {
    let of = |hash| bucket(hash, buckets);
    match source.data_type() {
        ArrowType::Utf8 => {
            source.as_string::<i32>().iter().map(|text| Some(of(hash_bytes(text?.as_bytes())))).collect()
        }
        ArrowType::Binary => {
            source.as_binary::<i32>().iter().map(|bytes| Some(of(hash_bytes(bytes?)))).collect()
        }
        ArrowType::Decimal128(..) => {
            source.as_primitive::<Decimal128Type>().unary(|unscaled| of(hash_decimal(unscaled)))
        }
        _ => longs(source).unary(|value| of(hash_long(value))),
    }
}

fn truncate(source: &ArrayRef, width: u32, report: &mut Report<'_>) -> ArrayRef {
    match source.data_type() {
        ArrowType::Utf8 => {
            let texts = source.as_string::<i32>().iter();
            Arc::new(
                texts
                    .map(|text| text.map(|text| characters(text, 0, width as usize)))
                    .collect::<StringArray>(),
            )
        }
        ArrowType::Binary => {
            let values = source.as_binary::<i32>().iter();
            let cut = values.map(|bytes| bytes.map(|bytes| &bytes[..bytes.len().min(width as usize)]));
            Arc::new(cut.collect::<BinaryArray>())
        }
        ArrowType::Decimal128(precision, _) => {
            let limit = 10i128.pow(u32::from(*precision));
            let values = source.as_primitive::<Decimal128Type>();
            let cut = each::<_, Decimal128Type>(values, report, |value| {
                round_down(value, width).filter(|cut| *cut > -limit).ok_or_else(|| below_range(value, width))
            });
            Arc::new(cut.with_data_type(source.data_type().clone()))
        }
        ArrowType::Int8 => truncate_whole::<Int8Type>(source, width, report),
        ArrowType::Int16 => truncate_whole::<Int16Type>(source, width, report),
        ArrowType::Int32 => truncate_whole::<Int32Type>(source, width, report),
        _ => truncate_whole::<Int64Type>(source, width, report),
    }
}

fn truncate_whole<T: ArrowPrimitiveType>(source: &ArrayRef, width: u32, report: &mut Report<'_>) -> ArrayRef
where
    T::Native: Into<i64> + TryFrom<i128>,
{
    Arc::new(each::<T, T>(source.as_primitive(), report, |value| {
        let value = i128::from(value.into());
        let cut = round_down(value, width).and_then(|cut| T::Native::try_from(cut).ok());
        cut.ok_or_else(|| below_range(value, width))
    }))
}

/// The greatest multiple of the width that is not above the value.
fn round_down(value: i128, width: u32) -> Option<i128> {
    value.checked_sub(value.rem_euclid(i128::from(width)))
}

fn below_range(value: i128, width: u32) -> Problem {
    (
        Code::RecordRange,
        format!("{value} rounded down to a multiple of {width} is outside the range of its type"),
    )
}

fn json(texts: &StringArray, path: &Path, data_type: &DataType, report: &mut Report<'_>) -> ArrayRef {
    let mut fields = Vec::new();
    path::extend(&mut fields, path, Some(data_type)).expect("there is nothing yet that could contradict");
    let mut decoder = JsonDecoder::new(&Schema { fields }, JsonOptions::default())
        .expect("a path of less than 64 steps, and types that JSON can fill");
    for (row, text) in texts.iter().enumerate() {
        if let Err(error) = decoder.push(text.unwrap_or("{}").as_bytes()) {
            let at = if error.path.is_empty() { String::new() } else { format!(" at {}", error.path) };
            report.add(row, (error.code, format!("in the JSON text{at}: {}", error.message)));
            decoder.push(b"{}").expect("every column is nullable");
        }
    }
    path::gather(decoder.finish().column(0), &path.steps)
}
