//! Files from a serialized `google.protobuf.FileDescriptorSet`, as `protoc` makes them.

use super::model::Kind;
use super::raw::{
    Label, PROTO2, PROTO3, RawEnum, RawFeatures, RawField, RawFile, RawKind, RawMessage, RawOneof,
};
use super::wire::{Raw, Tag, each, malformed, too_deep};
use crate::decode::{MAX_DEPTH, Parse};

/// The extension of `FieldOptions` that Confluent's `meta.proto` declares.
const FIELD_META: u32 = 1088;

pub(super) fn files(set: &[u8]) -> Parse<Vec<RawFile>> {
    let mut files = Vec::new();
    each(set, |tag, raw| {
        if tag.number == 1 {
            files.push(file(raw.bytes)?);
        }
        Ok(())
    })?;
    Ok(files)
}

fn file(bytes: &[u8]) -> Parse<RawFile> {
    let mut file = RawFile::default();
    let mut syntax = String::new();
    each(bytes, |tag, raw| {
        match tag.number {
            1 => file.name = text(raw)?,
            2 => file.package = text(raw)?,
            3 => file.imports.push(text(raw)?),
            4 => file.messages.push(message(raw.bytes, 1)?),
            5 => file.enums.push(enumeration(raw.bytes)?),
            8 => features(raw.bytes, 50, &mut file.features)?,
            12 => syntax = text(raw)?,
            14 => file.edition = raw.number as i32,
            _ => {}
        }
        Ok(())
    })?;
    match &*syntax {
        "proto3" => file.edition = PROTO3,
        "editions" => {}
        _ => file.edition = PROTO2,
    }
    Ok(file)
}

fn message(bytes: &[u8], depth: usize) -> Parse<RawMessage> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    let mut message = RawMessage::default();
    each(bytes, |tag, raw| {
        match tag.number {
            1 => message.name = text(raw)?,
            2 => message.fields.push(field(raw.bytes)?),
            3 => message.messages.push(self::message(raw.bytes, depth + 1)?),
            4 => message.enums.push(enumeration(raw.bytes)?),
            7 => {
                features(raw.bytes, 12, &mut message.features)?;
                each(raw.bytes, |tag, raw| {
                    if tag.number == 7 {
                        message.map_entry = raw.number != 0;
                    }
                    Ok(())
                })?;
            }
            8 => message.oneofs.push(oneof(raw.bytes)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(message)
}

fn oneof(bytes: &[u8]) -> Parse<RawOneof> {
    let mut oneof = RawOneof::default();
    each(bytes, |tag, raw| {
        match tag.number {
            1 => oneof.name = text(raw)?,
            2 => features(raw.bytes, 1, &mut oneof.features)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(oneof)
}

fn field(bytes: &[u8]) -> Parse<RawField> {
    let mut field = RawField::default();
    let (mut code, mut type_name) = (0, String::new());
    each(bytes, |tag, raw| {
        match tag.number {
            1 => field.name = text(raw)?,
            3 => field.number = raw.number as i32,
            4 => {
                field.label = match raw.number {
                    2 => Label::Required,
                    3 => Label::Repeated,
                    _ => Label::Optional,
                }
            }
            5 => code = raw.number,
            6 => type_name = text(raw)?,
            8 => {
                features(raw.bytes, 21, &mut field.features)?;
                each(raw.bytes, |tag, raw| {
                    if tag.number == FIELD_META {
                        params(raw.bytes, &mut field.params)?;
                    }
                    Ok(())
                })?;
            }
            9 => field.oneof = usize::try_from(raw.number).ok(),
            17 => field.proto3_optional = raw.number != 0,
            _ => {}
        }
        Ok(())
    })?;
    field.kind = match code {
        1 => RawKind::Scalar(Kind::Double),
        2 => RawKind::Scalar(Kind::Float),
        3 => RawKind::Scalar(Kind::Int64),
        4 => RawKind::Scalar(Kind::UInt64),
        5 => RawKind::Scalar(Kind::Int32),
        6 => RawKind::Scalar(Kind::Fixed64),
        7 => RawKind::Scalar(Kind::Fixed32),
        8 => RawKind::Scalar(Kind::Bool),
        9 => RawKind::Scalar(Kind::String),
        10 => RawKind::Group(type_name),
        12 => RawKind::Scalar(Kind::Bytes),
        13 => RawKind::Scalar(Kind::UInt32),
        15 => RawKind::Scalar(Kind::SFixed32),
        16 => RawKind::Scalar(Kind::SFixed64),
        17 => RawKind::Scalar(Kind::SInt32),
        18 => RawKind::Scalar(Kind::SInt64),
        0 | 11 | 14 => RawKind::Named(type_name),
        _ => return Err(malformed(format!("field {}: type {code}, which there is not", field.name))),
    };
    Ok(field)
}

fn enumeration(bytes: &[u8]) -> Parse<RawEnum> {
    let mut enumeration = RawEnum::default();
    each(bytes, |tag, raw| {
        match tag.number {
            1 => enumeration.name = text(raw)?,
            2 => {
                let (mut name, mut number) = (String::new(), 0);
                each(raw.bytes, |tag, raw| {
                    match tag.number {
                        1 => name = text(raw)?,
                        2 => number = raw.number as i32,
                        _ => {}
                    }
                    Ok(())
                })?;
                enumeration.values.push((name, number));
            }
            3 => features(raw.bytes, 7, &mut enumeration.features)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(enumeration)
}

/// The `FeatureSet` that has this number in some message of options.
fn features(options: &[u8], number: u32, features: &mut RawFeatures) -> Parse {
    each(options, |tag, raw| {
        if tag.number != number {
            return Ok(());
        }
        each(raw.bytes, |tag: Tag, raw: Raw<'_>| {
            match tag.number {
                1 => features.field_presence = raw.number as i32,
                2 => features.enum_type = raw.number as i32,
                5 => features.message_encoding = raw.number as i32,
                _ => {}
            }
            Ok(())
        })
    })
}

/// Of a `confluent.Meta`.
fn params(meta: &[u8], params: &mut Vec<(String, String)>) -> Parse {
    each(meta, |tag, raw| {
        if tag.number != 2 {
            return Ok(());
        }
        let (mut key, mut value) = (String::new(), String::new());
        each(raw.bytes, |tag, raw| {
            match tag.number {
                1 => key = text(raw)?,
                2 => value = text(raw)?,
                _ => {}
            }
            Ok(())
        })?;
        params.push((key, value));
        Ok(())
    })
}

fn text(raw: Raw<'_>) -> Parse<String> {
    match std::str::from_utf8(raw.bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(malformed("a name that is not UTF-8".into())),
    }
}
