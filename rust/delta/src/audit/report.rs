//! What an audit says. The names of the fields are public: `--json` prints them, `docs/audit.md` describes them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use sluice_core::offsets::TopicPartition;

use super::kind::Kind;

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    pub table: String,
    /// First and last version whose commit is still in the log.
    pub first_version: u64,
    pub last_version: u64,
    /// The version of the checkpoint whose offsets are where the first commits are gone.
    pub checkpoint: Option<u64>,
    /// Commits of Sluice, and of others.
    pub commits: u64,
    pub other_commits: u64,
    /// What Sluice wrote, by app id.
    pub app_ids: BTreeMap<String, Progress>,
    /// What others wrote under an app id.
    pub other_app_ids: BTreeMap<String, Other>,
    /// Rows of all intervals.
    pub rows: i64,
    pub findings: Vec<Finding>,
    /// What is in order and worth knowing.
    pub notes: Vec<Note>,
    /// What nobody can tell from what there is.
    pub untold: Vec<String>,
    /// Which version added each file that the commits leave in the table.
    #[serde(skip)]
    pub files: HashMap<String, u64>,
    /// Whether rows were removed or rewritten by an `UPDATE`, a `DELETE` or an overwrite.
    #[serde(skip)]
    pub rows_changed: bool,
}

/// One app id of Sluice over the whole history.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    pub connector: String,
    pub topic: String,
    pub partition: i32,
    /// Where the first interval that is known starts.
    pub from_offset: i64,
    /// The next offset to read; none after a reset.
    pub to_offset: Option<i64>,
    pub intervals: u64,
    pub rows: i64,
    /// Whether a user moved the offset.
    #[serde(skip)]
    pub altered: bool,
    /// The intervals in their order.
    #[serde(skip)]
    pub taken: Vec<Taken>,
    /// Who moved the offset last.
    #[serde(skip)]
    pub last: Option<Arc<Author>>,
}

/// One interval of a commit.
#[derive(Debug, Clone)]
pub struct Taken {
    pub from: i64,
    pub to: i64,
    pub rows: i64,
    pub by: Arc<Author>,
}

/// An app id of another writer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Other {
    pub writer: Writer,
    /// The job's app id or the query's id.
    pub name: String,
    pub partition: Option<i32>,
    /// The first version of the `txn` that is known, and the last.
    pub from: i64,
    pub to: i64,
    pub commits: u64,
    /// Rows of its commits; of kafka-delta-ingest those of all partitions together.
    pub rows: u64,
    #[serde(skip)]
    pub last: Option<Arc<Author>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Writer {
    KafkaDeltaIngest,
    SparkStreaming,
    Unknown,
}

/// A commit and who wrote it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Author {
    pub version: u64,
    /// `commitInfo.sluice.commit`.
    pub commit: Option<String>,
    pub connector: Option<String>,
    pub task: Option<String>,
    pub operation: Option<String>,
    pub engine: Option<String>,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub kind: Kind,
    pub version: u64,
    pub app_id: Option<String>,
    pub message: String,
    /// Of a gap: the offsets from the first up to, not including, the second.
    pub offsets: Option<(i64, i64)>,
    /// The commit that broke it, and the one before it of the same app id.
    pub by: Option<Author>,
    pub before: Option<Author>,
    pub meaning: &'static str,
    pub remedy: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub struct Note {
    pub kind: &'static str,
    pub message: String,
}

impl Progress {
    pub fn partition(&self) -> TopicPartition {
        TopicPartition::new(self.topic.as_str(), self.partition)
    }
}

impl Finding {
    pub fn new(kind: Kind, version: u64, message: String) -> Finding {
        Finding {
            kind,
            version,
            app_id: None,
            message,
            offsets: None,
            by: None,
            before: None,
            meaning: kind.meaning(),
            remedy: kind.remedy(),
        }
    }

    pub fn of(mut self, app_id: &str) -> Finding {
        self.app_id = Some(app_id.to_owned());
        self
    }

    pub fn by(mut self, author: &Author) -> Finding {
        self.by = Some(author.clone());
        self
    }

    pub fn after(mut self, before: Option<&Arc<Author>>) -> Finding {
        self.before = before.map(|author| author.as_ref().clone());
        self
    }
}

impl Audit {
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    pub fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub fn note(&mut self, kind: &'static str, message: String) {
        self.notes.push(Note { kind, message });
    }

    /// Whether every commit since the table was made is still there.
    pub fn is_whole(&self) -> bool {
        self.first_version == 0
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Writer::KafkaDeltaIngest => "kafka-delta-ingest",
            Writer::SparkStreaming => "Spark",
            Writer::Unknown => "unknown",
        })
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {}", self.version)?;
        let mut details = Vec::new();
        if let Some(commit) = &self.commit {
            details.push(format!("commit {commit}"));
        }
        if let Some(connector) = &self.connector {
            let task = self.task.as_deref().map(|task| format!(" task {task}")).unwrap_or_default();
            details.push(format!("connector {connector}{task}"));
        }
        details.extend(self.operation.clone());
        details.push(self.engine.clone().unwrap_or_else(|| "an engine that does not say its name".into()));
        details.extend(
            self.timestamp.and_then(chrono::DateTime::from_timestamp_millis).map(|at| at.to_string()),
        );
        write!(f, " ({})", details.join(", "))
    }
}

/// `5 to 8`: the offsets from the first up to, not including, the second.
pub(super) fn range(from: i64, to: i64) -> String {
    match to - from {
        1 => format!("offset {from}"),
        _ => format!("offsets {from} to {}", to - 1),
    }
}
