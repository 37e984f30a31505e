//! The schema as Connect has it: a tree, which ends.

use super::{Found, Kind, Link, Schema, union_field};
use crate::connect::{ConnectSchema, Kind as ConnectKind};
use crate::decode::MAX_DEPTH;
use crate::schema::child_path;
use crate::{Code, Error, Result};

/// Of all schemas together: references may ask for one of them very many times.
const MAX_SCHEMAS: usize = 20_000;

impl Schema {
    /// As Confluent's JsonSchemaConverter makes it by default settings, with the exceptions in `docs/json-schema.md`.
    pub fn connect(&self) -> Result<ConnectSchema> {
        Tree { schema: self, open: Vec::new(), made: 0 }.connect("", self.root)
    }
}

struct Tree<'s> {
    schema: &'s Schema,
    /// The nodes that are being made, the outermost first.
    open: Vec<usize>,
    made: usize,
}

impl<'s> Tree<'s> {
    fn connect(&mut self, path: &str, link: Link) -> Result<ConnectSchema> {
        let found =
            self.schema.follow(link).ok_or_else(|| unclear(path, "its $ref leads to itself".into()))?;
        if self.open.contains(&found.at) {
            let why = "the schema holds itself there, and a column has an end. Give the table's schema \
                       (delta.schema.json or delta.schema.file), as deep as it is wanted";
            return Err(unclear(path, why.into()));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(unclear(path, format!("deeper than {MAX_DEPTH} levels")));
        }
        self.made += 1;
        if self.made > MAX_SCHEMAS {
            return Err(unclear(
                path,
                format!("the schema becomes more than {MAX_SCHEMAS} columns and fields"),
            ));
        }
        self.open.push(found.at);
        let kind = self.kind(path, &found)?;
        self.open.pop();
        let node = found.node;
        Ok(ConnectSchema {
            kind,
            optional: found.optional,
            name: node.name.clone(),
            version: node.version,
            parameters: node.parameters.clone(),
            doc: found.doc.map(Box::from),
        })
    }

    fn kind(&mut self, path: &str, found: &Found<'s>) -> Result<ConnectKind> {
        let mut child = |name: &str, link: Link| self.connect(&child_path(path, name), link);
        Ok(match &found.node.kind {
            Kind::Scalar(kind) => kind.clone(),
            Kind::Json => ConnectKind::String,
            Kind::Array(element) => ConnectKind::Array(Box::new(child("element", *element)?)),
            Kind::Map(value) => {
                let key = ConnectSchema::new(ConnectKind::String, false);
                ConnectKind::Map(Box::new(key), Box::new(child("value", *value)?))
            }
            Kind::Entries(key, value) => {
                ConnectKind::Map(Box::new(child("key", *key)?), Box::new(child("value", *value)?))
            }
            Kind::Struct(members) => {
                let member =
                    |(name, link): &(Box<str>, Link)| Ok::<_, Error>((name.clone(), child(name, *link)?));
                ConnectKind::Struct(members.iter().map(member).collect::<Result<_>>()?)
            }
            Kind::Union(branches) => {
                let branch = |(position, link): (usize, &Link)| {
                    let name = union_field(position);
                    let schema = child(&name, *link)?;
                    Ok::<_, Error>((name.into(), schema))
                };
                ConnectKind::Struct(branches.iter().enumerate().map(branch).collect::<Result<_>>()?)
            }
            Kind::Unusable(why) => return Err(unclear(path, why.clone())),
            Kind::Same(_) => unreachable!("it was followed"),
        })
    }
}

fn unclear(path: &str, why: String) -> Error {
    let place = if path.is_empty() { "the records' JSON Schema".to_owned() } else { format!("field {path}") };
    Error::new(Code::SchemaUnclear, format!("{place}: {why}"))
}
