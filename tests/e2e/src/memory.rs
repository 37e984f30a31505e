//! What the rows of a worker's connectors hold in native memory stays within one budget while their store stands still: no rebalance,
//! nothing fails, nothing is lost (I1), and all goes on once the store does.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sluice_testkit::{Fault, FaultProxy, SAY_HEAP_RANGE, TableLog, heap_range, resident_memory};

use crate::cluster::cluster;
use crate::scenario::Scenario;
use crate::stores::stores;

const BUDGET: u64 = 64 << 20;
/// What may come on top of it: batches in hand, and what the allocator keeps.
const BESIDE: u64 = 64 << 20;
const CONNECTORS: usize = 6;
/// More than all of them together may hold, were it not for the budget: 32 MiB each.
const RECORDS: usize = 5_000;
const TEXT: usize = 10_000;

/// `SLUICE_LONG_OUTAGE=1` makes it five minutes, which is longer than `max.poll.interval.ms`.
fn standstill() -> Duration {
    Duration::from_secs(if std::env::var_os("SLUICE_LONG_OUTAGE").is_some() { 310 } else { 15 })
}

#[test]
fn a_store_that_stands_still_fills_the_memory_budget_and_no_more() {
    let proxy = FaultProxy::start(&stores().s3.endpoint()).unwrap();
    let mut worker = cluster().spawn_worker("memory", "memory", &[SAY_HEAP_RANGE]);
    worker.wait_until_ready().unwrap();
    let source = Scenario::on(worker.connect(), "memory", 1);
    let line = |id: usize| format!(r#"{{"id":{id},"text":"{id} {}"}}"#, "x".repeat(TEXT));
    source.send_lines(&(0..100).map(line).collect::<Vec<_>>());
    let connectors: Vec<_> = (0..CONNECTORS)
        .map(|n| Scenario::without_topic(worker.connect(), &format!("memory-{n}")).on_s3())
        .collect();
    let mut configs = Vec::new();
    for connector in &connectors {
        let config = connector
            .small_config()
            .with_s3(&proxy.endpoint())
            .set("topics", &source.name)
            .set("delta.memory.budget.bytes", BUDGET)
            .set("delta.parquet.compression", "none")
            .set("delta.store.request.timeout.ms", 5_000)
            .set("consumer.override.max.poll.records", 200)
            .set("consumer.override.fetch.max.bytes", 4 << 20)
            .set("consumer.override.max.partition.fetch.bytes", 4 << 20);
        connector.put(&config);
        connector.topic_reaches_the_end(&source.name, &connector.table);
        configs.push(config);
    }
    let pid = worker.process().pid();
    let log = || fs::read_to_string(worker.log()).unwrap();
    let heap = heap_range(&log()).unwrap();
    let native = || resident_memory(pid, &heap).unwrap().native;
    let joins = || log().lines().filter(|line| line.contains("(Re-)joining group")).count();
    let (before, joined) = (native(), joins());

    proxy.always(|_| true, Fault::Delay(Duration::from_secs(3_600)));
    source.send_lines(&(100..RECORDS).map(line).collect::<Vec<_>>());
    let until = Instant::now() + standstill();
    let mut most = 0;
    while Instant::now() < until {
        most = most.max(native());
        sleep(Duration::from_millis(200));
    }
    let grown = most.saturating_sub(before);
    println!("native memory grew by {} MiB while the store stood still", grown >> 20);
    assert!(grown < BUDGET + BESIDE, "native memory grew by {} MiB", grown >> 20);
    assert!(grown > BUDGET / 4, "the standstill was never felt: native memory grew by {grown} bytes");
    assert_eq!(joins(), joined, "a rebalance");

    proxy.heal();
    for (connector, config) in connectors.iter().zip(&configs) {
        connector.topic_reaches_the_end(&source.name, &connector.table);
        connector.audit_by_uri_is_clean(config);
        let mut table = TableLog::new(&connector.table);
        table.refresh().unwrap();
        assert_eq!(table.rows, RECORDS as i64);
    }
    worker.stop().unwrap();
}
