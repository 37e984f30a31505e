//! Protobuf messages (proto2, proto3 and editions) straight into columns, directed by the schema that they were written
//! with and the table's. What becomes of each type is in `docs/protobuf.md`.

mod builtin;
mod connect;
mod descriptor;
mod indexes;
mod json;
mod known;
mod link;
mod model;
mod plan;
mod raw;
mod read;
mod scalar;
mod source;
mod wire;

#[cfg(test)]
mod damage;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod vectors;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::RowError;
use crate::{Code, Error, Result};
pub use indexes::message_indexes;
use link::{invalid, link};
use model::{MessageType, Pool};
pub(super) use plan::Plan;

/// Files of a schema, imports included, that one schema may have.
const MAX_FILES: usize = 4096;

/// A writer's schema: a `.proto` file with what it imports.
#[derive(Debug, Clone)]
pub struct File {
    pool: Arc<Pool>,
}

/// One of the messages of a [`File`].
#[derive(Debug, Clone)]
pub struct Message {
    pool: Arc<Pool>,
    at: usize,
}

impl File {
    /// Of what `protoc --include_imports --descriptor_set_out` writes. The file that the schema is comes last in it.
    pub fn from_descriptor_set(set: &[u8]) -> Result<Self> {
        let unusable = |error: Box<RowError>| {
            invalid(format!("not a descriptor set as protoc writes it: {}", error.message))
        };
        let files = descriptor::files(set).map_err(unusable)?;
        let Some(main) = files.len().checked_sub(1) else {
            return Err(invalid("a descriptor set without a file"));
        };
        Ok(File { pool: Arc::new(link(files, main)?) })
    }

    /// Of the text of a `.proto` file, and the texts that it imports, each with the name it is imported by. What `protoc`
    /// brings along (`google/protobuf/…`) and what Confluent's registry does (`google/type/…`, `confluent/…`) need not be
    /// given.
    pub fn from_source(text: &str, references: &[(&str, &str)]) -> Result<Self> {
        let given: HashMap<&str, &str> = references.iter().copied().collect();
        let parse = |name: &str, text: &str| {
            source::parse(name, text).map_err(|error| invalid(error.message.clone()))
        };
        let mut files = vec![parse("the schema", text)?];
        let mut wanted: VecDeque<String> = files[0].imports.iter().cloned().collect();
        let mut seen = HashSet::new();
        while let Some(import) = wanted.pop_front() {
            if !seen.insert(import.clone()) {
                continue;
            }
            let Some(text) = given.get(&*import).copied().or_else(|| builtin::source(&import)) else {
                continue;
            };
            if files.len() == MAX_FILES {
                return Err(invalid(format!("more than {MAX_FILES} files")));
            }
            let file = parse(&import, text)?;
            wanted.extend(file.imports.iter().cloned());
            files.push(file);
        }
        Ok(File { pool: Arc::new(link(files, 0)?) })
    }

    /// By its full name; none: the first message of the file.
    pub fn message(&self, name: Option<&str>) -> Result<Message> {
        let Some(name) = name else {
            return self.message_at(&[0]).ok_or_else(|| invalid("its file has no message"));
        };
        match self.pool.find(name.trim_start_matches('.')) {
            Some(at) => Ok(Message { pool: self.pool.clone(), at }),
            None => {
                let names: Vec<_> =
                    self.pool.main.iter().take(10).map(|at| &*self.pool.messages[*at].full_name).collect();
                Err(Error::new(
                    Code::SchemaUnclear,
                    format!(
                        "the Protobuf schema has no message {name}; it has {}. Full names are wanted, with the package",
                        names.join(", ")
                    ),
                ))
            }
        }
    }

    /// By Confluent's message indexes: the place among the file's messages, then among those in it, and so on. Nothing is
    /// the first one.
    pub fn message_at(&self, indexes: &[i32]) -> Option<Message> {
        let mut among = &self.pool.main;
        let mut found = None;
        for index in if indexes.is_empty() { &[0][..] } else { indexes } {
            let at = *among.get(usize::try_from(*index).ok()?)?;
            found = Some(at);
            among = &self.pool.messages[at].nested;
        }
        Some(Message { pool: self.pool.clone(), at: found? })
    }
}

impl Message {
    /// By identity: of the same file, too.
    pub fn is(&self, other: &Message) -> bool {
        Arc::ptr_eq(&self.pool, &other.pool) && self.at == other.at
    }

    pub fn full_name(&self) -> &str {
        &self.definition().full_name
    }

    fn definition(&self) -> &MessageType {
        &self.pool.messages[self.at]
    }
}
