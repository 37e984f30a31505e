//! The command line.

use crate::maintain::MaintainArguments;

pub const USAGE: &str = "usage: sluice check CONNECTOR.json... [options]
       sluice inspect TABLE [options]
       sluice audit TABLE [options]
       sluice maintain TABLE [jobs] [options]

  check   Says what is wrong with a connector's settings, by the rules that Connect's validation and the tasks go by,
          each error at its setting. CONNECTOR.json is what is posted to Connect: the settings alone, or a name and the
          settings under \"config\". See docs/check.md.

  --connectivity           also try what the settings name: files, the tables' store, the lock table, the schema registry;
                           8 seconds at most for each file, and nothing is written
  --json                   print everything as JSON

  Exit status: 0 nothing is wrong, 1 something is, 2 a file cannot be read.

  inspect Describes a table by its newest version: schema, protocol and features, properties, the offset of each Kafka
          partition, files and their sizes, the state of the log, the newest commits. See docs/inspect.md.
          TABLE is a folder or a URL as delta.table.uri takes it.

  --config FILE            the connector's settings, as JSON: how the table's store is reached
  --commits N              how many commits are shown; 10 without it
  --json                   print everything as JSON

  Exit status: 0 the table is described, 2 it cannot be read.

  audit   Walks the log of a Delta table and says for each partition that Sluice wrote whether its intervals join
          (invariant I4 in docs/exactly-once.md), whether their rows are in the files, and whether the files are there.
          Of other writers it says what their commits allow. See docs/audit.md.

  --config FILE            the connector's settings, as JSON: how the table's store is reached, and which columns say
                           where a row comes from
  --bootstrap HOST:PORT    compare with the topics themselves; several brokers with commas between
  --kafka-config FILE      client properties for them, such as security.protocol
  --rows                   compare with the rows, by the columns that delta.metadata.columns makes
  --offset-columns T,P,O   the names of these columns: topic, partition, offset; - for one that is not there
  --every-record           with --bootstrap: every record with a value must have a row
  --json                   print everything as JSON

  Exit status: 0 clean, 1 findings, 2 the table or Kafka cannot be read.

  maintain Keeps a table healthy, once, beside whatever writes it. Without a job it does what a worker does by itself with the
          settings that nobody has changed: checkpoint, checksum, compact-log and clean-log, each as far as it is due.
          Data files are merged and deleted only where it is asked for. See docs/maintenance.md.

  --compact                merge small data files; the rows stay what they are
  --checkpoint             write a checkpoint of the newest version, due or not
  --checksum               write the checksum of the version that has the newest checkpoint
  --compact-log            put the commits since the checkpoint into log compaction files
  --clean-log              delete what of the log is older than the table's delta.logRetentionDuration
  --vacuum                 tell which files no version within the table's delta.deletedFileRetentionDuration refers to

  --delete                 with --vacuum: delete them
  --retention TIME         with --vacuum: another time, such as '30 days'; refused where it is shorter than the table's
  --no-retention-check     with --retention: a shorter one too. Who reads older versions may find files gone
  --unreferenced-after TIME  with --vacuum: how old a file has to be that no commit refers to, 24 hours at least without
                           it: younger ones may be uploads whose commit is still to come
  --dry-run                with --clean-log: only tell what would be deleted
  --all-partitions         with --compact: also partitions to which rows are still added
  --target-file-bytes N    with --compact, as are the next ones: size of merged files; 128 MiB without it
  --min-files N            leave alone where fewer small files can be merged; 8 without it
  --order-by COLUMNS       order the rows of merged files by these columns, with commas
  --z-order-by COLUMNS     keep rows near each other that are near in each of these columns
  --memory-bytes N         hold this much in memory at most; 128 MiB without it
  --max-bytes-per-second N read this much in a second at most; no limit without it
  --config FILE            the connector's settings, as JSON: how the table's store is reached, and what of its maintenance
                           the options do not say
  --json                   print everything as JSON

  Ctrl-C ends it at the next safe place, and a second time at once; neither harms the table.
  Exit status: 0 all is done, 1 something failed or was ended early, 2 the table cannot be read.";

const USUAL_COMMITS: u64 = 10;

#[derive(Debug, PartialEq)]
pub enum Command {
    Audit(AuditArguments),
    Check(CheckArguments),
    Inspect(InspectArguments),
    Maintain(MaintainArguments),
    Help,
    Version,
}

#[derive(Debug, Default, PartialEq)]
pub struct AuditArguments {
    pub table: String,
    pub config: Option<String>,
    pub bootstrap: Option<String>,
    pub kafka_config: Option<String>,
    pub rows: bool,
    pub offset_columns: Option<String>,
    pub every_record: bool,
    pub json: bool,
}

#[derive(Debug, Default, PartialEq)]
pub struct CheckArguments {
    pub files: Vec<String>,
    pub connectivity: bool,
    pub json: bool,
}

#[derive(Debug, Default, PartialEq)]
pub struct InspectArguments {
    pub table: String,
    pub config: Option<String>,
    pub commits: u64,
    pub json: bool,
}

impl Command {
    pub fn parse(arguments: &[&str]) -> Result<Command, String> {
        match arguments {
            ["audit" | "check" | "inspect" | "maintain", rest @ ..] if rest.contains(&"--help") => {
                Ok(Command::Help)
            }
            ["audit", rest @ ..] => AuditArguments::parse(rest).map(Command::Audit),
            ["check", rest @ ..] => CheckArguments::parse(rest).map(Command::Check),
            ["inspect", rest @ ..] => InspectArguments::parse(rest).map(Command::Inspect),
            ["maintain", rest @ ..] => MaintainArguments::parse(rest).map(Command::Maintain),
            ["--help" | "-h" | "help"] => Ok(Command::Help),
            ["--version" | "-V"] => Ok(Command::Version),
            [] => Err("no command is given".to_owned()),
            [other, ..] => Err(format!("there is no command {other}")),
        }
    }
}

impl AuditArguments {
    fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut parsed = AuditArguments::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || value_of(argument, rest.next()).map(Some);
            match *argument {
                "--json" => parsed.json = true,
                "--rows" => parsed.rows = true,
                "--every-record" => parsed.every_record = true,
                "--config" => parsed.config = value()?,
                "--bootstrap" => parsed.bootstrap = value()?,
                "--kafka-config" => parsed.kafka_config = value()?,
                "--offset-columns" => parsed.offset_columns = value()?,
                word => one_table(&mut parsed.table, word)?,
            }
        }
        let without = |option: &str, needed: &str| Err(format!("{option} needs {needed}"));
        match &parsed {
            parsed if parsed.table.is_empty() => Err(NO_TABLE.to_owned()),
            parsed if parsed.bootstrap.is_none() && parsed.every_record => {
                without("--every-record", "--bootstrap")
            }
            parsed if parsed.bootstrap.is_none() && parsed.kafka_config.is_some() => {
                without("--kafka-config", "--bootstrap")
            }
            parsed if !parsed.rows && parsed.offset_columns.is_some() => {
                without("--offset-columns", "--rows")
            }
            _ => Ok(parsed),
        }
    }
}

impl CheckArguments {
    fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut parsed = CheckArguments::default();
        for argument in arguments {
            match *argument {
                "--json" => parsed.json = true,
                "--connectivity" => parsed.connectivity = true,
                option if option.starts_with('-') => return Err(no_option(option)),
                file => parsed.files.push(file.to_owned()),
            }
        }
        if parsed.files.is_empty() { Err("which connector's file?".to_owned()) } else { Ok(parsed) }
    }
}

impl InspectArguments {
    fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut parsed = InspectArguments { commits: USUAL_COMMITS, ..InspectArguments::default() };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || value_of(argument, rest.next());
            match *argument {
                "--json" => parsed.json = true,
                "--config" => parsed.config = Some(value()?),
                "--commits" => {
                    let count = value()?;
                    parsed.commits =
                        count.parse().map_err(|_| format!("--commits takes a number, not {count}"))?;
                }
                word => one_table(&mut parsed.table, word)?,
            }
        }
        if parsed.table.is_empty() { Err(NO_TABLE.to_owned()) } else { Ok(parsed) }
    }
}

pub const NO_TABLE: &str = "which table?";

pub fn value_of(option: &str, value: Option<&&str>) -> Result<String, String> {
    value.map(|value| (*value).to_owned()).ok_or_else(|| format!("{option} needs a value"))
}

pub fn one_table(table: &mut String, word: &str) -> Result<(), String> {
    match word {
        option if option.starts_with('-') => Err(no_option(option)),
        more if !table.is_empty() => Err(format!("one table at a time: {more} is one too many")),
        word => {
            word.clone_into(table);
            Ok(())
        }
    }
}

fn no_option(option: &str) -> String {
    format!("there is no option {option}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_stand_anywhere() {
        let given = ["audit", "--json", "/t", "--config", "c.json", "--rows", "--bootstrap", "a:1,b:2"];
        let expected = AuditArguments {
            table: "/t".to_owned(),
            config: Some("c.json".to_owned()),
            bootstrap: Some("a:1,b:2".to_owned()),
            rows: true,
            json: true,
            ..AuditArguments::default()
        };
        assert_eq!(Command::parse(&given), Ok(Command::Audit(expected)));
        let expected = CheckArguments {
            files: vec!["a.json".to_owned(), "b.json".to_owned()],
            connectivity: true,
            json: false,
        };
        let given = ["check", "a.json", "--connectivity", "b.json"];
        assert_eq!(Command::parse(&given), Ok(Command::Check(expected)));
        let inspect = |config: Option<&str>, commits| {
            let config = config.map(str::to_owned);
            Ok(Command::Inspect(InspectArguments { table: "/t".to_owned(), config, commits, json: false }))
        };
        assert_eq!(Command::parse(&["inspect", "/t"]), inspect(None, 10));
        let given = ["inspect", "--commits", "0", "/t", "--config", "c.json"];
        assert_eq!(Command::parse(&given), inspect(Some("c.json"), 0));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |arguments: &[&str]| Command::parse(arguments).unwrap_err();
        assert_eq!(wrong(&["audit"]), "which table?");
        assert_eq!(wrong(&["audit", "a", "b"]), "one table at a time: b is one too many");
        assert_eq!(wrong(&["audit", "a", "--colour"]), "there is no option --colour");
        assert_eq!(wrong(&["audit", "a", "--config"]), "--config needs a value");
        assert_eq!(wrong(&["audit", "a", "--every-record"]), "--every-record needs --bootstrap");
        assert_eq!(wrong(&["audit", "a", "--offset-columns", "-,-,o"]), "--offset-columns needs --rows");
        assert_eq!(wrong(&["audits"]), "there is no command audits");
        assert_eq!(wrong(&["check", "--json"]), "which connector's file?");
        assert_eq!(wrong(&["check", "a.json", "--rows"]), "there is no option --rows");
        assert_eq!(wrong(&["inspect"]), "which table?");
        assert_eq!(wrong(&["inspect", "a", "--rows"]), "there is no option --rows");
        assert_eq!(wrong(&["inspect", "a", "--commits", "few"]), "--commits takes a number, not few");
    }
}
