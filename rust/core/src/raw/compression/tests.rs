use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::decode::avro::Container;

const SETTINGS: [Compression; 5] =
    [Compression::Auto, Compression::Gzip, Compression::Zstd, Compression::Snappy, Compression::Lz4];

type Vector = (String, Compression, Vec<u8>);

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Made by `tests/vectors/compression/make.py` with the formats' own libraries.
fn vectors() -> (Vec<u8>, Vec<Vector>) {
    let text = include_str!("../../../../../tests/vectors/compression/vectors.json");
    let made: serde_json::Value = serde_json::from_str(text).unwrap();
    let vector = |vector: &serde_json::Value| {
        let setting = match vector["setting"].as_str().unwrap() {
            "auto" => Compression::Auto,
            "snappy" => Compression::Snappy,
            other => panic!("{other}"),
        };
        (vector["name"].as_str().unwrap().to_owned(), setting, hex(vector["payload"].as_str().unwrap()))
    };
    let plain = made["plain"].as_str().unwrap().as_bytes().to_vec();
    (plain, made["vectors"].as_array().unwrap().iter().map(vector).collect())
}

fn refused(compression: Compression, payload: &[u8]) -> String {
    let error = Decompressor::new(compression).decompress(payload).unwrap_err();
    assert_eq!(error.code, Code::RecordCompression);
    error.message
}

#[test]
fn what_reference_libraries_wrote_is_read() {
    let (plain, vectors) = vectors();
    assert!(vectors.len() > 12);
    let mut decompressors = SETTINGS.map(Decompressor::new);
    for (name, setting, payload) in &vectors {
        let explicit = match name.split(' ').next().unwrap() {
            "gzip" => Compression::Gzip,
            "zstd" => Compression::Zstd,
            "snappy" => Compression::Snappy,
            _ => Compression::Lz4,
        };
        for decompressor in &mut decompressors {
            if decompressor.compression == *setting || decompressor.compression == explicit {
                assert_eq!(decompressor.decompress(payload).unwrap(), plain, "{name}");
            }
        }
        let mut none = Decompressor::new(Compression::None);
        assert_eq!(none.decompress(payload).unwrap(), payload, "{name}");
    }
}

#[test]
fn what_has_no_magic_stays_as_it_is() {
    let mut auto = Decompressor::new(Compression::Auto);
    for payload in [&b""[..], b"{}", b"\x1f", b"\x28\xb5\x2f", b"\0\0\0\0\x01", b"\xff\x06\0\0sNaPp"] {
        assert_eq!(auto.decompress(payload).unwrap(), payload);
    }
}

#[test]
fn a_value_that_ends_too_early_is_refused_wherever_it_ends() {
    let (plain, vectors) = vectors();
    for (name, setting, payload) in &vectors {
        // Of several members, frames or blocks the first ones are whole.
        let parts = ["two", "block"].iter().any(|word| name.contains(word));
        for cut in 0..payload.len() {
            let mut decompressor = Decompressor::new(*setting);
            match decompressor.decompress(&payload[..cut]) {
                Err(error) => assert_eq!(error.code, Code::RecordCompression, "{name} cut at {cut}"),
                Ok(read) if read == &payload[..cut] => assert!(cut < 10, "{name} cut at {cut}"),
                Ok(read) => {
                    let snappy = name.contains("framed") || name.contains("snappy-java");
                    assert!((parts || snappy) && plain.starts_with(read), "{name} cut at {cut}");
                    assert!(read.len() < plain.len(), "{name} cut at {cut}");
                }
            }
        }
    }
}

#[test]
fn what_follows_the_value_is_refused() {
    let (_, vectors) = vectors();
    for (name, setting, payload) in &vectors {
        let mut longer = payload.clone();
        longer.push(b'x');
        assert!(Decompressor::new(*setting).decompress(&longer).is_err(), "{name}");
    }
}

#[test]
fn the_data_of_a_container_is_neither_shorter_nor_longer_than_it_says() {
    let text = include_str!("../../../../../tests/vectors/avro/containers.json");
    let made: serde_json::Value = serde_json::from_str(text).unwrap();
    let containers = made["containers"].as_object().unwrap();
    let record = |container: &[u8]| Container::open(container).unwrap().data.to_vec();
    let plain = record(&hex(containers["null"].as_str().unwrap()));
    let mut decompressor = Decompressor::new(Compression::None);
    for codec in ["deflate", "snappy", "zstandard"] {
        let data = record(&hex(containers[codec].as_str().unwrap()));
        let mut read = |data: &[u8]| decompressor.decompress_avro(codec.as_bytes(), data).map(<[u8]>::to_vec);
        assert_eq!(read(&data).unwrap(), plain, "{codec}");
        let shorter = data[..data.len() - 1].to_vec();
        for other in [shorter, [&data[..], &[0]].concat(), [&data[..], &data[..4]].concat()] {
            assert_eq!(read(&other).unwrap_err().code, Code::RecordCompression, "{codec}");
        }
    }
}

#[test]
fn an_explicit_setting_takes_nothing_else() {
    for compression in [Compression::Gzip, Compression::Zstd, Compression::Snappy, Compression::Lz4] {
        for payload in [&b""[..], b"{\"a\":1}", b"\xff\xff\xff\xff\xff\xff\xff\xff"] {
            if compression == Compression::Snappy && payload.is_empty() {
                continue;
            }
            refused(compression, payload);
        }
    }
    let message = refused(Compression::Gzip, b"{}");
    assert!(message.starts_with("2 bytes are not a value in gzip: "), "{message}");
}

#[test]
fn bombs_are_refused_and_cost_no_more_than_the_limit() {
    let zeros = vec![0; 64 << 20];
    let zstd = zstd::bulk::compress(&zeros, 1).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &zeros).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    std::io::Write::write_all(&mut lz4, &zeros).unwrap();
    let lz4 = lz4.finish().unwrap();
    // Each is far below the multiple, except for Zstandard.
    let mut auto = Decompressor::new(Compression::Auto);
    let error = auto.decompress(&zstd).unwrap_err();
    assert!(error.message.contains("in zstd become more than"), "{error}");
    assert!(auto.buffer.capacity() <= 2 * (FREE_BYTES + BYTES_PER_BYTE * zstd.len()));
    for payload in [&gzip, &lz4] {
        assert_eq!(auto.decompress(payload).unwrap().len(), zeros.len());
    }
    let small = [&zstd::bulk::compress(&[7; 1000], 3).unwrap()[..]].concat();
    assert_eq!(auto.decompress(&small).unwrap(), [7; 1000]);
    assert!(auto.buffer.capacity() <= KEPT_BYTES, "what a large payload took is given back");
}

#[test]
fn a_size_that_is_only_claimed_is_not_taken() {
    // A raw block of Snappy's that says it holds 4 GiB.
    let message = refused(Compression::Snappy, b"\xff\xff\xff\xff\x0f\0");
    assert!(message.contains("say that they are 4294967295"), "{message}");
    // A window of 128 MiB: descriptor without single segment, exponent 17, no content size.
    let message = refused(Compression::Zstd, b"\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00");
    assert!(message.contains("zstd"), "{message}");
    let mut xerial = SNAPPY_XERIAL.to_vec();
    xerial.extend(b"\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff");
    assert!(refused(Compression::Auto, &xerial).contains("in the middle of a block"));
}

#[test]
fn damaged_values_are_refused_or_bounded_and_spoil_nothing() {
    let (plain, vectors) = vectors();
    let mut refused = 0;
    for number in 0..6_000 {
        let mut random = StdRng::seed_from_u64(number);
        let (name, setting, payload) = &vectors[random.random_range(0..vectors.len())];
        let mut damaged = payload.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..damaged.len());
            match random.random_range(0..4) {
                0 => damaged[at] ^= 1 << random.random_range(0..8),
                1 => damaged[at] = random.random_range(0..=255),
                2 => damaged.truncate(at.max(1)),
                _ => {
                    let piece = damaged[at..].to_vec();
                    damaged.extend(piece);
                }
            }
        }
        let mut decompressor = Decompressor::new(*setting);
        match decompressor.decompress(&damaged) {
            Ok(read) => assert!(read.len() <= FREE_BYTES + BYTES_PER_BYTE * damaged.len()),
            Err(error) => {
                assert_eq!(error.code, Code::RecordCompression);
                refused += 1;
            }
        }
        assert_eq!(decompressor.decompress(payload).unwrap(), plain, "{name} after {number}");
    }
    assert!(refused > 3_000, "{refused} refused");
}

#[test]
fn random_bytes_behind_a_magic_are_refused_or_bounded() {
    for number in 0..4_000 {
        let mut random = StdRng::seed_from_u64(number);
        let magic = [GZIP, ZSTD, LZ4, SNAPPY_FRAMED, SNAPPY_XERIAL][number as usize % 5];
        let mut payload = magic.to_vec();
        payload.extend((0..random.random_range(0..200)).map(|_| random.random_range(0..=255u8)));
        for setting in SETTINGS {
            let mut decompressor = Decompressor::new(setting);
            if let Ok(read) = decompressor.decompress(&payload) {
                assert!(read.len() <= FREE_BYTES + BYTES_PER_BYTE * payload.len());
            }
        }
    }
}
