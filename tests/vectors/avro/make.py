"""Makes vectors.json: records written by Apache Avro's own library for Python (pip install avro==1.12.2), with the rows that
they have to become. A row is written as arrow-json does; `row` null stands for a record that is refused, with `error`."""

import io
import json
import sys
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import avro.io
import avro.schema


def hex_of(schema, datum):
    out = io.BytesIO()
    avro.io.DatumWriter(avro.schema.parse(json.dumps(schema))).write(datum, avro.io.BinaryEncoder(out))
    return out.getvalue().hex()


def record(*fields, name="R"):
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields]}


def logical(base, name, **more):
    return {"type": base, "logicalType": name, **more}


vectors = []


def vector(name, writer, table, *cases):
    records = []
    for datum, row, *error in cases:
        data = datum if isinstance(datum, str) else hex_of(writer, datum)  # text: hexadecimal already
        records.append({"hex": data, "row": row, "error": error[0] if error else None})
    vectors.append({"name": name, "writer": writer, "table": table, "records": records})


def column(name, data_type, nullable=True):
    return {"name": name, "type": data_type, "nullable": nullable, "metadata": {}}


def struct(*columns):
    return {"type": "struct", "fields": list(columns)}


def array(element):
    return {"type": "array", "elementType": element, "containsNull": True}


def mapping(key, value):
    return {"type": "map", "keyType": key, "valueType": value, "valueContainsNull": True}


def one(name, writer_type, column_type, *cases):
    """A record with the field f."""
    cases = [({"f": datum}, None, *error) if error else ({"f": datum}, {"f": row}) for datum, row, *error in cases]
    vector(name, record(("f", writer_type)), [column("f", column_type)], *cases)


MAX = 2**63 - 1
one("boolean", "boolean", "boolean", (True, True), (False, False))
one("int", "int", "integer", (0, 0), (-1, -1), (2**31 - 1, 2**31 - 1), (-(2**31), -(2**31)))
one("long", "long", "long", (0, 0), (MAX, MAX), (-MAX - 1, -MAX - 1), (12345678901, 12345678901))
one("float", "float", "float", (1.5, 1.5), (-0.25, -0.25))
one("double", "double", "double", (1.1, 1.1), (-1e300, -1e300))
one("bytes", "bytes", "binary", (b"", ""), (b"\x00\xff", "00ff"))
one("string", "string", "string", ("", ""), ("grüße 🙂", "grüße 🙂"))
one("enum", {"type": "enum", "name": "E", "symbols": ["RED", "GREEN"]}, "string", ("GREEN", "GREEN"))
one("fixed", {"type": "fixed", "name": "F", "size": 3}, "binary", (b"abc", "616263"))
one("decimal", logical("bytes", "decimal", precision=9, scale=2), "decimal(9,2)",
    (Decimal("12.34"), 12.34), (Decimal("-0.01"), -0.01), (Decimal("0.00"), 0.00))
one("decimal, fixed", {"type": "fixed", "name": "F", "size": 6, "logicalType": "decimal", "precision": 9, "scale": 2},
    "decimal(12,3)", (Decimal("-12.34"), -12.34))
one("decimal, too wide", logical("bytes", "decimal", precision=9, scale=2), "decimal(4,1)",
    (Decimal("12.30"), 12.3), (Decimal("12.34"), None, "RECORD_RANGE"), (Decimal("1234.5"), None, "RECORD_RANGE"))
one("date", logical("int", "date"), "date", (date(2024, 2, 29), "2024-02-29"), (date(1969, 12, 31), "1969-12-31"))
one("time-millis", logical("int", "time-millis"), "integer", (time(1, 2, 3, 4000), 3723004))
one("time-micros", logical("long", "time-micros"), "long", (time(1, 2, 3, 4), 3723000004))
moment = datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc)
one("timestamp-millis", logical("long", "timestamp-millis"), "timestamp", (moment, "2024-01-02T03:04:05.678Z"))
one("timestamp-micros", logical("long", "timestamp-micros"), "timestamp",
    (moment + timedelta(microseconds=9), "2024-01-02T03:04:05.678009Z"))
one("timestamp-micros, plain column", logical("long", "timestamp-micros"), "long", (moment, 1704164645678000))
one("timestamp-millis, plain column", logical("long", "timestamp-millis"), "long", (moment, None, "RECORD_TYPE"))
# The library knows no nanoseconds and no local times: as plain longs.
vector("timestamp-nanos", record(("f", logical("long", "timestamp-nanos"))), [column("f", "timestamp")],
       (hex_of(record(("f", "long")), {"f": 1704164645678009000}), {"f": "2024-01-02T03:04:05.678009Z"}),
       (hex_of(record(("f", "long")), {"f": 1704164645678009001}), None, "RECORD_RANGE"))
vector("local-timestamp-micros", record(("f", logical("long", "local-timestamp-micros"))), [column("f", "timestamp_ntz")],
       (hex_of(record(("f", "long")), {"f": 1704164645678009}), {"f": "2024-01-02T03:04:05.678009"}))
vector("local-timestamp-millis in a column with a zone", record(("f", logical("long", "local-timestamp-millis"))),
       [column("f", "timestamp")], (hex_of(record(("f", "long")), {"f": 1704164645678}), {"f": "2024-01-02T03:04:05.678Z"}))
vector("timestamp-micros in a column without one", record(("f", logical("long", "timestamp-micros"))),
       [column("f", "timestamp_ntz")], (hex_of(record(("f", "long")), {"f": 0}), None, "RECORD_TYPE"))
uuid = UUID("12345678-9abc-def0-1234-56789abcdef0")
one("uuid", logical("string", "uuid"), "string", (str(uuid), str(uuid)))
vector("uuid, fixed", record(("f", {"type": "fixed", "name": "F", "size": 16, "logicalType": "uuid"})),
       [column("f", "string")], (uuid.bytes.hex(), {"f": str(uuid)}))
vector("uuid, fixed in a binary column", record(("f", {"type": "fixed", "name": "F", "size": 16, "logicalType": "uuid"})),
       [column("f", "binary")], (uuid.bytes.hex(), {"f": uuid.hex}))
# As org.apache.avro.Conversions.BigDecimalConversion writes it: bytes that hold the unscaled bytes and the scale.
big = hex_of(record(("f", "bytes")), {"f": bytes.fromhex(hex_of(record(("u", "bytes"), ("s", "int")), {"u": b"\x04\xd2", "s": 2}))})
vector("big-decimal", record(("f", logical("bytes", "big-decimal"))), [column("f", "decimal(9,2)")], (big, {"f": 12.34}))
one("array", {"type": "array", "items": ["null", "int"]}, array("integer"), ([1, None, 3], [1, None, 3]), ([], []))
one("map", {"type": "map", "values": "string"}, mapping("string", "string"), ({"a": "x"}, {"a": "x"}), ({}, {}))
entry = {**record(("key", "int"), ("value", "string"), name="MapEntry"), "namespace": "io.confluent.connect.avro"}
one("map of entries", {"type": "array", "items": entry}, mapping("string", "string"),
    ([{"key": 1, "value": "x"}], None, "RECORD_TYPE"))
one("nullable", ["null", "long"], "long", (None, None), (7, 7))
one("nullable, null last", ["long", "null"], "long", (None, None), (7, 7))
one("union as a struct", ["null", "int", "string", record(("x", "int"), name="In")],
    struct(column("int", "integer"), column("string", "string"), column("In", struct(column("x", "integer")))),
    (None, None), (7, {"int": 7}), ("a", {"string": "a"}), ({"x": 1}, {"In": {"x": 1}}))
one("union in one column", ["int", "long", "float"], "double", (7, 7.0), (1.5, 1.5))
one("nested", record(("a", record(("b", "int"), name="B")), name="A"),
    struct(column("a", struct(column("b", "integer"), column("c", "string")))), ({"a": {"b": 1}}, {"a": {"b": 1}}))
one("int to long", "int", "long", (-5, -5))
one("long to int", "long", "integer", (5, 5), (2**31, None, "RECORD_RANGE"))
one("int to double", "int", "double", (5, 5.0))
one("long to double", "long", "double", (2**53, float(2**53)), (2**53 + 1, None, "RECORD_RANGE"))
one("float to double", "float", "double", (0.1, 0.10000000149011612))
one("int to decimal", "int", "decimal(9,2)", (5, 5.0))
one("string to binary", "string", "binary", ("é", "c3a9"))
one("bytes to string", "bytes", "string", (b"abc", "abc"), (b"\xff", None, "RECORD_TYPE"))
one("string to long", "string", "long", ("5", None, "RECORD_TYPE"))
vector("fields by name, in any order and case", record(("B", "int"), ("gone", "string"), ("a", "string")),
       [column("a", "string"), column("b", "integer"), column("new", "long")],
       ({"B": 1, "gone": "x", "a": "y"}, {"a": "y", "b": 1}))
vector("fields that differ by case only", record(("a", "int"), ("A", "int")), [column("a", "integer")],
       ({"a": 1, "A": 2}, None, "RECORD_DUPLICATE_FIELD"))
vector("not null", record(("a", ["null", "int"])), [column("a", "integer", nullable=False)],
       ({"a": 1}, {"a": 1}), ({"a": None}, None, "RECORD_NULL"))
vector("missing and not null", record(("a", "int")), [column("a", "integer"), column("b", "integer", nullable=False)],
       ({"a": 1}, None, "RECORD_NULL"))
vector("several kinds of records", [record(("x", "int"), name="A"), record(("y", "string"), name="B")],
       [column("A", struct(column("x", "integer"))), column("B", struct(column("y", "string")))],
       ({"x": 1}, {"A": {"x": 1}}), ({"y": "z"}, {"B": {"y": "z"}}))
vector("a record or null", ["null", record(("x", "int"), name="A")], [column("x", "integer")],
       ({"x": 1}, {"x": 1}), (None, None, "RECORD_NOT_STRUCT"))
vector("no record", "string", [column("x", "integer")], ("0261", None, "RECORD_NOT_STRUCT"))
recursive = record(("x", "int"), ("next", ["null", "R"]))
vector("recursive, as deep as the table", recursive,
       [column("x", "integer"), column("next", struct(column("x", "integer")))],
       ({"x": 1, "next": {"x": 2, "next": {"x": 3, "next": None}}}, {"x": 1, "next": {"x": 2}}))
vector("passed over", record(("a", {"type": "array", "items": "string"}), ("m", {"type": "map", "values": "double"}),
                             ("u", ["null", "int", entry]), ("e", {"type": "enum", "name": "E", "symbols": ["X"]}),
                             ("f", {"type": "fixed", "name": "F", "size": 2}), ("d", "double"), ("g", "float"),
                             ("b", "boolean"), ("y", "bytes"), ("x", "int")),
       [column("x", "integer")],
       ({"a": ["p", "q"], "m": {"k": 1.0}, "u": {"key": 1, "value": "v"}, "e": "X", "f": b"ab", "d": 1.0, "g": 1.0,
         "b": True, "y": b"yy", "x": 42}, {"x": 42}))

json.dump(vectors, sys.stdout, indent=1, ensure_ascii=False)
print()
