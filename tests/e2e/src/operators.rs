//! What operators do to a connector while records come in.

use std::thread::sleep;
use std::time::Duration;

use rand::random_range;

use crate::scenario::{PATIENCE, Scenario};

#[test]
fn pausing_restarting_and_scaling_loses_and_doubles_nothing() {
    let scenario = Scenario::new("operated", 4);
    let moment = || sleep(Duration::from_millis(random_range(200..1500)));
    let tasks = |tasks: usize| {
        scenario.put(&scenario.config().set("tasks.max", tasks));
        scenario.runs(tasks);
    };
    let mut producer = scenario.start_sending(60_000, Some(4_000));
    tasks(2);
    moment();
    scenario.connect().pause(&scenario.name).unwrap();
    moment();
    scenario.connect().resume(&scenario.name).unwrap();
    scenario.runs(2);
    moment();
    for task in [0, 1, 0] {
        scenario.connect().restart_task(&scenario.name, task).unwrap();
        moment();
    }
    tasks(4);
    moment();
    tasks(1);
    moment();
    scenario.connect().restart(&scenario.name).unwrap();
    tasks(3);
    producer.wait(PATIENCE).unwrap();
    scenario.completes();
}
