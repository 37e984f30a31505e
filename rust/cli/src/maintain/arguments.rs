//! What `sluice maintain` is asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_core::settings::declare::{
    COMPACTION_ENABLED, COMPACTION_MAX_BYTES_PER_SECOND, COMPACTION_MEMORY_BYTES, COMPACTION_MIN_FILES,
    COMPACTION_ORDER_BY, COMPACTION_SCOPE, COMPACTION_TARGET_FILE_BYTES, COMPACTION_Z_ORDER_BY,
};
use sluice_core::table::interval;

use crate::arguments::{NO_TABLE, one_table, value_of};

/// In the order in which they are done: what makes commits first, then what sums them up, then what deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    Compact,
    Checkpoint,
    Checksum,
    CompactLog,
    CleanLog,
    Vacuum,
}

#[derive(Debug, Default, PartialEq)]
pub struct MaintainArguments {
    pub table: String,
    pub config: Option<String>,
    pub json: bool,
    /// None: what a worker does by itself, as far as it is due.
    pub jobs: Vec<Job>,
    pub dry_run: bool,
    pub delete: bool,
    pub retention: Option<Duration>,
    pub shorter: bool,
    pub unreferenced: Option<Duration>,
    /// Settings of compaction that options give.
    pub compaction: BTreeMap<String, String>,
}

impl Job {
    const ALL: [Job; 6] =
        [Job::Compact, Job::Checkpoint, Job::Checksum, Job::CompactLog, Job::CleanLog, Job::Vacuum];

    /// Its option, without the dashes.
    pub fn name(self) -> &'static str {
        match self {
            Job::Compact => "compact",
            Job::Checkpoint => "checkpoint",
            Job::Checksum => "checksum",
            Job::CompactLog => "compact-log",
            Job::CleanLog => "clean-log",
            Job::Vacuum => "vacuum",
        }
    }

    fn of_option(option: &str) -> Option<Job> {
        let name = option.strip_prefix("--")?;
        Job::ALL.into_iter().find(|job| job.name() == name)
    }
}

/// Options of compaction with the settings that they stand for.
const OF_COMPACTION: [(&str, &str); 6] = [
    ("--target-file-bytes", COMPACTION_TARGET_FILE_BYTES),
    ("--min-files", COMPACTION_MIN_FILES),
    ("--order-by", COMPACTION_ORDER_BY),
    ("--z-order-by", COMPACTION_Z_ORDER_BY),
    ("--memory-bytes", COMPACTION_MEMORY_BYTES),
    ("--max-bytes-per-second", COMPACTION_MAX_BYTES_PER_SECOND),
];

impl MaintainArguments {
    pub fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut parsed = MaintainArguments::default();
        // Options with the job that they are of.
        let mut of_jobs = Vec::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || value_of(argument, rest.next());
            if let Some(job) = Job::of_option(argument) {
                parsed.jobs.push(job);
                continue;
            }
            if let Some((_, setting)) = OF_COMPACTION.iter().find(|(option, _)| option == argument) {
                parsed.compaction.insert((*setting).to_owned(), value()?);
                of_jobs.push((*argument, Job::Compact));
                continue;
            }
            match *argument {
                "--json" => parsed.json = true,
                "--config" => parsed.config = Some(value()?),
                "--dry-run" => parsed.dry_run = true,
                "--all-partitions" => {
                    parsed.compaction.insert(COMPACTION_SCOPE.to_owned(), "all".to_owned());
                    of_jobs.push((*argument, Job::Compact));
                }
                "--delete" => {
                    parsed.delete = true;
                    of_jobs.push((*argument, Job::Vacuum));
                }
                "--retention" => {
                    parsed.retention = Some(time(argument, &value()?)?);
                    of_jobs.push((*argument, Job::Vacuum));
                }
                "--no-retention-check" => {
                    parsed.shorter = true;
                    of_jobs.push((*argument, Job::Vacuum));
                }
                "--unreferenced-after" => {
                    parsed.unreferenced = Some(time(argument, &value()?)?);
                    of_jobs.push((*argument, Job::Vacuum));
                }
                word => one_table(&mut parsed.table, word)?,
            }
        }
        parsed.jobs.sort_unstable();
        parsed.jobs.dedup();
        if parsed.table.is_empty() {
            return Err(NO_TABLE.to_owned());
        }
        if let Some((option, job)) = of_jobs.iter().find(|(_, job)| !parsed.jobs.contains(job)) {
            return Err(format!("{option} needs --{}", job.name()));
        }
        if parsed.shorter && parsed.retention.is_none() {
            return Err("--no-retention-check needs --retention".to_owned());
        }
        let by = |setting: &str| parsed.compaction.contains_key(setting);
        if by(COMPACTION_ORDER_BY) && by(COMPACTION_Z_ORDER_BY) {
            return Err("--order-by and --z-order-by exclude each other".to_owned());
        }
        if parsed.dry_run && !parsed.jobs.iter().all(|job| matches!(job, Job::CleanLog | Job::Vacuum)) {
            return Err("--dry-run is for --clean-log and --vacuum".to_owned());
        }
        if parsed.dry_run && parsed.delete {
            return Err("--dry-run and --delete exclude each other".to_owned());
        }
        Ok(parsed)
    }

    /// A connector's settings with those that options give. What merges files goes as fast as it can unless an option says
    /// otherwise: the limit in the settings is that of a worker.
    pub fn settings(&self, connector: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let ordered = [COMPACTION_ORDER_BY, COMPACTION_Z_ORDER_BY];
        let is_ordered = ordered.iter().any(|setting| self.compaction.contains_key(*setting));
        let mut settings = connector.clone();
        settings.retain(|setting, _| !(is_ordered && ordered.contains(&setting.as_str())));
        settings.insert(COMPACTION_MAX_BYTES_PER_SECOND.to_owned(), "0".to_owned());
        settings.insert(COMPACTION_ENABLED.to_owned(), "true".to_owned());
        settings.extend(self.compaction.clone());
        settings
    }
}

fn time(option: &str, text: &str) -> Result<Duration, String> {
    interval(text).ok_or_else(|| format!("{option} takes a time such as '7 days' or '12 hours', not {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<MaintainArguments, String> {
        MaintainArguments::parse(arguments)
    }

    #[test]
    fn jobs_are_done_in_their_order_and_once() {
        let given =
            parse(&["--vacuum", "/t", "--checkpoint", "--compact", "--vacuum", "--checksum"]).unwrap();
        assert_eq!(given.jobs, [Job::Compact, Job::Checkpoint, Job::Checksum, Job::Vacuum]);
        assert_eq!(
            parse(&["/t"]).unwrap(),
            MaintainArguments { table: "/t".to_owned(), ..Default::default() }
        );
        let vacuum =
            parse(&["/t", "--vacuum", "--delete", "--retention", "12 hours", "--no-retention-check"]);
        let vacuum = vacuum.unwrap();
        assert!(vacuum.delete && vacuum.shorter && !vacuum.dry_run);
        assert_eq!(vacuum.retention, Some(Duration::from_secs(12 * 3600)));
    }

    #[test]
    fn options_of_compaction_go_before_the_connectors_settings() {
        let given =
            parse(&["/t", "--compact", "--min-files", "2", "--z-order-by", "a, b", "--all-partitions"])
                .unwrap();
        let connector = [
            (COMPACTION_ORDER_BY, "c"),
            (COMPACTION_MIN_FILES, "5"),
            (COMPACTION_MAX_BYTES_PER_SECOND, "7"),
            ("topics", "t"),
        ];
        let connector = connector.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let settings = given.settings(&connector);
        let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            settings,
            [
                (COMPACTION_ENABLED, "true"),
                (COMPACTION_MAX_BYTES_PER_SECOND, "0"),
                (COMPACTION_MIN_FILES, "2"),
                (COMPACTION_SCOPE, "all"),
                (COMPACTION_Z_ORDER_BY, "a, b"),
                ("topics", "t"),
            ]
        );
        let plain = parse(&["/t", "--compact", "--max-bytes-per-second", "9"]).unwrap().settings(&connector);
        assert_eq!(plain[COMPACTION_ORDER_BY], "c");
        assert_eq!(plain[COMPACTION_MAX_BYTES_PER_SECOND], "9");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, wrong) in [
            (&[][..], "which table?"),
            (&["/t", "--optimise"], "there is no option --optimise"),
            (&["/t", "--delete"], "--delete needs --vacuum"),
            (&["/t", "--vacuum", "--min-files", "3"], "--min-files needs --compact"),
            (&["/t", "--compact", "--min-files"], "--min-files needs a value"),
            (&["/t", "--compact", "--retention", "1 day"], "--retention needs --vacuum"),
            (
                &["/t", "--vacuum", "--retention", "168"],
                "--retention takes a time such as '7 days' or '12 hours', not 168",
            ),
            (&["/t", "--vacuum", "--no-retention-check"], "--no-retention-check needs --retention"),
            (&["/t", "--vacuum", "--dry-run", "--delete"], "--dry-run and --delete exclude each other"),
            (&["/t", "--compact", "--dry-run"], "--dry-run is for --clean-log and --vacuum"),
            (
                &["/t", "--compact", "--order-by", "a", "--z-order-by", "b"],
                "--order-by and --z-order-by exclude each other",
            ),
        ] {
            assert_eq!(parse(arguments).unwrap_err(), wrong);
        }
    }
}
