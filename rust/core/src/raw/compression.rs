//! Payloads that a producer compressed itself, record by record. Pure bytes, bounded, one buffer for all of them.

use std::fmt::Display;
use std::io::Read;

use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

use crate::Code;
use crate::decode::{MAX_RECORD_BYTES, RowError, excerpt};

/// What any payload may become, however few its bytes are.
const FREE_BYTES: usize = 16 << 20;
/// And for each of its bytes.
const BYTES_PER_BYTE: usize = 1000;
/// A block of Snappy's cannot make more of a byte: its best copies are 64 bytes for three.
const SNAPPY_BYTES_PER_BYTE: usize = 22;
/// Of the window that a Zstandard frame asks for: what level 19 uses, twice.
const ZSTD_WINDOW_LOG: u32 = 24;
/// A buffer that grew beyond this for one payload is given back before the next one.
const KEPT_BYTES: usize = 4 << 20;
const CHUNK_BYTES: usize = 16 << 10;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const LZ4: &[u8] = &[0x04, 0x22, 0x4d, 0x18];
const SNAPPY_FRAMED: &[u8] = b"\xff\x06\x00\x00sNaPpY";
/// snappy-java's, which Kafka's own clients use.
const SNAPPY_XERIAL: &[u8] = b"\x82SNAPPY\0";
/// The magic, a version and the oldest version that can read it.
const XERIAL_HEADER_BYTES: usize = 16;
/// The shortest frame's header: magic, two flags, checksum.
const LZ4_HEADER_BYTES: usize = 7;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    #[default]
    None,
    /// By the first bytes; what they do not name stays as it is.
    Auto,
    Gzip,
    Zstd,
    /// Framed, snappy-java's own frames, or one raw block.
    Snappy,
    /// Frames.
    Lz4,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Plain,
    Gzip,
    Zstd,
    SnappyFramed,
    SnappyXerial,
    SnappyBlock,
    Lz4,
    /// RFC 1951, as Avro's containers have it.
    Deflate,
    /// With a CRC-32 behind it, as they have it.
    SnappyChecked,
}

type Unpack<T = ()> = Result<T, Failure>;

enum Failure {
    Damaged(String),
    TooLarge,
}

pub struct Decompressor {
    compression: Compression,
    buffer: Vec<u8>,
    zstd: Option<ZstdDecoder<'static>>,
}

impl Decompressor {
    pub fn new(compression: Compression) -> Self {
        Decompressor { compression, buffer: Vec::new(), zstd: None }
    }

    /// The payload without its compression. An error is the record's.
    pub fn decompress<'a>(&'a mut self, payload: &'a [u8]) -> Result<&'a [u8], RowError> {
        self.decompress_from(self.compression.layout(payload), payload)
    }

    /// The data of an object container of Avro's.
    pub(crate) fn decompress_avro<'a>(
        &'a mut self,
        codec: &[u8],
        data: &'a [u8],
    ) -> Result<&'a [u8], RowError> {
        let layout = match codec {
            b"null" => Layout::Plain,
            b"deflate" => Layout::Deflate,
            b"snappy" => Layout::SnappyChecked,
            b"zstandard" => Layout::Zstd,
            other => {
                let message = format!(
                    "the object container's codec is {:?}: null, deflate, snappy and zstandard are read",
                    excerpt(other)
                );
                return Err(RowError { code: Code::RecordCompression, path: String::new(), message });
            }
        };
        self.decompress_from(layout, data)
    }

    fn decompress_from<'a>(&'a mut self, layout: Layout, payload: &'a [u8]) -> Result<&'a [u8], RowError> {
        if layout == Layout::Plain {
            return Ok(payload);
        }
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BYTES);
        let limit = payload.len().saturating_mul(BYTES_PER_BYTE).saturating_add(FREE_BYTES);
        let mut output = Output { bytes: &mut self.buffer, limit: limit.min(MAX_RECORD_BYTES) };
        let outcome = match layout {
            Layout::Plain => Ok(()),
            Layout::Gzip => output.read(flate2::bufread::MultiGzDecoder::new(payload)),
            Layout::Zstd => zstd_frames(&mut self.zstd, payload, &mut output),
            Layout::SnappyFramed => output.read(snap::read::FrameDecoder::new(payload)),
            Layout::SnappyXerial => xerial_blocks(payload, &mut output),
            Layout::SnappyBlock => snappy_block(payload, &mut output),
            Layout::Lz4 => lz4_frames(payload, &mut output),
            Layout::Deflate => deflate_stream(payload, &mut output),
            Layout::SnappyChecked => checked_snappy_block(payload, &mut output),
        };
        match outcome {
            Ok(()) => Ok(&self.buffer),
            Err(failure) => Err(failure.of(layout, payload.len(), limit.min(MAX_RECORD_BYTES))),
        }
    }
}

impl Compression {
    fn layout(self, payload: &[u8]) -> Layout {
        if self == Compression::None {
            return Layout::Plain;
        }
        let by_magic = [
            (GZIP, Layout::Gzip),
            (ZSTD, Layout::Zstd),
            (LZ4, Layout::Lz4),
            (SNAPPY_FRAMED, Layout::SnappyFramed),
            (SNAPPY_XERIAL, Layout::SnappyXerial),
        ];
        let found = by_magic.into_iter().find(|(magic, _)| payload.starts_with(magic));
        match (self, found.map(|(_, layout)| layout)) {
            (Compression::None | Compression::Auto, found) => found.unwrap_or(Layout::Plain),
            (Compression::Gzip, _) => Layout::Gzip,
            (Compression::Zstd, _) => Layout::Zstd,
            (Compression::Lz4, _) => Layout::Lz4,
            (Compression::Snappy, Some(framed @ (Layout::SnappyFramed | Layout::SnappyXerial))) => framed,
            (Compression::Snappy, _) => Layout::SnappyBlock,
        }
    }
}

struct Output<'b> {
    bytes: &'b mut Vec<u8>,
    limit: usize,
}

impl Output<'_> {
    fn room(&self) -> usize {
        self.limit - self.bytes.len()
    }

    /// To the end of `source`.
    fn read(&mut self, source: impl Read) -> Unpack {
        // One byte more shows that there is more.
        let allowed = self.room() as u64 + 1;
        source.take(allowed).read_to_end(self.bytes).map_err(damaged)?;
        if self.bytes.len() > self.limit { Err(Failure::TooLarge) } else { Ok(()) }
    }
}

fn zstd_frames(kept: &mut Option<ZstdDecoder<'static>>, payload: &[u8], output: &mut Output<'_>) -> Unpack {
    let decoder = match kept {
        Some(decoder) => {
            decoder.reinit().map_err(damaged)?;
            decoder
        }
        None => {
            let mut decoder = ZstdDecoder::new().map_err(damaged)?;
            decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).map_err(damaged)?;
            kept.insert(decoder)
        }
    };
    let mut input = InBuffer::around(payload);
    loop {
        let filled = output.bytes.len();
        // One byte more than is allowed, as in `Output::read`.
        let chunk = CHUNK_BYTES.max(filled).min(output.room() + 1);
        output.bytes.resize(filled + chunk, 0);
        let mut target = OutBuffer::around_pos(&mut output.bytes[..], filled);
        let expected = decoder.run(&mut input, &mut target).map_err(damaged)?;
        let end = target.pos();
        output.bytes.truncate(end);
        if end > output.limit {
            return Err(Failure::TooLarge);
        }
        let all_read = input.pos() == payload.len();
        if all_read && expected == 0 {
            return Ok(());
        }
        if all_read && end < filled + chunk {
            return Err(damaged("it ends in the middle of a frame"));
        }
    }
}

fn lz4_frames(mut payload: &[u8], output: &mut Output<'_>) -> Unpack {
    loop {
        // The decoder takes the end of the input for the end of a frame.
        let frame = lz4_frame_bytes(payload).and_then(|bytes| payload.split_at_checked(bytes));
        let (frame, rest) = frame.ok_or_else(|| damaged("it ends in the middle of a frame"))?;
        output.read(lz4_flex::frame::FrameDecoder::new(frame))?;
        if rest.is_empty() {
            return Ok(());
        }
        payload = rest;
    }
}

/// By the format's own description (LZ4 Frame Format 1.6). None: it is not all there.
fn lz4_frame_bytes(payload: &[u8]) -> Option<usize> {
    let flags = *payload.get(4)?;
    let flag = |bit: u8| usize::from(flags >> bit & 1);
    // With the content's size and a dictionary's id.
    let mut at = LZ4_HEADER_BYTES + 8 * flag(3) + 4 * flag(0);
    loop {
        let size = u32::from_le_bytes(*payload.get(at..)?.first_chunk()?);
        at += 4;
        if size == 0 {
            return Some(at + 4 * flag(2));
        }
        // The highest bit says that the block is not compressed; a checksum may follow it.
        at = at.checked_add((size & 0x7fff_ffff) as usize)?.checked_add(4 * flag(4))?;
    }
}

fn deflate_stream(payload: &[u8], output: &mut Output<'_>) -> Unpack {
    let mut decoder = flate2::bufread::DeflateDecoder::new(payload);
    output.read(&mut decoder)?;
    match decoder.into_inner() {
        [] => Ok(()),
        // Avro for Python takes zlib's format without its first two bytes and the last one.
        rest if *rest == adler32(output.bytes).to_be_bytes()[..3] => Ok(()),
        rest => Err(damaged(format!("{} bytes after its end", rest.len()))),
    }
}

/// RFC 1950.
fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (a + b) % 65_521)
    });
    b << 16 | a
}

fn xerial_blocks(payload: &[u8], output: &mut Output<'_>) -> Unpack {
    let Some(mut rest) = payload.get(XERIAL_HEADER_BYTES..) else {
        return Err(damaged("it ends in its header"));
    };
    while let Some((length, blocks)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((block, others)) = blocks.split_at_checked(length) else {
            return Err(damaged("it ends in the middle of a block"));
        };
        snappy_block(block, output)?;
        rest = others;
    }
    if rest.is_empty() { Ok(()) } else { Err(damaged("it ends in the middle of a block's length")) }
}

fn snappy_block(block: &[u8], output: &mut Output<'_>) -> Unpack {
    let length = snap::raw::decompress_len(block).map_err(damaged)?;
    if length > block.len().saturating_mul(SNAPPY_BYTES_PER_BYTE) {
        return Err(damaged(format!("{} bytes say that they are {length}", block.len())));
    }
    if length > output.room() {
        return Err(Failure::TooLarge);
    }
    let filled = output.bytes.len();
    output.bytes.resize(filled + length, 0);
    snap::raw::Decoder::new().decompress(block, &mut output.bytes[filled..]).map_err(damaged)?;
    Ok(())
}

fn checked_snappy_block(payload: &[u8], output: &mut Output<'_>) -> Unpack {
    let Some((block, checksum)) = payload.split_last_chunk::<4>() else {
        return Err(damaged("it has no room for its checksum"));
    };
    snappy_block(block, output)?;
    let mut crc = flate2::Crc::new();
    crc.update(output.bytes);
    if crc.sum() == u32::from_be_bytes(*checksum) {
        Ok(())
    } else {
        Err(damaged("its checksum is another one"))
    }
}

fn damaged(why: impl Display) -> Failure {
    Failure::Damaged(why.to_string())
}

impl Failure {
    #[cold]
    fn of(self, layout: Layout, bytes: usize, limit: usize) -> RowError {
        let name = match layout {
            Layout::Plain => "uncompressed",
            Layout::Gzip => "gzip",
            Layout::Zstd => "zstd",
            Layout::SnappyFramed => "snappy (framed)",
            Layout::SnappyXerial => "snappy (snappy-java)",
            Layout::SnappyBlock => "snappy (one block)",
            Layout::Lz4 => "lz4",
            Layout::Deflate => "deflate",
            Layout::SnappyChecked => "snappy (with a checksum)",
        };
        let message = match self {
            Failure::Damaged(why) => format!("{bytes} bytes are not a value in {name}: {why}"),
            Failure::TooLarge => {
                format!(
                    "{bytes} bytes in {name} become more than {limit}, the most that Sluice makes of them"
                )
            }
        };
        RowError { code: Code::RecordCompression, path: String::new(), message }
    }
}

#[cfg(test)]
mod tests;
