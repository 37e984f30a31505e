//! One row of delimiter-separated text (RFC 4180) per record, straight into columns. What each column type takes is in
//! `docs/text.md`.

use std::ops::Range;

use super::column::{Column, Format, Values};
use super::json::number::Number;
use super::object::Object;
use super::rows::Rows;
use super::text::{self, NotATime};
use super::{MAX_RECORD_BYTES, Parse, RowError, UnknownFields, excerpt};
use crate::schema::{DataType, Field, Schema};
use crate::{Code, Error, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    pub delimiter: u8,
    /// None: no field is quoted, and a quote is a character like any other.
    pub quote: Option<u8>,
    /// A field that is exactly this and not quoted is null.
    pub null: Box<str>,
    /// What the fields are, in their order. Empty: the table's columns.
    pub columns: Vec<String>,
    pub unknown_fields: UnknownFields,
}

impl Default for CsvOptions {
    fn default() -> Self {
        CsvOptions {
            delimiter: b',',
            quote: Some(b'"'),
            null: "".into(),
            columns: Vec::new(),
            unknown_fields: UnknownFields::default(),
        }
    }
}

impl CsvOptions {
    /// Of a table that is made from such rows: strings, since nothing says more.
    pub(crate) fn new_columns(&self) -> Result<Vec<Field>> {
        if self.columns.is_empty() {
            let message = "rows of CSV do not say what their fields are: give delta.raw.csv.columns, or the table's schema \
                           (delta.schema.json or delta.schema.file)";
            return Err(Error::new(Code::SchemaUnclear, message));
        }
        let column = |name: &String| Field {
            name: name.clone(),
            data_type: DataType::String,
            nullable: true,
            metadata: Default::default(),
        };
        Ok(self.columns.iter().map(column).collect())
    }
}

pub struct CsvDecoder {
    options: CsvOptions,
    rows: Rows,
    /// The table's column for each field; none: it has no such column.
    targets: Vec<Option<usize>>,
    scratch: Vec<u8>,
}

impl CsvDecoder {
    pub fn new(schema: &Schema, options: CsvOptions) -> Result<Self> {
        check(&options)?;
        let targets = match options.columns.len() {
            0 => (0..schema.fields.len()).map(Some).collect(),
            _ => targets(schema, &options.columns)?,
        };
        for field in targets.iter().flatten().map(|target| &schema.fields[*target]) {
            if matches!(field.data_type, DataType::Struct(_) | DataType::Array { .. } | DataType::Map { .. })
            {
                let message = format!(
                    "column {}: {}, which a field of CSV cannot hold. Leave it out of the list of columns",
                    field.name, field.data_type
                );
                return Err(Error::new(Code::SchemaInvalid, message));
            }
        }
        Ok(CsvDecoder { options, rows: Rows::new(schema, Format::Text)?, targets, scratch: Vec::new() })
    }

    /// Appends one row. After an error nothing of the record is in any column.
    ///
    /// # Panics
    /// If the columns already hold [`MAX_RECORD_BYTES`]: call [`CsvDecoder::finish`] long before.
    pub fn push(&mut self, value: &[u8]) -> Result<(), RowError> {
        let CsvDecoder { options, rows, targets, scratch } = self;
        rows.push(value.len(), |root, rows| {
            let row = Row::new(value, options)?;
            read(row, root, rows, targets, scratch)?;
            Ok(0)
        })
    }
}

super::rows::hands_out_rows!(CsvDecoder);

pub(crate) fn check(options: &CsvOptions) -> Result<()> {
    let refuse = |why: String| Err(Error::new(Code::ConfigInvalid, format!("CSV: {why}")));
    let character = |byte: u8| format!("{:?}", char::from(byte));
    for byte in [Some(options.delimiter), options.quote].into_iter().flatten() {
        if !byte.is_ascii() || matches!(byte, b'\r' | b'\n' | 0) {
            return refuse(format!("{} can be neither delimiter nor quote", character(byte)));
        }
    }
    if options.quote == Some(options.delimiter) {
        return refuse(format!("{} is both delimiter and quote", character(options.delimiter)));
    }
    let special =
        |byte| byte == options.delimiter || matches!(byte, b'\r' | b'\n') || Some(byte) == options.quote;
    if options.null.bytes().any(special) {
        return refuse(format!("no unquoted field can be {:?}, the text for null", options.null));
    }
    Ok(())
}

fn targets(schema: &Schema, columns: &[String]) -> Result<Vec<Option<usize>>> {
    let lower = |name: &str| name.to_lowercase();
    for (at, name) in columns.iter().enumerate() {
        if columns[..at].iter().any(|other| lower(other) == lower(name)) {
            let message =
                format!("CSV: the list of columns has {name} twice (the case of names does not count)");
            return Err(Error::new(Code::ConfigInvalid, message));
        }
    }
    let target = |name: &String| schema.fields.iter().position(|field| lower(&field.name) == lower(name));
    Ok(columns.iter().map(target).collect())
}

fn read(
    mut row: Row<'_>,
    root: &mut Object,
    rows: usize,
    targets: &[Option<usize>],
    scratch: &mut Vec<u8>,
) -> Parse {
    let options = row.options;
    for (at, target) in targets.iter().enumerate() {
        if at > 0 && !row.delimiter()? {
            return Err(row.refuse(format!("{at} fields, where {} are expected", targets.len())));
        }
        let (field, quoted) = row.field(scratch)?;
        let null = !quoted && field == options.null.as_bytes();
        match target {
            Some(target) => {
                let member = &mut root.members[*target];
                let put = if null { member.column.put_null() } else { member.column.put_csv(field) };
                put.map_err(|error| error.in_field(&member.name))?;
            }
            None if null => {}
            None => {
                let name = options.columns.get(at).map_or(&b""[..], |name| name.as_bytes());
                root.take_note(name, options.unknown_fields)?;
            }
        }
    }
    if row.delimiter()? {
        return Err(row.refuse(format!("more than the {} fields that are expected", targets.len())));
    }
    if targets.len() < root.members.len() || targets.contains(&None) {
        root.fill_missing(rows)?;
    }
    Ok(())
}

/// The text of a record.
struct Row<'a> {
    options: &'a CsvOptions,
    text: &'a [u8],
    position: usize,
}

impl<'a> Row<'a> {
    /// The end of the line, if there is one, does not belong to it.
    fn new(value: &'a [u8], options: &'a CsvOptions) -> Parse<Self> {
        if value.len() > MAX_RECORD_BYTES {
            let message = format!("the record has {} bytes, at most {MAX_RECORD_BYTES} fit", value.len());
            return Err(RowError::boxed(Code::RecordRange, message));
        }
        let line = value.strip_suffix(b"\n").unwrap_or(value);
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        let row = Row { options, text, position: 0 };
        match simdutf8::compat::from_utf8(text) {
            Ok(_) => Ok(row),
            Err(error) => {
                Err(Row { position: error.valid_up_to(), ..row }.refuse("text that is not UTF-8".into()))
            }
        }
    }

    /// The field that starts here, and whether it is quoted.
    fn field<'b>(&mut self, scratch: &'b mut Vec<u8>) -> Parse<(&'b [u8], bool)>
    where
        'a: 'b,
    {
        if self.options.quote.is_some_and(|quote| self.text.get(self.position) == Some(&quote)) {
            return Ok((self.quoted(scratch)?, true));
        }
        let start = self.position;
        let rest = &self.text[start..];
        let special = |byte: &u8| {
            *byte == self.options.delimiter
                || matches!(byte, b'\r' | b'\n')
                || Some(*byte) == self.options.quote
        };
        self.position += rest.iter().position(special).unwrap_or(rest.len());
        Ok((&self.text[start..self.position], false))
    }

    /// The field whose opening quote is here.
    fn quoted<'b>(&mut self, scratch: &'b mut Vec<u8>) -> Parse<&'b [u8]>
    where
        'a: 'b,
    {
        let opening = self.position;
        let first = self.to_quote(opening)?;
        if self.text.get(first.end + 1) != self.options.quote.as_ref() {
            self.position = first.end + 1;
            return Ok(&self.text[first]);
        }
        scratch.clear();
        let mut run = first;
        loop {
            scratch.extend_from_slice(&self.text[run.clone()]);
            self.position = run.end + 1;
            if self.text.get(self.position) != self.options.quote.as_ref() {
                return Ok(scratch);
            }
            // Two quotes stand for one.
            scratch.extend(self.options.quote);
            run = self.to_quote(self.position).map_err(|_| self.without_end(opening))?;
        }
    }

    /// From behind the quote at `quote` to the next one.
    fn to_quote(&self, quote: usize) -> Parse<Range<usize>> {
        let start = quote + 1;
        let rest = self.text.get(start..).unwrap_or_default();
        match rest.iter().position(|byte| Some(*byte) == self.options.quote) {
            Some(length) => Ok(start..start + length),
            None => Err(self.without_end(quote)),
        }
    }

    #[cold]
    fn without_end(&self, quote: usize) -> Box<RowError> {
        Row { position: quote, ..*self }.refuse("a quote that is not closed".into())
    }

    /// After a field. True: a delimiter, which is passed over; false: the end.
    fn delimiter(&mut self) -> Parse<bool> {
        match self.text.get(self.position) {
            None => Ok(false),
            Some(byte) if *byte == self.options.delimiter => {
                self.position += 1;
                Ok(true)
            }
            Some(b'\r' | b'\n') => Err(self.refuse("more than one line".into())),
            Some(byte) if Some(*byte) == self.options.quote => {
                Err(self.refuse("a quote in a field that is not quoted".into()))
            }
            Some(_) => Err(self.refuse("text behind a closing quote".into())),
        }
    }

    #[cold]
    fn refuse(&self, found: String) -> Box<RowError> {
        let rest = excerpt(self.text.get(self.position..).unwrap_or_default());
        let at = if rest.is_empty() { "the end".into() } else { format!("byte {} ({rest})", self.position) };
        RowError::boxed(Code::RecordCsv, format!("the row has {found}, at {at}"))
    }
}

impl Column {
    /// Appends what `text`, which is UTF-8, stands for: by the rules of a JSON string or number, whichever the type has.
    /// After an error nothing was appended.
    fn put_csv(&mut self, text: &[u8]) -> Parse {
        if let Err((code, why)) = put(&mut self.values, text) {
            return Err(self.misfit(code, &format!("{:?}{why}", excerpt(text))));
        }
        self.valid.append_non_null();
        Ok(())
    }
}

type Misfit = (Code, &'static str);

const TYPE: Misfit = (Code::RecordType, "");

fn put(column: &mut Values, text: &[u8]) -> Result<(), Misfit> {
    match column {
        Values::Boolean(values) => values.append(match text {
            b"true" => true,
            b"false" => false,
            _ => return Err(TYPE),
        }),
        Values::Byte(values) => values.push(integer(text)?),
        Values::Short(values) => values.push(integer(text)?),
        Values::Integer(values) => values.push(integer(text)?),
        Values::Long(values) => values.push(integer(text)?),
        Values::Float(values) => values.push(finite(text, |number| number.float(), f32::is_finite)?),
        Values::Double(values) => values.push(finite(text, |number| number.double(), f64::is_finite)?),
        Values::Decimal { values, scale, limit } => match number(text)?.scaled(*scale) {
            Some(value) if value > -*limit && value < *limit => values.push(value),
            _ => return Err((Code::RecordRange, ", which does not fit without rounding")),
        },
        Values::String { ends, bytes } => {
            bytes.extend_from_slice(text);
            ends.push(bytes.len());
        }
        Values::Binary { ends, bytes } => {
            let before = bytes.len();
            if !text::base64(text, bytes) {
                bytes.truncate(before);
                return Err(TYPE);
            }
            ends.push(bytes.len());
        }
        Values::Date(values) => values.push(text::date(text).ok_or(TYPE)?),
        Values::Timestamp { values, zoned } => {
            values.push(text::timestamp(text, *zoned).map_err(|error| match error {
                NotATime::Malformed => TYPE,
                NotATime::Zoned => (Code::RecordType, ": a zone where the type has none"),
                NotATime::NotExact => {
                    (Code::RecordRange, ": not in the years 0001 to 9999, or finer than a microsecond")
                }
            })?);
        }
        Values::Struct(_) | Values::List { .. } | Values::Map { .. } => return Err(TYPE),
    }
    Ok(())
}

fn number(text: &[u8]) -> Result<Number<'_>, Misfit> {
    Number::scan(text).ok().filter(|number| number.text.len() == text.len()).ok_or(TYPE)
}

fn integer<T: TryFrom<i64>>(text: &[u8]) -> Result<T, Misfit> {
    let value = number(text)?.integer().and_then(|value| T::try_from(value).ok());
    value.ok_or((Code::RecordRange, ", which is not a whole number in its range"))
}

fn finite<T: From<f32> + Copy>(
    text: &[u8],
    value: impl Fn(Number<'_>) -> T,
    is_finite: impl Fn(T) -> bool,
) -> Result<T, Misfit> {
    match text {
        b"NaN" => return Ok(f32::NAN.into()),
        b"Infinity" => return Ok(f32::INFINITY.into()),
        b"-Infinity" => return Ok(f32::NEG_INFINITY.into()),
        _ => {}
    }
    let value = value(number(text)?);
    if is_finite(value) { Ok(value) } else { Err((Code::RecordRange, ", which is too large")) }
}

#[cfg(test)]
mod tests;
