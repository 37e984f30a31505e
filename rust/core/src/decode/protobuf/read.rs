//! Messages into columns.
//!
//! Fields come in any order, and any of them more than once. Elements of lists and entries of maps go into their columns as
//! they come, and what belongs to the row is settled at the message's end. Of a number or a string that comes again the
//! last one counts; a message that comes again is merged, which is the same as reading all its occurrences as one
//! (<https://protobuf.dev/programming-guides/encoding/#last-one-wins>).

use std::borrow::Cow;

use super::known::other_wire;
use super::plan::{Absent, Item, Node, Planned, Rule, To};
use super::scalar::Scalar;
use super::wire::{Input, Raw, Tag, Wire, each, malformed, too_deep};
use crate::Code;
use crate::decode::column::{Column, Values};
use crate::decode::object::{Member, Object};
use crate::decode::{Budget, MAX_DEPTH, MAX_RECORD_BYTES, Parse, RowError, UnknownFields};

/// Oneofs whose state a message keeps without an allocation.
const FEW_ONEOFS: usize = 8;
/// In place of the number of the member that a oneof has: what comes later was looked at already.
const SETTLED: u32 = u32::MAX;

/// What reading a part once more takes of the budget, on top of its bytes: parts in parts may ask for it again and again.
const AGAIN_BYTES: usize = 256;

pub(super) struct Context {
    pub budget: Budget,
    /// Bytes of text that may be put into columns and are not in the record. No column may reach 2^31.
    room: usize,
    unknown_fields: UnknownFields,
    depth: usize,
}

impl Context {
    /// For a record of at most [`MAX_RECORD_BYTES`].
    pub fn new(record_bytes: usize, unknown_fields: UnknownFields) -> Self {
        let room = MAX_RECORD_BYTES - record_bytes;
        Context { budget: Budget::new(record_bytes), room, unknown_fields, depth: 0 }
    }

    /// Before text that is not in the record goes into a column.
    pub fn spend_text(&mut self, bytes: usize) -> Parse {
        self.budget.spend(bytes)?;
        match self.room.checked_sub(bytes) {
            Some(room) => self.room = room,
            None => {
                let message = "the names of its enums and the JSON texts that it makes are too long";
                return Err(RowError::boxed(Code::RecordRange, message.into()));
            }
        }
        Ok(())
    }

    pub fn spent(&self) -> usize {
        self.budget.spent
    }

    pub fn enter(&mut self) -> Parse {
        if self.depth == MAX_DEPTH {
            return Err(too_deep());
        }
        self.depth += 1;
        Ok(())
    }

    pub fn leave(&mut self) {
        self.depth -= 1;
    }
}

/// Adds to what was given before.
pub(super) fn join(whole: &mut Cow<'_, [u8]>, more: &[u8], context: &mut Context) -> Parse {
    if let Cow::Borrowed(first) = whole {
        context.budget.spend(first.len())?;
    }
    context.budget.spend(more.len())?;
    whole.to_mut().extend_from_slice(more);
    Ok(())
}

/// The columns of a message while it is read.
struct Row<'r, 'a> {
    node: &'r Node,
    object: &'r mut Object,
    rows: usize,
    message: &'a [u8],
    /// Fields whose occurrences were all read.
    merged: Vec<u32>,
}

impl Node {
    /// Appends one message to columns that have `rows` rows.
    pub fn read(&self, object: &mut Object, rows: usize, message: &[u8], context: &mut Context) -> Parse {
        context.enter()?;
        let mut few = [0; FEW_ONEOFS];
        let mut many = Vec::new();
        let oneofs = match few.get_mut(..self.oneofs) {
            Some(oneofs) => oneofs,
            None => {
                many.resize(self.oneofs, 0);
                &mut many[..]
            }
        };
        let mut row = Row { node: self, object, rows, message, merged: Vec::new() };
        let mut input = Input::new(message);
        loop {
            let start = input.position();
            let Some(tag) = input.tag()? else { break };
            let Some(field) = self.find(tag.number).map(|at| &self.fields[at]) else {
                note_number(row.object, tag.number, context)?;
                input.raw(tag)?;
                continue;
            };
            let raw = input.raw(tag).map_err(|error| error.in_field(&field.path))?;
            if let Some(oneof) = field.oneof {
                match oneofs[oneof] {
                    0 => oneofs[oneof] = tag.number,
                    SETTLED => continue,
                    _ => {
                        oneofs[oneof] = SETTLED;
                        row.settle(oneof, start, context)?;
                        continue;
                    }
                }
            }
            row.put(field, tag, raw, context)?;
        }
        row.finish(context)?;
        context.leave();
        Ok(())
    }
}

impl<'r, 'a> Row<'r, 'a> {
    #[inline(always)]
    fn put(&mut self, field: &Planned, tag: Tag, raw: Raw<'a>, context: &mut Context) -> Parse {
        let rows = self.rows;
        let (column, rule) = match &field.to {
            To::Nowhere => return self.object.take_note(field.name.as_bytes(), context.unknown_fields),
            To::Ambiguous => return Ok(()),
            To::Member(member, rule) => (&mut self.object.members[*member].column, rule),
            To::Oneof(member, inner) => return self.put_member(field, *member, inner, tag, raw, context),
        };
        let dropped = match rule {
            Rule::One(item) if tag.wire != item.wire => Err(other_wire(tag.wire, item.wire)),
            Rule::One(item) if item.drops(column, raw) => Ok(1),
            Rule::One(item) if column.rows() == rows => item.put(column, raw, context).map(|()| 0),
            Rule::One(item) if item.merges() => {
                if self.merged.contains(&tag.number) {
                    return Ok(());
                }
                self.merged.push(tag.number);
                let whole = all_of(self.message, tag.number, context)?;
                column.truncate(rows);
                item.put(column, Raw { number: 0, bytes: &whole }, context).map(|()| 0)
            }
            Rule::One(item) => {
                column.truncate(rows);
                item.put(column, raw, context).map(|()| 0)
            }
            Rule::List(item) => put_elements(item, column, rows, tag, raw, context),
            Rule::Map(key, item) => put_entry(key, item, column, tag, raw, context, || true),
            Rule::Misfit(found) => Err(column.misfit(Code::RecordType, found)),
        };
        for _ in 0..dropped.map_err(|error| error.in_field(&field.path))? {
            note_number(self.object, tag.number, context)?;
        }
        Ok(())
    }

    /// Of a oneof with a struct column, which has no value in this row yet.
    fn put_member(
        &mut self,
        field: &Planned,
        member: usize,
        inner: &Option<(usize, Rule)>,
        tag: Tag,
        raw: Raw<'a>,
        context: &mut Context,
    ) -> Parse {
        let column = &mut self.object.members[member].column;
        let Values::Struct(members) = &mut column.values else { return Ok(()) };
        match inner {
            None => {
                let noted = members.take_note(field.name.as_bytes(), context.unknown_fields);
                noted.map_err(|error| error.in_field(&self.object.members[member].name))?;
            }
            Some((inner, rule)) => {
                let column = &mut members.members[*inner].column;
                let put = match rule {
                    Rule::One(item) if tag.wire != item.wire => Err(other_wire(tag.wire, item.wire)),
                    Rule::One(item) if item.drops(column, raw) => {
                        return note_number(self.object, tag.number, context);
                    }
                    Rule::One(item) => item.put(column, raw, context),
                    _ => Err(malformed("a repeated field in a oneof".into())),
                };
                put.map_err(|error| error.in_field(&field.path))?;
            }
        }
        let Member { name, column, .. } = &mut self.object.members[member];
        if let Values::Struct(members) = &mut column.values {
            members.fill_missing(self.rows).map_err(|error| error.in_field(name))?;
        }
        column.valid.append_non_null();
        Ok(())
    }

    /// Of a oneof with more than one value: the last one counts, with what the same member was given before it without
    /// another in between. What stands before `read_to` was read before.
    fn settle(&mut self, oneof: usize, read_to: usize, context: &mut Context) -> Parse {
        let node: &'r Node = self.node;
        let mut last: Option<(&Planned, Tag, u64, Cow<'a, [u8]>)> = None;
        let mut input = Input::new(self.message);
        loop {
            let start = input.position();
            let Some(tag) = input.tag()? else { break };
            let raw = input.raw(tag)?;
            let field = node.find(tag.number).map(|at| &node.fields[at]);
            let Some(field) = field.filter(|field| field.oneof == Some(oneof)) else { continue };
            let item = item(field);
            match item {
                Some(item) if tag.wire != item.wire => {
                    return Err(other_wire(tag.wire, item.wire).in_field(&field.path));
                }
                Some(item) if self.drops(field, item, raw) => {
                    if start >= read_to {
                        note_number(self.object, tag.number, context)?;
                    }
                    continue;
                }
                _ => {}
            }
            match &mut last {
                Some((_, before, _, whole))
                    if before.number == tag.number && item.is_some_and(Item::merges) =>
                {
                    join(whole, raw.bytes, context)?;
                }
                _ => last = Some((field, tag, raw.number, Cow::Borrowed(raw.bytes))),
            }
        }
        for field in node.fields.iter().filter(|field| field.oneof == Some(oneof)) {
            if let To::Member(member, _) | To::Oneof(member, _) = field.to {
                self.object.members[member].column.truncate(self.rows);
            }
        }
        let Some((field, tag, number, bytes)) = last else { return Ok(()) };
        context.budget.spend(AGAIN_BYTES + bytes.len())?;
        match bytes {
            Cow::Borrowed(bytes) => self.put(field, tag, Raw { number, bytes }, context),
            Cow::Owned(bytes) => {
                let object = &mut *self.object;
                let mut row = Row { node, object, rows: self.rows, message: &[], merged: Vec::new() };
                row.put(field, tag, Raw { number, bytes: &bytes }, context)
            }
        }
    }

    /// Whether the value of a member of a oneof counts as unknown.
    fn drops(&self, field: &Planned, item: &Item, raw: Raw<'_>) -> bool {
        let column = match field.to {
            To::Member(member, _) => &self.object.members[member].column,
            To::Oneof(member, Some((inner, _))) => match &self.object.members[member].column.values {
                Values::Struct(members) => &members.members[inner].column,
                _ => return false,
            },
            _ => return false,
        };
        item.drops(column, raw)
    }

    /// Every column gets its row.
    fn finish(&mut self, context: &mut Context) -> Parse {
        let rows = self.rows;
        for (member, absent) in self.object.members.iter_mut().zip(&self.node.absent) {
            let column = &mut member.column;
            if column.rows() > rows {
                continue;
            }
            let filled = match absent {
                Absent::Null => fill_null(column),
                Absent::Required => Err(malformed("the schema requires the field, and it is missing".into())),
                Absent::Default(at) => match &self.node.fields[*at].to {
                    To::Member(_, Rule::One(item)) => item.put(column, item.default(), context),
                    _ => fill_null(column),
                },
                Absent::List => {
                    if let Values::List { ends, element } = &mut column.values {
                        ends.push(element.rows());
                        column.valid.append_non_null();
                    }
                    Ok(())
                }
                Absent::Map(at) => finish_map(&self.node.fields[*at], column, rows, self.message, context),
                Absent::Ambiguous(names) => Err(RowError::boxed(
                    Code::RecordDuplicateField,
                    format!("the message's fields {names} differ only by case: they are one column"),
                )),
            };
            filled.map_err(|error| error.in_field(&member.name))?;
        }
        Ok(())
    }
}

/// Of a field that is not repeated and has a column.
fn item(field: &Planned) -> Option<&Item> {
    match &field.to {
        To::Member(_, Rule::One(item)) | To::Oneof(_, Some((_, Rule::One(item)))) => Some(item),
        _ => None,
    }
}

fn fill_null(column: &mut Column) -> Parse {
    if !column.nullable() {
        let message = "column is not nullable, record does not have the field";
        return Err(RowError::boxed(Code::RecordNull, message.into()));
    }
    column.append_null();
    Ok(())
}

/// Every occurrence of a message, end to end.
fn all_of(message: &[u8], number: u32, context: &mut Context) -> Parse<Vec<u8>> {
    context.budget.spend(AGAIN_BYTES)?;
    let mut whole = Vec::new();
    each(message, |tag, raw| {
        if tag.number == number {
            context.budget.spend(raw.bytes.len())?;
            whole.extend_from_slice(raw.bytes);
        }
        Ok(())
    })?;
    Ok(whole)
}

/// Appends to a list whose row has not ended. Returns how many values count as unknown.
#[inline(always)]
fn put_elements(
    item: &Item,
    column: &mut Column,
    rows: usize,
    tag: Tag,
    raw: Raw<'_>,
    context: &mut Context,
) -> Parse<usize> {
    let Values::List { ends, element } = &mut column.values else { return Ok(0) };
    let first = ends.start(rows);
    let mut dropped = 0;
    let mut put = |raw: Raw<'_>, context: &mut Context| -> Parse {
        if item.drops(element, raw) {
            dropped += 1;
            return Ok(());
        }
        let index = element.rows() - first;
        context.budget.spend(element.width)?;
        item.put(element, raw, context).map_err(|error| error.in_element(index))
    };
    if tag.wire == item.wire {
        put(raw, context)?;
    } else if tag.wire == Wire::Bytes && item.packs() {
        let mut packed = Input::new(raw.bytes);
        let tag = Tag { number: tag.number, wire: item.wire };
        while !packed.at_end() {
            put(packed.raw(tag)?, context)?;
        }
    } else {
        return Err(other_wire(tag.wire, item.wire));
    }
    Ok(dropped)
}

/// Appends an entry to a map whose row has not ended, if `keep` says so. Returns how many values count as unknown.
fn put_entry(
    key_scalar: &Scalar,
    item: &Item,
    column: &mut Column,
    tag: Tag,
    raw: Raw<'_>,
    context: &mut Context,
    keep: impl FnOnce() -> bool,
) -> Parse<usize> {
    if tag.wire != Wire::Bytes {
        return Err(other_wire(tag.wire, Wire::Bytes));
    }
    let Values::Map { key: keys, value: values, .. } = &mut column.values else { return Ok(0) };
    let (mut key, mut value) = (Raw::default(), None::<(u64, Cow<'_, [u8]>)>);
    each(raw.bytes, |tag, raw| match tag.number {
        1 if tag.wire != key_scalar.wire => Err(other_wire(tag.wire, key_scalar.wire)),
        2 if tag.wire != item.wire => Err(other_wire(tag.wire, item.wire)),
        1 => {
            key = raw;
            Ok(())
        }
        2 => match &mut value {
            Some((_, whole)) if item.merges() => join(whole, raw.bytes, context),
            _ => {
                value = Some((raw.number, Cow::Borrowed(raw.bytes)));
                Ok(())
            }
        },
        _ => Ok(()),
    })?;
    let value = match &value {
        Some((number, bytes)) => Raw { number: *number, bytes },
        None => item.default(),
    };
    if item.drops(values, value) {
        return Ok(1);
    }
    if !keep() {
        return Ok(0);
    }
    context.budget.spend(keys.width + values.width)?;
    let entry = keys.rows();
    key_scalar.put(keys, key).map_err(|error| error.in_field("{key}"))?;
    item.put(values, value, context).map_err(|error| error.in_field(&keys.key_name(entry)))?;
    Ok(0)
}

/// Ends the row of a map. Of a key that was given more than once the last value counts.
fn finish_map(
    field: &Planned,
    column: &mut Column,
    rows: usize,
    message: &[u8],
    context: &mut Context,
) -> Parse {
    let Values::Map { ends, key, value, order } = &mut column.values else { return Ok(()) };
    let first = ends.start(rows);
    let last = last_of_each(key, first, order);
    if let (Some(last), To::Member(_, Rule::Map(scalar, item))) = (last, &field.to) {
        context.budget.spend(AGAIN_BYTES)?;
        key.truncate(first);
        value.truncate(first);
        let mut last = last.into_iter();
        each(message, |tag, raw| {
            if tag.number == field.number {
                context.budget.spend(raw.bytes.len())?;
                put_entry(scalar, item, column, tag, raw, context, || last.next().unwrap_or(true))?;
            }
            Ok(())
        })?;
    }
    if let Values::Map { ends, key, .. } = &mut column.values {
        ends.push(key.rows());
        column.valid.append_non_null();
    }
    Ok(())
}

/// For each entry from `first` on, whether no later one has its key; none: all keys are different.
fn last_of_each(keys: &Column, first: usize, order: &mut Vec<usize>) -> Option<Vec<bool>> {
    if keys.rows() - first < 2 {
        return None;
    }
    order.clear();
    order.extend(first..keys.rows());
    order.sort_unstable_by(|&a, &b| keys.compare(a, b).then(a.cmp(&b)));
    let mut last = vec![true; order.len()];
    let mut twice = false;
    for pair in order.windows(2) {
        if keys.compare(pair[0], pair[1]).is_eq() {
            last[pair[0] - first] = false;
            twice = true;
        }
    }
    twice.then_some(last)
}

#[cold]
fn note_number(object: &mut Object, number: u32, context: &Context) -> Parse {
    object.take_note(format!("#{number}").as_bytes(), context.unknown_fields)
}
