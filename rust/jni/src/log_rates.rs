//! How many lines of one place in the code, for one task, are let through in a while.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use tracing::Level;
use tracing::callsite::Identifier;

/// From its first line on.
const WHILE: Duration = Duration::from_secs(10);
const LET_THROUGH: u32 = 100;
/// Places and tasks that are remembered.
const REMEMBERED: usize = 4096;

#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    LetThrough,
    LeaveOut,
}

#[derive(Default)]
pub struct Rates(HashMap<(Identifier, String), Rate>);

struct Rate {
    begun: Instant,
    lines: u32,
    left_out: Option<LeftOut>,
}

/// Lines that nobody sees, but for the last of them.
#[derive(Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub level: Level,
    pub context: String,
    pub target: &'static str,
    lines: u64,
    last: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} more lines like this one were left out, the last being: {}", self.lines - 1, self.last)
    }
}

impl Rates {
    pub fn see(&mut self, place: Identifier, context: &str, now: Instant) -> Verdict {
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, rate| rate.left_out.is_some() || now.duration_since(rate.begun) < WHILE);
        }
        let rate = self.0.entry((place, context.to_owned())).or_insert(Rate {
            begun: now,
            lines: 0,
            left_out: None,
        });
        if now.duration_since(rate.begun) >= WHILE && rate.left_out.is_none() {
            *rate = Rate { begun: now, lines: 0, left_out: None };
        }
        rate.lines = rate.lines.saturating_add(1);
        if rate.lines > LET_THROUGH { Verdict::LeaveOut } else { Verdict::LetThrough }
    }

    /// A line that was left out.
    pub fn remember(
        &mut self,
        place: Identifier,
        context: &str,
        level: Level,
        target: &'static str,
        line: &str,
    ) {
        let Some(rate) = self.0.get_mut(&(place, context.to_owned())) else { return };
        let (context, last) = (context.to_owned(), line.to_owned());
        let lines = rate.left_out.as_ref().map_or(0, |left_out| left_out.lines) + 1;
        rate.left_out = Some(LeftOut { level, context, target, lines, last });
    }

    /// What was left out where the while is over; it begins anew.
    pub fn over(&mut self, now: Instant) -> Vec<LeftOut> {
        let over = self.0.values_mut().filter(|rate| now.duration_since(rate.begun) >= WHILE);
        over.filter_map(|rate| {
            let left_out = rate.left_out.take()?;
            *rate = Rate { begun: now, lines: 0, left_out: None };
            Some(left_out)
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use tracing::{Callsite, Metadata};

    use super::*;

    struct Place;

    impl Callsite for Place {
        fn set_interest(&self, _: tracing::subscriber::Interest) {}

        fn metadata(&self) -> &Metadata<'_> {
            unreachable!("nobody asks")
        }
    }

    static PLACE: Place = Place;

    #[test]
    fn of_many_lines_the_first_ones_come_through_and_then_how_many_there_were() {
        let place = || Identifier(&PLACE);
        let mut rates = Rates::default();
        let begun = Instant::now();
        let seen = |rates: &mut Rates, context: &str, now| {
            let verdict = rates.see(place(), context, now);
            if verdict == Verdict::LeaveOut {
                rates.remember(place(), context, Level::WARN, "sluice_delta", "the disk is on fire");
            }
            verdict == Verdict::LetThrough
        };
        let through = (0..250).filter(|_| seen(&mut rates, "[k|task-0] ", begun)).count();
        assert_eq!(through, 100);
        assert!(seen(&mut rates, "[k|task-1] ", begun), "another task's");
        assert_eq!(rates.over(begun + WHILE / 2), []);
        let told = rates.over(begun + WHILE);
        assert_eq!((told.len(), told[0].context.as_str()), (1, "[k|task-0] "));
        assert_eq!(
            told[0].to_string(),
            "149 more lines like this one were left out, the last being: the disk is on fire"
        );
        assert!(seen(&mut rates, "[k|task-0] ", begun + WHILE));
        assert_eq!(rates.over(begun + 3 * WHILE), [], "nothing was left out since");
    }

    #[test]
    fn a_few_lines_now_and_then_all_come_through() {
        let mut rates = Rates::default();
        let begun = Instant::now();
        for second in 0..1_000 {
            assert_eq!(
                rates.see(Identifier(&PLACE), "", begun + Duration::from_secs(second)),
                Verdict::LetThrough
            );
        }
    }
}
