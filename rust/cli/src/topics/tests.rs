//! Made-up partitions: what Kafka has is given, the table is an audit made by hand.

use std::sync::Arc;

use sluice_delta::audit::{Author, Rows};

use super::*;

/// Intervals (from, to, rows) of one partition, and what Kafka has.
struct Case {
    audit: Audit,
    ends: Ends,
    records: Vec<u64>,
    tombstones: Vec<u64>,
    hidden: Vec<u64>,
    rows: Option<Vec<u64>>,
    every_record: bool,
}

impl Case {
    fn new(taken: &[(i64, i64, i64)], records: impl IntoIterator<Item = u64>) -> Case {
        let by = |version: usize| Arc::new(Author { version: version as u64 + 1, ..Author::default() });
        let taken: Vec<Taken> = taken
            .iter()
            .enumerate()
            .map(|(version, (from, to, rows))| Taken { from: *from, to: *to, rows: *rows, by: by(version) })
            .collect();
        let progress = Progress {
            connector: "k".to_owned(),
            topic: "t".to_owned(),
            from_offset: taken[0].from,
            to_offset: taken.last().map(|taken| taken.to),
            taken,
            ..Progress::default()
        };
        let mut audit = Audit::default();
        audit.app_ids.insert("sluice/k/t/0".to_owned(), progress);
        Case {
            audit,
            ends: Ends { start: 0, end: 100 },
            records: records.into_iter().collect(),
            tombstones: vec![],
            hidden: vec![],
            rows: None,
            every_record: false,
        }
    }

    fn gap(mut self, from: i64, to: i64) -> Case {
        let mut gap = Finding::new(Kind::Gap, 2, "made up".to_owned()).of("sluice/k/t/0");
        gap.offsets = Some((from, to));
        self.audit.find(gap);
        self
    }

    fn every_record(mut self) -> Case {
        self.every_record = true;
        self
    }

    fn rows(mut self, offsets: impl IntoIterator<Item = u64>) -> Case {
        self.rows = Some(offsets.into_iter().collect());
        self
    }

    /// Compares and gives the audit with what Kafka has.
    fn compare(mut self) -> (Audit, Topic) {
        let partition = TopicPartition::new("t", 0);
        let rows = self.rows.map(|offsets| {
            let mut rows = Rows::default();
            rows.partitions.insert(partition.clone(), offsets.into_iter().collect());
            rows
        });
        let question = Question { rows: rows.as_ref(), every_record: self.every_record };
        let mut against = Against::new(&partition, self.ends, of(&self.audit, &partition), &question);
        if against.reaches(&mut self.audit) {
            against.seen.records.extend(self.records);
            against.seen.tombstones.extend(self.tombstones);
            against.seen.hidden.extend(self.hidden);
            against.until(against.topic.compared_to, &mut self.audit);
            against.judge(&mut self.audit);
        }
        let topic = against.topic;
        (self.audit, topic)
    }

    fn found(self) -> Vec<(Kind, u64)> {
        self.compare().0.findings.iter().map(|finding| (finding.kind, finding.version)).collect()
    }
}

#[test]
fn as_many_rows_as_records_are_clean() {
    let (audit, topic) = Case::new(&[(0, 5, 5), (5, 10, 5)], 0..10).every_record().rows(0..10).compare();
    assert!(audit.is_clean() && audit.notes.is_empty() && audit.untold.is_empty(), "{audit:?}");
    assert_eq!((topic.records, topic.rows, topic.compared_from, topic.compared_to), (10, 10, 0, 10));
}

/// I4, I1: a gap is a loss where Kafka has records in it.
#[test]
fn a_gap_with_records_is_a_loss_and_one_without_is_none() {
    let taken = [(0, 5, 5), (8, 10, 2)];
    let (audit, _) = Case::new(&taken, 0..10).gap(5, 8).compare();
    let lost = &audit.findings[1];
    assert_eq!((lost.kind, lost.version, lost.app_id.as_deref()), (Kind::Lost, 2, Some("sluice/k/t/0")));
    assert_eq!(lost.message, "Kafka has 3 records from offset 5 up to 8, offsets 5, 6, 7");

    let mut case = Case::new(&taken, (0..5).chain(8..10)).gap(5, 8);
    case.hidden = vec![5, 6, 7];
    let (audit, _) = case.compare();
    assert_eq!(audit.findings.len(), 1, "the gap itself");
    assert!(audit.notes[0].message.ends_with("no row is missing"), "{:?}", audit.notes);
}

#[test]
fn more_rows_than_records_are_found_where_nothing_was_compacted_away() {
    // Offset 4 is a marker.
    let mut case = Case::new(&[(0, 5, 5)], 0..4);
    case.hidden = vec![4];
    assert_eq!(case.found(), [(Kind::Surplus, 1)]);
    let (audit, topic) = Case::new(&[(0, 5, 5)], 0..4).compare();
    assert!(audit.is_clean(), "{audit:?}");
    assert_eq!((topic.holes, audit.notes[0].kind), (1, "compacted"));
}

#[test]
fn fewer_rows_than_records_are_a_finding_only_when_every_record_counts() {
    let case = || {
        let mut case = Case::new(&[(0, 5, 5), (5, 10, 3)], 0..10);
        case.tombstones = vec![7];
        case
    };
    let (audit, _) = case().compare();
    assert!(
        audit.is_clean() && audit.notes[0].message == "t-0: 2 records made no row; 1 records have no value"
    );
    assert_eq!(case().every_record().found(), [(Kind::NoRow, 2)]);

    let rows = || (0..7).chain(8..9);
    let (audit, _) = case().rows(rows()).compare();
    assert!(audit.is_clean(), "{audit:?}");
    let (audit, _) = case().every_record().rows(rows()).compare();
    assert_eq!(audit.findings[0].message, "offsets 9 of t-0: 1 records with a value have no row");
}

#[test]
fn rows_of_hidden_records_are_found() {
    let mut case = Case::new(&[(0, 5, 3)], 0..3).rows([0, 1, 4]);
    case.hidden = vec![3, 4];
    assert_eq!(case.found(), [(Kind::NoRecord, 0)]);
}

#[test]
fn what_retention_took_is_not_compared_and_said() {
    let mut case = Case::new(&[(0, 5, 5), (5, 10, 9)], 7..10).every_record();
    case.ends = Ends { start: 7, end: 100 };
    let (audit, topic) = case.compare();
    assert!(audit.is_clean(), "the second interval would be too many rows: {audit:?}");
    assert_eq!((topic.compared_from, topic.records, topic.rows), (7, 3, 0));
    assert_eq!(audit.untold, ["t-0: Kafka no longer has offsets below 7: rows from there are not compared."]);

    let mut case = Case::new(&[(0, 5, 5)], []);
    case.ends = Ends { start: 20, end: 30 };
    let (audit, _) = case.compare();
    assert!(audit.is_clean() && audit.untold[0].contains("were deleted before they were read"), "{audit:?}");
}

#[test]
fn a_topic_that_ends_below_the_table_is_another_one() {
    let mut case = Case::new(&[(0, 5, 9)], 0..3);
    case.ends = Ends { start: 0, end: 3 };
    let (audit, topic) = case.compare();
    assert_eq!(audit.findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::Ahead]);
    assert_eq!(topic.records, 0, "nothing of it is compared");
}

#[test]
fn offsets_that_were_never_taken_are_named() {
    let (audit, _) = Case::new(&[(4, 6, 2)], 0..6).compare();
    assert!(audit.is_clean() && audit.notes[0].kind == "before", "{audit:?}");
}
