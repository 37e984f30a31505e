//! What is known of each key. Knows no HTTP and no clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_core::Error;

use crate::{Fetched, Lookup, SchemaKey};

/// More than this is not held at once, of keys and of texts; what was asked for last stays.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub keys: usize,
    pub bytes: usize,
    /// More than this is not fetched at once.
    pub pending: usize,
    /// How long the registry's word that it has no such schema holds.
    pub unknown_for: Duration,
    /// How long a refusal holds. It is given to whoever asks once in any case, however late.
    pub refused_for: Duration,
    /// A schema that nobody has asked for in this time is not tried for any longer.
    pub wanted_for: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            keys: 10_000,
            bytes: 256 << 20,
            pending: 1_000,
            unknown_for: Duration::from_secs(60),
            refused_for: Duration::from_secs(5),
            wanted_for: Duration::from_secs(60),
        }
    }
}

pub struct Cache {
    limits: Limits,
    entries: HashMap<SchemaKey, Entry>,
    /// Counts calls, for the order in which keys were asked for.
    calls: u64,
    bytes: usize,
    pending: usize,
}

struct Entry {
    state: State,
    asked: Instant,
    call: u64,
}

enum State {
    Pending { reason: Option<String> },
    Known(Arc<Fetched>),
    Settled(Settled),
}

/// An outcome that holds for a while, but no less than until somebody has heard of it.
struct Settled {
    lookup: Lookup,
    until: Instant,
    heard: bool,
}

pub enum Next {
    Answer(Lookup),
    /// It is to be fetched, by who gets this.
    Fetch,
}

/// What came of fetching.
pub enum Outcome {
    Known(Fetched),
    Unknown(String),
    Refused(Error),
    /// It was given up because nobody wants it any longer.
    Abandoned,
}

impl Cache {
    pub fn new(limits: Limits) -> Cache {
        Cache { limits, entries: HashMap::new(), calls: 0, bytes: 0, pending: 0 }
    }

    pub fn look(&mut self, key: &SchemaKey, now: Instant) -> Next {
        self.calls += 1;
        if let Some(entry) = self.entries.get_mut(key) {
            (entry.asked, entry.call) = (now, self.calls);
            match &mut entry.state {
                State::Known(fetched) => return Next::Answer(Lookup::Known(fetched.clone())),
                State::Pending { .. } => return Next::Answer(Lookup::Pending),
                State::Settled(settled) if now < settled.until || !settled.heard => {
                    settled.heard = true;
                    return Next::Answer(settled.lookup.clone());
                }
                State::Settled(_) => {}
            }
        }
        if self.pending >= self.limits.pending {
            return Next::Answer(Lookup::Pending);
        }
        self.put(*key, State::Pending { reason: None }, now, self.calls);
        self.make_room();
        Next::Fetch
    }

    /// None where nothing is pending.
    pub fn reason(&self, key: &SchemaKey) -> Option<Option<String>> {
        match &self.entries.get(key)?.state {
            State::Pending { reason } => Some(reason.clone()),
            _ => None,
        }
    }

    pub fn is_wanted(&self, key: &SchemaKey, now: Instant) -> bool {
        let wanted_for = self.limits.wanted_for;
        self.entries.get(key).is_some_and(|entry| now.saturating_duration_since(entry.asked) < wanted_for)
    }

    pub fn note(&mut self, key: &SchemaKey, why: &str) {
        if let Some(Entry { state: State::Pending { reason }, .. }) = self.entries.get_mut(key) {
            *reason = Some(why.to_owned());
        }
    }

    pub fn settle(&mut self, key: &SchemaKey, outcome: Outcome, now: Instant) {
        let Some(entry) = self.entries.get(key) else { return };
        let (asked, call) = (entry.asked, entry.call);
        let held = |lookup, time| State::Settled(Settled { lookup, until: now + time, heard: false });
        let state = match outcome {
            Outcome::Known(fetched) => State::Known(Arc::new(fetched)),
            Outcome::Unknown(message) => held(Lookup::Unknown(message), self.limits.unknown_for),
            Outcome::Refused(error) => held(Lookup::Refused(error), self.limits.refused_for),
            Outcome::Abandoned => return self.take(key),
        };
        self.put(*key, state, asked, call);
        self.make_room();
    }

    fn put(&mut self, key: SchemaKey, state: State, asked: Instant, call: u64) {
        self.take(&key);
        self.bytes += state.bytes();
        self.pending += usize::from(state.is_pending());
        self.entries.insert(key, Entry { state, asked, call });
    }

    fn take(&mut self, key: &SchemaKey) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.state.bytes();
            self.pending -= usize::from(entry.state.is_pending());
        }
    }

    /// Forgets what was asked for the longest ago. Rare, and then an eighth at once.
    fn make_room(&mut self) {
        let Limits { keys, bytes, .. } = self.limits;
        if self.entries.len() <= keys && self.bytes <= bytes {
            return;
        }
        let mut by_age: Vec<_> = self.entries.iter().filter(|(_, entry)| !entry.state.is_pending()).collect();
        by_age.sort_by_key(|(_, entry)| entry.call);
        let by_age: Vec<_> = by_age.iter().map(|(key, _)| **key).collect();
        // The last one is kept whatever its size is: it is wanted now.
        for key in &by_age[..by_age.len().saturating_sub(1)] {
            if self.entries.len() <= keys - keys / 8 && self.bytes <= bytes - bytes / 8 {
                break;
            }
            self.take(key);
        }
    }
}

impl State {
    fn bytes(&self) -> usize {
        match self {
            State::Known(fetched) => {
                let references = fetched.references.iter();
                fetched.text.len() + references.map(|one| one.name.len() + one.text.len()).sum::<usize>()
            }
            _ => 0,
        }
    }

    fn is_pending(&self) -> bool {
        matches!(self, State::Pending { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SchemaType;
    use sluice_core::Code;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits { keys: 16, bytes: 1_000, pending: 20, ..Limits::default() }
    }

    fn known(bytes: usize) -> Outcome {
        let text = "x".repeat(bytes);
        Outcome::Known(Fetched { schema_type: SchemaType::Avro, text, references: Vec::new() })
    }

    fn fetches(cache: &mut Cache, id: u32, now: Instant) -> bool {
        matches!(cache.look(&SchemaKey::Id(id), now), Next::Fetch)
    }

    #[test]
    fn only_the_first_call_fetches() {
        let (mut cache, now) = (Cache::new(limits()), Instant::now());
        assert!(fetches(&mut cache, 1, now));
        assert!(matches!(cache.look(&SchemaKey::Id(1), now), Next::Answer(Lookup::Pending)));
        assert!(fetches(&mut cache, 2, now));
        cache.settle(&SchemaKey::Id(1), known(3), now);
        let later = now + 1_000_000 * SECOND;
        assert!(matches!(cache.look(&SchemaKey::Id(1), later), Next::Answer(Lookup::Known(_))));
    }

    #[test]
    fn unknown_and_refused_hold_for_a_while_and_are_heard_of_in_any_case() {
        let error = || Error::new(Code::RegistryRefused, "no");
        for (outcome, time) in [
            (Outcome::Unknown("none".into()), limits().unknown_for),
            (Outcome::Refused(error()), limits().refused_for),
        ] {
            let (mut cache, now) = (Cache::new(limits()), Instant::now());
            assert!(fetches(&mut cache, 1, now));
            cache.settle(&SchemaKey::Id(1), outcome, now);
            // Nobody has asked until it is long over.
            assert!(!fetches(&mut cache, 1, now + 2 * time));
            assert!(fetches(&mut cache, 1, now + 2 * time));
            cache.settle(&SchemaKey::Id(1), Outcome::Unknown("none".into()), now);
            assert!(!fetches(&mut cache, 1, now + SECOND));
            assert!(!fetches(&mut cache, 1, now + limits().unknown_for - SECOND));
            assert!(fetches(&mut cache, 1, now + limits().unknown_for));
        }
    }

    #[test]
    fn what_nobody_asks_for_is_not_wanted() {
        let (mut cache, now) = (Cache::new(limits()), Instant::now());
        let key = SchemaKey::GlobalId(9);
        assert!(!cache.is_wanted(&key, now));
        cache.look(&key, now);
        let later = now + limits().wanted_for;
        assert!(cache.is_wanted(&key, later - SECOND) && !cache.is_wanted(&key, later));
        cache.look(&key, later);
        assert!(cache.is_wanted(&key, later + SECOND));
        cache.note(&key, "it is down");
        assert_eq!(cache.reason(&key), Some(Some("it is down".into())));
        cache.settle(&key, Outcome::Abandoned, later);
        assert_eq!((cache.reason(&key), cache.pending), (None, 0));
        assert!(matches!(cache.look(&key, later), Next::Fetch));
    }

    #[test]
    fn keys_and_bytes_are_bounded_and_the_last_ones_stay() {
        let (mut cache, now) = (Cache::new(limits()), Instant::now());
        for id in 0..100 {
            assert!(fetches(&mut cache, id, now));
            cache.settle(&SchemaKey::Id(id), known(10), now);
            // Asked for again and again, so never the oldest.
            assert!(id < 3 || !fetches(&mut cache, 3, now), "{id}");
            assert!(cache.entries.len() <= 16);
        }
        assert!(!fetches(&mut cache, 99, now) && fetches(&mut cache, 50, now));
        for (id, bytes) in [(200, 900), (201, 5_000)] {
            assert!(fetches(&mut cache, id, now));
            cache.settle(&SchemaKey::Id(id), known(bytes), now);
            assert!(!fetches(&mut cache, id, now), "the last one is kept whatever its size is");
        }
        assert!(fetches(&mut cache, 3, now));
        assert_eq!(cache.bytes, 5_000);
    }

    #[test]
    fn pending_ones_are_bounded_and_never_forgotten() {
        let (mut cache, now) = (Cache::new(limits()), Instant::now());
        assert_eq!((0..100).filter(|id| fetches(&mut cache, *id, now)).count(), 20);
        assert!(matches!(cache.look(&SchemaKey::Id(70), now), Next::Answer(Lookup::Pending)));
        cache.settle(&SchemaKey::Id(0), known(1), now);
        assert!(fetches(&mut cache, 70, now));
        assert!((1..20).all(|id| cache.reason(&SchemaKey::Id(id)).is_some()));
    }
}
