//! What an audit says, for people and for machines.

use sluice_delta::audit::{Audit, Finding, Other, Progress, Writer};

use crate::audit::Checked;
use crate::layout::{Cell, Paint, columns, left};
use crate::topics::Topic;

/// The fields of [`Audit`], and `clean` and `topics` beside them.
pub fn json(checked: &Checked) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(&checked.audit)?;
    value["clean"] = checked.audit.is_clean().into();
    value["topics"] = serde_json::to_value(&checked.topics)?;
    serde_json::to_string_pretty(&value)
}

/// A line for each partition, then findings, what is worth knowing, what cannot be told, and the verdict.
pub fn text(Checked { audit, topics }: &Checked) -> String {
    let mut lines = vec![
        format!("table     {}", audit.table),
        format!(
            "versions  {} to {}: {} by Sluice, {} by others",
            audit.first_version, audit.last_version, audit.commits, audit.other_commits
        ),
    ];
    if let Some(checkpoint) = audit.checkpoint {
        lines.push(format!("start     the offsets of the checkpoint of version {checkpoint}"));
    }
    lines.extend(partitions(audit));
    lines.extend(audit.other_app_ids.iter().map(|(app_id, other)| of_other(app_id, other)));
    lines.extend(topics.iter().map(|(partition, topic)| of_topic(partition, topic)));
    for (number, finding) in audit.findings.iter().enumerate() {
        lines.push(String::new());
        lines.extend(of_finding(number + 1, finding));
    }
    let mut section = |title: &str, texts: Vec<&str>| {
        if !texts.is_empty() {
            lines.extend([String::new(), title.to_owned()]);
            lines.extend(texts.into_iter().map(|text| format!("  - {text}")));
        }
    };
    section("to know", audit.notes.iter().map(|note| note.message.as_str()).collect());
    section("cannot be told", audit.untold.iter().map(String::as_str).collect());
    lines.extend([String::new(), verdict(audit)]);
    lines.join("\n")
}

fn partitions(audit: &Audit) -> Vec<String> {
    let rows: Vec<_> = audit.app_ids.values().map(of_partition).collect();
    columns(&rows, Paint::Plain)
}

fn of_partition(progress: &Progress) -> Vec<Cell> {
    let to = progress.to_offset.map_or("no offset (reset)".to_owned(), |offset| offset.to_string());
    vec![
        left(&progress.connector),
        left(format!("{}-{}", progress.topic, progress.partition)),
        left(format!("offsets {} to {to}", progress.from_offset)),
        left(counted(progress.intervals, "interval")),
        left(counted(progress.rows.unsigned_abs(), "row")),
    ]
}

fn of_other(app_id: &str, other: &Other) -> String {
    let commits = counted(other.commits, "commit");
    match other.writer {
        Writer::KafkaDeltaIngest => format!(
            "  {} {} partition {}: last offset written {} in {commits}",
            other.writer,
            other.name,
            other.partition.unwrap_or_default(),
            other.to,
        ),
        Writer::SparkStreaming => format!(
            "  {} query {}: batches {} to {} in {commits}, {}",
            other.writer,
            other.name,
            other.from,
            other.to,
            counted(other.rows, "row")
        ),
        Writer::Unknown => {
            format!("  app id {app_id} of an unknown writer: version {} in {commits}", other.to)
        }
    }
}

fn of_topic(partition: &str, topic: &Topic) -> String {
    let Topic { start_offset, end_offset, compared_from, compared_to, .. } = topic;
    let there = format!("  in Kafka  {partition}: offsets {start_offset} to {end_offset}");
    if compared_from >= compared_to {
        return format!("{there}; nothing is compared");
    }
    let mut parts = vec![counted(topic.records, "record")];
    let others = [
        (topic.tombstones, "of them without a value"),
        (topic.hidden, "aborted or markers"),
        (topic.holes, "offsets without any"),
    ];
    parts
        .extend(others.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    let rows = counted(topic.rows.unsigned_abs(), "row");
    format!("{there}; of {compared_from} to {compared_to}: {}; {rows}", parts.join(", "))
}

fn of_finding(number: usize, finding: &Finding) -> Vec<String> {
    let app_id = finding.app_id.as_deref().map(|app_id| format!("{app_id}: ")).unwrap_or_default();
    let mut lines = vec![format!(
        "FINDING {number}  {}, version {}: {app_id}{}",
        finding.kind.name(),
        finding.version,
        finding.message
    )];
    let mut more = |label: &str, text: &str| lines.push(format!("    {label:<7}  {text}"));
    if let Some(by) = &finding.by {
        more("by", &by.to_string());
    }
    if let Some(before) = &finding.before {
        more("after", &before.to_string());
    }
    more("means", finding.meaning);
    more("do", finding.remedy);
    lines
}

fn verdict(audit: &Audit) -> String {
    match audit.findings.len() {
        0 => format!("audit: clean: {}, every interval joins", counted(audit.rows.unsigned_abs(), "row")),
        n => format!("audit: {}", counted(n as u64, "finding")),
    }
}

pub fn counted(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sluice_delta::audit::{Author, Kind};

    use super::*;

    #[test]
    fn partitions_findings_notes_and_what_cannot_be_told_stand_in_this_order() {
        let by =
            Author { version: 2, commit: Some("c2".to_owned()), timestamp: Some(0), ..Author::default() };
        let mut audit =
            Audit { table: "file:///t/".to_owned(), last_version: 3, commits: 3, ..Audit::default() };
        for (partition, to) in [(0, Some(15)), (10, None)] {
            let progress = Progress {
                connector: "k".to_owned(),
                topic: "t".to_owned(),
                partition,
                to_offset: to,
                intervals: 1 + partition as u64,
                rows: 7,
                ..Progress::default()
            };
            audit.app_ids.insert(format!("sluice/k/t/{partition}"), progress);
        }
        let other = Other {
            writer: Writer::SparkStreaming,
            name: "q".to_owned(),
            partition: None,
            from: 0,
            to: 4,
            commits: 5,
            rows: 1,
            last: None,
        };
        audit.other_app_ids.insert("q".to_owned(), other);
        audit.find(Finding::new(Kind::Log, 2, "it is gone".to_owned()).of("a").by(&by));
        audit.note("some", "a note".to_owned());
        audit.untold.push("Nobody knows.".to_owned());
        let topic =
            Topic { end_offset: 9, compared_to: 9, records: 8, hidden: 1, rows: 8, ..Topic::default() };
        let gone = Topic { start_offset: 3, end_offset: 3, ..Topic::default() };
        let topics = BTreeMap::from([("t-0".to_owned(), topic), ("t-10".to_owned(), gone)]);
        let checked = Checked { audit, topics };
        let expected = [
            "table     file:///t/",
            "versions  0 to 3: 3 by Sluice, 0 by others",
            "  k  t-0   offsets 0 to 15                 1 interval    7 rows",
            "  k  t-10  offsets 0 to no offset (reset)  11 intervals  7 rows",
            "  Spark query q: batches 0 to 4 in 5 commits, 1 row",
            "  in Kafka  t-0: offsets 0 to 9; of 0 to 9: 8 records, 1 aborted or markers; 8 rows",
            "  in Kafka  t-10: offsets 3 to 3; nothing is compared",
            "",
            "FINDING 1  log, version 2: a: it is gone",
            "    by       version 2 (commit c2, an engine that does not say its name, 1970-01-01 00:00:00 UTC)",
            "    means    A version of the log is not there: what it held cannot be told, and readers cannot read the table.",
            "    do       Bring the file back from a backup of the store. Do not write one by hand.",
            "",
            "to know",
            "  - a note",
            "",
            "cannot be told",
            "  - Nobody knows.",
            "",
            "audit: 1 finding",
        ];
        assert_eq!(text(&checked).lines().collect::<Vec<_>>(), expected);
        let json: serde_json::Value = serde_json::from_str(&json(&checked).unwrap()).unwrap();
        assert_eq!((&json["clean"], &json["topics"]["t-0"]["records"]), (&false.into(), &8.into()));
    }
}
