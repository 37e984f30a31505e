//! Mistakes in the settings, and what comes of them once they are mended.

use crate::scenario::{CLASS, Scenario};

#[test]
fn a_misspelt_setting_is_refused_with_the_nearest_name() {
    let scenario = Scenario::new("misspelt", 1);
    let config = scenario.config().set("delta.commit.intervall.ms", 300);
    let problem =
        "delta.commit.intervall.ms: there is no such setting; the nearest one is delta.commit.interval.ms";

    let named = config.clone().set("name", &scenario.name);
    let errors = scenario.connect().validate(CLASS, &named.json()).unwrap();
    assert_eq!(errors, [("delta.commit.intervall.ms".to_owned(), problem.to_owned())]);
    let refused = scenario.connect().put_connector(&scenario.name, &config.json()).unwrap_err().to_string();
    assert!(refused.contains("400") && refused.contains(problem), "{refused}");
    assert!(!scenario.connect().connectors().unwrap().contains(&scenario.name));

    scenario.send(500);
    scenario.put(&config.without("delta.commit.intervall.ms"));
    scenario.completes();
}

#[test]
fn a_missing_table_fails_the_task_until_it_may_be_created() {
    let scenario = Scenario::new("missing-table", 1);
    scenario.send(500);
    let url = format!("no Delta table at file://{}/", scenario.table.display());
    scenario.put(&scenario.config().set("delta.table.auto.create", false));
    scenario.fails_with(&["TABLE_MISSING", &url, "set delta.table.auto.create=true"]);
    assert!(!scenario.table.exists(), "a task that must not create the table leaves nothing there");
    scenario.put(&scenario.config());
    scenario.runs(1);
    scenario.completes();
}

#[test]
fn a_schema_that_does_not_fit_the_table_names_columns_and_types() {
    let scenario = Scenario::new("mismatch", 1);
    scenario.send(500);
    scenario.put(&scenario.config());
    scenario.runs(1);
    scenario.reaches_the_end();

    let config = scenario.config().json();
    let schema = config["delta.schema.json"].as_str().unwrap();
    let other = schema
        .replace(r#""name":"price","type":"decimal(12,2)""#, r#""name":"price","type":"double""#)
        .replace(r#""name":"mobile""#, r#""name":"is_mobile""#);
    scenario.put(&scenario.config().set("delta.schema.json", other));
    scenario.send(500);
    scenario.fails_with(&[
        "SCHEMA_MISMATCH",
        "price: double in the settings, decimal(12,2) in the table",
        "is_mobile: boolean is not in the table",
    ]);
    scenario.put(&scenario.config());
    scenario.runs(1);
    scenario.completes();
}
