use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::java::tail;
use crate::leash::Leashed;
use crate::wait_for;

/// Starts a server and waits until it answers HTTP on the port, be it with an error.
pub(crate) fn serve(what: &str, command: &Command, port: u16, log: &Path) -> Result<Leashed> {
    let mut process = Leashed::spawn(command, log)?;
    wait_for(&format!("{what} to answer"), Duration::from_secs(60), || {
        if !process.is_running() {
            return Err(Error::new(format!("{what} ended at once; {}:\n{}", log.display(), tail(log, 25))));
        }
        Ok(answers(port).then_some(()))
    })?;
    Ok(process)
}

fn answers(port: u16) -> bool {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        .build()
        .new_agent();
    // MinIO says 503 until it is ready.
    agent.get(format!("http://127.0.0.1:{port}/")).call().is_ok_and(|answer| answer.status() != 503)
}
