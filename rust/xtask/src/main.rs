//! `cargo xtask`: installs what is missing, builds, packages, shows and tests. See [`USAGE`].

mod args;
mod bench;
mod chaos;
mod checkout;
mod containers;
mod counts;
mod demo;
mod fuzz;
mod install;
mod interop;
mod package;
mod python;
mod servers;
mod sim;
mod soak;
mod stamp;
mod step;
mod test;
mod upgrade;

use std::process::ExitCode;

use args::Args;
use checkout::Checkout;
use sluice_testkit::{Error, Result};

const USAGE: &str = "\
cargo xtask COMMAND

  install [--all-stores]   fetch what building and testing needs: JDK 17, Gradle, jars of Kafka, Delta Kernel and DynamoDB, a schema
                           registry and a Java for it, and an S3 server; with --all-stores also MinIO, Azurite and moto, for tests that are ignored by default
  package [OPTIONS]        build the plugin: target/plugin/sluice/ and target/sluice-<version>.zip
      --all                instead of that: zips for Linux with glibc 2.17 and with musl, on x86_64 and aarch64, in target/packages/
      --platform PLATFORM  of those only this: linux-x86_64-gnu, linux-aarch64-gnu, linux-x86_64-musl or linux-aarch64-musl; again for more
      --emulate            try the package for linux-aarch64-gnu, too, under qemu
      --java PLATFORM=COMMAND  let that Java try the package, too; again for more. This machine's tries its own
  demo [OPTIONS]           run it: a broker, a Connect worker that is killed half way, a table that is checked row by row
      --records N          generated events to send (default 1000000)
      --input FILE         send the lines of a JSON-lines file instead
      --partitions P       partitions of the topic (default 4)
      --tasks T            tasks of the connector (default 2)
      --store STORE        where the table is: local (default), s3 (a server of the demo's), or s3-dynamodb (the same under
                           the lock in DynamoDB)
      --keep               leave broker, worker and servers running at the end
  bench [OPTIONS]          measure the plugin beside a sink that does nothing and beside Apache Iceberg's, which it fetches
      --records N          generated events (default 4000000)
      --rounds R           of all in turn (default 3)
      --beside FOLDER      another checkout's target/plugin, whose plugin is measured instead of the Iceberg sink
      --stages [--bless]   instead of all that: each stage by itself, beside what it cost when --bless was given last
      --large              instead of all that: opening tables of up to 1,000,000 files and 100,000 versions, and committing to them
      --many               instead of all that: one worker with 100 connectors and 2,000 partitions (--connectors N, --partitions P)
      --files              instead of all that: what files a simulated hour of 1 MB/s leaves; with --minutes M, so many simulated minutes
      --upkeep             instead of all that: a table of 100,000 small files and 50,000 versions (--versions N) read by Spark, delta-rs
                           and Delta Kernel before and after `sluice maintain`, and a worker with and without compaction
      --requests           instead of all that: what Sluice and the Iceberg sink ask of an S3 server, counted by kind
  soak [OPTIONS]           watch one worker under load for a long time: whether it grows, and whether each record is in the table once
      --minutes M          of load (default 60)
      --rate RATE          full (default), or half: then also how soon records are in the table
      --store STORE        local (default), s3 or s3-dynamodb, as for the demo
  chaos [OPTIONS]          kill, hold and cut off real processes while numbered records come in, and count them afterwards
      --minutes M          of harm (default 2)
      --seed S             the same events in the same order (default: another each time)
      --lock LOCK          s3, s3-dynamodb, or both at once (default)
  upgrade --from COMMIT    upgrade real workers under load from the package of another commit, which is built for it, to this one's
  test                     everything: static checks, unit tests of both languages, end-to-end tests
  lint                     the static checks only
  fuzz [--seconds N]       feed the core with arbitrary bytes, N seconds for each target (default 60)
  sim [OPTIONS]            simulate tasks, crashes and rebalances on a virtual clock, and hold I1 to I5 against every commit
      --seeds N            how many (default 10000)
      --seed S             the first of them; alone, that one with its trace
      --mutants            plant bugs into a copy of the product: each has to be found within N seeds (default 1000)
      --only TEXT          with --mutants: only those with TEXT in their name
  interop [PART...]        Spark, delta-rs and Delta Kernel beside Sluice; only the tests with such a part in their name
  interop s3-dynamodb      Spark and Sluice at the same time on one table on S3, under the DynamoDB lock
      --lock-jar FILE      delta-storage-s3-dynamodb, the jar of Spark's lock
      --commits N          of both (default 500)
      --kill WHOM          sluice or spark: kill -9 again and again, in mid-commit
      --break-lock         no writer's claim has a condition: the check has to fail
  containers [-Dsluice...] tests against containers of Kafka, our image, S3 and DynamoDB, where a Docker engine is; README.md in
                           tests/containers has the properties
  generate                 rewrite the generated and the golden files from their sources

Downloads and builds go to $SLUICE_CACHE, by default ~/.cache/sluice; everything else stays in the checkout's target/.
";

fn main() -> ExitCode {
    run(std::env::args().skip(1)).unwrap_or_else(|e| {
        eprintln!("xtask: {e}");
        ExitCode::FAILURE
    })
}

fn run(words: impl Iterator<Item = String>) -> Result<ExitCode> {
    let mut args = Args::new(words);
    let command = args.command().unwrap_or_else(|| "help".into());
    if command == "help" {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    let checkout = Checkout::find()?;
    let options = if command == "demo" { Some(demo::Options::take(&mut args)?) } else { None };
    let benching = if command == "bench" { Some(bench::Options::take(&mut args)?) } else { None };
    let soaking = if command == "soak" { Some(soak::Options::take(&mut args)?) } else { None };
    let chaos = if command == "chaos" { Some(chaos::Options::take(&mut args)?) } else { None };
    let packaging = if command == "package" { Some(package::Options::take(&mut args)?) } else { None };
    let fuzzing = if command == "fuzz" { Some(fuzz::Options::take(&mut args)?) } else { None };
    let simulating = if command == "sim" { Some(sim::Options::take(&mut args)?) } else { None };
    let upgrading = if command == "upgrade" { Some(upgrade::Options::take(&mut args)?) } else { None };
    let containers = if command == "containers" { Some(containers::Options::take(&mut args)?) } else { None };
    let all_stores = command == "install" && args.flag("--all-stores");
    let racing = if command == "interop" { interop::s3_dynamodb::Options::take(&mut args)? } else { None };
    let only = if command == "interop" && racing.is_none() { args.rest() } else { Vec::new() };
    args.end()?;
    if let Some(options) = packaging {
        package::package(&checkout, options)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(options) = fuzzing {
        fuzz::fuzz(&checkout, &options)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(options) = chaos {
        chaos::run(&checkout, &options)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(options) = soaking {
        soak::run(&checkout, &options)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(options) = benching {
        bench::run(&checkout, &options)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(options) = upgrading {
        return upgrade::run(&checkout, &options);
    }
    if let Some(options) = simulating {
        return sim::run(&checkout, &options);
    }
    if let Some(options) = containers {
        return containers::run(&checkout, &options);
    }
    if let Some(options) = racing {
        return interop::s3_dynamodb::run(&checkout, &options);
    }
    match (command.as_str(), options) {
        ("demo", Some(options)) => demo::run(&checkout, &options)?,
        ("install", _) => install::install(&checkout, all_stores)?,
        ("test", _) => return Ok(test::test(&checkout)),
        ("interop", _) => return interop::run(&checkout, &only),
        ("lint", _) => test::lint(&checkout)?,
        ("generate", _) => test::generate(&checkout)?,
        _ => return Err(Error::new(format!("there is no command `{command}`\n\n{USAGE}"))),
    }
    Ok(ExitCode::SUCCESS)
}
