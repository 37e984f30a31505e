//! Actions of commits that Sluice writes without the kernel: the first one of a table, and changes of its metadata.

use std::time::SystemTime;

use serde_json::{Value, json};
use uuid::Uuid;

/// `in_commit_timestamp` is for tables with in-commit timestamps; it makes `commitInfo` the action that has to come first.
pub fn commit_info(operation: &str, parameters: Value, now: i64, in_commit_timestamp: Option<i64>) -> Value {
    let mut info = json!({
        "timestamp": now,
        "operation": operation,
        "operationParameters": parameters,
        "isBlindAppend": true,
        "engineInfo": crate::ENGINE_INFO,
        "txnId": Uuid::new_v4().to_string(),
    });
    if let Some(timestamp) = in_commit_timestamp {
        info["inCommitTimestamp"] = timestamp.into();
    }
    json!({ "commitInfo": info })
}

/// A commit of these actions.
pub fn lines(actions: &[Value]) -> Vec<u8> {
    actions.iter().flat_map(|action| format!("{action}\n").into_bytes()).collect()
}

pub fn millis_since_epoch() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}
