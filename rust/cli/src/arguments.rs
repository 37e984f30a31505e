//! The command line.

pub const USAGE: &str = "usage: sluice audit TABLE [--config CONNECTOR.json] [--json]

  audit   Walks the log of a Delta table and says for each partition that Sluice wrote whether its intervals join
          (invariant I4 in docs/exactly-once.md), whether their rows are in the files, and whether the files are there.
          Of other writers it says what their commits allow. See docs/audit.md.
          TABLE is a folder or a URL as delta.table.uri takes it.

  --config FILE            the connector's settings, as JSON: how the table's store is reached
  --json                   print everything as JSON

  Exit status: 0 clean, 1 findings, 2 the table cannot be read.";

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
                rest.next()
                    .map(|value| (*value).to_owned())
                    .ok_or_else(|| format!("{argument} needs a value"))
            };
            match *argument {
                "--json" => parsed.json = true,
                "--config" => parsed.config = Some(value()?),
                option if option.starts_with('-') => return Err(format!("there is no option {option}")),
                table if parsed.table.is_empty() => parsed.table = table.to_owned(),
                more => return Err(format!("one table at a time: {more} is one too many")),
            }
        }
        match parsed.table.is_empty() {
            true => Err("which table?".to_owned()),
            false => Ok(parsed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_stand_anywhere() {
        let Ok(Command::Audit(parsed)) = Command::parse(&["audit", "--json", "/t", "--config", "c.json"])
        else {
            panic!("not parsed")
        };
        assert_eq!(
            (parsed.table.as_str(), parsed.config.as_deref(), parsed.json),
            ("/t", Some("c.json"), true)
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |arguments: &[&str]| Command::parse(arguments).unwrap_err();
        assert_eq!(wrong(&["audit"]), "which table?");
        assert_eq!(wrong(&["audit", "a", "b"]), "one table at a time: b is one too many");
        assert_eq!(wrong(&["audit", "a", "--colour"]), "there is no option --colour");
        assert_eq!(wrong(&["audit", "a", "--config"]), "--config needs a value");
        assert_eq!(wrong(&["audits"]), "there is no command audits");
    }
}
