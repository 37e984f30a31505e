//! Which files are merged.

use buoyant_kernel::actions::deletion_vector::{DeletionVectorDescriptor, DeletionVectorStorageType};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::maintain::compact::plan::{Aims, Candidates};

fn file(path: &str, size: u64) -> LiveFile {
    LiveFile {
        path: path.to_owned(),
        size,
        modified: 0,
        partition_values: Arc::default(),
        num_records: Some(100),
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        order: None,
        is_clustered: false,
    }
}

fn plan(files: Vec<LiveFile>, aims: &Aims) -> Vec<Vec<LiveFile>> {
    let mut candidates = Candidates::new(aims.clone());
    files.into_iter().for_each(|file| candidates.add(file));
    let candidates = candidates.cold();
    let is_any_due = candidates.is_any_due();
    let bins = candidates.plan(aims);
    assert!(is_any_due || bins.is_empty());
    bins
}

fn deleted(rows: i64) -> Option<Box<DeletionVectorDescriptor>> {
    let inline = DeletionVectorStorageType::Inline;
    Some(Box::new(DeletionVectorDescriptor::try_new(inline, "", None, 0, rows).unwrap()))
}

fn aims() -> Aims {
    Aims { bin_bytes: 100, small_bytes: 75, min_files: 2, cold_since: None, order: None }
}

fn paths(bins: &[Vec<LiveFile>]) -> Vec<Vec<&str>> {
    bins.iter().map(|bin| bin.iter().map(|file| file.path.as_str()).collect()).collect()
}

/// What a bin becomes where its size is the sum of its files'.
fn merged(bin: &[LiveFile], number: usize, aims: &Aims) -> Vec<LiveFile> {
    let kept = |file: &LiveFile| file.size * (100 - file.deleted()) / 100;
    let size: u64 = bin.iter().map(kept).sum();
    match size {
        0 => vec![],
        size => {
            vec![LiveFile {
                modified: 1_000_000 + number as i64,
                partition_values: bin[0].partition_values.clone(),
                order: aims.order.clone(),
                ..file(&format!("merged-{number}"), size)
            }]
        }
    }
}

#[test]
fn plans_of_random_files_keep_their_promises() {
    let mut random = StdRng::seed_from_u64(17);
    let mut merged_files = 0;
    for round in 0..2000 {
        let aims = Aims {
            min_files: random.random_range(1..5),
            cold_since: random.random_bool(0.5).then(|| random.random_range(0..100)),
            order: random.random_bool(0.3).then(|| "[\"z\"]".into()),
            ..aims()
        };
        let largest = if random.random_bool(0.5) { 30 } else { 200 };
        let files: Vec<LiveFile> = (0..random.random_range(0..60))
            .map(|number| {
                let partition = random.random_range(0..3);
                let values = [("p".to_owned(), (partition > 0).then(|| partition.to_string()))];
                LiveFile {
                    modified: random.random_range(0..100),
                    partition_values: Arc::new(values.into_iter().take(round % 2).collect()),
                    deletion_vector: random
                        .random_bool(0.1)
                        .then(|| deleted(random.random_range(1..=100)))
                        .flatten(),
                    order: random.random_bool(0.5).then(|| "[\"z\"]".into()),
                    is_clustered: random.random_bool(0.05),
                    ..file(&format!("f{number}"), random.random_range(1..largest))
                }
            })
            .collect();
        let bins = plan(files.clone(), &aims);
        let mut shuffled = files.clone();
        shuffled.reverse();
        assert_eq!(plan(shuffled, &aims), bins, "whatever the order of the files");

        let chosen: Vec<&LiveFile> = bins.iter().flatten().collect();
        let distinct: BTreeSet<&str> = chosen.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(distinct.len(), chosen.len(), "in one bin at most");
        merged_files += chosen.len();
        for bin in &bins {
            assert!(bin.iter().all(|file| file.partition_values == bin[0].partition_values));
            assert!(bin.iter().all(|file| !file.is_clustered));
            let sizes = || bin.iter().map(|file| file.size * (100 - file.deleted()) / 100);
            assert!(bin.len() == 1 || sizes().sum::<u64>() <= 100);
            assert!(bin.len() > 1 || aims.has_to_change(&bin[0]));
            if let Some(since) = aims.cold_since {
                assert!(bin.iter().all(|file| file.modified <= since));
            }
        }

        let mut after: Vec<LiveFile> =
            files.iter().filter(|file| !distinct.contains(file.path.as_str())).cloned().collect();
        after.extend(bins.iter().enumerate().flat_map(|(number, bin)| merged(bin, number, &aims)));
        assert!(after.len() <= files.len());
        // What is written is new, and not cold; once it is cold, there is nothing more to do either.
        let again = plan(after.clone(), &Aims { cold_since: None, ..aims.clone() });
        if aims.cold_since.is_none() {
            assert_eq!(paths(&again), Vec::<Vec<&str>>::new());
        }
    }
    assert!(merged_files > 10_000, "{merged_files}");
}

#[test]
fn few_small_files_are_left_alone() {
    let files = |count: usize| (0..count).map(|n| file(&format!("{n}"), 10)).collect::<Vec<_>>();
    let aims = Aims { min_files: 4, ..aims() };
    assert_eq!(plan(files(3), &aims).len(), 0);
    assert_eq!(paths(&plan(files(4), &aims)), [["0", "1", "2", "3"]]);
    let mut with_large = files(3);
    with_large.push(file("large", 75));
    assert_eq!(plan(with_large, &aims).len(), 0);
}

#[test]
fn files_that_lost_more_than_a_fifth_of_their_rows_are_written_anew() {
    let worn = |path: &str, rows| LiveFile { deletion_vector: deleted(rows), ..file(path, 1000) };
    let files = vec![worn("fifth", 20), worn("more", 21), file("whole", 1000), file("small", 10)];
    assert_eq!(paths(&plan(files, &aims())), [["more"]]);
}

#[test]
fn a_partition_that_somebody_adds_to_is_not_cold() {
    let of = |path: &str, partition: &str, modified| LiveFile {
        modified,
        partition_values: Arc::new([("p".to_owned(), Some(partition.to_owned()))].into()),
        ..file(path, 10)
    };
    let aims = Aims { cold_since: Some(5), ..aims() };
    let mut files = vec![of("a", "x", 1), of("b", "x", 5), of("c", "y", 1), of("d", "y", 2)];
    // As large as it is: its partition is in use.
    files.push(LiveFile { size: 1000, ..of("e", "y", 6) });
    assert_eq!(paths(&plan(files, &aims)), [["a", "b"]]);
    let plain =
        [(1, "a"), (2, "b"), (6, "c")].map(|(modified, path)| LiveFile { modified, ..file(path, 10) });
    assert_eq!(paths(&plan(plain.to_vec(), &aims)), [["a", "b"]]);
}

#[test]
fn files_of_other_tables_are_left_alone() {
    let files = ["a", "b", "s3://other/c", "file:///d", "/e"].map(|path| file(path, 10));
    assert_eq!(paths(&plan(files.to_vec(), &aims())), [["a", "b"]]);
}

#[test]
fn each_file_in_another_order_is_written_anew_once() {
    let order: Option<Arc<str>> = Some("[\"by\",[\"a\"]]".into());
    let mut files = vec![file("plain", 1000), LiveFile { order: order.clone(), ..file("done", 1000) }];
    files.push(LiveFile { order: Some("[\"z\",[\"a\"]]".into()), ..file("other", 1000) });
    let aims = Aims { order, min_files: 5, ..aims() };
    assert_eq!(paths(&plan(files, &aims)), [["other"], ["plain"]]);
}

#[test]
fn many_files_are_planned_soon() {
    let files: Vec<LiveFile> = (0..200_000).map(|n| file(&n.to_string(), 60 + n % 15)).collect();
    let begun = crate::world::of_tests().now();
    assert_eq!(plan(files, &aims()).len(), 0);
    let time = crate::world::of_tests().now() - begun;
    assert!(time < std::time::Duration::from_secs(20), "{time:?}");
}
