//! HTTP for object stores. What a server refuses becomes an error with a type of its own: the client's own errors keep
//! the status of some requests only, and put the server's whole answer into their text.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService, ReqwestConnector,
};

use crate::measure::{Answer, RequestKind, Requests};

/// The server does not let us do this, and asking again is of no use.
#[derive(Debug)]
pub struct Refused {
    pub why: Refusal,
    /// What the server says: its code and its message.
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Access,
    /// There is no such bucket or container.
    Missing,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refused {}

#[derive(Debug)]
pub struct Connector(pub Arc<Requests>);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let http = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Service { http, requests: self.0.clone() }))
    }
}

#[derive(Debug)]
struct Service {
    http: HttpClient,
    requests: Arc<Requests>,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let kind = RequestKind::of_http(request.method().as_str(), request.uri().query().unwrap_or_default());
        let asked = self.requests.begin(kind);
        let response = self.http.execute(request).await?;
        let status = response.status().as_u16();
        asked.answered(Answer::of_http(status));
        if !matches!(status, 401 | 403 | 404) {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = body.bytes().await?;
        let answer = String::from_utf8_lossy(&body);
        let code = element(&answer, "Code");
        let why = match (status, code) {
            (404, Some("NoSuchBucket" | "ContainerNotFound")) => Some(Refusal::Missing),
            (404, _) => None,
            _ => Some(Refusal::Access),
        };
        match why {
            Some(why) => {
                let text = format!("HTTP status {status}{}", says(&answer));
                Err(HttpError::new(HttpErrorKind::Unknown, Refused { why, text }))
            }
            None => Ok(HttpResponse::from_parts(head, HttpResponseBody::from(body))),
        }
    }
}

/// Code and message of an answer in XML, as S3, Azure and Google Cloud give them.
fn says(answer: &str) -> String {
    let code = element(answer, "Code").map(|code| format!(" {code}"));
    let message = element(answer, "Message").map(|message| format!(": {}", message.trim()));
    code.unwrap_or_default() + &message.unwrap_or_default()
}

fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// A client's text without the XML in it, of which only code and message are left: some servers put into it what was
/// signed, and with it the key.
pub fn without_xml(text: &str) -> String {
    let begin = text.find("<?xml").or_else(|| text.find("<Error>"));
    let end = text.rfind("</Error>").map(|at| at + "</Error>".len());
    match (begin, end) {
        (Some(begin), Some(end)) if begin < end => {
            let answer = says(&text[begin..end]);
            format!("{}{}{}", text[..begin].trim_end(), answer, &text[end..])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_answer_in_xml_code_and_message_are_left() {
        let text = "GET x - 400 Bad Request: <?xml version=\"1.0\"?>\n<Error><Code>InvalidToken</Code><Message>It is bad.\
                    </Message><AWSAccessKeyId>id</AWSAccessKeyId></Error>, after 2 retries";
        assert_eq!(without_xml(text), "GET x - 400 Bad Request: InvalidToken: It is bad., after 2 retries");
        assert_eq!(without_xml("<Error> without an end"), "<Error> without an end");
        assert_eq!(without_xml("nothing"), "nothing");
    }
}
