//! The Java sources. `ConfigDef` has to work on workers where the native library cannot load, so Java checks what
//! needs no schema by itself.

use super::header;
use crate::error::Code;
use crate::settings::declare::{
    Default, Kind, OF_A_TABLE, PREFIX, RULES, Rule, Setting, TABLES_PREFIX, TextRule,
};
use crate::settings::table_uri::OBJECT_STORES;

const SETTINGS_FRAME: &str = include_str!("Settings.java.frame");
const ERROR_CODE_FRAME: &str = include_str!("ErrorCode.java.frame");
/// Columns left for a text that is indented as far as a `define` argument.
const WIDTH: usize = 90;

pub fn settings(settings: &[Setting]) -> String {
    let keys = lines(settings, |s| {
        format!("  public static final String {} = {};", constant(s.name), literal(s.name))
    });
    let names: Vec<_> = settings.iter().map(|s| format!("      {}", constant(s.name))).collect();
    let mut order = 0;
    let mut group = "";
    let defines = lines(settings, |setting| {
        order = if setting.group == group { order + 1 } else { 1 };
        group = setting.group;
        define(setting, order)
    });
    let of_a_table = OF_A_TABLE.iter().map(|name| format!("      {}", constant(name)));
    let declared = |name: &str| settings.iter().any(|s| s.name == name);
    let rules: Vec<_> = RULES.iter().filter(|r| declared(subject(r))).map(rule).collect();
    let stores: Vec<_> = OBJECT_STORES
        .iter()
        .map(|(scheme, form)| format!("    stores.put({}, {});", literal(scheme), literal(form)))
        .collect();
    SETTINGS_FRAME
        .replace("/*object_stores*/", &stores.join("\n"))
        .replace("/*header*/", &header("settings/"))
        .replace("/*prefix*/", &literal(PREFIX))
        .replace("/*keys*/", &keys)
        .replace("/*names*/", &names.join(",\n"))
        .replace("/*tables_prefix*/", &literal(TABLES_PREFIX))
        .replace("/*of_a_table*/", &of_a_table.collect::<Vec<_>>().join(",\n"))
        .replace("/*defines*/", &defines)
        .replace("/*rules*/", &rules.join("\n"))
}

pub fn error_codes() -> String {
    let codes: Vec<_> = Code::ALL
        .iter()
        .map(|code| {
            format!(
                "  {}(\n      ErrorClass.{},\n{},\n{})",
                code.name(),
                code.class().name(),
                text(code.meaning(), 6),
                text(code.remedy(), 6)
            )
        })
        .collect();
    ERROR_CODE_FRAME
        .replace("/*header*/", &header("error.rs"))
        .replace("/*codes*/", &(codes.join(",\n\n") + ";"))
}

fn lines(settings: &[Setting], line: impl FnMut(&Setting) -> String) -> String {
    settings.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn define(setting: &Setting, order: usize) -> String {
    let (kind, validator, width) = match setting.kind {
        Kind::Text(rule) => {
            let check = match rule {
                TextRule::TableUri => "TABLE_URI_RULE",
                TextRule::AbsolutePath => "ABSOLUTE_PATH_RULE",
                TextRule::SchemaJson | TextRule::Any | TextRule::Notation(_) => "null",
            };
            ("STRING", check.to_string(), "LONG")
        }
        Kind::Password => ("PASSWORD", "null".into(), "MEDIUM"),
        Kind::Boolean => ("BOOLEAN", "null".into(), "SHORT"),
        Kind::Int(number) => ("INT", format!("Range.atLeast({})", number.min), "SHORT"),
        Kind::Long(number) => ("LONG", format!("Range.atLeast({}L)", number.min), "MEDIUM"),
        Kind::OneOf(words) => {
            let words: Vec<_> = words.iter().map(|w| literal(w)).collect();
            ("STRING", format!("ValidString.in({})", words.join(", ")), "SHORT")
        }
    };
    let default = match (setting.default, setting.kind) {
        (Default::Required, _) => "ConfigDef.NO_DEFAULT_VALUE".into(),
        (Default::None, _) => "null".into(),
        (Default::Value(value), Kind::Int(_) | Kind::Boolean) => value.to_string(),
        (Default::Value(value), Kind::Long(_)) => format!("{value}L"),
        (Default::Value(value), _) => literal(value),
    };
    let arguments = [
        constant(setting.name),
        format!("Type.{kind}"),
        default,
        validator,
        format!("Importance.{}", setting.importance.name()),
        text(setting.doc, 8).trim_start().to_string(),
        literal(setting.group),
        order.to_string(),
        format!("Width.{width}"),
        literal(setting.title),
    ];
    format!("    definitions.define(\n        {});", arguments.join(",\n        "))
}

/// The setting that has the error when the rule is broken.
fn subject(rule: &Rule) -> &'static str {
    match rule {
        Rule::NotBoth(_, second) => second,
        Rule::OnlyWith(first, _) => first,
    }
}

fn rule(rule: &Rule) -> String {
    let condition = match rule {
        Rule::NotBoth(first, second) => {
            format!("isGiven(settings, {}) && isGiven(settings, {})", constant(first), constant(second))
        }
        Rule::OnlyWith(first, second) => {
            format!("isGiven(settings, {}) && !isGiven(settings, {})", constant(first), constant(second))
        }
    };
    format!(
        "    if ({condition}) {{\n      refuse(values, {}, {});\n    }}",
        constant(subject(rule)),
        literal(&rule.message())
    )
}

/// `delta.table.uri` is `TABLE_URI`.
fn constant(name: &str) -> String {
    name.strip_prefix(PREFIX).unwrap_or(name).replace(['.', '-'], "_").to_uppercase()
}

fn literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// A string expression over several lines, without Markdown's marks.
fn text(markdown: &str, indent: usize) -> String {
    let plain = markdown.replace('`', "");
    let mut pieces = vec![String::new()];
    for word in plain.split_inclusive(' ') {
        match pieces.last_mut() {
            Some(piece) if piece.is_empty() || piece.len() + word.len() <= WIDTH => piece.push_str(word),
            _ => pieces.push(word.to_string()),
        }
    }
    let pieces: Vec<_> = pieces.iter().map(|piece| literal(piece)).collect();
    let indent = " ".repeat(indent);
    format!("{indent}{}", pieces.join(&format!("\n{indent}    + ")))
}
