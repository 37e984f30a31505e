//! How raw values are decoded.

use super::choices::{RawFormat, RawFraming};
use super::declare;
use super::reader::Reader;
use crate::decode::csv::{self, CsvOptions};
use crate::error::Code;
use crate::raw::{Framing, Given, RawSettings};

/// None after an error, which the reader keeps.
pub(super) fn settings(read: &mut Reader) -> Option<RawSettings> {
    let format: Option<RawFormat> = read.choice(declare::RAW_FORMAT);
    let framing: Option<RawFraming> = read.choice(declare::RAW_FRAMING);
    let json_strings = read.choice(declare::RAW_JSON_STRINGS);
    let compression = read.choice(declare::RAW_VALUE_COMPRESSION);
    let csv = csv_options(read);
    let file = read.path(declare::RAW_SCHEMA_FILE);
    let has_file = file.is_some();
    let has_registry = read.any_text(declare::REGISTRY_URL).is_some();
    let (format, told) = (format?, framing?);
    let framing = told.framing(has_registry);
    let message = read.any_text(declare::RAW_MESSAGE).map(str::to_owned);
    let mut given = file.map_or(Given::None, Given::File);
    let text = read.any_text(declare::RAW_SCHEMA);
    if let Some(text) = text.filter(|_| format.has_schemas()) {
        match format.parse(text.as_bytes(), message.as_deref()) {
            Ok(schema) => given = Given::Schema(schema),
            Err(error) => read.error(declare::RAW_SCHEMA, Code::ConfigInvalid, error.message),
        }
    }
    let file = has_file.then_some(declare::RAW_SCHEMA_FILE);
    let both: Vec<_> = text.map(|_| declare::RAW_SCHEMA).into_iter().chain(file).collect();
    check(read, format, told, has_registry, &both);
    Some(RawSettings {
        format,
        framing,
        json_strings: json_strings?,
        compression: compression?,
        message,
        csv: csv?,
        value_column: read.text_or_default(declare::RAW_VALUE_COLUMN).to_owned(),
        given,
    })
}

fn csv_options(read: &mut Reader) -> Option<CsvOptions> {
    let delimiter = read.text(declare::RAW_CSV_DELIMITER, |text| match text {
        "comma" => Ok(b','),
        "tab" => Ok(b'\t'),
        "space" => Ok(b' '),
        other => character(other),
    });
    let quote = read.text(declare::RAW_CSV_QUOTE, |text| match text {
        "double" => Ok(Some(b'"')),
        "none" => Ok(None),
        other => character(other).map(Some),
    });
    let columns = read.any_text(declare::RAW_CSV_COLUMNS).unwrap_or_default().split(',').map(str::trim);
    let options = CsvOptions {
        delimiter: delimiter?,
        quote: quote?,
        null: read.any_text(declare::RAW_CSV_NULL).unwrap_or_default().into(),
        columns: columns.filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        ..CsvOptions::default()
    };
    if let Err(error) = csv::check(&options) {
        read.invalid(declare::RAW_CSV_DELIMITER, error.message);
        return None;
    }
    Some(options)
}

fn character(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err("it has to be one ASCII character".into()),
    }
}

/// `given`: which settings give a schema.
fn check(read: &mut Reader, format: RawFormat, told: RawFraming, has_registry: bool, given: &[&'static str]) {
    if format != RawFormat::Protobuf && read.any_text(declare::RAW_MESSAGE).is_some() {
        read.invalid(declare::RAW_MESSAGE, "only Protobuf has messages (delta.raw.format)");
    }
    if !format.has_schemas() {
        let framing = (!matches!(told, RawFraming::Auto | RawFraming::None)).then_some(declare::RAW_FRAMING);
        for key in given.iter().copied().chain(framing) {
            read.invalid(key, "records of that delta.raw.format are written without a schema");
        }
        return;
    }
    let framing = told.framing(has_registry);
    let of_avro = matches!(framing, Framing::AvroSingleObject | Framing::AvroContainer);
    if of_avro && format != RawFormat::Avro {
        read.invalid(declare::RAW_FRAMING, "only Avro is framed so (delta.raw.format)");
    }
    match framing {
        Framing::Bare | Framing::AvroSingleObject if given.is_empty() => read.error(
            declare::RAW_SCHEMA,
            Code::ConfigMissing,
            "is not given, nor is delta.raw.schema.file or delta.registry.url: nothing says how records were written",
        ),
        Framing::Bare | Framing::AvroSingleObject => {}
        Framing::AvroContainer => {
            if let Some(key) = given.first() {
                read.invalid(key, "each record brings its schema along (delta.raw.framing)");
            }
        }
        _ if !has_registry => read.invalid(
            declare::RAW_FRAMING,
            "records that name their schema need the registry that has it: give delta.registry.url",
        ),
        _ => {
            if let Some(key) = given.first() {
                read.invalid(key, "records name their schema themselves (delta.raw.framing); give one of the two");
            }
        }
    }
}
