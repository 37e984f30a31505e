//! An Avro schema as producers write it (Apache Avro 1.12, "Schema Declaration"), with what Connect's converter adds to it.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use crate::{Code, Error, Result};

/// Types that a schema may have. A registry's schemas are far smaller; this one bounds what one costs.
const MAX_NODES: usize = 100_000;
const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
/// Maps whose keys are no strings, as Confluent's converter writes them: arrays of such records. Those of a map that has a name
/// are called by it, and say by a property what they are.
const MAP_ENTRY: &str = "io.confluent.connect.avro.MapEntry";
const MAP_ENTRY_PROPERTY: (&str, &str) = ("connect.internal.type", "MapEntry");

/// The schema that records were written with.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    nodes: Vec<Node>,
    root: Id,
}

/// A type of the schema. A recursive schema refers to one from within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(u32);

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub shape: Shape,
    pub meaning: Meaning,
    /// Of a record, enum or fixed, with its namespace.
    pub name: Box<str>,
    pub connect: Connect,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(Vec<Box<str>>),
    Array(Id),
    Map(Id),
    /// An array of records that stand for the entries of a map.
    Entries {
        items: Id,
        key: Id,
        value: Id,
    },
    Union(Vec<Id>),
    Record(Vec<Field>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: Box<str>,
    pub node: Id,
    pub doc: Option<Box<str>>,
}

/// The precision of a decimal that gives none, as Confluent's converter has it.
pub const NO_PRECISION: u32 = 64;

/// What a logical type says. One that its base type cannot have says nothing, as Avro wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Plain,
    Decimal {
        precision: u32,
        scale: u32,
    },
    /// Bytes that hold the scale too.
    BigDecimal,
    Uuid,
    Date,
    TimeMillis,
    Timestamp {
        unit: Unit,
        zoned: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Millis,
    Micros,
    Nanos,
}

/// What Confluent's converter notes of the Connect schema that the Avro one was made from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Connect {
    pub r#type: Option<Box<str>>,
    pub name: Option<Box<str>>,
    pub doc: Option<Box<str>>,
    pub parameters: Vec<(Box<str>, Box<str>)>,
    /// The record is an entry of a map.
    pub entry: bool,
}

impl Schema {
    /// `references` are texts of schemas that `text` and they themselves refer to, in an order in which none comes before
    /// what it refers to.
    pub fn parse(text: &str, references: &[&str]) -> Result<Self> {
        let mut parser = Parser { nodes: Vec::new(), named: HashMap::new() };
        for reference in references {
            parser.text(reference)?;
        }
        let root = parser.text(text)?;
        Ok(Schema { nodes: parser.nodes, root })
    }

    /// One of its types as a schema of its own.
    pub(super) fn at(&self, root: Id) -> Self {
        Schema { nodes: self.nodes.clone(), root }
    }

    pub fn root(&self) -> Id {
        self.root
    }

    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub fn shape(&self, id: Id) -> &Shape {
        &self.node(id).shape
    }

    /// The value's branch where a union only says that it may be null.
    pub fn nullable(&self, branches: &[Id]) -> Option<(usize, Id)> {
        match branches {
            [null, value] if *self.shape(*null) == Shape::Null => Some((1, *value)),
            [value, null] if *self.shape(*null) == Shape::Null => Some((0, *value)),
            _ => None,
        }
    }

    /// What a branch of a union with several types is called: a record's, enum's or fixed's name without its namespace, or
    /// the type, as `AvroData` of Confluent's converter does.
    pub fn branch_name(&self, id: Id) -> &str {
        let node = self.node(id);
        match &node.shape {
            Shape::Record(_) | Shape::Enum(_) | Shape::Fixed(_) => {
                node.name.rsplit('.').next().unwrap_or_default()
            }
            shape => shape.name(),
        }
    }
}

impl Shape {
    pub fn name(&self) -> &'static str {
        match self {
            Shape::Null => "null",
            Shape::Boolean => "boolean",
            Shape::Int => "int",
            Shape::Long => "long",
            Shape::Float => "float",
            Shape::Double => "double",
            Shape::Bytes => "bytes",
            Shape::String => "string",
            Shape::Fixed(_) => "fixed",
            Shape::Enum(_) => "enum",
            Shape::Array(_) | Shape::Entries { .. } => "array",
            Shape::Map(_) => "map",
            Shape::Union(_) => "union",
            Shape::Record(_) => "record",
        }
    }
}

struct Parser {
    nodes: Vec<Node>,
    named: HashMap<String, Id>,
}

fn refused(why: impl std::fmt::Display) -> Error {
    Error::new(Code::WriterSchema, format!("not an Avro schema: {why}"))
}

impl Parser {
    fn text(&mut self, text: &str) -> Result<Id> {
        // A primitive type may stand there without quotes, as registries give it back.
        if PRIMITIVES.contains(&text.trim()) {
            return self.node(&Json::String(text.trim().to_owned()), "");
        }
        let json: Json = serde_json::from_str(text).map_err(|e| refused(format!("it is not JSON: {e}")))?;
        self.node(&json, "")
    }

    fn add(&mut self, node: Node) -> Result<Id> {
        let id = Id(self.nodes.len() as u32);
        if self.nodes.len() == MAX_NODES {
            return Err(refused(format!("it has more than {MAX_NODES} types")));
        }
        self.nodes.push(node);
        Ok(id)
    }

    fn node(&mut self, json: &Json, namespace: &str) -> Result<Id> {
        match json {
            Json::String(name) => self.by_name(name, namespace, &Map::new()),
            Json::Array(branches) => self.union(branches, namespace),
            Json::Object(object) => match object.get("type") {
                Some(Json::String(name)) => self.declared(name, object, namespace),
                // {"type": {"type": ...}} and {"type": [...]}
                Some(inner @ (Json::Object(_) | Json::Array(_))) => self.node(inner, namespace),
                _ => Err(refused(format!("a type is missing in {}", shortened(json)))),
            },
            other => Err(refused(format!("{} is no type", shortened(other)))),
        }
    }

    fn by_name(&mut self, name: &str, namespace: &str, properties: &Map<String, Json>) -> Result<Id> {
        let shape = match name {
            "null" => Shape::Null,
            "boolean" => Shape::Boolean,
            "int" => Shape::Int,
            "long" => Shape::Long,
            "float" => Shape::Float,
            "double" => Shape::Double,
            "bytes" => Shape::Bytes,
            "string" => Shape::String,
            _ => {
                let known = self.named.get(&full_name(name, namespace)).or_else(|| self.named.get(name));
                return known.copied().ok_or_else(|| refused(format!("the type {name:?} is not declared")));
            }
        };
        self.plain(shape, properties)
    }

    fn plain(&mut self, shape: Shape, properties: &Map<String, Json>) -> Result<Id> {
        let meaning = meaning(&shape, properties);
        self.add(Node { shape, meaning, name: "".into(), connect: connect(properties) })
    }

    fn declared(&mut self, name: &str, object: &Map<String, Json>, namespace: &str) -> Result<Id> {
        match name {
            "array" => {
                let items = self.inner("items", object, namespace)?;
                let shape = self.entries(items).unwrap_or(Shape::Array(items));
                self.plain(shape, object)
            }
            "map" => {
                let values = self.inner("values", object, namespace)?;
                self.plain(Shape::Map(values), object)
            }
            "record" | "error" => self.record(object, namespace),
            "enum" => {
                let symbols = object.get("symbols").and_then(Json::as_array);
                let symbol = |symbol: &Json| symbol.as_str().map(Box::from);
                let symbols = symbols.and_then(|symbols| symbols.iter().map(symbol).collect());
                let symbols = symbols.ok_or_else(|| refused("an enum without symbols"))?;
                self.named_node(Shape::Enum(symbols), object, namespace).map(|(id, _)| id)
            }
            "fixed" => {
                let size =
                    object.get("size").and_then(Json::as_u64).and_then(|size| usize::try_from(size).ok());
                let size = size.ok_or_else(|| refused("a fixed without a size"))?;
                self.named_node(Shape::Fixed(size), object, namespace).map(|(id, _)| id)
            }
            name => self.by_name(name, namespace, object),
        }
    }

    fn inner(&mut self, key: &str, object: &Map<String, Json>, namespace: &str) -> Result<Id> {
        let inner = object.get(key).ok_or_else(|| refused(format!("an array or map without {key}")))?;
        self.node(inner, namespace)
    }

    /// Key and value where the items of an array are the entries of a map.
    fn entries(&self, items: Id) -> Option<Shape> {
        let node = &self.nodes[items.0 as usize];
        match &node.shape {
            Shape::Record(fields) if &*node.name == MAP_ENTRY || node.connect.entry => match &fields[..] {
                [key, value] if &*key.name == "key" && &*value.name == "value" => {
                    Some(Shape::Entries { items, key: key.node, value: value.node })
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn record(&mut self, object: &Map<String, Json>, namespace: &str) -> Result<Id> {
        // Known by its name before its fields are, which may refer to it.
        let (id, namespace) = self.named_node(Shape::Record(Vec::new()), object, namespace)?;
        let given = object.get("fields").and_then(Json::as_array);
        let given = given.ok_or_else(|| refused("a record without fields"))?;
        let mut fields: Vec<Field> = Vec::with_capacity(given.len());
        for field in given {
            let text = |key: &str| field.get(key).and_then(Json::as_str);
            let name = text("name").ok_or_else(|| refused("a record's field without a name"))?;
            if fields.iter().any(|field| &*field.name == name) {
                return Err(refused(format!("the field {name:?} is there twice")));
            }
            let declared = field.get("type");
            let declared = declared.ok_or_else(|| refused(format!("the field {name:?} has no type")))?;
            let node = self.node(declared, &namespace)?;
            fields.push(Field { name: name.into(), node, doc: text("doc").map(Box::from) });
        }
        self.nodes[id.0 as usize].shape = Shape::Record(fields);
        Ok(id)
    }

    /// Also the namespace that it makes for what is in it.
    fn named_node(
        &mut self,
        shape: Shape,
        object: &Map<String, Json>,
        namespace: &str,
    ) -> Result<(Id, String)> {
        let name = object.get("name").and_then(Json::as_str);
        let name = name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| refused("a record, enum or fixed without a name"))?;
        let own = object.get("namespace").and_then(Json::as_str).unwrap_or(namespace);
        let name = full_name(name, own);
        let namespace = name.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
        let meaning = meaning(&shape, object);
        let id = self.add(Node { shape, meaning, name: name.as_str().into(), connect: connect(object) })?;
        if self.named.insert(name.clone(), id).is_some() {
            return Err(refused(format!("the type {name:?} is declared twice")));
        }
        Ok((id, namespace))
    }

    fn union(&mut self, branches: &[Json], namespace: &str) -> Result<Id> {
        let branches =
            branches.iter().map(|branch| self.node(branch, namespace)).collect::<Result<Vec<_>>>()?;
        if branches.is_empty() {
            return Err(refused("a union without types"));
        }
        if branches.iter().any(|id| matches!(self.nodes[id.0 as usize].shape, Shape::Union(_))) {
            return Err(refused("a union in a union"));
        }
        self.plain(Shape::Union(branches), &Map::new())
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') { name.to_owned() } else { format!("{namespace}.{name}") }
}

/// Names count in any case, as Confluent's converter takes them.
fn meaning(shape: &Shape, properties: &Map<String, Json>) -> Meaning {
    let number = |key: &str, absent: u32| match properties.get(key) {
        None => Some(absent),
        Some(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    let timestamp = |unit, zoned| Meaning::Timestamp { unit, zoned };
    let name = logical_type(properties).map(str::to_ascii_lowercase);
    match (name.as_deref(), shape) {
        (Some("decimal"), Shape::Bytes | Shape::Fixed(_)) => {
            match (number("precision", NO_PRECISION), number("scale", 0)) {
                (Some(precision), Some(scale)) if 0 < precision && scale <= precision => {
                    Meaning::Decimal { precision, scale }
                }
                _ => Meaning::Plain,
            }
        }
        (Some("big-decimal"), Shape::Bytes) => Meaning::BigDecimal,
        (Some("uuid"), Shape::String | Shape::Fixed(16)) => Meaning::Uuid,
        (Some("date"), Shape::Int) => Meaning::Date,
        (Some("time-millis"), Shape::Int) => Meaning::TimeMillis,
        (Some("timestamp-millis"), Shape::Long) => timestamp(Unit::Millis, true),
        (Some("timestamp-micros"), Shape::Long) => timestamp(Unit::Micros, true),
        (Some("timestamp-nanos"), Shape::Long) => timestamp(Unit::Nanos, true),
        (Some("local-timestamp-millis"), Shape::Long) => timestamp(Unit::Millis, false),
        (Some("local-timestamp-micros"), Shape::Long) => timestamp(Unit::Micros, false),
        (Some("local-timestamp-nanos"), Shape::Long) => timestamp(Unit::Nanos, false),
        _ => Meaning::Plain,
    }
}

fn logical_type(properties: &Map<String, Json>) -> Option<&str> {
    properties.get("logicalType").and_then(Json::as_str)
}

fn connect(properties: &Map<String, Json>) -> Connect {
    let text = |key: &str| properties.get(key).and_then(Json::as_str).map(Box::from);
    let parameters = properties.get("connect.parameters").and_then(Json::as_object);
    let parameter = |(key, value): (&String, &Json)| Some((key.as_str().into(), value.as_str()?.into()));
    Connect {
        // The converter asks for it only then.
        r#type: text("connect.type").filter(|_| logical_type(properties).is_none()),
        name: text("connect.name"),
        doc: text("connect.doc"),
        parameters: parameters.into_iter().flatten().filter_map(parameter).collect(),
        entry: properties.get(MAP_ENTRY_PROPERTY.0).and_then(Json::as_str) == Some(MAP_ENTRY_PROPERTY.1),
    }
}

fn shortened(json: &Json) -> String {
    super::super::excerpt(json.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Schema {
        Schema::parse(text, &[]).unwrap()
    }

    fn refusal(text: &str) -> String {
        let error = Schema::parse(text, &[]).unwrap_err();
        assert_eq!(error.code, Code::WriterSchema);
        error.message
    }

    #[test]
    fn names_are_found_in_their_namespace() {
        let schema = parse(
            r#"{"type":"record","name":"a.b.R","fields":[
                {"name":"e","type":{"type":"enum","name":"E","symbols":["X"]}},
                {"name":"again","type":"E"},{"name":"full","type":"a.b.E"},
                {"name":"in","type":{"type":"record","name":"I","namespace":"c","fields":[
                    {"name":"f","type":{"type":"fixed","name":"F","size":2}},{"name":"g","type":"F"}]}},
                {"name":"other","type":"c.F"},
                {"name":"next","type":["null","R"]}]}"#,
        );
        let Shape::Record(fields) = schema.shape(schema.root()) else { panic!() };
        assert_eq!(&*schema.node(schema.root()).name, "a.b.R");
        assert_eq!((fields[0].node, fields[0].node), (fields[1].node, fields[2].node));
        let Shape::Record(inner) = schema.shape(fields[3].node) else { panic!() };
        assert_eq!((inner[0].node, inner[0].node), (inner[1].node, fields[4].node));
        assert_eq!(&*schema.node(inner[0].node).name, "c.F");
        let Shape::Union(branches) = schema.shape(fields[5].node) else { panic!() };
        assert_eq!(schema.nullable(branches), Some((1, schema.root())));
    }

    #[test]
    fn references_are_known_by_name() {
        let money = r#"{"type":"record","name":"x.Money","fields":[{"name":"cents","type":"long"}]}"#;
        let order = r#"{"type":"record","name":"x.Order","fields":[{"name":"price","type":"Money"}]}"#;
        let schema = Schema::parse(order, &[money]).unwrap();
        let Shape::Record(fields) = schema.shape(schema.root()) else { panic!() };
        assert_eq!(&*schema.node(fields[0].node).name, "x.Money");
        assert!(refusal(order).contains("\"Money\" is not declared"));
    }

    #[test]
    fn logical_types_that_make_no_sense_say_nothing() {
        for (text, expected) in [
            (
                r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#,
                Meaning::Decimal { precision: 4, scale: 2 },
            ),
            (r#"{"type":"bytes","logicalType":"decimal","precision":2,"scale":4}"#, Meaning::Plain),
            (
                r#"{"type":"bytes","logicalType":"decimal"}"#,
                Meaning::Decimal { precision: NO_PRECISION, scale: 0 },
            ),
            (r#"{"type":"bytes","logicalType":"decimal","precision":"9"}"#, Meaning::Plain),
            (r#"{"type":"bytes","logicalType":"decimal","scale":"2"}"#, Meaning::Plain),
            (r#"{"type":"bytes","logicalType":"decimal","precision":0}"#, Meaning::Plain),
            (r#"{"type":"int","logicalType":"timestamp-millis"}"#, Meaning::Plain),
            (
                r#"{"type":"long","logicalType":"local-timestamp-nanos"}"#,
                Meaning::Timestamp { unit: Unit::Nanos, zoned: false },
            ),
            (r#"{"type":{"type":"int","logicalType":"date"}}"#, Meaning::Date),
            (
                r#"{"type":"bytes","logicalType":"Decimal","precision":4,"scale":2}"#,
                Meaning::Decimal { precision: 4, scale: 2 },
            ),
            (r#"{"type":"int","logicalType":"Time-Millis"}"#, Meaning::TimeMillis),
            (
                r#"{"type":"long","logicalType":"TIMESTAMP-MICROS"}"#,
                Meaning::Timestamp { unit: Unit::Micros, zoned: true },
            ),
        ] {
            let schema = parse(text);
            assert_eq!(schema.node(schema.root()).meaning, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for (text, expected) in [
            ("{", "it is not JSON"),
            ("1", "1 is no type"),
            (r#"{"name":"x"}"#, "a type is missing"),
            (r#""Unknown""#, "\"Unknown\" is not declared"),
            (r#"{"type":"array"}"#, "without items"),
            (r#"{"type":"record","fields":[]}"#, "without a name"),
            (r#"{"type":"record","name":"R"}"#, "without fields"),
            (
                r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
                "twice",
            ),
            (r#"["null",["int"]]"#, "a union in a union"),
            ("[]", "a union without types"),
            (r#"{"type":"enum","name":"E","symbols":[1]}"#, "an enum without symbols"),
            (r#"{"type":"fixed","name":"F","size":-1}"#, "a fixed without a size"),
        ] {
            let message = refusal(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
        assert_eq!(parse("string"), parse(r#""string""#));
    }
}
