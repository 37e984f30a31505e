//! What a task has done since it started. Documented in `docs/operations.md`.

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counters {
    pub records: u64,
    pub rows: u64,
    pub errant: u64,
    pub tombstones: u64,
    pub unrouted: u64,
    pub redelivered: u64,
    pub dropped: u64,
    pub revoked: u64,
    pub unknown_fields: u64,
    pub commits: u64,
    pub fenced: u64,
    pub unwritten: u64,
    pub version: u64,
}

impl Counters {
    pub fn named(&self, backlog: usize) -> Vec<(&'static str, i64)> {
        [
            ("records", self.records),
            ("rows", self.rows),
            ("records-errant", self.errant),
            ("records-tombstone", self.tombstones),
            ("records-unrouted", self.unrouted),
            ("records-redelivered", self.redelivered),
            ("records-before-rewind", self.dropped),
            ("records-of-revoked-partitions", self.revoked),
            ("unknown-fields", self.unknown_fields),
            ("commits", self.commits),
            ("units-fenced", self.fenced),
            ("units-unwritten", self.unwritten),
            ("table-version", self.version),
            ("backlog-bytes", backlog as u64),
        ]
        .map(|(name, value)| (name, i64::try_from(value).unwrap_or(i64::MAX)))
        .to_vec()
    }
}
