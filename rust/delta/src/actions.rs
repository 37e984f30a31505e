//! Actions of commits that Sluice writes without the kernel: the first one of a table, and changes of its metadata.

use serde_json::{Value, json};

use crate::world::World;

/// `in_commit_timestamp` is for tables with in-commit timestamps; it makes `commitInfo` the action that has to come first.
pub fn commit_info(
    world: &dyn World,
    operation: &str,
    parameters: Value,
    now: i64,
    in_commit_timestamp: Option<i64>,
) -> Value {
    let mut info = json!({
        "timestamp": now,
        "operation": operation,
        "operationParameters": parameters,
        "isBlindAppend": true,
        "engineInfo": crate::ENGINE_INFO,
        "txnId": world.uuid().to_string(),
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
