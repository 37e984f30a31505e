//! The durable steps of a task, by name: a crash test ends the process at one of them. `docs/fail-points.md` says what each
//! leaves behind.

macro_rules! fail_points {
    ($($(#[$meaning:meta])* $point:ident = $name:literal,)*) => {
        /// Nothing in a worker obeys them: [`crate::world::World::reached`] does nothing unless a test's world does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FailPoint {
            $($(#[$meaning])* $point,)*
        }

        impl FailPoint {
            pub const ALL: &[FailPoint] = &[$(FailPoint::$point,)*];

            pub fn name(self) -> &'static str {
                match self {
                    $(FailPoint::$point => $name,)*
                }
            }
        }
    };
}

fail_points! {
    /// A data file's rows are encoded, and the file is not finished.
    FileEncoded = "file-encoded",
    /// The parts of a data file are sent, and the upload is not completed.
    UploadPartsSent = "upload-parts-sent",
    /// A data file is durable.
    FileFinished = "file-finished",
    /// All files of a unit are durable, and it is not up for commit.
    UnitStaged = "unit-staged",
    /// The units of a commit passed the compare-and-swap, and nothing is written.
    CommitBegun = "commit-begun",
    /// The store says that a commit landed, and no task has been told.
    CommitLanded = "commit-landed",
    /// Connect is about to be given offsets that the table holds.
    OffsetsReady = "offsets-ready",
    /// A missing table is about to be created.
    CreateBegun = "create-begun",
    /// The new table has its place, and version 0 is not claimed.
    CreatePrepared = "create-prepared",
    /// Version 0 is claimed, by us or by another writer.
    CreateClaimed = "create-claimed",
    /// A change of columns is about to be claimed.
    EvolveBegun = "evolve-begun",
    /// A change of columns is claimed.
    EvolveClaimed = "evolve-claimed",
    /// Local file system: the commit is durable under another name.
    LinkReady = "link-ready",
    /// Local file system: the commit has its name, which may not be durable.
    LinkDone = "link-done",
    /// Conditional put: the commit is about to be sent.
    PutReady = "put-ready",
    /// Conditional put: the store has answered.
    PutDone = "put-done",
    /// DynamoDB lock: the temporary commit is about to be put.
    TemporaryReady = "temporary-ready",
    /// DynamoDB lock: the temporary commit is there, its entry is not.
    TemporaryPut = "temporary-put",
    /// DynamoDB lock: the entry is there, by which the commit is decided.
    EntryWritten = "entry-written",
    /// DynamoDB lock: the commit is about to be put in its place.
    PublishReady = "publish-ready",
    /// DynamoDB lock: the commit is in its place.
    Published = "published",
    /// DynamoDB lock: the entry is complete.
    EntryCompleted = "entry-completed",
}
