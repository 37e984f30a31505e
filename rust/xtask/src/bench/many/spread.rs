//! How the commits of many tables lie in the commit interval.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sluice_testkit::{Context, Result};

/// When the versions `from..to` of a table were made that added rows, in ms since the epoch.
pub fn commit_times(table: &Path, from: u64, to: u64) -> Result<Vec<i64>> {
    let mut times = Vec::new();
    for version in from..to {
        let file = table.join(format!("_delta_log/{version:020}.json"));
        let text = fs::read_to_string(&file).at(&file)?;
        let actions = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>().at(&file)?;
        if actions.iter().any(|action| action.get("add").is_some()) {
            times.extend(actions.iter().find_map(|action| action["commitInfo"]["timestamp"].as_i64()));
        }
    }
    Ok(times)
}

/// The most commits that fall into the same tenth of the interval, wherever it begins, as a share of all.
pub fn busiest_tenth(times: &[i64], interval: i64) -> f64 {
    let mut places: Vec<_> = times.iter().map(|time| time.rem_euclid(interval)).collect();
    places.sort_unstable();
    let again = places.iter().map(|place| place + interval);
    let places: Vec<_> = places.iter().copied().chain(again).collect();
    let within =
        |start: usize| places.partition_point(|place| *place < places[start] + interval / 10) - start;
    let most = (0..times.len()).map(within).max().unwrap_or(0);
    most as f64 / times.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_tenth_may_begin_anywhere() {
        assert_eq!(busiest_tenth(&[5, 1_005, 2_005], 1_000), 1.0, "all at the same moment");
        let even: Vec<_> = (0..100).map(|n| n * 10 + n % 7 * 1_000).collect();
        assert_eq!(busiest_tenth(&even, 1_000), 0.1);
        assert_eq!(busiest_tenth(&[990, 1_010, 1_500, 2_500], 1_000), 0.5, "over the end of an interval");
    }

    #[test]
    fn only_versions_with_rows_count() {
        let table = std::env::temp_dir().join(format!("xtask-spread-{}", std::process::id()));
        fs::create_dir_all(table.join("_delta_log")).unwrap();
        for (version, actions) in [(0, "{\"metaData\":{}}"), (1, "{\"add\":{}}"), (2, "{\"txn\":{}}")] {
            let text = format!("{{\"commitInfo\":{{\"timestamp\":{}}}}}\n{actions}\n", 70 + version);
            fs::write(table.join(format!("_delta_log/{version:020}.json")), text).unwrap();
        }
        assert_eq!(commit_times(&table, 0, 3).unwrap(), [71]);
        assert!(commit_times(&table, 0, 4).is_err());
        fs::remove_dir_all(&table).unwrap();
    }
}
