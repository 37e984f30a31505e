"""Makes containers.json: object container files with the codecs that Sluice reads, by fastavro (pip install fastavro==1.13.1 cramjam==2.14.0
backports.zstd), and fingerprints and single-object headers by Apache Avro's own library (pip install avro==1.12.2)."""

import io
import json
import sys

import avro.schema
import fastavro

ORDER = {"type": "record", "name": "shop.Order", "doc": "one", "fields": [
    {"name": "id", "type": "long", "doc": "x"},
    {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"], "default": "A"}},
    {"name": "again", "type": ["null", "E"]},
    {"name": "m", "type": {"type": "map", "values": "bytes"}},
    {"name": "f", "type": {"type": "fixed", "name": "other.F", "size": 3}},
    {"name": "a", "type": {"type": "array", "items": "string"}}]}
SMALL = {"type": "record", "name": "R", "fields": [{"name": "id", "type": "long"}, {"name": "text", "type": "string"}]}


def container(codec, rows):
    out = io.BytesIO()
    fastavro.writer(out, SMALL, rows, codec=codec, sync_marker=bytes(range(16)))
    return out.getvalue().hex()


rows = [{"id": 7, "text": "tea " * 20}]
json.dump({
    "containers": {codec: container(codec, rows) for codec in ["null", "deflate", "snappy", "zstandard"]},
    "two": container("null", rows * 2),
    "none": container("null", []),
    "bzip2": container("bzip2", rows),
    "fingerprints": [
        {"schema": text, "canonical": avro.schema.parse(text).canonical_form,
         "hex": avro.schema.parse(text).fingerprint("CRC-64-AVRO").hex()}
        for text in ['"null"', '"int"', '"long"', json.dumps(SMALL), json.dumps(ORDER)]],
}, sys.stdout, indent=1)
print()
