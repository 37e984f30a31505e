//! How the values of one Avro schema get into the columns of one table: worked out once, followed for each record. The
//! table's columns are what Avro calls the reader's schema.

use std::sync::Arc;

use super::reader::Reader;
use super::schema::{Field, Id, Meaning, Schema, Shape, Unit};
use crate::Code;
use crate::decode::column::{Column, Values};
use crate::decode::connect::{Source, no_scale};
use crate::decode::object::Object;
use crate::decode::value::Value;
use crate::decode::{Parse, RowError, UnknownFields, hyphenated};

pub(in crate::decode) struct Plan {
    schema: Arc<Schema>,
    root: Root,
}

enum Root {
    Record(Record),
    Branches(Vec<Branch>),
    /// It has no fields.
    Other,
}

enum Step {
    Null,
    Leaf(Leaf),
    /// A union of null and one type, which stands there.
    Nullable(usize, Box<Step>),
    /// A union of several types, each into the column itself.
    Each(Vec<Step>),
    /// A union of several types, each into a member of its own.
    Branches(Vec<Branch>),
    Record(Record),
    VariableScaleDecimal {
        scale_first: bool,
    },
    Array(Box<Step>),
    /// Of the values.
    Map(Box<Step>),
    Entries(Box<Step>, Box<Step>),
    /// What the schema says never fits.
    Misfit(Id),
}

struct Leaf {
    wire: Wire,
    source: Source,
}

enum Wire {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Fixed(usize),
    String,
    Enum(Id),
    /// Sixteen bytes that are written as text.
    Uuid,
    BigDecimal,
}

struct Record {
    /// In the writer's order.
    fields: Vec<(Box<str>, Target)>,
    /// Members that the writer has no field for.
    missing: Vec<usize>,
}

enum Target {
    Member(usize, Step),
    Unknown(Id),
    /// The record has several fields that differ by case only: these.
    Ambiguous(usize, Box<str>),
}

enum Branch {
    Null,
    /// The only one besides null: its fields stand there as if there were no union.
    Record(Record),
    Member(usize, Step),
    Unknown(Box<str>, Id),
}

impl Plan {
    pub fn new(schema: &Arc<Schema>, table: &Object) -> Self {
        let root = match schema.shape(schema.root()) {
            Shape::Record(fields) => Root::Record(record(schema, fields, table)),
            Shape::Union(types) => match schema.nullable(types).map(|(_, value)| schema.shape(value)) {
                Some(Shape::Record(_)) | None => Root::Branches(branches(schema, types, table)),
                Some(_) => Root::Other,
            },
            _ => Root::Other,
        };
        Plan { schema: schema.clone(), root }
    }

    /// Appends one record to columns that have `rows` rows. Returns what was spent of its budget.
    pub fn read(
        &self,
        table: &mut Object,
        rows: usize,
        value: &[u8],
        unknown_fields: UnknownFields,
    ) -> Parse<usize> {
        let mut run = Run { schema: &self.schema, reader: Reader::new(value)?, unknown_fields };
        match &self.root {
            Root::Record(record) => run.record(record, table)?,
            Root::Branches(branches) => {
                if !run.branch(branches, table, rows)? {
                    return Err(not_a_record("null"));
                }
            }
            Root::Other => return Err(not_a_record(self.schema.shape(self.schema.root()).name())),
        }
        run.reader.end()?;
        Ok(run.reader.budget.spent)
    }
}

fn not_a_record(found: &str) -> Box<RowError> {
    let message =
        format!("the value is Avro's {found}, and only a record has fields for the table's columns");
    RowError::boxed(Code::RecordNotStruct, message)
}

fn record(schema: &Schema, fields: &[Field], object: &Object) -> Record {
    let found = |field: &Field| object.find_in_any_case(field.name.as_bytes());
    let places: Vec<_> = fields.iter().map(found).collect();
    let targets = fields.iter().zip(&places).map(|(field, place)| {
        let target = match place {
            None => Target::Unknown(field.node),
            Some(index) => {
                let same: Vec<&str> = fields
                    .iter()
                    .zip(&places)
                    .filter(|(_, other)| *other == place)
                    .map(|(field, _)| &*field.name)
                    .collect();
                match same.len() {
                    1 => Target::Member(*index, step(schema, field.node, &object.members[*index].column)),
                    _ => Target::Ambiguous(*index, same.join(", ").into()),
                }
            }
        };
        (field.name.clone(), target)
    });
    Record {
        fields: targets.collect(),
        missing: (0..object.members.len()).filter(|index| !places.contains(&Some(*index))).collect(),
    }
}

fn branches(schema: &Schema, types: &[Id], object: &Object) -> Vec<Branch> {
    let only_record = schema.nullable(types).map(|(_, value)| value);
    let branch = |id: &Id| match schema.shape(*id) {
        Shape::Null => Branch::Null,
        Shape::Record(fields) if only_record == Some(*id) => Branch::Record(record(schema, fields, object)),
        _ => {
            let name = schema.branch_name(*id);
            match object.find_in_any_case(name.as_bytes()) {
                Some(index) => Branch::Member(index, step(schema, *id, &object.members[index].column)),
                None => Branch::Unknown(name.into(), *id),
            }
        }
    };
    types.iter().map(branch).collect()
}

fn step(schema: &Schema, id: Id, column: &Column) -> Step {
    let boxed = |id: &Id, column: &Column| Box::new(step(schema, *id, column));
    match (schema.shape(id), &column.values) {
        (Shape::Null, _) => Step::Null,
        (Shape::Union(types), values) => match (schema.nullable(types), values) {
            (Some((at, value)), _) => Step::Nullable(at, boxed(&value, column)),
            (None, Values::Struct(object)) => Step::Branches(branches(schema, types, object)),
            (None, _) => Step::Each(types.iter().map(|id| step(schema, *id, column)).collect()),
        },
        (Shape::Record(fields), Values::Struct(object)) => Step::Record(record(schema, fields, object)),
        (Shape::Record(fields), Values::Decimal { .. }) => match scale_and_value(schema, id, fields) {
            Some(scale_first) => Step::VariableScaleDecimal { scale_first },
            None => Step::Misfit(id),
        },
        (Shape::Array(items) | Shape::Entries { items, .. }, Values::List { element, .. }) => {
            Step::Array(boxed(items, element))
        }
        (Shape::Map(values), Values::Map { value, .. }) => Step::Map(boxed(values, value)),
        (Shape::Entries { key, value, .. }, Values::Map { key: to_key, value: to_value, .. }) => {
            Step::Entries(boxed(key, to_key), boxed(value, to_value))
        }
        _ => leaf(schema, id, column).map_or(Step::Misfit(id), Step::Leaf),
    }
}

fn scale_and_value(schema: &Schema, id: Id, fields: &[Field]) -> Option<bool> {
    let name = schema.node(id).connect.name.as_deref().unwrap_or(&schema.node(id).name);
    let parts: Vec<_> = fields.iter().map(|field| (&*field.name, schema.shape(field.node))).collect();
    match parts[..] {
        _ if name != "io.debezium.data.VariableScaleDecimal" => None,
        [("scale", Shape::Int), ("value", Shape::Bytes)] => Some(true),
        [("value", Shape::Bytes), ("scale", Shape::Int)] => Some(false),
        _ => None,
    }
}

fn leaf(schema: &Schema, id: Id, column: &Column) -> Option<Leaf> {
    let node = schema.node(id);
    let wire = match node.shape {
        Shape::Boolean => Wire::Boolean,
        Shape::Int => Wire::Int,
        Shape::Long => Wire::Long,
        Shape::Float => Wire::Float,
        Shape::Double => Wire::Double,
        Shape::Fixed(_)
            if node.meaning == Meaning::Uuid && !matches!(column.values, Values::Binary { .. }) =>
        {
            Wire::Uuid
        }
        Shape::Bytes
            if node.meaning == Meaning::BigDecimal && matches!(column.values, Values::Decimal { .. }) =>
        {
            Wire::BigDecimal
        }
        Shape::Bytes => Wire::Bytes,
        Shape::Fixed(size) => Wire::Fixed(size),
        Shape::String => Wire::String,
        Shape::Enum(_) => Wire::Enum(id),
        _ => return None,
    };
    // A table that was made by Confluent's converter has plain numbers for what that has no types for.
    let plain = match node.meaning {
        Meaning::Timestamp { unit: Unit::Millis, zoned: true } => false,
        Meaning::Timestamp { .. } => matches!(column.values, Values::Long(_)),
        _ => false,
    };
    let source = if plain { Source::Plain } else { Source::of(&schema.scalar(id)?)? };
    Some(Leaf { wire, source })
}

/// One record on its way into the columns.
struct Run<'a> {
    schema: &'a Schema,
    reader: Reader<'a>,
    unknown_fields: UnknownFields,
}

impl<'a> Run<'a> {
    /// After an error the column may hold parts of the value.
    fn read(&mut self, step: &Step, column: &mut Column) -> Parse {
        match step {
            Step::Leaf(leaf) => return self.leaf(leaf, column),
            Step::Null => return column.put_null(),
            Step::Nullable(at, value) => {
                return match self.reader.choice(2, "branch")? == *at {
                    true => self.read(value, column),
                    false => column.put_null(),
                };
            }
            Step::Each(steps) => {
                let branch = self.reader.choice(steps.len(), "branch")?;
                return self.read(&steps[branch], column);
            }
            Step::VariableScaleDecimal { scale_first } => {
                let before = if *scale_first { self.reader.int()? } else { 0 };
                let unscaled = self.reader.bytes()?;
                let scale = if *scale_first { before } else { self.reader.int()? };
                return column.put(&Value::decimal(unscaled, scale));
            }
            Step::Misfit(id) => {
                let found = format!("Avro's {}", self.schema.shape(*id).name());
                return Err(column.misfit(Code::RecordType, &found));
            }
            Step::Branches(_) | Step::Record(_) | Step::Array(_) | Step::Map(_) | Step::Entries(..) => {}
        }
        let rows = column.rows();
        match (step, &mut column.values) {
            (Step::Record(record), Values::Struct(object)) => self.record(record, object)?,
            (Step::Branches(branches), Values::Struct(object)) => {
                if !self.branch(branches, object, rows)? {
                    return column.put_null();
                }
            }
            (Step::Array(step), Values::List { ends, element }) => {
                let mut index = 0;
                self.blocks(|run| {
                    run.reader.budget.spend(element.width)?;
                    run.read(step, element).map_err(|error| error.in_element(index))?;
                    index += 1;
                    Ok(())
                })?;
                ends.push(element.rows());
            }
            (Step::Map(step), Values::Map { ends, key, value, order }) => {
                let first = value.rows();
                self.blocks(|run| {
                    run.reader.budget.spend(key.width + value.width)?;
                    let text = run.reader.text()?;
                    key.put(&Value::Text(text)).map_err(|error| error.in_field("{key}"))?;
                    run.read(step, value).map_err(|error| error.in_field(&key.key_name(key.rows() - 1)))
                })?;
                key.refuse_duplicates(first, order)?;
                ends.push(value.rows());
            }
            (Step::Entries(of_key, of_value), Values::Map { ends, key, value, order }) => {
                let first = value.rows();
                self.blocks(|run| {
                    run.reader.budget.spend(key.width + value.width)?;
                    run.read(of_key, key).map_err(|error| error.in_field("{key}"))?;
                    run.read(of_value, value).map_err(|error| error.in_field(&key.key_name(key.rows() - 1)))
                })?;
                key.refuse_duplicates(first, order)?;
                ends.push(value.rows());
            }
            _ => unreachable!("the plan was made for this column"),
        }
        column.valid.append_non_null();
        Ok(())
    }

    fn record(&mut self, record: &Record, object: &mut Object) -> Parse {
        self.reader.enter()?;
        for (name, target) in &record.fields {
            match target {
                Target::Member(index, step) => {
                    let member = &mut object.members[*index];
                    self.read(step, &mut member.column).map_err(|error| error.in_field(&member.name))?;
                }
                Target::Unknown(id) => {
                    if self.skip(*id)? {
                        object.take_note(name.as_bytes(), self.unknown_fields)?;
                    }
                }
                Target::Ambiguous(index, names) => {
                    let message = format!("the record's fields {names} differ by case only");
                    let error = RowError::boxed(Code::RecordDuplicateField, message);
                    return Err(error.in_field(&object.members[*index].name));
                }
            }
        }
        self.reader.leave();
        for index in &record.missing {
            object.members[*index].fill_missing()?;
        }
        Ok(())
    }

    /// Whether the branch is another one than null.
    fn branch(&mut self, branches: &[Branch], object: &mut Object, rows: usize) -> Parse<bool> {
        match &branches[self.reader.choice(branches.len(), "branch")?] {
            Branch::Null => return Ok(false),
            Branch::Record(record) => {
                self.record(record, object)?;
                return Ok(true);
            }
            Branch::Member(index, step) => {
                let member = &mut object.members[*index];
                self.read(step, &mut member.column).map_err(|error| error.in_field(&member.name))?;
            }
            Branch::Unknown(name, id) => {
                object.take_note(name.as_bytes(), self.unknown_fields)?;
                self.skip(*id)?;
            }
        }
        object.fill_missing(rows)?;
        Ok(true)
    }

    /// The elements of an array, the entries of a map.
    fn blocks(&mut self, mut element: impl FnMut(&mut Self) -> Parse) -> Parse {
        self.reader.enter()?;
        loop {
            let (count, _) = self.reader.block()?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                element(self)?;
            }
        }
        self.reader.leave();
        Ok(())
    }

    #[inline(always)]
    fn leaf(&mut self, leaf: &Leaf, column: &mut Column) -> Parse {
        if leaf.source != Source::Plain {
            return self.put(leaf, column);
        }
        let reader = &mut self.reader;
        match (&leaf.wire, &mut column.values) {
            (Wire::Long, Values::Long(values)) => values.push(reader.long()?),
            (Wire::Int, Values::Integer(values)) => values.push(reader.int()?),
            (Wire::Int, Values::Long(values)) => values.push(reader.int()?.into()),
            (Wire::Double, Values::Double(values)) => values.push(f64::from_le_bytes(reader.array()?)),
            (Wire::Float, Values::Float(values)) => values.push(f32::from_le_bytes(reader.array()?)),
            (Wire::Boolean, Values::Boolean(values)) => values.append(reader.boolean()?),
            (Wire::String, Values::String { ends, bytes }) => {
                bytes.extend_from_slice(reader.text()?.as_bytes());
                ends.push(bytes.len());
            }
            // Avro lets one be read as the other.
            (Wire::Bytes | Wire::String, Values::Binary { ends, bytes }) => {
                bytes.extend_from_slice(reader.bytes()?);
                ends.push(bytes.len());
            }
            _ => return self.put(leaf, column),
        }
        column.valid.append_non_null();
        Ok(())
    }

    fn put(&mut self, leaf: &Leaf, column: &mut Column) -> Parse {
        let reader = &mut self.reader;
        let value = match &leaf.wire {
            Wire::Boolean => Value::Boolean(reader.boolean()?),
            Wire::Int => leaf.source.integer(reader.int()?.into())?,
            Wire::Long => leaf.source.integer(reader.long()?)?,
            Wire::Float => Value::Float(f32::from_le_bytes(reader.array()?).into()),
            Wire::Double => Value::Float(f64::from_le_bytes(reader.array()?)),
            Wire::Bytes | Wire::Fixed(_) => {
                let bytes = match leaf.wire {
                    Wire::Fixed(size) => reader.bytes_of(size)?,
                    _ => reader.bytes()?,
                };
                match leaf.source {
                    Source::Decimal(Some(scale)) => Value::decimal(bytes, scale),
                    Source::Decimal(None) => return Err(no_scale()),
                    _ => match (&column.values, simdutf8::basic::from_utf8(bytes)) {
                        (Values::String { .. }, Ok(text)) => Value::Text(text),
                        _ => Value::Bytes(bytes),
                    },
                }
            }
            Wire::String => match leaf.source {
                Source::ZonedTimestamp => Value::ZonedText(reader.text()?),
                _ => Value::Text(reader.text()?),
            },
            Wire::Enum(id) => {
                let Shape::Enum(symbols) = self.schema.shape(*id) else { unreachable!("an enum") };
                let symbol = &symbols[reader.choice(symbols.len(), "symbol")?];
                reader.budget.spend(symbol.len())?;
                Value::Text(symbol)
            }
            Wire::Uuid => {
                let text = hyphenated(&reader.array()?);
                reader.budget.spend(text.len())?;
                return match str::from_utf8(&text) {
                    Ok(text) => column.put(&Value::Text(text)),
                    Err(_) => unreachable!("hexadecimal digits"),
                };
            }
            Wire::BigDecimal => {
                let mut inner = Reader::new(reader.bytes()?)?;
                let (unscaled, scale) = (inner.bytes()?, inner.int()?);
                inner.end()?;
                Value::decimal(unscaled, scale)
            }
        };
        column.put(&value)
    }

    /// Passes over a value. Whether there is one: it is not null.
    fn skip(&mut self, id: Id) -> Parse<bool> {
        match self.schema.shape(id) {
            Shape::Null => return Ok(false),
            Shape::Boolean => drop(self.reader.boolean()?),
            Shape::Int => drop(self.reader.int()?),
            Shape::Long => drop(self.reader.long()?),
            Shape::Float => drop(self.reader.bytes_of(4)?),
            Shape::Double => drop(self.reader.bytes_of(8)?),
            Shape::Bytes | Shape::String => drop(self.reader.bytes()?),
            Shape::Fixed(size) => drop(self.reader.bytes_of(*size)?),
            Shape::Enum(symbols) => drop(self.reader.choice(symbols.len(), "symbol")?),
            Shape::Array(items) | Shape::Entries { items, .. } => {
                self.skip_blocks(|run| run.skip(*items).map(drop))?;
            }
            Shape::Map(values) => self.skip_blocks(|run| {
                run.reader.bytes()?;
                run.skip(*values).map(drop)
            })?,
            Shape::Union(types) => {
                let branch = self.reader.choice(types.len(), "branch")?;
                return self.skip(types[branch]);
            }
            Shape::Record(fields) => {
                // It may take no bytes, and hold itself.
                self.reader.budget.spend(1)?;
                self.reader.enter()?;
                for field in fields {
                    self.skip(field.node)?;
                }
                self.reader.leave();
            }
        }
        Ok(true)
    }

    fn skip_blocks(&mut self, mut element: impl FnMut(&mut Self) -> Parse) -> Parse {
        self.reader.enter()?;
        loop {
            match self.reader.block()? {
                (0, _) => break,
                (_, Some(bytes)) => drop(self.reader.bytes_of(bytes)?),
                (count, None) => {
                    for _ in 0..count {
                        // It may take no bytes.
                        self.reader.budget.spend(1)?;
                        element(self)?;
                    }
                }
            }
        }
        self.reader.leave();
        Ok(())
    }
}
