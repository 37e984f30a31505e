//! The values of settings that take one of a few words.

pub use super::maintenance::{CompactionScope, VacuumMode};
pub use crate::decode::json::{Strings as JsonStrings, UnknownFields};
pub use crate::raw::compression::Compression as RawCompression;
pub use crate::schema::Evolution;

/// The form in which records reach the connector, with its number in the `start` reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputMode {
    /// Bytes or strings; the native side decodes them.
    Raw = 0,
    /// Structs and Maps, from any converter.
    Connect = 1,
    /// [`InputMode::Raw`] for bytes and strings, else [`InputMode::Connect`].
    Auto = 2,
}

/// What becomes of a record without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullValues {
    Ignore,
    Fail,
    Dlq,
}

/// What becomes of a record's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMode {
    Ignore,
    Columns,
}

/// What becomes of a record that no route matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmatched {
    Fail,
    Skip,
    Dlq,
}

/// What becomes of a partition of which the table holds another connector's offset and none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherConnectors {
    Fail,
    Ignore,
}

/// How the bytes of a raw record are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawFormat {
    Json,
    JsonSchema,
    Avro,
    Protobuf,
    Csv,
    String,
    Bytes,
}

/// Where a raw record says which schema it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawFraming {
    /// As Confluent's serializers where there is a registry, else nowhere.
    Auto,
    None,
    Confluent,
    ConfluentHeader,
    Apicurio,
    ApicurioContent,
    AvroSingleObject,
    AvroContainer,
}

/// The codec of Parquet's pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    Zstd,
    Snappy,
    Lz4,
    None,
}

/// How a version of a table's log is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommitLock {
    /// By what the store itself offers: a hard link, or a conditional put.
    Store,
    /// By an entry in DynamoDB, as Spark's `S3DynamoDBLogStore` does.
    DynamoDb,
}

/// Whether the bucket stands in the path of a request instead of the host's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathStyle {
    /// With an endpoint of one's own.
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServerSideEncryption {
    /// What the bucket does by default.
    None,
    Aes256,
    Kms,
    KmsTwice,
}

/// How `tablePath` in the lock table begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathScheme {
    /// As the table's URI.
    Auto,
    S3,
    S3a,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BillingMode {
    PayPerRequest,
    Provisioned,
}

/// What a schema registry is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegistryApi {
    Confluent,
    /// Apicurio's own, not the one that it has for Confluent's clients.
    Apicurio,
}

/// A type whose values are words in the settings.
pub trait Choice: Sized + Copy + 'static {
    const WORDS: &'static [&'static str];

    fn from_word(word: &str) -> Option<Self>;
}

macro_rules! words {
    ($($choice:ident { $($value:ident = $word:literal),* })*) => { $(
        impl Choice for $choice {
            const WORDS: &'static [&'static str] = &[$($word),*];

            fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some($choice::$value),)* _ => None }
            }
        }
    )* };
}

words! {
    UnknownFields { Ignore = "ignore", Fail = "fail" }
    OtherConnectors { Fail = "fail", Ignore = "ignore" }
    InputMode { Auto = "auto", Raw = "raw", Connect = "connect" }
    NullValues { Ignore = "ignore", Fail = "fail", Dlq = "dlq" }
    KeyMode { Ignore = "ignore", Columns = "columns" }
    Unmatched { Fail = "fail", Skip = "skip", Dlq = "dlq" }
    RawFormat {
        Json = "json", JsonSchema = "json-schema", Avro = "avro", Protobuf = "protobuf", Csv = "csv", String = "string",
        Bytes = "bytes"
    }
    RawCompression {
        None = "none", Auto = "auto", Gzip = "gzip", Zstd = "zstd", Snappy = "snappy", Lz4 = "lz4"
    }
    RawFraming {
        Auto = "auto", None = "none", Confluent = "confluent", ConfluentHeader = "confluent-header",
        Apicurio = "apicurio", ApicurioContent = "apicurio-content", AvroSingleObject = "avro-single-object",
        AvroContainer = "avro-container"
    }
    CommitLock { Store = "store", DynamoDb = "dynamodb" }
    PathStyle { Auto = "auto", Always = "true", Never = "false" }
    ServerSideEncryption { None = "none", Aes256 = "AES256", Kms = "aws:kms", KmsTwice = "aws:kms:dsse" }
    PathScheme { Auto = "auto", S3 = "s3", S3a = "s3a" }
    BillingMode { PayPerRequest = "PAY_PER_REQUEST", Provisioned = "PROVISIONED" }
    RegistryApi { Confluent = "confluent", Apicurio = "apicurio" }
    JsonStrings { Strict = "strict", Lenient = "lenient" }
    Evolution { None = "none", Add = "add", Widen = "widen" }
    CompactionScope { Cold = "cold", All = "all" }
    VacuumMode { Off = "off", DryRun = "dry-run", Delete = "delete" }
    Compression { Zstd = "zstd", Snappy = "snappy", Lz4 = "lz4", None = "none" }
}
