//! Tests of tasks that write several tables, and of tables that are created and grow.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::driver::{Call, Open, Put};
use super::*;
use crate::crossing::{encode_raw, read_batch};
use crate::metrics::{Metric, RECORDS, RECORDS_ERRANT, RECORDS_SKIPPED, ROWS, UNKNOWN_FIELDS};
use crate::offsets::Interval;
use crate::schema::{Schema, merge};
use crate::settings::TableSettings;

/// What a table holds, and what was asked of it and not yet answered.
#[derive(Default)]
struct Held {
    info: Option<Arc<TableInfo>>,
    offsets: HashMap<String, i64>,
    /// The values of column `v`.
    rows: Vec<i64>,
    versions: u64,
    evolutions: u64,
}

/// Tables in memory by location, and their unanswered requests in the order of asking.
#[derive(Default)]
struct World {
    tables: BTreeMap<String, Held>,
    asked: VecDeque<(usize, String, Arc<TableSettings>, Ask)>,
    events: Vec<VecDeque<Event>>,
    /// The next write of rows, or of a unit's files, fails.
    fail_write: bool,
}

enum Ask {
    Load(Vec<String>),
    Evolve(Schema),
    Commit(Vec<Interval>, Vec<i64>),
}

impl World {
    fn answer(&mut self) -> bool {
        let Some((handle, uri, settings, ask)) = self.asked.pop_front() else { return false };
        let table = self.tables.entry(uri).or_default();
        let event = match ask {
            Ask::Load(app_ids) => {
                let offsets =
                    app_ids.into_iter().map(|id| (id.clone(), table.offsets.get(&id).copied())).collect();
                Event::Loaded { table: table.info.clone(), offsets }
            }
            Ask::Evolve(wanted) => {
                table.evolutions += 1;
                let schema = match &table.info {
                    None => wanted,
                    Some(info) => merge(&info.schema, &wanted, settings.evolution, false)
                        .unwrap()
                        .unwrap_or_else(|| info.schema.clone()),
                };
                let info = Arc::new(TableInfo::unpartitioned(schema));
                table.info = Some(info.clone());
                Event::Evolved { table: info }
            }
            Ask::Commit(intervals, rows) => table.commit(intervals, rows),
        };
        self.events[handle].push_back(event);
        true
    }
}

impl Held {
    fn commit(&mut self, intervals: Vec<Interval>, rows: Vec<i64>) -> Event {
        if intervals.iter().any(|interval| self.offsets.get(&interval.app_id).copied() != interval.expected) {
            return Event::Fenced { reason: "test".into() };
        }
        assert_eq!(intervals.iter().map(|interval| interval.rows).sum::<u64>(), rows.len() as u64);
        for interval in intervals {
            assert!(interval.from < interval.to, "{interval:?}");
            let before = self.offsets.insert(interval.app_id.clone(), interval.to);
            assert!(before.is_none_or(|before| before == interval.from), "I4: {interval:?}");
        }
        self.rows.extend(rows);
        self.versions += 1;
        let table = self.info.clone().expect("a table");
        Event::Committed { version: self.versions, table, written: Written::default() }
    }
}

struct Fakes(Rc<RefCell<World>>);

struct Fake {
    world: Rc<RefCell<World>>,
    settings: Arc<TableSettings>,
    handle: usize,
    uri: String,
    open: Vec<i64>,
    /// The open unit is lost, and what is written is dropped, until it is discarded.
    failed: bool,
}

impl Fake {
    fn unwritten(&mut self, put_up: bool) {
        self.open.clear();
        self.failed = true;
        self.world.borrow_mut().events[self.handle].push_back(Event::Unwritten { put_up });
    }

    fn fails(&self) -> bool {
        std::mem::take(&mut self.world.borrow_mut().fail_write)
    }

    fn ask(&self, ask: Ask) {
        let asked = (self.handle, self.uri.clone(), self.settings.clone(), ask);
        self.world.borrow_mut().asked.push_back(asked);
    }
}

impl Tables for Fakes {
    type Table = Fake;
    type Room = ();

    fn open(&mut self, uri: &str, settings: &Arc<TableSettings>) -> Fake {
        let mut world = self.0.borrow_mut();
        world.events.push(VecDeque::new());
        Fake {
            world: self.0.clone(),
            settings: settings.clone(),
            handle: world.events.len() - 1,
            uri: uri.to_owned(),
            open: vec![],
            failed: false,
        }
    }

    fn room(&self, _bytes: u64) -> Option<()> {
        Some(())
    }
}

impl Table for Fake {
    fn load(&mut self, app_ids: Vec<String>) {
        self.ask(Ask::Load(app_ids));
    }

    fn evolve(&mut self, wanted: Schema) {
        self.ask(Ask::Evolve(wanted));
    }

    fn write(&mut self, table: &Arc<TableInfo>, rows: RecordBatch) {
        assert_eq!(rows.schema(), table.schema.arrow(), "rows are made for the table that is told");
        if self.failed {
            return;
        }
        if self.fails() {
            return self.unwritten(false);
        }
        let values = rows.column_by_name("v").expect("a column");
        self.open.extend(values.as_primitive::<Int64Type>().values());
    }

    fn backlog(&self) -> usize {
        0
    }

    fn lacks_memory(&self) -> bool {
        false
    }

    fn commit(&mut self, intervals: Vec<Interval>) {
        if self.failed || (!self.open.is_empty() && self.fails()) {
            return self.unwritten(true);
        }
        let rows = std::mem::take(&mut self.open);
        self.ask(Ask::Commit(intervals, rows));
    }

    fn discard(&mut self) {
        self.failed = false;
        self.open.clear();
    }

    fn poll(&mut self) -> Option<Event> {
        self.world.borrow_mut().events[self.handle].pop_front()
    }
}

struct Rig {
    world: Rc<RefCell<World>>,
    task: Task<Fakes>,
    now: u64,
}

impl Rig {
    fn new(world: &Rc<RefCell<World>>, extra: &[(&str, &str)]) -> Rig {
        let mut map: BTreeMap<String, String> = [
            ("name", "k"),
            ("delta.table.uri", "/d/${table}"),
            ("delta.table.auto.create", "true"),
            ("delta.commit.interval.ms", "1000"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        map.extend(extra.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let task = Task::new(Settings::parse(&map).unwrap(), true, Fakes(world.clone()));
        Rig { world: world.clone(), task, now: 0 }
    }

    fn open(&mut self, topic: &str) -> Vec<(i32, i64)> {
        let mut rewinds = self.task.open(self.now, vec![(0, TopicPartition::new(topic, 0))]).unwrap().rewinds;
        while self.world.borrow_mut().answer() {}
        rewinds.extend(self.task.tick(self.now).unwrap().rewinds);
        rewinds
    }

    /// As the driver does: again as long as a table is pending, up to `patience` times.
    fn put(&mut self, rows: &[(i64, Option<String>)], patience: usize) -> Result<(Actions, Vec<BadRow>)> {
        let rows = rows.iter().map(|(offset, value)| (0, *offset, value.as_deref().map(str::as_bytes)));
        let (meta, buffers) = encode_raw(rows);
        let batch = read_batch(&meta, &mut &buffers[..], self.task.registry(), Needs::default()).unwrap();
        for _ in 0..patience {
            match self.task.put(self.now, &batch) {
                Err(error) if error.code == Code::TablePending => drop(self.world.borrow_mut().answer()),
                done => return done,
            }
        }
        self.task.put(self.now, &batch)
    }

    fn settle(&mut self) -> Actions {
        let mut rewinds = Vec::new();
        for _ in 0..3 {
            self.now += 2000;
            rewinds.extend(self.task.tick(self.now).unwrap().rewinds);
            while self.world.borrow_mut().answer() {}
        }
        let last = self.task.tick(self.now).unwrap();
        rewinds.extend(last.rewinds.iter().copied());
        Actions { rewinds, ..last }
    }

    fn total(&self, metric: &Metric) -> i64 {
        self.task.meter().samples(self.now).total(metric)
    }

    /// Skipped records by reason, of those with any.
    fn skipped(&self) -> Vec<(String, i64)> {
        let samples = self.task.meter().samples(self.now).0;
        let skipped = samples.into_iter().filter(|one| *one.metric == RECORDS_SKIPPED && one.value > 0);
        skipped.map(|mut one| (one.labels.remove(0), one.value)).collect()
    }
}

fn json(offset: i64, more: &str) -> (i64, Option<String>) {
    (offset, Some(format!(r#"{{"v":{offset}{more}}}"#)))
}

fn rows(world: &Rc<RefCell<World>>, table: &str) -> Vec<i64> {
    world.borrow().tables.get(&format!("file:///d/{table}/")).map_or(vec![], |held| held.rows.clone())
}

fn columns(world: &Rc<RefCell<World>>, table: &str) -> Vec<String> {
    let world = world.borrow();
    let info = world.tables[&format!("file:///d/{table}/")].info.clone().unwrap();
    info.schema.fields.iter().map(|field| format!("{}:{}", field.name, field.data_type)).collect()
}

#[test]
fn every_table_of_a_topic_gets_every_row_and_connect_waits_for_the_last() {
    let world: Rc<RefCell<World>> = Rc::default();
    let mut rig = Rig::new(&world, &[("delta.topic2table.map", "t=a,b")]);
    rig.open("t");
    rig.put(&[json(0, ""), json(1, ""), (2, None)], 9).unwrap();
    assert_eq!(rig.task.pre_commit(&[(0, 3)]), [], "I2");
    rig.settle();
    assert_eq!((rows(&world, "a"), rows(&world, "b")), (vec![0, 1], vec![0, 1]));
    assert_eq!(rig.task.pre_commit(&[(0, 3)]), [(0, 3)]);
    assert_eq!((rig.total(&ROWS), rig.skipped()), (4, vec![("tombstone".into(), 1)]));

    // One of them lost its last unit with an earlier owner: it alone takes the rows again.
    let app_id = TopicPartition::new("t", 0).app_id("k");
    world.borrow_mut().tables.get_mut("file:///d/b/").unwrap().offsets.insert(app_id, 1);
    let mut next = Rig::new(&world, &[("delta.topic2table.map", "t=a,b")]);
    assert_eq!(next.open("t"), [(0, 1)]);
    next.put(&[json(1, ""), json(2, ""), json(3, "")], 9).unwrap();
    next.settle();
    assert_eq!((rows(&world, "a"), rows(&world, "b")), (vec![0, 1, 3], vec![0, 1, 1, 2, 3]));
}

/// The offsets of one table are there before those of the other.
#[test]
fn opening_tells_every_rewind_that_came_up_while_it_waited() {
    let world: Rc<RefCell<World>> = Rc::default();
    for (id, topic) in ["t", "u"].into_iter().enumerate() {
        let uri = format!("file:///d/{topic}/");
        let app_id = TopicPartition::new(topic, id as i32).app_id("k");
        world.borrow_mut().tables.entry(uri).or_default().offsets.insert(app_id, 5);
    }
    let mut rig = Rig::new(&world, &[]);
    let mut open = Open::new(vec![(0, TopicPartition::new("t", 0)), (1, TopicPartition::new("u", 1))]);
    for now in [0, 20] {
        assert_eq!(open.step(&mut rig.task, now), Poll::Pending);
        assert!(world.borrow_mut().answer());
    }
    let Poll::Ready(Ok(actions)) = open.step(&mut rig.task, 40) else { panic!("it waits on") };
    assert_eq!((actions.pause, actions.rewinds), (false, vec![(0, 5), (1, 5)]));
}

#[test]
fn a_batch_is_given_back_when_its_table_does_not_come() {
    let world: Rc<RefCell<World>> = Rc::default();
    let mut rig = Rig::new(&world, &[]);
    rig.open("t");
    let (meta, buffers) = encode_raw([(0, 0, Some(&br#"{"v":0}"#[..]))]);
    let batch = read_batch(&meta, &mut &buffers[..], rig.task.registry(), Needs::default()).unwrap();
    let mut put = Put::new(&batch);
    assert!(put.step(&mut rig.task, 0).is_pending() && put.step(&mut rig.task, 999).is_pending());
    let Poll::Ready(Err(error)) = put.step(&mut rig.task, 1000) else { panic!("it waits on") };
    assert_eq!(error.code, Code::TablePending);
}

#[test]
fn records_name_their_tables_and_those_that_do_not_are_told() {
    let world: Rc<RefCell<World>> = Rc::default();
    let route = [("delta.route.by", "field(to)"), ("delta.route.unmatched", "dlq")];
    let mut rig = Rig::new(&world, &route);
    assert_eq!(rig.open("t"), [], "Connect's own offset says where to start");
    let batch =
        [json(0, r#","to":"a""#), json(1, r#","to":"b""#), json(2, ""), json(3, r#","to":null"#), (4, None)];
    let (_, bad) = rig.put(&batch, 9).unwrap();
    let bad: Vec<_> = bad.iter().map(|bad| (bad.seq, bad.code)).collect();
    assert_eq!(bad, [(2, Code::RecordUnrouted), (3, Code::RecordUnrouted)]);
    assert_eq!(rig.task.pre_commit(&[(0, 5)]), [(0, 0)], "I2");
    rig.settle();
    assert_eq!((rows(&world, "a"), rows(&world, "b")), (vec![0], vec![1]));
    assert_eq!(rig.task.pre_commit(&[(0, 5)]), [(0, 5)], "nothing is held back");

    let mut skipping =
        Rig::new(&world, &[("delta.route.by", "field(to)"), ("delta.route.unmatched", "skip")]);
    skipping.open("t");
    assert_eq!(skipping.put(&[json(9, "")], 9).unwrap().1, []);
    assert_eq!(skipping.skipped(), [("unrouted".to_owned(), 1)]);
    let mut failing = Rig::new(&world, &[("delta.route.by", "field(to)")]);
    failing.open("t");
    let error = failing.put(&[json(9, "")], 9).unwrap_err();
    assert_eq!(error.code, Code::RecordUnrouted);
    assert!(error.message.contains("(topic t, partition 0, offset 9)"), "{error}");
}

#[test]
fn a_table_is_created_by_its_first_records_and_grows_before_the_rows_that_need_it() {
    let world: Rc<RefCell<World>> = Rc::default();
    let mut rig =
        Rig::new(&world, &[("delta.schema.evolution", "add"), ("delta.metadata.columns", "offset")]);
    rig.open("t");
    let refused = rig.put(&[json(0, r#","w":"x""#)], 0).unwrap_err();
    assert_eq!(refused.code, Code::TablePending);
    assert_eq!(rig.total(&RECORDS), 0, "nothing of it was taken");
    rig.put(&[json(0, r#","w":"x""#)], 9).unwrap();
    assert_eq!(columns(&world, "t"), ["v:long", "w:string", "_kafka_offset:long"]);
    // Old and new records by turns: one change of the table, and none for what tells no type.
    let mixed: Vec<_> =
        (1..9).map(|o| json(o, ["", r#","n":{"a":1.5}"#, r#","q":null"#][o as usize % 3])).collect();
    rig.put(&mixed, 9).unwrap();
    assert_eq!(columns(&world, "t"), ["v:long", "w:string", "_kafka_offset:long", "n:struct<a:double>"]);
    assert_eq!(world.borrow().tables["file:///d/t/"].evolutions, 2);
    rig.settle();
    assert_eq!(rows(&world, "t"), (0..9).collect::<Vec<_>>());
    assert_eq!(rig.total(&UNKNOWN_FIELDS), 3, "q, which is null everywhere");
}

#[test]
fn without_evolution_a_created_table_stays_as_it_is() {
    let world: Rc<RefCell<World>> = Rc::default();
    let mut rig = Rig::new(&world, &[]);
    rig.open("t");
    rig.put(&[json(0, "")], 9).unwrap();
    rig.put(&[json(1, r#","w":"x""#)], 9).unwrap();
    assert_eq!(columns(&world, "t"), ["v:long"]);
    assert_eq!(rig.total(&UNKNOWN_FIELDS), 1);
}

#[test]
fn tombstones_fail_or_are_reported_where_that_is_wanted() {
    let world: Rc<RefCell<World>> = Rc::default();
    let mut rig = Rig::new(&world, &[("behavior.on.null.values", "dlq")]);
    rig.open("t");
    let (_, bad) = rig.put(&[json(0, ""), (1, None), (2, None)], 9).unwrap();
    assert_eq!(
        bad.iter().map(|bad| (bad.seq, bad.code)).collect::<Vec<_>>(),
        [(1, Code::RecordNullValue), (2, Code::RecordNullValue)]
    );
    rig.settle();
    assert_eq!(rig.task.pre_commit(&[(0, 3)]), [(0, 3)], "the offset moves past them");
    assert_eq!((rig.total(&ROWS), rig.total(&RECORDS_ERRANT)), (1, 2));
    let mut failing = Rig::new(&world, &[("behavior.on.null.values", "fail")]);
    failing.open("t");
    assert_eq!(failing.put(&[(3, None)], 9).unwrap_err().code, Code::RecordNullValue);
}

/// Routed records, tasks that die and zombies that go on, late answers, writes that fail, batches that are refused while
/// tables are pending: every row is in its table once (I1), Connect is never told too much (I2), and the intervals join (I4).
#[test]
fn routed_rows_are_in_their_tables_once_whatever_happens() {
    for seed in 0..300 {
        route_about(seed);
    }
}

fn route_about(seed: u64) {
    const RECORDS: i64 = 80;
    let mut random = StdRng::seed_from_u64(seed);
    let world: Rc<RefCell<World>> = Rc::default();
    let route = [("delta.route.by", "field(to)"), ("delta.route.map", "0=a; 1=b,c; 2=c")];
    let mut group = 0;
    // The last one is the owner, the others are zombies. Each with where its consumer is.
    let mut tasks: Vec<(Rig, i64)> = Vec::new();
    for step in 0..3000 {
        let quiet = step > 2000;
        if tasks.is_empty() || (!quiet && random.random_bool(0.02)) {
            let mut rig = Rig::new(&world, &route);
            rig.task.open(0, vec![(0, TopicPartition::new("t", 0))]).unwrap();
            tasks.push((rig, group));
            let zombies = tasks.len() - 1;
            tasks.drain(..zombies.saturating_sub(1));
        }
        if !quiet && random.random_bool(0.02) {
            world.borrow_mut().fail_write = true;
        }
        let owner = tasks.len() - 1;
        let t = if quiet { owner } else { random.random_range(0..tasks.len()) };
        let (rig, position) = &mut tasks[t];
        match random.random_range(0..10) {
            0..5 => {
                let to = (*position + random.random_range(0..6)).min(RECORDS);
                let batch: Vec<_> =
                    (*position..to).map(|o| json(o, &format!(r#","to":{}"#, o % 3))).collect();
                match rig.put(&batch, random.random_range(0..4)) {
                    Ok((actions, bad)) => {
                        assert_eq!(bad, []);
                        *position = actions.rewinds.last().map_or(to, |(_, offset)| *offset);
                    }
                    Err(error) => assert_eq!(error.code, Code::TablePending, "seed {seed}"),
                }
            }
            5..7 => drop(world.borrow_mut().answer()),
            7..9 => {
                rig.now += 700;
                for (_, offset) in rig.task.tick(rig.now).unwrap().rewinds {
                    *position = offset;
                }
            }
            _ => {
                // A zombie's commit is refused by Kafka.
                let told = rig.task.pre_commit(&[(0, *position)]);
                if t == owner
                    && let Some((_, offset)) = told.first()
                {
                    assert!(*offset <= *position, "seed {seed}");
                    group = *offset;
                }
            }
        }
    }
    for (table, routes) in
        [("a", [true, false, false]), ("b", [false, true, false]), ("c", [false, true, true])]
    {
        let mut found = rows(&world, table);
        found.sort_unstable();
        let expected: Vec<_> = (0..RECORDS).filter(|offset| routes[(offset % 3) as usize]).collect();
        assert_eq!(found, expected, "seed {seed}, table {table}");
    }
}
