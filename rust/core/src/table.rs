//! A Delta table as its newest known version describes it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Code, Error, Result};
use crate::schema::Schema;

/// The property by which a table forgets each `txn` that was not set again for so long.
pub const TXN_RETENTION: &str = "delta.setTransactionRetentionDuration";

/// The property that says for how long VACUUM leaves files that were removed.
pub const DELETED_FILE_RETENTION: &str = "delta.deletedFileRetentionDuration";

#[derive(Debug, Clone, PartialEq)]
pub struct TableInfo {
    pub schema: Schema,
    /// Logical column names, in their order.
    pub partition_by: Vec<String>,
    /// `configuration` of the metaData action, such as `delta.enableTypeWidening`.
    pub properties: BTreeMap<String, String>,
}

impl TableInfo {
    pub fn unpartitioned(schema: Schema) -> Self {
        TableInfo { schema, partition_by: Vec::new(), properties: BTreeMap::new() }
    }

    /// How long the table keeps a `txn` that is not set again; none: for ever.
    pub fn txn_retention(&self) -> Result<Option<Duration>> {
        let Some(text) = self.properties.get(TXN_RETENTION) else { return Ok(None) };
        let refused = || {
            let message =
                format!("its property {TXN_RETENTION} is {text:?}, which is no interval of fixed length");
            Error::new(Code::TableUnsupported, message)
        };
        interval(text).map(Some).ok_or_else(refused)
    }

    pub fn is_on(&self, property: &str) -> bool {
        self.properties.get(property).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// An interval as Spark writes it, such as `interval 12 hours`. None: it has no fixed length, or is none.
pub fn interval(text: &str) -> Option<Duration> {
    let text = text.trim().to_lowercase();
    let mut words = text.strip_prefix("interval").unwrap_or(&text).split_whitespace().peekable();
    words.peek()?;
    let mut sum = Duration::ZERO;
    while let Some(number) = words.next() {
        let number: u64 = number.parse().ok()?;
        let unit = words.next()?;
        let micros = match unit.strip_suffix('s').unwrap_or(unit) {
            "microsecond" => 1,
            "millisecond" => 1_000,
            "second" => 1_000_000,
            "minute" => 60_000_000,
            "hour" => 3_600_000_000,
            "day" => 86_400_000_000,
            "week" => 604_800_000_000,
            _ => return None,
        };
        sum = sum.checked_add(Duration::from_micros(number.checked_mul(micros)?))?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_as_spark_writes_them() {
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        for (text, expected) in [
            ("interval 12 hours", hours(12)),
            ("INTERVAL 1 week", hours(168)),
            ("2 days 1 hour", hours(49)),
            ("interval 3 milliseconds", Some(Duration::from_millis(3))),
            ("interval", None),
            ("", None),
            ("interval 1 month", None),
            ("interval -1 days", None),
            ("interval 1", None),
            ("interval 99999999999999999999 days", None),
            ("interval 9999999999999999999 days", None),
        ] {
            assert_eq!(interval(text), expected, "{text}");
        }
    }
}
