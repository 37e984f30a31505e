//! A table in memory that answers at once.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::RecordBatch;
use sluice_core::offsets::Interval;
use sluice_core::schema::Schema;
use sluice_core::settings::TableSettings;
use sluice_core::table::TableInfo;
use sluice_core::task::{Event, Table, Tables, Written};

/// What the tables of a task hold.
#[derive(Default)]
pub struct Held {
    pub offsets: HashMap<String, i64>,
    pub rows: usize,
}

/// Every location is a table of this schema.
pub struct Memory {
    pub schema: Schema,
    pub held: Rc<RefCell<Held>>,
}

pub struct MemoryTable {
    table: Arc<TableInfo>,
    held: Rc<RefCell<Held>>,
    open_rows: usize,
    events: VecDeque<Event>,
}

impl Tables for Memory {
    type Table = MemoryTable;
    type Room = ();

    fn open(&mut self, _uri: &str, _settings: &Arc<TableSettings>) -> MemoryTable {
        MemoryTable {
            table: Arc::new(TableInfo::unpartitioned(self.schema.clone())),
            held: self.held.clone(),
            open_rows: 0,
            events: VecDeque::new(),
        }
    }

    fn room(&self, _bytes: u64) -> Option<()> {
        Some(())
    }
}

impl Table for MemoryTable {
    fn load(&mut self, app_ids: Vec<String>) {
        let held = self.held.borrow();
        let offsets = app_ids.into_iter().map(|app_id| {
            let offset = held.offsets.get(&app_id).copied();
            (app_id, offset)
        });
        self.events.push_back(Event::Loaded { table: Some(self.table.clone()), offsets: offsets.collect() });
    }

    fn evolve(&mut self, _wanted: Schema) {
        unreachable!("the settings do not allow it")
    }

    fn write(&mut self, _table: &Arc<TableInfo>, rows: RecordBatch) {
        self.open_rows += rows.num_rows();
    }

    fn backlog(&self) -> usize {
        0
    }

    fn lacks_memory(&self) -> bool {
        false
    }

    /// Checks what a unit promises: rows and intervals agree, and an interval starts where the table's offset is.
    fn commit(&mut self, intervals: Vec<Interval>) {
        let rows = std::mem::take(&mut self.open_rows);
        assert_eq!(intervals.iter().map(|interval| interval.rows).sum::<u64>(), rows as u64);
        let mut held = self.held.borrow_mut();
        for interval in intervals {
            assert!(interval.from < interval.to, "{interval:?}");
            let before = held.offsets.insert(interval.app_id.clone(), interval.to);
            assert_eq!(before, interval.expected, "{interval:?}");
            assert!(before.is_none_or(|before| before == interval.from), "{interval:?}");
        }
        held.rows += rows;
        self.events.push_back(Event::Committed {
            version: 1,
            table: self.table.clone(),
            written: Written::default(),
        });
    }

    fn discard(&mut self) {
        self.open_rows = 0;
    }

    fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
