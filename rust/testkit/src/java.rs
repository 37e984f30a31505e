use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::components::Components;
use crate::error::{Context, Error, Result};
use crate::leash::Leashed;

/// `java`, `javac` or `jar`: from `$JAVA_HOME` when that is set, else from the path.
pub fn java_home_tool(name: &str) -> PathBuf {
    std::env::var_os("JAVA_HOME")
        .map_or_else(|| PathBuf::from(name), |home| Path::new(&home).join("bin").join(name))
}

/// A JVM with Kafka's jars, logging to standard output.
pub(crate) fn kafka_jvm(components: &Components, logging: &Path, heap: &str) -> Command {
    jvm(components, &components.kafka_libs(), logging, heap)
}

/// The same with the jars of any Kafka.
pub(crate) fn jvm(components: &Components, kafka: &Path, logging: &Path, heap: &str) -> Command {
    let mut java = Command::new(java_home_tool("java"));
    java.arg(format!("-Xmx{heap}"));
    java.arg(format!("-Dlog4j2.configurationFile={}", logging.display()));
    // Without it each JVM listens on a Unix socket in the temporary folder and leaves its performance file behind.
    java.args(["-XX:+DisableAttachMechanism", "-XX:-UsePerfData"]);
    java.arg("-cp").arg(format!("{}/*:{}", kafka.display(), components.tools().display()));
    java
}

/// A properties file, because other formats need jars that Kafka does not bring.
pub(crate) fn write_logging(file: &Path, level: &str) -> Result<()> {
    let text = format!(
        "status=error\n\
         appender.out.type=Console\n\
         appender.out.name=out\n\
         appender.out.layout.type=PatternLayout\n\
         appender.out.layout.pattern=%d %p %X{{connector.context}}%c{{1}} - %m%n\n\
         rootLogger.level={level}\n\
         rootLogger.appenderRef.out.ref=out\n"
    );
    std::fs::write(file, text).at(file)
}

/// The same for log4j 1, which Kafka had before 4.0.
pub(crate) fn write_old_logging(file: &Path, level: &str) -> Result<()> {
    let text = format!(
        "log4j.rootLogger={level},out\n\
         log4j.appender.out=org.apache.log4j.ConsoleAppender\n\
         log4j.appender.out.layout=org.apache.log4j.PatternLayout\n\
         log4j.appender.out.layout.ConversionPattern=%d %p %X{{connector.context}}%c{{1}} - %m%n\n"
    );
    std::fs::write(file, text).at(file)
}

/// Runs one of the programs of `tests/tools` against Kafka to its end and gives what it printed.
pub(crate) fn kafka_tool(
    components: &Components,
    folder: &Path,
    class: &str,
    args: &[&str],
) -> Result<String> {
    let logging = folder.join("tool-log4j2.properties");
    if !logging.exists() {
        write_logging(&logging, "error")?;
    }
    let mut java = kafka_jvm(components, &logging, "256m");
    java.args(["-XX:TieredStopAtLevel=1", class]).args(args);
    run(&java, &folder.join(format!("{class}.log")), Duration::from_secs(120))
}

/// Runs a command on a leash and gives its standard output; a failure comes with the end of its log.
pub(crate) fn run(command: &Command, log: &Path, patience: Duration) -> Result<String> {
    let (mut child, mut output) = Leashed::spawn_piped(command, log)?;
    // Read beside the wait: a child that hangs never closes its output.
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let status = child.wait(patience)?;
    let text = reader.join().map_err(|_| Error::new("the reader of a child's output failed"))?.at(log)?;
    if status.success() {
        return Ok(text);
    }
    let words: Vec<_> =
        command.get_args().map(|arg| arg.to_string_lossy()).skip_while(|arg| *arg != "-cp").skip(2).collect();
    Err(Error::new(format!("{} failed ({status}):\n{}", words.join(" "), tail(log, 20))))
}

/// The last `lines` lines of a file; of a long one at most its last 64 KiB.
pub fn tail(file: &Path, lines: usize) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(64 << 10)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let all: Vec<_> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        }
        Err(e) => format!("(cannot read {}: {e})", file.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_gives_the_last_lines_only() {
        let file = std::env::temp_dir().join(format!("testkit-tail-{}", std::process::id()));
        std::fs::write(&file, "a\nb\nc\n").unwrap();
        assert_eq!(tail(&file, 2), "b\nc");
        assert_eq!(tail(&file, 9), "a\nb\nc");
        std::fs::remove_file(&file).unwrap();
        assert!(tail(&file, 2).starts_with("(cannot read"));
    }
}
