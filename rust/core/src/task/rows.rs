//! How the rows of one table are made: a segment's values and keys into the table's columns.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_select::take::take_record_batch;

use super::decoded::{Collected, Decoded, Plain, one_by_one};
use super::keys::{self, KeyDecoder, key_type};
use crate::computed::{self, Keys};
use crate::connect::{ConnectSchema, Payload};
use crate::crossing::Segment;
use crate::decode::any::AnyDecoder;
use crate::decode::connect;
use crate::decode::json::JsonOptions;
use crate::decode::single::Single;
use crate::decode::written::{Written, WrittenDecoder};
use crate::decode::{RowError, UnknownFieldCounts};
use crate::error::{Code, Error, Result};
use crate::offsets::TopicPartition;
use crate::raw::{Found, FoundRow, RawSettings, Schemas, Writers};
use crate::schema::{Evolution, Field, Inference, Schema, from_connect, merge};
use crate::settings::{RawFormat, TableSettings};
use crate::table::TableInfo;

/// Schemas whose plans are kept; beyond that they are made anew.
const MAX_PLANS: usize = 256;

pub struct Rows {
    table: Arc<TableInfo>,
    settings: Arc<TableSettings>,
    raw: Arc<RawSettings>,
    writers: Writers,
    plan: computed::Plan,
    /// Of raw values without a schema.
    plain: Option<Plain>,
    written: Option<WrittenDecoder>,
    any: Option<AnyDecoder>,
    typed: Vec<(Arc<ConnectSchema>, connect::Plan)>,
    keys: KeyDecoder,
    /// Schemas of values and keys that the table has grown to.
    grown: Vec<(Arc<ConnectSchema>, Option<Arc<ConnectSchema>>)>,
    /// The same, of raw values that have one.
    grown_to: Vec<Written>,
}

#[derive(Default)]
pub struct Made {
    pub batches: Vec<RecordBatch>,
    /// By row of the segment.
    pub bad: Vec<(usize, RowError)>,
    pub unknown: UnknownFieldCounts,
}

pub enum Outcome {
    Made(Made),
    /// The table has to have these columns first.
    Wants(Schema),
}

impl Rows {
    pub fn new(
        table: Arc<TableInfo>,
        settings: &Arc<TableSettings>,
        raw: &Arc<RawSettings>,
        schemas: &Option<Arc<dyn Schemas>>,
    ) -> Result<Self> {
        let plan = settings.computed.plan(&table.schema)?;
        Ok(Rows {
            keys: KeyDecoder::new(&plan),
            table,
            settings: settings.clone(),
            raw: raw.clone(),
            writers: Writers::new(raw, schemas),
            plan,
            plain: None,
            written: None,
            any: None,
            typed: Vec::new(),
            grown: Vec::new(),
            grown_to: Vec::new(),
        })
    }

    pub fn table(&self) -> &Arc<TableInfo> {
        &self.table
    }

    pub fn make<'p>(
        &mut self,
        segment: &Segment,
        rows: &[usize],
        place: &dyn Fn(i32) -> &'p TopicPartition,
    ) -> Result<Outcome> {
        if let Some(wanted) = self.wanted_by_schema(segment)? {
            return Ok(Outcome::Wants(wanted));
        }
        let decoded = match &segment.value {
            Payload::Absent => Decoded::default(),
            Payload::Raw(values) if self.raw.format.has_schemas() => {
                let found = self.writers.of(segment, values, rows)?;
                if let Some(wanted) = self.wanted_by_writers(segment, &found.schemas)? {
                    return Ok(Outcome::Wants(wanted));
                }
                self.decode_written(found)?
            }
            Payload::Raw(values) => {
                let plain = match &mut self.plain {
                    Some(plain) => plain,
                    None => {
                        let unknown_fields = self.settings.unknown_fields;
                        self.plain.insert(Plain::new(self.plan.decode_schema(), &self.raw, unknown_fields)?)
                    }
                };
                plain.decode(rows, values, &mut self.writers.decompressor)
            }
            Payload::Any(values) => {
                let unknown = self.settings.unknown_fields;
                let any = match &mut self.any {
                    Some(any) => any,
                    None => self.any.insert(AnyDecoder::new(self.plan.decode_schema(), unknown)?),
                };
                one_by_one(rows, |row| values.value(row), any)
            }
            Payload::Typed { schema, array } => self.decode_typed(schema, array, rows)?,
        };
        if let Some(wanted) = self.wanted_by_values(segment, rows, &decoded)? {
            return Ok(Outcome::Wants(wanted));
        }
        let mut made = Made { batches: Vec::new(), bad: decoded.bad, unknown: decoded.unknown };
        for (batch, kept) in decoded.batches {
            let (keys, bad) = self.keys.decode(&segment.key, &kept)?;
            if bad.is_empty() {
                self.assemble(batch, keys, segment, &kept, place, &mut made);
                continue;
            }
            let is_good = |at: &u32| bad.binary_search_by_key(&kept[*at as usize], |(row, _)| *row).is_err();
            let good: Vec<u32> = (0..kept.len() as u32).filter(is_good).collect();
            let rows: Vec<_> = good.iter().map(|at| kept[*at as usize]).collect();
            let keys = keys::pick(keys, &good);
            made.bad.extend(bad);
            self.assemble(pick(&batch, good), keys, segment, &rows, place, &mut made);
        }
        Ok(Outcome::Made(made))
    }

    fn assemble<'p>(
        &self,
        batch: RecordBatch,
        keys: Keys,
        segment: &Segment,
        kept: &[usize],
        place: &dyn Fn(i32) -> &'p TopicPartition,
        made: &mut Made,
    ) {
        let partition = |id| place(id);
        let rows = computed::Rows { segment, indices: kept, partition: &partition };
        let (batch, bad) = self.plan.assemble(batch, keys, &rows);
        made.bad.extend(bad.into_iter().map(|(at, error)| (kept[at], error)));
        if batch.num_rows() > 0 {
            made.batches.push(batch);
        }
    }

    fn decode_typed(
        &mut self,
        schema: &Arc<ConnectSchema>,
        array: &arrow_array::ArrayRef,
        rows: &[usize],
    ) -> Result<Decoded> {
        let Some(array) = array.as_struct_opt() else {
            return Err(Error::new(Code::CrossingInvalid, "a typed value that is not a struct"));
        };
        let fields = &self.plan.decode_schema().fields;
        let unknown = self.settings.unknown_fields;
        let new = || connect::Plan::new(schema, fields, unknown);
        let plan = plan_for(&mut self.typed, schema, new)?;
        let converted = plan.convert(array);
        let mut bad = converted.bad;
        bad.retain(|(row, _)| rows.binary_search(row).is_ok());
        let kept: Vec<_> =
            rows.iter().copied().filter(|row| bad.binary_search_by_key(row, |(b, _)| *b).is_err()).collect();
        let arrow = self.plan.decode_schema().arrow();
        // Of rows that are not taken, a column that is not nullable may have a null.
        let nullable = arrow.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let loose = Arc::new(arrow_schema::Schema::new(nullable.collect::<Vec<_>>()));
        let broken = |e: arrow_schema::ArrowError| Error::new(Code::NativePanic, format!("typed rows: {e}"));
        let all = RecordBatch::try_new(loose, converted.columns).map_err(broken)?;
        let picked = if kept.len() == array.len() {
            all
        } else {
            pick(&all, kept.iter().map(|row| *row as u32).collect())
        };
        let batch = RecordBatch::try_new(arrow, picked.columns().to_vec()).map_err(broken)?;
        let batches = if kept.is_empty() { vec![] } else { vec![(batch, kept)] };
        Ok(Decoded { batches, bad, unknown: converted.unknown })
    }

    fn decode_written(&mut self, found: Found<'_>) -> Result<Decoded> {
        let unknown = self.settings.unknown_fields;
        let decoder = match &mut self.written {
            Some(decoder) => decoder,
            None => {
                let options = JsonOptions { unknown_fields: unknown, strings: self.raw.json_strings };
                let schema = self.plan.decode_schema();
                self.written.insert(match self.raw.format {
                    RawFormat::JsonSchema => WrittenDecoder::of_text(schema, options)?,
                    _ => WrittenDecoder::new(schema, options)?,
                })
            }
        };
        let mut collected = Collected::default();
        for (row, value) in found.rows {
            let pushed = value.and_then(|FoundRow { schema, value }| {
                decoder.push(&found.schemas[schema], &value)?;
                Ok(value.len())
            });
            collected.add(row, pushed, decoder);
        }
        Ok(collected.finish(decoder))
    }

    /// What the schemas that raw records were written with ask of the table.
    fn wanted_by_writers(&mut self, segment: &Segment, schemas: &[Written]) -> Result<Option<Schema>> {
        if self.settings.evolution == Evolution::None {
            return Ok(None);
        }
        for schema in schemas {
            if self.grown_to.iter().any(|known| known.is(schema)) {
                continue;
            }
            let value = from_connect(&schema.connect()?)?;
            let wanted = wanted(&self.settings, value, segment, Some(&self.table.schema))?;
            if self.changes_table(&wanted)? {
                return Ok(Some(wanted));
            }
            if self.grown_to.len() == MAX_PLANS {
                self.grown_to.clear();
            }
            self.grown_to.push(schema.clone());
        }
        Ok(None)
    }

    /// What the schema that records carry asks of the table.
    fn wanted_by_schema(&mut self, segment: &Segment) -> Result<Option<Schema>> {
        let Payload::Typed { schema, .. } = &segment.value else { return Ok(None) };
        if self.settings.evolution == Evolution::None {
            return Ok(None);
        }
        let key = match &segment.key {
            Payload::Typed { schema, .. } => Some(schema.clone()),
            _ => None,
        };
        let same = |one: &Option<Arc<ConnectSchema>>| match (one, &key) {
            (Some(one), Some(key)) => Arc::ptr_eq(one, key),
            (one, key) => one.is_none() && key.is_none(),
        };
        if self.grown.iter().any(|(value, key)| Arc::ptr_eq(value, schema) && same(key)) {
            return Ok(None);
        }
        let value = from_connect(schema)?;
        let wanted = wanted(&self.settings, value, segment, Some(&self.table.schema))?;
        if self.changes_table(&wanted)? {
            return Ok(Some(wanted));
        }
        if self.grown.len() == MAX_PLANS {
            self.grown.clear();
        }
        self.grown.push((schema.clone(), key));
        Ok(None)
    }

    /// What values without a schema ask of the table: columns for fields that have none, and wider types.
    fn wanted_by_values(
        &mut self,
        segment: &Segment,
        rows: &[usize],
        decoded: &Decoded,
    ) -> Result<Option<Schema>> {
        let grows = match self.settings.evolution {
            _ if self.raw.format != RawFormat::Json && matches!(segment.value, Payload::Raw(_)) => false,
            Evolution::None => false,
            Evolution::Add => decoded.unknown.total > 0,
            Evolution::Widen => {
                decoded.unknown.total > 0 || decoded.bad.iter().any(|(_, e)| is_misfit(e.code))
            }
        };
        if !grows {
            return Ok(None);
        }
        let Some(inferred) = infer(&mut self.writers, Some(&self.table.schema), segment, rows)? else {
            return Ok(None);
        };
        Ok(self.changes_table(&inferred)?.then_some(inferred))
    }

    fn changes_table(&self, wanted: &Schema) -> Result<bool> {
        let widening = self.table.is_on("delta.enableTypeWidening");
        Ok(merge(&self.table.schema, wanted, self.settings.evolution, widening)?.is_some())
    }
}

/// The columns of a table that is not there yet, by the first rows that go to it.
pub fn wanted_by(
    settings: &TableSettings,
    writers: &mut Writers,
    segment: &Segment,
    rows: &[usize],
) -> Result<Schema> {
    let raw = writers.settings().clone();
    let value = match &segment.value {
        Payload::Typed { schema, .. } => from_connect(schema)?,
        Payload::Raw(values) if raw.format.has_schemas() => {
            let found = writers.of(segment, values, rows)?;
            let schema = found.schemas.first().ok_or_else(|| {
                let message = "none of the first records has a schema that can be used, and there is no table yet: give \
                               delta.schema.json or delta.schema.file, or mend the producer";
                Error::new(Code::SchemaUnclear, message)
            })?;
            from_connect(&schema.connect()?)?
        }
        Payload::Raw(_) if raw.format == RawFormat::Csv => raw.csv.new_columns()?,
        Payload::Raw(_) if raw.format == RawFormat::String => vec![Single::String.field(&raw.value_column)],
        Payload::Raw(_) if raw.format == RawFormat::Bytes => vec![Single::Bytes.field(&raw.value_column)],
        _ => infer(writers, None, segment, rows)?
            .ok_or_else(|| {
                let message =
                    "no field of the first records has a type: give delta.schema.json or delta.schema.file";
                Error::new(Code::SchemaUnclear, message)
            })?
            .fields,
    };
    wanted(settings, value, segment, None)
}

/// The value's fields, those of the key, and what is computed.
fn wanted(
    settings: &TableSettings,
    value: Vec<Field>,
    segment: &Segment,
    table: Option<&Schema>,
) -> Result<Schema> {
    let computed = &settings.computed;
    let key = if computed.needs().key { key_type(&segment.key)? } else { None };
    let mut fields: Vec<_> = value.into_iter().filter(|field| !computed.owns(&field.name)).collect();
    let own = match table {
        None => computed.fields(&fields, key.as_ref())?,
        Some(table) => {
            let owned = |field: &&Field| computed.owns(&field.name);
            let mut own: Vec<_> = table.fields.iter().filter(owned).cloned().collect();
            let known = |own: &[Field], name: &str| {
                own.iter().any(|field| field.name.to_lowercase() == name.to_lowercase())
            };
            for column in computed.key_columns(key.as_ref()) {
                if !known(&own, &column.name) {
                    own.push(column);
                }
            }
            let mut whole = Schema { fields: table.fields.clone() };
            whole.fields.extend(fields.iter().filter(|field| !known(&table.fields, &field.name)).cloned());
            own.extend(computed.missing(&whole)?);
            own
        }
    };
    fields.extend(own);
    Ok(Schema { fields })
}

fn infer(
    writers: &mut Writers,
    table: Option<&Schema>,
    segment: &Segment,
    rows: &[usize],
) -> Result<Option<Schema>> {
    let mut inference = Inference::new(writers.settings().json_strings, table);
    for row in rows {
        match &segment.value {
            Payload::Raw(values) => {
                // What cannot be decompressed says nothing.
                if let Ok(value) = writers.decompressor.decompress(values.value(*row)) {
                    inference.add_json(value);
                }
            }
            Payload::Any(values) => inference.add_any(values.value(*row)),
            Payload::Absent | Payload::Typed { .. } => {}
        }
    }
    inference.finish()
}

fn is_misfit(code: Code) -> bool {
    matches!(code, Code::RecordType | Code::RecordRange)
}

/// The plan for a schema, by identity.
pub fn plan_for<'a, P>(
    plans: &'a mut Vec<(Arc<ConnectSchema>, P)>,
    schema: &Arc<ConnectSchema>,
    new: impl FnOnce() -> Result<P>,
) -> Result<&'a mut P> {
    let at = match plans.iter().position(|(known, _)| Arc::ptr_eq(known, schema)) {
        Some(at) => at,
        None => {
            if plans.len() == MAX_PLANS {
                plans.clear();
            }
            plans.push((schema.clone(), new()?));
            plans.len() - 1
        }
    };
    Ok(&mut plans[at].1)
}

fn pick(batch: &RecordBatch, at: Vec<u32>) -> RecordBatch {
    take_record_batch(batch, &UInt32Array::from(at)).expect("every position is in the batch")
}
