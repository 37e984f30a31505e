//! The object stores and DynamoDB start and do what commits rely on.

#![allow(clippy::unwrap_used)]

mod clients;

use std::net::TcpStream;

use clients::{Folder, azure, conditional_put_and_multipart_work, dynamodb, s3, wait};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::json;
use sluice_testkit::{Azurite, Components, DynamoDb, S3Options, S3Program, S3Server};

/// A server that listens on all addresses would be found there.
fn listens_on_one_address_only(endpoint: &str) {
    let port: u16 = endpoint.rsplit(':').next().unwrap().parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(TcpStream::connect(("127.0.0.2", port)).is_err(), "{endpoint}");
}

fn s3_server_works(program: S3Program) {
    let folder = Folder::new("s3");
    let options = S3Options { program, ..S3Options::default() };
    let mut server = S3Server::start(&Components::find().unwrap(), &folder.0, options).unwrap();
    listens_on_one_address_only(&server.endpoint());
    conditional_put_and_multipart_work(&s3(&server, &server.endpoint()));
    server.process().kill().unwrap();
    assert!(!server.process().is_running());
}

#[test]
fn versitygw_serves_a_bucket() {
    s3_server_works(S3Program::Versitygw);
}

#[test]
fn an_object_of_versitygw_is_a_file() {
    let folder = Folder::new("s3");
    let server = S3Server::start(&Components::find().unwrap(), &folder.0, S3Options::default()).unwrap();
    let key = Path::from("table/_delta_log/0.json");
    wait(s3(&server, &server.endpoint()).put(&key, "{}".into())).unwrap();
    let file = server.bucket_folder().join("table/_delta_log/0.json");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "{}");
}

#[test]
#[ignore = "needs `cargo xtask install --all-stores`"]
fn minio_serves_a_bucket() {
    s3_server_works(S3Program::Minio);
}

#[test]
#[ignore = "needs `cargo xtask install --all-stores`"]
fn azurite_serves_a_container() {
    let folder = Folder::new("azurite");
    let server = Azurite::start(&Components::find().unwrap(), &folder.0, "lake").unwrap();
    listens_on_one_address_only(server.endpoint().trim_end_matches("/testaccount"));
    conditional_put_and_multipart_work(&azure(&server, "lake"));
}

#[test]
fn dynamodb_puts_an_item_on_condition() {
    let folder = Folder::new("dynamodb");
    let server = DynamoDb::start(&Components::find().unwrap(), &folder.0).unwrap();
    listens_on_one_address_only(&server.endpoint());
    let call = |operation: &str, body| dynamodb(&server.endpoint(), operation, &body);
    let table = json!({
        "TableName": "locks", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "key", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
    });
    assert_eq!(call("CreateTable", table).0, 200);
    let put = json!({
        "TableName": "locks", "Item": {"key": {"S": "one"}},
        "ConditionExpression": "attribute_not_exists(#key)", "ExpressionAttributeNames": {"#key": "key"},
    });
    assert_eq!(call("PutItem", put.clone()).0, 200);
    let (status, answer) = call("PutItem", put);
    assert_eq!(status, 400);
    assert!(answer.contains("ConditionalCheckFailedException"), "{answer}");
}
