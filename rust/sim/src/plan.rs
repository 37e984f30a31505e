//! What a seed stands for: a cluster, its load, and how likely it is that something goes wrong.

use std::collections::BTreeMap;

use sluice_core::settings::{Settings, as_one_error};

use crate::kafka::{Kind, Protocol, Record};
use crate::machine::{Millis, Sim};
use crate::net::Odds;
use crate::predecessor::{BEFORE, Predecessor};
use crate::routes::{self, Route};
use crate::upkeep::Upkeep;

pub const CONNECTOR: &str = "sim";
pub const TOPIC: &str = "t";
pub const SCHEMA: &str =
    r#"{"type":"struct","fields":[{"name":"v","type":"long","nullable":false,"metadata":{}}]}"#;

/// Drawn from the seed.
pub struct Plan {
    pub protocol: Protocol,
    pub partitions: usize,
    pub tables: Vec<String>,
    pub under_dynamodb: bool,
    pub workers: usize,
    pub tasks: usize,
    pub odds: Odds,
    pub duration: Millis,
    commit_interval: Millis,
    commit_max_records: u64,
    retry_timeout: Millis,
    pub grows: bool,
    pub another_writer: bool,
    pub alters: bool,
    /// What the rows of a process may hold in memory, in bytes.
    pub memory: Option<usize>,
    /// How long the tables keep an offset that is not set again.
    pub retention: Option<Millis>,
    /// Who wrote the tables before.
    pub predecessor: Option<Predecessor>,
    /// The predecessor goes on for a while, which it should not.
    pub still_runs: bool,
    /// The user tells of it only after the connector has refused to start over.
    pub told_late: bool,
    /// Records name their tables.
    pub routed: bool,
    /// Records that no route matches are reported, and not passed over.
    pub reports_unrouted: bool,
    /// None: nobody keeps the tables.
    pub upkeep: Option<Upkeep>,
    /// Of the kinds of records, in a thousand.
    tombstones: u64,
    bad: u64,
    filtered: u64,
    gaps: u64,
}

impl Plan {
    pub fn draw(sim: &Sim) -> Plan {
        let rarely = |most: u64| if sim.chance(500) { 0 } else { sim.draw(most) };
        let storm = sim.draw(3);
        let odds = |most: u64| match storm {
            0 => 0,
            _ => rarely(most * storm),
        };
        let routed = sim.chance(250);
        let forgets = !routed && sim.chance(200);
        let predecessor = match !routed && !forgets {
            true => sim.one_of([(150, Predecessor::KafkaDeltaIngest), (150, Predecessor::Connector)]),
            false => None,
        };
        let mut plan = Plan {
            protocol: if sim.chance(500) { Protocol::Eager } else { Protocol::Cooperative },
            partitions: sim.between(1, 5) as usize,
            tables: if routed || sim.chance(500) {
                vec!["lake/a".into(), "lake/b".into()]
            } else {
                vec!["lake/a".into()]
            },
            under_dynamodb: sim.chance(400),
            workers: sim.between(1, 3) as usize,
            tasks: sim.between(1, 4) as usize,
            odds: Odds {
                refused: odds(60),
                lost_reply: odds(60),
                late: odds(60),
                retried: odds(60),
                slow: odds(20),
            },
            duration: sim.between(5_000, 60_000),
            commit_interval: sim.between(1_000, 5_000),
            commit_max_records: rarely(30),
            retry_timeout: sim.between(5_000, 120_000),
            grows: sim.chance(200),
            another_writer: forgets || sim.chance(400),
            alters: predecessor.is_none() && sim.chance(300),
            tombstones: rarely(100),
            bad: rarely(100),
            filtered: rarely(200),
            gaps: rarely(200),
            retention: forgets.then(|| sim.between(15_000, 40_000)),
            predecessor,
            still_runs: predecessor.is_some() && sim.chance(400),
            told_late: predecessor == Some(Predecessor::Connector) && sim.chance(500),
            routed,
            reports_unrouted: sim.chance(500),
            memory: sim.chance(200).then(|| sim.between(1, 200_000) as usize),
            upkeep: sim.chance(200).then(|| Upkeep::draw(sim)),
        };
        if let Some(upkeep) = &mut plan.upkeep {
            plan.another_writer |= sim.chance(300);
            upkeep.suit(plan.retention.is_some(), plan.another_writer || predecessor.is_some());
            plan.duration = sim.between(10_000, 120_000);
        }
        plan
    }

    /// Of a task, and whether they tell of the predecessor.
    pub fn settings(&self, task: usize, tells: bool) -> Settings {
        let names: Vec<&str> = self.tables.iter().filter_map(|table| table.rsplit('/').next()).collect();
        let mut map: BTreeMap<String, String> = [
            ("name", CONNECTOR.to_owned()),
            ("sluice.task.id", task.to_string()),
            ("delta.table.uri", "s3://bucket/lake/${table}".to_owned()),
            ("delta.table.auto.create", "true".to_owned()),
            ("delta.schema.json", SCHEMA.to_owned()),
            ("delta.commit.interval.ms", self.commit_interval.to_string()),
            ("delta.store.retry.timeout.ms", self.retry_timeout.to_string()),
            ("delta.parquet.compression", "none".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let mut set = |name: &str, value: &str| map.insert(name.to_owned(), value.to_owned());
        if self.routed {
            set("delta.route.by", "field(to)");
            set("delta.route.map", routes::MAP);
            set("delta.route.unmatched", if self.reports_unrouted { "dlq" } else { "skip" });
        } else {
            set("delta.topic2table.map", &format!("{TOPIC}={}", names.join(",")));
        }
        if let Some(predecessor) = self.predecessor.filter(|_| tells) {
            set(predecessor.setting(), BEFORE);
        }
        if self.grows {
            set("delta.schema.evolution", "add");
        }
        match &self.upkeep {
            None => drop(set("delta.maintenance.enabled", "false")),
            Some(upkeep) => {
                let properties = upkeep.properties().into_iter();
                let properties: Vec<_> = properties.map(|(name, value)| format!("{name}={value}")).collect();
                set("delta.table.properties", &properties.join(";"));
                upkeep.settings().iter().for_each(|(name, value)| drop(set(name, value)));
            }
        }
        if self.commit_max_records > 0 {
            set("delta.commit.max.records", &self.commit_max_records.to_string());
        }
        match Settings::parse(&map) {
            Ok(settings) => settings,
            Err(errors) => unreachable!("{}", as_one_error(&errors)),
        }
    }

    pub fn kind(&self, sim: &Sim) -> Kind {
        let kind = sim.one_of([
            (self.tombstones, Kind::Tombstone),
            (self.bad, Kind::Bad),
            (self.filtered, Kind::Filtered),
            (self.gaps, Kind::Gap),
        ]);
        kind.unwrap_or(Kind::Row)
    }

    pub fn route(&self, sim: &Sim) -> Route {
        match self.routed {
            false => Route::NotAsked,
            true => {
                let routes =
                    [(300, Route::A), (200, Route::Both), (50, Route::Elsewhere), (50, Route::Missing)];
                sim.one_of(routes).unwrap_or(Route::B)
            }
        }
    }

    /// Where the group says where to start, moving it on skips records.
    pub fn goes_by_the_group(&self) -> bool {
        self.routed || self.retention.is_some()
    }

    /// Whether the record has to be reported before its offset is passed.
    pub fn reports(&self, record: &Record) -> bool {
        match record.kind {
            Kind::Row | Kind::Bad if record.route.leads_nowhere() => self.reports_unrouted,
            kind => kind == Kind::Bad,
        }
    }
}
