//! What a task measures of itself.

use super::*;
use crate::metrics::{
    BATCHES_REFUSED, COMMIT_TIME, COMMIT_TIME_MAX, COMMITS, COMMITTED_OFFSET, FILE_BYTES, FILES, OLDEST,
    PARTITION_LAG, PAUSED, PAUSED_TIME, PAUSES, RECORD_BYTES, RECORDS, ROWS, ROWS_WRITTEN, Sample,
    UNITS_FENCED,
};

impl Rig {
    fn series(&self, metric: &Metric) -> Vec<(Vec<String>, i64)> {
        let samples = self.task.meter().samples(self.now).0;
        let of_metric = samples.into_iter().filter(|sample| sample.metric == metric && sample.value != 0);
        of_metric.map(|Sample { labels, value, .. }| (labels, value)).collect()
    }
}

fn one(labels: &[&str], value: i64) -> Vec<(Vec<String>, i64)> {
    vec![(labels.iter().map(|label| (*label).to_owned()).collect(), value)]
}

#[test]
fn what_is_taken_is_not_in_the_table_before_its_commit() {
    let mut rig = Rig::new(&[]);
    rig.hold(0, 5);
    rig.opened(&[0]);
    rig.now = 100;
    rig.put(0, 5..8);
    rig.now = 400;
    assert_eq!((rig.total(&RECORDS), rig.total(&RECORD_BYTES)), (3, 3 * r#"{"v":5}"#.len() as i64));
    assert_eq!((rig.total(&ROWS), rig.total(&ROWS_WRITTEN), rig.total(&OLDEST)), (3, 0, 300));
    assert_eq!(rig.series(&PARTITION_LAG), one(&["t", "0"], 3));
    assert_eq!(rig.series(&COMMITTED_OFFSET), one(&["t", "0"], 5));

    rig.now = 1_200;
    rig.task.tick(rig.now).unwrap();
    assert_eq!((rig.total(&COMMITS), rig.total(&OLDEST)), (0, 1_100), "it is up for commit");
    rig.world.borrow_mut().answer_all();
    rig.now = 1_250;
    rig.task.pre_commit(&[]);
    rig.task.tick(rig.now).unwrap();
    assert_eq!((rig.total(&COMMITS), rig.total(&ROWS_WRITTEN), rig.total(&OLDEST)), (1, 3, 0));
    assert_eq!((rig.total(&FILES), rig.total(&FILE_BYTES)), (1, 300));
    assert_eq!((rig.total(&PARTITION_LAG), rig.total(&COMMITTED_OFFSET)), (0, 8));
}

#[test]
fn a_commit_takes_from_when_it_is_put_up_until_the_task_knows() {
    let mut rig = Rig::new(&[]);
    rig.opened(&[0]);
    for (offset, took, longest) in [(0, 70, 70), (1, 30, 70)] {
        rig.put(0, offset..offset + 1);
        rig.now += 1_000;
        rig.task.tick(rig.now).unwrap();
        rig.world.borrow_mut().answer_all();
        rig.now += took;
        rig.task.tick(rig.now).unwrap();
        assert_eq!(rig.total(&COMMIT_TIME_MAX), longest);
    }
    assert_eq!((rig.total(&COMMITS), rig.total(&COMMIT_TIME)), (2, 100));
}

#[test]
fn a_partition_without_an_offset_in_the_table_lags_from_its_first_row() {
    let mut rig = Rig::new(&[]);
    rig.opened(&[3]);
    assert_eq!(rig.series(&COMMITTED_OFFSET), one(&["t", "3"], -1));
    rig.put(3, 40..42);
    assert_eq!(rig.series(&PARTITION_LAG), one(&["t", "3"], 2));
    rig.task.close(&[3]);
    assert_eq!(rig.series(&COMMITTED_OFFSET), [], "it is another task's");
}

#[test]
fn a_fence_is_counted_and_its_partition_keeps_its_offset() {
    let mut rig = Rig::new(&[]);
    rig.hold(0, 5);
    rig.opened(&[0]);
    rig.put(0, 5..7);
    rig.hold(0, 6);
    rig.now = 1_000;
    rig.task.tick(rig.now).unwrap();
    rig.world.borrow_mut().answer(0);
    rig.task.tick(rig.now).unwrap();
    assert_eq!((rig.total(&UNITS_FENCED), rig.total(&COMMITS)), (1, 0));
    assert_eq!((rig.total(&OLDEST), rig.total(&COMMITTED_OFFSET)), (0, 5), "the last that was known");
}

#[test]
fn pauses_have_a_reason_and_last() {
    let mut rig = Rig::new(&[]);
    rig.task.open(0, vec![(0, TopicPartition::new("t", 0))]).unwrap();
    rig.now = 40;
    assert_eq!((rig.total(&PAUSED), rig.total(&PAUSED_TIME)), (1, 40));
    rig.world.borrow_mut().answer_all();
    rig.task.tick(rig.now).unwrap();
    assert_eq!((rig.series(&PAUSES), rig.total(&PAUSED)), (one(&["loading"], 1), 0));
    for (now, memory) in [(50, Memory::Short), (60, Memory::Short), (80, Memory::Enough)] {
        rig.now = now;
        rig.world.borrow_mut().memory = memory;
        rig.task.tick(rig.now).unwrap();
    }
    assert_eq!((rig.total(&PAUSES), rig.total(&PAUSED_TIME)), (2, 70));
    rig.world.borrow_mut().backlog = BACKLOG_PAUSE + 1;
    rig.task.tick(rig.now).unwrap();
    let reasons: Vec<_> = rig.series(&PAUSES).into_iter().map(|(labels, _)| labels.concat()).collect();
    assert_eq!(reasons, ["loading", "memory", "backlog"]);
}

#[test]
fn a_refused_batch_is_counted_as_that_and_nothing_else() {
    let mut rig = Rig::new(&[]);
    rig.opened(&[0]);
    rig.world.borrow_mut().memory = Memory::Spent;
    assert_eq!(rig.put_values(&[(0, 0, Some(r#"{"v":1}"#))]).unwrap_err().code, Code::Busy);
    assert_eq!(rig.series(&BATCHES_REFUSED), one(&["BUSY"], 1));
    assert_eq!((rig.total(&RECORDS), rig.total(&RECORD_BYTES)), (0, 0));
}
