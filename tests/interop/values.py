"""The records that every table of `readers_test.py` gets: each type with the values that are easily got wrong."""

import json

from canonical import of_json


def field(name, kind, nullable=True):
    return {"name": name, "type": kind, "nullable": nullable, "metadata": {}}


def struct(*fields):
    return {"type": "struct", "fields": list(fields)}


INNER = struct(field("x", "decimal(20,4)"), field("t", "timestamp"))
PAIR = struct(field("k", "string"), field("v", "long"))
FIELDS = [
    field("id", "long", nullable=False),
    field("b", "byte"),
    field("s", "short"),
    field("i", "integer"),
    field("l", "long"),
    field("f", "float"),
    field("d", "double"),
    field("dec38", "decimal(38,10)"),
    field("dec18", "decimal(18,3)"),
    field("dec9", "decimal(9,2)"),
    field("str", "string"),
    field("key", "string"),
    field("bin", "binary"),
    field("bool", "boolean"),
    field("dt", "date"),
    field("ts", "timestamp"),
    field("ntz", "timestamp_ntz"),
    field("st", struct(field("a", "long"), field("b", "string"), field("n", INNER))),
    field("ar", {"type": "array", "elementType": "string", "containsNull": True}),
    field("m", {"type": "map", "keyType": "string", "valueType": "long", "valueContainsNull": True}),
    field("pairs", {"type": "array", "elementType": PAIR, "containsNull": True}),
]
SCHEMA = json.dumps(struct(*FIELDS))
TYPES = {f["name"]: f["type"] for f in FIELDS}

FILES, ROWS_PER_FILE = 6, 8
ROWS = FILES * ROWS_PER_FILE

TIMES = [
    "0001-01-01T00:00:00", "1582-10-04T23:59:59.999999", "1883-11-18T12:03:58", "1969-12-31T23:59:59.999999",
    "1969-12-31T23:59:59.001", "1970-01-01T00:00:00", "1970-01-01T00:00:00.000001", "2000-02-29T12:34:56.789",
    "2024-03-31T01:59:59.999999", "2024-03-31T02:30:00", "2026-11-22T08:55:36.123456", "2038-01-19T03:14:08",
    "9999-12-31T23:59:59.999999",
]
# In the order of their type, so that files hold ranges.
VALUES = {
    "b": [-128, -1, 0, 1, 127],
    "s": [-32768, -129, 0, 128, 32767],
    "i": [-2147483648, -32769, 0, 32768, 2147483647],
    "l": [-9223372036854775808, -9007199254740993, 0, 9007199254740993, 9223372036854775807],
    "f": ["-Infinity", -3.4028235e38, -0.1, -0.0, 0.0, 1e-45, 0.1, 16777216, 3.4028235e38, "Infinity", "NaN"],
    "d": ["-Infinity", -1.7976931348623157e308, -0.1, -0.0, 0.0, 5e-324, 0.1, 9007199254740993, 1e300, "Infinity", "NaN"],
    "dec38": ["-9999999999999999999999999999.9999999999", "-9007199254740993.0000000001", "-0.0000000001", "0.0000000000",
              "9007199254740993.0000000001", "9007199254740993.0000000002", "9999999999999999999999999999.9999999999"],
    "dec18": ["-999999999999999.999", "-9007199254740.993", "0.000", "0.001", "9007199254740.993", "999999999999999.999"],
    "dec9": ["-9999999.99", "-0.01", "0.00", "0.10", "9999999.99"],
    "str": ["", " ", "A" * 40, "a" * 32 + "b", "a" * 5000, "zebra", "é", "é" * 100, "ｚ" * 33, "\uffff" * 40,
            "😀" * 33, "\U0010ffff" * 40],
    "key": ["", " ", " x ", "%", "%20", "1:2", "A=B", "a b", "a/b", "a:b", "a\\b", "it's", "q?#", "x\"y", "{[*]}", "é", "ｚ", "😀"],
    "bin": ["", "AA==", "AP8=", "Zm9v", "/////w=="],
    "bool": [False, True],
    "dt": ["0001-01-01", "1582-10-04", "1582-10-15", "1969-12-31", "1970-01-01", "2024-02-29", "9999-12-31"],
    "ts": [time + "Z" for time in TIMES],
    "ntz": TIMES,
    "st": [None if n == 3 else {"a": n - 5, "b": None if n % 4 == 0 else "s" * n,
            "n": None if n % 5 == 0 else {"x": f"{n - 6}.{n:04}", "t": TIMES[n] + "Z"}} for n in range(13)],
    "ar": [[], [None], ["a", None, "é"], [""], ["x" * 50]],
    "m": [{}, {"k": 1}, {"k": None, "ü": -9223372036854775808}, {"": 0}],
    "pairs": [[], [{"k": "a", "v": 1}, {"k": None, "v": None}], [None], [{"k": "b", "v": 9007199254740993}]],
}


def records():
    """Each column goes once through its values in their order; some rows lack it, and in each column one whole file does."""
    rows = []
    for n in range(ROWS):
        row = {"id": n}
        for c, (name, values) in enumerate(VALUES.items()):
            without = (n + c) % 7 == 3 or n // ROWS_PER_FILE == c % FILES
            if not without:
                row[name] = values[n * len(values) // ROWS]
        rows.append(row)
    # What the gaps above swallow: every value once, anywhere.
    for n in range(max(map(len, VALUES.values()))):
        rows.append({"id": ROWS + n} | {name: values[n % len(values)] for name, values in VALUES.items()})
    return rows


def expected(rows):
    return [[of_json(row.get(f["name"]), f["type"]) for f in FIELDS] for row in rows]


def text_of(row):
    return json.dumps(row, ensure_ascii=False)
