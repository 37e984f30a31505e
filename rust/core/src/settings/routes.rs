//! `delta.topic2table.map` and `delta.route.*`: which tables a record goes to.

use regex::Regex;

use super::choices::Unmatched;
use super::table_uri::TableUriTemplate;

/// A table by the name that its settings have, and its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRef {
    pub name: String,
    pub uri: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Routes {
    pub uri: TableUriTemplate,
    /// None: by the original topic, so that a topic's tables are known before its records come.
    pub by: Option<RouteBy>,
    pub map: Option<RouteMap>,
    pub unmatched: Unmatched,
}

/// Where a record names its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteBy {
    Field(Vec<String>),
    /// The last header of this name.
    Header(String),
    /// The topic after transformations.
    Topic,
}

/// Patterns in their order, each with what it stands for.
#[derive(Debug, Clone)]
pub struct RouteMap(Vec<(Regex, Vec<Target>)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Name(String),
    Location { given: String, uri: TableUriTemplate },
}

impl PartialEq for RouteMap {
    fn eq(&self, other: &Self) -> bool {
        let texts = |map: &RouteMap| {
            map.0.iter().map(|(r, t)| (r.as_str().to_owned(), t.clone())).collect::<Vec<_>>()
        };
        texts(self) == texts(other)
    }
}

impl Routes {
    /// The tables of all records of a topic.
    pub fn of_topic(&self, topic: &str) -> Vec<TableRef> {
        match self.map.as_ref().and_then(|map| map.find(topic)) {
            Some(targets) => self.tables(topic, targets),
            None => vec![self.named(topic, topic)],
        }
    }

    /// The tables that a record's value of [`Routes::by`] stands for; none: it is unmatched.
    pub fn of_value(&self, topic: &str, value: &str) -> Vec<TableRef> {
        match &self.map {
            Some(map) => map.find(value).map_or(vec![], |targets| self.tables(topic, targets)),
            // Not a name that a folder could have.
            None if matches!(value, "" | "." | "..") => vec![],
            None => vec![self.named(topic, value)],
        }
    }

    /// Every table that a record of the topic can go to; none: that is known only from the records.
    pub fn all_of_topic(&self, topic: &str) -> Option<Vec<TableRef>> {
        if self.by.is_none() {
            return Some(self.of_topic(topic));
        }
        let mut tables = Vec::new();
        for (_, targets) in &self.map.as_ref()?.0 {
            tables.extend(self.tables(topic, targets));
        }
        Some(tables)
    }

    /// The table of all records, where it is one whatever their topic.
    pub fn only_table(&self) -> Option<TableRef> {
        let is_one =
            self.by.is_none() && self.map.is_none() && !self.uri.takes_a_name() && !self.uri.takes_a_topic();
        is_one.then(|| self.named("", ""))
    }

    /// Of all tables that records can go to.
    pub fn templates(&self) -> impl Iterator<Item = &TableUriTemplate> {
        let targets = self.map.iter().flat_map(|map| &map.0).flat_map(|(_, targets)| targets);
        let locations = targets.filter_map(|target| match target {
            Target::Location { uri, .. } => Some(uri),
            Target::Name(_) => None,
        });
        std::iter::once(&self.uri).chain(locations)
    }

    fn tables(&self, topic: &str, targets: &[Target]) -> Vec<TableRef> {
        let table = |target: &Target| match target {
            Target::Name(name) => self.named(topic, name),
            Target::Location { given, uri } => {
                TableRef { name: given.clone(), uri: uri.table_for(topic, given) }
            }
        };
        targets.iter().map(table).collect()
    }

    fn named(&self, topic: &str, name: &str) -> TableRef {
        TableRef { name: name.to_owned(), uri: self.uri.table_for(topic, name) }
    }
}

impl RouteBy {
    pub fn parse(text: &str) -> Result<RouteBy, String> {
        let argument = |function: &str| {
            let inner =
                text.strip_prefix(function)?.trim_start().strip_prefix('(')?.strip_suffix(')')?.trim();
            (!inner.is_empty()).then(|| inner.to_owned())
        };
        if text == "topic" {
            return Ok(RouteBy::Topic);
        }
        if let Some(path) = argument("field") {
            let path: Vec<_> = path.split('.').map(str::to_owned).collect();
            if path.iter().all(|name| !name.is_empty()) {
                return Ok(RouteBy::Field(path));
            }
        }
        match argument("header") {
            Some(name) => Ok(RouteBy::Header(name)),
            None => Err("it has to be field(path), header(name) or topic".into()),
        }
    }
}

impl RouteMap {
    pub fn parse(text: &str, uri: Option<&TableUriTemplate>) -> Result<RouteMap, String> {
        let entries = text.split(';').map(str::trim).filter(|entry| !entry.is_empty());
        let map: Vec<_> = entries.map(|entry| parse_entry(entry, uri)).collect::<Result<_, _>>()?;
        if map.is_empty() {
            return Err("it has no entry; entries look like orders=sales".into());
        }
        Ok(RouteMap(map))
    }

    fn find(&self, value: &str) -> Option<&[Target]> {
        self.0.iter().find(|(pattern, _)| pattern.is_match(value)).map(|(_, targets)| &targets[..])
    }
}

fn parse_entry(entry: &str, uri: Option<&TableUriTemplate>) -> Result<(Regex, Vec<Target>), String> {
    let Some((pattern, targets)) = entry.rsplit_once('=') else {
        return Err(format!("{entry:?} has no equals sign; entries look like orders=sales"));
    };
    let pattern = Regex::new(&format!("^(?:{})$", pattern.trim()))
        .map_err(|e| format!("{:?} is no regular expression: {e}", pattern.trim()))?;
    let targets: Vec<_> =
        targets.split(',').map(|target| parse_target(target.trim(), uri)).collect::<Result<_, _>>()?;
    Ok((pattern, targets))
}

fn parse_target(text: &str, uri: Option<&TableUriTemplate>) -> Result<Target, String> {
    match text {
        "" | "." | ".." => Err("a table's name is missing after the equals sign".into()),
        _ if text.starts_with('/') || text.starts_with("file:") || text.contains("://") => {
            let uri = TableUriTemplate::parse(text).map_err(|e| format!("{text:?}: {e}"))?;
            Ok(Target::Location { given: text.to_owned(), uri })
        }
        name if uri.is_none_or(TableUriTemplate::takes_a_name) => Ok(Target::Name(name.to_owned())),
        name => Err(format!("the name {name:?} has no place: delta.table.uri needs ${{table}}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(uri: &str, map: Option<&str>) -> Routes {
        let uri = TableUriTemplate::parse(uri).unwrap();
        let map = map.map(|map| RouteMap::parse(map, Some(&uri)).unwrap());
        Routes { uri, by: None, map, unmatched: Unmatched::Fail }
    }

    fn uris(tables: Vec<TableRef>) -> Vec<String> {
        tables.into_iter().map(|table| table.uri).collect()
    }

    #[test]
    fn the_first_entry_that_matches_the_whole_topic_counts() {
        let routes = routes("/d/${table}", Some("orders = sales; or.*=a, /x/${topic} ;.*_eu=b"));
        assert_eq!(uris(routes.of_topic("orders")), ["file:///d/sales/"]);
        assert_eq!(uris(routes.of_topic("orders_eu")), ["file:///d/a/", "file:///x/orders_eu/"]);
        assert_eq!(uris(routes.of_topic("x_eu")), ["file:///d/b/"]);
        assert_eq!(uris(routes.of_topic("x_eu2")), ["file:///d/x_eu2/"], "a table of its own name");
    }

    #[test]
    fn a_location_may_be_in_any_store() {
        let routes = routes("s3://lake/${table}", Some("a=s3://other/x/${topic};b=y"));
        assert_eq!(uris(routes.of_topic("a")), ["s3://other/x/a/"]);
        assert_eq!(uris(routes.of_topic("b")), ["s3://lake/y/"]);
        let templates: Vec<_> = routes.templates().map(TableUriTemplate::as_str).collect();
        assert_eq!(templates, ["s3://lake/${table}/", "s3://other/x/${topic}/"]);
    }

    #[test]
    fn a_value_is_the_tables_name_unless_a_map_tells() {
        assert_eq!(uris(routes("/d/${table}", None).of_value("t", "a/b")), ["file:///d/a%2Fb/"]);
        assert!(routes("/d/${table}", None).of_value("t", "..").is_empty());
        let mapped = routes("/d/${table}", Some("a=x"));
        assert_eq!(uris(mapped.of_value("t", "a")), ["file:///d/x/"]);
        assert!(mapped.of_value("t", "b").is_empty(), "unmatched");
    }

    #[test]
    fn refusals_say_why() {
        let plain = TableUriTemplate::parse("/d/x").unwrap();
        for (text, why) in [
            ("orders", "equals"),
            ("orders=", "missing"),
            ("orders=/a,,/b", "missing"),
            ("(=a", "regular"),
            (" ; ", "no entry"),
            ("orders=a", "${table}"),
            ("orders=/a/../b", ".."),
            ("orders=ftp://a/b", "no store for ftp"),
        ] {
            let message = RouteMap::parse(text, Some(&plain)).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
        for text in ["field", "field()", "field(a..b)", "header( )", "value", ""] {
            assert!(RouteBy::parse(text).is_err(), "{text}");
        }
        assert_eq!(RouteBy::parse("field( a.b )"), Ok(RouteBy::Field(vec!["a".into(), "b".into()])));
        assert_eq!(RouteBy::parse("header(x)"), Ok(RouteBy::Header("x".into())));
    }
}
