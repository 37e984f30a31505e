//! The messages that `docs/errors.md` shows for bad JSON records are those that the decoder gives.

use std::fs;

use sluice_core::decode::json::{JsonDecoder, JsonOptions, UnknownFields};
use sluice_core::schema::Schema;

/// The table's columns, as the document gives them.
const SCHEMA: &str = r#"{"type": "struct", "fields": [
    {"name": "id", "type": "long", "nullable": false, "metadata": {}},
    {"name": "n", "type": "integer", "nullable": true, "metadata": {}},
    {"name": "price", "type": "decimal(5,2)", "nullable": true, "metadata": {}},
    {"name": "at", "type": "timestamp", "nullable": true, "metadata": {}},
    {"name": "data", "type": "binary", "nullable": true, "metadata": {}},
    {"name": "tags", "type": {"type": "array", "elementType": "string", "containsNull": false},
        "nullable": true, "metadata": {}},
    {"name": "place", "type": {"type": "struct", "fields": [
        {"name": "lat", "type": "double", "nullable": true, "metadata": {}}]}, "nullable": true, "metadata": {}}]}"#;

#[test]
fn messages_in_the_document_are_the_decoder_s() {
    let document = fs::read_to_string("../../docs/errors.md").unwrap();
    let mut seen = 0;
    for line in document.lines().filter(|line| line.starts_with("| `{") || line.starts_with("| `[")) {
        let cells: Vec<&str> = line.split(" | ").map(|cell| cell.trim_matches(['|', ' ', '`'])).collect();
        let schema = Schema::parse(SCHEMA).unwrap();
        let options = JsonOptions { unknown_fields: UnknownFields::Fail, ..JsonOptions::default() };
        let mut decoder = JsonDecoder::new(&schema, options).unwrap();
        let error = decoder.push(cells[0].as_bytes()).expect_err(cells[0]);
        let (code, path, reason) = (error.code.name(), error.path.as_str(), error.message.as_str());
        assert_eq!((cells[1], cells[2], cells[3]), (code, path, reason), "{line}");
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}
