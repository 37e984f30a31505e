//! Where `$ref` leads: to a reference by its name, to a schema by its `$id`, its anchor or its place.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Keywords whose values are not schemas, whatever they look like.
const NO_SCHEMAS: [&str; 4] = ["const", "default", "enum", "examples"];
/// Keywords whose values hold schemas by names, which are no keywords.
const BY_NAME: [&str; 5] = ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

pub(super) struct Index<'s> {
    /// Documents, and schemas in them with an id of their own.
    resources: HashMap<String, &'s Value>,
    /// By the resource and the anchor, as in an address.
    anchors: HashMap<String, &'s Value>,
    /// The whole address that the reference in an object means, by the object's identity.
    targets: HashMap<*const Map<String, Value>, String>,
}

impl<'s> Index<'s> {
    /// The first document is the one that the others, with their names, are references of.
    pub fn new(documents: &'s [(String, Value)]) -> Self {
        let mut index = Index { resources: HashMap::new(), anchors: HashMap::new(), targets: HashMap::new() };
        let base = documents.first().and_then(|(_, root)| id(root.as_object()?)).unwrap_or_default();
        for (name, document) in documents {
            let address = join(base, name);
            index.resources.entry(name.clone()).or_insert(document);
            index.resources.entry(without_fragment(&address).to_owned()).or_insert(document);
            index.walk(document, if name.is_empty() { "" } else { &address });
        }
        index
    }

    /// What the reference in this object leads to; none: it leads nowhere.
    pub fn target(&self, object: &'s Map<String, Value>) -> Option<&'s Value> {
        let address = self.targets.get(&std::ptr::from_ref(object))?;
        let (resource, fragment) = address.split_once('#').unwrap_or((address, ""));
        if fragment.is_empty() || fragment.starts_with('/') {
            let pointer = percent_decode_str(fragment).decode_utf8().ok()?;
            return self.resources.get(resource)?.pointer(&pointer);
        }
        self.anchors.get(address).copied()
    }

    fn walk(&mut self, value: &'s Value, base: &str) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.walk(value, base)),
            Value::Object(object) => self.walk_object(value, object, base),
            _ => {}
        }
    }

    fn walk_object(&mut self, value: &'s Value, object: &'s Map<String, Value>, outer: &str) {
        let mut base = outer.to_owned();
        match id(object) {
            Some(anchor) if anchor.starts_with('#') => {
                self.anchors.entry(join(outer, anchor)).or_insert(value);
            }
            Some(id) => {
                base = without_fragment(&join(outer, id)).to_owned();
                self.resources.entry(base.clone()).or_insert(value);
            }
            None => {}
        }
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = object.get(keyword).and_then(Value::as_str) {
                self.anchors.entry(format!("{base}#{anchor}")).or_insert(value);
            }
        }
        if let Some(reference) = reference(object) {
            self.targets.insert(object, join(&base, reference));
        }
        for (keyword, value) in object {
            match value {
                _ if NO_SCHEMAS.contains(&&**keyword) => {}
                Value::Object(named) if BY_NAME.contains(&&**keyword) => {
                    named.values().for_each(|value| self.walk(value, &base));
                }
                value => self.walk(value, &base),
            }
        }
    }
}

/// What the object refers to, as it is written.
pub(super) fn reference(object: &Map<String, Value>) -> Option<&str> {
    REFERENCES.iter().find_map(|keyword| object.get(*keyword)?.as_str())
}

fn id(object: &Map<String, Value>) -> Option<&str> {
    ["$id", "id"].iter().find_map(|keyword| object.get(*keyword)?.as_str())
}

fn without_fragment(address: &str) -> &str {
    address.split_once('#').map_or(address, |(resource, _)| resource)
}

/// `reference` as it is meant in a document at `base` (RFC 3986, as far as schemas need it).
fn join(base: &str, reference: &str) -> String {
    let base = without_fragment(base);
    if reference.is_empty() || reference.starts_with('#') {
        return format!("{base}{reference}");
    }
    let scheme = reference.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    let path = base.find("://").map_or(0, |at| {
        let authority = at + "://".len();
        base[authority..].find('/').map_or(base.len(), |slash| authority + slash)
    });
    if scheme || base.is_empty() {
        return reference.strip_prefix("./").unwrap_or(reference).to_owned();
    }
    if reference.starts_with('/') {
        return format!("{}{reference}", &base[..path]);
    }
    let mut folder = base[path..].rfind('/').map_or(&base[..path], |slash| &base[..path + slash]);
    let rooted = path > 0 || folder.len() > path || base.starts_with('/');
    let mut rest = reference;
    loop {
        if let Some(same) = rest.strip_prefix("./") {
            rest = same;
        } else if let Some(above) = rest.strip_prefix("../") {
            rest = above;
            folder = folder[path..].rfind('/').map_or(&folder[..path], |slash| &folder[..path + slash]);
        } else {
            break;
        }
    }
    if rooted { format!("{folder}/{rest}") } else { rest.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_joined_to_their_base() {
        for (base, reference, expected) in [
            ("", "a.json", "a.json"),
            ("", "./a.json#/x", "a.json#/x"),
            ("", "#/definitions/a", "#/definitions/a"),
            ("http://h.example/s/root.json", "a.json", "http://h.example/s/a.json"),
            ("http://h.example/s/root.json#", "#/$defs/a", "http://h.example/s/root.json#/$defs/a"),
            ("http://h.example/s/root.json", "/a.json", "http://h.example/a.json"),
            ("http://h.example/s/t/root.json", "../a.json", "http://h.example/s/a.json"),
            ("http://h.example/root.json", "../../a.json", "http://h.example/a.json"),
            ("http://h.example", "a.json", "http://h.example/a.json"),
            ("http://h.example/root.json", "urn:other", "urn:other"),
            ("root.json", "a.json", "a.json"),
            ("s/root.json", "a.json", "s/a.json"),
            ("http://h.example/root.json", "", "http://h.example/root.json"),
        ] {
            assert_eq!(join(base, reference), expected, "{reference} in {base}");
        }
    }
}
