//! The kit against the real components, with Kafka's own file sink instead of Sluice.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use sluice_testkit::{Broker, Components, Produce, Producer, Worker, WorkerOptions, wait_for};

const MINUTE: Duration = Duration::from_secs(60);

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

#[test]
fn broker_worker_and_producer_work_together_and_survive_kills() {
    let components = Components::find().unwrap();
    let folder = Folder(std::env::temp_dir().join(format!("testkit-components-{}", std::process::id())));
    let mut broker = Broker::start(&components, &folder.0.join("broker")).unwrap();
    broker.create_topic("lines", 2, &[]).unwrap();

    let input = folder.0.join("input.txt");
    std::fs::write(&input, "one\ntwo\n\nthree\n").unwrap();
    let produce = |what: Produce| {
        let mut producer = Producer::start(
            &components,
            &broker.bootstrap(),
            &folder.0.join("producer"),
            "lines",
            &what,
            None,
        )
        .unwrap();
        producer.wait(MINUTE).unwrap()
    };
    assert_eq!(produce(Produce::Lines(input)), 4);
    assert_eq!(produce(Produce::Generate { first: 10, count: 6 }), 6);
    assert_eq!(broker.end_offsets("lines").unwrap().into_iter().collect::<Vec<_>>(), [(0, 5), (1, 5)]);

    let options = WorkerOptions { plugins: Some(components.file_plugins()), ..WorkerOptions::default() };
    let start =
        |name: &str| Worker::start(&components, &broker.bootstrap(), &folder.0.join(name), &options).unwrap();
    let mut first = start("worker-1");
    let output = folder.0.join("output.txt");
    let config = json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "tasks.max": "1", "topics": "lines",
        "file": output.to_str().unwrap(), "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    first.connect().put_connector("file", &config).unwrap();
    first.connect().wait_running("file", 1, MINUTE).unwrap();
    let lines = || std::fs::read_to_string(&output).unwrap_or_default().lines().count();
    wait_for("ten lines", MINUTE, || Ok((lines() == 10).then_some(()))).unwrap();
    let text = std::fs::read_to_string(&output).unwrap();
    assert!(text.contains("three") && text.contains("{\"demo_id\":15,"), "{text}");

    first.kill().unwrap();
    assert!(!first.process().is_running());
    let second = start("worker-2");
    wait_for("the second worker to take over", MINUTE, || {
        let status = second.connect().status("file").ok();
        let port = second.rest_url().replace("http://", "");
        Ok(status.filter(|status| status.all_running(1) && status.workers == [port.clone()]).map(drop))
    })
    .unwrap();
    let mistake =
        json!({"connector.class": "FileStreamSinkConnector", "tasks.max": "many", "topics": "lines"});
    let errors = second.connect().validate("FileStreamSinkConnector", &mistake).unwrap();
    assert!(errors.iter().any(|(name, _)| name == "tasks.max"), "{errors:?}");
    assert!(second.connect().put_connector("mistake", &mistake).unwrap_err().to_string().contains("400"));

    broker.restart().unwrap();
    assert_eq!(broker.end_offsets("lines").unwrap().len(), 2);
}
