//! A reverse proxy that lets tests harm single requests and count all of them.

mod fault;
mod http;
mod request;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

pub use fault::{Fault, Reply};
use http::Message;
pub use request::{Kind, Request, Seen};
use socket2::SockRef;

use crate::error::{Context, Error, Result};

/// Replies of up to this size are kept for [`Fault::Stale`].
const KEPT: usize = 1 << 20;
/// And so long: no store that is worth its name is further behind.
const BEHIND: Duration = Duration::from_secs(30);

type Rule = Box<dyn FnMut(&Request) -> Option<Fault> + Send>;

/// Stands on 127.0.0.1 before a server of plain HTTP/1.1 and passes everything on unchanged, but for what rules say. Messages
/// are held in memory whole.
pub struct FaultProxy {
    port: u16,
    inner: Arc<Inner>,
}

struct Inner {
    /// `host:port`
    server: String,
    rules: Mutex<Vec<Rule>>,
    applied: AtomicU64,
    asked: AtomicU64,
    requests: Mutex<Vec<Seen>>,
    /// The last reply to each GET, by path and query.
    replies: Mutex<HashMap<String, (Instant, Message)>>,
    reachable: AtomicBool,
    ended: AtomicBool,
    connections: Mutex<HashMap<u64, TcpStream>>,
}

impl FaultProxy {
    /// Before a server such as `http://127.0.0.1:9000`.
    pub fn start(server: &str) -> Result<Self> {
        let server = server.strip_prefix("http://");
        let server = server.ok_or_else(|| Error::new("the proxy speaks plain http:// only"))?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).context(|| "no free port".into())?;
        let port = listener.local_addr().context(|| "no free port".into())?.port();
        let inner = Arc::new(Inner {
            server: server.trim_end_matches('/').to_owned(),
            rules: Mutex::default(),
            applied: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            requests: Mutex::default(),
            replies: Mutex::default(),
            reachable: AtomicBool::new(true),
            ended: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let accepting = inner.clone();
        spawn(move || accepting.accept(&listener));
        Ok(FaultProxy { port, inner })
    }

    /// What clients are given in place of the server's.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Adds a rule. For each request the first rule that gives a fault decides.
    pub fn rule(&self, rule: impl FnMut(&Request) -> Option<Fault> + Send + 'static) {
        locked(&self.inner.rules).push(Box::new(rule));
    }

    /// A rule for every request that `when` picks.
    pub fn always(&self, when: impl Fn(&Request) -> bool + Send + 'static, fault: Fault) {
        self.rule(move |request| when(request).then(|| fault.clone()));
    }

    /// A rule for the next `count` requests that `when` picks.
    pub fn next(&self, count: u64, when: impl Fn(&Request) -> bool + Send + 'static, fault: Fault) {
        let mut left = count;
        self.rule(move |request| {
            (left > 0 && when(request)).then(|| {
                left -= 1;
                fault.clone()
            })
        });
    }

    /// Takes all rules away.
    pub fn heal(&self) {
        locked(&self.inner.rules).clear();
    }

    /// How many requests have met with a fault so far: a test of a fault that never happened proves nothing.
    pub fn faults(&self) -> u64 {
        self.inner.applied.load(Ordering::SeqCst)
    }

    /// While it is not reachable, each connection is reset, present and new ones.
    pub fn set_reachable(&self, reachable: bool) {
        self.inner.reachable.store(reachable, Ordering::SeqCst);
        if !reachable {
            self.inner.wake();
        }
    }

    /// Every request that has come in whole, harmed or not, in order.
    pub fn requests(&self) -> Vec<Seen> {
        locked(&self.inner.requests).clone()
    }

    /// How many there were of each kind.
    pub fn counts(&self) -> BTreeMap<Kind, usize> {
        let mut counts = BTreeMap::new();
        for seen in locked(&self.inner.requests).iter() {
            *counts.entry(seen.kind).or_default() += 1;
        }
        counts
    }

    /// Starts to count from nothing.
    pub fn forget_requests(&self) {
        locked(&self.inner.requests).clear();
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.inner.ended.store(true, Ordering::SeqCst);
        self.set_reachable(false);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Inner {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for (number, client) in (0..).zip(listener.incoming()) {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else { continue };
            let inner = self.clone();
            spawn(move || {
                let _ = inner.connection(number, &client);
                locked(&inner.connections).remove(&number);
            });
        }
    }

    /// Serves one client until its connection ends.
    fn connection(&self, number: u64, client: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        locked(&self.connections).insert(number, client.try_clone()?);
        let reset = || SockRef::from(client).set_linger(Some(Duration::ZERO));
        if !self.is_reachable() {
            return reset();
        }
        let (mut reader, mut writer) = (BufReader::new(client), client);
        let go_on = || (&*client).write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        while let Some(message) = Message::read_request(&mut reader, go_on)? {
            let outcome = self.outcome(&message);
            let outcome = outcome.filter(|_| self.is_reachable());
            let Some(Outcome { bytes, closes, over }) = outcome else { return reset() };
            write_over(&mut writer, &bytes, over)?;
            if closes || message.closes() {
                break;
            }
        }
        if self.is_reachable() { Ok(()) } else { reset() }
    }

    /// What the client gets; none where its connection is reset.
    fn outcome(&self, message: &Message) -> Option<Outcome> {
        let request = Request::of(message, self.asked.fetch_add(1, Ordering::SeqCst));
        locked(&self.requests).push(Seen::of(&request));
        let fault = if self.is_reachable() { self.fault(&request) } else { Some(Fault::Reset) };
        let to_head = request.method == "HEAD";
        let answer = |reply: &Reply| Some(Outcome::at_once(reply.bytes(to_head), false));
        match fault {
            None => self.pass_on(&request, message),
            Some(Fault::Answer(reply)) => answer(&reply),
            Some(Fault::AnswerAfter(reply)) => {
                self.pass_on(&request, message)?;
                answer(&reply)
            }
            Some(Fault::Reset) => None,
            Some(Fault::ResetAfter) => {
                self.pass_on(&request, message);
                None
            }
            Some(Fault::Delay(time)) => {
                sleep(time);
                if self.is_reachable() { self.pass_on(&request, message) } else { None }
            }
            Some(Fault::DelayReply(time)) => {
                let outcome = self.pass_on(&request, message);
                sleep(time);
                outcome
            }
            Some(Fault::Trickle(over)) => Some(Outcome { over, ..self.pass_on(&request, message)? }),
            Some(Fault::Stale) => {
                let kept = locked(&self.replies).get(&request.target).cloned();
                match kept.filter(|(at, _)| request.method == "GET" && at.elapsed() < BEHIND) {
                    Some((_, reply)) => Some(Outcome::of(&reply)),
                    None => self.pass_on(&request, message),
                }
            }
        }
    }

    fn fault(&self, request: &Request) -> Option<Fault> {
        let fault = locked(&self.rules).iter_mut().find_map(|rule| rule(request));
        if fault.is_some() {
            self.applied.fetch_add(1, Ordering::SeqCst);
        }
        fault
    }

    /// Each request has a connection of its own to the server, so that none meets one that the server is about to close.
    fn pass_on(&self, request: &Request, message: &Message) -> Option<Outcome> {
        let exchange = || -> io::Result<Message> {
            let mut server = TcpStream::connect(&self.server)?;
            server.set_nodelay(true)?;
            // A server that refuses a body may close its side and still have replied.
            let written = server.write_all(&message.bytes());
            Message::read_reply(&mut BufReader::new(server), request.method == "HEAD")
                .or_else(|e| written.and(Err(e)))
        };
        let reply = exchange().ok()?;
        if let Some(seen) = locked(&self.requests).iter_mut().rev().find(|seen| seen.number == request.number)
        {
            seen.received = reply.body.len() as u64;
        }
        if request.method == "GET" && reply.body.len() <= KEPT {
            locked(&self.replies).insert(request.target.clone(), (Instant::now(), reply.clone()));
        }
        Some(Outcome::of(&reply))
    }

    fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::SeqCst)
    }

    /// Ends what the connections wait for; each then sees why.
    fn wake(&self) {
        for connection in locked(&self.connections).values() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

struct Outcome {
    bytes: Vec<u8>,
    closes: bool,
    over: Duration,
}

impl Outcome {
    fn at_once(bytes: Vec<u8>, closes: bool) -> Self {
        Outcome { bytes, closes, over: Duration::ZERO }
    }

    fn of(reply: &Message) -> Self {
        Self::at_once(reply.bytes(), reply.closes())
    }
}

fn write_over(writer: &mut impl Write, bytes: &[u8], time: Duration) -> io::Result<()> {
    const PIECES: u32 = 20;
    if time.is_zero() {
        return writer.write_all(bytes);
    }
    for piece in bytes.chunks(bytes.len().div_ceil(PIECES as usize)) {
        sleep(time / PIECES);
        writer.write_all(piece)?;
    }
    Ok(())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
