//! One connection to a broker: requests go out one after the other and are answered in turn.

use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Result;
use super::properties::Security;
use super::sasl::{Mechanism, Sasl, Scram, proves};
use super::wire::{Reader, Writer};

const PATIENCE: Duration = Duration::from_secs(30);
const CLIENT: &str = "sluice-audit";
/// Replies are at most what a fetch asks for, and one batch.
const LONGEST_REPLY: i32 = 1 << 30;

const SASL_HANDSHAKE: (i16, i16) = (17, 1);
const SASL_AUTHENTICATE: (i16, i16) = (36, 0);

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

pub struct Connection {
    stream: Box<dyn Duplex>,
    address: String,
    sent: i32,
}

impl Connection {
    pub async fn open(address: &str, security: &Security) -> Result<Connection> {
        let failed = |e: &dyn std::fmt::Display| format!("cannot connect to the broker {address}: {e}");
        let opened = timeout(PATIENCE, Self::connect(address, security)).await.map_err(|e| failed(&e))?;
        let mut connection = opened.map_err(|e| failed(&e))?;
        if let Some(sasl) = &security.sasl {
            connection.authenticate(sasl).await.map_err(|e| failed(&e))?;
        }
        Ok(connection)
    }

    async fn connect(address: &str, security: &Security) -> Result<Connection> {
        let tcp = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
        let _ = tcp.set_nodelay(true);
        let stream: Box<dyn Duplex> = match &security.tls {
            None => Box::new(tcp),
            Some(config) => {
                let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
                let host = host.trim_matches(['[', ']']).to_owned();
                let name = ServerName::try_from(host).map_err(|e| e.to_string())?;
                let connector = TlsConnector::from(config.clone());
                Box::new(connector.connect(name, tcp).await.map_err(|e| e.to_string())?)
            }
        };
        Ok(Connection { stream, address: address.to_owned(), sent: 0 })
    }

    async fn authenticate(&mut self, sasl: &Sasl) -> Result<()> {
        let reply = self.request(SASL_HANDSHAKE, |body| {
            body.string(sasl.mechanism.name());
        });
        let reply = reply.await?;
        let mut reply = Reader(&reply);
        let (code, offered) = (reply.i16()?, reply.list(Reader::string)?);
        if code != 0 {
            let offered = offered.join(", ");
            return Err(format!("it does not offer {}, but {offered}", sasl.mechanism.name()));
        }
        if sasl.mechanism == Mechanism::Plain {
            return self.token(&sasl.plain()).await.map(drop);
        }
        let scram = Scram::new(sasl)?;
        let said = self.token(&scram.first()).await?;
        let (last, expected) = scram.last(&said)?;
        let said = self.token(&last).await?;
        proves(&expected, &said)
    }

    async fn token(&mut self, token: &[u8]) -> Result<Vec<u8>> {
        let reply = self.request(SASL_AUTHENTICATE, |body| {
            body.bytes(token);
        });
        let reply = reply.await?;
        let mut reply = Reader(&reply);
        let (code, why) = (reply.i16()?, reply.nullable_string()?);
        match code {
            0 => Ok(reply.bytes()?.to_vec()),
            _ => Err(why.unwrap_or_else(|| "it refuses the user or the password".to_owned())),
        }
    }

    /// Sends a request of an API and version whose header is not a flexible one, and waits for its reply.
    pub async fn request(&mut self, api: (i16, i16), body: impl FnOnce(&mut Writer)) -> Result<Vec<u8>> {
        self.sent += 1;
        let mut request = Writer::default();
        request.i32(0).i16(api.0).i16(api.1).i32(self.sent).string(CLIENT);
        body(&mut request);
        let length = (request.0.len() - 4) as i32;
        request.0[..4].copy_from_slice(&length.to_be_bytes());
        let address = self.address.clone();
        let exchanged = timeout(PATIENCE, self.exchange(&request.0)).await;
        exchanged.map_err(|e| e.to_string()).flatten().map_err(|e| format!("broker {address}: {e}"))
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        let failed = |e: std::io::Error| e.to_string();
        self.stream.write_all(request).await.map_err(failed)?;
        self.stream.flush().await.map_err(failed)?;
        let length = self.stream.read_i32().await.map_err(failed)?;
        if !(4..LONGEST_REPLY).contains(&length) {
            return Err(format!(
                "a reply of {length} bytes: is this a Kafka listener, and is security.protocol right?"
            ));
        }
        let answers = self.stream.read_i32().await.map_err(failed)?;
        if answers != self.sent {
            return Err("replies come out of order".to_owned());
        }
        let mut reply = vec![0; length as usize - 4];
        self.stream.read_exact(&mut reply).await.map_err(failed)?;
        Ok(reply)
    }
}
