//! Arbitrary requests of `start` and `open`, and what the settings in them lead to.

use std::rc::Rc;

use sluice_core::settings::{SchemaSource, Settings};
use sluice_core::task::Task;
use sluice_core::wire::{read_open, read_start};

use super::table::Memory;

/// First the length of the `start` request, `u16`, then that one, then the `open` request. Whether both were accepted.
pub fn run(input: &[u8]) -> bool {
    let Some((length, messages)) = input.split_first_chunk() else { return false };
    let Some((start, open)) = messages.split_at_checked(u16::from_le_bytes(*length).into()) else {
        return false;
    };
    let assigned = read_open(open);
    let Ok(start) = read_start(start) else { return false };
    let Ok(settings) = Settings::parse(&start.settings) else { return false };
    let SchemaSource::Given(schema) = settings.of_any_table.schema.clone() else { return false };
    let Ok(assigned) = assigned else { return false };
    let ids: Vec<_> = assigned.iter().map(|(id, _)| *id).collect();
    let mut task = Task::new(settings, start.has_reporter, Memory { schema, held: Rc::default() });
    let opened = task.open(0, assigned).is_ok();
    if opened {
        task.tick(1).expect("the table is loaded");
        let asked: Vec<_> = ids.iter().map(|id| (*id, i64::MAX)).collect();
        for offset in task.pre_commit(&asked) {
            assert!(asked.contains(&offset), "nothing came through, so Connect's own offset is as good");
        }
    }
    task.close(&ids);
    opened
}
