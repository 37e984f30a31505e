//! The reader that all other tests trust has to find what is wrong.

use std::fs;

use sluice_testkit::{Expected, Produce};

use crate::scenario::{PATIENCE, Scenario};

const SCHEMA: &str = r#"{"type":"struct","fields":[{"name":"demo_id","type":"long","nullable":false,"metadata":{}},{"name":"text","type":"string","nullable":true,"metadata":{}}]}"#;

#[test]
fn other_records_than_expected_are_reported() {
    let scenario = Scenario::new("reader-other-ids", 1);
    scenario.send(100);
    scenario.put(&scenario.config());
    scenario.reaches_the_end();
    let read = |first, count| scenario.read(&scenario.table, &Expected::Generated { first, count });
    assert!(read(0, 100).is_exactly(100));

    let shifted = read(10, 100);
    assert!(!shifted.is_exactly(100));
    assert_eq!((shifted.rows, shifted.missing, shifted.unknown_ids, shifted.duplicates), (100, 10, 10, 0));
    let fewer = read(0, 99);
    assert!(!fewer.is_exactly(99));
    assert_eq!((fewer.missing, fewer.unknown_ids), (0, 1));
    let more = read(0, 101);
    assert!(!more.is_exactly(101));
    assert_eq!((more.missing, more.unknown_ids), (1, 0));
    scenario.ends();
}

#[test]
fn a_wrong_value_and_a_double_row_are_reported() {
    let scenario = Scenario::new("reader-values", 1);
    let file = |name: &str, texts: [&str; 3]| {
        let file = scenario.folder.join(name);
        fs::write(&file, texts.map(|text| format!("{{\"text\":\"{text}\"}}\n")).concat()).unwrap();
        file
    };
    let sent = file("sent", ["a", "b", "c"]);
    let other = file("other", ["a", "B", "c"]);
    let send = || scenario.producer(&Produce::Numbered(sent.clone()), None).wait(PATIENCE).unwrap();
    send();
    scenario.put(&scenario.config().set("delta.schema.json", SCHEMA));
    scenario.reaches_the_end();
    let read = |file| scenario.read(&scenario.table, &Expected::Numbered { file, count: 3 });
    assert!(read(sent.clone()).is_exactly(3));
    let wrong = read(other);
    assert!(!wrong.is_exactly(3));
    assert_eq!((wrong.wrong_rows, wrong.wrong_columns), (1, vec!["text".to_owned()]));

    send();
    scenario.reaches_the_end();
    let double = read(sent.clone());
    assert!(!double.is_exactly(3) && !double.is_exactly(6));
    assert_eq!((double.rows, double.duplicates, double.missing), (6, 3, 0));
    scenario.ends();
}
