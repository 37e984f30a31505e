use std::path::{Path, PathBuf};
use std::process::Command;

use crate::components::{Components, installed};
use crate::error::{Context, Result};
use crate::leash::Leashed;
use crate::ports::free_ports;
use crate::serve::serve;

/// Both honour `If-None-Match: *`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum S3Program {
    Versitygw,
    /// Only after `cargo xtask install --all-stores`.
    Minio,
}

#[derive(Debug, Clone)]
pub struct S3Options {
    pub program: S3Program,
    /// Made when it is not there.
    pub bucket: String,
    pub access_key: String,
    /// At least 8 characters.
    pub secret_key: String,
}

impl Default for S3Options {
    fn default() -> Self {
        S3Options {
            program: S3Program::Versitygw,
            bucket: "lake".into(),
            access_key: "testaccesskey".into(),
            secret_key: "test-secret-key".into(),
        }
    }
}

/// An S3 server over a folder, with path-style addresses, in the region `us-east-1`.
pub struct S3Server {
    port: u16,
    bucket: PathBuf,
    options: S3Options,
    process: Leashed,
}

impl S3Server {
    /// Its data and its log are in `folder`; ready when this returns.
    pub fn start(components: &Components, folder: &Path, options: S3Options) -> Result<Self> {
        let data = folder.join("data");
        // To both servers a folder is a bucket.
        let bucket = data.join(&options.bucket);
        std::fs::create_dir_all(&bucket).at(&bucket)?;
        let [port] = free_ports()?;
        let address = format!("127.0.0.1:{port}");
        let programs = components.go_programs();
        let server = match options.program {
            S3Program::Versitygw => {
                let mut server = Command::new(installed(programs.join("versitygw"), "cargo xtask install")?);
                server.env("ROOT_ACCESS_KEY", &options.access_key);
                server.env("ROOT_SECRET_KEY", &options.secret_key);
                server.args(["--port", &address, "--quiet", "posix"]).arg(&data);
                server
            }
            S3Program::Minio => {
                let minio = installed(programs.join("minio"), "cargo xtask install --all-stores")?;
                let mut server = Command::new(minio);
                server.env("MINIO_ROOT_USER", &options.access_key);
                server.env("MINIO_ROOT_PASSWORD", &options.secret_key);
                server.env("MINIO_BROWSER", "off").env("MINIO_UPDATE", "off");
                server.args(["server", "--quiet", "--address", &address]).arg(&data);
                server
            }
        };
        let process = serve("the S3 server", &server, port, &folder.join("s3.log"))?;
        Ok(S3Server { port, bucket, options, process })
    }

    pub const REGION: &str = "us-east-1";

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// With versitygw each object is a file in there, at the path that is its key.
    pub fn bucket_folder(&self) -> &Path {
        &self.bucket
    }

    pub fn options(&self) -> &S3Options {
        &self.options
    }

    /// To pause, kill or release it.
    pub fn process(&mut self) -> &mut Leashed {
        &mut self.process
    }

    pub fn into_process(self) -> Leashed {
        self.process
    }
}
