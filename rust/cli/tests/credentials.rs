//! Where AWS credentials come from: a real S3 server takes one pair of keys, and each way of finding them is tried with the
//! environment of a process of its own. The services that hand out keys are answers on the loopback address.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use sluice_testkit::{Components, Fault, FaultProxy, Reply, Request, S3Options, S3Server};
use tempfile::TempDir;

struct World {
    folder: TempDir,
    s3: S3Server,
}

/// Ends with the process.
static WORLD: LazyLock<World> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let s3 = S3Server::start(&Components::find().unwrap(), folder.path(), S3Options::default()).unwrap();
    World { folder, s3 }
});

const ID: &str = "testaccesskey";
const SECRET: &str = "test-secret-key";

/// A file with this content, for one test.
fn file(name: &str, content: &str) -> String {
    let path: PathBuf = WORLD.folder.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Looks at a table that is not there, with these settings in this environment.
fn audit(test: &str, settings: Value, environment: &[(&str, &str)]) -> Output {
    let mut config = json!({ "delta.s3.endpoint": WORLD.s3.endpoint() });
    config.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let config = file(&format!("{test}.json"), &config.to_string());
    Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["audit", "s3://lake/none", "--config", &config])
        .env_clear()
        // No other way is to be tried, least of all one that leaves this machine.
        .envs([("AWS_EC2_METADATA_DISABLED", "true"), ("HOME", WORLD.folder.path().to_str().unwrap())])
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// The server let us in: there is no table.
fn let_in(output: &Output) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("TABLE_MISSING"), "{text}");
}

fn refused(output: &Output) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("STORE_DENIED"), "{text}");
    assert!(!text.contains(SECRET) && !text.contains("wrong-secret"), "{text}");
}

/// An S3 server that takes the temporary keys `t` only: versitygw takes no session tokens. It has nothing.
fn s3_for_temporary_keys() -> FaultProxy {
    service(|request| {
        let signed =
            request.header("Authorization").is_some_and(|by| by.contains(&format!("Credential={ID}/")));
        match signed && request.header("X-Amz-Security-Token") == Some("t") {
            true => Reply::new(
                200,
                "application/xml",
                "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
            ),
            false => Reply::s3(403, "AccessDenied"),
        }
    })
}

/// A service that answers everything by itself.
fn service(answer: fn(&Request) -> Reply) -> FaultProxy {
    let service = FaultProxy::start("http://127.0.0.1:9").unwrap();
    service.rule(move |request| Some(Fault::Answer(answer(request))));
    service
}

fn keys(expires: &str) -> Value {
    json!({"AccessKeyId": ID, "SecretAccessKey": SECRET, "Token": "t", "Expiration": expires, "Code": "Success"})
}

/// What STS answers to a request for a role.
fn sts(action: &str) -> Reply {
    let text = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/lake/x</Arn><AssumedRoleId>r:x</AssumedRoleId></AssumedRoleUser><Credentials>\
         <AccessKeyId>{ID}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>"
    );
    Reply::new(200, "text/xml", text)
}

#[test]
fn keys_in_the_settings_and_under_the_names_of_delta_rs() {
    let ours = json!({"delta.s3.access.key.id": ID, "delta.s3.secret.access.key": SECRET});
    let_in(&audit("settings", ours, &[]));
    let_in(&audit("aliases", json!({"AWS_ACCESS_KEY_ID": ID, "AWS_SECRET_ACCESS_KEY": SECRET}), &[]));
    let wrong = json!({"delta.s3.access.key.id": ID, "delta.s3.secret.access.key": "wrong-secret"});
    refused(&audit("wrong", wrong, &[]));
}

#[test]
fn keys_in_the_environment() {
    let environment = [("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let_in(&audit("environment", json!({}), &environment));
    refused(&audit("nothing", json!({}), &[]));
}

#[test]
fn profiles() {
    let process =
        format!("printf '{{\"Version\": 1, \"AccessKeyId\": \"{ID}\", \"SecretAccessKey\": \"{SECRET}\"}}'");
    let script = file("keys.sh", &process);
    let text = format!(
        "[default]\naws_access_key_id = {ID}\naws_secret_access_key = wrong-secret\n\
         [lake]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n\
         [process]\ncredential_process = /bin/sh {script}\n"
    );
    let credentials = file("credentials", &text);
    let environment = [("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str()), ("PATH", "/bin:/usr/bin")];
    let_in(&audit("profile", json!({"delta.s3.profile": "lake"}), &environment));
    let_in(&audit("process", json!({"delta.s3.profile": "process"}), &environment));
    refused(&audit("default", json!({}), &environment));
    // What is asked for goes before what the environment has.
    let both = [("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", "wrong-secret"), environment[0]];
    let_in(&audit("both", json!({"delta.s3.profile": "lake"}), &both));
}

#[test]
fn a_container_s_credentials() {
    let container =
        service(|_| Reply::new(200, "application/json", keys("2100-01-01T00:00:00Z").to_string()));
    let uri = format!("{}/keys", container.endpoint());
    let s3 = s3_for_temporary_keys();
    let_in(&audit(
        "container",
        json!({"delta.s3.endpoint": s3.endpoint()}),
        &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri)],
    ));
    assert_eq!(container.requests().len(), 1);
}

/// A table with one commit, for the temporary keys.
fn s3_with_a_table() -> FaultProxy {
    service(|request| {
        if request.header("X-Amz-Security-Token") != Some("t") {
            return Reply::s3(403, "AccessDenied");
        }
        let mut reply = match request.target.contains("list-type") {
            true => Reply::new(
                200,
                "application/xml",
                "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Size>2</Size><ETag>1</ETag>\
                 <Key>none/_delta_log/00000000000000000000.json</Key>\
                 <LastModified>2026-11-22T00:00:00.000Z</LastModified></Contents></ListBucketResult>",
            ),
            false => Reply::new(200, "application/json", "{}"),
        };
        reply.headers.push(("ETag".into(), "1".into()));
        reply.headers.push(("Last-Modified".into(), "Sun, 22 Nov 2026 00:00:00 GMT".into()));
        reply
    })
}

/// Keys with less than five minutes left are fetched again for the next request, others are kept.
#[test]
fn credentials_are_fetched_again_before_they_expire() {
    let long = service(|_| Reply::new(200, "application/json", keys("2100-01-01T00:00:00Z").to_string()));
    let short = service(|_| {
        let soon = chrono::DateTime::<chrono::Utc>::from(SystemTime::now() + Duration::from_secs(200));
        Reply::new(200, "application/json", keys(&soon.format("%FT%TZ").to_string()).to_string())
    });
    for (container, fetched) in [(long, 1), (short, 5)] {
        let s3 = s3_with_a_table();
        let uri = format!("{}/keys", container.endpoint());
        let settings = json!({"delta.s3.endpoint": s3.endpoint()});
        let output = audit("expiry", settings, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri)]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!((s3.requests().len(), container.requests().len()), (5, fetched));
    }
}

#[test]
fn an_instance_s_credentials_and_region() {
    let instance = service(|request| match request.target.trim_end_matches('/') {
        "/latest/api/token" => {
            let mut reply = Reply::new(200, "text/plain", "token");
            reply.headers.push(("x-aws-ec2-metadata-token-ttl-seconds".into(), "21600".into()));
            reply
        }
        "/latest/meta-data/iam/security-credentials" => Reply::new(200, "text/plain", "lake-role"),
        "/latest/meta-data/iam/security-credentials/lake-role" => {
            Reply::new(200, "text/plain", keys("2100-01-01T00:00:00Z").to_string())
        }
        "/latest/meta-data/placement/region" => Reply::new(200, "text/plain", "us-east-1"),
        _ => Reply::new(404, "text/plain", ""),
    });
    let environment =
        [("AWS_EC2_METADATA_DISABLED", "false"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &instance.endpoint())];
    let s3 = s3_for_temporary_keys();
    let_in(&audit("instance", json!({"delta.s3.endpoint": s3.endpoint()}), &environment));
}

#[test]
fn a_role_taken_on_with_other_keys() {
    let service = service(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        match body.contains("ExternalId=shared") && body.contains("RoleSessionName=lake-writer") {
            true => sts("AssumeRole"),
            false => Reply::new(
                403,
                "text/xml",
                "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>",
            ),
        }
    });
    let endpoint = service.endpoint();
    let environment = [
        ("AWS_ACCESS_KEY_ID", "other"),
        ("AWS_SECRET_ACCESS_KEY", "wrong-secret"),
        ("AWS_ENDPOINT_URL_STS", endpoint.as_str()),
    ];
    let s3 = s3_for_temporary_keys();
    let role = json!({
        "delta.s3.endpoint": s3.endpoint(),
        "delta.s3.role.arn": "arn:aws:iam::123456789012:role/lake",
        "delta.s3.role.external.id": "shared",
        "delta.s3.role.session.name": "lake-writer",
    });
    let_in(&audit("role", role, &environment));
    refused(&audit(
        "role-refused",
        json!({"delta.s3.role.arn": "arn:aws:iam::123456789012:role/x"}),
        &environment,
    ));
}

#[test]
fn a_web_identity() {
    let service =
        service(|request| match String::from_utf8_lossy(&request.body).contains("WebIdentityToken=jwt") {
            true => sts("AssumeRoleWithWebIdentity"),
            false => Reply::new(403, "text/xml", ""),
        });
    let token = file("token", "jwt");
    let endpoint = service.endpoint();
    let sts = ("AWS_ENDPOINT_URL_STS", endpoint.as_str());
    let arn = "arn:aws:iam::123456789012:role/lake";
    let of_pod = [("AWS_ROLE_ARN", arn), ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()), sts];
    let s3 = s3_for_temporary_keys();
    let_in(&audit("pod", json!({"delta.s3.endpoint": s3.endpoint()}), &of_pod));
    let given = json!({"delta.s3.endpoint": s3.endpoint(), "delta.s3.role.arn": arn, "delta.s3.web.identity.token.file": token});
    let_in(&audit("web-identity", given, &[sts]));
}

#[test]
fn an_unheard_wish_for_the_lock_is_an_error() {
    let output = audit("lock", json!({}), &[("AWS_S3_LOCKING_PROVIDER", "dynamodb")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("COMMIT_LOCK") && text.contains("delta.commit.lock=dynamodb"), "{text}");
}
