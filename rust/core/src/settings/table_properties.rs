//! `delta.table.properties`: the properties that a table gets when Sluice creates it.

use std::collections::BTreeMap;

use crate::table::interval;

/// What a property of Delta takes.
enum Takes {
    Boolean,
    OneOf(&'static [&'static str]),
    /// At least 1.
    Count,
    Interval,
    Text,
}

/// The properties of Delta that a table may be created with. The value is checked where a wrong one would change what
/// Sluice writes.
const PROPERTIES: [(&str, Takes); 26] = [
    ("delta.appendOnly", Takes::Boolean),
    ("delta.autoOptimize.autoCompact", Takes::Text),
    ("delta.autoOptimize.optimizeWrite", Takes::Boolean),
    ("delta.checkpoint.writeStatsAsJson", Takes::Boolean),
    ("delta.checkpoint.writeStatsAsStruct", Takes::Boolean),
    ("delta.checkpointInterval", Takes::Count),
    ("delta.checkpointPolicy", Takes::OneOf(&["classic", "v2"])),
    ("delta.columnMapping.mode", Takes::OneOf(&["none", "name", "id"])),
    ("delta.dataSkippingNumIndexedCols", Takes::Text),
    ("delta.dataSkippingStatsColumns", Takes::Text),
    ("delta.deletedFileRetentionDuration", Takes::Interval),
    ("delta.enableChangeDataFeed", Takes::Boolean),
    ("delta.enableDeletionVectors", Takes::Boolean),
    ("delta.enableExpiredLogCleanup", Takes::Boolean),
    ("delta.enableInCommitTimestamps", Takes::Boolean),
    ("delta.enableRowTracking", Takes::Boolean),
    ("delta.enableTypeWidening", Takes::Boolean),
    ("delta.feature.domainMetadata", Takes::OneOf(&["supported"])),
    ("delta.feature.vacuumProtocolCheck", Takes::OneOf(&["supported"])),
    ("delta.isolationLevel", Takes::OneOf(&["Serializable", "WriteSerializable", "SnapshotIsolation"])),
    ("delta.logRetentionDuration", Takes::Interval),
    ("delta.parquet.compression.codec", Takes::Text),
    ("delta.randomizeFilePrefixes", Takes::Boolean),
    ("delta.randomPrefixLength", Takes::Text),
    ("delta.targetFileSize", Takes::Text),
    ("delta.tuneFileSizesForRewrites", Takes::Boolean),
];

/// Reads `name=value;name=value`. Names that do not start with `delta.` are the user's own.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut properties = BTreeMap::new();
    for entry in text.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
        let Some((name, value)) = entry.split_once('=').map(|(name, value)| (name.trim(), value.trim()))
        else {
            return Err(format!("{entry:?} is not of the form name=value"));
        };
        check(name, value)?;
        if properties.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(format!("{name} is given twice"));
        }
    }
    Ok(properties)
}

fn check(name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() || value.is_empty() {
        return Err(format!("\"{name}={value}\" has no name or no value"));
    }
    if !name.to_lowercase().starts_with("delta.") {
        return Ok(());
    }
    if name.eq_ignore_ascii_case("delta.setTransactionRetentionDuration") {
        return Err(format!("with {name} the table would forget the offsets that it holds"));
    }
    let Some((known, takes)) = PROPERTIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
        let names: Vec<_> = PROPERTIES.iter().map(|(known, _)| *known).collect();
        return Err(format!(
            "{name} is not a property that Sluice creates tables with; those are {}",
            names.join(", ")
        ));
    };
    if *known != name {
        return Err(format!("{name} is written {known}"));
    }
    let words: &[&str] = match takes {
        Takes::Boolean => &["true", "false"],
        Takes::OneOf(words) => words,
        Takes::Count if value.parse::<u32>().is_ok_and(|count| count > 0) => return Ok(()),
        Takes::Count => return Err(format!("{name} has to be a whole number of at least 1")),
        Takes::Interval if interval(value).is_some() => return Ok(()),
        Takes::Interval => return Err(format!("{name} is written as in {name}=interval 7 days")),
        Takes::Text => return Ok(()),
    };
    if words.contains(&value) { Ok(()) } else { Err(format!("{name} has to be one of {}", words.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_in_pairs() {
        let parsed = parse(" delta.appendOnly = true ; owner=team a=b;;").unwrap();
        let expected = [("delta.appendOnly", "true"), ("owner", "team a=b")];
        assert_eq!(parsed, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(parse(""), Ok(BTreeMap::new()));
    }

    #[test]
    fn what_would_not_do_what_it_says_is_refused() {
        let refusals = [
            ("delta.appendOnly", "\"delta.appendOnly\" is not of the form name=value"),
            ("a=", "\"a=\" has no name or no value"),
            ("a=1;a=2", "a is given twice"),
            ("delta.appendonly=true", "delta.appendonly is written delta.appendOnly"),
            ("delta.appendOnly=yes", "delta.appendOnly has to be one of true, false"),
            ("delta.columnMapping.mode=Name", "delta.columnMapping.mode has to be one of none, name, id"),
        ];
        for (text, message) in refusals {
            assert_eq!(parse(text), Err(message.to_owned()));
        }
        for given in ["7", "interval 1 month", "interval -1 days", "interval 7 days."] {
            let refused = parse(&format!("delta.logRetentionDuration={given}")).unwrap_err();
            assert!(refused.ends_with("as in delta.logRetentionDuration=interval 7 days"), "{refused}");
        }
        assert!(parse("delta.deletedFileRetentionDuration=interval 1 week").is_ok());
        for given in ["0", "-1", "ten"] {
            let refused = parse(&format!("delta.checkpointInterval={given}")).unwrap_err();
            assert!(refused.ends_with("at least 1"), "{refused}");
        }
        for name in
            ["delta.constraints.c", "delta.enableIcebergCompatV2", "delta.minReaderVersion", "delta.x"]
        {
            assert!(
                parse(&format!("{name}=1")).unwrap_err().starts_with(&format!("{name} is not a property"))
            );
        }
        let forgets = parse("delta.setTransactionRetentionDuration=interval 1 day").unwrap_err();
        assert!(forgets.contains("forget the offsets"), "{forgets}");
    }
}
