//! `deploy/`: its files can be read, its connectors are accepted, and what stands in several of them is the same in all.
//! `tests/deploy/check.py` checks more, with tools that have to be fetched.
#![allow(clippy::unwrap_used)]

mod connectors;

use connectors::assert_accepted;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use sluice_core::settings::declare::{PREFIX, SETTINGS};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Settings of Connect itself that our connectors have.
const OF_CONNECT: [&str; 9] = [
    "connector.class",
    "tasks.max",
    "topics",
    "key.converter",
    "value.converter",
    "header.converter",
    "errors.tolerance",
    "errors.deadletterqueue.topic.name",
    "errors.deadletterqueue.context.headers.enable",
];

/// What objects of a kind have to have besides `apiVersion`, `kind` and `metadata.name`.
const REQUIRED: [(&str, &[&str]); 11] = [
    ("ConfigMap", &["/data"]),
    ("Deployment", &["/spec/selector/matchLabels", "/spec/template/spec/containers/0/image"]),
    ("Job", &["/spec/template/spec/containers/0/image", "/spec/template/spec/restartPolicy"]),
    (
        "KafkaConnect",
        &[
            "/spec/bootstrapServers",
            "/spec/replicas",
            "/spec/groupId",
            "/spec/configStorageTopic",
            "/spec/resources/limits/memory",
        ],
    ),
    (
        "KafkaConnector",
        &["/spec/class", "/spec/tasksMax", "/spec/config", "/metadata/labels/strimzi.io~1cluster"],
    ),
    ("NetworkPolicy", &["/spec/podSelector", "/spec/ingress/0/from"]),
    ("PodDisruptionBudget", &["/spec/selector/matchLabels", "/spec/maxUnavailable"]),
    ("Role", &["/rules/0/resourceNames", "/rules/0/verbs"]),
    ("RoleBinding", &["/subjects/0/name", "/roleRef/name"]),
    ("Service", &["/spec/selector", "/spec/ports/0/port"]),
    ("ServiceAccount", &[]),
];

fn root() -> PathBuf {
    fs::canonicalize("../..").unwrap()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every file of `deploy/` that is in the repository, by its path.
fn files() -> BTreeMap<String, String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.file_name().unwrap().to_string_lossy().into_owned();
            if entry.is_dir() && !name.starts_with(['.', '_']) {
                walk(&entry, found);
            } else if !entry.is_dir() && ![".zip", ".jar", ".hcl"].iter().any(|end| name.ends_with(end)) {
                found.push(entry);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("deploy"), &mut found);
    let named = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let content = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        (name, content)
    };
    found.into_iter().map(named).collect()
}

/// The documents of every YAML file, by the file's path.
fn documents() -> Vec<(String, Value)> {
    let yaml = files().into_iter().filter(|(path, _)| path.ends_with(".yaml") || path.ends_with(".yml"));
    let documents: Vec<_> = yaml
        .flat_map(|(path, text)| {
            let documents: Vec<_> = serde_yaml_ng::Deserializer::from_str(&text)
                .map(|document| Value::deserialize(document).unwrap_or_else(|e| panic!("{path}: {e}")))
                .collect();
            documents.into_iter().map(move |document| (path.clone(), document))
        })
        .collect();
    assert!(documents.len() > 10, "only {} documents were seen", documents.len());
    documents
}

/// Documents that Kubernetes takes.
fn objects() -> Vec<(String, Value)> {
    let of_kubernetes =
        |path: &str| path.starts_with("deploy/kubernetes/") || path.starts_with("deploy/strimzi/");
    documents().into_iter().filter(|(path, _)| of_kubernetes(path)).collect()
}

fn of_kind(kind: &str) -> Vec<Value> {
    let found: Vec<_> =
        objects().into_iter().map(|(_, object)| object).filter(|object| object["kind"] == kind).collect();
    assert!(!found.is_empty(), "no {kind}");
    found
}

fn strings(map: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    map.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

type Connector = (String, String, BTreeMap<String, String>);

/// Place, name and settings of every connector in `deploy/`, wherever it stands.
fn all_connectors() -> Vec<Connector> {
    let mut found = Vec::new();
    for (path, text) in files().into_iter().filter(|(path, _)| path.ends_with(".json")) {
        let json: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
        if path.starts_with("deploy/compose/") {
            found.push((path, json["name"].as_str().unwrap().to_owned(), strings(&json["config"])));
        } else if path.starts_with("deploy/terraform/") {
            let connectors = json.as_object().unwrap();
            found.extend(
                connectors.iter().map(|(name, config)| (path.clone(), name.clone(), strings(config))),
            );
        }
    }
    for (path, object) in objects() {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        if object["kind"] == "KafkaConnector" {
            let mut config = strings(&object["spec"]["config"]);
            config.insert("connector.class".into(), object["spec"]["class"].as_str().unwrap().to_owned());
            found.push((path.clone(), name, config));
        } else if object["kind"] == "ConfigMap" {
            for (file, text) in strings(&object["data"]) {
                let Some(name) = file.strip_suffix(".json") else { continue };
                let json: Value =
                    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {file}: {e}"));
                found.push((path.clone(), name.to_owned(), strings(&json)));
            }
        }
    }
    found
}

/// Each match of the pattern's group in the files, with the file's path.
fn named(pattern: &str) -> Vec<(String, String)> {
    let pattern = Regex::new(pattern).unwrap();
    let in_file = |(path, text): (String, String)| {
        let found: Vec<_> = pattern.captures_iter(&text).map(|found| found[1].to_owned()).collect();
        found.into_iter().map(move |name| (path.clone(), name))
    };
    files().into_iter().flat_map(in_file).collect()
}

fn assert_all(pattern: &str, expected: &str, at_least: usize) {
    let found = named(pattern);
    assert!(found.len() >= at_least, "{pattern}: only {} places", found.len());
    for (path, name) in found {
        assert_eq!(name, expected, "{path}: {pattern}");
    }
}

#[test]
fn connectors_are_accepted() {
    let connectors = all_connectors();
    for (place, name, config) in &connectors {
        assert_accepted(place, name, config);
        assert_eq!(config["connector.class"], "io.sluice.connect.DeltaSinkConnector", "{place}: {name}");
        let ours =
            |setting: &str| setting.starts_with(PREFIX) || SETTINGS.iter().any(|known| known.name == setting);
        for setting in config.keys().filter(|setting| !ours(setting)) {
            assert!(OF_CONNECT.contains(&setting.as_str()), "{place}: {name}: {setting} is not known");
        }
    }
    let in_folder = |folder: &str| connectors.iter().filter(|(place, ..)| place.contains(folder)).count();
    assert_eq!(in_folder("/seventy-streams/"), 70);
    assert!(in_folder("/compose/") > 0 && in_folder("/strimzi/") > 0 && in_folder("/kubernetes/") > 0);
}

#[test]
fn kubernetes_objects_have_what_they_must_have() {
    for (path, object) in objects() {
        let kind = object["kind"].as_str().unwrap_or_else(|| panic!("{path}: an object without a kind"));
        let (_, fields) =
            REQUIRED.iter().find(|(known, _)| *known == kind).unwrap_or_else(|| panic!("{path}: {kind}"));
        for field in ["/apiVersion", "/metadata/name"].iter().chain(fields.iter()) {
            assert!(
                object.pointer(field).is_some_and(|value| !value.is_null()),
                "{path}: {kind} has no {field}"
            );
        }
    }
}

#[test]
fn kubernetes_objects_find_each_other() {
    let labels = of_kind("Deployment")[0].pointer("/spec/template/metadata/labels").unwrap().clone();
    for (kind, pointer) in [
        ("Deployment", "/spec/selector/matchLabels"),
        ("Service", "/spec/selector"),
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("NetworkPolicy", "/spec/podSelector/matchLabels"),
    ] {
        assert_eq!(of_kind(kind)[0].pointer(pointer), Some(&labels), "{kind}");
    }
    let job = &of_kind("Job")[0];
    let service = of_kind("Service")[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let command = job.pointer("/spec/template/spec/containers/0/command/2").unwrap().as_str().unwrap();
    assert!(command.contains(&format!("http://{service}:8083/connectors/")), "{command}");
    let may_ask = of_kind("NetworkPolicy")[0]
        .pointer("/spec/ingress/0/from/0/podSelector/matchExpressions/0/values")
        .unwrap()
        .clone();
    for who in [&labels["app"], &job["spec"]["template"]["metadata"]["labels"]["app"]] {
        assert!(may_ask.as_array().unwrap().contains(who), "{who}");
    }

    let cluster = &of_kind("KafkaConnect")[0];
    for connector in of_kind("KafkaConnector") {
        assert_eq!(connector["metadata"]["labels"]["strimzi.io/cluster"], cluster["metadata"]["name"]);
        assert_eq!(connector["metadata"]["namespace"], cluster["metadata"]["namespace"]);
    }
    assert_eq!(of_kind("RoleBinding")[0]["roleRef"]["name"], of_kind("Role")[0]["metadata"]["name"]);
    let account = format!("{}-connect", cluster["metadata"]["name"].as_str().unwrap());
    assert_eq!(of_kind("RoleBinding")[0]["subjects"][0]["name"], account.as_str());
}

/// `${provider:path:key}` in connectors leads to what the worker beside them is given.
#[test]
fn secrets_that_connectors_name_are_there() {
    let reference = Regex::new(r"^\$\{(\w+):(?:([^:]*):)?([^:]+)\}$").unwrap();
    let compose = text("deploy/compose/compose.yaml");
    let example = text("deploy/terraform/examples/seventy-streams/main.tf");
    let role = &of_kind("Role")[0];
    let mounts =
        of_kind("Deployment")[0].pointer("/spec/template/spec/containers/0/volumeMounts").unwrap().clone();
    let mut seen = BTreeSet::new();
    for (place, name, config) in all_connectors() {
        let references =
            config.values().filter(|value| value.starts_with("${") && !value.starts_with("${topic}"));
        for found in
            references.map(|value| reference.captures(value).unwrap_or_else(|| panic!("{place}: {value}")))
        {
            let path = found.get(2).map_or("", |path| path.as_str());
            let there = match &found[1] {
                "env" if place.contains("/compose/") => compose.contains(&format!("      {}: ", &found[3])),
                "env" => example.contains(&format!("    {} ", &found[3])) && found[3].starts_with("SECRET_"),
                "directory" => mounts.as_array().unwrap().iter().any(|mount| mount["mountPath"] == path),
                "secrets" => path.split_once('/').is_some_and(|(namespace, secret)| {
                    role["metadata"]["namespace"] == namespace
                        && role["rules"][0]["resourceNames"][0] == secret
                }),
                _ => false,
            };
            assert!(there, "{place}: {name}: {}", &found[0]);
            seen.insert(found[1].to_owned());
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["directory", "env", "secrets"]);
}

#[test]
fn versions_are_the_same_everywhere() {
    let sluice = env!("CARGO_PKG_VERSION");
    assert_all(r"sluice-connect:(\d+\.[\w.-]+)", sluice, 4);
    assert_all(r"sluice-(\d[\w.-]*)\.zip", sluice, 2);
    let gradle = text("gradle/versions.gradle");
    let of = |name: &str| {
        Regex::new(&format!("{name}: '([^']+)'")).unwrap().captures(&gradle).unwrap()[1].to_owned()
    };
    assert_all(r"apache/kafka:([\w.-]+)", &of("kafka"), 2);
    assert_all(r"(?m)^  version: ([\d.]+)$", &of("kafka"), 1);
    assert_all(r"amazon/dynamodb-local:([\w.-]+)", &of("dynamodbLocal"), 1);
    let versitygw = text("tests/components/versitygw.txt");
    assert_all(r"versity/versitygw:([\w.-]+)", versitygw.trim().rsplit('@').next().unwrap(), 1);
}

#[test]
fn ports_and_paths_are_the_same_everywhere() {
    let worker = text("deploy/image/worker");
    assert!(worker.contains("CONNECT_LISTENERS http://0.0.0.0:8083\n"));
    assert_all(r"EXPOSE (\d+)", "8083", 2);
    assert_all(r"/dev/tcp/127.0.0.1/(\d+)", "8083", 1);
    assert_all(r"containerPort\W+(\d+)", "8083", 2);
    assert_all(r"(?:from|to)_port +=? *(\d+)", "8083", 2);
    assert_all(r"\$\{local.host\}:(\d+)", "8083", 3);

    let image = root().join("deploy/image");
    let programs = named(r"/opt/sluice/([\w.-]+)");
    assert!(programs.len() > 8, "only {} were seen", programs.len());
    for (path, program) in programs.into_iter().filter(|(_, name)| !name.starts_with("jmx")) {
        assert!(image.join(&program).is_file(), "{path}: /opt/sluice/{program}");
    }
    let copied = text("deploy/image/Dockerfile");
    let copied = copied.lines().find(|line| line.ends_with(" /opt/sluice/")).unwrap();
    for file in fs::read_dir(&image).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        let beside = file == "Dockerfile" || file.ends_with(".zip") || file.starts_with("jmx");
        assert!(beside || copied.contains(&format!(" {file} ")), "{file} does not come into the image");
    }
    assert!(worker.contains("CONNECT_PLUGIN_PATH /opt/plugins\n"));
    assert_all(r"(/opt/plug[\w-]*)", "/opt/plugins", 5);
}

/// A laptop's ports are not the network's.
#[test]
fn compose_publishes_on_loopback_only() {
    let (_, compose) = documents().into_iter().find(|(path, _)| path.ends_with("compose.yaml")).unwrap();
    let services = compose["services"].as_object().unwrap();
    let ports: Vec<_> =
        services.values().filter_map(|service| service["ports"].as_array()).flatten().collect();
    assert!(ports.len() >= 4);
    assert!(ports.iter().all(|port| port.as_str().unwrap().starts_with("127.0.0.1:")), "{ports:?}");
}

/// What scales and alarms is what `watch` prints.
#[test]
fn cloudwatch_is_asked_for_what_watch_publishes() {
    let watch = text("deploy/image/watch");
    let scaling = text("deploy/terraform/scaling.tf");
    let asked = Regex::new(r#"namespace += "Sluice"[,\s]+metric(?:_name)? += "(\w+)""#).unwrap();
    let asked: BTreeSet<_> = asked.captures_iter(&scaling).map(|found| found[1].to_owned()).collect();
    assert!(asked.len() >= 4, "{asked:?}");
    let printed = watch.lines().find_map(|line| line.trim().strip_prefix("for metric in ")).unwrap();
    for metric in asked {
        assert!(printed.split([' ', ';']).any(|name| name == metric), "{metric}");
        assert!(
            watch.contains(&format!("\\\"{metric}\\\":%d")) || watch.contains(&format!("\"{metric}\":%d")),
            "{metric}"
        );
    }
    assert!(watch.contains(r#""Namespace":"Sluice","Dimensions":[["Cluster"]]"#));
    assert!(scaling.contains("Cluster = var.name") && scaling.contains(r#"name  = "Cluster""#));
}
