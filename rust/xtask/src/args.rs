use std::str::FromStr;

use sluice_testkit::{Context, Error, Result};

/// The words after `cargo xtask`.
pub struct Args(Vec<String>);

impl Args {
    pub fn new(words: impl Iterator<Item = String>) -> Self {
        Args(words.collect())
    }

    /// Takes the first word.
    pub fn command(&mut self) -> Option<String> {
        let command = (!self.0.is_empty()).then(|| self.0.remove(0))?;
        Some(if matches!(command.as_str(), "-h" | "--help") { "help".into() } else { command })
    }

    /// Takes `name`, if it is there.
    pub fn flag(&mut self, name: &str) -> bool {
        let at = self.0.iter().position(|word| word == name);
        at.map(|at| self.0.remove(at)).is_some()
    }

    /// Takes `name VALUE` or `name=VALUE`, if it is there.
    pub fn value<T: FromStr<Err: std::fmt::Display>>(&mut self, name: &str) -> Result<Option<T>> {
        let assigned = format!("{name}=");
        let Some(at) = self.0.iter().position(|word| word == name || word.starts_with(&assigned)) else {
            return Ok(None);
        };
        let word = self.0.remove(at);
        let text = match word.strip_prefix(&assigned) {
            Some(text) => text.to_owned(),
            None if at < self.0.len() => self.0.remove(at),
            None => return Err(Error::new(format!("`{name}` wants a value"))),
        };
        text.parse().map(Some).context(|| format!("`{name} {text}`"))
    }

    /// Takes all that is left.
    pub fn rest(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0)
    }

    /// An error when a word is left that nobody took.
    pub fn end(self) -> Result<()> {
        match self.0.first() {
            Some(word) => Err(Error::new(format!("`{word}` is not understood; `cargo xtask` shows what is"))),
            None => Ok(()),
        }
    }
}

/// Options as a command line gives them.
#[cfg(test)]
pub fn parsed<T>(line: &str, take: impl FnOnce(&mut Args) -> Result<T>) -> Result<T> {
    let mut args = Args::new(line.split_whitespace().map(str::to_owned));
    let options = take(&mut args)?;
    args.end().map(|()| options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args::new(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn options_are_taken_in_any_order_and_both_spellings() {
        let mut args = args("demo --keep --records 10 --tasks=3");
        assert_eq!(args.command().unwrap(), "demo");
        assert_eq!(args.value::<u32>("--tasks").unwrap(), Some(3));
        assert_eq!(args.value::<u64>("--records").unwrap(), Some(10));
        assert_eq!(args.value::<u64>("--partitions").unwrap(), None);
        assert!(args.flag("--keep") && !args.flag("--keep"));
        args.end().unwrap();
    }

    #[test]
    fn mistakes_are_named() {
        assert!(args("--records").value::<u64>("--records").unwrap_err().to_string().contains("--records"));
        assert!(args("--records ten").value::<u64>("--records").unwrap_err().to_string().contains("ten"));
        assert!(args("--recrods 5").end().unwrap_err().to_string().contains("--recrods"));
    }
}
