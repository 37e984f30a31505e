//! The table's rows, and what queries on them find.

use std::fmt::Write;

use arrow_array::RecordBatch;
use serde_json::{Value, json};
use sluice_core::decode::json::{JsonDecoder, JsonOptions};
use sluice_core::schema::Schema;

/// Of a version, half of them for each of its files.
pub const ROWS: u64 = 40;
/// A day is over when its part of the versions is; each version has rows of all regions.
pub const PARTITION_BY: [&str; 2] = ["day", "region"];
const REGIONS: [&str; 2] = ["east", "west"];
const DAYS: u64 = 50;
const KINDS: [&str; 8] = ["view", "click", "order", "search", "share", "login", "logout", "refund"];
/// The one that is asked for: its number, and that of its day.
const ASKED: (u64, u64) = (2, 19);
/// Versions whose rows are asked for by their ids.
const VERSIONS_IN_RANGE: u64 = 10;

const SCHEMA: &str = r#"{"type":"struct","fields":[
    {"name":"id","type":"long","nullable":false,"metadata":{}},
    {"name":"day","type":"date","nullable":true,"metadata":{}},
    {"name":"region","type":"string","nullable":true,"metadata":{}},
    {"name":"kind","type":"string","nullable":true,"metadata":{}},
    {"name":"user","type":"string","nullable":true,"metadata":{}},
    {"name":"amount","type":"long","nullable":true,"metadata":{}}]}"#;

pub fn schema() -> Schema {
    Schema::parse(SCHEMA).expect("a valid schema")
}

/// Rows, the sum of their ids and that of their amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    ids: u64,
    amounts: u64,
}

impl Sum {
    fn add(&mut self, id: u64, amount: u64) {
        self.rows += 1;
        self.ids += id;
        self.amounts += amount;
    }

    fn json(self) -> Value {
        json!([self.rows, self.ids, self.amounts])
    }
}

pub struct Rows {
    versions: u64,
    decoder: JsonDecoder,
    line: String,
    all: Sum,
    of_day: Sum,
    in_range: Sum,
}

impl Rows {
    pub fn new(versions: u64) -> Self {
        let decoder =
            JsonDecoder::new(&schema(), JsonOptions::default()).expect("a schema that JSON can fill");
        let (all, of_day, in_range) = Default::default();
        Rows { versions, decoder, line: String::new(), all, of_day, in_range }
    }

    pub fn of_version(&mut self, version: u64) -> RecordBatch {
        let day = day_of(version, self.versions);
        let text = date(day);
        let [from, to] = self.range();
        for id in (version - 1) * ROWS..version * ROWS {
            let mixed = mix(id);
            let (kind, user, amount) =
                (mixed % KINDS.len() as u64, (mixed >> 8) % 5_000, (mixed >> 32) % 10_000);
            let (kind_name, region) = (KINDS[kind as usize], REGIONS[(id % 2) as usize]);
            self.line.clear();
            write!(
                self.line,
                r#"{{"id":{id},"day":"{text}","region":"{region}","kind":"{kind_name}","user":"user-{user:04}","amount":{amount}}}"#
            )
            .expect("a string");
            self.decoder.push(self.line.as_bytes()).expect("a valid row");
            self.all.add(id, amount);
            if (kind, day) == ASKED {
                self.of_day.add(id, amount);
            }
            if (from..to).contains(&id) {
                self.in_range.add(id, amount);
            }
        }
        self.decoder.finish()
    }

    /// Ids in the midst of the table.
    fn range(&self) -> [u64; 2] {
        let first = self.versions / 2;
        [first, (first + VERSIONS_IN_RANGE).min(self.versions)].map(|version| version * ROWS)
    }

    /// The queries and what they find: rows, the sum of ids, the sum of amounts.
    pub fn expected(&self) -> Value {
        let [from, to] = self.range();
        json!({
            "versions": self.versions, "days": DAYS, "day": date(ASKED.1), "kind": KINDS[ASKED.0 as usize], "from": from, "to": to,
            "found": {"all": self.all.json(), "day": self.of_day.json(), "range": self.in_range.json()},
        })
    }
}

fn day_of(version: u64, versions: u64) -> u64 {
    (version - 1) * DAYS / versions
}

/// In January and February 2026.
fn date(day: u64) -> String {
    match day {
        0..31 => format!("2026-01-{:02}", day + 1),
        _ => format!("2026-02-{:02}", day - 30),
    }
}

/// SplitMix64.
fn mix(id: u64) -> u64 {
    let z = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_query_finds_some_rows_and_not_all() {
        let mut rows = Rows::new(200);
        let batches: usize = (1..=200).map(|version| rows.of_version(version).num_rows()).sum();
        assert_eq!((batches as u64, rows.all.rows), (200 * ROWS, 200 * ROWS));
        assert_eq!(rows.all.ids, (0..200 * ROWS).sum::<u64>());
        assert_eq!(rows.in_range.rows, VERSIONS_IN_RANGE * ROWS);
        // Four versions a day, an eighth of their rows.
        assert!((5..40).contains(&rows.of_day.rows), "{:?}", rows.of_day);
    }

    #[test]
    fn days_follow_each_other() {
        let days: Vec<_> = (1..=200).map(|version| day_of(version, 200)).collect();
        assert_eq!((days[0], days[199]), (0, DAYS - 1));
        assert!(days.is_sorted());
        assert_eq!(
            [date(0), date(30), date(31), date(49)],
            ["2026-01-01", "2026-01-31", "2026-02-01", "2026-02-19"]
        );
    }
}
