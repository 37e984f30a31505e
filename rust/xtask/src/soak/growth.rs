//! Whether a figure grows in the long run.

/// A figure at each of many moments, in seconds.
pub type Series = Vec<(f64, f64)>;

/// For how long nothing is judged: the JVM compiles, loads classes and takes its heap, allocators and pools get their size.
const WARM_UP: f64 = 600.0;
/// From so many seconds on a run says something about growth.
pub const LONG: f64 = 3600.0;

/// In a short run a third of it.
pub fn warm_up(whole: f64) -> f64 {
    WARM_UP.min(whole / 3.0)
}

/// The medians of the first and the last third of the time after the warm-up. A median ignores what is large for a moment, such as
/// the memory of a row group that is being written, and a third is long enough to have seen all of that many times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    pub first: f64,
    pub last: f64,
    /// Between the middles of the two.
    pub hours: f64,
}

impl Growth {
    /// None where there is too little to compare.
    pub fn of(series: &Series, whole: f64) -> Option<Growth> {
        let from = warm_up(whole);
        let third = (whole - from) / 3.0;
        let within = |from: f64| median(series, from, from + third);
        let (first, last) = (within(from)?, within(whole - third)?);
        Some(Growth { first, last, hours: 2.0 * third / 3600.0 })
    }

    pub fn grown(&self) -> f64 {
        self.last - self.first
    }

    pub fn per_hour(&self) -> f64 {
        self.grown() / self.hours
    }
}

fn median(series: &Series, from: f64, to: f64) -> Option<f64> {
    let within = series.iter().filter(|(at, _)| (from..=to).contains(at));
    percentile(within.map(|(_, value)| *value).collect(), 50)
}

pub fn percentile(mut values: Vec<f64>, percent: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied()
}

/// That of each ten seconds.
pub fn percentile_over_time(series: &Series, percent: usize) -> Series {
    let mut times: Vec<Vec<f64>> = Vec::new();
    for (at, value) in series {
        let time = (at / 10.0) as usize;
        times.resize_with(times.len().max(time + 1), Vec::new);
        times[time].push(*value);
    }
    let middles = (0..).map(|time| f64::from(time) * 10.0 + 5.0);
    middles.zip(times).filter_map(|(at, values)| Some((at, percentile(values, percent)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(value: impl Fn(f64) -> f64) -> Series {
        (0..=720).map(|n| f64::from(n) * 5.0).map(|at| (at, value(at))).collect()
    }

    #[test]
    fn what_grows_in_the_first_ten_minutes_does_not_count_and_neither_do_peaks() {
        let peaks = |at: f64| if (at as u64).is_multiple_of(100) { 900.0 } else { 0.0 };
        let growth = Growth::of(&series(|at| at.min(WARM_UP) + peaks(at)), LONG).unwrap();
        assert_eq!((growth.first, growth.grown()), (600.0, 0.0));
    }

    #[test]
    fn what_grows_on_is_found() {
        let growth = Growth::of(&series(|at| 300.0 + at / 3600.0 * 60.0), LONG).unwrap();
        assert!((growth.per_hour() - 60.0).abs() < 1.0, "{growth:?}");
        assert!((growth.grown() - 60.0 * 2000.0 / 3600.0).abs() < 1.0, "{growth:?}");
        let leaps = Growth::of(&series(|at| if at < 2000.0 { 1.0 } else { 2.0 }), LONG).unwrap();
        assert_eq!(leaps.grown(), 1.0);
    }

    #[test]
    fn a_short_run_has_a_short_warm_up_and_an_empty_one_none() {
        let growth = Growth::of(&series(|at| at.min(60.0)), 180.0).unwrap();
        assert_eq!((growth.first, growth.grown()), (60.0, 0.0));
        assert_eq!(Growth::of(&vec![], 180.0), None);
    }

    #[test]
    fn percentiles_are_those_of_each_ten_seconds() {
        assert_eq!(percentile((1..=100).map(f64::from).collect(), 99), Some(100.0));
        assert_eq!(percentile(vec![7.0], 99), Some(7.0));
        assert_eq!(percentile(vec![], 50), None);
        let series = vec![(1.0, 5.0), (9.0, 9.0), (23.0, 4.0)];
        assert_eq!(percentile_over_time(&series, 99), [(5.0, 9.0), (25.0, 4.0)]);
    }
}
