//! Records in JSON that were written with a JSON Schema. The schema says what columns a table gets, and where a value means
//! more than its JSON does; nothing is validated against it. The rules are in `docs/json-schema.md`.

mod connect;
mod plan;
mod read;
mod refs;
mod translate;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::connect::Kind as ConnectKind;
use crate::{Code, Error, Result};
pub(super) use plan::Plan;

/// A JSON Schema as producers register it: drafts 4 to 2020-12.
#[derive(Debug)]
pub struct Schema {
    nodes: Vec<Node>,
    root: Link,
}

/// One schema in the text, in Connect's terms. What leads nowhere else is resolved; schemas that hold themselves are loops.
#[derive(Debug)]
struct Node {
    kind: Kind,
    optional: bool,
    name: Option<Box<str>>,
    version: Option<i32>,
    parameters: BTreeMap<Box<str>, Box<str>>,
    doc: Option<Box<str>>,
}

#[derive(Debug)]
enum Kind {
    /// Neither nested nor without a type.
    Scalar(ConnectKind),
    /// Any JSON: a string with its text.
    Json,
    Array(Link),
    /// An object; its keys are strings.
    Map(Link),
    /// A map with keys of another type: an array of objects of key and value.
    Entries(Link, Link),
    Struct(Vec<(Box<str>, Link)>),
    /// A struct of which each record fills one field.
    Union(Vec<Link>),
    /// What another node is.
    Same(Link),
    /// No column can be made of it, for this reason.
    Unusable(String),
}

#[derive(Debug, Clone, Copy)]
struct Link {
    node: usize,
    /// Where it stands, whatever the node says.
    optional: bool,
}

impl Schema {
    /// `references`: the schemas that this one refers to, and that those refer to, by the names it knows them by.
    pub fn parse(text: &str, references: &[(&str, &str)]) -> Result<Self> {
        let parse = |what: &str, text: &str| {
            serde_json::from_str::<Value>(text).map_err(|error| {
                Error::new(
                    Code::SchemaUnclear,
                    format!("{what} is not a JSON Schema: it is not JSON: {error}"),
                )
            })
        };
        let mut documents = vec![(String::new(), parse("the records' schema", text)?)];
        for (name, text) in references {
            documents.push(((*name).to_owned(), parse(&format!("the schema's reference {name}"), text)?));
        }
        let index = refs::Index::new(&documents);
        Ok(translate::translate(&documents[0].1, &index))
    }

    /// The node behind links that only lead on, with whether any of them is optional and the first description. None: they
    /// lead in a circle.
    fn follow(&self, link: Link) -> Option<Found<'_>> {
        let mut found =
            Found { at: link.node, node: &self.nodes[link.node], optional: link.optional, doc: None };
        for _ in 0..self.nodes.len() {
            found.node = &self.nodes[found.at];
            found.optional |= found.node.optional;
            found.doc = found.doc.or(found.node.doc.as_deref());
            match found.node.kind {
                Kind::Same(next) => {
                    found.at = next.node;
                    found.optional |= next.optional;
                }
                _ => return Some(found),
            }
        }
        None
    }
}

struct Found<'s> {
    at: usize,
    node: &'s Node,
    optional: bool,
    doc: Option<&'s str>,
}

/// How the fields of a union's struct are called.
fn union_field(position: usize) -> String {
    format!("{UNION}.field.{position}")
}

/// The name that Confluent's converter gives to unions.
const UNION: &str = "io.confluent.connect.json.OneOf";
