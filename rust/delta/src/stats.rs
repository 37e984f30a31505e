//! The statistics of a data file for its `add` action, from the Parquet footer and from what only the rows tell.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    StringArray, StructArray, new_null_array,
};
use arrow_buffer::NullBuffer;
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType as ArrowType, Field as ArrowField, Fields, Schema as ArrowSchema};
use buoyant_kernel as delta_kernel;
use delta_kernel::expressions::ColumnName;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnPath;
use sluice_core::schema::{DataType, Field};
use sluice_core::table::TableInfo;
use sluice_core::{Code, Error, Result};

/// In characters, as in Spark.
const LONGEST_TEXT: usize = 32;
/// What the footer keeps of a text: at least [`LONGEST_TEXT`] characters.
pub const FOOTER_TEXT_BYTES: usize = LONGEST_TEXT * 4;

const DEFAULT_COLUMNS: usize = 32;

/// The columns of a table's files that get statistics.
pub struct StatsColumns {
    columns: Vec<StatsColumn>,
    /// Whether readers have to be told that bounds are not widened by deletion vectors.
    tight_bounds: bool,
}

struct StatsColumn {
    /// Physical names from the top.
    names: Vec<String>,
    /// Where it is in a batch: the column, the column in that, and so on.
    place: Vec<usize>,
    /// Its column in the file; the first of those for a list or a map.
    leaf: usize,
    data_type: ArrowType,
}

/// What the footer of a file does not tell, for each of the columns.
#[derive(Default, Clone)]
pub struct Observed {
    /// Of a list or map as a whole, where the footer counts the elements; and of floating-point numbers, which have no
    /// statistics in the footer, see [`without_footer`].
    nulls: usize,
    /// Delta orders NaN above all other numbers.
    nan: bool,
    /// The other numbers.
    floats: Option<(f64, f64)>,
}

impl StatsColumns {
    /// `columns` are the places of the schema's fields among the table's.
    pub fn new(table: &TableInfo, schema: &ArrowSchema, columns: &[usize], partitions: &[usize]) -> Self {
        let mut search = Search { chosen: Chosen::by(table), path: vec![], found: vec![], leaf: 0 };
        for (place, (field, &column)) in schema.fields().iter().zip(columns).enumerate() {
            let logical = &table.schema.fields[column];
            if partitions.contains(&column) {
                search.leaf += leaves(field.data_type());
            } else {
                search.visit(place, logical, field);
            }
        }
        StatsColumns { columns: search.found, tight_bounds: table.is_on("delta.enableDeletionVectors") }
    }

    /// By physical names from the top.
    pub fn contains(&self, column: &[String]) -> bool {
        self.columns.iter().any(|known| known.names == column)
    }

    pub fn nothing_observed(&self) -> Vec<Observed> {
        vec![Observed::default(); self.columns.len()]
    }

    pub fn observe(&self, rows: &RecordBatch, observed: &mut [Observed]) {
        for (column, observed) in self.columns.iter().zip(observed) {
            match column.data_type {
                ArrowType::Float32 => column.observe_floats::<Float32Type>(rows, observed, f64::from),
                ArrowType::Float64 => column.observe_floats::<Float64Type>(rows, observed, |value| value),
                ArrowType::List(_) | ArrowType::Map(..) => {
                    let (array, above) = column.find(rows);
                    let nulls = NullBuffer::union(above.as_ref(), array.nulls());
                    observed.nulls += nulls.map_or(0, |nulls| nulls.null_count());
                }
                _ => {}
            }
        }
    }

    /// One row of the Delta kernel's `stats`. A bound that is not known is null.
    pub fn of_file(&self, file: &ParquetMetaData, observed: &[Observed]) -> Result<StructArray> {
        let longs = |value: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![value])) };
        let mut stats = vec![("numRecords", longs(file.file_metadata().num_rows()))];
        let (mut nulls, mut smallest, mut largest) = (vec![], vec![], vec![]);
        for (column, observed) in self.columns.iter().zip(observed) {
            let names = column.names.as_slice();
            let null_count = column.null_count(file, observed);
            nulls.push((names, null_count.map_or_else(|| new_null_array(&ArrowType::Int64, 1), longs)));
            if is_ordered(&column.data_type) {
                let (min, max) = column.bounds(file, observed).map_err(broken)?;
                smallest.push((names, min));
                largest.push((names, max));
            }
        }
        let groups = [("nullCount", nulls), ("minValues", smallest), ("maxValues", largest)];
        for (name, columns) in groups.iter().filter(|(_, columns)| !columns.is_empty()) {
            stats.push((*name, Arc::new(nested(columns, 0))));
        }
        if self.tight_bounds {
            stats.push(("tightBounds", Arc::new(BooleanArray::from(vec![true]))));
        }
        Ok(row(stats))
    }
}

/// Which columns a table's properties choose.
enum Chosen {
    /// The first so many.
    First(usize),
    /// These and all in them, in lower case.
    Named(Vec<Vec<String>>),
}

impl Chosen {
    fn by(table: &TableInfo) -> Chosen {
        let named = table.properties.get("delta.dataSkippingStatsColumns");
        // Delta passes over a list that it cannot read.
        if let Some(columns) = named.and_then(|text| ColumnName::parse_column_name_list(text).ok()) {
            let lower = |column: &ColumnName| column.path().iter().map(|name| name.to_lowercase()).collect();
            return Chosen::Named(columns.iter().map(lower).collect());
        }
        let number = table.properties.get("delta.dataSkippingNumIndexedCols");
        match number.and_then(|text| text.trim().parse::<i64>().ok()) {
            Some(-1) => Chosen::First(usize::MAX),
            Some(number) => Chosen::First(usize::try_from(number).unwrap_or(DEFAULT_COLUMNS)),
            None => Chosen::First(DEFAULT_COLUMNS),
        }
    }
}

/// A walk through a schema, columns in structs one by one.
struct Search {
    chosen: Chosen,
    path: Vec<(usize, String, String)>,
    found: Vec<StatsColumn>,
    leaf: usize,
}

impl Search {
    fn visit(&mut self, place: usize, logical: &Field, physical: &ArrowField) {
        self.path.push((place, logical.name.to_lowercase(), physical.name().clone()));
        if let (DataType::Struct(logical), ArrowType::Struct(physical)) =
            (&logical.data_type, physical.data_type())
        {
            for (place, (logical, physical)) in logical.iter().zip(physical).enumerate() {
                self.visit(place, logical, physical);
            }
        } else {
            if self.is_chosen() {
                self.found.push(StatsColumn {
                    names: self.path.iter().map(|(_, _, physical)| physical.clone()).collect(),
                    place: self.path.iter().map(|(place, _, _)| *place).collect(),
                    leaf: self.leaf,
                    data_type: physical.data_type().clone(),
                });
            }
            self.leaf += leaves(physical.data_type());
        }
        self.path.pop();
    }

    fn is_chosen(&self) -> bool {
        match &self.chosen {
            Chosen::First(number) => self.found.len() < *number,
            Chosen::Named(columns) => columns.iter().any(|column| {
                column.len() <= self.path.len()
                    && column.iter().zip(&self.path).all(|(name, (_, logical, _))| name == logical)
            }),
        }
    }
}

/// The columns of a file that get no statistics in its footer: those of floating-point numbers. Parquet's bounds pass over
/// NaN, and Spark and delta-rs go by them where they look for NaN.
pub fn without_footer(fields: &Fields) -> Vec<ColumnPath> {
    let mut found = Vec::new();
    for field in fields {
        match field.data_type() {
            ArrowType::Float32 | ArrowType::Float64 => found.push(vec![field.name().clone()]),
            ArrowType::Struct(inner) => found.extend(without_footer(inner).into_iter().map(|path| {
                let outer = std::iter::once(field.name().clone());
                outer.chain(path.parts().iter().cloned()).collect()
            })),
            _ => {}
        }
    }
    found.into_iter().map(ColumnPath::new).collect()
}

/// How many columns a type has in a file.
fn leaves(data_type: &ArrowType) -> usize {
    match data_type {
        ArrowType::Struct(fields) => fields.iter().map(|field| leaves(field.data_type())).sum(),
        ArrowType::List(field) | ArrowType::Map(field, _) => leaves(field.data_type()),
        _ => 1,
    }
}

/// Whether Delta skips files by bounds of the type.
fn is_ordered(data_type: &ArrowType) -> bool {
    use ArrowType::{Binary, Boolean, List, Map};
    !matches!(data_type, Boolean | Binary | List(_) | Map(..))
}

impl StatsColumn {
    /// The array in a batch, and where the structs around it are null.
    fn find<'a>(&self, rows: &'a RecordBatch) -> (&'a ArrayRef, Option<NullBuffer>) {
        let mut array = rows.column(self.place[0]);
        let mut nulls = None;
        for &place in &self.place[1..] {
            nulls = NullBuffer::union(nulls.as_ref(), array.nulls());
            array = array.as_struct().column(place);
        }
        (array, nulls)
    }

    fn observe_floats<T: ArrowPrimitiveType>(
        &self,
        rows: &RecordBatch,
        observed: &mut Observed,
        wide: fn(T::Native) -> f64,
    ) {
        let (array, above) = self.find(rows);
        let nulls = NullBuffer::union(above.as_ref(), array.nulls());
        observed.nulls += nulls.as_ref().map_or(0, NullBuffer::null_count);
        for (row, value) in array.as_primitive::<T>().values().iter().enumerate() {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            match wide(*value) {
                value if value.is_nan() => observed.nan = true,
                value => {
                    let (least, most) = observed.floats.get_or_insert((value, value));
                    (*least, *most) = (least.min(value), most.max(value));
                }
            }
        }
    }

    fn footers<'a>(&self, file: &'a ParquetMetaData) -> impl Iterator<Item = Footer<'a>> {
        file.row_groups().iter().map(|group| {
            let column = group.column(self.leaf);
            Footer { values: column.num_values(), statistics: column.statistics() }
        })
    }

    fn null_count(&self, file: &ParquetMetaData, observed: &Observed) -> Option<i64> {
        match self.data_type {
            ArrowType::List(_) | ArrowType::Map(..) | ArrowType::Float32 | ArrowType::Float64 => {
                Some(observed.nulls as i64)
            }
            _ => self.footers(file).map(|footer| footer.nulls()).sum(),
        }
    }

    fn bounds(
        &self,
        file: &ParquetMetaData,
        observed: &Observed,
    ) -> std::result::Result<(ArrayRef, ArrayRef), ArrowError> {
        let unknown = || (new_null_array(&self.data_type, 1), new_null_array(&self.data_type, 1));
        if observed.nan {
            // JSON has no NaN, and the kernel writes null for it. Here it is not null, as the kernel refuses files
            // without bounds of a clustering column.
            return Ok((self.array(Bound::Float(f64::NAN))?, self.array(Bound::Float(f64::NAN))?));
        }
        let mut bounds = observed.floats.map(|(min, max)| (Bound::Float(min), Bound::Float(max)));
        let floats = matches!(self.data_type, ArrowType::Float32 | ArrowType::Float64);
        let of_footer = |footer: &Footer| !floats && footer.nulls() != Some(footer.values);
        for footer in self.footers(file).filter(of_footer) {
            let Some((min, max)) = footer.statistics.and_then(bounds_of) else { return Ok(unknown()) };
            bounds = Some(match bounds {
                None => (min, max),
                Some((least, most)) => {
                    (if min < least { min } else { least }, if max > most { max } else { most })
                }
            });
        }
        let Some((min, max)) = bounds else { return Ok(unknown()) };
        if !self.is_writable(&min) || !self.is_writable(&max) {
            return Ok(unknown());
        }
        Ok((self.array(min.lower())?, self.array(max.upper())?))
    }

    /// Years before 1 and after 9999 have no form that all readers know.
    fn is_writable(&self, bound: &Bound) -> bool {
        const DAYS: std::ops::RangeInclusive<i128> = -719_162..=2_932_896;
        const MICROS_OF_DAY: i128 = 86_400_000_000;
        match (&self.data_type, bound) {
            (ArrowType::Date32, Bound::Int(days)) => DAYS.contains(days),
            (ArrowType::Timestamp(..), Bound::Int(micros)) => {
                DAYS.contains(&micros.div_euclid(MICROS_OF_DAY))
            }
            _ => true,
        }
    }

    fn array(&self, bound: Bound) -> std::result::Result<ArrayRef, ArrowError> {
        match (bound, &self.data_type) {
            (Bound::Int(value), ArrowType::Decimal128(precision, scale)) => {
                let array =
                    Decimal128Array::from(vec![value]).with_precision_and_scale(*precision, *scale)?;
                Ok(Arc::new(array))
            }
            (Bound::Int(value), ArrowType::Date32) => Ok(Arc::new(Date32Array::from(vec![value as i32]))),
            (Bound::Int(value), other) => cast(&Int64Array::from(vec![value as i64]), other),
            (Bound::Float(value), other) => cast(&Float64Array::from(vec![value]), other),
            (Bound::Text(value), _) => Ok(Arc::new(StringArray::from(vec![value]))),
        }
    }
}

/// A column in one row group.
struct Footer<'a> {
    values: i64,
    statistics: Option<&'a Statistics>,
}

impl Footer<'_> {
    fn nulls(&self) -> Option<i64> {
        self.statistics.and_then(Statistics::null_count_opt).map(|nulls| nulls as i64)
    }
}

#[derive(PartialEq, PartialOrd)]
enum Bound {
    Int(i128),
    Float(f64),
    Text(String),
}

impl Bound {
    /// No larger, in the form for the log.
    fn lower(self) -> Bound {
        match self {
            Bound::Float(0.0) => Bound::Float(-0.0),
            Bound::Text(text) => Bound::Text(text.chars().take(LONGEST_TEXT).collect()),
            other => other,
        }
    }

    /// No smaller, in the form for the log. Timestamps stay: the kernel cuts them to milliseconds, as the protocol has it
    /// and its readers reckon with.
    fn upper(self) -> Bound {
        match self {
            Bound::Float(0.0) => Bound::Float(0.0),
            Bound::Text(text) => Bound::Text(upper_text(&text)),
            other => other,
        }
    }
}

/// Cut before the first character from [`LONGEST_TEXT`] on that has a larger one, with that as tie-breaker: DEL or
/// U+10FFFF, as in Spark.
fn upper_text(text: &str) -> String {
    let mut rest = text.char_indices().skip(LONGEST_TEXT);
    match rest.find(|(_, character)| *character < char::MAX) {
        Some((end, character)) => {
            let tie_breaker = if character < '\x7f' { '\x7f' } else { char::MAX };
            format!("{}{tie_breaker}", &text[..end])
        }
        None => text.to_owned(),
    }
}

fn bounds_of(statistics: &Statistics) -> Option<(Bound, Bound)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok().map(Bound::Text);
    Some(match statistics {
        Statistics::Int32(of) => (Bound::Int((*of.min_opt()?).into()), Bound::Int((*of.max_opt()?).into())),
        Statistics::Int64(of) => (Bound::Int((*of.min_opt()?).into()), Bound::Int((*of.max_opt()?).into())),
        Statistics::ByteArray(of) => (text(of.min_bytes_opt()?)?, text(of.max_bytes_opt()?)?),
        Statistics::FixedLenByteArray(of) => (decimal(of.min_bytes_opt()?)?, decimal(of.max_bytes_opt()?)?),
        Statistics::Boolean(_) | Statistics::Int96(_) | Statistics::Float(_) | Statistics::Double(_) => {
            return None;
        }
    })
}

/// Of a big-endian number in two's complement.
fn decimal(bytes: &[u8]) -> Option<Bound> {
    let sign = if *bytes.first()? >= 0x80 { 0xff } else { 0 };
    let mut number = [sign; 16];
    number[16usize.checked_sub(bytes.len())?..].copy_from_slice(bytes);
    Some(Bound::Int(i128::from_be_bytes(number)))
}

/// Columns as the structs that they are in.
fn nested(columns: &[(&[String], ArrayRef)], depth: usize) -> StructArray {
    let of_column = columns.chunk_by(|(one, _), (other, _)| one[depth] == other[depth]);
    row(of_column
        .map(|of_column| {
            let (names, array) = &of_column[0];
            let is_leaf = names.len() == depth + 1;
            let array = if is_leaf { array.clone() } else { Arc::new(nested(of_column, depth + 1)) };
            (names[depth].as_str(), array)
        })
        .collect())
}

fn row(columns: Vec<(&str, ArrayRef)>) -> StructArray {
    let field = |(name, array): &(&str, ArrayRef)| ArrowField::new(*name, array.data_type().clone(), true);
    let fields = columns.iter().map(field).collect::<Fields>();
    StructArray::new(fields, columns.into_iter().map(|(_, array)| array).collect(), None)
}

fn broken(error: ArrowError) -> Error {
    Error::new(Code::NativePanic, format!("statistics: {error}"))
}

#[cfg(test)]
mod tests {
    use sluice_core::schema::Schema;

    use super::*;

    fn chosen(properties: &[(&str, &str)]) -> Vec<String> {
        let schema = r#"{"type":"struct","fields":[
            {"name":"p","type":"long","nullable":true},
            {"name":"A","type":{"type":"struct","fields":[
                {"name":"b.c","type":"long","nullable":true},
                {"name":"l","type":{"type":"array","elementType":"long","containsNull":true},"nullable":true}]},"nullable":true},
            {"name":"d","type":"string","nullable":true},
            {"name":"e","type":"binary","nullable":true}]}"#;
        let mut table = TableInfo::unpartitioned(Schema::parse(schema).unwrap());
        table.properties = properties.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let arrow = table.schema.arrow().project(&[1, 2, 3]).unwrap();
        let stats = StatsColumns::new(&table, &arrow, &[1, 2, 3], &[0]);
        stats.columns.iter().map(|column| format!("{}@{}", column.names.join("/"), column.leaf)).collect()
    }

    #[test]
    fn the_tables_properties_choose_the_columns() {
        let all = ["A/b.c@0", "A/l@1", "d@2", "e@3"];
        assert_eq!(chosen(&[]), all);
        assert_eq!(chosen(&[("delta.dataSkippingNumIndexedCols", "-1")]), all);
        assert_eq!(chosen(&[("delta.dataSkippingNumIndexedCols", "3")]), all[..3]);
        assert_eq!(chosen(&[("delta.dataSkippingNumIndexedCols", "0")]), [""; 0]);
        let named = |columns| {
            chosen(&[("delta.dataSkippingStatsColumns", columns), ("delta.dataSkippingNumIndexedCols", "0")])
        };
        assert_eq!(named("e, a.`b.c`"), ["A/b.c@0", "e@3"]);
        assert_eq!(named("a"), all[..2]);
        assert_eq!(named("a.b.c"), [""; 0]);
    }

    #[test]
    fn long_texts_are_cut_to_a_bound() {
        let x = "x".repeat(32);
        assert_eq!(upper_text(&x), x);
        assert_eq!(upper_text(&format!("{x}a")), format!("{x}\x7f"));
        assert_eq!(upper_text(&format!("{x}\x7f")), format!("{x}\u{10ffff}"));
        assert_eq!(upper_text(&format!("{x}ü")), format!("{x}\u{10ffff}"));
        assert_eq!(upper_text(&format!("{x}\u{10ffff}a")), format!("{x}\u{10ffff}\x7f"));
        assert_eq!(upper_text(&format!("{x}\u{10ffff}")), format!("{x}\u{10ffff}"));
    }
}
