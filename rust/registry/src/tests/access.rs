//! Credentials.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

const SECRET: &str = "hunter2";

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

/// Answers who sends this header, and nobody else.
async fn guarded(header: String) -> Server {
    Server::start(move |request| match request.header("authorization") == header {
        true => schema(),
        false => Reply::new(401, json!({"error_code": 40101, "message": "Unauthorized"})),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn user_and_password_are_told() {
    let server = guarded(basic("kate:hunter2")).await;
    let registry = registry(&[("url", &server.url()), ("username", "kate"), ("password", SECRET)]);
    known(&registry, SEVEN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_of_the_url_too_each_to_its_own_host() {
    let one = guarded(basic("kate:hunter2")).await;
    let two = guarded(basic("k@te:a/b")).await;
    let url = |server: &Server, user| server.url().replace("://", &format!("://{user}@"));
    known(&registry(&[("url", &url(&one, "kate:hunter2"))]), SEVEN).await;
    let both = format!("{NOWHERE},{}", url(&two, "k%40te:a%2Fb"));
    known(&registry(&[("url", &both)]), SEVEN).await;
    // The first one's are not sent to the second.
    let wrong = format!("{},{}", url(&two, "kate:hunter2"), one.url());
    let message = refused(&registry(&[("url", &wrong)]), SEVEN).await;
    assert!(message.starts_with(&two.url()) && !message.contains(SECRET), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_token_is_told() {
    let server = guarded("Bearer hunter2".into()).await;
    known(&registry(&[("url", &server.url()), ("bearer.token", SECRET)]), SEVEN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_cause_and_never_the_secret() {
    let server = guarded("nobody".into()).await;
    let url = server.url();
    for (given, told) in [
        (vec![], "without credentials"),
        (vec![("username", "kate"), ("password", SECRET)], "with user and password"),
        (vec![("bearer.token", SECRET)], "with delta.registry.bearer.token"),
    ] {
        let message = refused(&registry(&[&[("url", url.as_str())][..], &given].concat()), SEVEN).await;
        assert!(
            message.contains(told) && message.contains("HTTP 401, error code 40101: Unauthorized"),
            "{message}"
        );
        assert!(
            !message.contains(SECRET) && !message.contains(&STANDARD.encode("kate:hunter2")),
            "{message}"
        );
    }
    // One request each: a password that is refused is not tried again and again, which could lock the user out.
    assert_eq!(server.count(), 3);
}

/// Gives out `token-1`, `token-2` and so on.
async fn issuer(expires_in: Value) -> Server {
    let number = AtomicUsize::new(0);
    Server::start(move |request| {
        assert_eq!(request.target, "/token");
        // The secret is `hunter2 &`.
        assert_eq!(request.header("authorization"), basic("slu%3Aice:hunter2+%26"));
        assert_eq!(request.header("content-type"), "application/x-www-form-urlencoded");
        assert_eq!(request.body, "grant_type=client_credentials&scope=read+all");
        let number = number.fetch_add(1, Ordering::SeqCst) + 1;
        let token = format!("token-{number}");
        Reply::new(200, json!({"access_token": token, "token_type": "Bearer", "expires_in": expires_in}))
    })
    .await
}

fn by_oauth(server: &Server, token_url: &str) -> Arc<Registry> {
    registry(&[
        ("url", &server.url()),
        ("oauth.token.url", token_url),
        ("oauth.client.id", "slu:ice"),
        ("oauth.client.secret", "hunter2 &"),
        ("oauth.scope", "read all"),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_serves_all_requests_until_it_expires() {
    for (expires_in, tokens) in [(json!(3600), 1), (json!("3600"), 1), (json!(null), 1), (json!(0), 20)] {
        let issuer = issuer(expires_in).await;
        let server =
            Server::start(|request| match request.header("authorization").starts_with("Bearer token-") {
                true => schema(),
                false => error(401, 401),
            })
            .await;
        let registry = by_oauth(&server, &format!("{}/token", issuer.url()));
        let ids = (0..20).map(SchemaKey::Id);
        ids.clone().for_each(|id| drop(registry.get(&id)));
        for id in ids {
            known(&registry, id).await;
        }
        assert_eq!((server.count(), issuer.count()), (20, tokens));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_renewed_once() {
    let issuer = issuer(json!(3600)).await;
    let server = guarded("Bearer token-2".into()).await;
    let registry = by_oauth(&server, &format!("{}/token", issuer.url()));
    known(&registry, SEVEN).await;
    assert_eq!((server.count(), issuer.count()), (2, 2));
    let never = guarded("Bearer x".into()).await;
    let registry = by_oauth(&never, &format!("{}/token", issuer.url()));
    let message = refused(&registry, SEVEN).await;
    assert!(message.contains("with a token of delta.registry.oauth.token.url: HTTP 401"), "{message}");
    assert_eq!((never.count(), issuer.count()), (2, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_refuses_is_fatal_and_one_that_is_down_is_waited_for() {
    let server = guarded("Bearer token-1".into()).await;
    let refusing = Server::start(|_| Reply::new(401, json!({"error": "invalid_client"}))).await;
    let message = refused(&by_oauth(&server, &format!("{}/token", refusing.url())), SEVEN).await;
    assert!(message.contains("/token: HTTP 401, invalid_client"), "{message}");
    let odd = Server::start(|_| Reply::new(200, json!({}))).await;
    let message = refused(&by_oauth(&server, &format!("{}/token", odd.url())), SEVEN).await;
    assert!(message.contains("no access_token"), "{message}");
    let broken = Server::start(|_| error(503, 503)).await;
    for down in [NOWHERE.to_owned(), broken.url()] {
        let registry = by_oauth(&server, &format!("{down}/token"));
        while registry.pending_reason(&SEVEN).is_none() {
            assert!(matches!(registry.get(&SEVEN), Lookup::Pending));
            sleep(MOMENT).await;
        }
        let reason = registry.pending_reason(&SEVEN).unwrap();
        assert!(reason.contains(&format!("no token from {down}/token: ")), "{reason}");
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_do_not_follow_a_redirect_to_another_server() {
    let other = Server::start(|_| schema()).await;
    let elsewhere = format!("{}/schemas/ids/7", other.url());
    let server = Server::start(move |request| {
        let to = match request.target.as_str() {
            "/schemas/ids/7" => elsewhere.clone(),
            "/schemas/ids/8" => "/moved".to_owned(),
            "/moved" if request.header("authorization") == basic("u:hunter2") => return schema(),
            _ => "/endless".to_owned(),
        };
        Reply { headers: vec![("Location", to)], ..Reply::new(307, "") }
    })
    .await;
    let registry = registry(&[("url", &server.url()), ("username", "u"), ("password", SECRET)]);
    let message = refused(&registry, SEVEN).await;
    assert!(message.contains("leads elsewhere and is not followed: HTTP 307"), "{message}");
    assert_eq!(other.count(), 0);
    known(&registry, SchemaKey::Id(8)).await;
    refused(&registry, SchemaKey::Id(9)).await;
}
