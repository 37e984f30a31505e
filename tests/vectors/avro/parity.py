"""Makes parity.json: records of all types that a converter makes columns of, written by Apache Avro's own library for Python
(pip install avro==1.12.2), with the rows that a table has to get from `delta.raw.format=avro`, and from the converter and
`delta.input.mode=connect`, and records that neither takes. Values are texts as `tests/tools/TableText.java` writes them; what is
null is left out."""

import io
import json
import sys
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import avro.io
import avro.schema

CONNECT = "org.apache.kafka.connect.data."
fields = []
columns = []


def field(name, data_type, *values, **more):
    """Each value is the datum and its text, or its texts in raw mode and by the converter. They come again from row to row."""
    fields.append({"name": name, "type": data_type, **more})
    columns.append((name, [(value[0], value[1], value[-1]) for value in values]))


def logical(base, name, **more):
    return {"type": base, "logicalType": name, **more}


def fixed(name, size, **more):
    return {"type": "fixed", "name": name, "size": size, **more}


def record(name, *members, **more):
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in members], **more}


def array(items):
    return {"type": "array", "items": items}


def mapping(values):
    return {"type": "map", "values": values}


def named(base, name, **more):
    return {"type": base, "connect.version": 1, "connect.name": name, **more}


def debezium(column, base, name, *values, **more):
    field(column, named(base, "io.debezium." + name, **more), *values)


def unscaled(number):
    return number.to_bytes((number.bit_length() + 8) // 8, "big", signed=True)


def since_the_epoch(moment, unit):
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // unit


# Plain types.
field("boolean", "boolean", (True, "true"), (False, "false"))
field("int8", {"type": "int", "connect.type": "int8"}, (-128, "-128"), (127, "127"))
field("int16", {"type": "int", "connect.type": "int16"}, (-(2**15), "-32768"), (2**15 - 1, "32767"))
field("int", "int", (-(2**31), "-2147483648"), (2**31 - 1, "2147483647"), (0, "0"))
field("long", "long", (-(2**63), "-9223372036854775808"), (2**63 - 1, "9223372036854775807"), (0, "0"))
field("float", "float", (1.5, "1.5"), (-0.0, "-0.0"), (float("inf"), "Infinity"), (2.0**-149, "1.4E-45"))
field("double", "double", (1.1, "1.1"), (-1e300, "-1.0E300"), (float("nan"), "NaN"), (5e-324, "4.9E-324"))
field("bytes", "bytes", (b"", ""), (b"\x00\xff", "AP8="))
field("string", "string", ("", ""), ("grüße 🙂", "grüße 🙂"))
field("enum", {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]}, ("GREEN", "GREEN"), ("RED", "RED"))
field("fixed", fixed("Three", 3), (b"abc", "YWJj"), (b"\x00\x00\x00", "AAAA"))

# Logical types.
small = ((Decimal("12.34"), "12.34"), (Decimal("-0.01"), "-0.01"), (Decimal("0.00"), "0.00"), (Decimal("-9999999.99"), "-9999999.99"))
large = "1234567890123456789012345678.0123456789"
field("decimal", logical("bytes", "decimal", precision=9, scale=2), *small)
field("decimal_large", logical("bytes", "decimal", precision=38, scale=10),
      (Decimal(large), large), (Decimal("-" + large), "-" + large))
field("decimal_integer", logical("bytes", "decimal", precision=5), (Decimal("-12345"), "-12345"), (Decimal("0"), "0"))
field("decimal_of_connect", logical("bytes", "decimal", precision=64, scale=2), *small)  # 64: the converter knows no precision
field("decimal_full", named("bytes", CONNECT + "Decimal", logicalType="decimal", precision=9, scale=2,
                            **{"connect.parameters": {"scale": "2", "connect.decimal.precision": "9"}}), *small)
field("decimal_by_name", named("bytes", CONNECT + "Decimal",
                               **{"connect.parameters": {"scale": "3", "connect.decimal.precision": "7"}}),
      (unscaled(-1234567), "-1234.567"), (unscaled(5), "0.005"))
# Without the name this version of the converter fails: it gives the schema two. Confluent's does not.
field("decimal_fixed", fixed("Six", 6, logicalType="decimal", precision=9, scale=2, **{"connect.name": CONNECT + "Decimal"}), *small)
field("decimal_without_precision", {"type": "bytes", "scale": 2}, (unscaled(-1234567), "-12345.67"), (unscaled(5), "0.05"))
field("decimal_in_other_case", {"type": "bytes", "precision": 9, "scale": 2}, (unscaled(-1234567), "-12345.67"), (unscaled(5), "0.05"))
field("big_decimal", logical("bytes", "big-decimal"), (b"\x04\x04\xd2\x04", "BATSBA=="))
days = ((date(2024, 2, 29), "2024-02-29"), (date(1969, 12, 31), "1969-12-31"), (date(9999, 12, 31), "9999-12-31"),
        (date(1, 1, 1), "0001-01-01"))
field("date", logical("int", "date"), *days)
field("date_full", named("int", CONNECT + "Date", logicalType="date"), *days)
field("date_in_other_case", {"type": "int"}, (19782, "2024-02-29"), (-1, "1969-12-31"))
field("date_of_connect_type", {"type": "int", "connect.type": "int16"}, (19782, "2024-02-29"), (-1, "1969-12-31"))
field("date_by_name", named("int", CONNECT + "Date"), (19782, "2024-02-29"), (-1, "1969-12-31"))
field("time_millis", {"type": "int"}, (3723004, "3723004"), (0, "0"))
field("time_by_name", named("int", CONNECT + "Time"), (86399999, "86399999"), (1, "1"))
field("time_micros", logical("long", "time-micros"), (time(1, 2, 3, 4), "3723000004"))
moment = datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc)
millis = [since_the_epoch(moment, timedelta(milliseconds=1)), -1, since_the_epoch(datetime(1, 1, 1, tzinfo=timezone.utc), timedelta(milliseconds=1))]
in_millis = ("2024-01-02T03:04:05.678", "1969-12-31T23:59:59.999", "0001-01-01T00:00:00")
field("timestamp_millis", logical("long", "timestamp-millis"), (moment, in_millis[0] + "Z"),
      (datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=timezone.utc), in_millis[1] + "Z"))
field("timestamp_by_name", named("long", CONNECT + "Timestamp"), *((n, text + "Z") for n, text in zip(millis, in_millis)))
field("timestamp_in_other_case", {"type": "long"}, *((n, text + "Z") for n, text in zip(millis, in_millis)))
field("uuid", logical("string", "uuid"), ("12345678-9abc-def0-1234-56789abcdef0",) * 2)
field("duration", fixed("Twelve", 12, logicalType="duration"), (bytes(range(12)), "AAECAwQFBgcICQoL"))

# Types whose meaning the converter drops.
micros = since_the_epoch(moment, timedelta(microseconds=1)) + 9
in_micros = in_millis[0] + "009"
for name, unit in (("micros", 1), ("nanos", 1000)):
    field("timestamp_" + name, {"type": "long"}, (micros * unit, in_micros + "Z", str(micros * unit)),
          (-unit, "1969-12-31T23:59:59.999999Z", str(-unit)))
    field("local_timestamp_" + name, {"type": "long"}, (micros * unit, in_micros, str(micros * unit)),
          (-unit, "1969-12-31T23:59:59.999999", str(-unit)))
field("local_timestamp_millis", {"type": "long"}, *((n, text, str(n)) for n, text in zip(millis, in_millis)))
uuid = UUID("12345678-9abc-def0-1234-56789abcdef0")
field("uuid_fixed", fixed("Sixteen", 16), (uuid.bytes, str(uuid), "EjRWeJq83vASNFZ4mrze8A=="))

# Nested types.
point = record("Point", ("x", "int"), ("label", ["null", "string"]))
points = ({"x": 1, "label": "a"}, "{x=1, label=a}"), ({"x": 2, "label": None}, "{x=2, label=null}")
field("record", point, *points)
field("record_again", "Point", *points)
field("deep", record("Outer", ("a", record("Middle", ("b", record("Inner", ("c", "long")))))),
      ({"a": {"b": {"c": 7}}}, "{a={b={c=7}}}"))
field("array", array(["null", "int"]), ([1, None, 3], "[1, null, 3]"), ([], "[]"))
field("array_of_records", array("Point"), ([points[0][0], points[1][0]], "[{x=1, label=a}, {x=2, label=null}]"), ([], "[]"))
field("array_of_arrays", array(array("string")), ([["a"], [], ["b", "c"]], "[[a], [], [b, c]]"))
field("array_of_decimals", array(logical("bytes", "decimal", precision=9, scale=2)), ([Decimal("1.20")], "[1.20]"))
# Two entries in the order of the converter's HashMap.
field("map", mapping(["null", "long"]), ({"a": 1, "b": None}, "{a=1, b=null}"), ({}, "{}"))
field("map_of_records", mapping("Point"), ({"k": points[0][0]}, "{k={x=1, label=a}}"))
field("map_of_dates", mapping(logical("int", "date")), ({"k": date(2024, 2, 29)}, "{k=2024-02-29}"))
entry = record("MapEntry", ("key", "int"), ("value", ["null", "string"]), namespace="io.confluent.connect.avro")
field("entries", array(entry), ([{"key": 1, "value": "x"}, {"key": 2, "value": None}], "{1=x, 2=null}"), ([], "{}"))
own = record("OwnEntry", ("key", "long"), ("value", "Point"), **{"connect.internal.type": "MapEntry"})
field("entries_of_own_name", array(own), ([{"key": -1, "value": points[0][0]}], "{-1={x=1, label=a}}"))

# What may be null.
field("nullable", ["null", "int"], (1, "1"), (None, None), default=None)
field("nullable_last", ["string", "null"], (None, None), ("a", "a"))
field("nullable_record", ["null", record("Maybe", ("n", "int"), ("m", array("int")))], ({"n": 1, "m": [2]}, "{n=1, m=[2]}"), (None, None))
field("nullable_decimal", ["null", logical("bytes", "decimal", precision=9, scale=2)], (Decimal("1.20"), "1.20"), (None, None))
field("nullable_date", ["null", logical("int", "date")], (date(2024, 2, 29), "2024-02-29"), (None, None))
field("nullable_enum", ["null", {"type": "enum", "name": "Size", "symbols": ["S", "L"]}], ("L", "L"), (None, None))
field("nullable_fixed", ["null", fixed("Two", 2)], (b"ab", "YWI="), (None, None))
field("nullable_map", ["null", mapping("int")], ({"a": 1}, "{a=1}"), (None, None))
field("with_default", "int", (1, "1"), (7, "7"), default=7)
# Where the record has null, Connect gives its default, and the converter looks at no other.
field("null_with_default", [{"type": "int", "connect.default": 5}, "null"], (1, "1"), (None, None, "5"), default=5)
field("null_with_default_of_avro", ["int", "null"], (1, "1"), (None, None), default=5)

# Unions of several types.
# Of several that fit the library takes the last one.
members = ["float", "long", "int", "boolean", "bytes", "string"]
field("union", ["null", *members], *((datum, "{%s}" % ", ".join(f"{m}={text if m == member else 'null'}" for m in members))
                                     for datum, member, text in ((True, "boolean", "true"), (7, "int", "7"), (2**40, "long", 2**40),
                                                                 (1.5, "float", "1.5"), (b"abc", "bytes", "YWJj"), ("a", "string", "a"))),
      (None, None))
field("union_of_named", [record("kinds.Circle", ("r", "double")), record("kinds.Square", ("side", "parity.Point")),
                         {"type": "enum", "name": "kinds.Unit", "symbols": ["MM", "M"]}, fixed("kinds.Id", 2)],
      ({"r": 1.5}, "{Circle={r=1.5}, Square=null, Unit=null, Id=null}"),
      ({"side": points[1][0]}, "{Circle=null, Square={side={x=2, label=null}}, Unit=null, Id=null}"),
      ("MM", "{Circle=null, Square=null, Unit=MM, Id=null}"),
      (b"ab", "{Circle=null, Square=null, Unit=null, Id=YWI=}"))
field("union_of_lists", ["null", array("int"), mapping("int"), "double"],
      ([1, 2], "{array=[1, 2], map=null, double=null}"), ({"k": 1}, "{array=null, map={k=1}, double=null}"),
      (0.5, "{array=null, map=null, double=0.5}"), (None, None))
field("union_of_logical", [logical("int", "date"), logical("bytes", "decimal", precision=9, scale=2)],
      (date(2024, 2, 29), "{int=2024-02-29, bytes=null}"), (Decimal("1.20"), "{int=null, bytes=1.20}"))
field("union_of_times", ["null", logical("long", "timestamp-millis"), logical("int", "time-millis")],
      (moment, "{long=2024-01-02T03:04:05.678Z, int=null}"), (time(1, 2, 3, 4000), "{long=null, int=3723004}"), (None, None))
field("union_of_one", ["int"], (7, "{int=7}"))
field("array_of_unions", array(["null", "int", "string"]), ([1, "a", None], "[{int=1, string=null}, {int=null, string=a}, null]"))

# Names that Debezium gives.
debezium("debezium_date", "int", "time.Date", (19782, "2024-02-29"), (-1, "1969-12-31"))
debezium("debezium_time", "int", "time.Time", (3723004, "3723004"))
debezium("debezium_micro_time", "long", "time.MicroTime", (3723000004, "3723000004"))
debezium("debezium_nano_time", "long", "time.NanoTime", (3723000004001, "3723000004001"))
debezium("debezium_timestamp", "long", "time.Timestamp", *zip(millis, in_millis))
debezium("debezium_micro_timestamp", "long", "time.MicroTimestamp", (micros, in_micros))
debezium("debezium_nano_timestamp", "long", "time.NanoTimestamp", (micros * 1000, in_micros))
debezium("debezium_zoned_timestamp", "string", "time.ZonedTimestamp",
         ("2024-01-02T03:04:05.678009+01:00", "2024-01-02T02:04:05.678009Z"), ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"))
debezium("debezium_zoned_time", "string", "time.ZonedTime", ("03:04:05Z", "03:04:05Z"))
debezium("debezium_year", "int", "time.Year", (2024, "2024"))
debezium("debezium_interval", "string", "time.Interval", ("P1Y2M3DT4H5M6.78S", "P1Y2M3DT4H5M6.78S"))
debezium("debezium_micro_duration", "long", "time.MicroDuration", (-5, "-5"))
debezium("debezium_uuid", "string", "data.Uuid", (str(uuid), str(uuid)))
debezium("debezium_json", "string", "data.Json", ('{"a": [1]}', '{"a": [1]}'))
debezium("debezium_xml", "string", "data.Xml", ("<a/>", "<a/>"))
debezium("debezium_ltree", "string", "data.Ltree", ("a.b", "a.b"))
debezium("debezium_enum", "string", "data.Enum", ("b", "b"), **{"connect.parameters": {"allowed": "a,b"}})
debezium("debezium_enum_set", "string", "data.EnumSet", ("a,b", "a,b"), **{"connect.parameters": {"allowed": "a,b"}})
debezium("debezium_bits", "bytes", "data.Bits", (b"\x05", "BQ=="), **{"connect.parameters": {"length": "3"}})
field("debezium_variable_scale_decimal", record(
    "VariableScaleDecimal", ("scale", "int"), ("value", "bytes"), namespace="io.debezium.data",
    **{"connect.doc": "Variable scaled decimal", "connect.version": 1, "connect.name": "io.debezium.data.VariableScaleDecimal"}),
    ({"scale": 2, "value": b"\x04\xd2"}, "{scale=2, value=BNI=}"))
field("own_name", named("int", "com.example.Own"), (5, "5"))

# Comments.
field("documented", "int", (1, "1"), doc="how many")
field("documented_for_connect", {"type": "string", "connect.doc": "what for"}, ("a", "a"), doc="what for")

# What the library writes of these are plain numbers and bytes: it knows nothing of them, or would not write what is refused.
LATER = {"timestamp_micros": "timestamp-micros", "timestamp_nanos": "timestamp-nanos", "local_timestamp_micros": "local-timestamp-micros",
         "local_timestamp_nanos": "local-timestamp-nanos", "local_timestamp_millis": "local-timestamp-millis", "uuid_fixed": "uuid",
         "time_millis": "time-millis", "decimal_without_precision": "decimal", "decimal_in_other_case": "Decimal",
         "date_in_other_case": "DATE", "date_of_connect_type": "date", "timestamp_in_other_case": "Timestamp-Millis"}
REFUSED = [{name: millis} for name in ("time_millis", "time_by_name") for millis in (-1, 24 * 60 * 60 * 1000)]

count = max(len(values) for _, values in columns)
plain = {"type": "record", "name": "All", "namespace": "parity", "fields": [{"name": "id", "type": "long"}, *fields]}
writer = avro.io.DatumWriter(avro.schema.parse(json.dumps(plain)))


def written(number, values):
    out = io.BytesIO()
    writer.write({"id": number, **values}, avro.io.BinaryEncoder(out))
    return out.getvalue().hex()


records, raw, converter = [], [], []
for number in range(count):
    values = {name: of_column[number % len(of_column)] for name, of_column in columns}
    records.append(written(number, {name: datum for name, (datum, _, _) in values.items()}))
    for rows, place in ((raw, 1), (converter, 2)):
        texts = {name: value[place] for name, value in values.items() if value[place] is not None}
        rows.append({"id": str(number), **texts})
first = {name: of_column[0][0] for name, of_column in columns}
refused = [written(count + number, {**first, **bad}) for number, bad in enumerate(REFUSED)]
for declared in fields:
    if declared["name"] in LATER:
        declared["type"]["logicalType"] = LATER[declared["name"]]
made = {"schema": plain, "records": records, "refused": refused, "raw": raw, "converter": converter}
json.dump(made, sys.stdout, indent=1, ensure_ascii=False)
print()
