//! Log lines wait here for Java to fetch them: Rust never calls Java. Too many push out the oldest.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use sluice_core::wire::Reply;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, error};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const MOST_LINES: usize = 8192;
const LONGEST_LINE: usize = 16 << 10;

struct Line {
    level: Level,
    context: String,
    target: &'static str,
    message: String,
}

#[derive(Default)]
struct Lines {
    waiting: VecDeque<Line>,
    dropped: u64,
}

static LINES: Mutex<Lines> = Mutex::new(Lines { waiting: VecDeque::new(), dropped: 0 });
static ARRIVED: Condvar = Condvar::new();

thread_local! {
    /// Connect's name for the task that this thread works for, as it stands in the worker's log.
    static CONTEXT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a call under the name of its task.
pub fn within<T>(context: &str, call: impl FnOnce() -> T) -> T {
    CONTEXT.with_borrow_mut(|current| context.clone_into(current));
    let outcome = call();
    CONTEXT.with_borrow_mut(String::clear);
    outcome
}

struct Collector;

impl<S: Subscriber> Layer<S> for Collector {
    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        let most = if metadata.target().starts_with("sluice") { Level::INFO } else { Level::WARN };
        metadata.is_event() && *metadata.level() <= most
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let mut message = text.0;
        if message.len() > LONGEST_LINE {
            message.truncate(message.floor_char_boundary(LONGEST_LINE));
            message.push('…');
        }
        let context = CONTEXT.with_borrow(String::clone);
        let line =
            Line { level: *event.metadata().level(), context, target: event.metadata().target(), message };
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.waiting.len() == MOST_LINES {
            lines.waiting.pop_front();
            lines.dropped += 1;
        }
        lines.waiting.push_back(line);
        ARRIVED.notify_one();
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        // Writing to a String does not fail.
        let _ = written;
    }
}

/// Once for each loaded copy of the library.
pub fn start() {
    // A second call finds the subscriber in place.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Collector));
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or(String::new(), |place| format!(" at {place}"));
        let trace = std::backtrace::Backtrace::force_capture();
        error!("defect{place}: {}\n{trace}", panic_message(panic.payload()));
    }));
}

pub fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}

/// All waiting lines; waits up to the time-out for the first.
pub fn drain(timeout_ms: i32) -> Reply {
    let timeout = Duration::from_millis(timeout_ms.clamp(0, 60_000) as u64);
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut lines, _) = ARRIVED
        .wait_timeout_while(lines, timeout, |lines| lines.waiting.is_empty())
        .unwrap_or_else(PoisonError::into_inner);
    let dropped = std::mem::take(&mut lines.dropped);
    let mut taken = std::mem::take(&mut lines.waiting);
    drop(lines);
    if dropped > 0 {
        let message = format!("{dropped} older log lines were dropped");
        taken.push_front(Line { level: Level::WARN, context: String::new(), target: "sluice_jni", message });
    }
    Reply::ok().list(taken.into_iter(), |reply, line| {
        let level = match line.level {
            Level::ERROR => 1,
            Level::WARN => 2,
            Level::INFO => 3,
            Level::DEBUG => 4,
            Level::TRACE => 5,
        };
        reply.u8(level).str(&line.context).str(line.target).str(&line.message)
    })
}
