//! What a validation is told.

use super::*;

async fn probed(more: &[(&str, &str)]) -> Result<(), (&'static str, Code, String)> {
    crate::probe(&settings(more)).await.map_err(|(setting, error)| (setting, error.code, error.message))
}

/// Which setting is wrong, and how.
async fn wrong(more: &[(&str, &str)]) -> (&'static str, Code) {
    let (setting, code, message) = probed(more).await.unwrap_err();
    assert!(!message.contains("hunter2"), "{message}");
    (setting, code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_answers_for_an_id_that_it_has_not_and_for_one_that_it_has() {
    for answer in [error(404, 40403), schema()] {
        let server = Server::start(move |_| Reply::new(answer.status, answer.body.clone())).await;
        assert_eq!(probed(&[("url", &server.url())]).await, Ok(()));
        assert_eq!(server.requests()[0].target, "/schemas/ids/2147483647");
        // The next one is asked where the first does not answer.
        assert_eq!(probed(&[("url", &format!("{NOWHERE},{}", server.url()))]).await, Ok(()));
    }
    let apicurio = |_: &Request| Reply::new(404, json!({"status": 404, "name": "ContentNotFoundException"}));
    let server = Server::start(apicurio).await;
    assert_eq!(probed(&[("url", &server.url()), ("api", "apicurio")]).await, Ok(()));
    assert_eq!(server.requests()[0].target, "/apis/registry/v3/ids/contentIds/2147483647");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_of_its_setting() {
    const URL: &str = "delta.registry.url";
    assert_eq!(wrong(&[("url", NOWHERE)]).await, (URL, Code::RegistryPending));
    let html = Server::start(|_| Reply::new(404, "<h1>Not Found</h1>")).await;
    for api in ["confluent", "apicurio"] {
        assert_eq!(wrong(&[("url", &html.url()), ("api", api)]).await, (URL, Code::RegistryRefused));
    }
    let denies = Server::start(|_| Reply::new(401, json!({"error_code": 401, "message": "no"}))).await;
    let url = denies.url();
    let user = [("url", &*url), ("username", "kate"), ("password", "hunter2")];
    assert_eq!(wrong(&user).await, ("delta.registry.username", Code::RegistryRefused));
    let token = [("url", &*url), ("bearer.token", "hunter2")];
    assert_eq!(wrong(&token).await, ("delta.registry.bearer.token", Code::RegistryRefused));
    assert_eq!(wrong(&[("url", &url)]).await, (URL, Code::RegistryRefused));
    let client = [
        ("url", &*url),
        ("oauth.token.url", "http://127.0.0.1:9/token"),
        ("oauth.client.id", "sluice"),
        ("oauth.client.secret", "hunter2"),
    ];
    assert_eq!(wrong(&client).await, ("delta.registry.oauth.client.id", Code::RegistryPending));
    let file = [("url", "https://127.0.0.1:9"), ("ca.file", "/nowhere/ca.pem")];
    assert_eq!(wrong(&file).await, ("delta.registry.ca.file", Code::ConfigInvalid));
    let files =
        [("url", "https://127.0.0.1:9"), ("tls.cert.file", "/nowhere/c"), ("tls.key.file", "/nowhere/k")];
    assert_eq!(wrong(&files).await, ("delta.registry.tls.cert.file", Code::ConfigInvalid));
}
