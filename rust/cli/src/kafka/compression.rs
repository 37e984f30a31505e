//! Compressed batches.

use std::io::Read;

use super::Result;

const NONE: i16 = 0;
const GZIP: i16 = 1;
const SNAPPY: i16 = 2;
const LZ4: i16 = 3;
const ZSTD: i16 = 4;

/// What snappy-java puts before blocks that are each preceded by their length.
const SNAPPY_JAVA: &[u8] = b"\x82SNAPPY\0";

/// The most that one batch may become; brokers limit a batch to 1 MB by default.
const LIMIT: u64 = 1 << 30;

pub fn decompress(codec: i16, bytes: &[u8]) -> Result<Vec<u8>> {
    match codec {
        NONE => Ok(bytes.to_vec()),
        GZIP => read(flate2::read::GzDecoder::new(bytes)),
        SNAPPY => snappy(bytes),
        LZ4 => read(lz4_flex::frame::FrameDecoder::new(bytes)),
        ZSTD => read(zstd::stream::read::Decoder::new(bytes).map_err(|e| e.to_string())?),
        other => Err(format!("a batch is compressed by codec {other}, which is not known")),
    }
}

fn read(from: impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LIMIT).read_to_end(&mut bytes).map_err(|e| format!("a batch cannot be decompressed: {e}"))?;
    Ok(bytes)
}

fn snappy(bytes: &[u8]) -> Result<Vec<u8>> {
    let raw = |bytes: &[u8]| {
        snap::raw::Decoder::new()
            .decompress_vec(bytes)
            .map_err(|e| format!("a batch cannot be decompressed: {e}"))
    };
    let Some(blocks) = bytes.strip_prefix(SNAPPY_JAVA) else {
        return raw(bytes);
    };
    let mut blocks = super::wire::Reader(blocks);
    // Two version numbers.
    blocks.take(8)?;
    let mut all = Vec::new();
    while !blocks.0.is_empty() {
        all.extend(raw(blocks.bytes()?)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn each_codec_gives_back_what_went_in() {
        let text = "sluice ".repeat(1000).into_bytes();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&text).unwrap();
        let raw = snap::raw::Encoder::new().compress_vec(&text).unwrap();
        let mut framed = SNAPPY_JAVA.to_vec();
        framed.extend([0, 0, 0, 1, 0, 0, 0, 1]);
        for half in [&text[..3000], &text[3000..]] {
            let block = snap::raw::Encoder::new().compress_vec(half).unwrap();
            framed.extend((block.len() as i32).to_be_bytes());
            framed.extend(block);
        }
        let all = [
            (NONE, text.clone()),
            (GZIP, gzip.finish().unwrap()),
            (SNAPPY, raw),
            (SNAPPY, framed),
            (LZ4, lz4.finish().unwrap()),
            (ZSTD, zstd::encode_all(&text[..], 1).unwrap()),
        ];
        for (codec, compressed) in all {
            assert_eq!(decompress(codec, &compressed).as_ref(), Ok(&text), "codec {codec}");
        }
        assert!(decompress(7, &text).is_err());
        assert!(decompress(GZIP, &text).is_err());
    }
}
