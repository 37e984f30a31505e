//! What a `.proto` file says, as far as decoding goes: read from a descriptor or from its text, names not yet resolved.

use super::model::{Kind, Presence};

pub(super) const PROTO2: i32 = 998;
pub(super) const PROTO3: i32 = 999;
pub(super) const EDITION_2023: i32 = 1000;
pub(super) const EDITION_2024: i32 = 1001;
pub(super) const EDITION_2026: i32 = 1002;

#[derive(Debug, Default)]
pub(super) struct RawFile {
    pub name: String,
    pub package: String,
    /// By the numbers of `google.protobuf.Edition`.
    pub edition: i32,
    pub imports: Vec<String>,
    pub messages: Vec<RawMessage>,
    pub enums: Vec<RawEnum>,
    pub features: RawFeatures,
}

#[derive(Debug, Default)]
pub(super) struct RawMessage {
    pub name: String,
    pub fields: Vec<RawField>,
    pub oneofs: Vec<RawOneof>,
    pub messages: Vec<RawMessage>,
    pub enums: Vec<RawEnum>,
    pub map_entry: bool,
    pub features: RawFeatures,
}

#[derive(Debug, Default)]
pub(super) struct RawOneof {
    pub name: String,
    pub features: RawFeatures,
}

#[derive(Debug, Default)]
pub(super) struct RawField {
    pub name: String,
    pub number: i32,
    pub label: Label,
    pub kind: RawKind,
    /// Among the message's.
    pub oneof: Option<usize>,
    pub proto3_optional: bool,
    pub features: RawFeatures,
    /// `params` of Confluent's `field_meta`.
    pub params: Vec<(String, String)>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    #[default]
    Optional,
    Required,
    Repeated,
}

#[derive(Debug)]
pub(super) enum RawKind {
    Scalar(Kind),
    /// A message or an enum; with a dot in front the name is a full one.
    Named(String),
    Group(String),
}

impl Default for RawKind {
    fn default() -> Self {
        RawKind::Named(String::new())
    }
}

#[derive(Debug, Default)]
pub(super) struct RawEnum {
    pub name: String,
    pub values: Vec<(String, i32)>,
    pub features: RawFeatures,
}

/// By the numbers of `google.protobuf.FeatureSet`; 0 is what stands around it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct RawFeatures {
    pub field_presence: i32,
    pub enum_type: i32,
    pub message_encoding: i32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Features {
    pub presence: Presence,
    pub closed_enums: bool,
    pub delimited: bool,
}

impl Features {
    /// None: an edition that this code does not know.
    pub fn of(edition: i32) -> Option<Self> {
        let (presence, closed_enums) = match edition {
            PROTO2 => (Presence::Explicit, true),
            PROTO3 => (Presence::Implicit, false),
            EDITION_2023 | EDITION_2024 | EDITION_2026 => (Presence::Explicit, false),
            _ => return None,
        };
        Some(Features { presence, closed_enums, delimited: false })
    }

    pub fn with(mut self, inner: &RawFeatures) -> Self {
        match inner.field_presence {
            1 => self.presence = Presence::Explicit,
            2 => self.presence = Presence::Implicit,
            3 => self.presence = Presence::Required,
            _ => {}
        }
        match inner.enum_type {
            1 => self.closed_enums = false,
            2 => self.closed_enums = true,
            _ => {}
        }
        match inner.message_encoding {
            1 => self.delimited = false,
            2 => self.delimited = true,
            _ => {}
        }
        self
    }
}

/// The name of the message that a map field's entries are.
pub(super) fn entry_name(field: &str) -> String {
    let mut name = String::new();
    let mut upper = true;
    for c in field.chars() {
        match c {
            '_' => upper = true,
            _ if upper => {
                name.push(c.to_ascii_uppercase());
                upper = false;
            }
            _ => name.push(c),
        }
    }
    name + "Entry"
}
