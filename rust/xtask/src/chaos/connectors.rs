//! What an operator does to connectors while all the rest happens: pause, stop, restart, scale.

use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_testkit::{Connect, Error, Result, State};

use super::random::{Deck, Random};
use super::stage::Stage;
use super::upkeep;

pub const TASKS: u64 = 4;
const PATIENCE: Duration = Duration::from_secs(180);

/// In the trace of a task that Sluice fails.
const OURS: &str = "io.sluice.";

/// A connector as it is to be.
#[derive(Debug, Clone)]
pub struct Connector {
    pub name: String,
    pub config: Value,
}

impl Connector {
    /// `merges`: its workers merge files and vacuum.
    fn with(&self, tasks: u64, merges: bool) -> Value {
        let mut config = self.config.clone();
        config["tasks.max"] = tasks.to_string().into();
        upkeep::set(&mut config, merges);
        config
    }
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Pause,
    Stop,
    Restart,
    RestartTask,
    Scale,
    /// The workers merge files and vacuum from now on, or do not.
    Upkeep,
}

const ACTS: [Act; 9] = [
    Act::Pause,
    Act::Stop,
    Act::Restart,
    Act::RestartTask,
    Act::RestartTask,
    Act::RestartTask,
    Act::Scale,
    Act::Scale,
    Act::Upkeep,
];

/// Operates until the end; then all connectors run with [`TASKS`] tasks.
pub fn operate(connectors: &[Connector], stage: &Stage, seed: u64) -> Result<()> {
    let (mut random, mut deck) = (Random::new(seed, 3), Deck::new(&ACTS));
    let mut merges = vec![true; connectors.len()];
    while !stage.has_ended() {
        let quiet = random.millis(3_000, 12_000);
        stage.pause(quiet);
        let at = random.index(connectors.len());
        let connector = &connectors[at];
        let (act, turn) = (deck.draw(&mut random), random.index(60));
        let (tasks, while_down) = (random.between(2, 8), random.millis(300, 6_000));
        let task = random.index(TASKS as usize);
        let name = &connector.name;
        let outcome = match act {
            Act::Pause => away(stage, name, "connector paused and resumed", turn, while_down, Connect::pause),
            Act::Stop => away(stage, name, "connector stopped and resumed", turn, while_down, Connect::stop),
            Act::Restart => ask(stage, "connector restarted", name, turn, |connect| connect.restart(name)),
            Act::RestartTask => {
                ask(stage, "task restarted", &format!("{name}, task {task}"), turn, |connect| {
                    connect.restart_task(name, task)
                })
            }
            Act::Scale => {
                let config = connector.with(tasks, merges[at]);
                ask(stage, "tasks.max changed", &format!("{name}, to {tasks}"), turn, |connect| {
                    connect.put_connector(name, &config)
                })
            }
            Act::Upkeep => {
                let wanted = !merges[at];
                let config = connector.with(tasks, wanted);
                let told = ask(
                    stage,
                    "connector told to merge and vacuum, or not to",
                    &format!("{name}: {wanted}, with {tasks} tasks"),
                    turn,
                    |connect| connect.put_connector(name, &config),
                );
                merges[at] = if told.is_ok() { wanted } else { merges[at] };
                told
            }
        };
        // A worker that is killed while it is asked, or has no leader yet, refuses. So do scaled-down connectors a task.
        if let Err(error) = outcome {
            stage.note(&format!("refused: {act:?} of {name}: {error}"));
        }
        connectors.iter().for_each(|connector| mend(stage, &connector.name, turn));
    }
    Ok(())
}

fn ask(
    stage: &Stage,
    event: &str,
    particulars: &str,
    turn: usize,
    request: impl Fn(&Connect) -> Result<()>,
) -> Result<()> {
    stage.ask(turn, request)?;
    stage.happened(event, particulars);
    Ok(())
}

/// Pauses or stops, and resumes, however long that takes.
fn away(
    stage: &Stage,
    name: &str,
    event: &str,
    turn: usize,
    time: Duration,
    leave: fn(&Connect, &str) -> Result<()>,
) -> Result<()> {
    let left = stage.ask(turn, |connect| leave(connect, name));
    if left.is_ok() {
        stage.happened(event, &format!("{name} for {time:?}"));
        stage.pause(time);
    }
    // It may have been carried out in spite of an error.
    let end = Instant::now() + PATIENCE;
    while let Err(error) = stage.ask(turn, |connect| connect.resume(name)) {
        if Instant::now() > end {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    left
}

/// Tasks that have failed are started again, as an operator would; each failure is told. So is a connector that Connect stopped
/// only after it had been resumed: a request that it did not answer in time is carried out late.
fn mend(stage: &Stage, name: &str, turn: usize) {
    let Ok(status) = stage.ask(turn, |connect| connect.status(name)) else { return };
    if matches!(status.connector, State::Paused | State::Stopped)
        && stage.ask(turn, |connect| connect.resume(name)).is_ok()
    {
        stage.happened("connector found paused or stopped, resumed", name);
    }
    for trace in &status.traces {
        // Connect itself fails tasks, such as those that are too many for a moment after `tasks.max` was changed.
        if trace.contains(OURS) {
            stage.found(format!("{name}: a task failed by itself: {}", reason(trace)));
        }
        stage.happened("task failed, restarted", &format!("{name}:\n{trace}"));
    }
    if !status.traces.is_empty()
        && let Err(error) = stage.ask(turn, |connect| connect.restart_failed(name))
    {
        stage.note(&format!("refused: restart of what failed of {name}: {error}"));
    }
}

/// The last cause.
fn reason(trace: &str) -> &str {
    trace.lines().rfind(|line| line.starts_with("Caused by: ")).or(trace.lines().next()).unwrap_or_default()
}

/// Waits until all connectors run as they are to.
pub fn settle(connectors: &[Connector], stage: &Stage) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    for connector in connectors {
        let name = &connector.name;
        let config = connector.with(TASKS, true);
        let mut wanted = false;
        loop {
            if !wanted {
                wanted = stage
                    .ask(0, |connect| {
                        connect.put_connector(name, &config)?;
                        connect.resume(name)
                    })
                    .is_ok();
            }
            mend(stage, name, 0);
            let status = stage.ask(0, |connect| connect.status(name));
            if wanted && status.as_ref().is_ok_and(|status| status.all_running(TASKS as usize)) {
                break;
            }
            if Instant::now() > end {
                return Err(Error::new(format!("connector {name} does not get to run: {status:?}")));
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }
    Ok(())
}

/// Stops a connector for good: its offsets stay.
pub fn stop(name: &str, stage: &Stage) -> Result<()> {
    stage.ask(0, |connect| connect.stop(name))?;
    sluice_testkit::wait_for(&format!("connector {name} to stop"), PATIENCE, || {
        let status = stage.ask(0, |connect| connect.status(name)).ok();
        let stopped = |status: &sluice_testkit::ConnectorStatus| {
            status.connector == State::Stopped && status.tasks.is_empty()
        };
        Ok(status.filter(stopped).map(drop))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_cause_is_the_reason() {
        let trace = "ConnectException: Exiting\n\tat a\nCaused by: X: one\n\tat b\nCaused by: Y: two\n\tat c";
        assert_eq!(reason(trace), "Caused by: Y: two");
        assert_eq!(reason("TooManyTasksException: 7\n\tat a"), "TooManyTasksException: 7");
    }
}
