//! The kinds of findings: what each means for the table, and what to do. `docs/audit.md` lists them.

use serde::{Serialize, Serializer};

macro_rules! kinds {
    ($($variant:ident $name:literal $meaning:literal $remedy:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($variant,)* }

        impl Kind {
            pub const ALL: &'static [Kind] = &[$(Kind::$variant,)*];

            pub fn name(self) -> &'static str {
                match self { $(Kind::$variant => $name,)* }
            }

            pub fn meaning(self) -> &'static str {
                match self { $(Kind::$variant => $meaning,)* }
            }

            pub fn remedy(self) -> &'static str {
                match self { $(Kind::$variant => $remedy,)* }
            }
        }
    };
}

kinds! {
    Gap "gap"
        "Offsets are in no commit: if Kafka had records there, their rows are lost."
        "Ask Kafka with --bootstrap whether records are there. While it has them, load them with a connector of another name \
         whose consumer group starts at the first of these offsets, and stop it behind the last.";
    Overlap "overlap"
        "Offsets are in two commits: the rows of their records are in the table twice."
        "Where the table has metadata columns, --rows finds the rows. Delete those of the later commit.";
    Rows "rows"
        "A commit's files hold other rows than its intervals count: rows are lost, twice, or from elsewhere."
        "Compare the table with Kafka: --bootstrap, and --rows where the table has metadata columns.";
    Interval "interval"
        "What the commit says of its offsets cannot be true, so it proves nothing of its rows."
        "Compare the table with Kafka: --bootstrap, and --rows where the table has metadata columns.";
    Txn "txn"
        "The stored offset was moved by a commit that does not account for it: records were passed over, or come again."
        "Find out who wrote the commit. To move an offset on purpose, use Connect's REST interface.";
    Alteration "alteration"
        "The offset was moved on purpose, but not from where the commits had left it."
        "Find out what wrote the commit before it.";
    TakeOver "takeover"
        "The first rows do not follow the last ones of the job that was taken over: records between are lost, or are in the \
         table twice."
        "Make sure that the job no longer runs; compare the table with Kafka.";
    End "end"
        "The newest snapshot, or a checkpoint, holds another offset than the commits lead to: a reader and the connector go by \
         something that no commit wrote."
        "Do not start the connector before you know what wrote the checkpoint or replaced a commit.";
    Log "log"
        "A version of the log is not there: what it held cannot be told, and readers cannot read the table."
        "Bring the file back from a backup of the store. Do not write one by hand.";
    File "file"
        "A data file is in two commits (its rows count twice), or is not the file that was committed (I3)."
        "Find out what wrote or changed it; restore it from the store's own versions where it keeps them.";
    Missing "missing"
        "A data file is referenced and not there: its rows are lost, and readers fail."
        "Bring it back from a backup of the store. If a VACUUM took it away, its retention was too short.";
    Backwards "backwards"
        "The offset went back: the rows of the offsets between are in the table twice, or will be."
        "Find out what wrote the commit: two jobs of one app id, or an offset that was set by hand.";
    Repeated "repeated"
        "A batch was committed twice: its rows are in the table twice."
        "Find out what wrote the later commit; look for two queries with one checkpoint folder.";
    Surplus "surplus"
        "There are more rows than records that they can come from: rows are in the table twice, or come from elsewhere."
        "Where the table has metadata columns, --rows finds them.";
    Lost "lost"
        "Kafka has records at offsets that the table has passed, and no commit covers them: their rows are lost."
        "While Kafka has them, load them with a connector of another name whose consumer group starts at the first of these \
         offsets, and stop it behind the last.";
    Ahead "ahead"
        "The table's offset is past the topic's end: the topic was deleted and recreated, or Kafka lost its end. New records \
         below the table's offset will not be taken."
        "If the topic is a new one, give the connector another name: its offsets then start anew. Otherwise wait until the \
         topic has grown past the table's offset.";
    Twice "twice"
        "Rows of one offset are in the table more than once."
        "Delete the later of them; the files are named.";
    Stray "stray"
        "Rows have an offset that is in no interval of the commit that added their file."
        "Find out what wrote the file.";
    NoRecord "no-record"
        "Rows come from offsets that hold no record, or one of a transaction that was aborted."
        "Set the connector's consumer.override.isolation.level=read_committed. If it was, the topic is another one than the \
         rows were read from.";
    NoRow "no-row"
        "Records have no row, and --every-record says that each must have one."
        "Look for them in the dead-letter queue and in the connector's settings that leave records out.";
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_explained() {
        let document = std::fs::read_to_string("../../docs/audit.md").unwrap();
        for kind in Kind::ALL {
            assert!(document.contains(&format!("`{}`", kind.name())), "docs/audit.md: {}", kind.name());
        }
    }
}
