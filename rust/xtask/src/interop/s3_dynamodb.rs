//! `cargo xtask interop s3-dynamodb`: Spark and Sluice on one table under the DynamoDB lock; `tests/interop/lock.md`.

use std::path::PathBuf;
use std::process::ExitCode;

use sluice_testkit::{Context, DynamoDb, Error, Result, S3Options, S3Server};

use super::{Parts, judge};
use crate::args::Args;
use crate::checkout::{Checkout, empty, shown};
use crate::{install, servers};

pub struct Options {
    lock_jar: PathBuf,
    commits: u32,
    kill: Option<String>,
    break_lock: bool,
}

impl Options {
    /// When `s3-dynamodb` is asked for.
    pub fn take(args: &mut Args) -> Result<Option<Self>> {
        if !args.flag("s3-dynamodb") {
            return Ok(None);
        }
        let lock_jar: Option<PathBuf> = args.value("--lock-jar")?;
        let lock_jar = lock_jar.ok_or_else(|| {
            Error::new(
                "Spark's side of the lock is io.delta:delta-storage-s3-dynamodb:4.0.0, which not every mirror of Maven Central \
                 has. Download the jar and name it: `--lock-jar FILE`",
            )
        })?;
        if !lock_jar.is_file() {
            return Err(Error::new(format!("`--lock-jar {}`: there is no such file", lock_jar.display())));
        }
        let options = Options {
            lock_jar,
            commits: args.value("--commits")?.unwrap_or(500),
            kill: args.value("--kill")?,
            break_lock: args.flag("--break-lock"),
        };
        match options.kill.as_deref() {
            None | Some("sluice" | "spark") => Ok(Some(options)),
            Some(other) => Err(Error::new(format!("`--kill {other}`: it is `sluice` or `spark`"))),
        }
    }
}

pub fn run(checkout: &Checkout, options: &Options) -> Result<ExitCode> {
    let parts = Parts::install(checkout)?;
    servers::install(checkout)?;
    if !install::on_path("openssl") {
        install::packages(checkout, &["openssl"])?;
    }
    let components = checkout.components();
    let folder = checkout.target().join("interop-lock");
    empty(&folder)?;
    let s3 = S3Server::start(&components, &folder.join("s3"), S3Options::default())?;
    let dynamodb = DynamoDb::start(&components, &folder.join("dynamodb"))?;
    println!("    everything it makes is in {}", shown(&folder));

    let lock_jar = std::path::absolute(&options.lock_jar).at(&options.lock_jar)?;
    let mut race = parts.program(checkout, "lock_race.py");
    race.arg("--sluice").arg(&components.sluice).arg("--lock-jar").arg(lock_jar);
    race.arg("--work").arg(&folder).args(["--s3", &s3.endpoint(), "--bucket", &s3.options().bucket]);
    race.args(["--dynamodb", &dynamodb.endpoint(), "--commits", &options.commits.to_string()]);
    race.args(options.kill.iter().flat_map(|whom| ["--kill", whom]));
    race.args(options.break_lock.then_some("--break-lock"));
    race.env("AWS_ACCESS_KEY_ID", &s3.options().access_key);
    race.env("AWS_SECRET_ACCESS_KEY", &s3.options().secret_key).env("AWS_REGION", S3Server::REGION);
    judge(checkout, "interop-lock", "two Spark sessions; a quarter of an hour", &race)
}
