//! What is left to check at the end: each record once, by the log, the broker and `sluice audit`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use serde_json::Value;
use sluice_testkit::{Context, Error, Result, TableLog};

/// Data files that stay at most. An hour of full load makes some 50 GB.
const KEPT_BYTES: u64 = 8 << 30;

/// Deletes the oldest data files above [`KEPT_BYTES`], and says how many. Only those in the log, by which their rows have been
/// counted: the audit goes on from the log, and that they are missing is all that it may find.
pub fn thin_out(table: &Path, log: &TableLog) -> Result<u64> {
    let mut files = data_files(table, log)?;
    let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    files.sort();
    let mut deleted = 0;
    for (_, size, path) in files {
        if bytes <= KEPT_BYTES {
            break;
        }
        fs::remove_file(&path).at(&path)?;
        bytes -= size;
        deleted += 1;
    }
    Ok(deleted)
}

fn data_files(table: &Path, log: &TableLog) -> Result<Vec<(SystemTime, u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(table).at(table)? {
        let path = entry.at(table)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if log.has(name) {
            let metadata = fs::metadata(&path).at(&path)?;
            files.push((metadata.modified().at(&path)?, metadata.len(), path));
        }
    }
    Ok(files)
}

/// What `sluice audit` finds, but for `deleted` files that are missing. With none it also reads the rows.
pub fn audit(sluice: &Path, uri: &str, config: &Path, deleted: u64) -> Result<Vec<String>> {
    let mut command = Command::new(sluice);
    command.args(["audit", uri, "--json", "--config"]).arg(config);
    if deleted == 0 {
        command.arg("--rows");
    }
    let output = command.output().at(sluice)?;
    let told = String::from_utf8_lossy(&output.stdout);
    let audit: Value = serde_json::from_str(&told)
        .map_err(|_| Error::new(format!("the audit failed: {}", String::from_utf8_lossy(&output.stderr))))?;
    Ok(findings(&audit, deleted))
}

fn findings(audit: &Value, deleted: u64) -> Vec<String> {
    let told = audit["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let (missing, others): (Vec<&Value>, Vec<_>) =
        told.iter().partition(|finding| finding["kind"] == "missing");
    let text = |finding: &&Value| format!("the audit finds {}: {}", finding["kind"], finding["message"]);
    let mut findings: Vec<_> = others.iter().map(text).collect();
    if missing.len() as u64 != deleted {
        findings.push(format!("{deleted} data files were deleted, and {} are missing", missing.len()));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn files_that_were_deleted_are_no_finding_and_all_others_are() {
        let missing = json!({"kind": "missing", "message": "a"});
        let gap = json!({"kind": "gap", "message": "5 to 7"});
        let found = |list: &[&Value], deleted| findings(&json!({"findings": list}), deleted);
        assert!(found(&[], 0).is_empty() && found(&[&missing], 1).is_empty());
        assert_eq!(found(&[&missing], 0).len(), 1);
        assert_eq!(found(&[], 1).len(), 1);
        assert_eq!(found(&[&missing, &gap], 1), ["the audit finds \"gap\": \"5 to 7\""]);
    }
}
