//! Schemas by their fingerprint: the CRC-64-AVRO of the Parsing Canonical Form (Apache Avro 1.12, "Transforming into Parsing
//! Canonical Form", "Schema Fingerprints").

use std::fmt::Write;

use super::schema::{Id, Schema, Shape};

const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

static TABLE: [u64; 256] = table();

const fn table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut entry = at as u64;
        let mut bit = 0;
        while bit < 8 {
            entry = (entry >> 1) ^ (EMPTY & (entry & 1).wrapping_neg());
            bit += 1;
        }
        table[at] = entry;
        at += 1;
    }
    table
}

impl Schema {
    pub fn fingerprint(&self) -> u64 {
        let step = |hash: u64, byte: u8| (hash >> 8) ^ TABLE[usize::from(hash as u8 ^ byte)];
        self.canonical().bytes().fold(EMPTY, step)
    }

    /// The schemas of a union, each by itself; else this one.
    pub fn alternatives(self) -> Vec<Schema> {
        match self.shape(self.root()) {
            Shape::Union(branches) => branches.clone().into_iter().map(|branch| self.at(branch)).collect(),
            _ => vec![self],
        }
    }

    pub(super) fn canonical(&self) -> String {
        let mut canonical = Canonical { schema: self, declared: Vec::new(), text: String::new() };
        canonical.put(self.root());
        canonical.text
    }
}

struct Canonical<'a> {
    schema: &'a Schema,
    /// What stands there already, and is its name from then on.
    declared: Vec<Id>,
    text: String,
}

impl Canonical<'_> {
    fn put(&mut self, id: Id) {
        let node = self.schema.node(id);
        let is_named = matches!(node.shape, Shape::Record(_) | Shape::Enum(_) | Shape::Fixed(_));
        if is_named {
            if self.declared.contains(&id) {
                return self.quoted(&node.name);
            }
            self.declared.push(id);
            self.text.push_str(r#"{"name":"#);
            self.quoted(&node.name);
        }
        match &node.shape {
            Shape::Record(fields) => {
                self.text.push_str(r#","type":"record","fields":["#);
                for (at, field) in fields.iter().enumerate() {
                    self.text.push_str(if at == 0 { r#"{"name":"# } else { r#",{"name":"# });
                    self.quoted(&field.name);
                    self.text.push_str(r#","type":"#);
                    self.put(field.node);
                    self.text.push('}');
                }
                self.text.push_str("]}");
            }
            Shape::Enum(symbols) => {
                self.text.push_str(r#","type":"enum","symbols":["#);
                for (at, symbol) in symbols.iter().enumerate() {
                    self.text.push_str(if at == 0 { "" } else { "," });
                    self.quoted(symbol);
                }
                self.text.push_str("]}");
            }
            // Memory takes any text.
            Shape::Fixed(size) => drop(write!(self.text, r#","type":"fixed","size":{size}}}"#)),
            Shape::Array(items) | Shape::Entries { items, .. } => {
                self.around(r#"{"type":"array","items":"#, *items)
            }
            Shape::Map(values) => self.around(r#"{"type":"map","values":"#, *values),
            Shape::Union(branches) => {
                self.text.push('[');
                for (at, branch) in branches.iter().enumerate() {
                    self.text.push_str(if at == 0 { "" } else { "," });
                    self.put(*branch);
                }
                self.text.push(']');
            }
            primitive => self.quoted(primitive.name()),
        }
    }

    fn around(&mut self, start: &str, inner: Id) {
        self.text.push_str(start);
        self.put(inner);
        self.text.push('}');
    }

    /// Names are letters, digits, underscores and dots.
    fn quoted(&mut self, name: &str) {
        self.text.push('"');
        self.text.push_str(name);
        self.text.push('"');
    }
}
