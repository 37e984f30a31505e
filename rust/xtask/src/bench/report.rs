//! What a benchmark found: as Markdown, which is also what the terminal gets, as JSON, and as a chart.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sluice_testkit::{Context, Result};

use super::chart::{Bar, Panel, svg};
use super::entry::{Entry, Input, Sink};
use super::machine::{Facts, by_name, listed};
use super::measure::Run;
use crate::checkout::shown;

/// By format.
#[derive(Debug, Clone)]
pub struct BareLoop(pub BTreeMap<String, Speed>);

/// Records per second of one thread's CPU.
#[derive(Debug, Clone, Copy)]
pub struct Speed {
    pub decode: f64,
    pub both: f64,
}

/// An entry with its runs, one for each round.
pub struct Standing {
    pub entry: Entry,
    pub runs: Vec<Run>,
}

pub struct Report {
    pub facts: Facts,
    pub records: u64,
    pub bare: Vec<BareLoop>,
    pub standings: Vec<Standing>,
}

/// Two costs beside each other.
struct Ratio {
    what: String,
    goal: Option<Goal>,
    measured: f64,
}

#[derive(Debug, Clone, Copy)]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Standing {
    /// The quickest: the others were disturbed.
    fn best(&self) -> Option<&Run> {
        self.runs.iter().min_by(|a, b| a.per_million().total_cmp(&b.per_million()))
    }

    fn worst(&self) -> f64 {
        self.runs.iter().map(Run::per_million).fold(0.0, f64::max)
    }
}

impl Goal {
    fn text(self) -> String {
        match self {
            Goal::AtMost(limit) => format!("at most {limit:.3}"),
            Goal::AtLeast(limit) => format!("at least {limit:.3}"),
        }
    }

    pub fn is_met(self, measured: f64) -> bool {
        match self {
            Goal::AtMost(limit) => measured <= limit,
            Goal::AtLeast(limit) => measured >= limit,
        }
    }

    fn verdict(self, measured: f64) -> &'static str {
        if self.is_met(measured) { "met" } else { "missed" }
    }
}

/// What was to be reached, the goal and the figure.
pub type Aim = (String, Goal, f64);

pub fn aims_table(aims: Vec<Aim>) -> String {
    let rows = aims.into_iter().map(|(what, goal, measured)| {
        vec![what, goal.text(), format!("{measured:.3}"), goal.verdict(measured).into()]
    });
    table(&["what", "goal", "measured", ""], &rows.collect::<Vec<_>>(), 1)
}

pub fn aims_json(aims: Vec<Aim>) -> Vec<Value> {
    let json = |(what, goal, measured): Aim| json!({"goal": what, "limit": goal.text(), "measured": measured, "met": goal.is_met(measured)});
    aims.into_iter().map(json).collect()
}

pub fn write_all(folder: &Path, files: &[(&str, &str)]) -> Result<()> {
    files.iter().try_for_each(|(name, content)| {
        let file = folder.join(name);
        fs::write(&file, content).at(&file)
    })
}

impl Report {
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = self.text();
        let json = format!("{:#}\n", self.json());
        write_all(folder, &[("report.md", &text), ("report.json", &json), ("chart.svg", &self.chart())])?;
        println!(
            "\n{text}\nbench: {}, report.json and chart.svg beside it",
            shown(&folder.join("report.md"))
        );
        Ok(())
    }

    /// CPU seconds per million records of the whole worker.
    fn whole(&self, input: Input, sink: Sink) -> Option<f64> {
        let entry = Entry { input, sink };
        let standing = self.standings.iter().find(|standing| standing.entry == entry)?;
        standing.best().map(Run::per_million)
    }

    /// The sink's share: what the no-op sink with the same input leaves of it.
    fn own(&self, input: Input, sink: Sink) -> Option<f64> {
        Some(self.whole(input, sink)? - self.whole(input, Sink::Noop)?)
    }

    /// Records per second of the quickest round.
    fn bare(&self, format: &str) -> Option<f64> {
        let rounds = self.bare.iter().filter_map(|bare| bare.0.get(format));
        rounds.map(|speed| speed.both).max_by(f64::total_cmp)
    }

    fn ratios(&self) -> Vec<Ratio> {
        let bare = self.bare("json").unwrap_or(f64::NAN);
        let over = |part: Option<f64>, whole: Option<f64>| Some(part? / whole?);
        let raw_own = self.own(Input::Bytes, Sink::Sluice);
        let rival = (self.whole(Input::Json, Sink::Iceberg), self.own(Input::Json, Sink::Iceberg));
        let mut ratios = Vec::new();
        let mut add = |what: &str, goal: Option<Goal>, measured: Option<f64>| {
            if let Some(measured) = measured {
                ratios.push(Ratio { what: what.into(), goal, measured });
            }
        };
        add("bare loop, million records/s of one core", Some(Goal::AtLeast(0.85)), Some(bare / 1e6));
        let avro = self.bare("avro").map(|speed| speed / 1e6);
        add("bare loop of Avro, million records/s of one core", Some(Goal::AtLeast(1.2)), avro);
        add("bytes: Sluice's own / bare loop", Some(Goal::AtMost(1.25)), over(raw_own, Some(1e6 / bare)));
        let whole = over(self.whole(Input::Bytes, Sink::Sluice), rival.0);
        add("bytes: Sluice / Iceberg with JsonConverter, whole worker", Some(Goal::AtMost(1.0 / 6.0)), whole);
        let own = over(raw_own, rival.1);
        add("bytes: Sluice's own / Iceberg's own with JsonConverter", Some(Goal::AtMost(1.0 / 12.0)), own);
        let maps = over(self.own(Input::Json, Sink::Sluice), rival.1);
        add("JsonConverter: Sluice's own / Iceberg's own", Some(Goal::AtMost(0.2)), maps);
        for input in [Input::Bytes, Input::Json, Input::Structs] {
            let whole = over(self.whole(input, Sink::Sluice), self.whole(input, Sink::Other));
            add(&format!("{}: Sluice / the other, whole worker", input.name()), None, whole);
            let own = over(self.own(input, Sink::Sluice), self.own(input, Sink::Other));
            add(&format!("{}: Sluice's own / the other's own", input.name()), None, own);
        }
        ratios
    }

    fn text(&self) -> String {
        let bare: Vec<_> = self
            .bare
            .iter()
            .map(|bare| {
                let speed = |(format, Speed { decode, both }): (&String, &Speed)| {
                    format!("{format} {:.2} ({:.2})", both / 1e6, decode / 1e6)
                };
                bare.0.iter().map(speed).collect::<Vec<_>>().join(", ")
            })
            .collect();
        format!(
            "# Sluice beside its peers\n\n{}\n{}\n\
             CPU and wall: seconds per million records, between two commits in the midst of the run of the round with least CPU; worst: of\n\
             the one with most. CPU is the whole worker's without the JVM's compiler, whose CPU seconds since the start are JIT. own: what the\n\
             no-op sink leaves. Peaks in MB of resident memory. Files, MB and commits are those of the whole topic.\n\n{}\n\
             Bare loop, million records/s in each round (decoding alone): {}.\n",
            listed(&self.facts),
            self.costs(),
            self.verdicts(),
            bare.join("; ")
        )
    }

    fn costs(&self) -> String {
        let head = [
            "input",
            "sink",
            "CPU",
            "worst",
            "own",
            "wall",
            "JIT",
            "peak",
            "heap",
            "native",
            "data files",
            "data MB",
            "log files",
            "log MB",
            "commits",
        ];
        let mega = |bytes: u64| bytes as f64 / 1e6;
        let rows = self.standings.iter().filter_map(|standing| {
            let Entry { input, sink } = standing.entry;
            let run = standing.best()?;
            let own = if sink == Sink::Noop { None } else { self.own(input, sink) };
            Some(vec![
                input.name().into(),
                sink.name().into(),
                format!("{:.2}", run.per_million()),
                format!("{:.2}", standing.worst()),
                own.map(|own| format!("{own:.2}")).unwrap_or_default(),
                format!("{:.2}", run.seconds / run.records as f64 * 1e6),
                format!("{:.1}", run.compiler),
                format!("{:.0}", mega(run.peak)),
                format!("{:.0}", mega(run.heap)),
                format!("{:.0}", mega(run.native)),
                run.written.data_files.to_string(),
                format!("{:.1}", mega(run.written.data_bytes)),
                run.written.log_files.to_string(),
                format!("{:.2}", mega(run.written.log_bytes)),
                run.commits.to_string(),
            ])
        });
        table(&head, &rows.collect::<Vec<_>>(), 2)
    }

    fn verdicts(&self) -> String {
        let rows = self.ratios().into_iter().map(|Ratio { what, goal, measured }| {
            let verdict = goal.map(|goal| match measured {
                // A sink seems to cost nothing, or less.
                ..=0.0 => "noise",
                _ => goal.verdict(measured),
            });
            let goal = goal.map(Goal::text).unwrap_or_default();
            vec![what, goal, format!("{measured:.3}"), verdict.unwrap_or_default().into()]
        });
        table(&["ratio", "goal", "measured", ""], &rows.collect::<Vec<_>>(), 1)
    }

    fn json(&self) -> Value {
        let ratios = self.ratios().into_iter().map(|Ratio { what, goal, measured }| {
            json!({"ratio": what, "goal": goal.map(Goal::text), "measured": measured,
                "met": goal.map(|goal| goal.is_met(measured))})
        });
        let runs = self.standings.iter().map(|standing| {
            json!({"input": standing.entry.input.name(), "sink": standing.entry.sink.name(),
                "rounds": standing.runs.iter().map(Run::json).collect::<Vec<_>>()})
        });
        let speed = |(format, speed): (&String, &Speed)| {
            let speed = json!({"decode_records_per_second": speed.decode, "records_per_second": speed.both});
            (format.clone(), speed)
        };
        let bare = self.bare.iter().map(|bare| Value::Object(bare.0.iter().map(speed).collect()));
        json!({
            "facts": by_name(&self.facts),
            "records": self.records, "ratios": ratios.collect::<Vec<_>>(),
            "bare_loop": bare.collect::<Vec<_>>(), "sinks": runs.collect::<Vec<_>>(),
        })
    }

    fn chart(&self) -> String {
        let bars = |parts: &dyn Fn(&Standing, &Run) -> [f64; 2]| -> Vec<Bar> {
            let bar = |standing: &Standing| {
                let Entry { input, sink } = standing.entry;
                let parts = parts(standing, standing.best()?);
                Some(Bar { label: format!("{}, {}", input.name(), sink.name()), parts })
            };
            self.standings.iter().filter_map(bar).collect()
        };
        let cpu = bars(&|standing, run| {
            let floor = self.whole(standing.entry.input, Sink::Noop).unwrap_or(0.0);
            [floor, run.per_million() - floor]
        });
        let memory = bars(&|_, run| [run.heap as f64 / 1e6, run.native as f64 / 1e6]);
        let subtitle: Vec<_> = self
            .facts
            .iter()
            .filter(|(name, _)| ["date", "machine", "versions"].contains(name))
            .map(|(_, fact)| fact.as_str())
            .collect();
        svg(
            &subtitle.join(" · "),
            &[
                Panel {
                    title: "CPU seconds per million records, whole worker",
                    parts: ["Connect and converter", "the sink's own"],
                    decimals: 2,
                    bars: cpu,
                },
                Panel {
                    title: "Peak resident memory, MB",
                    parts: ["Java heap", "native"],
                    decimals: 0,
                    bars: memory,
                },
            ],
        )
    }
}

/// Markdown whose columns also line up as text; those from `left` on to the right.
pub fn table(head: &[&str], rows: &[Vec<String>], left: usize) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].len());
        cells.chain([head[column].len(), 2]).max().unwrap_or(2)
    };
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let padded = |cells: &[&str]| {
        let cells = cells.iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            if column < left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        line(cells.collect())
    };
    let rule = (0..head.len()).map(|column| {
        let dashes = "-".repeat(width(column) - 1);
        if column < left { format!("{dashes}-") } else { format!("{dashes}:") }
    });
    let mut text = padded(head) + &line(rule.collect());
    for row in rows {
        text.push_str(&padded(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::progress::Written;
    use super::*;

    fn run(cpu: f64) -> Run {
        Run {
            records: 2_000_000,
            seconds: 3.0,
            cpu: cpu * 2.0,
            compiler: 8.0,
            peak: 700_000_000,
            heap: 300_000_000,
            native: 400_000_000,
            commits: 3,
            written: Written { data_files: 7, data_bytes: 50_000_000, log_files: 4, log_bytes: 20_000 },
            load: 1.0,
        }
    }

    fn report(costs: &[(Input, Sink, &[f64])]) -> Report {
        let standings = costs.iter().map(|(input, sink, costs)| Standing {
            entry: Entry { input: *input, sink: *sink },
            runs: costs.iter().map(|cpu| run(*cpu)).collect(),
        });
        let round = |both| BareLoop([("json".into(), Speed { decode: 2e6, both })].into());
        let bare = vec![round(0.5e6), round(1e6)];
        let facts = vec![("machine", "2 x a < b".into())];
        Report { facts, records: 4_000_000, bare, standings: standings.collect() }
    }

    fn beside_iceberg() -> Report {
        report(&[
            (Input::Bytes, Sink::Noop, &[1.0, 1.5]),
            (Input::Bytes, Sink::Sluice, &[9.0, 2.5]),
            (Input::Json, Sink::Noop, &[4.0]),
            (Input::Json, Sink::Iceberg, &[16.0]),
            (Input::Json, Sink::Sluice, &[7.0]),
        ])
    }

    #[test]
    fn goals_stand_beside_what_the_best_rounds_cost() {
        let told: Vec<_> = beside_iceberg()
            .ratios()
            .iter()
            .map(|ratio| (ratio.measured, ratio.goal.unwrap().is_met(ratio.measured)))
            .collect();
        assert_eq!(told, [(1.0, true), (1.5, false), (2.5 / 16.0, true), (0.125, false), (0.25, false)]);
    }

    #[test]
    fn another_build_is_compared_without_goals() {
        let report = report(&[
            (Input::Bytes, Sink::Noop, &[1.0]),
            (Input::Bytes, Sink::Other, &[3.0, 2.0]),
            (Input::Bytes, Sink::Sluice, &[1.5, 8.0]),
        ]);
        let ratios = report.ratios();
        let compared: Vec<_> =
            ratios.iter().filter(|ratio| ratio.goal.is_none()).map(|ratio| ratio.measured).collect();
        assert_eq!(compared, [0.75, 0.5]);
    }

    #[test]
    fn the_table_has_the_best_round_and_the_worst_and_what_the_floor_leaves() {
        let text = beside_iceberg().text();
        let line = |start: &str| {
            let line = text.lines().find(|line| line.starts_with(start)).unwrap();
            line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(line("| bytes         | no-op")[3..6], ["1.00", "1.50", ""]);
        assert_eq!(
            line("| bytes         | Sluice")[3..16],
            ["2.50", "9.00", "1.50", "1.50", "8.0", "700", "300", "400", "7", "50.0", "4", "0.02", "3"]
        );
        assert_eq!(line("| JsonConverter: Sluice's own")[2..5], ["at most 0.200", "0.250", "missed"]);
        assert!(text.contains("json 0.50 (2.00); json 1.00 (2.00)"), "{text}");
    }

    #[test]
    fn columns_line_up() {
        let text = table(&["a", "number"], &[vec!["long one".into(), "1".into()]], 1);
        assert_eq!(text, "| a        | number |\n| -------- | -----: |\n| long one |      1 |\n");
    }

    #[test]
    fn json_has_every_round() {
        let json = beside_iceberg().json();
        assert_eq!(json["sinks"][1]["rounds"][0]["cpu_seconds_per_million"], 9.0);
        assert_eq!(json["sinks"][1]["rounds"].as_array().unwrap().len(), 2);
        assert_eq!(json["ratios"][1]["met"], false);
    }

    #[test]
    fn the_chart_stacks_the_sink_on_its_floor() {
        let chart = beside_iceberg().chart();
        assert!(chart.contains("a &lt; b"), "{chart}");
        assert!(chart.contains("JsonConverter, Iceberg") && chart.contains(">16.00<"), "{chart}");
    }
}
