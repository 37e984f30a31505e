//! `sluice inspect`.

use std::error::Error;
use std::process::ExitCode;
use std::time::SystemTime;

use serde_json::Value;
use sluice_delta::inspect::{Files, Inspection, Log, Recent, inspect, utc};

use crate::arguments::InspectArguments;
use crate::layout::{Cell, Paint, Style, ago, bytes, columns, counted, headings, left, number, right};
use crate::table;

/// Of the longest bar, in characters.
const BAR: u64 = 30;
/// Partitions that are listed for people; programs get all.
const MOST_PARTITIONS: usize = 100;

pub fn run(arguments: &InspectArguments) -> ExitCode {
    match described(arguments) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("sluice: {error}");
            ExitCode::from(2)
        }
    }
}

fn described(arguments: &InspectArguments) -> Result<String, Box<dyn Error>> {
    let connector = table::settings(arguments.config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let store = table::open(&arguments.table, &connector, runtime.handle())?;
    let found = inspect(&*store, runtime.handle(), arguments.commits)?;
    if arguments.json {
        return Ok(serde_json::to_string_pretty(&found)?);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis() as i64;
    Ok(Text { paint: Paint::of_stdout(), now }.of(&found))
}

struct Text {
    paint: Paint,
    /// Milliseconds since 1970.
    now: i64,
}

impl Text {
    fn of(&self, found: &Inspection) -> String {
        let mut lines = self.head(found);
        self.section(&mut lines, "schema", schema(&found.schema));
        self.section(&mut lines, "offsets", self.offsets(found));
        let more = found.offsets.len().saturating_sub(MOST_PARTITIONS) as u64;
        lines.extend((more > 0).then(|| format!("  and {} more; --json has all", number(more))));
        self.section(&mut lines, "app ids of others", self.others(found));
        lines.extend([String::new(), self.heading("files")]);
        lines.extend(self.files(&found.files));
        lines.extend([String::new(), self.heading("log"), self.log(&found.log)]);
        self.section(&mut lines, "newest commits", self.commits(&found.commits));
        lines.join("\n")
    }

    fn heading(&self, text: &str) -> String {
        self.paint.paint(text, Style::Heading)
    }

    fn section(&self, lines: &mut Vec<String>, title: &str, rows: Vec<Vec<Cell>>) {
        if !rows.is_empty() {
            lines.extend([String::new(), self.heading(title)]);
            lines.extend(columns(&rows, self.paint));
        }
    }

    fn ago(&self, millis: Option<i64>) -> String {
        millis.map_or_else(|| "-".to_owned(), |millis| ago(millis, self.now))
    }

    fn head(&self, found: &Inspection) -> Vec<String> {
        let mut rows: Vec<(&str, String)> = vec![("table", found.table.clone())];
        if let Some(name) = &found.name {
            rows.push(("name", name.clone()));
        }
        if let Some(description) = &found.description {
            rows.push(("about", description.clone()));
        }
        let newest = found.commits.first().and_then(|commit| commit.timestamp);
        let time = |millis: i64| {
            utc(millis).map(|utc| format!(" of {utc}, {}", ago(millis, self.now))).unwrap_or_default()
        };
        rows.push(("version", format!("{}{}", found.version, newest.map(time).unwrap_or_default())));
        let created = found.created.and_then(utc).map(|utc| format!(", created {utc}")).unwrap_or_default();
        rows.push(("id", format!("{}{created}", found.id)));
        let protocol = &found.protocol;
        let features = match protocol.features.is_empty() {
            true => String::new(),
            false => format!(": {}", protocol.features.join(", ")),
        };
        let (reader, writer) = (protocol.min_reader_version, protocol.min_writer_version);
        rows.push(("protocol", format!("reader {reader}, writer {writer}{features}")));
        if let Some(refusal) = &found.refusal {
            rows.push(("sluice", self.paint.paint(&format!("does not write to it: {refusal}"), Style::Bad)));
        }
        if !found.partition_columns.is_empty() {
            rows.push(("partitions", found.partition_columns.join(", ")));
        }
        let mut title = "properties";
        for (name, value) in &found.properties {
            rows.push((title, format!("{name} = {value}")));
            title = "";
        }
        rows.iter().map(|(name, value)| format!("{name:<10}  {value}").trim_end().to_owned()).collect()
    }

    fn offsets(&self, found: &Inspection) -> Vec<Vec<Cell>> {
        if found.offsets.is_empty() {
            return Vec::new();
        }
        let names =
            vec![left("connector"), left("topic"), right("partition"), right("next offset"), left("written")];
        let mut rows = vec![headings(names)];
        rows.extend(found.offsets.iter().take(MOST_PARTITIONS).map(|held| {
            let offset = held.offset.map_or("none (reset)".to_owned(), |offset| offset.to_string());
            vec![
                left(&held.connector),
                left(&held.topic),
                right(held.partition.to_string()),
                right(offset),
                left(self.ago(held.last_updated)),
            ]
        }));
        rows
    }

    fn others(&self, found: &Inspection) -> Vec<Vec<Cell>> {
        if found.other_app_ids.is_empty() {
            return Vec::new();
        }
        let mut rows = vec![headings(vec![left("app id"), right("version"), left("written")])];
        rows.extend(found.other_app_ids.iter().take(MOST_PARTITIONS).map(|other| {
            vec![left(&other.app_id), right(other.version.to_string()), left(self.ago(other.last_updated))]
        }));
        rows
    }

    fn files(&self, files: &Files) -> Vec<String> {
        let uncounted = match files.uncounted {
            0 => String::new(),
            n => format!(", and those of {} that do not say", counted(n, "file")),
        };
        let count = format!(
            "  {}, {}, {}",
            counted(files.count, "file"),
            bytes(files.bytes),
            counted(files.rows, "row")
        );
        let mut lines = vec![format!("{count}{uncounted}")];
        if files.deletion_vectors > 0 {
            let vectors = counted(files.deletion_vectors, "file");
            lines.push(format!(
                "  deletion vectors in {vectors} take away {} of what is in them",
                counted(files.deleted_rows, "row")
            ));
        }
        if let Some(sizes) = files.sizes.filter(|_| files.count > 1) {
            let [smallest, p10, median, p90, largest] =
                [sizes.smallest, sizes.p10, sizes.median, sizes.p90, sizes.largest].map(bytes);
            lines.push(format!(
                "  sizes: smallest {smallest}, a tenth below {p10}, half below {median}, a tenth above {p90}, largest {largest}"
            ));
        }
        let most = files.histogram.iter().map(|bucket| bucket.files).max().unwrap_or(0);
        let rows: Vec<_> = files
            .histogram
            .iter()
            .filter(|_| files.histogram.len() > 1)
            .map(|bucket| {
                vec![
                    right(format!("{} to {}", bytes(bucket.from), bytes(bucket.to))),
                    right(number(bucket.files)),
                    right(bytes(bucket.bytes)),
                    left(self.paint.bar(bucket.files, most, BAR)).styled(Style::Good),
                ]
            })
            .collect();
        lines.extend(columns(&rows, self.paint));
        lines
    }

    fn log(&self, log: &Log) -> String {
        let since = format!("{} ({})", counted(log.commits_since, "commit"), bytes(log.bytes_since));
        match log.checkpoint {
            Some(version) => format!(
                "  checkpoint of version {version}, {} ({}); {since} since",
                self.ago(log.checkpoint_time),
                bytes(log.checkpoint_bytes)
            ),
            None => format!("  no checkpoint; {since}"),
        }
    }

    fn commits(&self, commits: &[Recent]) -> Vec<Vec<Cell>> {
        if commits.is_empty() {
            return Vec::new();
        }
        let (version, time, operation) = (right("version"), left("time"), left("operation"));
        let names = vec![version, time, operation, right("rows"), right("files"), right("size"), left("by")];
        let mut rows = vec![headings(names)];
        rows.extend(commits.iter().map(|commit| {
            let size = if commit.added_files == 0 { String::new() } else { bytes(commit.added_bytes) };
            vec![
                right(commit.version.to_string()),
                left(commit.timestamp.and_then(utc).unwrap_or("-".to_owned())),
                left(commit.operation.as_deref().unwrap_or("-")),
                right(commit.rows.map_or("?".to_owned(), number)),
                right(files_of(commit)),
                right(size),
                left(by(commit)),
            ]
        }));
        rows
    }
}

/// `+2 -1`.
fn files_of(commit: &Recent) -> String {
    let signed = |sign: &str, count: u64| (count > 0).then(|| format!("{sign}{}", number(count)));
    let changes = [signed("+", commit.added_files), signed("-", commit.removed_files)];
    changes.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn by(commit: &Recent) -> String {
    let engine = commit.engine.as_deref().unwrap_or("-").to_owned();
    let writers = commit.writers.iter().map(|writer| {
        let task = if writer.tasks.len() == 1 { "task" } else { "tasks" };
        format!("{} {task} {}", writer.connector, writer.tasks.join(","))
    });
    std::iter::once(engine).chain(writers).collect::<Vec<_>>().join(", ")
}

/// A line for each field, those of structs below theirs.
fn schema(schema: &Value) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    fields(schema, 0, &mut rows);
    rows
}

fn fields(of: &Value, depth: usize, rows: &mut Vec<Vec<Cell>>) {
    for field in of["fields"].as_array().into_iter().flatten() {
        let name = format!("{}{}", "  ".repeat(depth), field["name"].as_str().unwrap_or_default());
        let mut notes = Vec::new();
        if field["nullable"] == false {
            notes.push("not null".to_owned());
        }
        if let Some(comment) = field["metadata"]["comment"].as_str() {
            notes.push(comment.to_owned());
        }
        let notes = left(notes.join(", ")).styled(Style::Quiet);
        rows.push(vec![left(name), left(type_name(&field["type"])), notes]);
        for inner in structs_in(&field["type"]) {
            fields(inner, depth + 1, rows);
        }
    }
}

fn type_name(of: &Value) -> String {
    let inner = |key: &str| type_name(&of[key]);
    match of["type"].as_str() {
        Some("array") => format!("array<{}>", inner("elementType")),
        Some("map") => format!("map<{}, {}>", inner("keyType"), inner("valueType")),
        Some(other) => other.to_owned(),
        None => of.as_str().unwrap_or("?").to_owned(),
    }
}

/// The structs whose fields have lines of their own.
fn structs_in(of: &Value) -> Vec<&Value> {
    match of["type"].as_str() {
        Some("struct") => vec![of],
        Some("array") => structs_in(&of["elementType"]),
        Some("map") => [structs_in(&of["keyType"]), structs_in(&of["valueType"])].concat(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_delta::inspect::{Bucket, Offset, OtherAppId, ProtocolInfo, Quantiles, Writer};

    use super::*;

    const NOW: i64 = 1_795_324_286_970;

    fn field(name: &str, kind: Value, nullable: bool) -> Value {
        json!({"name": name, "type": kind, "nullable": nullable, "metadata": {}})
    }

    fn table() -> Inspection {
        let place = json!({"type": "struct", "fields": [field("city", json!("string"), true)]});
        let places = json!({"type": "array", "elementType": place, "containsNull": true});
        let map = json!({"type": "map", "keyType": "string", "valueType": "long", "valueContainsNull": true});
        let schema = json!({"type": "struct", "fields": [
            field("id", json!("long"), false), field("places", places, true), field("counts", map, true)]});
        let bucket = |from, to, files, bytes| Bucket { from, to, files, bytes };
        let commit = Recent {
            version: 128,
            timestamp: Some(NOW - 180_000),
            operation: Some("STREAMING UPDATE".to_owned()),
            engine: Some("sluice/0.1.0".to_owned()),
            writers: vec![Writer { connector: "k".to_owned(), tasks: vec!["0".to_owned(), "1".to_owned()] }],
            added_files: 2,
            added_bytes: 3_400_000,
            removed_files: 0,
            rows: Some(12_000),
            data_change: true,
        };
        let other = Recent {
            version: 127,
            timestamp: None,
            operation: None,
            engine: None,
            writers: vec![],
            added_files: 1,
            added_bytes: 5,
            removed_files: 1_000,
            rows: None,
            data_change: false,
        };
        Inspection {
            table: "s3://lake/events/".to_owned(),
            version: 128,
            id: "3f0c".to_owned(),
            name: None,
            description: None,
            created: Some(0),
            protocol: ProtocolInfo {
                min_reader_version: 3,
                min_writer_version: 7,
                features: vec!["columnMapping".to_owned(), "deletionVectors".to_owned()],
            },
            refusal: Some("it has the table feature tomorrow".to_owned()),
            partition_columns: vec!["country".to_owned()],
            properties: [("a", "1"), ("b", "2")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            schema,
            offsets: vec![
                Offset {
                    connector: "k".to_owned(),
                    topic: "events".to_owned(),
                    partition: 0,
                    offset: Some(24_000),
                    last_updated: Some(NOW - 180_000),
                },
                Offset {
                    connector: "k".to_owned(),
                    topic: "events".to_owned(),
                    partition: 10,
                    offset: None,
                    last_updated: None,
                },
            ],
            other_app_ids: vec![OtherAppId { app_id: "q".to_owned(), version: 7, last_updated: None }],
            files: Files {
                count: 1_234,
                bytes: 56_700_000_000,
                rows: 1_200_000,
                uncounted: 1,
                deletion_vectors: 2,
                deleted_rows: 30,
                sizes: Some(Quantiles {
                    smallest: 900,
                    p10: 80_000,
                    median: 45_000_000,
                    p90: 128_000_000,
                    largest: 130_000_000,
                }),
                histogram: vec![bucket(0, 10_000, 3, 2_700), bucket(10_000, 100_000, 30, 900_000)],
            },
            log: Log {
                checkpoint: Some(120),
                checkpoint_time: Some(NOW - 7_200_000),
                checkpoint_bytes: 1_200_000,
                commits_since: 8,
                bytes_since: 96_000,
            },
            commits: vec![commit, other],
        }
    }

    #[test]
    fn a_table_is_told_in_aligned_columns() {
        let text = Text { paint: Paint::Plain, now: NOW }.of(&table());
        let expected = "\
table       s3://lake/events/
version     128 of 2026-11-22 05:08:26 UTC, 3 min ago
id          3f0c, created 1970-01-01 00:00:00 UTC
protocol    reader 3, writer 7: columnMapping, deletionVectors
sluice      does not write to it: it has the table feature tomorrow
partitions  country
properties  a = 1
            b = 2

schema
  id      long               not null
  places  array<struct>
    city  string
  counts  map<string, long>

offsets
  connector  topic   partition   next offset  written
  k          events          0         24000  3 min ago
  k          events         10  none (reset)  -

app ids of others
  app id  version  written
  q             7  -

files
  1,234 files, 56.7 GB, 1,200,000 rows, and those of 1 file that do not say
  deletion vectors in 2 files take away 30 rows of what is in them
  sizes: smallest 900 B, a tenth below 80 kB, half below 45 MB, a tenth above 128 MB, largest 130 MB
     0 B to 10 kB   3  2.7 kB  ###
  10 kB to 100 kB  30  900 kB  ##############################

log
  checkpoint of version 120, 2 h ago (1.2 MB); 8 commits (96 kB) since

newest commits
  version  time                     operation           rows      files    size  by
      128  2026-11-22 05:08:26 UTC  STREAMING UPDATE  12,000         +2  3.4 MB  sluice/0.1.0, k tasks 0,1
      127  -                        -                      ?  +1 -1,000     5 B  -";
        assert_eq!(text.lines().collect::<Vec<_>>(), expected.lines().collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_table_has_no_empty_sections() {
        let mut empty = table();
        empty.offsets.clear();
        empty.other_app_ids.clear();
        empty.commits.clear();
        empty.files = Files {
            count: 0,
            bytes: 0,
            rows: 0,
            sizes: None,
            histogram: vec![],
            uncounted: 0,
            deletion_vectors: 0,
            deleted_rows: 0,
        };
        empty.log = Log {
            checkpoint: None,
            checkpoint_time: None,
            checkpoint_bytes: 0,
            commits_since: 1,
            bytes_since: 900,
        };
        let text = Text { paint: Paint::Plain, now: NOW }.of(&empty);
        for absent in ["offsets", "app ids", "newest", "sizes"] {
            assert!(!text.contains(absent), "{text}");
        }
        assert!(text.contains("version     128\n"), "{text}");
        assert!(
            text.ends_with("files\n  0 files, 0 B, 0 rows\n\nlog\n  no checkpoint; 1 commit (900 B)"),
            "{text}"
        );
    }

    #[test]
    fn very_many_partitions_are_cut_for_people() {
        let mut many = table();
        many.offsets = (0..250)
            .map(|partition| Offset {
                connector: "k".to_owned(),
                topic: "t".to_owned(),
                partition,
                offset: Some(1),
                last_updated: None,
            })
            .collect();
        let text = Text { paint: Paint::Plain, now: NOW }.of(&many);
        assert!(text.contains("and 150 more; --json has all"), "{text}");
        many.offsets.truncate(MOST_PARTITIONS);
        assert!(!Text { paint: Paint::Plain, now: NOW }.of(&many).contains("more;"));
    }
}
