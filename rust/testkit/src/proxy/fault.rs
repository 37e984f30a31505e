use std::time::Duration;

/// What happens to a request that a rule has picked.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The server never sees the request.
    Answer(Reply),
    /// The server carries it out, and its reply is lost for this one.
    AnswerAfter(Reply),
    /// The connection is reset before the server sees the request.
    Reset,
    /// The connection is reset when the server has carried it out.
    ResetAfter,
    /// The server sees the request so much later, even when the client has given up by then.
    Delay(Duration),
    /// The server's reply comes so much later.
    DelayReply(Duration),
    /// The reply comes bit by bit over this time.
    Trickle(Duration),
    /// A GET gets the server's last reply to the same path and query, and the server does not see it. The first is passed on, and one
    /// whose last reply was half a minute ago.
    Stale,
}

#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Reply { status, headers: vec![("Content-Type".into(), content_type.into())], body: body.into() }
    }

    /// S3's error, such as 503 `SlowDown`.
    pub fn s3(status: u16, code: &str) -> Self {
        let xml = format!("<Error><Code>{code}</Code><Message>a fault of the test</Message></Error>");
        Self::new(status, "application/xml", xml)
    }

    /// DynamoDB's error, such as 400 `ProvisionedThroughputExceededException` or 500 `InternalServerError`.
    pub fn dynamodb(status: u16, code: &str) -> Self {
        let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
        let json = serde_json::json!({"__type": kind, "message": "a fault of the test"});
        Self::new(status, "application/x-amz-json-1.0", json.to_string())
    }

    /// The answer to a HEAD has no body.
    pub(super) fn bytes(&self, to_head: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Fault\r\nContent-Length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let body = if to_head { &[] } else { self.body.as_slice() };
        [head.as_bytes(), body].concat()
    }
}
