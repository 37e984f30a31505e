//! Bugs that are planted into a copy of the product, to see that the simulation finds each.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;

use serde_json::Value;
use sluice_testkit::{Context, Error, Result};

use super::follow;
use crate::checkout::{Checkout, empty, shown};
use crate::step;

/// A bug: `right`, which stands in `file` once, becomes `wrong`. What stands between « and » in it is what is replaced; both are
/// expressions.
struct Mutant {
    name: &'static str,
    file: &'static str,
    right: &'static str,
    wrong: &'static str,
}

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "no compare-and-swap",
        file: "rust/delta/src/commit.rs",
        right: "if «held != interval.expected && !forgotten» {",
        wrong: "false",
    },
    Mutant {
        name: "an offset that is one too low",
        file: "rust/core/src/task/partition.rs",
        right: "cursor.open_rows += 1;\n        cursor.position = «Some(offset + 1)»;",
        wrong: "Some(offset)",
    },
    Mutant {
        name: "an error is taken for a commit",
        file: "rust/delta/src/commit.rs",
        right: "Ok(Advance { landed: None }) => «return Err(error)»,",
        wrong: "return self.end_all(group, 0, false)",
    },
    Mutant {
        name: "a lost race is taken for a won one",
        file: "rust/delta/src/commit.rs",
        right: "«self.lost_race(races)»;",
        wrong: "return self.end_all(group, 0, false)",
    },
    Mutant {
        name: "buffered rows are kept after a rewind",
        file: "rust/core/src/task/slot.rs",
        right: "self.start_unit();\n        «self.table.discard()»;",
        wrong: "()",
    },
    Mutant {
        name: "the highest offset of several tables",
        file: "rust/core/src/task/partition.rs",
        right: "«self.feeds.iter().map(held).min()».flatten().filter",
        wrong: "self.feeds.iter().map(held).max()",
    },
    Mutant {
        name: "records that are delivered again are taken again",
        file: "rust/core/src/task/partition.rs",
        right: "pub fn wants(&self, offset: i64) -> bool {\n        «self.cursor.position.is_none_or(|position| offset >= position)»",
        wrong: "offset >= 0",
    },
    Mutant {
        name: "rows of revoked partitions are kept",
        file: "rust/core/src/task/mod.rs",
        right: "if «torn» {\n                self.reset(index);",
        wrong: "false",
    },
    Mutant {
        name: "offsets are asked for while a unit is up for commit",
        file: "rust/core/src/task/mod.rs",
        right: "&& («slot.load_asked || slot.in_flight.is_some()»);",
        wrong: "slot.load_asked",
    },
    Mutant {
        name: "offsets are returned before the table has them",
        file: "rust/core/src/task/partition.rs",
        right: "            held => «held»,\n",
        wrong: "held.max(feed.cursor.position)",
    },
    Mutant {
        name: "bad records are passed before they are reported",
        file: "rust/core/src/task/batch.rs",
        right: "self.refused = false;\n                «Ok((self.actions(now), bad))»",
        wrong: "{ (0..self.slots.len()).for_each(|index| self.slots[index].drain = true); self.turn(now)?; Ok((self.actions(now), bad)) }",
    },
    Mutant {
        name: "a stale offset of Connect's counts after a rewind",
        file: "rust/core/src/task/partition.rs",
        right: "if self.routed || !self.is_running() || «self.cursor.rewinding_to.is_some()» {",
        wrong: "false",
    },
    Mutant {
        name: "a version is claimed without the condition",
        file: "rust/delta/src/store.rs",
        right: "bytes.to_vec().into(), «PutMode::Create.into()»)",
        wrong: "PutMode::Overwrite.into()",
    },
    Mutant {
        name: "what Connect was given counts as committed by it",
        file: "rust/core/src/task/partition.rs",
        right: "self.floor = «self.given.or(self.floor)»;",
        wrong: "Some(committed)",
    },
    Mutant {
        name: "partitions that Connect takes back are kept",
        file: "rust/core/src/task/driver.rs",
        right: "«task.close(self.ids)»;",
        wrong: "()",
    },
    Mutant {
        name: "routed rows that no table has hold nothing back",
        file: "rust/core/src/task/partition.rs",
        right: "held_back.map_or(consumed, |offset| «offset.min(consumed)»)",
        wrong: "offset.max(consumed)",
    },
    Mutant {
        name: "routed rows that are up for commit hold nothing back",
        file: "rust/core/src/task/partition.rs",
        right: "«self.in_flight_from.or(self.cursor.first_open)»",
        wrong: "self.cursor.first_open",
    },
    Mutant {
        name: "a routed partition goes on to the newest of two rewinds",
        file: "rust/core/src/task/partition.rs",
        right: "self.rewind = «self.rewind.into_iter().chain(lost).chain(self.cursor.position).min()»;",
        wrong: "lost",
    },
    Mutant {
        name: "a routed partition's offset is returned before Connect has gone back",
        file: "rust/core/src/task/partition.rs",
        right: "let pending = self.rewind.is_some() || «self.cursor.rewinding_to.is_some()»;",
        wrong: "false",
    },
    Mutant {
        name: "a record goes to the last of its tables only",
        file: "rust/core/src/task/batch.rs",
        right: "for &slot in «tables.iter()» {",
        wrong: "tables[tables.len().saturating_sub(1)..].iter()",
    },
    Mutant {
        name: "idle offsets are not set again",
        file: "rust/core/src/task/partition.rs",
        right: "self.is_running() && self.committed.is_some() && «keep.is_some_and(due)»",
        wrong: "keep.is_some_and(|_| false)",
    },
    Mutant {
        name: "the offset of kafka-delta-ingest is taken for the next one to read",
        file: "rust/core/src/offsets.rs",
        right: "Counts::LastWritten => «version.saturating_add(1)»,",
        wrong: "version",
    },
    Mutant {
        name: "a predecessor that still runs is not noticed",
        file: "rust/delta/src/commit.rs",
        right: "if let Some(moved) = «held.filter(|_| held != predecessor.version)» {",
        wrong: "held.filter(|_| false)",
    },
    Mutant {
        name: "a connector starts over another one's rows",
        file: "rust/delta/src/commit.rs",
        right: "let others: Vec<_> = «held.iter().filter_map(same_partition).collect()»;",
        wrong: "Vec::<String>::new()",
    },
    Mutant {
        name: "dropped rows are not read again",
        file: "rust/core/src/task/mod.rs",
        right: "self.partitions.iter_mut().flatten().for_each(|partition| «partition.reset(index)»);",
        wrong: "()",
    },
    Mutant {
        name: "merged files are committed over another change of what was read",
        file: "rust/delta/src/maintain/rewrite.rs",
        right: "if let Some(why) = «rewriting.forbidden_by(version, &commit)» {",
        wrong: "None::<String>",
    },
    Mutant {
        name: "vacuum deletes what was removed just now",
        file: "rust/delta/src/maintain/vacuum.rs",
        right: "referring.mark_snapshot(&snapshot, «ages.removed_before», &mut seen, progress)?",
        wrong: "i64::MAX",
    },
    Mutant {
        name: "vacuum deletes what is uploaded and not committed yet",
        file: "rust/delta/src/maintain/vacuum.rs",
        right: "Mark::Unknown if «modified < ages.unreferenced_before» =>",
        wrong: "true",
    },
    Mutant {
        name: "vacuum goes by a clock that is fast",
        file: "rust/delta/src/maintain/vacuum.rs",
        right: "Ok(«machine.min(meta.last_modified.timestamp_millis())»)",
        wrong: "machine",
    },
    Mutant {
        name: "log clean-up deletes commits that no checkpoint has",
        file: "rust/delta/src/maintain/clean_log.rs",
        right: "cleaning.clean_versions(files, «checkpoint», &mut cleaned)?;",
        wrong: "cutoff",
    },
    Mutant {
        name: "log clean-up forgets how long the table wants its log",
        file: "rust/delta/src/maintain/clean_log.rs",
        right: "midnight(now, «cleaning.table.retention»)",
        wrong: "Duration::ZERO",
    },
    Mutant {
        name: "a log compaction file has the first word on a file",
        file: "rust/delta/src/maintain/compact_log.rs",
        right: "Entry::Occupied(mut known) => «*known.get_mut() = last»,",
        wrong: "()",
    },
];

/// Goes into the copy of `sluice-core`; each mutant asks it whether it is the one.
const SWITCH: &str = r#"
pub fn is_planted(name: &str) -> bool {
    static PLANTED: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    PLANTED.get_or_init(|| std::env::var("SLUICE_MUTANT").unwrap_or_default()) == name
}
"#;

impl Mutant {
    /// What stands in the file, and what takes its place in the copy.
    fn change(&self) -> (String, String) {
        let (before, rest) = self.right.split_once('«').unwrap_or(("", self.right));
        let (right, after) = rest.split_once('»').unwrap_or((rest, ""));
        let (name, wrong) = (self.name, self.wrong);
        let both = format!("(if crate::is_planted({name:?}) {{ {wrong} }} else {{ {right} }})");
        (format!("{before}{right}{after}"), format!("{before}{both}{after}"))
    }

    fn plant(&self, root: &Path) -> Result<()> {
        let file = root.join(self.file);
        let text = std::fs::read_to_string(&file).at(&file)?;
        let (right, both) = self.change();
        match text.matches(&right).count() {
            1 => std::fs::write(&file, text.replacen(&right, &both, 1)).at(&file),
            n => Err(Error::new(format!(
                "{}: its place in {} is there {n} times, not once",
                self.name, self.file
            ))),
        }
    }
}

/// Runs the simulation on each that has `only` in its name, until it fails. All have to be found.
pub fn run(checkout: &Checkout, seeds: u64, only: &str) -> Result<ExitCode> {
    let chosen: Vec<_> = MUTANTS.iter().filter(|mutant| mutant.name.contains(only)).collect();
    if chosen.is_empty() {
        return Err(Error::new(format!("no planted bug has {only:?} in its name")));
    }
    let copy = checkout.target().join("mutants");
    step::head("planting bugs", &format!("{} of them, in a copy of the product", MUTANTS.len()));
    empty(&copy)?;
    let mut copying = checkout.command(
        "sh",
        &[
            "-c",
            "git ls-files -z Cargo.toml Cargo.lock .cargo rust tests/e2e | xargs -0 cp --parents -t \"$0\"",
        ],
    );
    copying.arg(&copy);
    step::run(
        "copying the product",
        "what git knows of it",
        &copying,
        &checkout.log("mutants-copy"),
        step::nothing,
    )?;
    for mutant in MUTANTS {
        mutant.plant(&copy)?;
    }
    for (root, text) in
        [("rust/core/src/lib.rs", SWITCH), ("rust/delta/src/lib.rs", "\nuse sluice_core::is_planted;\n")]
    {
        let file = copy.join(root);
        let before = std::fs::read_to_string(&file).at(&file)?;
        std::fs::write(&file, before + text).at(&file)?;
    }
    let mut build = checkout.cargo(&["build", "--release", "--locked", "-p", "sluice-sim"]);
    // Not into the product's own target folder: cargo would take one for the other.
    let target = checkout.target().join("mutants-build");
    empty(&target)?;
    let mut warm = checkout.command("cp", &["-a"]);
    warm.arg(checkout.cargo_target.join("release")).arg(&target);
    step::run("copying what is compiled", "a few GB", &warm, &checkout.log("mutants-warm"), step::nothing)?;
    build.current_dir(&copy).env("CARGO_TARGET_DIR", &target);
    let why = "both crates and the simulation";
    step::run("building it with the bugs", why, &build, &checkout.log("mutants-build"), step::cargo_lines)?;

    let mut missed = Vec::new();
    for mutant in &chosen {
        let mut command = checkout.command(target.join("release/sluice-sim"), &["1", &seeds.to_string()]);
        command.env("SLUICE_MUTANT", mutant.name);
        let found = Mutex::new(None);
        follow(command, 0, &|line: &Value| match (line["seed"].as_u64(), line["failure"].as_str()) {
            (Some(seed), Some(why)) => {
                if let Ok(mut found) = found.lock() {
                    *found = Some((seed, why.to_owned()));
                }
                false
            }
            _ => true,
        })?;
        match found.into_inner().ok().flatten() {
            Some((seed, why)) => println!("    {}: found at seed {seed}: {why}", mutant.name),
            None => {
                println!("    {}: NOT FOUND in {seeds} seeds", mutant.name);
                missed.push(mutant.name);
            }
        }
    }
    std::fs::remove_dir_all(&target).at(&target)?;
    println!(
        "    {} of {} found; the copy is in {}",
        chosen.len() - missed.len(),
        chosen.len(),
        shown(&copy)
    );
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The suite is long; that its bugs can still be planted is seen with every change.
    #[test]
    fn each_mutant_has_its_place_in_the_product() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for mutant in MUTANTS {
            let text = std::fs::read_to_string(root.join(mutant.file)).unwrap();
            let (right, both) = mutant.change();
            assert_eq!(text.matches(&right).count(), 1, "{}", mutant.name);
            assert!(both.contains(mutant.wrong) && mutant.right.contains('«'), "{}", mutant.name);
        }
    }
}
