//! One assigned partition: how far its rows are taken, and how far each of its tables has them.

use crate::error::{Code, Error, Result};
use crate::offsets::{Interval, TakenOver, TopicPartition, offset_of};

#[derive(Debug)]
pub struct Partition {
    pub topic_partition: TopicPartition,
    pub app_id: String,
    /// One for each table that it feeds.
    pub feeds: Vec<Feed>,
    /// Its records name their tables: none is known before they come, so Connect's own offset says where to start.
    routed: bool,
    /// The offset that Connect was told to start or go on from, or has committed since. Its consumer never goes back before
    /// it.
    floor: Option<i64>,
    /// What Connect was given to commit last. It may not have done so: that becomes the floor when it asks again.
    given: Option<i64>,
    /// Connect may have gone back while it had a batch that was refused, and no record of another one has come since.
    unseen: bool,
    /// Of a routed partition: where Connect has to rewind to, and has not been told.
    rewind: Option<i64>,
    cursor: Cursor,
}

/// A partition's way into one table.
#[derive(Debug)]
pub struct Feed {
    /// Index of the table.
    pub slot: usize,
    /// The offset that the table holds, as of the last load or commit: its own, or the one that it goes on from.
    committed: Option<i64>,
    /// The version of its own `txn`; the outer none: never loaded.
    txn: Option<Option<i64>>,
    taken_over: Option<TakenOver>,
    /// What the table held before a reset: it may have forgotten it since.
    remembered: Option<i64>,
    /// When its `txn` was put up, and when the one that the table holds was, in the driver's ms.
    put_up: Option<u64>,
    set_at: Option<u64>,
    readiness: Readiness,
    /// The lowest offset with a row in the unit that is up for commit.
    in_flight_from: Option<i64>,
    cursor: FeedCursor,
}

/// The part of a partition's state that a refused batch puts back.
#[derive(Debug)]
pub struct Cursors(Cursor, Vec<FeedCursor>);

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Cursor {
    /// The lowest offset that was delivered since the partition was assigned: where to start again while a table
    /// holds no offset.
    first_seen: Option<i64>,
    /// A rewind that was asked of Connect and has not been seen to happen.
    rewinding_to: Option<i64>,
    /// Of a routed partition: the next offset to take.
    position: Option<i64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct FeedCursor {
    /// The next offset to take; none until the first record where the table holds no offset.
    position: Option<i64>,
    /// Where the open unit starts.
    open_from: Option<i64>,
    open_rows: u64,
    /// The lowest offset in the open unit.
    first_open: Option<i64>,
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
    /// Below the position of every table: it was taken before.
    Redelivered,
    /// Below the offset that Connect was told, which is this one: these are not the records that the table has.
    BelowTable(i64),
}

impl Partition {
    /// All records go to the same tables.
    pub fn new(topic_partition: TopicPartition, app_id: String, slots: &[usize]) -> Self {
        let feeds = slots.iter().map(|slot| Feed::new(*slot)).collect();
        Partition {
            topic_partition,
            app_id,
            feeds,
            routed: false,
            floor: None,
            given: None,
            unseen: false,
            rewind: None,
            cursor: Cursor::default(),
        }
    }

    /// Its records name their tables; see [`Partition::feed_of`].
    pub fn routed(topic_partition: TopicPartition, app_id: String) -> Self {
        Partition { routed: true, ..Partition::new(topic_partition, app_id, &[]) }
    }

    pub fn is_routed(&self) -> bool {
        self.routed
    }

    pub fn feed(&mut self, slot: usize) -> Option<&mut Feed> {
        self.feeds.iter_mut().find(|feed| feed.slot == slot)
    }

    /// The way into a table that a record names. Rows can be taken once it is running.
    pub fn feed_of(&mut self, slot: usize) -> &mut Feed {
        let index = self.feeds.iter().position(|feed| feed.slot == slot).unwrap_or_else(|| {
            self.feeds.push(Feed::new(slot));
            self.feeds.len() - 1
        });
        &mut self.feeds[index]
    }

    pub fn is_running(&self) -> bool {
        self.rewind.is_none() && self.feeds.iter().all(Feed::is_running)
    }

    pub fn cursors(&self) -> Cursors {
        Cursors(self.cursor, self.feeds.iter().map(|feed| feed.cursor).collect())
    }

    /// Feeds that came since are untouched: they have taken nothing.
    pub fn put_back(&mut self, cursors: Cursors) {
        self.cursor = cursors.0;
        for (feed, cursor) in self.feeds.iter_mut().zip(cursors.1) {
            feed.cursor = cursor;
        }
    }

    /// Forgets of one table everything that is not in it.
    pub fn reset(&mut self, slot: usize) {
        let routed = self.routed;
        let Some(feed) = self.feed(slot) else { return };
        let lost = feed.uncommitted();
        let remembered = feed.committed.or(feed.remembered);
        *feed = Feed { txn: feed.txn, remembered, ..Feed::new(slot) };
        if routed && lost.is_some() {
            // What Connect delivers until it is told is dropped. Gone back for another table, it may be before the lost row.
            self.rewind = self.rewind.into_iter().chain(lost).chain(self.cursor.position).min();
        }
    }

    /// The table holds this `txn` version. `forgets`: it does not hold each for ever. The error: the offset was reset since this
    /// task knew it, so where to go on is not for this task to say.
    pub fn loaded(
        &mut self,
        slot: usize,
        txn: Option<i64>,
        taken_over: Option<TakenOver>,
        forgets: bool,
    ) -> Result<()> {
        let routed = self.routed;
        let Some(feed) = self.feed(slot).filter(|feed| feed.is_loading()) else { return Ok(()) };
        if txn.is_some() && offset_of(txn).is_none() && feed.txn.is_some_and(|known| known != txn) {
            let partition = &self.topic_partition;
            return Err(Error::new(
                Code::OffsetsReset,
                format!("the offset of {partition} was reset while this task still ran"),
            ));
        }
        feed.txn = Some(txn);
        feed.readiness = if routed { Readiness::Running } else { Readiness::Loaded };
        let next = taken_over.as_ref().and_then(|predecessor| predecessor.next);
        let held = match txn {
            Some(_) => offset_of(txn),
            None => next.max(feed.remembered.filter(|_| forgets)),
        };
        feed.committed = held;
        feed.cursor.position = held;
        feed.cursor.open_from = held;
        feed.taken_over = taken_over;
        Ok(())
    }

    /// Where Connect has to rewind to, once, after loads. None where nothing was missed, and where a table that holds
    /// no offset yet needs whatever Connect delivers.
    pub fn start_running(&mut self) -> Option<i64> {
        if self.routed {
            let target = self.rewind.take()?;
            self.cursor.position = Some(target);
            self.cursor.rewinding_to = Some(target);
            return Some(target);
        }
        let loaded = |feed: &&mut Feed| feed.readiness == Readiness::Loaded;
        if self.feeds.iter().any(Feed::is_loading) || !self.feeds.iter_mut().any(|feed| loaded(&feed)) {
            return None;
        }
        let first_seen = self.cursor.first_seen;
        let mut target = Some(i64::MAX);
        for feed in &mut self.feeds {
            feed.readiness = Readiness::Running;
            // One that was running goes on where it is, however far the others have got.
            target = target.min(feed.cursor.position.or(first_seen));
        }
        self.floor = self.held_by_all();
        self.given = None;
        self.unseen &= target.is_none();
        self.cursor.rewinding_to = target;
        target
    }

    /// The lowest offset of its tables, when all hold one.
    fn held_by_all(&self) -> Option<i64> {
        self.feeds.iter().map(|feed| feed.committed).min().flatten()
    }

    pub fn admit(&mut self, offset: i64) -> Admission {
        let seen = &mut self.cursor.first_seen;
        *seen = Some(seen.map_or(offset, |first| first.min(offset)));
        if self.routed {
            let taken = self.cursor.position.is_some_and(|position| offset < position);
            return match self.rewind {
                Some(_) => Admission::NotReady,
                None if taken => Admission::Redelivered,
                None => Admission::Take,
            };
        }
        if !self.is_running() {
            return Admission::NotReady;
        }
        if let Some(floor) = self.floor.filter(|floor| offset < *floor) {
            return Admission::BelowTable(floor);
        }
        // Connect went back to before it: it was not committed.
        self.given = self.given.filter(|given| offset >= *given);
        match self.feeds.iter().any(|feed| feed.wants(offset)) {
            true => Admission::Take,
            false => Admission::Redelivered,
        }
    }

    /// The record at `offset` is dealt with, whatever became of it in its tables.
    pub fn pass(&mut self, offset: i64) {
        self.cursor.rewinding_to = None;
        if self.routed {
            self.cursor.position = Some(offset + 1);
        }
    }

    /// Connect has consumed up to `consumed`, records that no transformation let through included.
    pub fn consumed_up_to(&mut self, consumed: i64) {
        if self.cursor.rewinding_to == Some(consumed) {
            self.cursor.rewinding_to = None;
        }
        if self.routed || !self.is_running() || self.cursor.rewinding_to.is_some() {
            return;
        }
        for feed in &mut self.feeds {
            if let Some(position) = &mut feed.cursor.position {
                *position = consumed.max(*position);
            }
        }
    }

    /// The offset for Connect to commit: what the tables hold, as far as its consumer has reached it (I2). A table that
    /// no record of the partition has come to holds nothing back: Connect's own offset is as good.
    pub fn committable(&self, consumed: i64) -> Option<i64> {
        if self.routed {
            let pending = self.rewind.is_some() || self.cursor.rewinding_to.is_some();
            let held_back = self.feeds.iter().filter_map(Feed::uncommitted).min();
            return (!pending).then(|| held_back.map_or(consumed, |offset| offset.min(consumed)));
        }
        let running = self.is_running();
        let untouched = running && self.cursor == Cursor::default();
        let held = |feed: &Feed| match feed.committed {
            None if untouched => Some(consumed),
            held => held,
        };
        self.feeds.iter().map(held).min().flatten().filter(|committed| *committed <= consumed)
    }

    /// The offset that the tables hold, and how many that were consumed are not in them.
    pub fn standing(&self) -> (Option<i64>, i64) {
        let held_back = self.feeds.iter().filter_map(Feed::uncommitted).min();
        let (committed, consumed) = match self.routed {
            true => (held_back.or(self.cursor.position), self.cursor.position),
            false => {
                let held = self.feeds.iter().map(|feed| feed.committed.or(feed.remembered)).min().flatten();
                (held, self.feeds.iter().filter_map(|feed| feed.cursor.position).max())
            }
        };
        let lag = consumed.zip(committed.or(held_back)).map_or(0, |(consumed, from)| consumed - from);
        (committed, lag.max(0))
    }

    /// Connect is given an offset to commit. It has committed the one before by now, or has gone back.
    pub fn give(&mut self, committed: i64) {
        if self.is_running() && self.held_by_all().is_some() && !self.unseen {
            self.floor = self.given.or(self.floor);
            self.given = Some(committed);
        }
    }

    /// Connect asks while it has a batch that was refused. If it goes back, it delivers that batch first (ADR 0009).
    pub fn may_go_back_unseen(&mut self) {
        self.unseen = true;
    }

    /// A record of a batch that was not refused before is where Connect is.
    pub fn shows_itself(&mut self) {
        self.unseen = false;
    }
}

impl Feed {
    fn new(slot: usize) -> Self {
        Feed {
            slot,
            committed: None,
            txn: None,
            taken_over: None,
            remembered: None,
            put_up: None,
            set_at: None,
            readiness: Readiness::Loading,
            in_flight_from: None,
            cursor: FeedCursor::default(),
        }
    }

    pub fn is_loading(&self) -> bool {
        self.readiness == Readiness::Loading
    }

    pub fn is_running(&self) -> bool {
        self.readiness == Readiness::Running
    }

    /// Whether the table does not have, nor is about to have, what is at `offset`.
    pub fn wants(&self, offset: i64) -> bool {
        self.cursor.position.is_none_or(|position| offset >= position)
    }

    /// The record at `offset` is dealt with, and makes a row unless [`Feed::no_row`] is called.
    pub fn take(&mut self, offset: i64) {
        let cursor = &mut self.cursor;
        cursor.open_from.get_or_insert(offset);
        cursor.first_open.get_or_insert(offset);
        cursor.open_rows += 1;
        cursor.position = Some(offset + 1);
    }

    /// One of the records that were taken makes no row after all.
    pub fn no_row(&mut self) {
        self.cursor.open_rows -= 1;
    }

    pub fn has_open(&self) -> bool {
        self.is_running() && self.cursor.position > self.cursor.open_from
    }

    /// The lowest offset that was taken and may not be in the table.
    fn uncommitted(&self) -> Option<i64> {
        self.in_flight_from.or(self.cursor.first_open)
    }

    /// The unit that was up for commit is in the table.
    pub fn committed(&mut self, to: i64) {
        self.committed = Some(to);
        self.txn = Some(Some(to));
        self.set_at = self.put_up;
        self.in_flight_from = None;
    }

    /// Whether the table was found without an offset to start from.
    pub fn holds_nothing(&self) -> bool {
        !self.is_loading() && self.committed.is_none()
    }

    /// Whether the offset has to be set again, in a table where it has to be after `keep` ms.
    pub fn expires(&self, now: u64, keep: Option<u64>) -> bool {
        let due = |keep| self.set_at.is_none_or(|set_at| now.saturating_sub(set_at) >= keep);
        self.is_running() && self.committed.is_some() && keep.is_some_and(due)
    }

    /// Ends the open interval and starts the next one where it ends.
    pub fn cut(&mut self, of: (&TopicPartition, &str), now: u64, keep: Option<u64>) -> Option<Interval> {
        if !self.has_open() && !self.expires(now, keep) {
            return None;
        }
        self.put_up = Some(now);
        let cursor = &mut self.cursor;
        let (from, to) = (cursor.open_from?, cursor.position?);
        let rows = std::mem::take(&mut cursor.open_rows);
        self.in_flight_from = cursor.first_open.take();
        cursor.open_from = Some(to);
        Some(Interval {
            partition: of.0.clone(),
            app_id: of.1.to_owned(),
            expected: self.txn.flatten(),
            from,
            to,
            rows,
            taken_over: self.taken_over.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(held: Option<i64>) -> Partition {
        let mut partition = Partition::new(TopicPartition::new("t", 0), "sluice/c/t/0".into(), &[0]);
        partition.loaded(0, held, None, false).unwrap();
        partition
    }

    fn take(partition: &mut Partition, offset: i64, makes_row: bool) {
        for feed in partition.feeds.iter_mut().filter(|feed| feed.wants(offset)) {
            feed.take(offset);
            if !makes_row {
                feed.no_row();
            }
        }
        partition.pass(offset);
    }

    fn cut(partition: &mut Partition) -> Option<Interval> {
        cut_of(partition, 0)
    }

    fn cut_of(partition: &mut Partition, slot: usize) -> Option<Interval> {
        let at = partition.topic_partition.clone();
        partition.feed_of(slot).cut((&at, "app"), 0, None)
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
        take(&mut p, 10, true);
        take(&mut p, 11, true);
        p.feeds[0].committed(12);
        assert_eq!(p.admit(10), Admission::Redelivered, "Connect was not told of 12");
        p.give(12);
        assert_eq!(p.admit(10), Admission::Redelivered, "Connect may not have committed 12");
        p.give(12);
        assert_eq!(p.admit(10), Admission::Redelivered, "it went back, so it had not");
        p.give(12);
        p.give(12);
        assert_eq!(p.admit(10), Admission::BelowTable(12));
    }

    #[test]
    fn without_an_offset_in_the_table_nothing_that_was_dropped_is_lost() {
        let mut p = partition(None);
        assert_eq!((p.admit(7), p.admit(8)), (Admission::NotReady, Admission::NotReady));
        assert_eq!(p.start_running(), Some(7));
        take(&mut p, 7, true);
        assert_eq!(cut(&mut p).map(|i| (i.expected, i.from, i.to, i.rows)), Some((None, 7, 8, 1)));
    }

    #[test]
    fn a_reset_goes_back_to_the_first_row_where_the_table_holds_no_offset() {
        let mut p = partition(None);
        p.start_running();
        for offset in 7..10 {
            assert_eq!(p.admit(offset), Admission::Take);
            take(&mut p, offset, true);
        }
        cut(&mut p);
        p.reset(0);
        p.loaded(0, None, None, false).unwrap();
        assert_eq!(p.start_running(), Some(7));
    }

    #[test]
    fn after_a_reset_the_table_holds_no_offset_and_rows_start_from_the_reset() {
        let mut p = partition(Some(-1));
        assert_eq!(p.start_running(), None, "Connect's own offset says where to start");
        assert_eq!((p.admit(3), p.committable(50)), (Admission::Take, None));
        take(&mut p, 3, true);
        let interval = cut(&mut p).unwrap();
        assert_eq!(
            (interval.expected, interval.from),
            (Some(-1), 3),
            "fenced where the table holds none at all"
        );
        p.reset(0);
        p.loaded(0, Some(-1), None, false).unwrap();
        assert_eq!(p.start_running(), Some(3), "the same reset is no news");
    }

    /// A task of before the reset would take its own place for that of the new ones.
    #[test]
    fn a_task_that_sees_its_offset_reset_does_not_go_on() {
        for known in [None, Some(10)] {
            let mut p = partition(known);
            p.start_running();
            take(&mut p, 10, true);
            p.reset(0);
            assert_eq!(p.loaded(0, Some(-1), None, false).unwrap_err().code, Code::OffsetsReset);
        }
    }

    #[test]
    fn a_task_whose_offset_was_altered_goes_on_from_there() {
        for altered in [3, 40] {
            let mut p = partition(Some(10));
            p.start_running();
            take(&mut p, 10, true);
            p.reset(0);
            p.loaded(0, Some(altered), None, false).unwrap();
            assert_eq!(p.start_running(), Some(altered));
            assert_eq!(p.admit(altered), Admission::Take);
            take(&mut p, altered, true);
            assert_eq!(cut(&mut p).map(|i| (i.expected, i.from)), Some((Some(altered), altered)));
        }
    }

    #[test]
    fn intervals_join_over_gaps_and_rowless_records() {
        let mut p = partition(Some(10));
        p.start_running();
        take(&mut p, 14, false);
        let first = cut(&mut p).unwrap();
        p.feeds[0].committed(first.to);
        take(&mut p, 20, true);
        let second = cut(&mut p).unwrap();
        assert_eq!((first.from, first.to, first.rows), (10, 15, 0));
        assert_eq!((second.expected, second.from, second.to, second.rows), (Some(15), 15, 21, 1));
        assert_eq!(cut(&mut p), None, "nothing was taken since");
    }

    #[test]
    fn a_partition_of_which_nothing_comes_through_follows_connect() {
        let mut p = partition(None);
        assert_eq!(p.committable(50), None, "not before it is known where to start");
        p.start_running();
        assert_eq!(p.committable(50), Some(50));
        p.admit(60);
        take(&mut p, 60, true);
        assert_eq!(p.committable(61), None, "I2: the row is not in the table");
    }

    /// Connect still names the offset from before the rewind until its next poll.
    #[test]
    fn a_stale_consumed_offset_does_not_skip_what_is_rewound() {
        let mut p = partition(Some(10));
        p.start_running();
        p.consumed_up_to(90);
        assert_eq!(p.feeds[0].cursor.position, Some(10));
        p.consumed_up_to(10);
        p.consumed_up_to(12);
        assert_eq!(
            p.feeds[0].cursor.position,
            Some(12),
            "filtered records move the offset once the rewind is seen"
        );
    }

    fn feeding_two(held: [Option<i64>; 2]) -> Partition {
        let mut partition = Partition::new(TopicPartition::new("t", 0), "sluice/c/t/0".into(), &[0, 1]);
        partition.loaded(0, held[0], None, false).unwrap();
        assert_eq!(partition.start_running(), None, "not before all tables are loaded");
        partition.loaded(1, held[1], None, false).unwrap();
        partition
    }

    #[test]
    fn connect_starts_at_the_lowest_of_several_tables_and_each_skips_what_it_has() {
        let mut p = feeding_two([Some(10), Some(7)]);
        assert_eq!(p.start_running(), Some(7));
        assert_eq!(p.admit(6), Admission::BelowTable(7));
        assert_eq!(p.admit(7), Admission::Take);
        assert_eq!(p.feeds.iter().map(|feed| feed.wants(7)).collect::<Vec<_>>(), [false, true]);
        for offset in 7..12 {
            take(&mut p, offset, true);
        }
        let intervals = [cut_of(&mut p, 0).unwrap(), cut_of(&mut p, 1).unwrap()];
        assert_eq!(intervals.map(|i| (i.from, i.to, i.rows)), [(10, 12, 2), (7, 12, 5)]);
        p.feeds[0].committed(12);
        assert_eq!(p.committable(12), Some(7), "I2: the other table has not got there");
        p.feeds[1].committed(12);
        assert_eq!(p.committable(12), Some(12));
    }

    /// Another task had moved one of the tables on. Lost rows of the other table if Connect were told to go on from there.
    #[test]
    fn a_table_that_is_loaded_again_does_not_take_connect_past_what_another_one_needs() {
        let mut p = feeding_two([Some(10), Some(10)]);
        assert_eq!(p.start_running(), Some(10));
        for offset in 10..15 {
            take(&mut p, offset, true);
        }
        p.reset(0);
        p.loaded(0, Some(20), None, false).unwrap();
        assert_eq!(p.start_running(), Some(15));
        assert_eq!(p.admit(15), Admission::Take);
        assert_eq!(p.feeds.iter().map(|feed| feed.wants(15)).collect::<Vec<_>>(), [false, true]);
    }

    /// A table that was added later holds nothing, and Connect's own offset is the lowest that any of them needs.
    #[test]
    fn a_table_without_an_offset_takes_what_connect_delivers() {
        let mut p = feeding_two([Some(10), None]);
        assert_eq!(p.start_running(), None);
        assert_eq!(p.admit(5), Admission::Take);
        take(&mut p, 5, true);
        assert_eq!(p.committable(6), None, "I2");
        assert_eq!(cut_of(&mut p, 1).map(|i| (i.expected, i.from, i.to)), Some((None, 5, 6)));
        assert_eq!(cut_of(&mut p, 0), None, "below what it holds");
    }

    fn routed() -> Partition {
        Partition::routed(TopicPartition::new("t", 0), "sluice/c/t/0".into())
    }

    fn routes(p: &mut Partition, slot: usize, held: Option<i64>) {
        assert!(p.feed_of(slot).is_loading());
        p.loaded(slot, held, None, false).unwrap();
        assert!(p.is_running());
    }

    #[test]
    fn connects_offset_waits_for_the_lowest_row_that_no_table_has_yet() {
        let mut p = routed();
        assert_eq!((p.is_running(), p.committable(50)), (true, Some(50)));
        routes(&mut p, 0, None);
        routes(&mut p, 1, Some(52));
        for (offset, slot) in [(50, 0), (51, 1), (52, 1), (53, 0)] {
            assert_eq!(p.admit(offset), Admission::Take);
            let feed = p.feed_of(slot);
            assert_eq!(feed.wants(offset), offset != 51, "the table has it from before");
            if feed.wants(offset) {
                feed.take(offset);
            }
            p.pass(offset);
        }
        assert_eq!(p.committable(54), Some(50));
        assert_eq!(cut_of(&mut p, 0).map(|i| (i.from, i.to, i.rows)), Some((50, 54, 2)));
        assert_eq!(p.committable(54), Some(50), "I2: it is only up for commit");
        p.feed_of(0).committed(54);
        assert_eq!(p.committable(54), Some(52));
        assert_eq!(cut_of(&mut p, 1).map(|i| (i.expected, i.from, i.to)), Some((Some(52), 52, 53)));
        p.feed_of(1).committed(53);
        assert_eq!(p.committable(54), Some(54), "nothing is held back");
    }

    #[test]
    fn a_routed_partition_goes_back_to_the_lowest_row_that_was_lost() {
        let mut p = routed();
        routes(&mut p, 0, None);
        routes(&mut p, 1, None);
        for (offset, slot) in [(5, 1), (6, 0), (7, 1)] {
            p.feed_of(slot).take(offset);
            p.pass(offset);
        }
        p.reset(0);
        assert_eq!((p.admit(8), p.committable(9)), (Admission::NotReady, None));
        assert_eq!(p.start_running(), Some(6));
        p.loaded(0, None, None, false).unwrap();
        assert_eq!(p.committable(9), None, "Connect has not gone back yet");
        assert_eq!(p.admit(6), Admission::Take);
        assert!(p.feed_of(0).wants(6) && !p.feed_of(1).wants(7));
        p.reset(1);
        assert_eq!(p.start_running(), Some(5));
    }

    /// Lost a row if Connect were told the second offset: it delivers the first ones when nothing is taken.
    #[test]
    fn a_partition_that_went_back_for_one_table_stays_there_when_another_one_lost_later_rows() {
        let mut p = routed();
        routes(&mut p, 0, None);
        routes(&mut p, 1, None);
        for (offset, slot) in [(5, 0), (6, 1)] {
            p.feed_of(slot).take(offset);
            p.pass(offset);
        }
        p.reset(0);
        assert_eq!(p.start_running(), Some(5));
        p.loaded(0, None, None, false).unwrap();
        p.reset(1);
        assert_eq!(p.admit(5), Admission::NotReady);
        assert_eq!(p.start_running(), Some(5));
    }
}
