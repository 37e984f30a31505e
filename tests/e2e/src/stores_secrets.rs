//! Secrets stay secret, in a worker of its own: each setting that holds one is planted with a value that can be found, things
//! go well and wrong, and then all that anybody was shown is searched.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use sluice_testkit::{Fault, FaultProxy, Reply, Request, S3Options, S3Server};
use sluice_testkit::{free_ports, jmx_arguments, read_mbeans};

use crate::cluster::cluster;
use crate::flow::Flow;
use crate::scenario::{CLASS, Config, PATIENCE, Scenario};
use crate::stores::stores;

/// In the settings themselves: Connect shows these again to whoever asks for the settings, and nowhere else.
const PLANTED: &str = "PLANTED";
/// In a file that a config provider reads: shown to nobody.
const PROVIDED: &str = "PROVIDED";

/// The names by which users of delta-rs give secrets.
const ALIASES: [&str; 10] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ACCESS_KEY_ID_DYNAMODB",
    "AWS_SECRET_ACCESS_KEY_DYNAMODB",
    "AWS_SESSION_TOKEN_DYNAMODB",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_CLIENT_SECRET",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
];

/// Letters only, and as long as Base64 wants it.
fn planted(setting: &str) -> String {
    let mut value = PLANTED.to_owned();
    value.extend(setting.chars().filter(char::is_ascii_alphanumeric));
    value.extend("xxx".chars().take((4 - value.len() % 4) % 4));
    value
}

/// The secret in the form that the setting wants.
fn value_of(setting: &str) -> String {
    let secret = planted(setting);
    match setting {
        "delta.store.proxy.url" => format!("http://user:{secret}@127.0.0.1:1"),
        "delta.azure.sas.token" | "AZURE_STORAGE_SAS_TOKEN" => format!("sv=2024-08-04&sp=rwdl&sig={secret}"),
        "delta.gcs.service.account.key" | "GOOGLE_SERVICE_ACCOUNT_KEY" => json!({
            "type": "service_account",
            "client_email": "sluice@example.com",
            "private_key_id": secret,
            "private_key": format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n"),
        })
        .to_string(),
        _ => secret,
    }
}

/// Answers every request as AWS does one whose credentials it does not take: with what it was given.
fn denying(request: &Request) -> Fault {
    let given = |name| request.header(name).unwrap_or_default().to_owned();
    let (token, signed) = (given("X-Amz-Security-Token"), given("Authorization"));
    if request.header("X-Amz-Target").is_some() {
        let message = format!(
            "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String for this \
             request should have been\n'POST\n/\n\nx-amz-security-token:{token}\n{signed}'"
        );
        let body =
            json!({"__type": "com.amazon.coral.service#InvalidSignatureException", "message": message});
        return Fault::Answer(Reply::new(400, "application/x-amz-json-1.0", body.to_string()));
    }
    let key = signed.split_once("Credential=").map_or("", |(_, rest)| rest.split('/').next().unwrap());
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InvalidToken</Code><Message>The provided token is \
         malformed.</Message><AWSAccessKeyId>{key}</AWSAccessKeyId><Token-0>{token}</Token-0><Resource>{}</Resource></Error>",
        request.target
    );
    Fault::Answer(Reply::new(403, "application/xml", body))
}

/// Settings with secrets in the given ones, all other settings as `base` has them.
fn plant(base: &Config, settings: &[&str]) -> Config {
    settings.iter().fold(base.clone(), |config, setting| config.set(setting, value_of(setting)))
}

/// Of the connectors that fail, the one whose settings contradict each other: Connect does not create it.
const REFUSED: &str = "s3-both";

const S3: [&str; 3] = ["delta.s3.access.key.id", "delta.s3.secret.access.key", "delta.s3.session.token"];
const DYNAMODB: [&str; 3] =
    ["delta.dynamodb.access.key.id", "delta.dynamodb.secret.access.key", "delta.dynamodb.session.token"];

#[test]
fn a_secret_is_nowhere_but_in_the_settings_that_were_given() {
    let [port] = free_ports().unwrap();
    let arguments = jmx_arguments(port);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let mut worker = cluster().spawn_worker("worker", "secrets", &arguments);
    worker.wait_until_ready().unwrap();
    let scenario = Scenario::on(worker.connect(), "secrets", 1);
    scenario.send(100);
    let connect = scenario.connect();
    let definitions = connect.request("GET", &format!("/connector-plugins/{CLASS}/config"), None).unwrap().1;
    let definitions: Value = serde_json::from_str(&definitions).unwrap();
    let secrets: BTreeSet<&str> = definitions
        .as_array()
        .unwrap()
        .iter()
        .filter(|setting| setting["type"] == "PASSWORD")
        .map(|setting| setting["name"].as_str().unwrap())
        .collect();

    let denier = FaultProxy::start(&stores().s3.endpoint()).unwrap();
    denier.rule(|request| Some(denying(request)));
    let at = |uri: &str| scenario.config().set("delta.table.uri", uri).set("delta.store.retry.timeout.ms", 0);
    let s3 = at("s3://lake/secrets/denied").set("delta.s3.endpoint", denier.endpoint());
    let nobody = at("s3://lake/secrets/nobody").set("delta.s3.endpoint", "http://127.0.0.1:1");
    let locked = at("s3://lake/secrets/locked")
        .with_s3(&stores().s3.endpoint())
        .set("delta.commit.lock", "dynamodb")
        .set("delta.dynamodb.endpoint", denier.endpoint());
    let azure = at("az://lake/secrets")
        .set("delta.azure.account.name", "account")
        .set("delta.azure.endpoint", format!("{}/account", denier.endpoint()));
    let client = azure.clone().set("delta.azure.tenant.id", "tenant").set("delta.azure.client.id", "client");
    let unreachable = azure.clone().set("delta.azure.endpoint", "http://127.0.0.1:1/account");
    let gcs = at("gs://lake/secrets").set("delta.gcs.endpoint", denier.endpoint());
    // Of a record that names a schema, which the denier does not give.
    let framed = Flow::of(Scenario::without_topic(worker.connect(), "secrets-framed"));
    framed.send(&[framed.record_of(&[0, 0, 0, 0, 1, 2])]);
    let registry =
        framed.raw_config().set("delta.raw.format", "avro").set("delta.registry.url", denier.endpoint());
    let user = registry.clone().set("delta.registry.username", "user");
    let oauth = registry
        .clone()
        .set("delta.registry.oauth.token.url", format!("{}/token", denier.endpoint()))
        .set("delta.registry.oauth.client.id", "client");
    let failing = [
        ("s3", plant(&s3, &S3)),
        ("s3-nobody", plant(&nobody, &S3)),
        ("s3-proxy", plant(&nobody, &[&S3[..], &["delta.store.proxy.url"]].concat())),
        ("s3-bad-proxy", plant(&nobody, &S3).set("delta.store.proxy.url", planted("no URL"))),
        ("s3-aliases", plant(&s3, &ALIASES[..3])),
        (REFUSED, plant(&plant(&s3, &S3), &ALIASES[..3])),
        ("dynamodb", plant(&locked, &DYNAMODB)),
        ("dynamodb-aliases", plant(&locked, &ALIASES[3..6])),
        ("azure-key", plant(&azure, &["delta.azure.account.key"])),
        ("azure-bad-key", azure.clone().set("delta.azure.account.key", format!("{PLANTED}-%"))),
        ("azure-key-alias", plant(&azure, &["AZURE_STORAGE_ACCOUNT_KEY"])),
        ("azure-sas", plant(&azure, &["delta.azure.sas.token"])),
        ("azure-sas-nobody", plant(&unreachable, &["delta.azure.sas.token"])),
        ("azure-bad-sas", azure.clone().set("delta.azure.sas.token", planted("no token"))),
        ("azure-sas-alias", plant(&azure, &["AZURE_STORAGE_SAS_TOKEN"])),
        ("azure-client", plant(&client, &["delta.azure.client.secret", "delta.store.proxy.url"])),
        ("azure-client-alias", plant(&client, &["AZURE_STORAGE_CLIENT_SECRET", "delta.store.proxy.url"])),
        ("gcs", plant(&gcs, &["delta.gcs.service.account.key"])),
        ("gcs-no-json", gcs.clone().set("delta.gcs.service.account.key", planted("no JSON"))),
        ("gcs-alias", plant(&gcs, &["GOOGLE_SERVICE_ACCOUNT_KEY"])),
        ("registry-user", plant(&user, &["delta.registry.password"])),
        ("registry-bearer", plant(&registry, &["delta.registry.bearer.token"])),
        ("registry-oauth", plant(&oauth, &["delta.registry.oauth.client.secret"])),
    ];
    let covered: BTreeSet<&str> = secrets
        .iter()
        .copied()
        .filter(|secret| failing.iter().any(|(_, config)| config.get(secret) == Some(&value_of(secret))))
        .collect();
    assert_eq!(covered, secrets, "each secret is planted somewhere");

    // A connector that works, with secrets that a provider has.
    let options = S3Options {
        access_key: format!("{PROVIDED}key"),
        secret_key: format!("{PROVIDED}secret"),
        ..S3Options::default()
    };
    let server = S3Server::start(&cluster().components, &scenario.folder.join("s3"), options).unwrap();
    let file = scenario.folder.join("provided.properties");
    fs::write(&file, format!("key={PROVIDED}key\nsecret={PROVIDED}secret\n")).unwrap();
    let provided = |key| format!("${{file:{}:{key}}}", file.display());
    let working = scenario
        .config()
        .set("delta.table.uri", "s3://lake/table")
        .set("delta.s3.endpoint", server.endpoint())
        .set("delta.s3.access.key.id", provided("key"))
        .set("delta.s3.secret.access.key", provided("secret"));
    let scenario = scenario.with_table(server.bucket_folder().join("table"));
    // The native log at its most talkative.
    let level = json!({"level": "TRACE"});
    let set = scenario.connect().request("PUT", "/admin/loggers/io.sluice", Some(&level)).unwrap();
    assert_eq!(set.0, 200, "{}", set.1);
    scenario.put(&working);

    let mut shown: Vec<(String, String)> = Vec::new();
    let mut settings: Vec<(String, String)> = Vec::new();
    let ask = |method: &str, path: String, body: Option<&Value>| {
        let (_, answer) = scenario.connect().request(method, &path, body).unwrap();
        (format!("{method} {path}"), answer)
    };
    for (name, config) in &failing {
        let body = config.clone().set("name", name).set("delta.validate.connectivity", true).json();
        shown.push(ask("PUT", format!("/connector-plugins/{CLASS}/config/validate"), Some(&body)));
        let audit = scenario.audit_by_uri(config).output().unwrap();
        shown.push((format!("audit of {name}"), format!("{audit:?}")));
        let check = scenario.check(config).arg("--connectivity").output().unwrap();
        assert_eq!(check.status.code(), Some(1), "{name}: {check:?}");
        shown.push((format!("check of {name}"), format!("{check:?}")));
        settings.push(ask("PUT", format!("/connectors/{name}/config"), Some(&config.json())));
    }
    let misspelt = plant(&s3, &S3).set("delta.s3.secret.access.kei", planted("misspelt"));
    shown.push(ask("PUT", "/connectors/misspelt/config".into(), Some(&misspelt.json())));
    assert!(shown.last().unwrap().1.contains("nearest"), "{shown:?}");

    scenario.reaches_the_end();
    for (name, _) in failing.iter().filter(|(name, _)| *name != REFUSED) {
        scenario.connect().wait_failed(name, PATIENCE).unwrap();
    }
    let names = failing.iter().map(|(name, _)| *name).chain([scenario.name.as_str()]);
    for name in names {
        for part in ["status", "topics", "offsets", "tasks/0/status"] {
            shown.push(ask("GET", format!("/connectors/{name}/{part}"), None));
        }
        for part in ["", "/config", "/tasks"] {
            settings.push(ask("GET", format!("/connectors/{name}{part}"), None));
        }
    }
    for path in ["/connector-plugins", "/connectors?expand=status", "/admin/loggers"] {
        shown.push(ask("GET", path.into(), None));
    }
    settings.push(ask("GET", "/connectors?expand=info".into(), None));
    let mbeans = read_mbeans(&cluster().components, &scenario.folder, port).unwrap();
    assert!(mbeans.contains("kafka.connect:type=plugins,connector=secrets,task=0"), "{mbeans}");
    shown.push(("MBeans".into(), mbeans));
    scenario.ends();
    worker.stop().unwrap();
    shown.push(("the worker's log".into(), fs::read_to_string(worker.log()).unwrap()));

    let mut leaks = Vec::new();
    for (what, text) in &shown {
        let of_both = text.lines().filter(|line| line.contains(PLANTED) || line.contains(PROVIDED));
        leaks.extend(of_both.map(|line| format!("{what}: {line}")));
    }
    for (what, text) in &settings {
        leaks.extend(
            text.lines().filter(|line| line.contains(PROVIDED)).map(|line| format!("{what}: {line}")),
        );
    }
    assert!(settings.iter().any(|(_, text)| text.contains(PLANTED)), "the search finds what is there");
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
}
