//! Log lines wait here for Java to fetch them: Rust never calls Java. Too many push out the oldest, and of many that are alike in a
//! short time the first ones are kept. Which levels are wanted, Java says each time that it fetches.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sluice_core::wire::Reply;
use tracing::callsite::rebuild_interest_cache;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Span, Subscriber, error, error_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::log_levels;
use crate::log_rates::{Rates, Verdict};

const MOST_LINES: usize = 8192;
const LONGEST_LINE: usize = 16 << 10;

struct Line {
    level: Level,
    context: String,
    target: &'static str,
    message: String,
}

struct Lines {
    waiting: VecDeque<Line>,
    rates: Option<Rates>,
    /// Pushed out, and not yet told.
    pushed_out: u64,
    /// All that were left out.
    dropped: u64,
}

static LINES: Mutex<Lines> =
    Mutex::new(Lines { waiting: VecDeque::new(), rates: None, pushed_out: 0, dropped: 0 });
static ARRIVED: Condvar = Condvar::new();

/// A task's name in the log, as Connect writes it. What is done within the span belongs to the task, on whatever thread.
pub fn of_task(connector: &str, task: &str) -> Span {
    error_span!("task", connector, task)
}

pub fn of_connector(connector: &str) -> Span {
    error_span!("connector", connector)
}

/// `connector.context` of what happens within a span.
struct ConnectorContext(String);

impl ConnectorContext {
    fn of(attributes: &Attributes<'_>) -> Option<Self> {
        #[derive(Default)]
        struct Names {
            connector: Option<String>,
            task: Option<String>,
        }
        impl Visit for Names {
            fn record_str(&mut self, field: &Field, value: &str) {
                match field.name() {
                    "connector" => self.connector = Some(value.to_owned()),
                    "task" => self.task = Some(value.to_owned()),
                    _ => {}
                }
            }
            fn record_debug(&mut self, _field: &Field, _value: &dyn Debug) {}
        }
        let mut names = Names::default();
        attributes.record(&mut names);
        let connector = names.connector?;
        Some(ConnectorContext(match names.task {
            Some(task) => format!("[{connector}|task-{task}] "),
            None => format!("[{connector}] "),
        }))
    }
}

struct Collector;

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Collector {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_span() || log_levels::wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, spans: Context<'_, S>) {
        if let Some(context) = ConnectorContext::of(attributes)
            && let Some(span) = spans.span(id)
        {
            span.extensions_mut().insert(context);
        }
    }

    fn on_event(&self, event: &Event<'_>, spans: Context<'_, S>) {
        let context = spans.event_scope(event).and_then(|mut scope| {
            scope
                .find_map(|span| span.extensions().get::<ConnectorContext>().map(|context| context.0.clone()))
        });
        let mut text = Text(String::new());
        event.record(&mut text);
        let mut message = text.0;
        if message.len() > LONGEST_LINE {
            message.truncate(message.floor_char_boundary(LONGEST_LINE));
            message.push('…');
        }
        let metadata = event.metadata();
        let (level, target) = (*metadata.level(), metadata.target());
        let line = Line { level, context: context.unwrap_or_default(), target, message };
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        lines.take(metadata, line, Instant::now());
        ARRIVED.notify_one();
    }
}

impl Lines {
    fn take(&mut self, metadata: &Metadata<'_>, line: Line, now: Instant) {
        // Who asks for these levels wants all of them.
        if line.level <= Level::INFO {
            let rates = self.rates.get_or_insert_with(Rates::default);
            if rates.see(metadata.callsite(), &line.context, now) == Verdict::LeaveOut {
                self.dropped += 1;
                return rates.remember(
                    metadata.callsite(),
                    &line.context,
                    line.level,
                    line.target,
                    &line.message,
                );
            }
        }
        if self.waiting.len() == MOST_LINES {
            self.waiting.pop_front();
            self.pushed_out += 1;
            self.dropped += 1;
        }
        self.waiting.push_back(line);
    }

    /// What waits, and what is to be said of what does not.
    fn give(&mut self, now: Instant) -> VecDeque<Line> {
        let mut given = std::mem::take(&mut self.waiting);
        let pushed_out = std::mem::take(&mut self.pushed_out);
        if pushed_out > 0 {
            let message = format!("{pushed_out} older log lines were dropped");
            given.push_front(Line {
                level: Level::WARN,
                context: String::new(),
                target: module_path!(),
                message,
            });
        }
        let left_out = self.rates.as_mut().map(|rates| rates.over(now)).unwrap_or_default();
        given.extend(left_out.into_iter().map(|left_out| Line {
            message: left_out.to_string(),
            level: left_out.level,
            context: left_out.context,
            target: left_out.target,
        }));
        given
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

/// Lines that were left out since the library was loaded.
pub fn dropped() -> u64 {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).dropped
}

/// All waiting lines; waits up to the time-out for the first. `levels`: what Java wants of the targets that it knows, which are the
/// first so many. The reply has those that it does not know yet.
pub fn drain(timeout_ms: i32, levels: &[u8]) -> Reply {
    if log_levels::set(levels) {
        rebuild_interest_cache();
    }
    let timeout = Duration::from_millis(timeout_ms.clamp(0, 60_000) as u64);
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut lines, _) = ARRIVED
        .wait_timeout_while(lines, timeout, |lines| lines.waiting.is_empty())
        .unwrap_or_else(PoisonError::into_inner);
    let given = lines.give(Instant::now());
    drop(lines);
    let reply = Reply::ok().list(given.into_iter(), |reply, line| {
        reply.u8(log_levels::number(line.level)).str(&line.context).str(line.target).str(&line.message)
    });
    reply.list(log_levels::targets_from(levels.len()).into_iter(), |reply, target| reply.str(target))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use sluice_core::wire::Request;
    use tracing::subscriber::with_default;
    use tracing::{debug, dispatcher, info, warn};

    use super::*;

    const HERE: &str = module_path!();

    /// As Java reads them: lines as `level context message`, and targets that it did not know.
    fn drained(levels: &[u8]) -> (Vec<String>, Vec<String>) {
        let reply = drain(0, levels).into_bytes();
        let mut reply = Request::new(&reply[1..]);
        let (mut lines, mut targets) = (Vec::new(), Vec::new());
        for _ in 0..reply.count().unwrap() {
            let (level, context) = (reply.u8().unwrap(), reply.str().unwrap());
            let (target, message) = (reply.str().unwrap(), reply.str().unwrap());
            if target == HERE {
                lines.push(format!("{level} {context}{message}"));
            }
        }
        for _ in 0..reply.count().unwrap() {
            targets.push(reply.str().unwrap().to_owned());
        }
        reply.end().unwrap();
        (lines, targets)
    }

    fn say(what: &str) {
        debug!("{what} in detail");
        info!("{what}");
    }

    #[test]
    fn lines_carry_the_name_of_their_task_and_come_at_the_levels_that_are_asked_for() {
        with_default(tracing_subscriber::registry().with(Collector), || {
            let span = of_task("k", "3");
            warn!("nobody's");
            span.in_scope(|| {
                say("the task's");
                error_span!("step").in_scope(|| warn!(n = 5, "of a step"));
            });
            let same = dispatcher::get_default(Clone::clone);
            let elsewhere =
                move || dispatcher::with_default(&same, || span.in_scope(|| say("on another thread")));
            thread::spawn(elsewhere).join().unwrap();
            of_connector("k").in_scope(|| say("all tasks'"));

            let (lines, targets) = drained(&[]);
            assert_eq!(
                lines,
                [
                    "2 nobody's",
                    "3 [k|task-3] the task's",
                    "2 [k|task-3] of a step n=5",
                    "3 [k|task-3] on another thread",
                    "3 [k] all tasks'",
                ]
            );
            assert!(targets.iter().any(|target| target == HERE), "{targets:?}");

            let mut wanted: Vec<u8> =
                targets.iter().map(|target| if target == HERE { 4 } else { 3 }).collect();
            assert_eq!(drained(&wanted).1, Vec::<String>::new(), "Java knows all of them");
            say("again");
            assert_eq!(drained(&wanted).0, ["4 again in detail", "3 again"]);
            wanted.fill(2);
            drained(&wanted);
            say("a third time");
            assert_eq!(drained(&wanted).0, Vec::<String>::new());

            let all = 150;
            for n in 0..all {
                warn!("line {n}");
            }
            let (lines, _) = drained(&wanted);
            assert_eq!(lines.len(), 100);
            assert_eq!(dropped(), 50);
            let later = LINES.lock().unwrap().give(Instant::now() + Duration::from_secs(11));
            let told: Vec<_> = later.into_iter().map(|line| line.message).collect();
            assert_eq!(told, ["49 more lines like this one were left out, the last being: line 149"]);
        });
    }
}
