//! Valid inputs, damaged in ways that a seed fixes: the fuzzer's short form, as an ordinary test.

use std::fs;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

#[path = "../../../tests/fuzz/src/lib.rs"]
mod targets;
use targets::{crossing, formats, json, messages, written};

/// Runs the target on all seeds, then on damaged ones. Many have to pass, and many not: else nothing is tested.
fn run(target: fn(&[u8]) -> bool, seeds: &[Vec<u8>], inputs: usize) {
    for seed in seeds {
        assert!(target(seed), "a seed is not accepted: {:?}", String::from_utf8_lossy(seed));
    }
    let mut accepted = 0;
    for number in 0..inputs {
        let mut random = StdRng::seed_from_u64(number as u64);
        let input = damaged(&mut random, seeds);
        let outcome = std::panic::catch_unwind(|| target(&input));
        accepted += usize::from(outcome.unwrap_or_else(|_| panic!("input {number}: {input:?}")));
    }
    assert!((inputs / 50..inputs - inputs / 50).contains(&accepted), "{accepted} of {inputs} accepted");
}

fn damaged(random: &mut StdRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = seeds[random.random_range(0..seeds.len())].clone();
    for _ in 0..random.random_range(1..4) {
        if input.is_empty() {
            break;
        }
        let at = random.random_range(0..input.len());
        let until = (at + random.random_range(1..9)).min(input.len());
        match random.random_range(0..7) {
            0 => input[at] ^= 1 << random.random_range(0..8),
            1 => input[at] = random.random_range(0..=255),
            2 => {
                let numbers = [0, 1, 2, 64, 65, -1, i32::MAX, i32::MIN, 1 << 24, (1 << 24) + 1];
                let number = numbers[random.random_range(0..numbers.len())].to_le_bytes();
                // Mostly on the fields of a header, which are few.
                let at =
                    if random.random_range(0..2) == 0 { at.min(random.random_range(0..80) & !3) } else { at };
                let end = (at + 4).min(input.len());
                input[at..end].copy_from_slice(&number[..end - at]);
            }
            3 => input.truncate(at),
            4 => drop(input.drain(at..until)),
            5 => {
                let piece = input[at..until].to_vec();
                let to = random.random_range(0..=input.len());
                input.splice(to..to, piece);
            }
            _ => input.swap(at, until - 1),
        }
    }
    input
}

/// The fuzzer starts from the same files.
fn seeds(folder: &str, wanted: fn(&Path) -> bool) -> Vec<Vec<u8>> {
    let folder = Path::new("../../tests").join(folder);
    let files = fs::read_dir(folder).expect("the seeds").map(|entry| entry.expect("a seed").path());
    let mut files: Vec<_> = files.filter(|file| wanted(file)).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).expect("a seed")).collect()
}

#[test]
fn damaged_batches_are_refused_or_taken_whole() {
    let seeds = seeds("golden", |file| file.extension().is_some_and(|e| e == "bin"));
    run(crossing::run, &seeds, 60_000);
}

#[test]
fn damaged_requests_are_refused() {
    run(messages::run, &seeds("fuzz/seeds/messages", |_| true), 60_000);
}

#[test]
fn damaged_json_never_leaves_part_of_a_row() {
    run(json::run, &seeds("fuzz/seeds/json", |_| true), 100_000);
}

#[test]
fn damaged_schemas_rows_and_compressed_values_are_refused_or_taken_whole() {
    run(formats::run, &seeds("fuzz/seeds/formats", |_| true), 60_000);
}

#[test]
fn damaged_schemas_and_their_records_make_whole_rows_or_none() {
    run(written::run, &seeds("fuzz/seeds/written", |_| true), 60_000);
}
