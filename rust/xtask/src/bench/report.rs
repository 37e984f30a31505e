pub const HEAD: &str =
    "    whole worker, one task        CPU s/M      rows/s  wall s    peak MB    idle %     JIT s";
pub const EXPLANATION: &str = "    \
    CPU s/M: CPU seconds per million records over the last three quarters of the topic, without the JVM's
    compiler, whose seconds since the worker's start are in the last column";

/// What a worker used while `records` went through.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub records: u64,
    pub seconds: f64,
    /// Without the JVM's compiler.
    pub cpu: f64,
    /// CPU seconds of the JVM's compiler since the worker's start.
    pub compiler: f64,
    /// CPU seconds per second with nothing to do.
    pub idle: f64,
    pub peak_memory: u64,
}

impl Usage {
    /// CPU seconds per million records, which is microseconds per record.
    pub fn per_million(&self) -> f64 {
        self.cpu / self.records as f64 * 1e6
    }

    pub fn line(&self, name: &str) -> String {
        format!(
            "    {name:<28}{:>8.2}{:>12.0}{:>9.1}{:>11.0}{:>10.1}{:>10.1}",
            self.per_million(),
            self.records as f64 / self.seconds,
            self.seconds,
            self.peak_memory as f64 / 1e6,
            self.idle * 100.0,
            self.compiler
        )
    }
}

/// Rows per CPU second.
#[derive(Debug, Clone, Copy)]
pub struct BareLoop {
    pub decode: f64,
    pub both: f64,
}

pub struct Report {
    pub records: u64,
    pub noop: Usage,
    pub sluice: Usage,
    pub bare: BareLoop,
    pub library_bytes: u64,
    pub table_bytes: u64,
    pub table_files: usize,
}

impl Report {
    pub fn print(&self) {
        println!("{}", self.text());
    }

    fn text(&self) -> String {
        let own = self.sluice.per_million() - self.noop.per_million();
        let bare = 1e6 / self.bare.both;
        let lines = [
            String::new(),
            HEAD.into(),
            self.noop.line("no-op sink"),
            self.sluice.line("Sluice"),
            format!("    {:<28}{own:>8.2}", "Sluice's own"),
            format!(
                "    {:<28}{bare:>8.2}{:>12.0}  (goal 850000; decoding alone {:.0})",
                "bare loop, one thread", self.bare.both, self.bare.decode
            ),
            format!("    {:<28}{:>8.2}  (goal at most 1.25)", "own / bare loop", own / bare),
            format!(
                "    table: {:.1} bytes per row in {} files; native library {:.1} MB",
                self.table_bytes as f64 / self.records as f64,
                self.table_files,
                self.library_bytes as f64 / 1e6
            ),
            EXPLANATION.into(),
        ];
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_cost_is_what_the_floor_leaves() {
        let noop =
            Usage { records: 3_000_000, seconds: 3.0, cpu: 3.0, compiler: 8.0, idle: 0.0, peak_memory: 0 };
        let bare = BareLoop { decode: 2e6, both: 1e6 };
        let sluice = Usage { cpu: 9.0, seconds: 6.0, idle: 0.01, peak_memory: 700_000_000, ..noop };
        let text = Report {
            records: 4_000_000,
            noop,
            sluice,
            bare,
            library_bytes: 20_000_000,
            table_bytes: 200_000_000,
            table_files: 7,
        }
        .text();
        let line = |start: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(start)).unwrap();
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(line("no-op sink")[2..4], ["1.00", "1000000"]);
        assert_eq!(line("Sluice ")[1..], ["3.00", "500000", "6.0", "700", "1.0", "8.0"]);
        assert_eq!(line("Sluice's own")[2], "2.00");
        assert_eq!(line("own / bare")[4], "2.00");
        assert!(text.contains("50.0 bytes per row in 7 files; native library 20.0 MB"), "{text}");
    }
}
