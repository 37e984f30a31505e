//! Where the values of a table's columns mean more in JSON by the records' schema.

use std::collections::HashSet;

use super::{Found, Kind, Link, Schema, union_field};
use crate::connect::{ConnectSchema, Kind as ConnectKind};
use crate::decode::column::{Column, Values};
use crate::decode::connect::Source;
use crate::decode::object::Object;

/// How records of one schema become rows of one table. The columns end somewhere, so this does too, whatever the schema.
pub struct Plan {
    pub(super) root: Root,
}

pub(super) enum Root {
    /// As without a schema.
    Plain,
    Struct(Members),
    Union(Vec<Branch>),
}

/// By the position of the member.
pub(super) struct Members(pub Vec<Option<Hint>>);

pub(super) enum Hint {
    Scalar(Source),
    /// Any JSON as its text, to a column of strings.
    Json,
    Struct(Members),
    List(Box<Hint>),
    Map(Box<Hint>),
    /// For the key and the value.
    Entries(Box<[Option<Hint>; 2]>),
    Union(Vec<Branch>),
    /// Several fields of the schema are one column.
    Ambiguous(String),
}

pub(super) struct Branch {
    pub takes: Takes,
    pub name: String,
    /// Of the union's struct column, if the table has it.
    pub member: Option<usize>,
    pub hint: Option<Hint>,
}

/// What JSON a branch of a union takes.
pub(super) enum Takes {
    Integer,
    Number,
    Boolean,
    Text,
    Bytes,
    Array,
    Map,
    /// With the names of its fields.
    Struct(HashSet<Box<[u8]>>),
    Anything,
}

impl Plan {
    pub(in crate::decode) fn new(schema: &Schema, root: &Object) -> Self {
        let found = schema.follow(schema.root).map(|found| &found.node.kind);
        let root = match found {
            Some(Kind::Struct(fields)) => schema.members(fields, root).map(Root::Struct),
            Some(Kind::Union(branches)) => schema.branches(branches, root).map(Root::Union),
            _ => None,
        };
        Plan { root: root.unwrap_or(Root::Plain) }
    }
}

impl Schema {
    /// None: nothing but the columns has to be known.
    fn members(&self, fields: &[(Box<str>, Link)], object: &Object) -> Option<Members> {
        let mut given: Vec<Vec<&(Box<str>, Link)>> = vec![Vec::new(); object.members.len()];
        for field in fields {
            if let Some(member) = object.find_in_any_case(field.0.as_bytes()) {
                given[member].push(field);
            }
        }
        let hint = |(fields, position): (Vec<&(Box<str>, Link)>, usize)| match fields[..] {
            [] => None,
            [(_, link)] => self.hint(*link, &object.members[position].column),
            _ => {
                let names: Vec<_> = fields.iter().map(|(name, _)| &**name).collect();
                Some(Hint::Ambiguous(names.join(", ")))
            }
        };
        let hints: Vec<_> = given.into_iter().zip(0..).map(hint).collect();
        hints.iter().any(Option::is_some).then_some(Members(hints))
    }

    fn hint(&self, link: Link, column: &Column) -> Option<Hint> {
        let found = self.follow(link)?;
        match (&found.node.kind, &column.values) {
            (Kind::Json | Kind::Union(_), Values::String { .. }) => Some(Hint::Json),
            (Kind::Struct(fields), Values::Struct(object)) => self.members(fields, object).map(Hint::Struct),
            (Kind::Union(branches), Values::Struct(object)) => {
                self.branches(branches, object).map(Hint::Union)
            }
            (Kind::Array(link), Values::List { element, .. }) => {
                Some(Hint::List(Box::new(self.hint(*link, element)?)))
            }
            (Kind::Map(link), Values::Map { value, .. }) => {
                Some(Hint::Map(Box::new(self.hint(*link, value)?)))
            }
            (Kind::Entries(of_key, of_value), Values::Map { key, value, .. }) => {
                Some(Hint::Entries(Box::new([self.hint(*of_key, key), self.hint(*of_value, value)])))
            }
            _ => self.source(&found).filter(|source| says_more(*source, &column.values)).map(Hint::Scalar),
        }
    }

    /// None: the struct has no field of the union.
    fn branches(&self, branches: &[Link], object: &Object) -> Option<Vec<Branch>> {
        let branch = |(position, link): (usize, &Link)| {
            let name = union_field(position);
            let member = object.find_in_any_case(name.as_bytes());
            let hint = member.and_then(|member| self.hint(*link, &object.members[member].column));
            Branch { takes: self.takes(*link), name, member, hint }
        };
        let branches: Vec<_> = branches.iter().enumerate().map(branch).collect();
        branches.iter().any(|branch| branch.member.is_some()).then_some(branches)
    }

    fn takes(&self, link: Link) -> Takes {
        match self.follow(link).map(|found| &found.node.kind) {
            Some(Kind::Scalar(kind)) => match kind {
                ConnectKind::Int8 | ConnectKind::Int16 | ConnectKind::Int32 | ConnectKind::Int64 => {
                    Takes::Integer
                }
                ConnectKind::Float32 | ConnectKind::Float64 => Takes::Number,
                ConnectKind::Boolean => Takes::Boolean,
                ConnectKind::Bytes => Takes::Bytes,
                _ => Takes::Text,
            },
            Some(Kind::Array(_)) => Takes::Array,
            Some(Kind::Map(_) | Kind::Entries(..)) => Takes::Map,
            Some(Kind::Struct(fields)) => {
                Takes::Struct(fields.iter().map(|(name, _)| name.as_bytes().into()).collect())
            }
            _ => Takes::Anything,
        }
    }

    /// What the values stand for by the schema's name, as in connect mode.
    fn source(&self, found: &Found<'_>) -> Option<Source> {
        let shell = |found: &Found<'_>, kind: ConnectKind| ConnectSchema {
            name: found.node.name.clone(),
            parameters: found.node.parameters.clone(),
            ..ConnectSchema::new(kind, false)
        };
        match &found.node.kind {
            Kind::Scalar(kind) => Source::of(&shell(found, kind.clone())),
            Kind::Struct(fields) => {
                let field = |(name, link): &(Box<str>, Link)| match &self.follow(*link)?.node.kind {
                    Kind::Scalar(kind) => Some((name.clone(), ConnectSchema::new(kind.clone(), false))),
                    _ => None,
                };
                let fields = fields.iter().map(field).collect::<Option<_>>()?;
                Source::of(&shell(found, ConnectKind::Struct(fields)))
            }
            _ => None,
        }
    }
}

/// Than the column and the value's JSON by themselves. A column of the plain type takes the plain value.
fn says_more(source: Source, column: &Values) -> bool {
    let whole = || {
        matches!(column, Values::Byte(_) | Values::Short(_) | Values::Integer(_) | Values::Long(_))
            || matches!(column, Values::Decimal { .. })
    };
    match source {
        Source::Plain | Source::ZonedTimestamp => false,
        Source::Decimal(_) | Source::VariableScaleDecimal => whole(),
        Source::Date => matches!(column, Values::Date(_)),
        Source::TimeOfDay => whole() || matches!(column, Values::Float(_) | Values::Double(_)),
        Source::Timestamp { .. } => matches!(column, Values::Timestamp { .. }),
    }
}
