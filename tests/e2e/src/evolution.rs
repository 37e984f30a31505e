//! Schemas that grow while four tasks write.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::flow::{Flow, actions, schema, with_schema};

const TASKS: u64 = 4;
const RECORDS: u64 = 4000;

/// Of the versions 1 and 2 record by record, from `first` on; each kind of new field is in another place.
fn interleaved(flow: &Flow, first: u64, newer: bool) -> Vec<Value> {
    let old = json!([
        {"field": "id", "type": "int64"},
        {"field": "place", "type": "struct", "optional": true,
            "fields": [{"field": "city", "type": "string", "optional": true}]},
        {"field": "items", "type": "array", "optional": true, "items": {"type": "struct", "optional": true,
            "fields": [{"field": "sku", "type": "string", "optional": true}]}},
    ]);
    let mut new = old.clone();
    let text = |name: &str| json!({"field": name, "type": "string", "optional": true});
    new.as_array_mut().unwrap().push(text("note"));
    for at in [("1", "fields"), ("2", "items/fields")] {
        let fields = new.pointer_mut(&format!("/{}/{}", at.0, at.1)).unwrap();
        fields.as_array_mut().unwrap().push(text("more"));
    }
    (first..first + RECORDS)
        .map(|id| {
            // Of each partition, every second record.
            let value = match newer && id / TASKS % 2 == 1 {
                true => with_schema(
                    &new,
                    json!({"id": id, "place": {"city": "a", "more": "b"}, "items": [{"sku": "s", "more": "t"}], "note": "n"}),
                ),
                false => with_schema(&old, json!({"id": id, "place": {"city": "a"}, "items": [{"sku": "s"}]})),
            };
            let mut record = flow.record(value);
            record["partition"] = json!(id % TASKS);
            record
        })
        .collect()
}

#[test]
fn four_tasks_that_meet_new_fields_at_once_end_with_one_schema() {
    let flow = Flow::new("evolving");
    flow.send(&interleaved(&flow, 0, false));
    let config = flow.connect_config(true).set("delta.schema.evolution", "add").set("tasks.max", TASKS);
    flow.scenario.put(&config);
    flow.scenario.runs(TASKS as usize);
    assert_eq!(flow.rows().len() as u64, RECORDS);

    flow.send(&interleaved(&flow, RECORDS, true));
    // A task that failed would fail the wait for its offsets.
    let rows = flow.rows();
    flow.scenario.runs(TASKS as usize);
    assert_eq!(rows.len() as u64, 2 * RECORDS);
    for (id, row) in rows.iter().enumerate() {
        let id = id as u64;
        assert_eq!(row["id"], id.to_string());
        let newer = id >= RECORDS && id / TASKS % 2 == 1;
        let expected = match newer {
            true => ("{city=a, more=b}", "[{sku=s, more=t}]", Some("n")),
            false => ("{city=a, more=null}", "[{sku=s, more=null}]", None),
        };
        let found = (&*row["place"], &*row["items"], row.get("note").map(String::as_str));
        assert_eq!(found, expected, "{id}");
    }
    let schema = schema(&flow.scenario.table);
    let names = |fields: &Value| -> Vec<String> {
        fields.as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&schema["fields"]), ["id", "place", "items", "note"]);
    assert_eq!(names(&schema["fields"][1]["type"]["fields"]), ["city", "more"]);
    assert_eq!(names(&schema["fields"][2]["type"]["elementType"]["fields"]), ["sku", "more"]);

    let actions = actions(&flow.scenario.table);
    let schemas: Vec<_> = actions.iter().filter_map(|a| a["metaData"]["schemaString"].as_str()).collect();
    assert!(schemas.len() <= 3, "each change once: {schemas:#?}");
    assert_eq!(schemas.iter().collect::<BTreeSet<_>>().len(), schemas.len(), "{schemas:#?}");
    files_are_of_commits(&actions);
    flow.scenario.ends();
}

/// A commit has one file for each of its units, that is of its tasks, however often the records' schemas change. Only a unit that
/// the table's change cuts in two may have one more.
fn files_are_of_commits(actions: &[Value]) {
    let units = |action: &Value| action["commitInfo"]["sluice"]["units"].as_array().map_or(0, Vec::len);
    let files = actions.iter().filter(|action| action.get("add").is_some()).count();
    let units: usize = actions.iter().map(units).sum();
    assert!(units > 0 && files <= units + TASKS as usize, "{files} files of {units} units");
}
