//! `cargo xtask bench --requests`: what each sink asks of an object store. A proxy before a real S3 server counts, so the figures do not
//! depend on how busy the machine is, but for how many commits there are.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sluice_testkit::{
    Context, Error, Kind, Result, S3Options, S3Server, Seen, Worker, WorkerOptions, wait_for,
};

use super::entry::TOPIC;
use super::entry::{Entry, Input, Sink};
use super::machine::{self, Facts, listed};
use super::progress::{Progress, Written, sorted};
use super::report::{table, write_all};
use super::{Bench, PATIENCE};
use crate::chaos::stores::{Lock, Locks, Stores};
use crate::checkout::{Checkout, shown};

/// All that writes may ask for.
const WRITES: [&str; 5] = ["PUT data", "PUT log", "POST begin data", "PUT part data", "POST complete data"];

/// What a sink has asked of the store, and what it has left there.
struct Asked {
    sink: Sink,
    requests: Vec<Seen>,
    /// Which of the requests were commits of rows.
    commits: Vec<usize>,
    written: Written,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    requests: u64,
    bytes: u64,
}

pub fn run(checkout: &Checkout, bench: &Bench) -> Result<()> {
    let mut facts = machine::facts(checkout, bench, 1)?;
    facts.push(("store", "versitygw on this machine, with a proxy before it that counts".into()));
    let all = [Sink::Iceberg, Sink::Sluice].map(|sink| fill(bench, sink));
    let all = all.into_iter().collect::<Result<Vec<_>>>()?;
    let text = text(&facts, bench.records, &all);
    write_all(&bench.folder, &[("requests.md", &text)])?;
    println!("\n{text}\nbench: {}", shown(&bench.folder.join("requests.md")));
    all.iter().filter(|asked| asked.sink == Sink::Sluice).try_for_each(Asked::check)
}

/// The whole topic into a table in a bucket of its own.
fn fill(bench: &Bench, sink: Sink) -> Result<Asked> {
    let entry = Entry { input: Input::Json, sink };
    let name = format!("requests-{}", entry.slug());
    println!("==> {}: {} records into a bucket", sink.name(), bench.records);
    let folder = bench.folder.join(&name);
    let stores = Stores::start(&bench.components, &folder, &Locks(vec![Lock::S3]))?;
    let bucket = stores.s3.bucket_folder();
    let settings = match sink {
        Sink::Iceberg => {
            iceberg(&stores.s3_proxy.endpoint(), stores.s3.options(), &folder.join("catalog.db"))
        }
        _ => {
            let mut settings = stores.settings(Lock::S3, "table", true);
            // The Iceberg sink leaves upkeep to others.
            settings["delta.maintenance.enabled"] = "false".into();
            settings
        }
    };
    let settings = with(entry.settings(&bench.demo, TOPIC, bucket)?, &settings);

    let plugins = (sink == Sink::Iceberg).then(|| bench.iceberg_plugins.clone());
    let options = WorkerOptions { group: name.clone(), plugins, ..WorkerOptions::default() };
    let bootstrap = bench.broker.bootstrap();
    let mut worker = Worker::start(&bench.components, &bootstrap, &folder.join("worker"), &options)?;
    worker.connect().put_connector(&name, &settings)?;
    let mut progress = Progress::of(sink, bucket);
    wait_for(&format!("all records in the table of {}", sink.name()), PATIENCE, || {
        Ok((progress.records()? >= bench.records).then_some(()))
    })
    .map_err(|error| Error::new(format!("{error}; {}", worker.log_tail(20))))?;
    worker.stop()?;
    let rows = progress.records()?;
    if rows != bench.records {
        return Err(Error::new(format!("{} made {rows} of {} records", sink.name(), bench.records)));
    }
    let requests = stores.s3_proxy.requests();
    let commits = commits(sink, bucket)?;
    let commits = commits.iter().map(|name| put_of(name, &requests)).collect::<Result<Vec<_>>>()?;
    Ok(Asked { sink, requests, commits, written: Written::below(bucket)? })
}

/// The settings, with those of `more` in place of the same ones; what is null there is taken away.
fn with(mut settings: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().into_iter().flatten() {
        settings[key] = value.clone();
    }
    if let Some(settings) = settings.as_object_mut() {
        settings.retain(|_, value| !value.is_null());
    }
    settings
}

/// Where the Iceberg sink finds its table; its catalog is a file, and not in the store.
fn iceberg(endpoint: &str, server: &S3Options, catalog: &Path) -> Value {
    json!({
        // A catalog is named in one way only.
        "iceberg.catalog.type": null,
        "iceberg.catalog.catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
        "iceberg.catalog.uri": format!("jdbc:sqlite:{}", catalog.display()),
        "iceberg.catalog.warehouse": format!("s3://{}", server.bucket),
        "iceberg.catalog.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "iceberg.catalog.s3.endpoint": endpoint,
        "iceberg.catalog.s3.path-style-access": "true",
        "iceberg.catalog.s3.access-key-id": server.access_key,
        "iceberg.catalog.s3.secret-access-key": server.secret_key,
        "iceberg.catalog.client.region": S3Server::REGION,
    })
}

/// The versions in the table's log that brought rows, the first one first.
fn commits(sink: Sink, bucket: &Path) -> Result<Vec<String>> {
    let files = match sink {
        Sink::Iceberg => sorted(&bucket.join("bench/table/metadata"), ".metadata.json"),
        _ => sorted(&bucket.join("table/_delta_log"), ".json"),
    };
    let (mut commits, mut snapshots) = (Vec::new(), 0);
    for file in files {
        let text = fs::read_to_string(&file).at(&file)?;
        let brings_rows = if sink == Sink::Iceberg {
            let metadata: Value = serde_json::from_str(&text).at(&file)?;
            let before = snapshots;
            snapshots = metadata["snapshots"].as_array().map_or(0, Vec::len);
            snapshots > before
        } else {
            text.lines().any(|line| line.starts_with("{\"add\":"))
        };
        if brings_rows {
            commits.extend(file.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    if commits.len() < 2 {
        return Err(Error::new(format!("{} commits are too few; send more `--records`", commits.len())));
    }
    Ok(commits)
}

/// The last request that wrote the object of that name.
fn put_of(name: &str, requests: &[Seen]) -> Result<usize> {
    let wrote = |seen: &Seen| seen.kind == Kind::PutObject && path(seen).ends_with(name);
    requests.iter().rposition(wrote).ok_or_else(|| Error::new(format!("nobody has put {name}")))
}

fn path(seen: &Seen) -> &str {
    seen.target.split('?').next().unwrap_or_default()
}

/// The method, and whether it is about data, about the log, or about something else.
fn called(seen: &Seen) -> String {
    let method = match seen.kind {
        Kind::List => return "LIST".into(),
        Kind::DeleteObjects => return "POST delete".into(),
        Kind::GetObject => "GET",
        Kind::HeadObject => "HEAD",
        Kind::PutObject => "PUT",
        Kind::CopyObject => "PUT copy",
        Kind::DeleteObject => "DELETE",
        Kind::CreateMultipart => "POST begin",
        Kind::PutPart => "PUT part",
        Kind::CompleteMultipart => "POST complete",
        Kind::AbortMultipart => "DELETE parts",
        _ => return "other".into(),
    };
    let path = path(seen);
    let about = if path.contains("/_delta_log/") || path.contains("/metadata/") {
        "log"
    } else if path.ends_with(".parquet") {
        "data"
    } else {
        "other"
    };
    format!("{method} {about}")
}

fn sums(requests: &[Seen]) -> BTreeMap<String, Sum> {
    let mut sums: BTreeMap<_, Sum> = BTreeMap::new();
    for seen in requests {
        let sum = sums.entry(called(seen)).or_default();
        sum.requests += 1;
        sum.bytes += seen.sent + seen.received;
    }
    sums
}

impl Asked {
    /// The requests after that of the first commit, up to that of the last one, and how many commits these are.
    fn between(&self) -> (&[Seen], usize) {
        match (self.commits.first(), self.commits.last()) {
            (Some(first), Some(last)) => (&self.requests[first + 1..=*last], self.commits.len() - 1),
            _ => (&[], 0),
        }
    }

    /// What `docs/stores.md` promises of Sluice while nobody else commits.
    fn check(&self) -> Result<()> {
        let whole = sums(&self.requests);
        let count = |name: &str| whole.get(name).map_or(0, |sum| sum.requests);
        let written = &self.written;
        let mut wrong = Vec::new();
        let data = count("PUT data") + count("POST complete data");
        if data != written.data_files {
            wrong.push(format!("{data} uploads for {} data files", written.data_files));
        }
        if count("PUT log") != written.log_files {
            wrong.push(format!("{} puts for {} versions", count("PUT log"), written.log_files));
        }
        let start = self.commits.first().map_or(0, |first| first + 1);
        for (name, sum) in sums(&self.requests[start..]) {
            if !WRITES.contains(&&*name) {
                wrong.push(format!("{} {name} after the first commit", sum.requests));
            }
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => {
                Err(Error::new(format!("{} asked for too much: {}", self.sink.name(), wrong.join("; "))))
            }
        }
    }
}

fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn text(facts: &Facts, records: u64, all: &[Asked]) -> String {
    format!(
        "# Requests to an object store\n\n{}\n\
         Requests, files and bytes are those of the whole topic, the start of the task and its end included. a commit: of the requests after\n\
         the first commit up to the last one, for each of these commits. Bytes are those of bodies, in MB. The log is all metadata.\n\n{}\n{}",
        listed(facts),
        totals(records, all),
        kinds(all)
    )
}

fn totals(records: u64, all: &[Asked]) -> String {
    let head = [
        "sink",
        "requests",
        "a commit",
        "a million records",
        "sent",
        "read",
        "commits",
        "data files",
        "mean",
        "log files",
        "log",
    ];
    let rows = all.iter().map(|asked| {
        let (between, commits) = asked.between();
        let bytes = |of: fn(&Seen) -> u64| mega(asked.requests.iter().map(of).sum());
        let requests = asked.requests.len();
        let written = &asked.written;
        vec![
            asked.sink.name().into(),
            requests.to_string(),
            format!("{:.2}", between.len() as f64 / commits as f64),
            format!("{:.0}", requests as f64 / records as f64 * 1e6),
            format!("{:.2}", bytes(|seen| seen.sent)),
            format!("{:.2}", bytes(|seen| seen.received)),
            asked.commits.len().to_string(),
            written.data_files.to_string(),
            format!("{:.2}", mega(written.data_bytes) / written.data_files as f64),
            written.log_files.to_string(),
            format!("{:.2}", mega(written.log_bytes)),
        ]
    });
    table(&head, &rows.collect::<Vec<_>>(), 1)
}

/// A line for each kind of request that anybody has made.
fn kinds(all: &[Asked]) -> String {
    let sums_of: Vec<_> =
        all.iter().map(|asked| (sums(&asked.requests), sums(asked.between().0), asked.between().1)).collect();
    let mut names: Vec<_> = sums_of.iter().flat_map(|(whole, ..)| whole.keys().map(String::as_str)).collect();
    names.sort_unstable();
    names.dedup();
    let head = all.iter().flat_map(|asked| [asked.sink.name(), "a commit", "MB"]);
    let head: Vec<_> = ["request"].into_iter().chain(head).collect();
    let rows = names.into_iter().map(|name| {
        let cells = sums_of.iter().flat_map(|(whole, between, commits)| {
            let of = |sums: &BTreeMap<_, Sum>| sums.get(name).copied().unwrap_or_default();
            let (whole, between) = (of(whole), of(between).requests as f64 / *commits as f64);
            [whole.requests.to_string(), format!("{between:.2}"), format!("{:.2}", mega(whole.bytes))]
        });
        [name.to_owned()].into_iter().chain(cells).collect()
    });
    table(&head, &rows.collect::<Vec<_>>(), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `METHOD TARGET`, each with 1,000,000 bytes sent.
    fn seen(lines: &[&str]) -> Vec<Seen> {
        let parts = lines.iter().map(|line| line.split_once(' ').unwrap());
        parts.map(|(method, target)| Seen::new(method, target, 1_000_000, 0)).collect()
    }

    fn version(version: u64) -> String {
        format!("PUT /lake/table/_delta_log/{version:020}.json")
    }

    /// A table is opened and created, and gets two commits; then comes `more`.
    fn asked(more: &[&str]) -> Asked {
        let versions = [0, 1, 2].map(version);
        let lines = [
            "GET /lake?list-type=2&prefix=table/_delta_log/",
            "PUT /lake/table/.sluice/conditional-put",
            &versions[0],
            "PUT /lake/table/part-1.zstd.parquet",
            &versions[1],
            "PUT /lake/table/part-2.zstd.parquet",
            &versions[2],
        ];
        let written = Written { data_files: 2, data_bytes: 5_000_000, log_files: 3, log_bytes: 9_000 };
        let requests = seen(&[&lines, more].concat());
        Asked { sink: Sink::Sluice, requests, commits: vec![4, 6], written }
    }

    #[test]
    fn requests_are_told_apart_by_method_and_path() {
        let called = |line: &str| called(&seen(&[line])[0]);
        assert_eq!(called("PUT /lake/table/part-1.zstd.parquet"), "PUT data");
        assert_eq!(called("PUT /lake/bench/table/data/00001-1-a.parquet"), "PUT data");
        assert_eq!(called(&version(7)), "PUT log");
        assert_eq!(called("GET /lake/table/_delta_log/00000000000000000010.checkpoint.parquet"), "GET log");
        assert_eq!(called("HEAD /lake/bench/table/metadata/snap-1-1-a.avro"), "HEAD log");
        assert_eq!(called("GET /lake/bench/table/metadata/00001-a.metadata.json"), "GET log");
        assert_eq!(called("PUT /lake/table/.sluice/conditional-put"), "PUT other");
        assert_eq!(called("GET /lake?list-type=2&prefix=table%2F_delta_log%2F"), "LIST");
        assert_eq!(called("POST /lake?delete"), "POST delete");
        assert_eq!(called("DELETE /lake/table/part-1.parquet"), "DELETE data");
        let multipart = [
            "POST /lake/t/a.parquet?uploads",
            "PUT /lake/t/a.parquet?partNumber=1&uploadId=x",
            "POST /lake/t/a.parquet?uploadId=x",
        ];
        assert_eq!(multipart.map(called), ["POST begin data", "PUT part data", "POST complete data"]);
        assert_eq!(called("GET /"), "other");
    }

    #[test]
    fn a_commit_is_found_by_its_put() {
        let requests = asked(&[]).requests;
        assert_eq!(put_of("00000000000000000002.json", &requests).unwrap(), 6);
        assert!(put_of("00000000000000000003.json", &requests).is_err());
    }

    #[test]
    fn commits_are_the_versions_with_rows() {
        let bucket = std::env::temp_dir().join(format!("xtask-requests-{}", std::process::id()));
        let write = |name: &str, text: &str| {
            let file = bucket.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        write("table/_delta_log/0.json", "{\"metaData\":{\"description\":\"{\\\"add\\\":1}\"}}\n");
        write("table/_delta_log/1.json", "{\"commitInfo\":{}}\n{\"add\":{}}\n");
        assert!(commits(Sink::Sluice, &bucket).unwrap_err().to_string().contains("1 commits"));
        write("table/_delta_log/2.json", "{\"add\":{}}\n");
        assert_eq!(commits(Sink::Sluice, &bucket).unwrap(), ["1.json", "2.json"]);
        for (name, snapshots) in [("0-c", "[]"), ("1-b", "[1]"), ("2-a", "[1]"), ("3-d", "[1, 2]")] {
            let name = format!("bench/table/metadata/{name}.metadata.json");
            write(&name, &format!("{{\"snapshots\": {snapshots}}}"));
        }
        assert_eq!(commits(Sink::Iceberg, &bucket).unwrap(), ["1-b.metadata.json", "3-d.metadata.json"]);
        fs::remove_dir_all(&bucket).unwrap();
    }

    #[test]
    fn what_is_promised_is_checked() {
        asked(&[]).check().unwrap();
        for (more, wrong) in [
            ("GET /lake?list-type=2&prefix=table/_delta_log/", "1 LIST after"),
            ("HEAD /lake/table/part-1.zstd.parquet", "1 HEAD data after"),
            ("PUT /lake/table/part-2.zstd.parquet", "3 uploads for 2 data files"),
            ("PUT /lake/table/_delta_log/00000000000000000002.json", "4 puts for 3 versions"),
        ] {
            let error = asked(&[more]).check().unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn the_report_has_totals_and_each_kind() {
        let text =
            text(&vec![("machine", "any".into())], 500_000, &[asked(&["GET /lake/table/part-1.parquet"])]);
        let cells = |start: &str| {
            let line = text.lines().find(|line| line.starts_with(start)).unwrap();
            line.split('|')
                .map(|cell| cell.trim().to_owned())
                .filter(|cell| !cell.is_empty())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            cells("| Sluice"),
            ["Sluice", "8", "2.00", "16", "8.00", "0.00", "2", "2", "2.50", "3", "0.01"]
        );
        assert_eq!(cells("| PUT data"), ["PUT data", "2", "1.00", "2.00"]);
        assert_eq!(cells("| GET data"), ["GET data", "1", "0.00", "1.00"]);
        assert_eq!(cells("| LIST"), ["LIST", "1", "0.00", "1.00"]);
    }

    #[test]
    fn the_iceberg_sink_has_one_catalog_and_its_table_in_the_bucket() {
        let demo = json!({"delta.commit.interval.ms": "1000"});
        let entry = Entry { input: Input::Json, sink: Sink::Iceberg };
        let local = entry.settings(&demo, "events", Path::new("/there")).unwrap();
        let local_type = local["iceberg.catalog.type"].clone();
        let more = iceberg("http://127.0.0.1:9", &S3Options::default(), Path::new("/here/catalog.db"));
        let settings = with(local, &more);
        assert!(local_type.is_string() && settings.get("iceberg.catalog.type").is_none());
        assert_eq!(settings["iceberg.catalog.warehouse"], "s3://lake");
        assert_eq!(settings["iceberg.control.commit.interval-ms"], "1000");
    }
}
