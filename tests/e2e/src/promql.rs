//! As much of PromQL and of Prometheus' text format as it takes to say whether a query finds its series.

use std::collections::{BTreeMap, BTreeSet};

/// One line of what an exporter serves.
#[derive(Debug, PartialEq)]
pub struct Series {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Series {
    pub fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.name == name
            && labels.iter().all(|(label, value)| self.labels.get(*label).is_some_and(|found| found == value))
    }
}

/// Reads Prometheus' text format.
pub fn exposition(text: &str) -> Vec<Series> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| series(line).unwrap_or_else(|| panic!("no series: {line}"))).collect()
}

fn series(line: &str) -> Option<Series> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            rest = rest.trim_start_matches([',', ' ']);
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let (label, value) = rest.split_once("=\"")?;
            let (value, after) = quoted(value)?;
            labels.insert(label.to_owned(), value);
            rest = after;
        }
    }
    Some(Series { name: name.into(), labels, value: rest.split_whitespace().next()?.parse().ok()? })
}

/// A text up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

/// What a query asks for: `name{label="value"}`.
#[derive(Debug, PartialEq)]
pub struct Selector {
    pub name: String,
    /// Label, operator and value.
    pub matchers: Vec<(String, String, String)>,
}

/// The selectors of a query, and the labels that it groups by.
pub fn parts(query: &str) -> (Vec<Selector>, BTreeSet<String>) {
    let (mut selectors, mut labels) = (Vec::new(), BTreeSet::new());
    let mut rest = query;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_' || "\"[$".contains(c)) {
        rest = &rest[start..];
        match rest.as_bytes()[0] {
            b'"' => {
                rest = quoted(&rest[1..]).unwrap_or_else(|| panic!("an open quote: {query}")).1;
                continue;
            }
            // A range, such as [5m], in which there are letters.
            b'[' => {
                rest = rest.split_once(']').unwrap_or_else(|| panic!("an open bracket: {query}")).1;
                continue;
            }
            b'$' => panic!("a variable outside of a label's value: {query}"),
            _ => {}
        }
        let end =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after.trim_start();
        match word {
            "by" | "without" | "on" | "ignoring" | "group_left" | "group_right" => {
                let (list, after) =
                    rest[1..].split_once(')').unwrap_or_else(|| panic!("an open list: {query}"));
                labels.extend(
                    list.split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()),
                );
                rest = after;
            }
            "and" | "or" | "unless" | "bool" | "offset" => {}
            // A function, or an aggregation that says first what it groups by.
            _ if ["(", "by ", "without "].iter().any(|next| rest.starts_with(next)) => {}
            _ => {
                let mut matchers = Vec::new();
                if let Some(inside) = rest.strip_prefix('{') {
                    rest = inside;
                    while !rest.starts_with('}') {
                        rest = rest.trim_start_matches([',', ' ']);
                        let at = rest.find(['=', '!']).unwrap_or_else(|| panic!("an open selector: {query}"));
                        let (label, after) = rest.split_at(at);
                        let (operator, after) = after.split_once('"').unwrap();
                        let (value, after) =
                            quoted(after).unwrap_or_else(|| panic!("an open quote: {query}"));
                        matchers.push((label.trim().to_owned(), operator.trim().to_owned(), value));
                        rest = after.trim_start();
                    }
                    rest = &rest[1..];
                }
                selectors.push(Selector { name: word.to_owned(), matchers });
            }
        }
    }
    (selectors, labels)
}

/// Labels that Prometheus adds when it scrapes.
const OF_SCRAPE: [&str; 2] = ["instance", "job"];

impl Selector {
    /// A dashboard's variable stands for every value.
    pub fn finds(&self, series: &Series) -> bool {
        self.name == series.name
            && self.matchers.iter().all(|(label, operator, wanted)| {
                let found = series.labels.get(label).map_or("", String::as_str);
                match operator.as_str() {
                    _ if OF_SCRAPE.contains(&label.as_str()) => true,
                    "=" => found == wanted,
                    "!=" => found != wanted,
                    "=~" if wanted.starts_with('$') => series.labels.contains_key(label),
                    other => panic!("nobody has taught this test {label}{other}{wanted:?}"),
                }
            })
    }
}

/// Why a query finds nothing, or groups by a label that nothing has.
pub fn misses(query: &str, exported: &[Series]) -> Vec<String> {
    let (selectors, labels) = parts(query);
    let mut wrong = Vec::new();
    let mut known: BTreeSet<&str> = OF_SCRAPE.into();
    for selector in &selectors {
        let found: Vec<_> = exported.iter().filter(|series| selector.finds(series)).collect();
        if found.is_empty() {
            wrong.push(format!("{selector:?} finds nothing, of {query}"));
        }
        known.extend(found.iter().flat_map(|series| series.labels.keys()).map(String::as_str));
    }
    if selectors.is_empty() {
        wrong.push(format!("it asks for nothing: {query}"));
    }
    wrong.extend(
        labels
            .iter()
            .filter(|label| !known.contains(label.as_str()))
            .map(|label| format!("nothing that {query} finds has the label {label}")),
    );
    wrong
}

#[test]
fn queries_are_taken_apart() {
    let query = r#"max by (connector, task) (rate(a_total{status="fai\"led", x=~"$x"}[5m])) / (b{} > 0.5) or vector(0)"#;
    let (selectors, labels) = parts(query);
    let matcher = |label: &str, operator: &str, value: &str| (label.into(), operator.into(), value.into());
    assert_eq!(
        selectors,
        [
            Selector {
                name: "a_total".into(),
                matchers: vec![matcher("status", "=", "fai\"led"), matcher("x", "=~", "$x")]
            },
            Selector { name: "b".into(), matchers: vec![] },
        ]
    );
    assert_eq!(labels, BTreeSet::from(["connector".into(), "task".into()]));
}

#[test]
fn what_is_not_exported_is_missed() {
    let exported = exposition(
        "# TYPE a_total counter\na_total{connector=\"k,\\\"1\\\"\",status=\"ok\",} 1.0E3\nb 7 1700000000000\n",
    );
    assert_eq!(exported[0].labels["connector"], "k,\"1\"");
    assert_eq!((exported[0].value, exported[1].value), (1_000.0, 7.0));
    assert!(exported[0].has("a_total", &[("status", "ok")]) && !exported[1].has("b", &[("status", "ok")]));
    for (query, finds) in [
        ("sum by (connector, instance) (rate(a_total[5m])) / on () b", true),
        ("a_total{status=\"ok\", connector=~\"$connector\"}", true),
        ("a_total{status=\"failed\"}", false),
        ("b{connector=~\"$connector\"}", false),
        ("sum by (task) (a_total)", false),
        ("c_total", false),
        ("vector(0)", false),
    ] {
        assert_eq!(misses(query, &exported).is_empty(), finds, "{query}");
    }
}
