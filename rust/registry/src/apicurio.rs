//! Apicurio's own API, versions 3 and 2. They differ in parameters, and in where the type of a schema stands.

use serde_json::Value;
use sluice_core::raw::guid;
use sluice_core::settings::RegistryApi;

use crate::hosts::{Answer, Host, Hosts};
use crate::references::{Node, Pointer, follow, segment};
use crate::shared::{Asking, Failure};
use crate::{Fetched, SchemaKey, schema_type};

const API: &str = "Apicurio's API";
/// Where a reference names no group.
const NO_GROUP: &str = "default";
/// Stands for the newest version in a pointer.
const LATEST: &str = "/versions/latest";

pub async fn fetch(hosts: &Hosts, key: &SchemaKey, asking: &Asking<'_>) -> Result<Fetched, Failure> {
    let (kind, id) = match key {
        SchemaKey::GlobalId(id) => ("globalId", *id),
        SchemaKey::ContentId(id) => ("contentId", *id),
        // What Apicurio's serializers put into four bytes unless they are told otherwise.
        SchemaKey::Id(id) => ("contentId", u64::from(*id)),
        SchemaKey::Guid(bytes) => {
            let message = format!("GUID {} is Confluent's, and delta.registry.api is apicurio", guid(bytes));
            return Err(Failure::Absent(message));
        }
    };
    let what = format!("schema with {key}");
    let at = format!("/ids/{kind}s/{id}");
    let content = |host: &Host| match (kind, is_v2(host)) {
        ("globalId", false) => format!("{at}?references=PRESERVE&returnArtifactType=true"),
        ("globalId", true) => format!("{at}?dereference=false"),
        _ => at.clone(),
    };
    let answer = hosts.ask(content, asking).await?;
    let text = text(&answer, &what)?;
    let type_name = match answer.reply.artifact_type {
        Some(name) => name,
        None => type_name(hosts, kind, id, asking).await?,
    };
    let schema_type = schema_type(&type_name)
        .ok_or_else(|| Failure::Absent(format!("the {what} is {type_name}, not AVRO, PROTOBUF or JSON")))?;
    let pointers = pointers(hosts, &at, &what, asking).await?;
    let references = follow(hosts, RegistryApi::Apicurio, pointers, asking).await?;
    Ok(Fetched { schema_type, text, references })
}

/// Of an id that no schema should have.
pub const PROBE: &str = "/ids/contentIds/2147483647";

/// Whether the answer to [`PROBE`] is that of such a registry.
pub fn check(answer: &Answer) -> Result<(), Failure> {
    match text(answer, "schema") {
        Ok(_) | Err(Failure::Absent(_)) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// What a reference leads to.
pub async fn node(hosts: &Hosts, pointer: &Pointer, asking: &Asking<'_>) -> Result<Node, Failure> {
    let what = format!("{} that the schema refers to", pointer.name);
    let content = |host: &Host| match is_v2(host) {
        true => format!("{}?dereference=false", pointer.at),
        false => format!("{}/content?references=PRESERVE", of_v3(&pointer.at)),
    };
    let text = text(&hosts.ask(content, asking).await?, &what)?;
    let pointers = pointers(hosts, &pointer.at, &what, asking).await?;
    Ok(Node { text, pointers })
}

fn is_v2(host: &Host) -> bool {
    host.url.ends_with("/apis/registry/v2")
}

fn of_v3(at: &str) -> String {
    match at.strip_suffix(LATEST) {
        Some(artifact) => format!("{artifact}/versions/branch=latest"),
        None => at.to_owned(),
    }
}

fn text(answer: &Answer, what: &str) -> Result<String, Failure> {
    let unusable = |why: &str| Failure::Absent(format!("the {what} {why}"));
    match (answer.reply.status, &answer.reply.body) {
        (200, None) => Err(unusable("is too long to be read")),
        (200, Some(body)) => String::from_utf8(body.clone()).map_err(|_| unusable("is not a text in UTF-8")),
        _ => Err(failed(answer, what)),
    }
}

/// The name of the exception tells something that is not there from a path that is not there.
fn failed(answer: &Answer, what: &str) -> Failure {
    let json = answer.reply.json().unwrap_or_default();
    let name = json["name"].as_str().unwrap_or_default();
    let is_absent = name.strip_suffix("NotFoundException").is_some_and(|thing| !thing.is_empty());
    match is_absent && answer.reply.status == 404 {
        true => answer.is_absent(what),
        false => answer.is_foreign(API),
    }
}

/// Of a schema whose type did not come with it: only version 3 tells it, and for global ids only.
async fn type_name(hosts: &Hosts, kind: &str, id: u64, asking: &Asking<'_>) -> Result<String, Failure> {
    let search = |host: &Host| match is_v2(host) {
        true => format!("/search/artifacts?{kind}={id}&limit=1"),
        false => format!("/search/versions?{kind}={id}&limit=1"),
    };
    let answer = hosts.ask(search, asking).await?;
    let json = answer.reply.json().filter(|_| answer.reply.status == 200).unwrap_or_default();
    let first = |list: &str, name: &str| json[list][0][name].as_str().map(str::to_owned);
    match (first("versions", "artifactType").or_else(|| first("artifacts", "type")), json["count"].as_u64()) {
        (Some(name), _) => Ok(name),
        (None, Some(0)) => Err(Failure::Absent(format!("no artifact has the schema with {kind} {id}"))),
        _ => Err(answer.is_foreign(API)),
    }
}

async fn pointers(hosts: &Hosts, at: &str, what: &str, asking: &Asking<'_>) -> Result<Vec<Pointer>, Failure> {
    let path = |host: &Host| match is_v2(host) {
        true => format!("{at}/references"),
        false => format!("{}/references", of_v3(at)),
    };
    let answer = hosts.ask(path, asking).await?;
    if answer.reply.status != 200 {
        return Err(failed(&answer, what));
    }
    let json = answer.reply.json().unwrap_or_default();
    let references = json.as_array().ok_or_else(|| answer.is_foreign(API))?;
    references.iter().map(|reference| pointer(reference).ok_or_else(|| answer.is_foreign(API))).collect()
}

fn pointer(reference: &Value) -> Option<Pointer> {
    let group = segment(reference["groupId"].as_str().unwrap_or(NO_GROUP))?;
    let artifact = segment(reference["artifactId"].as_str()?)?;
    let version = match reference["version"].as_str() {
        Some(version) => format!("/versions/{}", segment(version)?),
        None => LATEST.to_owned(),
    };
    let name = reference["name"].as_str()?.to_owned();
    Some(Pointer { name, at: format!("/groups/{group}/artifacts/{artifact}{version}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_are_paths() {
        let full = json!({"groupId": "my group", "artifactId": "a/b", "version": "1.0", "name": "x"});
        assert_eq!(pointer(&full).unwrap().at, "/groups/my%20group/artifacts/a%2Fb/versions/1.0");
        let short = pointer(&json!({"groupId": null, "artifactId": "a", "name": "x"})).unwrap();
        assert_eq!(short.at, "/groups/default/artifacts/a/versions/latest");
        assert_eq!(of_v3(&short.at), "/groups/default/artifacts/a/versions/branch=latest");
        assert_eq!(of_v3("/ids/globalIds/7"), "/ids/globalIds/7");
        for wrong in [json!({"artifactId": "..", "name": "x"}), json!({"artifactId": "a"}), json!([])] {
            assert_eq!(pointer(&wrong), None);
        }
    }
}
