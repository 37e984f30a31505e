//! `delta.table.uri`: which table the records of a topic go to.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Stands for the record's original topic.
const TOPIC: &str = "${topic}";
/// Stands for the name that routing found.
const TABLE: &str = "${table}";

/// What a path segment of a URL may hold as it is (RFC 3986, `pchar`). Braces are not in it, so an encoded text never
/// holds [`TOPIC`] or [`TABLE`].
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// The schemes of object stores, each with what stands before the path.
pub const OBJECT_STORES: [(&str, &str); 7] = [
    ("s3", "s3://bucket/path"),
    ("s3a", "s3a://bucket/path"),
    ("gs", "gs://bucket/path"),
    ("az", "az://container/path"),
    ("azure", "azure://container/path"),
    ("abfs", "abfs://container@account.dfs.core.windows.net/path"),
    ("abfss", "abfss://container@account.dfs.core.windows.net/path"),
];

/// The location of a table, or of one table for each topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableUriTemplate {
    /// `file:///a/b/` or `s3://bucket/a/b/`, percent-encoded but for [`TOPIC`] and [`TABLE`].
    url: String,
}

impl TableUriTemplate {
    /// The error says what is allowed. Java's `Settings.tableUriProblem` refuses the same texts.
    pub fn parse(text: &str) -> Result<TableUriTemplate, String> {
        if text.replace(TOPIC, "").replace(TABLE, "").contains("${") {
            return Err("the only placeholders are ${topic} and ${table}".into());
        }
        let (root, path) = split(text)?;
        let is_url = !root.is_empty();
        if is_url {
            check_url_path(path)?;
        }
        let mut url = if is_url { format!("{root}/") } else { "file:///".to_owned() };
        let start = url.len();
        for segment in path.split('/') {
            let segment = if is_url { encode_url_segment(segment)? } else { encode_segment(segment)? };
            match segment.as_str() {
                "" | "." => {}
                ".." => return Err("a path with .. is refused".into()),
                segment => {
                    url.push_str(segment);
                    url.push('/');
                }
            }
        }
        if url.len() == start {
            return Err("the root of a file system or bucket cannot be a table".into());
        }
        Ok(TableUriTemplate { url })
    }

    /// As a URL, with the placeholders.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The folder that all its tables are in: what stands before the first placeholder.
    pub fn common_folder(&self) -> &str {
        let end = [TOPIC, TABLE].iter().filter_map(|name| self.url.find(name)).min();
        let before = &self.url[..end.unwrap_or(self.url.len())];
        &before[..before.rfind('/').map_or(0, |slash| slash + 1)]
    }

    /// Such as `s3`.
    pub fn scheme(&self) -> &str {
        self.url.split_once(':').map_or("", |(scheme, _)| scheme)
    }

    /// The table of a name, for a record's original topic: an absolute, percent-encoded `file:///` URL that ends in a slash.
    pub fn table_for(&self, topic: &str, table: &str) -> String {
        let encoded = |text| utf8_percent_encode(text, ENCODED).to_string();
        // Nothing encoded holds a placeholder.
        self.url.replace(TOPIC, &encoded(topic)).replace(TABLE, &encoded(table))
    }

    pub fn takes_a_topic(&self) -> bool {
        self.url.contains(TOPIC)
    }

    pub fn takes_a_name(&self) -> bool {
        self.url.contains(TABLE)
    }
}

/// What stands before the path, and the path.
fn split(text: &str) -> Result<(&str, &str), String> {
    if text.starts_with('/') {
        return Ok(("", text));
    }
    let Some(scheme) = scheme(text) else {
        return Err("a relative path is refused: give an absolute path or a URL".into());
    };
    if scheme == "file" {
        return match text.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => Ok(("file://", path)),
            _ => Err("a file URL has three slashes, as in file:///data/events".into()),
        };
    }
    let Some((_, form)) = OBJECT_STORES.iter().find(|(known, _)| *known == scheme) else {
        let known = OBJECT_STORES.map(|(scheme, _)| scheme).join(", ");
        return Err(format!(
            "there is no store for {scheme}: give an absolute path or a URL with file, {known}"
        ));
    };
    let badly = || format!("a URL of this store is written {form}");
    let rest = text[scheme.len() + 1..].strip_prefix("//").ok_or_else(badly)?;
    let (authority, _) = rest.split_once('/').ok_or_else(badly)?;
    let account = scheme.starts_with("abfs");
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b) || (account && b == b'@');
    if authority.is_empty() || !authority.bytes().all(allowed) || account != authority.contains('@') {
        return Err(badly());
    }
    Ok(text.split_at(scheme.len() + 3 + authority.len()))
}

/// RFC 3986: a letter, then letters, digits, `+`, `.` and `-` up to a colon.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b));
    valid.then_some(scheme)
}

fn check_url_path(path: &str) -> Result<(), String> {
    if path.contains(['?', '#']) {
        return Err("a URL of a table has no ? and no #; in a name they are written %3F and %23".into());
    }
    let hex = |at: usize| path.as_bytes().get(at).is_some_and(u8::is_ascii_hexdigit);
    for (at, _) in path.match_indices('%') {
        if !(hex(at + 1) && hex(at + 2)) {
            return Err("in a URL, % stands before two hexadecimal digits; itself it is written %25".into());
        }
        if path[at + 1..at + 3].eq_ignore_ascii_case("2f") {
            return Err("%2F is refused: a slash cannot be in a name".into());
        }
    }
    Ok(())
}

fn encode_url_segment(segment: &str) -> Result<String, String> {
    encode_literals(segment, |literal| percent_decode_str(literal).decode_utf8_lossy().into_owned())
}

fn encode_segment(segment: &str) -> Result<String, String> {
    encode_literals(segment, str::to_owned)
}

/// Encodes what stands between the placeholders.
fn encode_literals(segment: &str, decode: fn(&str) -> String) -> Result<String, String> {
    let mut encoded = String::new();
    let mut rest = segment;
    loop {
        let next = [TOPIC, TABLE].into_iter().filter_map(|name| Some((rest.find(name)?, name))).min();
        let literal = decode(&rest[..next.map_or(rest.len(), |(at, _)| at)]);
        if literal.contains(['\0', char::REPLACEMENT_CHARACTER]) {
            return Err("the path has to be UTF-8 without zero bytes".into());
        }
        encoded.push_str(&utf8_percent_encode(&literal, ENCODED).to_string());
        let Some((at, name)) = next else { return Ok(encoded) };
        encoded.push_str(name);
        rest = &rest[at + name.len()..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str, topic: &str) -> String {
        TableUriTemplate::parse(text).unwrap().table_for(topic, "name")
    }

    #[test]
    fn paths_and_urls_of_the_same_place_are_the_same_table() {
        for text in
            ["/data/my table", "file:///data/my%20table", "/data//./my table//", "file:///data/my table/"]
        {
            assert_eq!(table(text, "t"), "file:///data/my%20table/", "{text}");
        }
    }

    #[test]
    fn a_path_is_literal_and_a_url_is_decoded() {
        assert_eq!(table("/data/100%25", "t"), "file:///data/100%2525/");
        assert_eq!(table("file:///data/100%25", "t"), "file:///data/100%25/");
        assert_eq!(table("/data/a?b#c", "t"), "file:///data/a%3Fb%23c/");
        assert_eq!(table("file:///data/caf%C3%A9", "t"), table("/data/caf\u{e9}", "t"));
    }

    #[test]
    fn object_stores_keep_their_scheme_and_authority() {
        for (text, url) in [
            ("s3://bucket/a/b", "s3://bucket/a/b/"),
            ("s3a://bucket.x/${topic}/", "s3a://bucket.x/t/"),
            ("gs://bucket/a b/%20", "gs://bucket/a%20b/%20/"),
            ("az://container/a", "az://container/a/"),
            ("abfss://c@account.dfs.core.windows.net/a//b", "abfss://c@account.dfs.core.windows.net/a/b/"),
        ] {
            assert_eq!(table(text, "t"), url);
        }
        assert_eq!(TableUriTemplate::parse("s3a://b/x").unwrap().scheme(), "s3a");
        assert_eq!(TableUriTemplate::parse("/x").unwrap().scheme(), "file");
    }

    #[test]
    fn topic_is_replaced_everywhere_and_encoded() {
        let template = TableUriTemplate::parse("/data/${topic}/x-${topic}").unwrap();
        assert_eq!(template.table_for("orders.v1_a-b", ""), "file:///data/orders.v1_a-b/x-orders.v1_a-b/");
        assert_eq!(template.table_for("a b/${topic}", ""), {
            let topic = "a%20b%2F$%7Btopic%7D";
            format!("file:///data/{topic}/x-{topic}/")
        });
    }

    #[test]
    fn table_is_replaced_beside_topic() {
        let template = TableUriTemplate::parse("file:///d%20x/${table}${topic}-${table}").unwrap();
        assert_eq!(template.table_for("t/1", "${topic}"), {
            let table = "$%7Btopic%7D";
            format!("file:///d%20x/{table}t%2F1-{table}/")
        });
    }

    #[test]
    fn the_common_folder_ends_before_the_first_placeholder() {
        for (text, folder) in [
            ("/data/events", "file:///data/events/"),
            ("/data/x-${topic}/${table}", "file:///data/"),
            ("/${table}/${topic}", "file:///"),
            ("s3://lake/${topic}", "s3://lake/"),
            ("s3://lake/a b/${topic}", "s3://lake/a%20b/"),
        ] {
            assert_eq!(TableUriTemplate::parse(text).unwrap().common_folder(), folder);
        }
    }

    #[test]
    fn an_encoded_placeholder_is_not_one() {
        let template = TableUriTemplate::parse("file:///data/%24%7Btopic%7D").unwrap();
        assert_eq!(template.table_for("orders", "name"), "file:///data/$%7Btopic%7D/");
    }

    #[test]
    fn refusals_say_why() {
        for (text, why) in [
            ("data/events", "relative"),
            ("~/events", "relative"),
            ("", "relative"),
            ("hdfs://host/x", "no store for hdfs"),
            ("S3://bucket/x", "no store for S3"),
            ("C:\\data", "no store for C"),
            ("s3:bucket/x", "s3://bucket/path"),
            ("s3:///x", "s3://bucket/path"),
            ("s3://bucket", "s3://bucket/path"),
            ("s3://user@bucket/x", "s3://bucket/path"),
            ("s3://${topic}/x", "s3://bucket/path"),
            ("s3://bucket:80/x", "s3://bucket/path"),
            ("abfss://container/x", "container@account"),
            ("s3://bucket/", "root"),
            ("s3://bucket/a/../b", ".."),
            ("gs://bucket/a?b", "%3F"),
            ("file:/data", "three slashes"),
            ("file://host/data", "three slashes"),
            ("file:data", "three slashes"),
            ("/data/${env:HOME}/x", "placeholder"),
            ("/data/${topic", "placeholder"),
            ("/data/../x", ".."),
            ("file:///data/%2E%2e/x", ".."),
            ("file:///data/a%2fb", "%2F"),
            ("file:///data/a%", "%25"),
            ("file:///data/%zz", "%25"),
            ("file:///data/%C3", "UTF-8"),
            ("file:///data/%00", "UTF-8"),
            ("file:///data?x=1", "%3F"),
            ("/", "root"),
            ("file:///./", "root"),
        ] {
            let message = TableUriTemplate::parse(text).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }

    #[test]
    fn a_table_parses_to_itself() {
        for text in [
            "/data/${topic}",
            "/a b/%41/\u{20ac}",
            "file:///x/%7B%7D/'(~)*",
            "/$/${topic}{}",
            "s3://b/%41/\u{20ac}",
        ] {
            let url = table(text, "t%C3 \u{fc}");
            assert_eq!(table(&url, "other"), url, "{text}");
        }
    }
}
