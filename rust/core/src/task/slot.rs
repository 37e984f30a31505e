//! One table of a task: how its rows are made, its open unit and the unit that is up for commit.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;

use super::port::Table;
use super::rows::{Rows, wanted_by};
use crate::crossing::Segment;
use crate::error::{Code, Error, Result};
use crate::offsets::Interval;
use crate::raw::{RawSettings, Schemas, Writers};
use crate::schema::Schema;
use crate::settings::{Settings, TableSettings};
use crate::table::{TXN_RETENTION, TableInfo};

pub struct Slot<T> {
    pub uri: String,
    pub table: T,
    pub settings: Arc<TableSettings>,
    raw: Arc<RawSettings>,
    schemas: Option<Arc<dyn Schemas>>,
    commit_interval: Duration,
    /// How much later than the multiples of that interval its units are due, in ms.
    phase: u64,
    /// How rows are made for the table; none until it is loaded or created.
    pub rows: Option<Rows>,
    pub in_flight: Option<InFlight>,
    /// After how many ms an offset is set again, so that the table does not forget it.
    pub keep: Option<u64>,
    /// The table was asked for offsets and has not answered.
    pub load_asked: bool,
    /// That answer is of no use, or there was no time to ask: ask (again).
    pub load_again: bool,
    /// The table was asked to be created or to grow and has not answered.
    pub evolving: bool,
    /// Puts up for commit whatever there is, without waiting for a limit.
    pub drain: bool,
    open_bytes: u64,
    open_records: u64,
    /// When the open unit got its first record, in the driver's ms.
    pub open_since: Option<u64>,
}

/// A unit that is up for commit.
pub struct InFlight {
    /// Partition ids, each with the offset that the table holds afterwards.
    pub ends: Vec<(usize, i64)>,
    /// When it got its first record, and when it was put up, in the driver's ms.
    since: Option<u64>,
    pub put_up: u64,
}

impl<T: Table> Slot<T> {
    pub fn new(
        table: T,
        uri: String,
        settings: Arc<TableSettings>,
        of_all: &Settings,
        schemas: Option<Arc<dyn Schemas>>,
    ) -> Self {
        Slot {
            phase: phase(&uri, of_all.commit_interval.as_millis() as u64),
            uri,
            table,
            settings,
            raw: of_all.raw.clone(),
            schemas,
            commit_interval: of_all.commit_interval,
            rows: None,
            in_flight: None,
            keep: None,
            load_asked: false,
            load_again: false,
            evolving: false,
            drain: false,
            open_bytes: 0,
            open_records: 0,
            open_since: None,
        }
    }

    /// The table as it is from now on. Asks for the columns that the settings want and it does not have.
    pub fn set_table(&mut self, table: Arc<TableInfo>) -> Result<()> {
        if self.rows.as_ref().is_some_and(|rows| Arc::ptr_eq(rows.table(), &table) || *rows.table() == table)
        {
            return Ok(());
        }
        self.keep = self.keep_of(&table)?;
        if let Some(wanted) = self.settings.wants_of(&table)? {
            self.rows = None;
            self.evolving = true;
            self.table.evolve(wanted);
            return Ok(());
        }
        self.rows = Some(Rows::new(table, &self.settings, &self.raw, &self.schemas)?);
        Ok(())
    }

    /// The columns of the table, which is not there yet, by the first rows that go to it. None: they say nothing.
    pub fn wanted_by(&self, segment: &Segment, rows: &[usize]) -> Result<Schema> {
        wanted_by(&self.settings, &mut Writers::new(&self.raw, &self.schemas), segment, rows)
    }

    /// Half of the time that the table keeps an offset. It has to keep one for two commit intervals: partitions that rows
    /// come of then never need to set theirs for this alone.
    fn keep_of(&self, table: &TableInfo) -> Result<Option<u64>> {
        let Some(retention) = table.txn_retention()? else { return Ok(None) };
        if retention < 2 * self.commit_interval {
            let message = format!(
                "table {} forgets offsets after {} ms ({TXN_RETENTION}), which is less than twice delta.commit.interval.ms; \
                 change one of the two",
                self.uri,
                retention.as_millis()
            );
            return Err(Error::new(Code::TableUnsupported, message));
        }
        Ok(Some(retention.as_millis() as u64 / 2))
    }

    /// A batch is taken: what of it came to this table goes to the open unit.
    pub fn hand_over(&mut self, now: u64, records: u64, bytes: u64, batches: Vec<RecordBatch>) {
        if records > 0 {
            self.open_since.get_or_insert(now);
        }
        self.open_bytes += bytes;
        self.open_records += records;
        if let Some(rows) = &self.rows {
            batches.into_iter().for_each(|batch| self.table.write(rows.table(), batch));
        }
    }

    /// When the open unit is due by time: at most an interval after its first record. Units of all tasks of a process for one
    /// table are due at the same moments, so that they meet in one commit, and those for other tables at others, so that not
    /// all commit at once. Processes differ by when their clock started.
    pub fn due_at(&self) -> Option<u64> {
        let interval = self.commit_interval.as_millis() as u64;
        let past = (self.open_since? + interval - self.phase) % interval;
        Some(self.open_since? + interval - past)
    }

    /// Rows have to get out of memory before more are taken.
    pub fn lacks_memory(&self) -> bool {
        self.table.lacks_memory()
    }

    pub fn is_due(&self, now: u64, settings: &Settings) -> bool {
        self.drain
            || self.lacks_memory()
            || settings.commit_max_bytes.is_some_and(|max| self.open_bytes >= max.get())
            || settings.commit_max_records.is_some_and(|max| self.open_records >= max.get())
            || self.due_at().is_some_and(|due| now >= due)
    }

    /// When the oldest record came that is not in the table.
    pub fn oldest(&self) -> Option<u64> {
        let in_flight = self.in_flight.as_ref().and_then(|unit| unit.since);
        in_flight.or(self.open_since)
    }

    pub fn commit(&mut self, now: u64, ids: Vec<usize>, intervals: Vec<Interval>) {
        let ends = ids.into_iter().zip(intervals.iter().map(|interval| interval.to)).collect();
        self.in_flight = Some(InFlight { ends, since: self.open_since, put_up: now });
        self.start_unit();
        self.table.commit(intervals);
    }

    pub fn discard(&mut self) {
        self.start_unit();
        self.table.discard();
    }

    fn start_unit(&mut self) {
        (self.open_bytes, self.open_records, self.open_since) = (0, 0, None);
    }
}

/// Where in the interval a table's units are due: by its name alone, as all tasks that write it have to agree, and by a hash
/// (FNV-1a) that is the same in each process, as a simulation has to replay.
fn phase(uri: &str, interval: u64) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    uri.bytes().fold(0xcbf2_9ce4_8422_2325, mix) % interval
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Event;

    struct NoTable;

    impl Table for NoTable {
        fn load(&mut self, _app_ids: Vec<String>) {}

        fn evolve(&mut self, _wanted: Schema) {}

        fn write(&mut self, _table: &Arc<TableInfo>, _rows: RecordBatch) {}

        fn backlog(&self) -> usize {
            0
        }

        fn lacks_memory(&self) -> bool {
            false
        }

        fn commit(&mut self, _intervals: Vec<Interval>) {}

        fn discard(&mut self) {}

        fn poll(&mut self) -> Option<Event> {
            None
        }
    }

    /// When a task's unit for the table is due that got its first record at `since`.
    fn due(uri: &str, interval: u64, since: u64) -> u64 {
        let given = [
            ("name", "k".to_owned()),
            ("delta.table.uri", "/t".to_owned()),
            ("delta.commit.interval.ms", interval.to_string()),
        ];
        let given = given.map(|(key, value)| (key.to_owned(), value)).into();
        let settings = Settings::parse(&given).unwrap();
        let mut slot = Slot::new(NoTable, uri.into(), settings.of_table("t").clone(), &settings, None);
        slot.hand_over(since, 1, 1, vec![]);
        let due = slot.due_at().unwrap();
        assert!(!slot.is_due(due - 1, &settings) && slot.is_due(due, &settings));
        due
    }

    #[test]
    fn a_unit_is_due_within_an_interval_and_meets_those_of_other_tasks() {
        for interval in [100, 1_000, 60_000] {
            let start = due("file:///t/", interval, 7 * interval);
            for since in [start, start + 1, start + interval / 2, start + interval - 1] {
                assert_eq!(due("file:///t/", interval, since), start + interval, "{interval}, {since}");
            }
        }
        let moment = due("file:///t/", 60_000, 0);
        assert_eq!(
            due("file:///t/", 20_000, moment - 1),
            moment,
            "connectors with different intervals meet, too"
        );
    }

    #[test]
    fn tables_take_turns() {
        let interval = 10_000;
        let mut tenths = [0; 10];
        for table in 0..100 {
            tenths[(due(&format!("s3://bucket/tables/{table}/"), interval, 0) - 1) as usize / 1_000] += 1;
        }
        assert!(tenths.iter().all(|units| (3..=20).contains(units)), "{tenths:?}");
    }
}
