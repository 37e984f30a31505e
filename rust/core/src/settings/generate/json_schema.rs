//! The JSON schema of the file that is posted to Connect: `{"name": …, "config": {…}}`.

use super::header;
use crate::settings::declare::{
    Default, Kind, OF_A_TABLE, PREFIX, RULES, Rule, Setting, TABLES_PREFIX, TextRule,
};
use serde_json::{Map, Value, json};

pub fn connector(settings: &[Setting]) -> String {
    let mut properties = Map::new();
    properties.insert("connector.class".into(), json!({ "type": "string", "minLength": 1 }));
    for setting in settings {
        properties.insert(setting.name.into(), property(setting));
    }
    let required = settings.iter().filter(|s| s.default == Default::Required).map(|s| s.name);
    let required: Vec<_> = std::iter::once("connector.class").chain(required).collect();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": header("settings/"),
        "title": "A Sluice connector, as posted to Kafka Connect",
        "type": "object",
        "required": ["name", "config"],
        "additionalProperties": false,
        "properties": {
            "name": { "type": "string", "minLength": 1 },
            "config": {
                "type": "object",
                "required": required,
                "properties": properties,
                "patternProperties": {
                    format!("^(?!{})", PREFIX.replace('.', "\\.")): { "type": "string" },
                    of_a_table(): { "type": "string" },
                },
                "additionalProperties": false,
                "allOf": RULES.iter().map(rule).collect::<Vec<_>>(),
            },
        },
        "$defs": {
            "provided": {
                "description": "A value that one of the worker's configuration providers fills in.",
                "type": "string",
                "pattern": "^\\$\\{[^:}]+:.+\\}$",
            },
        },
    });
    // serde_json keeps one order or another depending on what else is in the build.
    schema.sort_all_objects();
    format!("{schema:#}\n")
}

/// Matches a setting of one table.
fn of_a_table() -> String {
    let settings: Vec<_> = OF_A_TABLE.iter().filter_map(|name| name.strip_prefix(PREFIX)).collect();
    let escaped = |text: &str| text.replace('.', r"\.");
    format!(r"^{}.+\.({})$", escaped(TABLES_PREFIX), escaped(&settings.join("|")))
}

/// Connect takes strings only, whatever the setting's type.
fn property(setting: &Setting) -> Value {
    let form = match setting.kind {
        Kind::Text(TextRule::AbsolutePath) => json!({ "type": "string", "pattern": "^/" }),
        Kind::Text(TextRule::TableUri) => {
            json!({ "type": "string", "pattern": "^(/|file:///|[a-z0-9]+://[^/]+/)" })
        }
        Kind::Text(TextRule::SchemaJson | TextRule::Any | TextRule::Notation(_)) | Kind::Password => {
            json!({ "type": "string" })
        }
        Kind::Boolean => json!({ "enum": ["true", "false"] }),
        Kind::Int(_) | Kind::Long(_) => json!({ "type": "string", "pattern": "^[0-9]+$" }),
        Kind::OneOf(words) => json!({ "enum": words }),
    };
    let mut property = json!({
        "title": setting.title,
        "description": setting.doc,
        "anyOf": [form, { "$ref": "#/$defs/provided" }],
    });
    if let Default::Value(value) = setting.default {
        property["default"] = json!(value);
    }
    if setting.is_secret() {
        property["writeOnly"] = json!(true);
    }
    property
}

fn rule(rule: &Rule) -> Value {
    match rule {
        Rule::NotBoth(first, second) => json!({ "not": { "required": [first, second] } }),
        Rule::OnlyWith(first, second) => json!({
            "if": { "required": [first] },
            "then": { "required": [second] },
        }),
    }
}
