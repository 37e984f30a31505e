//! Authentication: PLAIN, and SCRAM by RFC 5802.

use std::num::NonZeroU32;

use aws_lc_rs::digest::{self, Algorithm, SHA256, SHA512, digest};
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA512};
use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Result;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    Scram256,
    Scram512,
}

/// Not printable: it holds a password.
#[derive(Clone)]
pub struct Sasl {
    pub mechanism: Mechanism,
    pub user: String,
    pub password: String,
}

impl Mechanism {
    const ALL: [Mechanism; 3] = [Mechanism::Plain, Mechanism::Scram256, Mechanism::Scram512];

    pub fn named(name: &str) -> Option<Mechanism> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Scram256 => "SCRAM-SHA-256",
            Mechanism::Scram512 => "SCRAM-SHA-512",
        }
    }

    /// Fewer iterations than a server may ask for would give the password away to whoever poses as one.
    fn least_iterations(self) -> u32 {
        4096
    }

    fn digest(self) -> &'static Algorithm {
        if self == Mechanism::Scram512 { &SHA512 } else { &SHA256 }
    }
}

impl Sasl {
    pub fn plain(&self) -> Vec<u8> {
        [b"\0", self.user.as_bytes(), b"\0", self.password.as_bytes()].concat()
    }
}

/// One authentication by SCRAM.
pub struct Scram<'a> {
    sasl: &'a Sasl,
    nonce: String,
    /// The first message without its header.
    first: String,
}

impl<'a> Scram<'a> {
    pub fn new(sasl: &'a Sasl) -> Result<Self> {
        let mut random = [0; 24];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| "there is no randomness".to_owned())?;
        Ok(Self::with_nonce(sasl, BASE64.encode(random)))
    }

    fn with_nonce(sasl: &'a Sasl, nonce: String) -> Self {
        let user = sasl.user.replace('=', "=3D").replace(',', "=2C");
        let first = format!("n={user},r={nonce}");
        Scram { sasl, nonce, first }
    }

    pub fn first(&self) -> Vec<u8> {
        format!("n,,{}", self.first).into_bytes()
    }

    /// The answer to the server's first message, and what the server's last one has to be.
    pub fn last(&self, server: &[u8]) -> Result<(Vec<u8>, String)> {
        let broken = |what: &str| format!("the broker's SCRAM message has no usable {what}");
        let server = std::str::from_utf8(server).map_err(|_| broken("text"))?;
        let part = |key: &str| server.split(',').find_map(|part| part.strip_prefix(key));
        let nonce =
            part("r=").filter(|nonce| nonce.starts_with(&self.nonce)).ok_or_else(|| broken("nonce"))?;
        let salt = part("s=").and_then(|salt| BASE64.decode(salt).ok()).ok_or_else(|| broken("salt"))?;
        let iterations = part("i=").and_then(|iterations| iterations.parse().ok());
        let iterations = iterations
            .filter(|iterations: &NonZeroU32| iterations.get() >= self.sasl.mechanism.least_iterations())
            .ok_or_else(|| broken("number of iterations"))?;
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("{},{server},{without_proof}", self.first);
        let salted = self.salted(&salt, iterations);
        let client_key = self.mac(&salted, b"Client Key");
        let stored = digest(self.sasl.mechanism.digest(), &client_key);
        let signature = self.mac(stored.as_ref(), message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, mask)| key ^ mask).collect();
        let server_key = self.mac(&salted, b"Server Key");
        let expected = format!("v={}", BASE64.encode(self.mac(&server_key, message.as_bytes())));
        Ok((format!("{without_proof},p={}", BASE64.encode(proof)).into_bytes(), expected))
    }

    fn salted(&self, salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
        let (algorithm, length) = match self.sasl.mechanism {
            Mechanism::Scram512 => (PBKDF2_HMAC_SHA512, digest::SHA512_OUTPUT_LEN),
            _ => (PBKDF2_HMAC_SHA256, digest::SHA256_OUTPUT_LEN),
        };
        let mut salted = vec![0; length];
        pbkdf2::derive(algorithm, iterations, salt, self.sasl.password.as_bytes(), &mut salted);
        salted
    }

    fn mac(&self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let algorithm = match self.sasl.mechanism {
            Mechanism::Scram512 => hmac::HMAC_SHA512,
            _ => hmac::HMAC_SHA256,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec()
    }
}

/// Whether the server knows the password too.
pub fn proves(expected: &str, said: &[u8]) -> Result<()> {
    constant_time::verify_slices_are_equal(expected.as_bytes(), said)
        .map_err(|_| "the broker does not prove that it knows the password".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677.
    #[test]
    fn scram_is_that_of_the_rfc() {
        let sasl =
            Sasl { mechanism: Mechanism::Scram256, user: "user".to_owned(), password: "pencil".to_owned() };
        let scram = Scram::with_nonce(&sasl, "rOprNGfwEbeRWgbNEkqO".to_owned());
        assert_eq!(scram.first(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let server =
            b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (last, expected) = scram.last(server).unwrap();
        let wanted = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                      p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(String::from_utf8(last).unwrap(), wanted);
        assert!(proves(&expected, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").is_ok());
        assert!(proves(&expected, b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").is_err());
    }

    #[test]
    fn a_server_that_would_weaken_it_is_refused() {
        let sasl = Sasl { mechanism: Mechanism::Scram512, user: "a,b".to_owned(), password: "p".to_owned() };
        let scram = Scram::with_nonce(&sasl, "mine".to_owned());
        assert_eq!(scram.first(), b"n,,n=a=2Cb,r=mine");
        assert!(scram.last(b"r=mine+its,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1").is_err());
        assert!(scram.last(b"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").is_err());
    }
}
