//! Property: random histories are clean, and no single change of an interval goes unseen (I4).

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::history::{History, add, app_id, interval, kinds, origin, txn};

/// Some partitions in each commit, rows fewer than offsets, alterations now and then.
fn random_history(random: &mut StdRng) -> History {
    let mut history = History::new();
    let mut at: Vec<Option<i64>> = vec![None; 3];
    for version in 1..random.random_range(6..14) {
        if let Some(from) = at[0]
            && random.random_bool(0.15)
        {
            at[0] = random.random_bool(0.7).then(|| random.random_range(0..from + 20));
            history.alter(Some(from), at[0]);
            continue;
        }
        let (mut intervals, mut actions, mut rows) = (vec![], vec![], 0);
        for (partition, at) in at.iter_mut().enumerate() {
            if random.random_bool(0.6) {
                let from = at.unwrap_or_else(|| random.random_range(0..50));
                let to = from + random.random_range(1..20);
                let made = random.random_range(0..=to - from);
                intervals.push(interval(partition as i32, from, to, made));
                actions.push(txn(&app_id(partition as i32), to));
                (*at, rows) = (Some(to), rows + made);
            }
        }
        actions.insert(0, origin(version, json!(intervals)));
        actions.push(add(&format!("part-{version}.parquet"), rows));
        history.commit(&actions);
    }
    history
}

/// Changes one number of one interval in the log. False: it is one that no log can show, the start of a partition that
/// nothing comes before.
fn mutate(random: &mut StdRng, history: &History) -> Option<String> {
    let versions = std::fs::read_dir(history.root().join("_delta_log")).unwrap().count() as u64;
    let intervals = |actions: &[Value]| {
        actions[0]["commitInfo"]["sluice"]["units"][0]["intervals"].as_array().map_or(0, Vec::len)
    };
    let version = random.random_range(1..versions);
    let mut actions = history.read(version);
    let of = intervals(&actions);
    if of == 0 {
        return None;
    }
    let interval =
        &mut actions[0]["commitInfo"]["sluice"]["units"][0]["intervals"][random.random_range(0..of)];
    let key = ["fromOffset", "toOffset", "rows", "partition"][random.random_range(0..4)];
    let (partition, from) = (interval["partition"].clone(), interval["fromOffset"].as_i64().unwrap());
    let nothing_before = || {
        let before = (1..version).flat_map(|earlier| history.read(earlier));
        let ends = before.filter(|action| action["txn"]["appId"] == json!(format!("sluice/k/t/{partition}")));
        ends.last().is_none_or(|end| end["txn"]["version"] == -1)
    };
    if key == "fromOffset" && nothing_before() {
        return None;
    }
    let change = [-2, -1, 1, 2][random.random_range(0..4)];
    interval[key] = json!(interval[key].as_i64().unwrap() + change);
    history.write(version, &actions);
    Some(format!("{key} of {partition} at {from} in version {version} by {change}"))
}

#[test]
fn random_histories_are_clean_and_no_single_change_goes_unseen() {
    let (mut seen, mut seed) = (0, 0);
    while seen < 120 {
        seed += 1;
        let random = &mut StdRng::seed_from_u64(seed);
        let history = random_history(random);
        let audit = history.audit();
        assert_eq!(kinds(&audit), [], "seed {seed}: {:?}", audit.findings);
        if let Some(mutation) = mutate(random, &history) {
            assert_ne!(history.kinds(), [], "seed {seed}: {mutation}");
            seen += 1;
        }
    }
}
