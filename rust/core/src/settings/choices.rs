//! The values of settings that take one of a few words.

pub use crate::decode::json::{Strings as JsonStrings, UnknownFields};
pub use crate::schema::Evolution;

/// The form in which records reach the connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputMode {
    /// Bytes or strings; the native side decodes them.
    Raw,
}

/// How the bytes of a raw record are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawFormat {
    Json,
}

/// The codec of Parquet's pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    Zstd,
    Snappy,
    Lz4,
    None,
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
    InputMode { Raw = "raw" }
    RawFormat { Json = "json" }
    JsonStrings { Strict = "strict", Lenient = "lenient" }
    Evolution { None = "none", Add = "add", Widen = "widen" }
    Compression { Zstd = "zstd", Snappy = "snappy", Lz4 = "lz4", None = "none" }
}
