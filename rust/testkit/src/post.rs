use serde_json::Value;
use ureq::http::request::Builder;

use crate::error::{Context, Error, Result};

/// Sends `body` as JSON and gives what is answered. `what` is for errors.
pub(crate) fn post(what: &str, request: Builder, body: &Value) -> Result<Value> {
    let doing = || what.to_owned();
    let request = request.method("POST").body(body.to_string()).context(doing)?;
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut response = agent.run(request).context(doing)?;
    let text = response.body_mut().read_to_string().context(doing)?;
    match response.status().as_u16() {
        200 => serde_json::from_str(&text).context(doing),
        status => Err(Error::new(format!("{what}: {status} {text}"))),
    }
}
