//! Columns from the buffers of a segment, one after the other. Layout: `docs/crossing.md`.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, ListArray, MapArray, StringArray, StructArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::{DataType as ArrowType, Fields};

use super::{Buffers, MAX_ROWS, invalid};
use crate::connect::{ConnectSchema, Kind};
use crate::error::Result;

pub(super) struct Columns<'a, B> {
    buffers: &'a mut B,
    next: usize,
    end: usize,
}

impl<'a, B: Buffers> Columns<'a, B> {
    /// Over the slots from `start` up to `end`, which are there.
    pub fn new(buffers: &'a mut B, start: usize, end: usize) -> Self {
        Columns { buffers, next: start, end }
    }

    /// All slots of the segment have to be taken by now.
    pub fn end(self) -> Result<()> {
        if self.next == self.end {
            return Ok(());
        }
        Err(invalid(format!("a segment with {} buffers too many", self.end - self.next)))
    }

    fn slot(&mut self) -> Result<usize> {
        if self.next == self.end {
            return Err(invalid("a segment with too few buffers"));
        }
        self.next += 1;
        Ok(self.next - 1)
    }

    pub fn ints(&mut self, len: usize) -> Result<Vec<i32>> {
        let slot = self.slot()?;
        self.buffers.ints(slot, len)
    }

    pub fn longs(&mut self, len: usize) -> Result<Vec<i64>> {
        let slot = self.slot()?;
        self.buffers.longs(slot, len)
    }

    pub fn signed_bytes(&mut self, len: usize) -> Result<Vec<i8>> {
        let slot = self.slot()?;
        self.buffers.signed_bytes(slot, len)
    }

    /// The next slot holds an array; else it is passed over.
    pub fn given(&mut self) -> Result<bool> {
        let slot = self.slot()?;
        let given = !self.buffers.is_null(slot)?;
        self.next -= usize::from(given);
        Ok(given)
    }

    /// As [`Columns::given`]; what is needed has to be.
    pub fn given_or_not(&mut self, needed: bool) -> Result<bool> {
        let given = self.given()?;
        if needed && !given {
            return Err(invalid(format!("buffer {} is null and is needed", self.next - 1)));
        }
        Ok(given)
    }

    /// One bit for each of `len` elements.
    fn bits(&mut self, len: usize) -> Result<BooleanBuffer> {
        Ok(BooleanBuffer::new(Buffer::from_vec(self.longs(len.div_ceil(64))?), 0, len))
    }

    /// None: no null.
    pub fn validity(&mut self, len: usize) -> Result<Option<NullBuffer>> {
        if !self.given()? {
            return Ok(None);
        }
        Ok(Some(NullBuffer::new(self.bits(len)?)).filter(|nulls| nulls.null_count() > 0))
    }

    pub fn offsets(&mut self, len: usize) -> Result<OffsetBuffer<i32>> {
        let offsets = self.ints(len + 1)?;
        if offsets[0] != 0 || !offsets.is_sorted() {
            return Err(invalid("offsets do not start at 0 or are not ascending"));
        }
        Ok(OffsetBuffer::new(offsets.into()))
    }

    /// The bytes behind `offsets`.
    pub fn bytes(&mut self, offsets: &OffsetBuffer<i32>) -> Result<Buffer> {
        let slot = self.slot()?;
        Ok(Buffer::from_vec(self.buffers.bytes(slot, last(offsets))?))
    }

    pub fn binary(&mut self, len: usize) -> Result<BinaryArray> {
        let nulls = self.validity(len)?;
        let offsets = self.offsets(len)?;
        let data = self.bytes(&offsets)?;
        BinaryArray::try_new(offsets, data, nulls).map_err(|error| invalid(error.to_string()))
    }

    /// A column of the type that [`ConnectSchema::arrow`] gives. What is under a null is null or empty, at every level.
    pub fn typed(&mut self, schema: &ConnectSchema, len: usize) -> Result<ArrayRef> {
        self.node(schema, &schema.arrow(), len)
    }

    fn node(&mut self, schema: &ConnectSchema, arrow: &ArrowType, len: usize) -> Result<ArrayRef> {
        let nulls = self.validity(len)?;
        let array: ArrayRef = match (&schema.kind, arrow) {
            (Kind::Int8, _) => Arc::new(Int8Array::new(self.signed_bytes(len)?.into(), nulls)),
            (Kind::Int16, _) => {
                let slot = self.slot()?;
                Arc::new(Int16Array::new(self.buffers.shorts(slot, len)?.into(), nulls))
            }
            (Kind::Int32, _) => Arc::new(Int32Array::new(self.ints(len)?.into(), nulls)),
            (Kind::Int64, _) => Arc::new(Int64Array::new(self.longs(len)?.into(), nulls)),
            (Kind::Float32, _) => {
                let slot = self.slot()?;
                Arc::new(Float32Array::new(self.buffers.floats(slot, len)?.into(), nulls))
            }
            (Kind::Float64, _) => {
                let slot = self.slot()?;
                Arc::new(Float64Array::new(self.buffers.doubles(slot, len)?.into(), nulls))
            }
            (Kind::Boolean, _) => Arc::new(BooleanArray::new(self.bits(len)?, nulls)),
            (Kind::String, _) => {
                let offsets = self.offsets(len)?;
                let data = self.bytes(&offsets)?;
                let text = StringArray::try_new(offsets, data, nulls);
                Arc::new(text.map_err(|error| invalid(error.to_string()))?)
            }
            (Kind::Bytes | Kind::Any, _) => {
                let offsets = self.offsets(len)?;
                let data = self.bytes(&offsets)?;
                Arc::new(BinaryArray::new(offsets, data, nulls))
            }
            (Kind::Array(element), ArrowType::List(field)) => {
                let offsets = self.nested_offsets(len, nulls.as_ref())?;
                let element = self.node(element, field.data_type(), last(&offsets))?;
                Arc::new(ListArray::new(field.clone(), offsets, element, nulls))
            }
            (Kind::Map(key, value), ArrowType::Map(field, sorted)) => {
                let ArrowType::Struct(fields) = field.data_type() else {
                    unreachable!("a map's entries are a struct");
                };
                let offsets = self.nested_offsets(len, nulls.as_ref())?;
                let key = self.node(key, fields[0].data_type(), last(&offsets))?;
                if key.null_count() > 0 {
                    return Err(invalid("a map with a key that is null"));
                }
                let value = self.node(value, fields[1].data_type(), last(&offsets))?;
                let entries = StructArray::new(fields.clone(), vec![key, value], None);
                Arc::new(MapArray::new(field.clone(), offsets, entries, nulls, *sorted))
            }
            (Kind::Struct(members), ArrowType::Struct(fields)) => {
                let members = members.iter().zip(fields);
                let columns = members
                    .map(|((_, schema), field)| self.member(schema, field.data_type(), len, nulls.as_ref()))
                    .collect::<Result<Vec<_>>>()?;
                struct_array(fields.clone(), columns, len, nulls)?
            }
            _ => unreachable!("the Arrow type is made from the schema"),
        };
        Ok(array)
    }

    fn member(
        &mut self,
        schema: &ConnectSchema,
        arrow: &ArrowType,
        len: usize,
        parent: Option<&NullBuffer>,
    ) -> Result<ArrayRef> {
        let column = self.node(schema, arrow, len)?;
        let covered = parent.is_none_or(|parent| column.nulls().is_some_and(|nulls| nulls.contains(parent)));
        if covered { Ok(column) } else { Err(invalid("a struct that is null and has a field that is not")) }
    }

    fn nested_offsets(&mut self, len: usize, nulls: Option<&NullBuffer>) -> Result<OffsetBuffer<i32>> {
        let offsets = self.offsets(len)?;
        let empty = |row: usize| offsets[row] == offsets[row + 1];
        if nulls.is_some_and(|nulls| (0..len).any(|row| nulls.is_null(row) && !empty(row))) {
            return Err(invalid("a list or map that is null and has elements"));
        }
        Ok(offsets)
    }
}

fn struct_array(
    fields: Fields,
    columns: Vec<ArrayRef>,
    len: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    // No buffer bounds how many such elements an offset may claim.
    if fields.is_empty() && len > MAX_ROWS {
        return Err(invalid(format!("{len} structs without fields")));
    }
    let array = StructArray::try_new_with_length(fields, columns, nulls, len);
    Ok(Arc::new(array.map_err(|error| invalid(error.to_string()))?))
}

fn last(offsets: &OffsetBuffer<i32>) -> usize {
    offsets[offsets.len() - 1] as usize
}
