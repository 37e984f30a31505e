//! What Java refers to by number.

use std::collections::HashMap;
use std::sync::Arc;

use super::ConnectSchema;
use crate::error::{Code, Error, Result};

/// Ids below are built in, see `docs/crossing.md`.
pub const FIRST_SCHEMA_ID: i32 = 16;
const MAX_ENTRIES: usize = 1 << 16;

/// The schemas and topics of one task. Registering the same again gives the same id.
#[derive(Debug, Default)]
pub struct Registry {
    schemas: Vec<Arc<ConnectSchema>>,
    topics: Vec<Arc<str>>,
    schema_ids: HashMap<Box<[u8]>, i32>,
    topic_ids: HashMap<Arc<str>, i32>,
}

impl Registry {
    pub fn register_schema(&mut self, descriptor: &[u8]) -> Result<i32> {
        if let Some(&id) = self.schema_ids.get(descriptor) {
            return Ok(id);
        }
        let schema = ConnectSchema::parse(descriptor)?;
        let id = FIRST_SCHEMA_ID + next_id(self.schemas.len(), "schemas")?;
        self.schemas.push(Arc::new(schema));
        self.schema_ids.insert(descriptor.into(), id);
        Ok(id)
    }

    pub fn register_topic(&mut self, topic: &str) -> Result<i32> {
        if let Some(&id) = self.topic_ids.get(topic) {
            return Ok(id);
        }
        let id = next_id(self.topics.len(), "topics")?;
        let topic: Arc<str> = topic.into();
        self.topics.push(topic.clone());
        self.topic_ids.insert(topic, id);
        Ok(id)
    }

    pub fn schema(&self, id: i32) -> Option<&Arc<ConnectSchema>> {
        self.schemas.get(usize::try_from(id.checked_sub(FIRST_SCHEMA_ID)?).ok()?)
    }

    pub fn topic(&self, id: i32) -> Option<&Arc<str>> {
        self.topics.get(usize::try_from(id).ok()?)
    }
}

fn next_id(entries: usize, what: &str) -> Result<i32> {
    if entries == MAX_ENTRIES {
        let message = format!("the task's records had {MAX_ENTRIES} different {what}, and now one more");
        return Err(Error::new(Code::RegistryFull, message));
    }
    Ok(entries as i32)
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, describe};
    use super::*;

    #[test]
    fn ids_are_given_by_content() {
        let mut registry = Registry::default();
        let long = describe(&ConnectSchema::new(Kind::Int64, false));
        let text = describe(&ConnectSchema::new(Kind::String, true));
        assert_eq!(registry.register_schema(&long), Ok(16));
        assert_eq!(registry.register_schema(&text), Ok(17));
        assert_eq!(registry.register_schema(&long.clone()), Ok(16));
        assert_eq!(registry.schema(17).unwrap().kind, Kind::String);
        for id in [i32::MIN, -1, 0, 15, 18, i32::MAX] {
            assert_eq!(registry.schema(id), None);
        }
        assert!(registry.register_schema(&[99]).is_err());
        assert_eq!(registry.register_topic("a"), Ok(0));
        assert_eq!(registry.register_topic("b"), Ok(1));
        assert_eq!(registry.register_topic("a"), Ok(0));
        assert_eq!((registry.topic(1).map(|t| &**t), registry.topic(-1)), (Some("b"), None));
    }

    #[test]
    fn a_registry_is_bounded() {
        let mut registry = Registry::default();
        for number in 0..MAX_ENTRIES {
            registry.register_topic(&number.to_string()).unwrap();
        }
        assert_eq!(registry.register_topic("0"), Ok(0));
        assert_eq!(registry.register_topic("new").unwrap_err().code, Code::RegistryFull);
    }
}
