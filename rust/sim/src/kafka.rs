//! Topics and one consumer group: partitions that grow, members that come, go silent and are thrown out, rebalances of both
//! protocols, and the offsets that the group has committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::machine::{Millis, Sim};
use crate::routes::Route;

pub type Offset = i64;
pub type MemberId = u64;

/// How long a silent member keeps its partitions.
pub const SESSION_TIMEOUT: Millis = 10_000;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// One row.
    Row,
    /// Makes no row.
    Tombstone,
    /// Goes to the errant-record reporter.
    Bad,
    /// A transformation lets it not through.
    Filtered,
    /// The offset has no record: a transaction's marker, or compacted away.
    Gap,
}

#[derive(Debug, Clone, Copy)]
pub struct Record {
    pub offset: Offset,
    pub kind: Kind,
    /// Has a field that the records before had not.
    pub grown: bool,
    pub route: Route,
}

impl Record {
    pub fn is_row_of(&self, table: &str) -> bool {
        self.kind == Kind::Row && self.route.leads_to(table)
    }

    /// It comes to the table, whether it makes a row there or not.
    pub fn is_of(&self, table: &str) -> bool {
        matches!(self.kind, Kind::Row | Kind::Bad) && self.route.leads_to(table)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Protocol {
    /// All partitions are revoked at each rebalance.
    Eager,
    /// Only those that move.
    Cooperative,
}

#[derive(Debug, Clone)]
struct Member {
    /// Eager: it has given back everything since the last change.
    joined: bool,
    heard: Millis,
}

#[derive(Debug, Clone, Default)]
struct Partition {
    log: Vec<Record>,
    owner: Option<MemberId>,
    /// Who is to have it after the rebalance.
    target: Option<MemberId>,
    committed: Option<Offset>,
    /// Records in the dead-letter queue.
    reported: Vec<Offset>,
}

struct State {
    protocol: Protocol,
    members: BTreeMap<MemberId, Member>,
    last_member: MemberId,
    partitions: Vec<Partition>,
    balanced: bool,
}

/// What a poll finds of its group.
#[derive(Debug, PartialEq)]
pub enum Change {
    None,
    /// Thrown out of the group: the partitions are somebody else's already.
    Lost,
    Revoke(Vec<usize>),
    Assign(Vec<usize>),
}

#[derive(Clone)]
pub struct Kafka {
    sim: Sim,
    state: Arc<Mutex<State>>,
}

impl Kafka {
    pub fn new(sim: Sim, protocol: Protocol, partitions: usize) -> Kafka {
        let state = State {
            protocol,
            members: BTreeMap::new(),
            last_member: 0,
            partitions: vec![Partition::default(); partitions],
            balanced: false,
        };
        Kafka { sim, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn partitions(&self) -> usize {
        self.state().partitions.len()
    }

    pub fn produce(&self, partition: usize, kind: Kind, grown: bool, route: Route) {
        let log = &mut self.state().partitions[partition].log;
        let offset = log.len() as Offset;
        log.push(Record { offset, kind, grown, route });
    }

    pub fn end(&self, partition: usize) -> Offset {
        self.state().partitions[partition].log.len() as Offset
    }

    /// The records from `from` up to, not including, `to`.
    pub fn records(&self, partition: usize, from: Offset, to: Offset) -> Vec<Record> {
        let state = self.state();
        let log = &state.partitions[partition].log;
        let bound = |offset: Offset| (offset.max(0) as usize).min(log.len());
        log[bound(from)..bound(to).max(bound(from))].to_vec()
    }

    pub fn committed(&self, partition: usize) -> Option<Offset> {
        self.state().partitions[partition].committed
    }

    /// As an operator does with Kafka's own tools, while nobody consumes the partition. Whether it was so.
    pub fn set_committed(&self, partition: usize, offset: Option<Offset>) -> bool {
        let partition = &mut self.state().partitions[partition];
        let free = partition.owner.is_none();
        if free {
            partition.committed = offset;
        }
        free
    }

    pub fn report(&self, partition: usize, offset: Offset) {
        self.state().partitions[partition].reported.push(offset);
    }

    pub fn is_reported(&self, partition: usize, offset: Offset) -> bool {
        self.state().partitions[partition].reported.contains(&offset)
    }

    pub fn join(&self) -> MemberId {
        let mut state = self.state();
        state.last_member += 1;
        let id = state.last_member;
        let heard = self.sim.now();
        state.members.insert(id, Member { joined: false, heard });
        self.rebalance(&mut state);
        id
    }

    /// The consumer's background thread says that it is there.
    pub fn heartbeat(&self, member: MemberId) {
        let now = self.sim.now();
        let mut state = self.state();
        self.expire(&mut state);
        if let Some(member) = state.members.get_mut(&member) {
            member.heard = now;
        }
    }

    pub fn is_member(&self, member: MemberId) -> bool {
        let mut state = self.state();
        self.expire(&mut state);
        state.members.contains_key(&member)
    }

    /// Kafka lets nobody set the offsets of a group that has members.
    pub fn is_empty(&self) -> bool {
        let mut state = self.state();
        self.expire(&mut state);
        state.members.is_empty()
    }

    pub fn leave(&self, member: MemberId) {
        let mut state = self.state();
        if state.members.remove(&member).is_some() {
            self.rebalance(&mut state);
        }
    }

    fn expire(&self, state: &mut State) {
        let now = self.sim.now();
        let before = state.members.len();
        state.members.retain(|_, member| member.heard + SESSION_TIMEOUT > now);
        if state.members.len() < before {
            self.rebalance(state);
        }
    }

    fn rebalance(&self, state: &mut State) {
        let alive: Vec<MemberId> = state.members.keys().copied().collect();
        state.balanced = false;
        state.members.values_mut().for_each(|member| member.joined = false);
        // Any assignment is a right one; a different one each time is the harder.
        let shift = self.sim.draw(alive.len() as u64) as usize;
        let sticky = self.sim.chance(500);
        for (index, partition) in state.partitions.iter_mut().enumerate() {
            partition.owner = partition.owner.filter(|owner| state.members.contains_key(owner));
            let keep = partition.owner.filter(|_| sticky);
            partition.target = match alive.len() {
                0 => None,
                n => keep.or(Some(alive[(index + shift) % n])),
            };
        }
    }

    /// What the group wants of a member that has `own`, before it fetches.
    pub fn poll(&self, member: MemberId, own: &[usize]) -> Change {
        let mut state = self.state();
        let now = self.sim.now();
        self.expire(&mut state);
        let protocol = state.protocol;
        match state.members.get_mut(&member) {
            None => return Change::Lost,
            Some(known) => known.heard = now,
        }
        let is_mine = |partition: &Partition| partition.target == Some(member);
        match protocol {
            Protocol::Cooperative => {
                let revoked: Vec<usize> =
                    own.iter().copied().filter(|p| !is_mine(&state.partitions[*p])).collect();
                if !revoked.is_empty() {
                    return Change::Revoke(revoked);
                }
            }
            Protocol::Eager => {
                let joined = state.members.get(&member).is_some_and(|known| known.joined);
                if !joined && !state.balanced {
                    if !own.is_empty() {
                        return Change::Revoke(own.to_vec());
                    }
                    if let Some(known) = state.members.get_mut(&member) {
                        known.joined = true;
                    }
                }
                if !state.members.values().all(|known| known.joined) && !state.balanced {
                    return Change::None;
                }
                state.balanced = true;
            }
        }
        let free = |partition: &Partition| is_mine(partition) && partition.owner.is_none();
        let added: Vec<usize> =
            (0..state.partitions.len()).filter(|index| free(&state.partitions[*index])).collect();
        if added.is_empty() {
            return Change::None;
        }
        for index in &added {
            state.partitions[*index].owner = Some(member);
        }
        Change::Assign(added)
    }

    /// The member has let go of partitions.
    pub fn released(&self, member: MemberId, partitions: &[usize]) {
        let mut state = self.state();
        for index in partitions {
            let partition = &mut state.partitions[*index];
            if partition.owner == Some(member) {
                partition.owner = None;
            }
        }
    }

    /// Refused where the partition is not the member's any more.
    pub fn commit(&self, member: MemberId, offsets: &[(usize, Offset)]) -> bool {
        let mut state = self.state();
        self.expire(&mut state);
        if !state.members.contains_key(&member) {
            return false;
        }
        for (index, offset) in offsets {
            let partition = &mut state.partitions[*index];
            if partition.owner == Some(member) {
                partition.committed = Some(*offset);
            }
        }
        true
    }
}
