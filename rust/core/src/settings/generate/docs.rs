//! The reference documentation in Markdown.

use super::{groups, header, readable};
use crate::error::{Class, Code};
use crate::metrics::{Metric, table};
use crate::settings::declare::{Default, Kind, Number, Setting, TextRule};
use std::fmt::Write;

const CONFIGURATION_FRAME: &str = include_str!("configuration.md.frame");
const ERRORS_FRAME: &str = include_str!("errors.md.frame");

pub fn configuration(settings: &[Setting]) -> String {
    let reference: String = groups(settings).map(|(name, group)| group_section(name, group)).collect();
    CONFIGURATION_FRAME
        .replace("<!--header-->", &format!("<!-- {} -->", header("settings/")))
        .replace("<!--reference-->", reference.trim_end())
}

pub fn errors() -> String {
    let sections: Vec<_> = [Class::Config, Class::Record, Class::Retriable, Class::Fatal]
        .into_iter()
        .map(class_section)
        .collect();
    ERRORS_FRAME
        .replace("<!--header-->", &format!("<!-- {} -->", header("error.rs")))
        .replace("<!--codes-->", sections.join("\n").trim_end())
}

/// Puts the table between the marks of its kind.
pub fn with_metrics(text: String, (of, metrics): (&str, &[&Metric])) -> String {
    let begin = format!("<!-- metrics of a {of}: {} -->\n", header("metrics.rs"));
    let end = "<!-- end -->";
    let parts = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    match parts {
        Some((before, after)) => format!("{before}{begin}\n{}\n{end}{after}", table(metrics)),
        None => format!("{text}\n{begin}\n{}\n{end}\n", table(metrics)),
    }
}

fn group_section(name: &str, group: &[Setting]) -> String {
    let mut out =
        format!("## {name}\n\n| setting | type | default | allowed | importance |\n|---|---|---|---|---|\n");
    for setting in group {
        let _ = writeln!(
            out,
            "| [`{name}`](#{anchor}) | {kind} | {default} | {allowed} | {importance} |",
            name = setting.name,
            anchor = setting.name.replace('.', ""),
            kind = kind(setting),
            default = default(setting),
            allowed = allowed(setting),
            importance = setting.importance.name().to_lowercase(),
        );
    }
    for setting in group {
        let _ = write!(out, "\n### {}\n\n{}\n", setting.name, setting.doc);
        if setting.is_secret() {
            out.push_str("\nA secret: it is never printed.\n");
        }
    }
    out.push('\n');
    out
}

fn kind(setting: &Setting) -> &'static str {
    match setting.kind {
        Kind::Text(_) | Kind::OneOf(_) => "string",
        Kind::Password => "password",
        Kind::Boolean => "boolean",
        Kind::Int(_) => "int",
        Kind::Long(_) => "long",
    }
}

fn default(setting: &Setting) -> String {
    match (setting.default, setting.kind) {
        (Default::Required, _) => "required".into(),
        (Default::None, _) => "none".into(),
        (Default::Value(value), Kind::Int(number) | Kind::Long(number)) => {
            with_unit(value.parse().unwrap_or(0), number)
        }
        (Default::Value(value), _) => format!("`{value}`"),
    }
}

fn allowed(setting: &Setting) -> String {
    match setting.kind {
        Kind::Text(TextRule::TableUri) => "absolute path or `file:///` URL".into(),
        Kind::Text(TextRule::AbsolutePath) => "absolute path".into(),
        Kind::Text(TextRule::SchemaJson) => "Delta schema JSON".into(),
        Kind::Text(TextRule::Notation(notation)) => notation.into(),
        Kind::Text(TextRule::Any) | Kind::Password => "any".into(),
        Kind::Boolean => "`true`, `false`".into(),
        Kind::Int(number) | Kind::Long(number) => {
            format!("at least {}", with_unit(number.min, number))
        }
        Kind::OneOf(words) => words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", "),
    }
}

/// `60000` ms (1 min)
fn with_unit(value: i64, number: Number) -> String {
    let unit = number.unit.suffix().replace('.', " ");
    match readable(value, number.unit) {
        Some(readable) => format!("`{value}` {unit} ({readable})"),
        None => format!("`{value}` {unit}"),
    }
}

fn class_section(class: Class) -> String {
    let (title, what) = match class {
        Class::Config => ("Settings", "The connector or task does not start."),
        Class::Record => (
            "Records",
            "The record goes to the dead-letter queue where Connect has one; otherwise the task fails on it.",
        ),
        Class::Retriable => ("Passing", "Connect delivers the same batch again; nothing is lost or doubled."),
        Class::Fatal => (
            "Failures of a task",
            "The task fails and stays failed until it is restarted. What is in the table stays there exactly once: \
             a restarted task goes on from the table's offsets.",
        ),
    };
    let mut out = format!("## {title}\n\n{what}\n");
    for code in Code::ALL.iter().filter(|code| code.class() == class) {
        let _ =
            write!(out, "\n### {}\n\n{}\n\n*What to do:* {}\n", code.name(), code.meaning(), code.remedy());
    }
    out
}
