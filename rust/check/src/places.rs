//! Which tables the settings lead to, as far as that is known before a record comes.

use sluice_core::settings::{Settings, TOPICS, topics};

use crate::Given;

/// Further tables are in the same stores, and reached with the same credentials.
const MOST: usize = 16;

#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    pub uri: String,
    /// The table that is looked for there; none: a folder for tables whose names only the records tell.
    pub table: Option<String>,
}

pub fn places(settings: &Settings, given: &Given) -> Vec<Place> {
    let routes = &settings.routes;
    let topics = topics(given.get(TOPICS).map_or("", String::as_str));
    let known = topics.iter().flat_map(|topic| routes.all_of_topic(topic).unwrap_or_default());
    let mut places: Vec<Place> = Vec::new();
    for table in known.chain(routes.only_table()) {
        if places.iter().all(|place| place.uri != table.uri) && places.len() < MOST {
            places.push(Place { uri: table.uri, table: Some(table.name) });
        }
    }
    if places.is_empty() {
        let folders = routes.templates().map(|template| template.common_folder().to_owned());
        let mut folders: Vec<_> = folders.collect();
        folders.sort_unstable();
        folders.dedup();
        places.extend(folders.into_iter().take(MOST).map(|uri| Place { uri, table: None }));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::given;

    fn found(more: &[(&str, &str)]) -> Vec<String> {
        let given = given(more);
        let settings = Settings::parse(&given).unwrap();
        let places = places(&settings, &given);
        places
            .into_iter()
            .map(|place| format!("{} {}", place.uri, place.table.unwrap_or("-".into())))
            .collect()
    }

    #[test]
    fn tables_are_those_of_the_topics_or_else_the_folder_that_they_are_in() {
        assert_eq!(found(&[("topics", "a,b")]), ["file:///data/x/ a"]);
        assert_eq!(found(&[("topics.regex", "a.*")]), ["file:///data/x/ "]);
        let by_topic = ("delta.table.uri", "/data/${topic}");
        assert_eq!(found(&[("topics", "b, a,b"), by_topic]), ["file:///data/a/ a", "file:///data/b/ b"]);
        assert_eq!(found(&[("topics.regex", "a.*"), by_topic]), ["file:///data/ -"]);
        let by_value =
            [("delta.table.uri", "/data/${table}"), ("delta.route.by", "field(x)"), ("topics", "t")];
        assert_eq!(found(&by_value), ["file:///data/ -"]);
        let mapped = [&by_value[..], &[("delta.route.map", "x=a;y=/other/b")]].concat();
        assert_eq!(found(&mapped), ["file:///data/a/ a", "file:///other/b/ /other/b"]);
        let many: Vec<_> = (0..40).map(|n| format!("t{n}")).collect();
        assert_eq!(found(&[("topics", &many.join(",")), by_topic]).len(), MOST);
    }
}
