//! The API of Confluent's Schema Registry, which others have too.

use serde_json::Value;
use sluice_core::raw::guid;
use sluice_core::settings::RegistryApi;

use crate::hosts::{Answer, Hosts};
use crate::references::{Node, Pointer, follow, segment};
use crate::shared::{Asking, Failure};
use crate::{Fetched, SchemaKey, SchemaType, schema_type};

const API: &str = "Confluent's API";

pub async fn fetch(hosts: &Hosts, key: &SchemaKey, asking: &Asking<'_>) -> Result<Fetched, Failure> {
    let path = match key {
        SchemaKey::Id(id) => format!("/schemas/ids/{id}"),
        SchemaKey::Guid(bytes) => format!("/schemas/guids/{}", guid(bytes)),
        SchemaKey::GlobalId(_) | SchemaKey::ContentId(_) => {
            let message = format!("{key} is Apicurio's, and delta.registry.api is confluent");
            return Err(Failure::Absent(message));
        }
    };
    let answer = hosts.ask(|_| path.clone(), asking).await?;
    // Old registries have no path for GUIDs.
    let has_path = !matches!(key, SchemaKey::Guid(_));
    let what = format!("schema with {key}");
    let json = schema(&answer, &what, has_path)?;
    let schema_type = match &json["schemaType"] {
        Value::Null => SchemaType::Avro,
        Value::String(name) => schema_type(name)
            .ok_or_else(|| Failure::Absent(format!("the {what} is {name}, not AVRO, PROTOBUF or JSON")))?,
        _ => return Err(answer.is_foreign(API)),
    };
    let node = read(&json, &answer)?;
    let references = follow(hosts, RegistryApi::Confluent, node.pointers, asking).await?;
    Ok(Fetched { schema_type, text: node.text, references })
}

/// Of an id that no schema should have.
pub const PROBE: &str = "/schemas/ids/2147483647";

/// Whether the answer to [`PROBE`] is that of such a registry.
pub fn check(answer: &Answer) -> Result<(), Failure> {
    match schema(answer, "schema", true) {
        Ok(_) | Err(Failure::Absent(_)) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// What a reference leads to. Deleted versions too, as Confluent's own client asks for them.
pub async fn node(hosts: &Hosts, pointer: &Pointer, asking: &Asking<'_>) -> Result<Node, Failure> {
    let answer = hosts.ask(|_| format!("{}?deleted=true", pointer.at), asking).await?;
    let json = schema(&answer, &format!("{} that the schema refers to", pointer.name), true)?;
    read(&json, &answer)
}

fn schema(answer: &Answer, what: &str, has_path: bool) -> Result<Value, Failure> {
    let reply = &answer.reply;
    let json = reply.json().unwrap_or_default();
    match reply.status {
        200 if reply.body.is_none() => Err(Failure::Absent(format!("the {what} is too long to be read"))),
        200 if json["schema"].is_string() => Ok(json),
        // Subject, version or schema not found, and deleted ones (`Errors.java`); a wrong path has the code 404.
        404 if matches!(json["error_code"].as_u64(), Some(40401..=40499)) || !has_path => {
            Err(answer.is_absent(what))
        }
        _ => Err(answer.is_foreign(API)),
    }
}

fn read(json: &Value, answer: &Answer) -> Result<Node, Failure> {
    let foreign = || answer.is_foreign(API);
    let text = json["schema"].as_str().ok_or_else(foreign)?.to_owned();
    let references = match &json["references"] {
        Value::Null => &[][..],
        references => references.as_array().map(Vec::as_slice).ok_or_else(foreign)?,
    };
    let pointer = |reference: &Value| {
        let subject = segment(reference["subject"].as_str()?)?;
        let version = reference["version"].as_i64()?;
        let name = reference["name"].as_str()?.to_owned();
        Some(Pointer { name, at: format!("/subjects/{subject}/versions/{version}") })
    };
    let pointers = references.iter().map(|reference| pointer(reference).ok_or_else(foreign));
    Ok(Node { text, pointers: pointers.collect::<Result<_, _>>()? })
}
