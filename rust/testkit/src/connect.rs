use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Context, Error, Result};
use crate::wait_for;

/// A client for Connect's REST interface.
#[derive(Clone)]
pub struct Connect {
    url: String,
    agent: ureq::Agent,
    /// For the end of a rebalance.
    patience: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Unassigned,
    Running,
    Paused,
    Stopped,
    Restarting,
    Failed,
    Other(String),
}

#[derive(Debug, Clone)]
pub struct ConnectorStatus {
    pub connector: State,
    pub tasks: Vec<State>,
    /// The worker (`host:port`) of each task.
    pub workers: Vec<String>,
    /// The version of each task's plugin; empty texts from workers before Kafka 4.1 (KIP-891).
    pub versions: Vec<String>,
    /// Stack traces of what has failed.
    pub traces: Vec<String>,
}

impl ConnectorStatus {
    pub fn all_running(&self, tasks: usize) -> bool {
        self.connector == State::Running
            && self.tasks.len() == tasks
            && self.tasks.iter().all(|task| *task == State::Running)
    }
}

impl Connect {
    pub fn new(url: impl Into<String>) -> Self {
        Self::within(url, Duration::from_secs(90), Duration::from_secs(60))
    }

    /// `limit` is for each request; a worker that takes part in a rebalance is asked again for as long as `patience`.
    pub fn within(url: impl Into<String>, limit: Duration, patience: Duration) -> Self {
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(limit)).build();
        Connect { url: url.into(), agent: config.into(), patience }
    }

    pub fn connectors(&self) -> Result<Vec<String>> {
        let names = self.call("GET", "/connectors", None)?;
        Ok(names
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| Some(name.as_str()?.to_owned()))
            .collect())
    }

    /// Creates the connector, or changes its settings. `config` is the object of settings, all values strings.
    pub fn put_connector(&self, name: &str, config: &Value) -> Result<()> {
        self.call("PUT", &format!("/connectors/{name}/config"), Some(config)).map(drop)
    }

    /// Creates the connector without starting it (KIP-980).
    pub fn create_stopped(&self, name: &str, config: &Value) -> Result<()> {
        let body = json!({ "name": name, "config": config, "initial_state": "STOPPED" });
        self.call("POST", "/connectors", Some(&body)).map(drop)
    }

    pub fn delete_connector(&self, name: &str) -> Result<()> {
        self.call("DELETE", &format!("/connectors/{name}"), None).map(drop)
    }

    /// The connector classes that the worker knows, each with its version.
    pub fn plugins(&self) -> Result<Vec<(String, String)>> {
        let plugins = self.call("GET", "/connector-plugins", None)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let plugins = plugins.as_array().into_iter().flatten();
        Ok(plugins.map(|plugin| (text(&plugin["class"]), text(&plugin["version"]))).collect())
    }

    /// `class` is the connector's full or simple class name. Gives the errors by setting.
    pub fn validate(&self, class: &str, config: &Value) -> Result<Vec<(String, String)>> {
        let answer =
            self.call("PUT", &format!("/connector-plugins/{class}/config/validate"), Some(config))?;
        let mut errors = Vec::new();
        for setting in answer["configs"].as_array().into_iter().flatten() {
            let name = setting["value"]["name"].as_str().unwrap_or_default();
            for error in setting["value"]["errors"].as_array().into_iter().flatten() {
                errors.push((name.to_owned(), error.as_str().unwrap_or_default().to_owned()));
            }
        }
        Ok(errors)
    }

    pub fn status(&self, name: &str) -> Result<ConnectorStatus> {
        Ok(parse_status(&self.call("GET", &format!("/connectors/{name}/status"), None)?))
    }

    /// Of all connectors, by their names.
    pub fn statuses(&self) -> Result<BTreeMap<String, ConnectorStatus>> {
        let all = self.call("GET", "/connectors?expand=status", None)?;
        let all = all.as_object().into_iter().flatten();
        Ok(all.map(|(name, connector)| (name.clone(), parse_status(&connector["status"]))).collect())
    }

    pub fn pause(&self, name: &str) -> Result<()> {
        self.call("PUT", &format!("/connectors/{name}/pause"), None).map(drop)
    }

    pub fn resume(&self, name: &str) -> Result<()> {
        self.call("PUT", &format!("/connectors/{name}/resume"), None).map(drop)
    }

    /// Stops the tasks and keeps the settings, as altering offsets wants it.
    pub fn stop(&self, name: &str) -> Result<()> {
        self.call("PUT", &format!("/connectors/{name}/stop"), None).map(drop)
    }

    /// The connector and all of its tasks.
    pub fn restart(&self, name: &str) -> Result<()> {
        self.call("POST", &format!("/connectors/{name}/restart?includeTasks=true"), None).map(drop)
    }

    /// What has failed of the connector and its tasks.
    pub fn restart_failed(&self, name: &str) -> Result<()> {
        let path = format!("/connectors/{name}/restart?includeTasks=true&onlyFailed=true");
        self.call("POST", &path, None).map(drop)
    }

    pub fn restart_task(&self, name: &str, task: usize) -> Result<()> {
        self.call("POST", &format!("/connectors/{name}/tasks/{task}/restart"), None).map(drop)
    }

    /// `GET /connectors/{name}/offsets` as it stands.
    pub fn offsets(&self, name: &str) -> Result<Value> {
        self.call("GET", &format!("/connectors/{name}/offsets"), None)
    }

    /// Sets a stopped sink connector's offset of one partition; `None` removes it.
    pub fn alter_offset(&self, name: &str, topic: &str, partition: u32, offset: Option<i64>) -> Result<()> {
        let offset = offset.map(|offset| json!({ "kafka_offset": offset }));
        let partition = json!({ "kafka_topic": topic, "kafka_partition": partition });
        let body = json!({ "offsets": [{ "partition": partition, "offset": offset }] });
        self.call("PATCH", &format!("/connectors/{name}/offsets"), Some(&body)).map(drop)
    }

    /// Removes all offsets of a stopped connector.
    pub fn delete_offsets(&self, name: &str) -> Result<()> {
        self.call("DELETE", &format!("/connectors/{name}/offsets"), None).map(drop)
    }

    /// Waits until the connector and exactly `tasks` tasks run; a failed one is an error with its trace.
    pub fn wait_running(&self, name: &str, tasks: usize, patience: Duration) -> Result<()> {
        wait_for(&format!("connector {name} to run {tasks} tasks"), patience, || match self.status(name) {
            Ok(status) if !status.traces.is_empty() => {
                Err(Error::new(format!("connector {name} failed:\n{}", status.traces.join("\n"))))
            }
            Ok(status) => Ok(status.all_running(tasks).then_some(())),
            Err(_) => Ok(None), // not known to the worker yet, or in a rebalance
        })
    }

    /// Waits until the connector or one of its tasks has failed, and gives its trace.
    pub fn wait_failed(&self, name: &str, patience: Duration) -> Result<String> {
        wait_for(&format!("connector {name} to fail"), patience, || {
            Ok(self.status(name).ok().and_then(|status| status.traces.into_iter().next()))
        })
    }

    /// A worker that takes part in a rebalance answers 409, for a moment.
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        wait_for("the end of a rebalance", self.patience, || match self.request(method, path, body)? {
            (409, _) => Ok(None),
            (status, answer) => accepted(status, answer).map(Some),
        })
    }

    /// Status and answer as they stand.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, String)> {
        let doing = || format!("{method} {path}");
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("Content-Type", "application/json")
            .body(body.map(Value::to_string).unwrap_or_default())
            .context(doing)?;
        let mut response = self.agent.run(request).context(doing)?;
        let text = response.body_mut().read_to_string().context(doing)?;
        Ok((response.status().as_u16(), text))
    }
}

fn accepted(status: u16, answer: String) -> Result<Value> {
    let value: Value = if answer.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&answer).unwrap_or(Value::String(answer))
    };
    if (200..300).contains(&status) {
        return Ok(value);
    }
    let message = value["message"].as_str().map_or_else(|| value.to_string(), str::to_owned);
    Err(Error::new(format!("Connect answered {status}: {message}")))
}

fn parse_status(status: &Value) -> ConnectorStatus {
    let tasks = status["tasks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let failed = std::iter::once(&status["connector"]).chain(tasks).filter(|part| part["state"] == "FAILED");
    ConnectorStatus {
        connector: state(&status["connector"]),
        tasks: tasks.iter().map(state).collect(),
        workers: tasks.iter().map(|task| text(&task["worker_id"])).collect(),
        versions: tasks.iter().map(|task| text(&task["version"])).collect(),
        traces: failed.map(|part| text(&part["trace"])).collect(),
    }
}

fn state(part: &Value) -> State {
    match part["state"].as_str().unwrap_or_default() {
        "UNASSIGNED" => State::Unassigned,
        "RUNNING" => State::Running,
        "PAUSED" => State::Paused,
        "STOPPED" => State::Stopped,
        "RESTARTING" => State::Restarting,
        "FAILED" => State::Failed,
        other => State::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_names_states_workers_and_traces() {
        let status = parse_status(&json!({
            "name": "x",
            "connector": {"state": "RUNNING", "worker_id": "127.0.0.1:1"},
            "tasks": [
                {"id": 0, "state": "RUNNING", "worker_id": "127.0.0.1:1", "version": "0.1.0"},
                {"id": 1, "state": "FAILED", "worker_id": "127.0.0.1:2", "trace": "boom"}
            ]
        }));
        assert_eq!(status.tasks, [State::Running, State::Failed]);
        assert_eq!(status.workers, ["127.0.0.1:1", "127.0.0.1:2"]);
        assert_eq!(status.versions, ["0.1.0", ""]);
        assert_eq!(status.traces, ["boom"]);
        assert!(!status.all_running(2));
    }

    #[test]
    fn refusals_carry_the_message_of_connect() {
        let error =
            accepted(400, r#"{"error_code":400,"message":"bad delta.table.uri"}"#.into()).unwrap_err();
        assert_eq!(error.to_string(), "Connect answered 400: bad delta.table.uri");
        assert_eq!(accepted(204, String::new()).unwrap(), Value::Null);
    }
}
