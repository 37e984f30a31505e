//! What one loaded copy of the library holds: a runtime, the tables, and the tasks by handle. No JNI here.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use once_cell::sync::Lazy;
use sluice_check::{reach, rules};
use sluice_core::crossing::{Buffers, read_batch};
use sluice_core::metrics::{ALLOCATED, LOG_LINES_DROPPED, RESERVED, RESIDENT};
use sluice_core::settings::{NAME, Settings, as_one_error};
use sluice_core::task::driver::{Call, Close, Open, Put};
use sluice_core::task::{Actions, Meter, Task};
use sluice_core::wire::{
    Alter, CROSSING_VERSION, Reply, Start, read_alter, read_open, read_start, read_validate,
};
use sluice_core::{Code, Error, Result, alter};
use sluice_delta::budget::Budget;
use sluice_delta::fail_point::FailPoint;
use sluice_delta::{BLOCKING_THREADS, Hub, TaskTables};
use sluice_registry::Registries;
use tokio::runtime::Runtime;
use tracing::Span;

use crate::{logs, memory};

const POLL: Duration = Duration::from_millis(2);

struct Process {
    /// Keeps the threads; never shut down, since the library is never unloaded.
    runtime: Runtime,
    hub: Arc<Hub>,
    registries: Registries,
    clock: Instant,
    tasks: Mutex<Tasks>,
}

static PROCESS: Lazy<Result<Process>> = Lazy::new(|| {
    memory::keep_little();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(4))
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("sluice")
        .enable_all()
        .build()
        .map_err(|e| Error::new(Code::NativeUnavailable, format!("cannot start threads: {e}")))?;
    let budget = Budget::new(memory::default_budget());
    runtime.spawn(memory::give_back(budget.clone()));
    let hub = Hub::new(runtime.handle().clone(), cores, budget);
    let registries = Registries::new(runtime.handle().clone());
    Ok(Process { runtime, hub, registries, clock: Instant::now(), tasks: Mutex::default() })
});

fn process() -> Result<&'static Process> {
    PROCESS.as_ref().map_err(Error::clone)
}

impl Process {
    /// Milliseconds since the library was loaded.
    fn now(&self) -> u64 {
        self.clock.elapsed().as_millis() as u64
    }

    fn wait_for<C: Call>(&self, mut call: C, task: &mut Task<TaskTables>) -> C::Reply {
        loop {
            match call.step(task, self.now()) {
                Poll::Ready(reply) => return reply,
                Poll::Pending => std::thread::sleep(POLL),
            }
        }
    }
}

struct Entry {
    /// The task's name in the worker's log.
    span: Span,
    /// Read without the lock, which a call may hold for seconds.
    meter: Arc<Meter>,
    /// A panic while it is locked poisons it, and with it the task.
    task: Mutex<Task<TaskTables>>,
}

/// Tasks by slot. A handle holds the slot and how often the slot was used, so that a stale one finds nothing.
#[derive(Default)]
struct Tasks {
    slots: Vec<(u32, Option<Arc<Entry>>)>,
}

impl Tasks {
    fn insert(&mut self, entry: Entry) -> i64 {
        let free = self.slots.iter().position(|(_, entry)| entry.is_none());
        let slot = free.unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() - 1
        });
        let (generation, place) = &mut self.slots[slot];
        *generation = (*generation + 1) & 0x7FFF_FFFF;
        *place = Some(Arc::new(entry));
        i64::from(*generation) << 32 | (slot as i64 + 1)
    }

    fn place(&mut self, handle: i64) -> Option<&mut Option<Arc<Entry>>> {
        let slot = usize::try_from((handle & 0xFFFF_FFFF) - 1).ok()?;
        let (generation, place) = self.slots.get_mut(slot)?;
        (i64::from(*generation) == handle >> 32).then_some(place)
    }
}

fn entry(handle: i64) -> Result<Arc<Entry>> {
    let mut tasks = process()?.tasks.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = tasks.place(handle).and_then(|place| place.clone());
    entry.ok_or_else(|| Error::new(Code::NativeHandle, format!("there is no task {handle:#x}")))
}

/// Calls the task behind a handle.
fn with_task<T>(handle: i64, call: impl FnOnce(&mut Task<TaskTables>, &Process) -> Result<T>) -> Result<T> {
    let entry = entry(handle)?;
    let process = process()?;
    entry.span.in_scope(|| match entry.task.lock() {
        Ok(mut task) => call(&mut task, process),
        Err(_) => Err(Error::new(
            Code::NativePanic,
            "the task was stopped by a defect before; see the worker's log",
        )),
    })
}

pub fn init(crossing_version: i32) -> Result<Reply> {
    if crossing_version != CROSSING_VERSION {
        return Err(Error::new(
            Code::CrossingInvalid,
            format!(
                "the jar speaks version {crossing_version} of the crossing, the library {CROSSING_VERSION}"
            ),
        ));
    }
    logs::start();
    process()?;
    Ok(Reply::ok().str(env!("CARGO_PKG_VERSION")))
}

pub fn start(request: &[u8]) -> Result<Reply> {
    let Start { has_reporter, settings } = read_start(request)?;
    let mut settings = Settings::parse(&settings).map_err(|errors| as_one_error(&errors))?;
    settings.read_schema_files(|path| {
        std::fs::read(path).map_err(|e| {
            Error::new(Code::ConfigInvalid, format!("cannot read the schema's file {}: {e}", path.display()))
        })
    })?;
    let process = process()?;
    if let Some(budget) = settings.memory_budget {
        process.hub.budget().ask(usize::try_from(budget.get()).unwrap_or(usize::MAX));
    }
    let span = logs::of_task(&settings.connector, &settings.task);
    let tables = process.hub.tables_for(&settings);
    let (mode, needs) = (settings.input_mode as u8, settings.needs().bits());
    let registry = settings.registry.as_ref().map(|registry| process.registries.of(registry)).transpose()?;
    let mut task = Task::new(settings, has_reporter, tables);
    if let Some(registry) = registry {
        task = task.with_schemas(registry);
    }
    let (meter, task) = (task.meter().clone(), Mutex::new(task));
    let mut tasks = process.tasks.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Reply::ok().i64(tasks.insert(Entry { span, meter, task })).u8(mode).u8(needs))
}

/// Called for a connector, before there is one. Waits for what the settings name where they ask for it.
pub fn validate(request: &[u8]) -> Result<Reply> {
    let mut given = read_validate(request)?;
    // Connect checks that itself.
    given.entry(NAME.to_owned()).or_insert_with(|| "unnamed".to_owned());
    let runtime = process()?.runtime.handle();
    let errors = match rules(&given, runtime) {
        Err(errors) => errors,
        Ok(settings) if settings.validate_connectivity => {
            runtime.block_on(reach(&settings, &given, runtime)).errors
        }
        Ok(_) => Vec::new(),
    };
    Ok(Reply::ok().list(errors.iter(), |reply, error| reply.str(&error.key).str(&sluice_check::text(error))))
}

/// Called for a connector, not for a task, and waits for the store: its thread is one that may.
pub fn alter_offsets(request: &[u8]) -> Result<Reply> {
    let Alter { settings: given, alterations } = read_alter(request)?;
    let settings = Settings::parse(&given).map_err(|errors| as_one_error(&errors))?;
    let process = process()?;
    logs::of_connector(&settings.connector).in_scope(|| {
        let tables = alter::plan(&settings, &given, alterations)?;
        process.hub.alter(&settings, tables)
    })?;
    Ok(Reply::ok())
}

pub fn open(handle: i64, request: &[u8]) -> Result<Reply> {
    let assigned = read_open(request)?;
    with_task(handle, |task, process| {
        let actions = process.wait_for(Open::new(assigned), task)?;
        Ok(put_actions(Reply::ok(), actions))
    })
}

fn put_actions(reply: Reply, actions: Actions) -> Reply {
    reply
        .u8(u8::from(actions.pause) | u8::from(actions.request_commit) << 1)
        .i32(i32::try_from(actions.tick_ms).unwrap_or(i32::MAX))
        .list(actions.rewinds.into_iter(), |reply, (id, offset)| reply.i32(id).i64(offset))
}

pub fn register_schema(handle: i64, descriptor: &[u8]) -> Result<Reply> {
    with_task(handle, |task, _| Ok(Reply::ok().i32(task.registry().register_schema(descriptor)?)))
}

pub fn register_topic(handle: i64, name: &[u8]) -> Result<Reply> {
    let name = std::str::from_utf8(name)
        .map_err(|_| Error::new(Code::CrossingInvalid, "a topic name that is not UTF-8"))?;
    with_task(handle, |task, _| Ok(Reply::ok().i32(task.registry().register_topic(name)?)))
}

pub fn put(handle: i64, meta: &[i32], buffers: &mut impl Buffers) -> Result<Reply> {
    with_task(handle, |task, process| {
        let needs = task.needs();
        let batch = read_batch(meta, buffers, task.registry(), needs)?;
        let (actions, bad) = process.wait_for(Put::new(&batch), task)?;
        Ok(put_actions(Reply::ok(), actions).list(bad.into_iter(), |reply, bad| {
            reply.i32(bad.seq).str(bad.code.name()).str(&bad.path).str(&bad.message)
        }))
    })
}

pub fn pre_commit(handle: i64, ids: &[i32], positions: &[i64]) -> Result<Reply> {
    if ids.len() != positions.len() {
        return Err(Error::new(Code::CrossingInvalid, "as many positions as partitions are expected"));
    }
    let asked: Vec<_> = ids.iter().copied().zip(positions.iter().copied()).collect();
    with_task(handle, |task, process| {
        let offsets = task.pre_commit(&asked);
        process.hub.reached(FailPoint::OffsetsReady);
        Ok(Reply::ok().list(offsets.into_iter(), |reply, (id, offset)| reply.i32(id).i64(offset)))
    })
}

pub fn close(handle: i64, ids: &[i32]) -> Result<Reply> {
    with_task(handle, |task, process| {
        process.wait_for(Close::new(ids), task);
        Ok(Reply::ok())
    })
}

pub fn stop(handle: i64) -> Result<Reply> {
    let mut tasks = process()?.tasks.lock().unwrap_or_else(PoisonError::into_inner);
    let gone = tasks.place(handle).and_then(Option::take);
    drop(tasks);
    // A call that is still under way keeps its task until it ends.
    drop(gone);
    Ok(Reply::ok())
}

pub fn stats(handle: i64) -> Result<Reply> {
    Ok(Reply::ok().samples(&entry(handle)?.meter.samples(process()?.now())))
}

/// What the tasks of the process share.
pub fn process_stats() -> Result<Reply> {
    let mut samples = process()?.hub.samples();
    let memory = memory::in_use();
    samples.add(&ALLOCATED, &[], memory.allocated);
    samples.add(&RESERVED, &[], memory.reserved);
    samples.add(&RESIDENT, &[], memory.resident);
    samples.add(&LOG_LINES_DROPPED, &[], logs::dropped());
    Ok(Reply::ok().samples(&samples))
}
