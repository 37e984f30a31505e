//! What the state machine asks of the world. Every call returns at once; what comes of it is polled.

use std::sync::Arc;

use arrow_array::RecordBatch;

use crate::error::Error;
use crate::offsets::Interval;
use crate::schema::Schema;
use crate::settings::TableSettings;
use crate::table::TableInfo;

/// Where a task's tables come from.
pub trait Tables {
    type Table: Table;
    /// Memory for a batch, given back when it is dropped.
    type Room;

    /// A handle for one task on the table at `uri`. Does no I/O.
    fn open(&mut self, uri: &str, settings: &Arc<TableSettings>) -> Self::Table;

    /// Memory to decode a batch in, of what all of the process share. None: all of that is held.
    fn room(&self, bytes: u64) -> Option<Self::Room>;
}

/// One task's handle on one table. It collects rows into the *open* unit until that is put up for commit.
pub trait Table {
    /// Asks for the table and for the offsets that it holds under `app_ids`: [`Event::Loaded`].
    fn load(&mut self, app_ids: Vec<String>);

    /// Makes the table have these columns: creates it, or adds and widens what the settings allow, in a commit of its own.
    /// Asking twice changes nothing twice. Ends with [`Event::Evolved`] or [`Event::Failed`].
    fn evolve(&mut self, wanted: Schema);

    /// Adds rows, made for `table`, to the open unit.
    fn write(&mut self, table: &Arc<TableInfo>, rows: RecordBatch);

    /// Bytes that were handed to `write` and are not yet encoded.
    fn backlog(&self) -> usize;

    /// All that the handle holds of the memory that all of the process share.
    fn held(&self) -> usize {
        self.backlog()
    }

    /// There is little left of the memory that all of the process share, and this handle holds more than its part: its rows have to get
    /// out before it takes more.
    fn lacks_memory(&self) -> bool;

    /// Puts the open unit up for commit and opens the next one. Ends with [`Event::Committed`], [`Event::Fenced`],
    /// [`Event::Unwritten`] or [`Event::Failed`]. Never called while another unit of this handle is up for commit.
    fn commit(&mut self, intervals: Vec<Interval>);

    /// Drops the rows of the open unit.
    fn discard(&mut self);

    fn poll(&mut self) -> Option<Event>;
}

/// Data files, together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    pub files: u64,
    pub rows: u64,
    pub bytes: u64,
}

impl Written {
    pub fn add(&mut self, more: Written) {
        self.files += more.files;
        self.rows += more.rows;
        self.bytes += more.bytes;
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Loaded {
        /// None: there is no table yet, and the settings want it created from the first records.
        table: Option<Arc<TableInfo>>,
        /// The app ids of the request with the `txn` version that the table has for each. A negative one stands for no
        /// offset, see [`crate::offsets::offset_of`].
        offsets: Vec<(String, Option<i64>)>,
    },
    Evolved {
        table: Arc<TableInfo>,
    },
    /// The unit's rows and offsets are in the table, at this version. `table` is the table as of then.
    Committed {
        version: u64,
        table: Arc<TableInfo>,
        written: Written,
    },
    /// The table does not hold the offsets that the unit starts from. None of its rows is in the table, or all are
    /// and somebody else moved on from there: what the table holds is what counts.
    Fenced {
        reason: String,
    },
    /// The store failed while rows were written, and they are dropped, as is all that is written until the next
    /// [`Table::discard`]: those of the unit that is up for commit where `put_up`, else those of the open unit only.
    Unwritten {
        put_up: bool,
    },
    /// The table cannot be loaded or written. Nothing further comes from this handle.
    Failed(Error),
}
