//! Names in files become messages and enums, and what editions leave to be inherited is settled.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::model::{EnumType, FieldType, Kind, Known, MessageType, Pool, Presence};
use super::raw::{Features, Label, RawEnum, RawField, RawFile, RawKind, RawMessage};
use crate::{Code, Error, Result};

const MAX_FIELD_NUMBER: i32 = (1 << 29) - 1;

/// `main` is the position of the file that the schema is.
pub(super) fn link(files: Vec<RawFile>, main: usize) -> Result<Pool> {
    let mut linker = Linker::default();
    let mut seen: HashSet<String> = files.get(main).map(|file| file.name.clone()).into_iter().collect();
    let mut imports = Vec::new();
    let mut top = Vec::new();
    let names: HashSet<String> = files.iter().map(|file| file.name.clone()).collect();
    for (position, file) in files.into_iter().enumerate() {
        // Sets that were put together from several may have a file more than once.
        if position != main && !seen.insert(file.name.clone()) {
            continue;
        }
        let Some(features) = Features::of(file.edition) else {
            let why = format!(
                "edition {} of {}, which this version of Sluice does not know: it knows proto2, proto3 and the editions \
                 2023, 2024 and 2026",
                file.edition, file.name
            );
            return Err(invalid(why));
        };
        let features = features.with(&file.features);
        imports.extend(file.imports.into_iter().filter(|import| !names.contains(import)));
        for enumeration in file.enums {
            linker.declare_enum(enumeration, &file.package, features)?;
        }
        for message in file.messages {
            let at = linker.declare(message, &file.package, features)?;
            if position == main {
                top.push(at);
            }
        }
    }
    linker.finish(top, &imports)
}

#[derive(Default)]
struct Linker {
    messages: Vec<Declared>,
    types: HashMap<String, Type>,
}

struct Declared {
    full_name: String,
    raw: RawMessage,
    features: Features,
    nested: Vec<usize>,
}

#[derive(Clone)]
enum Type {
    Message(usize),
    Enum(Arc<EnumType>),
}

impl Linker {
    fn name(&mut self, name: &str, scope: &str, found: Type) -> Result<String> {
        let full_name = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        if self.types.insert(full_name.clone(), found).is_some() {
            return Err(invalid(format!("{full_name} is defined twice")));
        }
        Ok(full_name)
    }

    fn declare_enum(&mut self, raw: RawEnum, scope: &str, features: Features) -> Result<()> {
        let default = raw.values.first().map_or(0, |(_, number)| *number);
        let mut values: Vec<_> =
            raw.values.into_iter().map(|(name, number)| (number, Box::from(name))).collect();
        values.sort_by_key(|(number, _)| *number);
        values.dedup_by_key(|(number, _)| *number);
        let closed = features.with(&raw.features).closed_enums;
        let found = EnumType { name: raw.name.as_str().into(), values, default, closed };
        self.name(&raw.name, scope, Type::Enum(Arc::new(found)))?;
        Ok(())
    }

    /// Both readers bound how deep messages are nested.
    fn declare(&mut self, mut raw: RawMessage, scope: &str, features: Features) -> Result<usize> {
        let at = self.messages.len();
        let full_name = self.name(&raw.name, scope, Type::Message(at))?;
        let features = features.with(&raw.features);
        let (messages, enums) = (std::mem::take(&mut raw.messages), std::mem::take(&mut raw.enums));
        let group = |message: &RawMessage| {
            raw.fields.iter().any(|field| match &field.kind {
                RawKind::Group(name) => name.rsplit('.').next() == Some(message.name.as_str()),
                _ => false,
            })
        };
        let counted: Vec<bool> =
            messages.iter().map(|message| !message.map_entry && !group(message)).collect();
        self.messages.push(Declared { full_name: full_name.clone(), raw, features, nested: Vec::new() });
        for enumeration in enums {
            self.declare_enum(enumeration, &full_name, features)?;
        }
        for (message, counted) in messages.into_iter().zip(counted) {
            let inner = self.declare(message, &full_name, features)?;
            if counted {
                self.messages[at].nested.push(inner);
            }
        }
        Ok(at)
    }

    fn finish(mut self, main: Vec<usize>, missing: &[String]) -> Result<Pool> {
        let declared = std::mem::take(&mut self.messages);
        let entries: Vec<bool> = declared.iter().map(|declared| declared.raw.map_entry).collect();
        let messages = declared.into_iter().map(|message| self.message(message, &entries, missing));
        let messages = messages.collect::<Result<Vec<_>>>()?;
        let mut names: Vec<_> = messages
            .iter()
            .enumerate()
            .map(|(at, message): (_, &MessageType)| (message.full_name.clone(), at))
            .collect();
        names.sort();
        Ok(Pool { messages, names, main })
    }

    fn message(&self, declared: Declared, entries: &[bool], missing: &[String]) -> Result<MessageType> {
        let Declared { full_name, raw, features, nested } = declared;
        // Those that only stand for `optional` are behind all others.
        let synthetic = |oneof: usize| {
            let mut fields = raw.fields.iter().filter(|field| field.oneof == Some(oneof)).peekable();
            fields.peek().is_none() || fields.all(|field| field.proto3_optional)
        };
        let real = (0..raw.oneofs.len()).find(|oneof| synthetic(*oneof)).unwrap_or(raw.oneofs.len());
        let mut numbers = HashSet::new();
        let mut fields = Vec::with_capacity(raw.fields.len());
        for field in &raw.fields {
            let oneof = field.oneof.filter(|oneof| *oneof < real);
            let features = match oneof {
                Some(oneof) => features.with(&raw.oneofs[oneof].features),
                None => features,
            };
            let wrong = |why: &str| invalid(format!("field {full_name}.{}: {why}", field.name));
            if !(1..=MAX_FIELD_NUMBER).contains(&field.number) || !numbers.insert(field.number) {
                return Err(wrong(&format!(
                    "its number {} is out of range, or another field's",
                    field.number
                )));
            }
            let features = features.with(&field.features);
            let kind = self.kind(field, &full_name, features, entries, raw.map_entry, missing)?;
            let presence = match (field.label, &kind) {
                (Label::Required, _) => Presence::Required,
                _ if oneof.is_some() || field.proto3_optional => Presence::Explicit,
                (_, Kind::Message { .. }) if features.presence == Presence::Implicit => Presence::Explicit,
                _ => features.presence,
            };
            fields.push(FieldType {
                name: field.name.as_str().into(),
                number: field.number as u32,
                kind,
                repeated: field.label == Label::Repeated,
                presence,
                oneof,
                params: field.params.clone(),
            });
        }
        let oneofs = raw.oneofs[..real].iter().map(|oneof| oneof.name.as_str().into()).collect();
        let known = Known::of(&full_name);
        Ok(MessageType {
            full_name: full_name.into(),
            fields,
            oneofs,
            nested,
            map_entry: raw.map_entry,
            known,
        })
    }

    fn kind(
        &self,
        field: &RawField,
        scope: &str,
        features: Features,
        entries: &[bool],
        in_entry: bool,
        missing: &[String],
    ) -> Result<Kind> {
        let (name, group) = match &field.kind {
            RawKind::Scalar(kind) => return Ok(kind.clone()),
            RawKind::Named(name) => (name, false),
            RawKind::Group(name) => (name, true),
        };
        match self.resolve(name, scope) {
            Some(Type::Enum(found)) => Ok(Kind::Enum(found)),
            // Maps are never delimited.
            Some(Type::Message(at)) => {
                let delimited = group || features.delimited && !entries[at] && !in_entry;
                Ok(Kind::Message { at, delimited })
            }
            None => {
                let mut why = format!("field {scope}.{}: there is no message or enum {name}", field.name);
                if !missing.is_empty() {
                    why += &format!(
                        ". Imports that were not given: {}. A descriptor set needs protoc's --include_imports, a \
                         registered schema its references",
                        missing.join(", ")
                    );
                }
                Err(invalid(why))
            }
        }
    }

    /// In the innermost scope that has the name.
    fn resolve(&self, name: &str, scope: &str) -> Option<Type> {
        if let Some(full_name) = name.strip_prefix('.') {
            return self.types.get(full_name).cloned();
        }
        let mut scope = scope;
        loop {
            if scope.is_empty() {
                return self.types.get(name).cloned();
            }
            if let Some(found) = self.types.get(&format!("{scope}.{name}")) {
                return Some(found.clone());
            }
            scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
    }
}

pub(super) fn invalid(why: impl Into<String>) -> Error {
    Error::new(Code::SchemaUnclear, format!("the Protobuf schema: {}", why.into()))
}
