//! Which field of a message goes into which column, and how: made once for a writer's schema and a table.

use std::sync::Arc;

use super::Message;
use super::connect::oneof_column;
use super::known::Single;
use super::model::{EnumType, FieldType, Kind, Known, Pool, Presence};
use super::read::Context;
use super::scalar::Scalar;
use super::wire::{Raw, Wire};
use crate::Code;
use crate::decode::column::{Column, Values};
use crate::decode::object::Object;
use crate::decode::{MAX_RECORD_BYTES, Parse, RowError, UnknownFields};

/// Numbers of fields that are found without a search.
const DENSE_NUMBERS: u32 = 256;

/// For the messages of one type and the columns of one table.
#[derive(Debug)]
pub struct Plan {
    root: Node,
}

/// The fields of one message, and what the columns have that no field filled.
#[derive(Debug)]
pub(super) struct Node {
    pub fields: Vec<Planned>,
    numbers: Numbers,
    /// For each of the object's members.
    pub absent: Vec<Absent>,
    pub oneofs: usize,
}

#[derive(Debug)]
pub(super) struct Planned {
    pub number: u32,
    /// For errors: with the column of its oneof in front.
    pub path: Box<str>,
    pub name: Box<str>,
    pub oneof: Option<usize>,
    pub to: To,
}

#[derive(Debug)]
pub(super) enum To {
    Nowhere,
    /// Its column is another field's too, and the record is refused.
    Ambiguous,
    Member(usize, Rule),
    /// A member of a oneof that has a struct column; none: which has no column for it.
    Oneof(usize, Option<(usize, Rule)>),
}

#[derive(Debug)]
pub(super) enum Rule {
    One(Item),
    List(Item),
    Map(Scalar, Item),
    /// What the schema says never fits.
    Misfit(&'static str),
}

/// A single value, or an element.
#[derive(Debug)]
pub(super) struct Item {
    pub wire: Wire,
    what: What,
}

#[derive(Debug)]
enum What {
    Scalar(Scalar),
    Enum(Arc<EnumType>),
    Single(Single),
    Json(Known),
    Message(Box<Node>),
    Misfit(&'static str),
}

/// What a column gets from a message without its field.
#[derive(Debug)]
pub(super) enum Absent {
    Null,
    /// An error: the message must have it.
    Required,
    /// The default of this field's type.
    Default(usize),
    List,
    /// Of this field.
    Map(usize),
    /// The fields that are one column.
    Ambiguous(String),
}

impl Plan {
    pub(in crate::decode) fn new(message: &Message, root: &Object) -> Self {
        Plan { root: Node::new(&message.pool, message.at, root) }
    }

    /// Appends one row to columns that have `rows` rows, and tells what [`crate::decode::Budget`] was spent. After an error
    /// parts of the row may be there.
    pub(in crate::decode) fn read(
        &self,
        root: &mut Object,
        rows: usize,
        value: &[u8],
        unknown_fields: UnknownFields,
    ) -> Parse<usize> {
        if value.len() > MAX_RECORD_BYTES {
            let message = format!("the record has {} bytes, at most {MAX_RECORD_BYTES} fit", value.len());
            return Err(RowError::boxed(Code::RecordRange, message));
        }
        let mut context = Context::new(value.len(), unknown_fields);
        self.root.read(root, rows, value, &mut context)?;
        Ok(context.spent())
    }
}

impl Node {
    /// Comes to an end because columns do, whatever messages are in themselves.
    fn new(pool: &Pool, at: usize, object: &Object) -> Self {
        let message = &pool.messages[at];
        let mut absent: Vec<_> = object.members.iter().map(|_| Absent::Null).collect();
        let mut claims: Vec<Vec<String>> = vec![Vec::new(); object.members.len()];
        let oneofs: Vec<_> = message
            .oneofs
            .iter()
            .enumerate()
            .map(|(oneof, name)| {
                let (column, member) = find_oneof(object, name, oneof)?;
                claims[member].push(column.clone());
                Some((column, member))
            })
            .collect();
        let mut fields = Vec::with_capacity(message.fields.len());
        for field in &message.fields {
            let oneof = field.oneof.and_then(|oneof| oneofs[oneof].as_ref());
            let (path, to) = match oneof {
                Some((column, member)) => {
                    let inner = oneof_object(object, *member).and_then(|object| {
                        let inner = object.find_in_any_case(field.name.as_bytes())?;
                        Some((inner, Rule::new(pool, field, &object.members[inner].column)))
                    });
                    (format!("{column}.{}", field.name), To::Oneof(*member, inner))
                }
                None => {
                    let to = match object.find_in_any_case(field.name.as_bytes()) {
                        None => To::Nowhere,
                        Some(member) => {
                            claims[member].push(field.name.to_string());
                            let rule = Rule::new(pool, field, &object.members[member].column);
                            absent[member] = rule.absent(field, fields.len());
                            To::Member(member, rule)
                        }
                    };
                    (field.name.to_string(), to)
                }
            };
            let (number, name) = (field.number, field.name.clone());
            fields.push(Planned { number, path: path.into(), name, oneof: field.oneof, to });
        }
        for (member, names) in claims.iter().enumerate() {
            let twice = inner_twice(&fields, member);
            if names.len() > 1 || twice.is_some() {
                absent[member] = Absent::Ambiguous(twice.unwrap_or_else(|| names.join(", ")));
                for field in &mut fields {
                    if matches!(field.to, To::Member(to, _) | To::Oneof(to, _) if to == member) {
                        field.to = To::Ambiguous;
                    }
                }
            }
        }
        let numbers = Numbers::new(&fields);
        Node { fields, numbers, absent, oneofs: message.oneofs.len() }
    }

    #[inline(always)]
    pub fn find(&self, number: u32) -> Option<usize> {
        self.numbers.find(number)
    }
}

/// The struct column that the members of a oneof are in; none: they stand among the message's own fields.
fn find_oneof(object: &Object, name: &str, oneof: usize) -> Option<(String, usize)> {
    [oneof_column(name, oneof), name.to_owned()].into_iter().find_map(|column| {
        let member = object.find_in_any_case(column.as_bytes())?;
        oneof_object(object, member)?;
        Some((column, member))
    })
}

fn oneof_object(object: &Object, member: usize) -> Option<&Object> {
    match &object.members[member].column.values {
        Values::Struct(object) => Some(object),
        _ => None,
    }
}

/// Members of a oneof, in the struct column `member`, that are one column there.
fn inner_twice(fields: &[Planned], member: usize) -> Option<String> {
    let inner = |field: &Planned| match field.to {
        To::Oneof(to, Some((inner, _))) if to == member => Some(inner),
        _ => None,
    };
    fields.iter().enumerate().find_map(|(at, field)| {
        let column = inner(field)?;
        let other = fields[..at].iter().find(|other| inner(other) == Some(column))?;
        Some(format!("{}, {}", other.path, field.path))
    })
}

impl Rule {
    fn new(pool: &Pool, field: &FieldType, column: &Column) -> Self {
        let map = pool.map_entry(field);
        match (map, &column.values) {
            (Some((key, value)), Values::Map { value: to, .. }) => match Scalar::of(&key.kind) {
                Some(key) => Rule::Map(key, Item::new(pool, &value.kind, to)),
                None => Rule::Misfit("a map whose keys are neither numbers nor strings"),
            },
            (Some(_), _) => Rule::Misfit("a map"),
            (None, Values::List { element, .. }) if field.repeated => {
                Rule::List(Item::new(pool, &field.kind, element))
            }
            (None, _) if field.repeated => Rule::Misfit("a repeated field"),
            _ => Rule::One(Item::new(pool, &field.kind, column)),
        }
    }

    fn absent(&self, field: &FieldType, at: usize) -> Absent {
        match (self, field.presence) {
            (Rule::Misfit(_), _) => Absent::Null,
            (Rule::List(_), _) => Absent::List,
            (Rule::Map(..), _) => Absent::Map(at),
            (Rule::One(_), Presence::Explicit) => Absent::Null,
            (Rule::One(_), Presence::Required) => Absent::Required,
            (Rule::One(_), Presence::Implicit) => Absent::Default(at),
        }
    }
}

impl Item {
    fn new(pool: &Pool, kind: &Kind, column: &Column) -> Self {
        match kind {
            Kind::Enum(found) => Item { wire: Wire::Varint, what: What::Enum(found.clone()) },
            Kind::Message { at, delimited } => {
                let wire = if *delimited { Wire::Group } else { Wire::Bytes };
                let message = &pool.messages[*at];
                let what = match (&column.values, message.known) {
                    (Values::Struct(object), _) => What::Message(Box::new(Node::new(pool, *at, object))),
                    (_, Some(known @ (Known::Struct | Known::Value | Known::ListValue))) => What::Json(known),
                    _ => match Single::of(message) {
                        Some(single) => What::Single(single),
                        None => What::Misfit("a message"),
                    },
                };
                Item { wire, what }
            }
            scalar => match Scalar::of(scalar) {
                Some(scalar) => Item { wire: scalar.wire, what: What::Scalar(scalar) },
                None => Item { wire: Wire::Bytes, what: What::Misfit("a value of an unknown type") },
            },
        }
    }

    /// Appends a value. After an error parts of it may be there.
    #[inline]
    pub fn put(&self, column: &mut Column, raw: Raw<'_>, context: &mut Context) -> Parse {
        match &self.what {
            What::Scalar(scalar) => scalar.put(column, raw),
            What::Enum(found) => found.put(column, raw.number as i32, context),
            What::Single(single) => single.put(column, raw.bytes),
            What::Json(known) => super::json::put(*known, column, raw.bytes, context),
            What::Message(node) => {
                let rows = column.rows();
                if let Values::Struct(object) = &mut column.values {
                    node.read(object, rows, raw.bytes, context)?;
                    column.valid.append_non_null();
                }
                Ok(())
            }
            What::Misfit(found) => Err(column.misfit(Code::RecordType, found)),
        }
    }

    /// Whether the value counts as unknown: a closed enum has none for it.
    pub fn drops(&self, column: &Column, raw: Raw<'_>) -> bool {
        matches!(&self.what, What::Enum(found) if found.drops(column, raw.number as i32))
    }

    /// Whether a field that is given again adds to what was given before.
    pub fn merges(&self) -> bool {
        !matches!(self.what, What::Scalar(_) | What::Enum(_))
    }

    /// Whether a repeated field may have several values under one tag.
    pub fn packs(&self) -> bool {
        self.wire != Wire::Bytes && !self.merges()
    }

    /// What stands for a value that is not there.
    pub fn default(&self) -> Raw<'static> {
        match &self.what {
            What::Enum(found) => Raw { number: found.default as u64, bytes: &[] },
            _ => Raw::default(),
        }
    }
}

/// The place of a field by its number.
#[derive(Debug)]
struct Numbers {
    /// One more than the place; 0 for none.
    dense: Box<[u32]>,
    /// Sorted.
    others: Box<[(u32, u32)]>,
}

impl Numbers {
    fn new(fields: &[Planned]) -> Self {
        let all = || fields.iter().enumerate().map(|(at, field)| (field.number, at as u32));
        let most = all().map(|(number, _)| number).filter(|number| *number < DENSE_NUMBERS).max();
        let mut dense = vec![0; most.map_or(0, |most| most as usize + 1)];
        let mut others = Vec::new();
        for (number, at) in all() {
            match dense.get_mut(number as usize) {
                Some(place) => *place = at + 1,
                None => others.push((number, at)),
            }
        }
        others.sort_unstable();
        Numbers { dense: dense.into(), others: others.into() }
    }

    #[inline(always)]
    fn find(&self, number: u32) -> Option<usize> {
        if let Some(place) = self.dense.get(number as usize) {
            return (*place as usize).checked_sub(1);
        }
        let at = self.others.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(self.others[at].1 as usize)
    }
}
