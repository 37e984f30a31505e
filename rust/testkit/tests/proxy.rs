//! The fault proxy before real servers, with a real client that does not retry.

#![allow(clippy::unwrap_used)]

mod clients;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use clients::{Folder, conditional_put_and_multipart_work, dynamodb, s3, wait};
use futures::TryStreamExt;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt};
use serde_json::json;
use sluice_testkit::{
    Components, DynamoDb, Fault, FaultProxy, Kind, Reply, Request, S3Options, S3Server, wait_for,
};

/// An S3 server, a proxy before it, and a client of each.
struct Harmed {
    proxy: FaultProxy,
    through: AmazonS3,
    direct: AmazonS3,
    _server: S3Server,
    _folder: Folder,
}

fn harmed() -> Harmed {
    let folder = Folder::new("proxy");
    let server = S3Server::start(&Components::find().unwrap(), &folder.0, S3Options::default()).unwrap();
    let proxy = FaultProxy::start(&server.endpoint()).unwrap();
    let through = s3(&server, &proxy.endpoint());
    let direct = s3(&server, &server.endpoint());
    Harmed { proxy, through, direct, _server: server, _folder: folder }
}

impl Harmed {
    /// A PUT of the object `a` that meets with the fault: its outcome, and whether the object is there then.
    fn put(&self, fault: Fault) -> (Result<(), Error>, bool) {
        self.proxy.next(1, |request| request.kind == Kind::PutObject, fault);
        let put = wait(self.through.put(&Path::from("a"), "value".into())).map(drop);
        assert_eq!(self.proxy.faults(), 1);
        (put, self.is_there("a"))
    }

    fn is_there(&self, key: &str) -> bool {
        wait(self.direct.head(&Path::from(key))).is_ok()
    }

    fn list(&self) -> Vec<String> {
        let listed: Vec<_> = wait(self.through.list(None).try_collect()).unwrap();
        listed.into_iter().map(|object: object_store::ObjectMeta| object.location.to_string()).collect()
    }
}

#[test]
fn nothing_changes_without_rules_and_all_is_counted() {
    let harmed = harmed();
    conditional_put_and_multipart_work(&harmed.through);
    let counts: Vec<_> = harmed.proxy.counts().into_iter().collect();
    let expected = [
        (Kind::GetObject, 1),
        (Kind::HeadObject, 2),
        (Kind::PutObject, 2),
        (Kind::DeleteObjects, 1),
        (Kind::List, 1),
        (Kind::CreateMultipart, 1),
        (Kind::PutPart, 2),
        (Kind::CompleteMultipart, 1),
    ];
    assert_eq!(counts, expected);
    let requests = harmed.proxy.requests();
    assert_eq!(requests[0].kind, Kind::PutObject);
    let target = &requests[0].target;
    assert!(target.ends_with("/lake/table/_delta_log/00000000000000000001.json"), "{target}");
    let bytes = |kind: Kind| {
        let seen = requests.iter().find(|seen| seen.kind == kind).unwrap();
        (seen.sent, seen.received)
    };
    assert_eq!((bytes(Kind::PutObject), bytes(Kind::GetObject)), ((5, 0), (0, 5)), "`first`, and read again");
    harmed.proxy.forget_requests();
    assert!(harmed.proxy.counts().is_empty());
    assert_eq!(harmed.proxy.faults(), 0);
}

#[test]
fn an_answer_in_the_servers_place_has_no_effect() {
    let (put, there) = harmed().put(Fault::Answer(Reply::s3(503, "SlowDown")));
    assert!(put.unwrap_err().to_string().contains("SlowDown") && !there);
}

#[test]
fn an_answer_after_the_server_hides_an_effect() {
    let (put, there) = harmed().put(Fault::AnswerAfter(Reply::s3(500, "InternalError")));
    assert!(put.unwrap_err().to_string().contains("InternalError") && there);
}

#[test]
fn a_reset_before_the_server_has_no_effect() {
    let (put, there) = harmed().put(Fault::Reset);
    assert!(format!("{:?}", put.unwrap_err()).contains("ConnectionReset") && !there);
}

#[test]
fn a_reset_after_the_server_hides_an_effect() {
    let (put, there) = harmed().put(Fault::ResetAfter);
    assert!(format!("{:?}", put.unwrap_err()).contains("ConnectionReset") && there);
}

#[test]
fn delays_are_before_or_after_the_server() {
    let harmed = harmed();
    let time = Duration::from_millis(1500);
    let is_put = |request: &Request| request.kind == Kind::PutObject;
    for (key, fault, effect_before) in
        [("before", Fault::Delay(time), false), ("after", Fault::DelayReply(time), true)]
    {
        harmed.proxy.next(1, is_put, fault);
        let start = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| wait(harmed.through.put(&Path::from(key), "value".into())).unwrap());
            std::thread::sleep(time / 2);
            assert_eq!(harmed.is_there(key), effect_before, "{key}");
        });
        assert!(start.elapsed() >= time);
        assert!(harmed.is_there(key));
    }
    assert_eq!(harmed.proxy.faults(), 2);
}

#[test]
fn a_reply_trickles() {
    let harmed = harmed();
    let (key, value) = (Path::from("a"), vec![7; 100_000]);
    wait(harmed.through.put(&key, value.clone().into())).unwrap();
    harmed.proxy.next(1, |request| request.kind == Kind::GetObject, Fault::Trickle(Duration::from_secs(1)));
    let start = Instant::now();
    let read = wait(async { harmed.through.get(&key).await.unwrap().bytes().await.unwrap() });
    assert_eq!(read, value);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_stale_listing_misses_what_came_since() {
    let harmed = harmed();
    let is_list = |request: &Request| request.kind == Kind::List;
    wait(harmed.direct.put(&Path::from("a"), "value".into())).unwrap();
    assert_eq!(harmed.list(), ["a"]);
    wait(harmed.direct.put(&Path::from("b"), "value".into())).unwrap();
    harmed.proxy.next(2, is_list, Fault::Stale);
    assert_eq!(harmed.list(), ["a"]);
    assert_eq!(harmed.list(), ["a"]);
    assert_eq!(harmed.list(), ["a", "b"]);
}

#[test]
fn the_first_rule_that_picks_a_request_decides_until_all_are_healed() {
    let harmed = harmed();
    let status = |status, code| Fault::Answer(Reply::s3(status, code));
    harmed.proxy.next(1, |request| request.target.ends_with("/a"), status(503, "First"));
    harmed.proxy.always(|request| request.header("host").is_some(), status(500, "Second"));
    let error = |key| wait(harmed.through.get(&Path::from(key))).unwrap_err().to_string();
    assert!(error("b").contains("Second"));
    assert!(error("a").contains("First"));
    assert!(error("a").contains("Second"));
    harmed.proxy.heal();
    wait(harmed.through.put(&Path::from("a"), "value".into())).unwrap();
    assert_eq!(harmed.proxy.faults(), 3);
}

#[test]
fn an_unreachable_server_comes_back() {
    let harmed = harmed();
    let put = |key: &str| wait(harmed.through.put(&Path::from(key), "value".into()));
    put("before").unwrap();
    harmed.proxy.set_reachable(false);
    put("meanwhile").unwrap_err();
    harmed.proxy.set_reachable(true);
    put("after").unwrap();
    assert_eq!(harmed.list(), ["after", "before"]);

    // One that is under way fails at once, and does not arrive later.
    let delay = Duration::from_secs(1);
    harmed.proxy.always(|_| true, Fault::Delay(delay));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| put("waiting"));
        while harmed.proxy.faults() == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        let start = Instant::now();
        harmed.proxy.set_reachable(false);
        waiting.join().unwrap().unwrap_err();
        assert!(start.elapsed() < delay / 2);
    });
    std::thread::sleep(delay * 2);
    assert!(!harmed.is_there("waiting"));
}

#[test]
fn nobody_listens_when_the_proxy_is_gone() {
    let proxy = FaultProxy::start("http://127.0.0.1:9").unwrap();
    let address = proxy.endpoint().replace("http://", "");
    let mut client = TcpStream::connect(&address).unwrap();
    drop(proxy);
    assert!(!client.read(&mut [0]).is_ok_and(|count| count > 0));
    let refused = || Ok(TcpStream::connect(&address).is_err().then_some(()));
    wait_for("the proxy to end", Duration::from_secs(5), refused).unwrap();
}

#[test]
fn dynamodb_is_throttled_and_counted_by_operation() {
    let folder = Folder::new("proxy");
    let server = DynamoDb::start(&Components::find().unwrap(), &folder.0).unwrap();
    let proxy = FaultProxy::start(&server.endpoint()).unwrap();
    let throttled = Reply::dynamodb(400, "ProvisionedThroughputExceededException");
    proxy.next(1, |request| request.kind == Kind::GetItem, Fault::Answer(throttled));
    let get = json!({"TableName": "none", "Key": {"key": {"S": "one"}}});
    let first = dynamodb(&proxy.endpoint(), "GetItem", &get);
    assert!(first.0 == 400 && first.1.contains("ProvisionedThroughputExceededException"), "{first:?}");
    let second = dynamodb(&proxy.endpoint(), "GetItem", &get);
    assert!(second.0 == 400 && second.1.contains("ResourceNotFoundException"), "{second:?}");
    assert_eq!(dynamodb(&proxy.endpoint(), "ListTables", &json!({})).0, 200);
    assert_eq!(proxy.counts().into_iter().collect::<Vec<_>>(), [(Kind::GetItem, 2), (Kind::Other, 1)]);
}

/// A server that replies to one request after the other, each on a connection of its own, and gives what it got.
fn scripted(exchanges: &'static [(&str, &str)]) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        for (request, reply) in exchanges {
            let (mut connection, _) = listener.accept().unwrap();
            let mut got = vec![0; request.len()];
            connection.read_exact(&mut got).unwrap();
            assert_eq!(String::from_utf8(got).unwrap(), *request);
            connection.write_all(reply.as_bytes()).unwrap();
        }
    });
    (url, server)
}

#[test]
fn every_byte_goes_through_and_the_connection_is_kept() {
    const EXCHANGES: &[(&str, &str)] = &[
        (
            "PUT /b/k HTTP/1.1\r\nhOsT: signed.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n",
            "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        ),
        ("HEAD /b/k HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
        (
            "PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nok",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        ("GET /b/k HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nto the end"),
    ];
    let (url, server) = scripted(EXCHANGES);
    let proxy = FaultProxy::start(&url).unwrap();
    let mut client = BufReader::new(TcpStream::connect(proxy.endpoint().replace("http://", "")).unwrap());
    for (request, reply) in EXCHANGES {
        let (head, body) = request.split_at(request.find("\r\n\r\n").unwrap() + 4);
        client.get_mut().write_all(head.as_bytes()).unwrap();
        if head.contains("Expect") {
            let mut line = String::new();
            client.read_line(&mut line).unwrap();
            client.read_line(&mut line).unwrap();
            assert_eq!(line, "HTTP/1.1 100 Continue\r\n\r\n");
        }
        client.get_mut().write_all(body.as_bytes()).unwrap();
        let reply = reply.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n");
        let mut got = vec![0; reply.len()];
        client.read_exact(&mut got).unwrap();
        assert_eq!(String::from_utf8(got).unwrap(), reply);
    }
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "a reply without a length ends with the connection");
    server.join().unwrap();
}
