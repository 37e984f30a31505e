//! As much of HTTP/1.1 as passing messages on, byte for byte, needs.

use std::io::{self, BufRead, ErrorKind, Read};

/// A request or a reply as it came.
#[derive(Clone)]
pub struct Message {
    pub head: Head,
    /// With the sizes of its chunks, where it is chunked.
    pub body: Vec<u8>,
    /// Whether its body has no end but the connection's.
    unbounded: bool,
}

#[derive(Clone)]
pub struct Head {
    /// With the empty line at its end.
    bytes: Vec<u8>,
    /// The three parts of the first line; a reply's reason may hold spaces.
    pub start: [String; 3],
    pub headers: Vec<(String, String)>,
}

impl Message {
    /// The whole of a request; none where the client has closed. `go_on` is called when the client waits to be asked for the
    /// body (`Expect: 100-continue`).
    pub fn read_request(
        reader: &mut impl BufRead,
        mut go_on: impl FnMut() -> io::Result<()>,
    ) -> io::Result<Option<Self>> {
        let Some(head) = Head::read(reader)? else { return Ok(None) };
        if head.header("Expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            go_on()?;
        }
        let body = match (head.is_chunked(), head.length()?) {
            (true, _) => read_chunks(reader)?,
            (false, length) => read_exactly(reader, length.unwrap_or(0))?,
        };
        Ok(Some(Message { head, body, unbounded: false }))
    }

    /// The whole of the final reply; interim ones are swallowed.
    pub fn read_reply(reader: &mut impl BufRead, to_head: bool) -> io::Result<Self> {
        loop {
            let head = Head::read(reader)?.ok_or(ErrorKind::UnexpectedEof)?;
            if head.start[1].starts_with('1') {
                continue;
            }
            let mut unbounded = false;
            let body = if to_head || matches!(head.start[1].as_str(), "204" | "304") {
                Vec::new()
            } else if head.is_chunked() {
                read_chunks(reader)?
            } else if let Some(length) = head.length()? {
                read_exactly(reader, length)?
            } else {
                unbounded = true;
                let mut rest = Vec::new();
                reader.read_to_end(&mut rest)?;
                rest
            };
            return Ok(Message { head, body, unbounded });
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        [self.head.bytes.as_slice(), &self.body].concat()
    }

    /// Whether the connection ends with this message.
    pub fn closes(&self) -> bool {
        let last = self.unbounded || self.head.start.iter().any(|part| part == "HTTP/1.0");
        last || self.head.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

impl Head {
    fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        loop {
            let line = reader.read_until(b'\n', &mut bytes)?;
            match line {
                0 if bytes.is_empty() => return Ok(None),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                _ if bytes.ends_with(b"\r\n\r\n") => break,
                _ => {}
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        let mut start = lines.next().unwrap_or_default().splitn(3, ' ').map(str::to_owned);
        let start = std::array::from_fn(|_| start.next().unwrap_or_default());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        Ok(Some(Head { start, headers, bytes }))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    fn is_chunked(&self) -> bool {
        self.header("Transfer-Encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    fn length(&self) -> io::Result<Option<u64>> {
        let parse = |value: &str| value.parse().map_err(|_| invalid("Content-Length", value));
        self.header("Content-Length").map(parse).transpose()
    }
}

pub fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn read_exactly(reader: &mut impl BufRead, length: u64) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    if body.len() as u64 == length { Ok(body) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

fn read_chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = read_line(reader, &mut body)?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16).map_err(|_| invalid("chunk size", digits))?;
        if size == 0 {
            break;
        }
        // With the line end after it.
        body.extend(read_exactly(reader, size + 2)?);
    }
    while !read_line(reader, &mut body)?.trim().is_empty() {}
    Ok(body)
}

/// Reads a line, which is also added to `all`.
fn read_line(reader: &mut impl BufRead, all: &mut Vec<u8>) -> io::Result<String> {
    let start = all.len();
    match reader.read_until(b'\n', all)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(String::from_utf8_lossy(&all[start..]).into_owned()),
    }
}

fn invalid(what: &str, value: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("{what} {value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_end_where_they_say_and_keep_their_bytes() {
        let requests = [
            "GET /b/k?a=b HTTP/1.1\r\nHost: x\r\n\r\n",
            "PUT /b/k HTTP/1.1\r\ncontent-length: 5\r\nhost:  spaced \r\n\r\nhello",
            "PUT /b/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nTrailer: t\r\n\r\n",
            "HEAD /b/k HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        ];
        let all = requests.concat();
        let mut reader = all.as_bytes();
        for request in requests {
            let message = Message::read_request(&mut reader, || panic!("nobody waits")).unwrap().unwrap();
            assert_eq!(String::from_utf8(message.bytes()).unwrap(), request);
            assert!(!message.closes());
        }
        assert!(Message::read_request(&mut reader, || Ok(())).unwrap().is_none());
    }

    #[test]
    fn who_waits_for_it_is_asked_to_go_on() {
        let mut asked = 0;
        let request = "PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na";
        let message = Message::read_request(&mut request.as_bytes(), || {
            asked += 1;
            Ok(())
        });
        assert_eq!((asked, message.unwrap().unwrap().body), (1, b"a".to_vec()));
    }

    #[test]
    fn replies_end_where_they_say_or_with_the_connection() {
        let read = |reply: &str, to_head| {
            let mut rest = reply.as_bytes();
            let message = Message::read_reply(&mut rest, to_head).unwrap();
            (String::from_utf8(message.body.clone()).unwrap(), message.closes(), rest.len())
        };
        let sized = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(read(&format!("{sized}next"), false), ("hi".into(), false, 4));
        assert_eq!(read(sized, true), (String::new(), false, 2));
        assert_eq!(read(&format!("HTTP/1.1 100 Continue\r\n\r\n{sized}"), false), ("hi".into(), false, 0));
        assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n", false), (String::new(), false, 0));
        assert_eq!(read("HTTP/1.1 200 OK\r\n\r\nhi", false), ("hi".into(), true, 0));
        assert_eq!(read("HTTP/1.1 200 OK\r\n\r\n", false), (String::new(), true, 0));
        assert!(read("HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", false).1);
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        assert_eq!(read(chunked, false), ("2\r\nhi\r\n0\r\n\r\n".into(), false, 0));
    }

    #[test]
    fn a_message_that_breaks_off_is_an_error() {
        for text in [
            "GET / HTTP/1.1\r\nHost",
            "PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: five\r\n\r\n",
        ] {
            assert!(Message::read_request(&mut text.as_bytes(), || Ok(())).is_err(), "{text}");
            assert!(Message::read_reply(&mut text.as_bytes(), false).is_err(), "{text}");
        }
    }
}
