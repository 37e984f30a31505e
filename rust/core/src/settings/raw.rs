//! How raw values are decoded.

use super::choices::{RawFormat, RawFraming};
use super::declare;
use super::reader::Reader;
use crate::error::Code;
use crate::raw::{Framing, Given, RawSettings};

/// None after an error, which the reader keeps.
pub(super) fn settings(read: &mut Reader) -> Option<RawSettings> {
    let format: Option<RawFormat> = read.choice(declare::RAW_FORMAT);
    let framing: Option<RawFraming> = read.choice(declare::RAW_FRAMING);
    let json_strings = read.choice(declare::RAW_JSON_STRINGS);
    let file = read.path(declare::RAW_SCHEMA_FILE);
    let text = read.any_text(declare::RAW_SCHEMA);
    let has_registry = read.any_text(declare::REGISTRY_URL).is_some();
    let (format, framing) = (format?, framing?.framing(has_registry));
    let mut given = file.map_or(Given::None, Given::File);
    if let Some(text) = text.filter(|_| format.has_schemas()) {
        match format.parse(text) {
            Ok(schema) => given = Given::Schema(schema),
            Err(error) => read.error(declare::RAW_SCHEMA, Code::ConfigInvalid, error.message),
        }
    }
    check(read, format, framing, has_registry, given != Given::None || text.is_some());
    Some(RawSettings { format, framing, json_strings: json_strings?, given })
}

fn check(read: &mut Reader, format: RawFormat, framing: Framing, has_registry: bool, has_schema: bool) {
    let given = [declare::RAW_SCHEMA, declare::RAW_SCHEMA_FILE, declare::RAW_FRAMING];
    if !format.has_schemas() {
        for key in given.into_iter().filter(|key| read.any_text(key).is_some()).collect::<Vec<_>>() {
            read.invalid(key, "records of delta.raw.format=json have no schema of their own");
        }
        return;
    }
    match framing {
        Framing::Bare if !has_schema => read.error(
            declare::RAW_SCHEMA,
            Code::ConfigMissing,
            "is not given, nor is delta.raw.schema.file or delta.registry.url: nothing says how records were written",
        ),
        Framing::Bare => {}
        _ if !has_registry => read.invalid(
            declare::RAW_FRAMING,
            "records that name their schema need the registry that has it: give delta.registry.url",
        ),
        _ if has_schema => {
            let key = given.into_iter().find(|key| read.any_text(key).is_some()).unwrap_or(declare::RAW_SCHEMA);
            read.invalid(key, "records name their schema themselves (delta.raw.framing); give one of the two");
        }
        _ => {}
    }
}
