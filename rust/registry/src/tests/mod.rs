//! The client against small servers of the tests' own; `tests/apicurio.rs` has a real registry.

mod access;
mod probe;
mod server;
mod trust;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sluice_core::Code;
use sluice_core::settings::Settings;
use tokio::time::{sleep, timeout};

use super::*;
use crate::gate::Pauses;
use server::{Reply, Request, Server};

const MOMENT: Duration = Duration::from_millis(20);
/// Where nothing listens.
const NOWHERE: &str = "http://127.0.0.1:9";

fn quick() -> Timing {
    let pauses = Pauses { first: MOMENT, longest: MOMENT, ..Pauses::default() };
    Timing { pauses, ask_again_after: MOMENT, ..Timing::default() }
}

fn settings(more: &[(&str, &str)]) -> RegistrySettings {
    let mut given =
        BTreeMap::from([("name".into(), "x".into()), ("delta.table.uri".into(), "/data/x".into())]);
    given.extend(more.iter().map(|(key, value)| (format!("delta.registry.{key}"), value.to_string())));
    Settings::parse(&given).unwrap().registry.unwrap()
}

fn registry(more: &[(&str, &str)]) -> Arc<Registry> {
    Registry::with_timing(settings(more), Handle::current(), quick()).unwrap()
}

/// What comes of asking for as long as it takes.
async fn outcome(registry: &Registry, key: SchemaKey) -> Lookup {
    let asking = async {
        loop {
            match registry.get(&key) {
                Lookup::Pending => sleep(Duration::from_millis(2)).await,
                other => return other,
            }
        }
    };
    timeout(Duration::from_secs(20), asking).await.expect("still pending")
}

async fn known(registry: &Registry, key: SchemaKey) -> Arc<Fetched> {
    match outcome(registry, key).await {
        Lookup::Known(fetched) => fetched,
        other => panic!("{other:?}"),
    }
}

async fn unknown(registry: &Registry, key: SchemaKey) -> String {
    match outcome(registry, key).await {
        Lookup::Unknown(message) => message,
        other => panic!("{other:?}"),
    }
}

async fn refused(registry: &Registry, key: SchemaKey) -> String {
    match outcome(registry, key).await {
        Lookup::Refused(error) => {
            assert_eq!(error.code, Code::RegistryRefused);
            error.message
        }
        other => panic!("{other:?}"),
    }
}

fn schema() -> Reply {
    Reply::new(200, json!({"schema": "\"string\""}))
}

fn error(status: u16, code: u32) -> Reply {
    Reply::new(status, json!({"error_code": code, "message": "Schema 7 not found"}))
}

const SEVEN: SchemaKey = SchemaKey::Id(7);

#[tokio::test(flavor = "multi_thread")]
async fn one_request_serves_all_threads() {
    let slow = |_: &Request| Reply { after: Duration::from_millis(200), ..schema() };
    let server = Server::start(slow).await;
    let registry = registry(&[("url", &server.url())]);
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let registry = registry.clone();
            std::thread::spawn(move || {
                for _ in 0..10_000 {
                    match registry.get(&SEVEN) {
                        Lookup::Pending => std::thread::sleep(Duration::from_millis(1)),
                        Lookup::Known(fetched) => return fetched.text.clone(),
                        other => panic!("{other:?}"),
                    }
                }
                panic!("still pending")
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), "\"string\"");
    }
    known(&registry, SEVEN).await;
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].target, "/schemas/ids/7");
    assert!(requests[0].header("accept").starts_with("application/vnd.schemaregistry.v1+json"));
    known(&registry, SchemaKey::Guid([0xab; 16])).await;
    assert_eq!(server.requests()[1].target, "/schemas/guids/abababab-abab-abab-abab-abababababab");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_never_waits() {
    let server = Server::start(|_| Reply { after: Duration::from_secs(3), ..schema() }).await;
    let registry = registry(&[("url", &server.url())]);
    let start = Instant::now();
    assert!((0..1_000).all(|_| matches!(registry.get(&SEVEN), Lookup::Pending)));
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(registry.pending_reason(&SEVEN), None);
}

fn reference(name: &str, version: i64) -> Value {
    json!({"name": name, "subject": format!("{name}/s"), "version": version})
}

#[tokio::test(flavor = "multi_thread")]
async fn references_come_once_and_before_what_refers_to_them() {
    let server = Server::start(|request| {
        let refers = |to: &[Value]| Reply::new(200, json!({"schema": request.target, "references": to}));
        match request.target.as_str() {
            "/schemas/ids/7" => Reply::new(
                200,
                json!({
                    "schema": "root", "schemaType": "PROTOBUF",
                    "references": [reference("a", 1), reference("c", 3), reference("b", 2)],
                }),
            ),
            "/subjects/a%2Fs/versions/1?deleted=true" => refers(&[reference("b", 2), reference("d", 4)]),
            "/subjects/b%2Fs/versions/2?deleted=true" => refers(&[reference("c", 3)]),
            "/subjects/c%2Fs/versions/3?deleted=true" => refers(&[]),
            // Back to where it came from.
            "/subjects/d%2Fs/versions/4?deleted=true" => refers(&[reference("a", 1)]),
            _ => error(404, 40403),
        }
    })
    .await;
    let fetched = known(&registry(&[("url", &server.url())]), SEVEN).await;
    assert_eq!((fetched.schema_type, fetched.text.as_str()), (SchemaType::Protobuf, "root"));
    let names: Vec<_> = fetched.references.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["c", "b", "d", "a"]);
    assert_eq!(fetched.references[0].text, "/subjects/c%2Fs/versions/3?deleted=true");
    assert_eq!(server.count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn references_are_bounded() {
    let next = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let next = next.fetch_add(1, Ordering::Relaxed);
        Reply::new(200, json!({"schema": "x", "references": [reference(&format!("r{next}"), 1)]}))
    })
    .await;
    let message = unknown(&registry(&[("url", &server.url())]), SEVEN).await;
    assert!(message.contains("schema with id 7") && message.contains("more than 1000"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_id_is_asked_for_again_after_a_while() {
    let registered = Arc::new(AtomicBool::new(false));
    let is_there = registered.clone();
    let answer =
        move |_: &Request| if is_there.load(Ordering::SeqCst) { schema() } else { error(404, 40403) };
    let server = Server::start(answer).await;
    let mut timing = quick();
    timing.limits.unknown_for = Duration::from_millis(300);
    let settings = settings(&[("url", &server.url())]);
    let registry = Registry::with_timing(settings, Handle::current(), timing).unwrap();
    let message = unknown(&registry, SEVEN).await;
    assert!(message.starts_with("the schema registry has no schema with id 7 ("), "{message}");
    assert!(message.contains(&server.url()) && message.contains("40403: Schema 7 not found"), "{message}");
    // Once more at once, and then not for a while.
    assert_eq!(server.count(), 2);
    registered.store(true, Ordering::SeqCst);
    assert!(matches!(registry.get(&SEVEN), Lookup::Unknown(_)));
    assert_eq!(server.count(), 2);
    sleep(Duration::from_millis(300)).await;
    known(&registry, SEVEN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_one_server_lacks_is_asked_of_the_next() {
    let (behind, ahead) = (Server::start(|_| error(404, 40403)).await, Server::start(|_| schema()).await);
    let registry = registry(&[("url", &format!("{},{}", behind.url(), ahead.url()))]);
    known(&registry, SEVEN).await;
    assert_eq!((behind.count(), ahead.count()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_registry_is_a_mistake_in_the_settings() {
    for (reply, told) in [
        (error(404, 404), "HTTP 404"),
        (Reply::new(404, "<h1>Not Found</h1>"), "HTTP 404"),
        (Reply::new(200, "<h1>Welcome</h1>"), "HTTP 200"),
        (Reply::new(200, json!({"schema": 7})), "HTTP 200"),
        (Reply::new(200, json!({"schema": "x", "references": {}})), "HTTP 200"),
        (Reply::new(200, json!({"schema": "x", "references": [{"name": "x"}]})), "HTTP 200"),
        (error(406, 406), "HTTP 406"),
    ] {
        let reply = Mutex::new(Some(reply));
        let server = Server::start(move |_| locked(&reply).take().unwrap()).await;
        let registry = registry(&[("url", &format!("{}/sub", server.url()))]);
        let message = refused(&registry, SEVEN).await;
        assert!(message.starts_with(&format!("{}/sub/schemas/ids/7: {told}", server.url())), "{message}");
        assert!(message.contains("delta.registry.url"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_record_may_name_is_never_fatal() {
    let server = Server::start(|_| error(404, 404)).await;
    let confluent = registry(&[("url", &server.url())]);
    for key in [SchemaKey::Guid([1; 16]), SchemaKey::GlobalId(1), SchemaKey::ContentId(u64::MAX)] {
        let message = unknown(&confluent, key).await;
        assert!(message.contains(&key.to_string()), "{message}");
    }
    let apicurio = registry(&[("url", &server.url()), ("api", "apicurio")]);
    let message = unknown(&apicurio, SchemaKey::Guid([1; 16])).await;
    assert!(message.contains("delta.registry.api"), "{message}");
    let other = Server::start(|_| Reply::new(200, json!({"schema": "x", "schemaType": "XML"}))).await;
    let message = unknown(&registry(&[("url", &other.url())]), SEVEN).await;
    assert!(message.contains("schema with id 7 is XML"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_too_long_is_not_read() {
    let body = json!({"schema": "x".repeat(http::LONGEST_BODY)}).to_string();
    let server = Server::start(move |_| Reply::new(200, &body)).await;
    let message = unknown(&registry(&[("url", &server.url())]), SEVEN).await;
    assert!(message.contains("schema with id 7 is too long"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_url_is_asked_and_then_kept() {
    for reply in [|| error(503, 50003), || error(429, 429), || error(500, 50001)] {
        let (broken, good) = (Server::start(move |_| reply()).await, Server::start(|_| schema()).await);
        let registry = registry(&[("url", &format!("{NOWHERE},{},{}", broken.url(), good.url()))]);
        known(&registry, SEVEN).await;
        known(&registry, SchemaKey::Id(8)).await;
        assert_eq!((broken.count(), good.count()), (1, 2));
        assert_eq!(good.requests()[1].target, "/schemas/ids/8");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_down_is_waited_for() {
    let up = Arc::new(AtomicBool::new(false));
    let is_up = up.clone();
    let answer = move |_: &Request| if is_up.load(Ordering::SeqCst) { schema() } else { error(503, 50003) };
    let server = Server::start(answer).await;
    let registry = registry(&[("url", &format!("{},{NOWHERE}", server.url()))]);
    while registry.pending_reason(&SEVEN).is_none() || server.count() < 5 {
        assert!(matches!(registry.get(&SEVEN), Lookup::Pending));
        sleep(MOMENT).await;
    }
    let reason = registry.pending_reason(&SEVEN).unwrap();
    assert!(reason.contains("/schemas/ids/7: HTTP 503, error code 50003"), "{reason}");
    assert!(reason.contains(NOWHERE) && reason.contains("refused"), "{reason}");
    up.store(true, Ordering::SeqCst);
    known(&registry, SEVEN).await;
    assert_eq!(registry.pending_reason(&SEVEN), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let silent = Server::start(|_| Reply { after: Duration::from_secs(60), ..schema() }).await;
    let good = Server::start(|_| schema()).await;
    let url = format!("{},{}", silent.url(), good.url());
    let registry = registry(&[("url", &url), ("request.timeout.ms", "200")]);
    known(&registry, SEVEN).await;
    assert_eq!((silent.count(), good.count()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_schemas_are_wanted_an_outage_sees_few_requests() {
    let server = Server::start(|_| error(503, 50003)).await;
    let registry = registry(&[("url", &server.url())]);
    let keys: Vec<_> = (0..200).map(SchemaKey::Id).collect();
    let start = Instant::now();
    while start.elapsed() < 20 * MOMENT {
        assert!(keys.iter().all(|key| matches!(registry.get(key), Lookup::Pending)));
        sleep(MOMENT).await;
    }
    // One for each pause, which is half of its bound as a rule, and those that were under way when it began.
    let count = server.count();
    assert!((5..100).contains(&count), "{count} requests");
    assert!(registry.pending_reason(&keys[199]).unwrap().contains("HTTP 503"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_asks_for_is_not_tried_any_longer() {
    let server = Server::start(|_| error(503, 50003)).await;
    let mut timing = quick();
    timing.limits.wanted_for = Duration::from_millis(200);
    let settings = settings(&[("url", &server.url())]);
    let registry = Registry::with_timing(settings, Handle::current(), timing).unwrap();
    registry.get(&SEVEN);
    while registry.pending_reason(&SEVEN).is_none() || server.count() < 3 {
        registry.get(&SEVEN);
        sleep(MOMENT).await;
    }
    sleep(Duration::from_millis(400)).await;
    let count = server.count();
    sleep(Duration::from_millis(400)).await;
    assert_eq!(server.count(), count);
    registry.get(&SEVEN);
    sleep(Duration::from_millis(150)).await;
    assert!(server.count() > count);
    // Nor is it when the last task has gone.
    drop(registry);
    sleep(Duration::from_millis(100)).await;
    let count = server.count();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(server.count(), count);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_holds_for_a_moment_only() {
    let server =
        Server::start(|_| Reply::new(403, json!({"error_code": 40301, "message": "not yours"}))).await;
    let mut timing = quick();
    timing.limits.refused_for = Duration::from_millis(200);
    let settings = settings(&[("url", &server.url())]);
    let registry = Registry::with_timing(settings, Handle::current(), timing).unwrap();
    let message = refused(&registry, SEVEN).await;
    assert!(message.contains("without credentials: HTTP 403, error code 40301: not yours"), "{message}");
    assert!(matches!(registry.get(&SEVEN), Lookup::Refused(_)));
    assert_eq!(server.count(), 1);
    sleep(Duration::from_millis(200)).await;
    assert!(matches!(registry.get(&SEVEN), Lookup::Pending));
    refused(&registry, SEVEN).await;
    assert_eq!(server.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_settings_share_a_registry_while_a_task_holds_it() {
    let server = Server::start(|_| schema()).await;
    let registries = Registries::new(Handle::current());
    let (url, other) = (server.url(), format!("{}/", server.url()));
    let one = registries.of(&settings(&[("url", &url)])).unwrap();
    let same = registries.of(&settings(&[("url", &other)])).unwrap();
    assert!(Arc::ptr_eq(&one, &same));
    let different = registries.of(&settings(&[("url", &url), ("request.timeout.ms", "500")])).unwrap();
    assert!(!Arc::ptr_eq(&one, &different));
    drop((one, same));
    registries.of(&settings(&[("url", &format!("{url}/sub"))])).unwrap();
    assert_eq!(locked(&registries.known).len(), 2);
}
