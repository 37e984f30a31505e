//! Follows the references of a schema.

use std::collections::{HashMap, HashSet};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sluice_core::settings::RegistryApi;

use crate::hosts::Hosts;
use crate::shared::{Asking, Failure};
use crate::{Reference, apicurio, confluent};

const MOST_REFERENCES: usize = 1_000;
const MOST_BYTES: usize = 32 << 20;

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A reference that is not followed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    pub name: String,
    /// The path of what it refers to.
    pub at: String,
}

/// What a pointer leads to.
#[derive(Clone)]
pub struct Node {
    pub text: String,
    pub pointers: Vec<Pointer>,
}

enum Step {
    Visit(Pointer),
    Emit(Reference),
}

/// Each name once, after all that it refers to itself. As with Confluent's own client, the first one of a name counts
/// (`AbstractSchemaProvider.resolveReferences`).
pub async fn follow(
    hosts: &Hosts,
    api: RegistryApi,
    roots: Vec<Pointer>,
    asking: &Asking<'_>,
) -> Result<Vec<Reference>, Failure> {
    let mut nodes: HashMap<String, Node> = HashMap::new();
    let mut names = HashSet::new();
    let mut found = Vec::new();
    let mut bytes = 0;
    // Not by recursion: how deep it goes is up to the registry.
    let mut steps: Vec<_> = roots.into_iter().rev().map(Step::Visit).collect();
    while let Some(step) = steps.pop() {
        let pointer = match step {
            Step::Emit(reference) => {
                found.push(reference);
                continue;
            }
            Step::Visit(pointer) if !names.insert(pointer.name.clone()) => continue,
            Step::Visit(pointer) => pointer,
        };
        let node = match nodes.get(&pointer.at) {
            Some(node) => node.clone(),
            None => {
                let node = match api {
                    RegistryApi::Confluent => confluent::node(hosts, &pointer, asking).await?,
                    RegistryApi::Apicurio => apicurio::node(hosts, &pointer, asking).await?,
                };
                nodes.insert(pointer.at, node.clone());
                node
            }
        };
        bytes += node.text.len();
        if names.len() > MOST_REFERENCES || bytes > MOST_BYTES {
            let message = format!(
                "the schema refers to more than {MOST_REFERENCES} others, or to more than {MOST_BYTES} bytes of them"
            );
            return Err(Failure::Absent(message));
        }
        steps.push(Step::Emit(Reference { name: pointer.name, text: node.text }));
        steps.extend(node.pointers.into_iter().rev().map(Step::Visit));
    }
    Ok(found)
}

/// A name as one part of a path. None for those that would lead to another path.
pub fn segment(name: &str) -> Option<String> {
    (!matches!(name, "" | "." | "..")).then(|| utf8_percent_encode(name, SEGMENT).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path() {
        assert_eq!(segment("a/b?c#d e%:.~-_\u{e4}").unwrap(), "a%2Fb%3Fc%23d%20e%25%3A.~-_%C3%A4");
        assert_eq!((segment(".."), segment("."), segment("")), (None, None, None));
    }
}
