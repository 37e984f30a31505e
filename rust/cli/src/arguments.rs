//! The command line.

pub const USAGE: &str = "usage: sluice audit TABLE [options]

  audit   Walks the log of a Delta table and says for each partition that Sluice wrote whether its intervals join
          (invariant I4 in docs/exactly-once.md), whether their rows are in the files, and whether the files are there.
          Of other writers it says what their commits allow. See docs/audit.md.
          TABLE is a folder or a URL as delta.table.uri takes it.

  --config FILE            the connector's settings, as JSON: how the table's store is reached, and which columns say
                           where a row comes from
  --bootstrap HOST:PORT    compare with the topics themselves; several brokers with commas between
  --kafka-config FILE      client properties for them, such as security.protocol
  --rows                   compare with the rows, by the columns that delta.metadata.columns makes
  --offset-columns T,P,O   the names of these columns: topic, partition, offset; - for one that is not there
  --every-record           with --bootstrap: every record with a value must have a row
  --json                   print everything as JSON

  Exit status: 0 clean, 1 findings, 2 the table or Kafka cannot be read.";

#[derive(Debug, PartialEq)]
pub enum Command {
    Audit(AuditArguments),
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

impl Command {
    pub fn parse(arguments: &[&str]) -> Result<Command, String> {
        match arguments {
            ["audit", rest @ ..] if rest.contains(&"--help") => Ok(Command::Help),
            ["audit", rest @ ..] => AuditArguments::parse(rest).map(Command::Audit),
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
            let mut value = || {
                let value = rest.next().map(|value| (*value).to_owned());
                value.map(Some).ok_or_else(|| format!("{argument} needs a value"))
            };
            match *argument {
                "--json" => parsed.json = true,
                "--rows" => parsed.rows = true,
                "--every-record" => parsed.every_record = true,
                "--config" => parsed.config = value()?,
                "--bootstrap" => parsed.bootstrap = value()?,
                "--kafka-config" => parsed.kafka_config = value()?,
                "--offset-columns" => parsed.offset_columns = value()?,
                option if option.starts_with('-') => return Err(format!("there is no option {option}")),
                table if parsed.table.is_empty() => parsed.table = table.to_owned(),
                more => return Err(format!("one table at a time: {more} is one too many")),
            }
        }
        let without = |option: &str, needed: &str| Err(format!("{option} needs {needed}"));
        match &parsed {
            parsed if parsed.table.is_empty() => Err("which table?".to_owned()),
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
    }
}
