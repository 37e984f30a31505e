//! A Delta schema for a file of JSON lines, found by reading all of it once.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};
use sluice_testkit::{Context, Error, Result};

const RENAME: &str = "This renames such keys of the outermost object:\n  \
    jq -c 'with_entries(.key |= gsub(\"[ ,;{}()\\n\\t=]\"; \"_\"))' FILE > NEW";

/// What a column held, over all records so far.
#[derive(Debug, Default)]
enum Kind {
    /// Nothing but null.
    #[default]
    Null,
    Boolean,
    Long,
    Double,
    String,
    Array(Box<Kind>),
    Struct(Fields),
    /// Values that have no type in common.
    Mixed,
}

#[derive(Debug, Default)]
struct Fields {
    list: Vec<Field>,
    by_name: HashMap<String, usize>,
}

#[derive(Debug)]
struct Field {
    name: String,
    kind: Kind,
    /// Number of the JSON object that had the field last: twice in one is a mistake.
    seen_in: u64,
}

/// The outcome for a file.
#[derive(Debug)]
pub struct Inferred {
    pub records: u64,
    /// Delta's schema JSON, with `demo_id` first.
    pub schema: Value,
    /// Columns whose values have no type in common: they become strings that hold JSON.
    pub mixed: Vec<String>,
}

/// Reads the file once. Blank lines do not count.
pub fn infer(file: &Path) -> Result<Inferred> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(file).at(file)?);
    let mut root = Kind::Struct(Fields::default());
    let objects = Cell::new(0);
    let (mut records, mut line, mut number) = (0, Vec::new(), 0_u64);
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).at(file)? == 0 {
            break;
        }
        number += 1;
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        refuse_what_is_not_json_lines(text, number, file)?;
        let mut json = serde_json::Deserializer::from_slice(text);
        Merge { kind: &mut root, objects: &objects }
            .deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(|e| not_an_object(number, file, &e))?;
        records += 1;
    }
    if records == 0 {
        return Err(Error::new(format!("{} holds no records", file.display())));
    }
    let Kind::Struct(fields) = root else { return Err(Error::new("the root is not a struct")) };
    if fields.by_name.keys().any(|name| name.eq_ignore_ascii_case("demo_id")) {
        return Err(Error::new(
            "the records already have a field `demo_id`, which the demo adds to number them",
        ));
    }
    let mut mixed = Vec::new();
    let mut schema = struct_type(&fields, "", &mut mixed)?;
    if let Some(columns) = schema["fields"].as_array_mut() {
        columns.insert(0, json!({"name": "demo_id", "type": "long", "nullable": false, "metadata": {}}));
    }
    Ok(Inferred { records, schema, mixed })
}

fn refuse_what_is_not_json_lines(text: &[u8], line: u64, file: &Path) -> Result<()> {
    let name = file.display();
    if line == 1 && text[0] == b'[' {
        return Err(Error::new(format!(
            "{name} holds one JSON array; the demo wants one object a line. This makes it so:\n  \
             jq -c '.[]' '{name}' > '{}'",
            file.with_extension("jsonl").display()
        )));
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err(Error::new(format!("{name} starts with a byte order mark, which is no JSON; remove it")));
    }
    if text[0] != b'{' {
        return Err(Error::new(format!("{name}: line {line} is not a JSON object")));
    }
    Ok(())
}

fn not_an_object(line: u64, file: &Path, cause: &serde_json::Error) -> Error {
    let name = file.display();
    let mut message = format!("{name}: line {line} is not one JSON object: {cause}");
    if cause.is_eof() {
        message += &format!("\nIf the objects are spread over lines: jq -c . '{name}' puts each on one");
    }
    Error::new(message)
}

fn struct_type(fields: &Fields, path: &str, mixed: &mut Vec<String>) -> Result<Value> {
    let mut columns = Vec::new();
    let mut lower = HashMap::new();
    for field in &fields.list {
        let path = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
        if let Some(bad) = field.name.chars().find(|c| " ,;{}()\n\t=".contains(*c)) {
            return Err(Error::new(format!(
                "the key `{path}` cannot be a Delta column: it holds {bad:?}. {RENAME}"
            )));
        }
        if field.name.is_empty() {
            return Err(Error::new(format!("an empty key (`{path}`) cannot be a Delta column")));
        }
        if let Some(other) = lower.insert(field.name.to_lowercase(), &field.name) {
            return Err(Error::new(format!(
                "the keys `{other}` and `{}` differ in case only, which Delta does not tell apart",
                field.name
            )));
        }
        let kind = delta_type(&field.kind, &path, mixed)?;
        columns.push(json!({"name": field.name, "type": kind, "nullable": true, "metadata": {}}));
    }
    Ok(json!({"type": "struct", "fields": columns}))
}

fn delta_type(kind: &Kind, path: &str, mixed: &mut Vec<String>) -> Result<Value> {
    Ok(match kind {
        Kind::Null | Kind::String => json!("string"),
        Kind::Boolean => json!("boolean"),
        Kind::Long => json!("long"),
        Kind::Double => json!("double"),
        Kind::Array(element) => {
            let element = delta_type(element, &format!("{path}[]"), mixed)?;
            json!({"type": "array", "elementType": element, "containsNull": true})
        }
        Kind::Struct(fields) if !fields.list.is_empty() => struct_type(fields, path, mixed)?,
        // A struct without any field is no Delta type; its text is kept.
        Kind::Struct(_) | Kind::Mixed => {
            mixed.push(path.to_owned());
            json!("string")
        }
    })
}

/// Takes one JSON value into a kind, without keeping it.
struct Merge<'a> {
    kind: &'a mut Kind,
    objects: &'a Cell<u64>,
}

impl Merge<'_> {
    fn scalar(self, new: Kind) {
        *self.kind = match (std::mem::take(self.kind), new) {
            (Kind::Null, new) => new,
            (Kind::Boolean, Kind::Boolean) => Kind::Boolean,
            (Kind::String, Kind::String) => Kind::String,
            (Kind::Long, Kind::Long) => Kind::Long,
            (Kind::Long | Kind::Double, Kind::Long | Kind::Double) => Kind::Double,
            _ => Kind::Mixed,
        };
    }
}

impl<'de> DeserializeSeed<'de> for Merge<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Merge<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.scalar(Kind::Boolean);
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.scalar(Kind::Long);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.scalar(if i64::try_from(value).is_ok() { Kind::Long } else { Kind::Double });
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.scalar(Kind::Double);
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.scalar(Kind::String);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        if matches!(self.kind, Kind::Null) {
            *self.kind = Kind::Array(Box::default());
        }
        if let Kind::Array(element) = self.kind {
            while elements.next_element_seed(Merge { kind: element, objects: self.objects })?.is_some() {}
        } else {
            *self.kind = Kind::Mixed;
            while elements.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        if matches!(self.kind, Kind::Null) {
            *self.kind = Kind::Struct(Fields::default());
        }
        let Kind::Struct(fields) = self.kind else {
            *self.kind = Kind::Mixed;
            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        self.objects.set(self.objects.get() + 1);
        let object = self.objects.get();
        // Records mostly have their keys in the same order: the next field is tried first.
        let mut expected = 0;
        while let Some(name) = entries.next_key::<String>()? {
            let at = match fields.list.get(expected) {
                Some(field) if field.name == name => expected,
                _ => fields.find_or_add(name),
            };
            expected = at + 1;
            let field = &mut fields.list[at];
            if field.seen_in == object {
                return Err(serde::de::Error::custom(format!("the key `{}` stands twice", field.name)));
            }
            field.seen_in = object;
            entries.next_value_seed(Merge { kind: &mut field.kind, objects: self.objects })?;
        }
        Ok(())
    }
}

impl Fields {
    fn find_or_add(&mut self, name: String) -> usize {
        *self.by_name.entry(name.clone()).or_insert_with(|| {
            self.list.push(Field { name, kind: Kind::Null, seen_in: 0 });
            self.list.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infer_text(text: &str) -> Result<Inferred> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("xtask-infer-{}-{}.json", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, text).unwrap();
        let inferred = infer(&file);
        std::fs::remove_file(&file).unwrap();
        inferred
    }

    fn types(text: &str) -> Vec<(String, Value)> {
        let schema = infer_text(text).unwrap().schema;
        let columns = schema["fields"].as_array().unwrap()[1..].iter();
        columns.map(|c| (c["name"].as_str().unwrap().to_owned(), c["type"].clone())).collect()
    }

    fn refusal(text: &str) -> String {
        infer_text(text).unwrap_err().to_string()
    }

    #[test]
    fn scalars_get_the_narrowest_type_that_holds_all() {
        let text = r#"{"long":1,"double":1,"big":1,"bool":true,"text":"a","none":null}

            {"long":-9223372036854775808,"double":1.5,"big":9223372036854775808,"bool":null,"late":"x"}
        "#;
        let expected = [
            ("long", "long"),
            ("double", "double"),
            ("big", "double"),
            ("bool", "boolean"),
            ("text", "string"),
            ("none", "string"),
            ("late", "string"),
        ];
        let expected: Vec<_> =
            expected.iter().map(|(name, kind)| ((*name).to_owned(), json!(kind))).collect();
        assert_eq!(types(text), expected);
        assert_eq!(infer_text(text).unwrap().records, 2);
    }

    #[test]
    fn structs_and_arrays_are_merged_at_every_depth() {
        let found = types(
            "{\"a\":[{\"x\":1},{\"y\":[]}],\"s\":{\"p\":1}}\n{\"a\":[null,{\"x\":2.5,\"y\":[true]}],\"s\":{\"q\":\"t\"}}",
        );
        let field =
            |name: &str, kind: Value| json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
        let array = |element: Value| json!({"type": "array", "elementType": element, "containsNull": true});
        let element = json!({"type": "struct", "fields": [field("x", json!("double")), field("y", array(json!("boolean")))]});
        assert_eq!(found[0].1, array(element));
        assert_eq!(found[1].1["fields"], json!([field("p", json!("long")), field("q", json!("string"))]));
    }

    #[test]
    fn values_without_a_common_type_become_strings_and_are_named() {
        let text = "{\"a\":1,\"s\":{\"b\":[]},\"e\":{},\"n\":[1,\"x\"]}\n{\"a\":\"x\",\"s\":{\"b\":{\"bad key\":1}},\"e\":{}}";
        let inferred = infer_text(text).unwrap();
        assert_eq!(inferred.mixed, ["a", "s.b", "e", "n[]"]);
        assert_eq!(types(text)[0].1, "string");
        // Once mixed, always mixed.
        assert_eq!(infer_text("{\"a\":1}\n{\"a\":\"x\"}\n{\"a\":1}\n{\"a\":null}").unwrap().mixed, ["a"]);
    }

    #[test]
    fn what_cannot_be_a_column_is_named() {
        assert!(refusal("{\"a\":{\"b c\":1}}").contains("`a.b c`"));
        assert!(refusal("{\"Ab\":1}\n{\"aB\":1}").contains("`Ab` and `aB`"));
        assert!(refusal("{\"demo_id\":1}").contains("demo_id"));
        assert!(refusal("{\"\":1}").contains("empty key"));
    }

    #[test]
    fn what_is_not_json_lines_is_told_with_its_line_and_a_way_out() {
        assert!(refusal("[{\"a\":1}]").contains("jq -c '.[]'"));
        assert!(refusal("{\"a\":1}\n[1]\n").contains("line 2"));
        assert!(refusal("{\"a\":1}\n5\n").contains("line 2"));
        assert!(refusal("{\n\"a\":1}\n").contains("jq -c ."));
        assert!(refusal("{\"a\":1}\n{\"a\":1} x\n").contains("line 2"));
        assert!(refusal("{\"a\":[{\"k\":1},{\"k\":1,\"k\":2}]}").contains("`k` stands twice"));
        assert!(refusal("\u{feff}{\"a\":1}").contains("byte order mark"));
        assert!(refusal("\n \n").contains("no records"));
    }
}
