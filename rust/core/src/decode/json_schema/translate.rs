//! From the text of a JSON Schema to Connect's terms, as Confluent's JsonSchemaData does it by default settings; where this
//! differs is in `docs/json-schema.md`.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use serde_json::{Map, Value};

use super::refs::{Index, reference};
use super::{Kind, Link, Node, Schema, UNION};
use crate::connect::Kind as ConnectKind;

type Object = Map<String, Value>;

const ENUM: &str = "io.confluent.connect.json.Enum";
/// What an enum's null is called among its symbols.
const NULL_SYMBOL: &str = "<NULL>";
/// Keywords that tell a type where `type` does not.
const OF_OBJECTS: [&str; 5] =
    ["properties", "required", "additionalProperties", "patternProperties", "propertyNames"];
const OF_ARRAYS: [&str; 5] = ["items", "prefixItems", "contains", "minItems", "maxItems"];
const OF_NUMBERS: [&str; 5] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
const OF_STRINGS: [&str; 4] = ["minLength", "maxLength", "pattern", "format"];

/// One of the things that a schema's keywords say together.
#[derive(Clone, Copy)]
enum Part<'s> {
    Reference,
    Enum(&'s [Value]),
    Const(&'s Value),
    AllOf(&'s [Value]),
    /// `oneOf` or `anyOf`: for columns there is no difference.
    OneOf(&'s [Value]),
    /// `type`, or what stands for it.
    Type(&'s str),
    Types(&'s [Value]),
}

struct Translator<'s> {
    index: &'s Index<'s>,
    nodes: Vec<Node>,
    /// By identity.
    known: HashMap<*const Value, usize>,
    waiting: VecDeque<(usize, &'s Value)>,
}

pub(super) fn translate<'s>(root: &'s Value, index: &'s Index<'s>) -> Schema {
    let mut translator =
        Translator { index, nodes: Vec::new(), known: HashMap::new(), waiting: VecDeque::new() };
    let root = translator.link(root, false);
    while let Some((at, value)) = translator.waiting.pop_front() {
        let node = translator.node(value);
        translator.nodes[at] = node;
    }
    Schema { nodes: translator.nodes, root }
}

impl<'s> Translator<'s> {
    /// To the node of a schema, which is made later.
    fn link(&mut self, value: &'s Value, optional: bool) -> Link {
        let next = self.nodes.len();
        let node = *self.known.entry(std::ptr::from_ref(value)).or_insert(next);
        if node == next {
            self.nodes.push(json());
            self.waiting.push_back((node, value));
        }
        Link { node, optional }
    }

    fn made(&mut self, node: Node, optional: bool) -> Link {
        self.nodes.push(node);
        Link { node: self.nodes.len() - 1, optional }
    }

    fn node(&mut self, value: &'s Value) -> Node {
        let object = match value {
            Value::Object(object) => object,
            Value::Bool(_) => return json(),
            other => return Kind::Unusable(format!("a schema is an object, and this is {other}")).into(),
        };
        let node = match parts(object)[..] {
            [] => json(),
            [only] => self.part(only, object),
            ref several => self.all_of(several.iter().map(|part| (*part, object)).collect()),
        };
        described(node, object)
    }

    fn part(&mut self, part: Part<'s>, object: &'s Object) -> Node {
        match part {
            Part::Reference => match self.index.target(object) {
                Some(target) => Kind::Same(self.link(target, false)).into(),
                None => {
                    let written = reference(object).unwrap_or_default();
                    Kind::Unusable(format!(
                        "$ref {written:?} leads to nothing in the schema and in none of its references"
                    ))
                    .into()
                }
            },
            Part::Enum(values) => enumeration(values),
            Part::Const(value) => enumeration(std::slice::from_ref(value)),
            Part::AllOf([only]) => Kind::Same(self.link(only, false)).into(),
            Part::AllOf(schemas) => {
                let inside = schemas.iter().flat_map(|schema| self.inside(schema)).collect();
                self.all_of(inside)
            }
            Part::OneOf(schemas) => self.one_of(schemas),
            Part::Type(name) => self.typed(name, object),
            Part::Types(names) => self.types(names, object),
        }
    }

    /// The parts of a schema in an `allOf`.
    fn inside(&self, schema: &'s Value) -> Vec<(Part<'s>, &'s Object)> {
        let object = schema.as_object();
        object
            .map(|object| parts(object).into_iter().map(|part| (part, object)).collect())
            .unwrap_or_default()
    }

    fn typed(&mut self, name: &str, object: &'s Object) -> Node {
        let connect_type = object.get("connect.type").and_then(Value::as_str);
        let scalar = |kind| Node::from(Kind::Scalar(kind));
        match (name, connect_type) {
            ("string" | "number" | "integer", Some("bytes")) => scalar(ConnectKind::Bytes),
            ("string", _) => scalar(ConnectKind::String),
            ("boolean", _) => scalar(ConnectKind::Boolean),
            ("integer", None) => scalar(ConnectKind::Int64),
            ("number", None) => scalar(ConnectKind::Float64),
            ("integer" | "number", Some(connect_type)) => match connect_type {
                "int8" => scalar(ConnectKind::Int8),
                "int16" => scalar(ConnectKind::Int16),
                "int32" => scalar(ConnectKind::Int32),
                "int64" => scalar(ConnectKind::Int64),
                "float32" => scalar(ConnectKind::Float32),
                "float64" => scalar(ConnectKind::Float64),
                other => Kind::Unusable(format!("a number has no connect.type {other:?}")).into(),
            },
            ("array", connect_type) => self.array(object, connect_type == Some("map")),
            ("object", connect_type) => self.object(object, connect_type == Some("map")),
            ("null", _) => json(),
            (other, _) => Kind::Unusable(format!("there is no type {other:?}")).into(),
        }
    }

    fn array(&mut self, object: &'s Object, is_map: bool) -> Node {
        let items = match object.get("items") {
            Some(items @ (Value::Object(_) | Value::Bool(true))) if !object.contains_key("prefixItems") => {
                items
            }
            // A tuple, or nothing at all.
            _ => return Kind::Json.into(),
        };
        let entry = |part: &str| items.get("properties")?.get(part);
        match (entry("key"), entry("value")) {
            (Some(key), Some(value)) if is_map => {
                Kind::Entries(self.link(key, false), self.link(value, false)).into()
            }
            _ => Kind::Array(self.link(items, false)).into(),
        }
    }

    fn object(&mut self, object: &'s Object, is_map: bool) -> Node {
        let properties = object.get("properties").and_then(Value::as_object);
        let values = object.get("additionalProperties").filter(|schema| schema.is_object());
        match (properties.filter(|properties| !properties.is_empty() && !is_map), values) {
            (Some(properties), _) => {
                let properties = properties.iter().map(|(name, schema)| (&**name, schema)).collect();
                self.structure(properties, &required(object).collect())
            }
            (None, Some(values)) => Kind::Map(self.link(values, false)).into(),
            (None, None) if is_map => {
                let values = self.made(json(), false);
                Kind::Map(values).into()
            }
            // Without fields there is no column to make.
            (None, None) => Kind::Json.into(),
        }
    }

    fn structure(&mut self, properties: BTreeMap<&'s str, &'s Value>, required: &HashSet<&str>) -> Node {
        let index = |schema: &Value| schema.get("connect.index").and_then(Value::as_i64).unwrap_or(i64::MAX);
        let mut properties: Vec<_> = properties.into_iter().collect();
        properties.sort_by_key(|(name, schema)| (index(schema), *name));
        let member =
            |(name, schema): (&'s str, &'s Value)| (name.into(), self.link(schema, !required.contains(name)));
        Kind::Struct(properties.into_iter().map(member).collect()).into()
    }

    fn types(&mut self, names: &'s [Value], object: &'s Object) -> Node {
        let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
        let optional = names.contains(&"null");
        let others: Vec<_> = names.into_iter().filter(|name| *name != "null").collect();
        let mut node = match others[..] {
            [] => json(),
            [only] => self.typed(only, object),
            _ => {
                let branches = others.iter().map(|name| {
                    let node = self.typed(name, object);
                    self.made(node, true)
                });
                Kind::Union(branches.collect()).into()
            }
        };
        node.optional |= optional;
        node
    }

    fn one_of(&mut self, schemas: &'s [Value]) -> Node {
        let is_null = |schema: &&Value| {
            let parts = schema.as_object().map(parts).unwrap_or_default();
            matches!(parts[..], [Part::Type("null")])
        };
        let nulls = schemas.iter().filter(is_null).count();
        let others: Vec<_> = schemas.iter().filter(|schema| !is_null(schema)).collect();
        match others[..] {
            [] => json(),
            [only] => Kind::Same(self.link(only, nulls > 0)).into(),
            _ => {
                let branches = others.iter().map(|schema| self.link(schema, true)).collect();
                Node { optional: nulls > 0, ..Kind::Union(branches).into() }
            }
        }
    }

    /// A schema that is all of these parts at once, each with the object that it stands in.
    fn all_of(&mut self, parts: Vec<(Part<'s>, &'s Object)>) -> Node {
        let (properties, required) = self.properties(&parts);
        if !properties.is_empty() {
            return self.structure(properties, &required);
        }
        let nullable = |(part, _): &(Part<'s>, &'s Object)| match part {
            Part::Types(names) => names.iter().any(|name| name == "null"),
            Part::Enum(values) => values.iter().any(Value::is_null),
            _ => false,
        };
        let optional = parts.iter().any(nullable);
        let one = |wanted: fn(Part<'s>) -> bool| parts.iter().copied().rfind(|(part, _)| wanted(*part));
        let typed = one(|part| matches!(part, Part::Type("string" | "integer" | "number" | "boolean")));
        let is_string = matches!(typed, Some((Part::Type("string"), _)));
        let combined = one(|part| matches!(part, Part::OneOf(_)))
            .or_else(|| one(|part| matches!(part, Part::AllOf(_))))
            .or_else(|| one(|part| matches!(part, Part::Types(_))));
        let symbols = one(|part| matches!(part, Part::Enum(_)));
        let constant = one(|part| matches!(part, Part::Const(_)));
        let stated = match (constant.or(symbols), typed) {
            (Some((Part::Enum(_), _)), Some(_)) if is_string => symbols,
            (Some(_), Some(typed)) => Some(typed),
            (stated, None) => stated,
            (None, Some(_)) => None,
        };
        let referred = || one(|part| matches!(part, Part::Reference));
        let chosen = combined.or(stated).or_else(referred).or(typed).or(parts.last().copied());
        let mut node = match chosen {
            Some((part, object)) => described(self.part(part, object), object),
            None => json(),
        };
        node.optional |= optional;
        node
    }

    /// Of all objects that the parts lead to, and which of them any object requires.
    fn properties(
        &self,
        parts: &[(Part<'s>, &'s Object)],
    ) -> (BTreeMap<&'s str, &'s Value>, HashSet<&'s str>) {
        let mut properties = BTreeMap::new();
        let mut needed = HashSet::new();
        let mut seen: HashSet<*const Object> = HashSet::new();
        let mut open = parts.to_vec();
        open.reverse();
        while let Some((part, object)) = open.pop() {
            let schemas: Vec<&Value> = match part {
                Part::Type("object") => {
                    let own = object.get("properties").and_then(Value::as_object).into_iter().flatten();
                    properties.extend(own.map(|(name, schema)| (&**name, schema)));
                    needed.extend(required(object));
                    continue;
                }
                Part::AllOf(schemas) => schemas.iter().rev().collect(),
                Part::Reference => self.index.target(object).into_iter().collect(),
                _ => continue,
            };
            for schema in schemas {
                if schema.as_object().is_some_and(|object| seen.insert(object)) {
                    open.extend(self.inside(schema).into_iter().rev());
                }
            }
        }
        (properties, needed)
    }
}

fn required(object: &Object) -> impl Iterator<Item = &str> {
    object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn parts(object: &Object) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let list = |keyword: &str| object.get(keyword).and_then(Value::as_array).map(Vec::as_slice);
    if reference(object).is_some() {
        parts.push(Part::Reference);
    }
    parts.extend(list("enum").map(Part::Enum));
    parts.extend(list("allOf").map(Part::AllOf));
    parts.extend(list("anyOf").map(Part::OneOf));
    parts.extend(list("oneOf").map(Part::OneOf));
    parts.extend(object.get("const").map(Part::Const));
    let tells = |keywords: &[&str]| keywords.iter().any(|keyword| object.contains_key(*keyword));
    match object.get("type") {
        Some(Value::String(name)) => parts.push(Part::Type(name)),
        Some(Value::Array(names)) => parts.push(Part::Types(names)),
        _ if tells(&OF_OBJECTS) => parts.push(Part::Type("object")),
        _ if tells(&OF_ARRAYS) => parts.push(Part::Type("array")),
        _ if tells(&OF_NUMBERS) => parts.push(Part::Type("number")),
        _ if tells(&OF_STRINGS) => parts.push(Part::Type("string")),
        _ => {}
    }
    parts
}

fn enumeration(values: &[Value]) -> Node {
    let is_text = |value: &Value| value.is_string() || value.is_null();
    let kind = if values.iter().all(is_text) { Kind::Scalar(ConnectKind::String) } else { Kind::Json };
    let symbol = |value: &Value| match value {
        Value::Null => NULL_SYMBOL.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut node = Node::from(kind);
    node.optional = values.iter().any(Value::is_null);
    node.parameters.insert(ENUM.into(), "".into());
    for symbol in values.iter().map(symbol) {
        node.parameters.insert(format!("{ENUM}.{symbol}").into(), symbol.into());
    }
    node
}

/// With what the schema's object says of it beside its type.
fn described(mut node: Node, object: &Object) -> Node {
    let text = |keyword: &str| object.get(keyword).and_then(Value::as_str).map(Box::from);
    node.doc = node.doc.or_else(|| text("description"));
    match node.kind {
        Kind::Same(_) | Kind::Unusable(_) => return node,
        Kind::Union(_) => node.name = Some(UNION.into()),
        _ => node.name = node.name.or_else(|| text("title")),
    }
    let version = object.get("connect.version").and_then(Value::as_i64);
    node.version = node.version.or_else(|| version.and_then(|version| version.try_into().ok()));
    let parameters = object.get("connect.parameters").and_then(Value::as_object).into_iter().flatten();
    for (name, value) in parameters {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        node.parameters.insert(name.as_str().into(), value.into());
    }
    node
}

/// For a schema that says nothing of the type; what takes anything takes null.
fn json() -> Node {
    Node { optional: true, ..Kind::Json.into() }
}

impl From<Kind> for Node {
    fn from(kind: Kind) -> Self {
        Node { kind, optional: false, name: None, version: None, parameters: BTreeMap::new(), doc: None }
    }
}
