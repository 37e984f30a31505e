//! How large many files are, in little memory however many there are.

use std::collections::BTreeMap;

use serde::Serialize;

/// Sizes are told apart by this many leading binary digits: a quantile is off by less than 1 %.
const DIGITS: u32 = 8;
/// Of the histogram: each bucket but the first ends at ten times what it starts with.
const FIRST_END: u64 = 10_000;
const GROWTH: u64 = 10;

#[derive(Debug, Default)]
pub struct Sizes {
    /// Sizes with only their leading digits, and how many files have them.
    counts: BTreeMap<u64, u64>,
    buckets: BTreeMap<u64, Bucket>,
    pub count: u64,
    pub bytes: u64,
    smallest: Option<u64>,
    largest: u64,
}

/// Sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    pub smallest: u64,
    pub p10: u64,
    pub median: u64,
    pub p90: u64,
    pub largest: u64,
}

/// Files of at least `from` bytes and less than `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bucket {
    pub from: u64,
    pub to: u64,
    pub files: u64,
    pub bytes: u64,
}

impl Sizes {
    pub fn add(&mut self, size: u64) {
        *self.counts.entry(leading(size)).or_default() += 1;
        let (from, to) = bounds(size);
        let bucket = self.buckets.entry(from).or_insert(Bucket { from, to, files: 0, bytes: 0 });
        bucket.files += 1;
        bucket.bytes += size;
        self.count += 1;
        self.bytes += size;
        self.smallest = Some(self.smallest.map_or(size, |smallest| smallest.min(size)));
        self.largest = self.largest.max(size);
    }

    /// None without files.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let smallest = self.smallest?;
        let at = |part: f64| {
            let rank = (part * (self.count - 1) as f64).round() as u64;
            let mut before = 0;
            let found = self.counts.iter().find(|(_, count)| {
                before += **count;
                before > rank
            });
            found.map_or(self.largest, |(size, _)| (*size).clamp(smallest, self.largest))
        };
        let largest = self.largest;
        Some(Quantiles { smallest, p10: at(0.1), median: at(0.5), p90: at(0.9), largest })
    }

    /// From the smallest files to the largest, empty ones between them included.
    pub fn histogram(&self) -> Vec<Bucket> {
        let mut all = Vec::new();
        let (Some(first), Some(last)) = (self.buckets.keys().next(), self.buckets.keys().next_back()) else {
            return all;
        };
        let mut from = *first;
        while from <= *last {
            let (_, to) = bounds(from);
            all.push(self.buckets.get(&from).copied().unwrap_or(Bucket { from, to, files: 0, bytes: 0 }));
            from = to;
        }
        all
    }
}

fn leading(size: u64) -> u64 {
    let dropped = (u64::BITS - size.leading_zeros()).saturating_sub(DIGITS);
    size >> dropped << dropped
}

/// Of the bucket that a size is in.
fn bounds(size: u64) -> (u64, u64) {
    let (mut from, mut to) = (0, FIRST_END);
    while size >= to {
        (from, to) = (to, to.saturating_mul(GROWTH));
        if to == u64::MAX {
            break;
        }
    }
    (from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_a_hundredth() {
        let mut sizes = Sizes::default();
        let mut all: Vec<u64> = (0..10_001).map(|n: u64| n * n * 13 + 7).collect();
        all.iter().for_each(|size| sizes.add(*size));
        all.sort_unstable();
        let found = sizes.quantiles().unwrap();
        assert_eq!((found.smallest, found.largest), (7, all[10_000]));
        for (found, rank) in [(found.p10, 1_000), (found.median, 5_000), (found.p90, 9_000)] {
            let (found, exact) = (found as f64, all[rank] as f64);
            assert!((found - exact).abs() / exact < 0.01, "{found} {exact}");
        }
        assert!(sizes.counts.len() < 4_000, "{}", sizes.counts.len());
        assert_eq!((sizes.count, sizes.bytes), (10_001, all.iter().sum()));
        assert_eq!(Sizes::default().quantiles(), None);
    }

    #[test]
    fn few_files_have_their_own_sizes() {
        let mut sizes = Sizes::default();
        sizes.add(100);
        let one = Quantiles { smallest: 100, p10: 100, median: 100, p90: 100, largest: 100 };
        assert_eq!(sizes.quantiles(), Some(one));
        sizes.add(0);
        sizes.add(200);
        assert_eq!(sizes.quantiles().unwrap().median, 100);
    }

    #[test]
    fn the_histogram_has_every_file_and_no_hole() {
        let mut sizes = Sizes::default();
        for size in [0, 9_999, 10_000, 9_000_000, u64::MAX / 2] {
            sizes.add(size);
        }
        let histogram = sizes.histogram();
        assert_eq!((histogram[0].from, histogram[0].to, histogram[0].files), (0, 10_000, 2));
        assert!(histogram.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert_eq!(histogram.iter().map(|bucket| bucket.files).sum::<u64>(), 5);
        assert!(histogram.iter().any(|bucket| bucket.files == 0));
        assert_eq!(Sizes::default().histogram(), []);
    }
}
