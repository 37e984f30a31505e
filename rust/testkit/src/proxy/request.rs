use super::http::{Message, find};

/// What a rule looks at.
#[derive(Debug, Clone)]
pub struct Request {
    pub kind: Kind,
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    /// As it came, chunk sizes included.
    pub body: Vec<u8>,
    pub(super) number: u64,
}

/// What is kept of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub kind: Kind,
    /// Path and query.
    pub target: String,
    /// Bytes of its body as they came, chunk sizes and signatures included.
    pub sent: u64,
    /// Those of the server's reply to it, once it is there.
    pub received: u64,
    pub(super) number: u64,
}

impl Seen {
    pub(super) fn of(request: &Request) -> Self {
        Seen {
            kind: request.kind,
            target: request.target.clone(),
            sent: request.body.len() as u64,
            received: 0,
            number: request.number,
        }
    }

    /// One that no proxy has seen, for tests of what is made of them.
    pub fn new(method: &str, target: &str, sent: u64, received: u64) -> Self {
        Seen { kind: s3_kind(method, target, false), target: target.to_owned(), sent, received, number: 0 }
    }
}

/// What a store charges for, and what tests count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    GetObject,
    HeadObject,
    PutObject,
    CopyObject,
    DeleteObject,
    /// Many objects in one request.
    DeleteObjects,
    List,
    CreateMultipart,
    PutPart,
    CompleteMultipart,
    AbortMultipart,
    /// DynamoDB's operations.
    GetItem,
    PutItem,
    UpdateItem,
    DeleteItem,
    Query,
    Scan,
    CreateTable,
    DescribeTable,
    UpdateTimeToLive,
    DescribeTimeToLive,
    Other,
}

impl Request {
    pub(super) fn of(message: &Message, number: u64) -> Self {
        let [method, target, _] = message.head.start.clone();
        let headers = message.head.headers.clone();
        let kind = match find(&headers, "X-Amz-Target").and_then(|operation| operation.split_once('.')) {
            Some((_, operation)) => dynamodb_kind(operation),
            None => s3_kind(&method, &target, find(&headers, "X-Amz-Copy-Source").is_some()),
        };
        Request { kind, method, target, headers, body: message.body.clone(), number }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

fn dynamodb_kind(operation: &str) -> Kind {
    match operation {
        "GetItem" => Kind::GetItem,
        "PutItem" => Kind::PutItem,
        "UpdateItem" => Kind::UpdateItem,
        "DeleteItem" => Kind::DeleteItem,
        "Query" => Kind::Query,
        "Scan" => Kind::Scan,
        "CreateTable" => Kind::CreateTable,
        "DescribeTable" => Kind::DescribeTable,
        "UpdateTimeToLive" => Kind::UpdateTimeToLive,
        "DescribeTimeToLive" => Kind::DescribeTimeToLive,
        _ => Kind::Other,
    }
}

/// For path-style addresses: `/bucket/key`.
fn s3_kind(method: &str, target: &str, copies: bool) -> Kind {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let key = path.trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    match method {
        "GET" if key => Kind::GetObject,
        "GET" if path != "/" => Kind::List,
        "HEAD" if key => Kind::HeadObject,
        "PUT" if has("partNumber") => Kind::PutPart,
        "PUT" if key && copies => Kind::CopyObject,
        "PUT" if key => Kind::PutObject,
        "POST" if has("uploads") => Kind::CreateMultipart,
        "POST" if has("uploadId") => Kind::CompleteMultipart,
        "POST" if has("delete") => Kind::DeleteObjects,
        "DELETE" if has("uploadId") => Kind::AbortMultipart,
        "DELETE" if key => Kind::DeleteObject,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_to_s3_are_told_apart() {
        let kind = |line: &str| {
            let (method, target) = line.split_once(' ').unwrap();
            s3_kind(method, target, false)
        };
        assert_eq!(kind("PUT /b/t/_delta_log/0.json"), Kind::PutObject);
        assert_eq!(s3_kind("PUT", "/b/t/0.json", true), Kind::CopyObject);
        assert_eq!(kind("PUT /b/t/a.parquet?partNumber=1&uploadId=x"), Kind::PutPart);
        assert_eq!(kind("POST /b/t/a.parquet?uploads"), Kind::CreateMultipart);
        assert_eq!(kind("POST /b/t/a.parquet?uploads="), Kind::CreateMultipart);
        assert_eq!(kind("POST /b/t/a.parquet?uploadId=x"), Kind::CompleteMultipart);
        assert_eq!(kind("DELETE /b/t/a.parquet?uploadId=x"), Kind::AbortMultipart);
        assert_eq!(kind("DELETE /b/t/a.parquet"), Kind::DeleteObject);
        assert_eq!(kind("POST /b?delete"), Kind::DeleteObjects);
        assert_eq!(kind("GET /b?list-type=2&prefix=t/_delta_log/"), Kind::List);
        assert_eq!(kind("GET /b/?list-type=2"), Kind::List);
        assert_eq!(kind("GET /b/t/a.parquet"), Kind::GetObject);
        assert_eq!(kind("HEAD /b/t/a.parquet"), Kind::HeadObject);
        assert_eq!(kind("GET /"), Kind::Other);
        assert_eq!(kind("PUT /b"), Kind::Other);
    }

    #[test]
    fn operations_of_dynamodb_are_told_apart() {
        assert_eq!(dynamodb_kind("PutItem"), Kind::PutItem);
        assert_eq!(dynamodb_kind("DescribeTimeToLive"), Kind::DescribeTimeToLive);
        assert_eq!(dynamodb_kind("PutObject"), Kind::Other);
    }
}
