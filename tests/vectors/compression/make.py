"""Makes vectors.json: one text, compressed by reference libraries and by other people's tools.

    pip install cramjam==2.14.0 lz4==4.4.5 zstandard==0.25.0
    python3 make.py
"""

import gzip
import json
import struct
from pathlib import Path

import cramjam
import lz4.frame
import zstandard

PLAIN = "".join(f'{{"id":{i},"name":"sensor-{i % 7}","value":{i * i}.25}}\n' for i in range(60)).encode()
HALF = len(PLAIN) // 2


def xerial(*parts: bytes) -> bytes:
    """snappy-java, SnappyOutputStream: magic, version 1, compatible version 1, then blocks with their lengths."""
    blocks = [bytes(cramjam.snappy.compress_raw(part)) for part in parts]
    return b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1) + b"".join(struct.pack(">i", len(b)) + b for b in blocks)


def zstd_without_size(level: int) -> bytes:
    writer = zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=False).compressobj()
    return writer.compress(PLAIN) + writer.flush()


VECTORS = [
    ("gzip", "auto", gzip.compress(PLAIN, 6, mtime=0)),
    ("gzip of two members", "auto", gzip.compress(PLAIN[:HALF], 9, mtime=0) + gzip.compress(PLAIN[HALF:], 1, mtime=0)),
    ("gzip stored", "auto", gzip.compress(PLAIN, 0, mtime=0)),
    ("zstd level 3", "auto", zstandard.ZstdCompressor(level=3).compress(PLAIN)),
    ("zstd level 22", "auto", zstandard.ZstdCompressor(level=22).compress(PLAIN)),
    ("zstd without size, with checksum", "auto", zstd_without_size(3)),
    ("zstd of level 19 without size", "auto", zstd_without_size(19)),
    (
        "zstd of two frames",
        "auto",
        zstandard.ZstdCompressor().compress(PLAIN[:HALF]) + zstandard.ZstdCompressor().compress(PLAIN[HALF:]),
    ),
    ("snappy framed", "auto", bytes(cramjam.snappy.compress(PLAIN))),
    ("snappy of snappy-java", "auto", xerial(PLAIN)),
    ("snappy of snappy-java in two blocks", "auto", xerial(PLAIN[:HALF], PLAIN[HALF:])),
    ("snappy block", "snappy", bytes(cramjam.snappy.compress_raw(PLAIN))),
    ("lz4", "auto", lz4.frame.compress(PLAIN)),
    (
        "lz4 with checksums and linked blocks",
        "auto",
        lz4.frame.compress(PLAIN, content_checksum=True, block_checksum=True, block_linked=True, store_size=True),
    ),
    ("lz4 high", "auto", lz4.frame.compress(PLAIN, compression_level=12, block_linked=False, store_size=False)),
    ("lz4 of two frames", "auto", lz4.frame.compress(PLAIN[:HALF]) + lz4.frame.compress(PLAIN[HALF:])),
]

made = {
    "plain": PLAIN.decode(),
    "vectors": [{"name": name, "setting": setting, "payload": data.hex()} for name, setting, data in VECTORS],
}
Path(__file__).with_name("vectors.json").write_text(json.dumps(made, indent=1) + "\n")
