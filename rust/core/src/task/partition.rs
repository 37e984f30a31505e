//! One assigned partition: how far its rows are taken, and how far the table has them.

use crate::offsets::{Interval, TopicPartition};

/// The part of a partition's state that a refused batch puts back.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cursor {
    /// The next offset to take; none until the first record where the table holds no offset.
    pub position: Option<i64>,
    /// Where the open unit starts.
    pub open_from: Option<i64>,
    pub open_rows: u64,
    /// The lowest offset that was delivered since the partition was assigned: where to start again while the table
    /// holds no offset.
    first_seen: Option<i64>,
    /// A rewind that was asked of Connect and has not been seen to happen.
    rewinding_to: Option<i64>,
}

#[derive(Debug)]
pub struct Partition {
    pub topic_partition: TopicPartition,
    pub app_id: String,
    /// Index of its table.
    pub table: usize,
    /// The offset that the table holds, as of the last load or commit.
    pub committed: Option<i64>,
    /// The offset that Connect was told to start or go on from. Its consumer never goes back before it.
    floor: Option<i64>,
    pub cursor: Cursor,
    readiness: Readiness,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Readiness {
    /// Waits for the table's offsets. Rows are dropped; they come again after the rewind.
    Loading,
    /// The offsets are there, and Connect has not been told where to rewind to. Rows are still dropped.
    Loaded,
    Running,
}

/// What to do with a record at an offset.
#[derive(Debug, PartialEq)]
pub enum Admission {
    Take,
    /// It comes again after a rewind.
    NotReady,
    /// Below the position: it was taken before.
    Redelivered,
    /// Below the offset that Connect was told, which is this one: these are not the records that the table has.
    BelowTable(i64),
}

impl Partition {
    pub fn new(topic_partition: TopicPartition, app_id: String, table: usize) -> Self {
        Partition {
            topic_partition,
            app_id,
            table,
            committed: None,
            floor: None,
            cursor: Cursor::default(),
            readiness: Readiness::Loading,
        }
    }

    pub fn is_loading(&self) -> bool {
        self.readiness == Readiness::Loading
    }

    pub fn is_running(&self) -> bool {
        self.readiness == Readiness::Running
    }

    /// Forgets everything that is not in the table.
    pub fn reset(&mut self) {
        self.readiness = Readiness::Loading;
        self.cursor = Cursor { first_seen: self.cursor.first_seen, ..Cursor::default() };
    }

    pub fn loaded(&mut self, held: Option<i64>) {
        self.readiness = Readiness::Loaded;
        self.committed = held;
        self.cursor.position = held;
        self.cursor.open_from = held;
    }

    /// Where Connect has to rewind to, once, after a load. None where nothing was missed.
    pub fn start_running(&mut self) -> Option<i64> {
        if self.readiness != Readiness::Loaded {
            return None;
        }
        self.readiness = Readiness::Running;
        let target = self.committed.or(self.cursor.first_seen);
        self.floor = self.committed;
        self.cursor.rewinding_to = target;
        target
    }

    pub fn admit(&mut self, offset: i64) -> Admission {
        self.cursor.first_seen = Some(self.cursor.first_seen.map_or(offset, |first| first.min(offset)));
        if self.readiness != Readiness::Running {
            return Admission::NotReady;
        }
        if let Some(floor) = self.floor.filter(|floor| offset < *floor) {
            return Admission::BelowTable(floor);
        }
        match self.cursor.position {
            Some(position) if offset < position => Admission::Redelivered,
            _ => Admission::Take,
        }
    }

    /// The record at `offset` is dealt with: it made a row or not, and the offset moves past it.
    pub fn take(&mut self, offset: i64, made_row: bool) {
        self.cursor.open_from.get_or_insert(offset);
        self.cursor.open_rows += u64::from(made_row);
        self.cursor.position = Some(offset + 1);
        self.cursor.rewinding_to = None;
    }

    /// Connect has consumed up to `consumed`, records that no transformation let through included.
    pub fn consumed_up_to(&mut self, consumed: i64) {
        if self.cursor.rewinding_to == Some(consumed) {
            self.cursor.rewinding_to = None;
        }
        if !self.is_running() || self.cursor.rewinding_to.is_some() {
            return;
        }
        if let Some(position) = &mut self.cursor.position {
            *position = consumed.max(*position);
        }
    }

    /// The offset for Connect to commit: what the table holds, as far as its consumer has reached it. As long as no
    /// record of the partition has come through, the partition feeds no table, and Connect's own offset is as good.
    pub fn committable(&mut self, consumed: i64) -> Option<i64> {
        if self.is_running() && self.committed.is_none() && self.cursor == Cursor::default() {
            return Some(consumed);
        }
        let committed = self.committed.filter(|committed| *committed <= consumed)?;
        if self.is_running() {
            self.floor = Some(committed);
        }
        Some(committed)
    }

    pub fn has_open(&self) -> bool {
        self.is_running() && self.cursor.position > self.cursor.open_from
    }

    /// Ends the open interval and starts the next one where it ends.
    pub fn cut(&mut self) -> Option<Interval> {
        if !self.has_open() {
            return None;
        }
        let (from, to) = (self.cursor.open_from?, self.cursor.position?);
        let rows = std::mem::take(&mut self.cursor.open_rows);
        self.cursor.open_from = Some(to);
        Some(Interval {
            partition: self.topic_partition.clone(),
            app_id: self.app_id.clone(),
            expected: self.committed,
            from,
            to,
            rows,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(held: Option<i64>) -> Partition {
        let mut partition = Partition::new(TopicPartition::new("t", 0), "sluice/c/t/0".into(), 0);
        partition.loaded(held);
        partition
    }

    #[test]
    fn the_table_wins_over_the_consumer() {
        let mut p = partition(Some(10));
        assert_eq!(p.admit(50), Admission::NotReady);
        assert_eq!(p.start_running(), Some(10));
        assert_eq!(p.admit(10), Admission::Take);
    }

    /// A topic that was deleted and created again starts at 0.
    #[test]
    fn records_below_what_the_table_holds_are_not_taken_for_delivered_ones() {
        let mut p = partition(Some(10));
        p.start_running();
        assert_eq!(p.admit(9), Admission::BelowTable(10));
        p.take(10, true);
        p.take(11, true);
        p.committed = Some(12);
        assert_eq!(p.admit(10), Admission::Redelivered, "Connect was not told of 12");
        assert_eq!(p.committable(12), Some(12));
        assert_eq!(p.admit(10), Admission::BelowTable(12));
    }

    #[test]
    fn without_an_offset_in_the_table_nothing_that_was_dropped_is_lost() {
        let mut p = partition(None);
        assert_eq!((p.admit(7), p.admit(8)), (Admission::NotReady, Admission::NotReady));
        assert_eq!(p.start_running(), Some(7));
        p.take(7, true);
        assert_eq!(p.cut().map(|i| (i.expected, i.from, i.to, i.rows)), Some((None, 7, 8, 1)));
    }

    #[test]
    fn a_reset_goes_back_to_the_first_row_where_the_table_holds_no_offset() {
        let mut p = partition(None);
        p.start_running();
        for offset in 7..10 {
            assert_eq!(p.admit(offset), Admission::Take);
            p.take(offset, true);
        }
        p.cut();
        p.reset();
        p.loaded(None);
        assert_eq!(p.start_running(), Some(7));
    }

    #[test]
    fn intervals_join_over_gaps_and_rowless_records() {
        let mut p = partition(Some(10));
        p.start_running();
        p.take(14, false);
        let first = p.cut().unwrap();
        p.committed = Some(first.to);
        p.take(20, true);
        let second = p.cut().unwrap();
        assert_eq!((first.from, first.to, first.rows), (10, 15, 0));
        assert_eq!((second.expected, second.from, second.to, second.rows), (Some(15), 15, 21, 1));
        assert_eq!(p.cut(), None, "nothing was taken since");
    }

    #[test]
    fn a_partition_of_which_nothing_comes_through_follows_connect() {
        let mut p = partition(None);
        assert_eq!(p.committable(50), None, "not before it is known where to start");
        p.start_running();
        assert_eq!(p.committable(50), Some(50));
        p.admit(60);
        p.take(60, true);
        assert_eq!(p.committable(61), None, "I2: the row is not in the table");
    }

    /// Connect still names the offset from before the rewind until its next poll.
    #[test]
    fn a_stale_consumed_offset_does_not_skip_what_is_rewound() {
        let mut p = partition(Some(10));
        p.start_running();
        p.consumed_up_to(90);
        assert_eq!(p.cursor.position, Some(10));
        p.consumed_up_to(10);
        p.consumed_up_to(12);
        assert_eq!(p.cursor.position, Some(12), "filtered records move the offset once the rewind is seen");
    }
}
