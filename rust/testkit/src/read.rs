//! Reading a table with Delta Kernel for Java, which shares no code with Sluice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::components::Components;
use crate::error::{Context, Error, Result};
use crate::java::{java_home_tool, run};

/// What the rows of a table are compared with.
#[derive(Debug, Clone)]
pub enum Expected {
    /// Nothing: rows and non-null values are counted.
    Anything,
    /// The generated events `first .. first + count`.
    Generated { first: u64, count: u64 },
    /// The lines of a JSON-lines file, as [`crate::Produce::Numbered`] sends them.
    Numbered { file: PathBuf, count: u64 },
}

/// What the reader found. The last group of fields is 0 or empty for [`Expected::Anything`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableRead {
    pub version: u64,
    pub rows: u64,
    pub files: u64,
    pub bytes: u64,
    /// Values that are not null, by top-level column.
    pub non_null: BTreeMap<String, u64>,

    pub distinct: u64,
    pub duplicates: u64,
    pub missing: u64,
    /// Rows whose `demo_id` was never sent.
    pub unknown_ids: u64,
    /// Rows of which a column differs from what was sent under their `demo_id`.
    pub wrong_rows: u64,
    /// Top-level columns whose values, taken together, differ from what was sent.
    pub wrong_columns: Vec<String>,
    /// The lowest and highest `demo_id`.
    pub id_range: Option<(i64, i64)>,
}

impl TableRead {
    /// Whether exactly the `expected` records are in the table, once each and with the right values.
    pub fn is_exactly(&self, expected: u64) -> bool {
        self.rows == expected
            && self.distinct == expected
            && self.duplicates + self.missing + self.unknown_ids + self.wrong_rows == 0
            && self.wrong_columns.is_empty()
    }
}

/// Reads the whole table at `table`, a local path. Logs into `folder`.
pub fn read_table(
    components: &Components,
    folder: &Path,
    table: &Path,
    expected: &Expected,
) -> Result<TableRead> {
    let mut java = reader(components, table);
    let mut count = 0;
    match expected {
        Expected::Anything => {}
        Expected::Generated { first, count: n } => {
            java.args(["generate", &first.to_string(), &n.to_string()]);
            count = *n;
        }
        Expected::Numbered { file, count: n } => {
            java.arg("numbered").arg(file).arg(n.to_string());
            count = *n;
        }
    }
    // A minute to start, and never less than 5,000 records a second.
    let text = run(&java, &log(folder)?, Duration::from_secs(60 + count / 5_000))?;
    parse(&text)
}

/// What the reader found of records that [`crate::Produce::Sequences`] sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SequencesRead {
    pub version: u64,
    pub rows: u64,
    pub files: u64,
    /// Rows of each partition.
    pub partitions: Vec<u64>,
    pub duplicates: u64,
    pub missing: u64,
    /// Rows that were never sent.
    pub unknown: u64,
    /// Rows whose columns `_kafka_partition` and `_kafka_offset` say another place than the record itself.
    pub misplaced: u64,
    /// Rows that come, in their file or by the version of their commit, before an earlier one of their partition.
    pub disordered: u64,
    /// The first that are wrong.
    pub examples: Vec<String>,
}

impl SequencesRead {
    /// Whether exactly the records that were sent of each partition are there, once each, as they were and in order.
    pub fn is_exactly(&self, sent: &[u64]) -> bool {
        let wrong = self.duplicates + self.missing + self.unknown + self.misplaced + self.disordered;
        wrong == 0 && self.partitions == sent && self.rows == sent.iter().sum::<u64>()
    }
}

/// Reads the whole table at `table`, a local path; `sent` is the number of records of each partition. Logs into `folder`.
pub fn read_sequences(
    components: &Components,
    folder: &Path,
    table: &Path,
    sent: &[u64],
) -> Result<SequencesRead> {
    let mut java = reader(components, table);
    java.arg("sequences").arg(sent.iter().map(u64::to_string).collect::<Vec<_>>().join(","));
    let patience = Duration::from_secs(120 + sent.iter().sum::<u64>() / 5_000);
    parse_sequences(&run(&java, &log(folder)?, patience)?)
}

/// The rows as text, null as `None`; for small tables. Order as in the files.
pub fn read_rows(components: &Components, folder: &Path, table: &Path) -> Result<Vec<Vec<Option<String>>>> {
    let mut java = reader(components, table);
    java.arg("rows");
    let text = run(&java, &log(folder)?, Duration::from_secs(120))?;
    let row = |line: &str| -> Result<Vec<Option<String>>> {
        let value: Value = serde_json::from_str(line).context(|| format!("not JSON: {line}"))?;
        Ok(value.as_array().into_iter().flatten().map(|cell| cell.as_str().map(str::to_owned)).collect())
    };
    text.lines().map(row).collect()
}

fn reader(components: &Components, table: &Path) -> Command {
    let mut java = Command::new(java_home_tool("java"));
    java.args(["-Xmx1500m", "-XX:-UsePerfData", "-XX:+DisableAttachMechanism"]);
    java.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error");
    java.arg("-cp").arg(format!("{}/*:{}", components.kernel_libs().display(), components.tools().display()));
    java.arg("ReadTable").arg(table);
    java
}

fn log(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).at(folder)?;
    Ok(folder.join("read.log"))
}

fn parse(text: &str) -> Result<TableRead> {
    let value: Value =
        serde_json::from_str(text.trim()).context(|| format!("the reader printed {text:?}"))?;
    let given = |name: &str| {
        value[name].as_u64().ok_or_else(|| Error::new(format!("the reader gave no `{name}`: {text}")))
    };
    let optional = |name: &str| value[name].as_u64().unwrap_or(0);
    let columns = value["non_null"].as_object().into_iter().flatten();
    let wrong = value["wrong_columns"].as_array().into_iter().flatten();
    Ok(TableRead {
        version: given("version")?,
        rows: given("rows")?,
        files: given("files")?,
        bytes: given("bytes")?,
        non_null: columns.map(|(name, count)| (name.clone(), count.as_u64().unwrap_or(0))).collect(),
        distinct: optional("distinct"),
        duplicates: optional("duplicates"),
        missing: optional("missing"),
        unknown_ids: optional("unknown_ids"),
        wrong_rows: optional("wrong_rows"),
        wrong_columns: wrong.filter_map(|name| Some(name.as_str()?.to_owned())).collect(),
        id_range: value["min_id"].as_i64().zip(value["max_id"].as_i64()),
    })
}

fn parse_sequences(text: &str) -> Result<SequencesRead> {
    let value: Value =
        serde_json::from_str(text.trim()).context(|| format!("the reader printed {text:?}"))?;
    let given = |name: &str| {
        value[name].as_u64().ok_or_else(|| Error::new(format!("the reader gave no `{name}`: {text}")))
    };
    let list = |name: &str| value[name].as_array().cloned().unwrap_or_default();
    Ok(SequencesRead {
        version: given("version")?,
        rows: given("rows")?,
        files: given("files")?,
        partitions: list("partitions").iter().filter_map(Value::as_u64).collect(),
        duplicates: given("duplicates")?,
        missing: given("missing")?,
        unknown: given("unknown")?,
        misplaced: given("misplaced")?,
        disordered: given("disordered")?,
        examples: list("examples").iter().filter_map(|text| Some(text.as_str()?.to_owned())).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERFECT: &str = r#"{"version":7,"rows":2,"files":1,"bytes":99,"non_null":{"demo_id":2},"distinct":2,"duplicates":0,
        "missing":0,"unknown_ids":0,"wrong_rows":0,"wrong_columns":[],"min_id":0,"max_id":1}"#;

    #[test]
    fn only_a_perfect_table_is_exact() {
        let read = parse(PERFECT).unwrap();
        assert_eq!(read.id_range, Some((0, 1)));
        assert!(read.is_exactly(2));
        assert!(!read.is_exactly(3));
        for (field, spoiled) in [
            ("\"rows\":2", "\"rows\":3"),
            ("\"distinct\":2", "\"distinct\":1"),
            ("\"duplicates\":0", "\"duplicates\":1"),
            ("\"missing\":0", "\"missing\":1"),
            ("\"unknown_ids\":0", "\"unknown_ids\":1"),
            ("\"wrong_rows\":0", "\"wrong_rows\":1"),
            ("\"wrong_columns\":[]", "\"wrong_columns\":[\"a\"]"),
        ] {
            assert!(!parse(&PERFECT.replace(field, spoiled)).unwrap().is_exactly(2), "{spoiled}");
        }
    }

    #[test]
    fn only_perfect_sequences_are_exact() {
        let perfect = r#"{"version":3,"rows":5,"files":2,"bytes":9,"non_null":{},"partitions":[3,2],"duplicates":0,
            "missing":0,"unknown":0,"misplaced":0,"disordered":0,"examples":[]}"#;
        let read = |text: &str| parse_sequences(text).unwrap();
        assert!(read(perfect).is_exactly(&[3, 2]));
        assert!(!read(perfect).is_exactly(&[2, 3]));
        assert!(!read(perfect).is_exactly(&[3, 2, 1]));
        for field in ["duplicates", "missing", "unknown", "misplaced", "disordered"] {
            let spoiled = perfect.replace(&format!("\"{field}\":0"), &format!("\"{field}\":1"));
            assert!(!read(&spoiled).is_exactly(&[3, 2]), "{spoiled}");
            assert!(parse_sequences(&perfect.replace(field, "other")).is_err(), "{field}");
        }
        assert!(!read(&perfect.replace("\"rows\":5", "\"rows\":6")).is_exactly(&[3, 2]));
    }

    #[test]
    fn output_that_is_not_the_readers_is_an_error() {
        assert!(parse("Exception in thread").is_err());
        assert!(parse("{\"version\":1}").is_err());
    }
}
