//! From a record's value to a row of Arrow columns.

pub mod any;
pub mod avro;
mod column;
pub mod connect;
pub mod csv;
pub mod json;
pub mod json_schema;
mod object;
pub mod protobuf;
mod rows;
pub mod single;
mod text;
mod value;
pub mod written;

use std::collections::BTreeMap;

use crate::Code;
pub(crate) use text::hyphenated;

/// Levels of objects and arrays, the record's own object being the first.
pub const MAX_DEPTH: usize = 64;
/// Bytes of a record, and bytes that the columns hold before the last one.
pub const MAX_RECORD_BYTES: usize = 1 << 30;
/// Names that [`UnknownFieldCounts`] holds.
pub const MAX_UNKNOWN_NAMES: usize = 64;

const EXCERPT_CHARS: usize = 60;
/// A record's arrays and maps may take this much in the columns, and a multiple of the record's own bytes on top of it.
const FREE_COLUMN_BYTES: usize = 64 << 20;
const COLUMN_BYTES_PER_BYTE: usize = 16;

pub(crate) type Parse<T = ()> = Result<T, Box<RowError>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownFields {
    #[default]
    Ignore,
    Fail,
}

/// Why a record makes no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    pub code: Code,
    /// Such as `a.b[3].c`; empty for the record as a whole.
    pub path: String,
    pub message: String,
}

/// Fields without a column. Fields of refused records count too, up to the place of the error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnknownFieldCounts {
    pub total: u64,
    /// By path without array positions, such as `items[].sku`; at most [`MAX_UNKNOWN_NAMES`].
    pub names: BTreeMap<String, u64>,
}

impl UnknownFieldCounts {
    pub fn add(&mut self, other: UnknownFieldCounts) {
        self.total += other.total;
        for (name, count) in other.names {
            if self.names.len() < MAX_UNKNOWN_NAMES || self.names.contains_key(&name) {
                *self.names.entry(name).or_default() += count;
            }
        }
    }

    fn count(&mut self, path: &str, fields: u64) {
        self.total += fields;
        if self.names.len() < MAX_UNKNOWN_NAMES || self.names.contains_key(path) {
            *self.names.entry(path.to_owned()).or_default() += fields;
        }
    }
}

impl RowError {
    pub(crate) fn boxed(code: Code, message: String) -> Box<Self> {
        Box::new(RowError { code, path: String::new(), message })
    }

    /// Puts a field's name in front of the path.
    pub(crate) fn in_field(mut self: Box<Self>, name: &str) -> Box<Self> {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }

    /// Puts an array position in front of the path.
    pub(crate) fn in_element(self: Box<Self>, index: usize) -> Box<Self> {
        self.in_field(&format!("[{index}]"))
    }
}

impl std::fmt::Display for RowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = if self.path.is_empty() { "" } else { " at " };
        write!(f, "{}{at}{}: {}", self.code.name(), self.path, self.message)
    }
}

impl std::error::Error for RowError {}

/// What a record's arrays and maps may take in the columns: a few of its bytes may ask for a row of very many.
#[derive(Clone)]
struct Budget {
    spent: usize,
    limit: usize,
}

impl Budget {
    fn new(record_bytes: usize) -> Self {
        Budget { spent: 0, limit: FREE_COLUMN_BYTES + COLUMN_BYTES_PER_BYTE * record_bytes }
    }

    #[inline(always)]
    fn spend(&mut self, bytes: usize) -> Parse {
        self.spent += bytes;
        if self.spent > self.limit {
            let message =
                format!("the record's arrays and maps take more than {} bytes in the columns", self.limit);
            return Err(RowError::boxed(Code::RecordRange, message));
        }
        Ok(())
    }
}

/// The start of `text`, in one line.
pub(crate) fn excerpt(text: &[u8]) -> String {
    let start = String::from_utf8_lossy(&text[..text.len().min(4 * EXCERPT_CHARS + 4)]);
    let cut = start.chars().count() > EXCERPT_CHARS;
    let mut short: String =
        start.chars().take(EXCERPT_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if cut {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_bounded_and_whole_characters() {
        assert_eq!(excerpt(b"a\nb"), "a b");
        let long = "ü".repeat(500);
        assert_eq!(excerpt(long.as_bytes()), format!("{}…", "ü".repeat(60)));
    }
}
