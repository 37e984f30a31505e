"""Conditions on every column, in SQL as Spark and as DataFusion (delta-rs) have it."""

import base64

from values import TYPES, VALUES

NESTED = {
    "st.a": ("long", [-5, 0, 7]),
    "st.b": ("string", ["s", "s" * 5, "s" * 11]),
    "st.n.x": ("decimal(20,4)", ["-5.0001", "0.0006", "6.0012"]),
    "st.n.t": ("timestamp", ["1582-10-04T23:59:59.999999Z", "1970-01-01T00:00:00Z", "2038-01-19T03:14:08Z"]),
}
SPARK_NAMES = {"byte": "TINYINT", "short": "SMALLINT", "integer": "INT", "long": "BIGINT"}
DATAFUSION_NAMES = SPARK_NAMES | {
    "timestamp": "Timestamp(Microsecond, Some(\"UTC\"))",
    "timestamp_ntz": "Timestamp(Microsecond, None)",
}


def spark(kind, value):
    if kind == "string":
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if kind == "binary":
        return f"X'{base64.b64decode(value).hex()}'"
    return f"CAST('{value}' AS {SPARK_NAMES.get(kind, kind.upper())})"


def datafusion(kind, value):
    if kind == "string":
        return "'" + value.replace("'", "''") + "'"
    if kind == "binary":
        return f"X'{base64.b64decode(value).hex()}'"
    if kind.startswith("timestamp"):
        return f"arrow_cast('{value}', '{DATAFUSION_NAMES[kind]}')"
    return f"CAST('{value}' AS {DATAFUSION_NAMES.get(kind, kind.upper())})"


def columns():
    yield "id", "long", [0, 1, 17, 40, 47, 60]
    for name, values in VALUES.items():
        if isinstance(TYPES[name], str):
            yield name, TYPES[name], values
    for name, (kind, values) in NESTED.items():
        yield name, kind, values


def path(name, dialect):
    if dialect is datafusion:
        first, *rest = name.split(".")
        return f'"{first}"' + "".join(f"['{part}']" for part in rest)
    return ".".join(f"`{part}`" for part in name.split("."))


def few(wanted):
    """For Spark, which takes half a second for each."""
    for name, kind, values in columns():
        if wanted(name):
            column, middle = path(name, spark), spark(kind, values[len(values) // 2])
            first, last = spark(kind, values[0]), spark(kind, values[-1])
            yield from (f"{column} = {first}", f"{column} >= {last}", f"{column} < {middle}", f"{column} IS NULL")


def many():
    for name, kind, values in columns():
        column = path(name, datafusion)
        literals = [datafusion(kind, value) for value in values]
        yield from (f"{column} {op} {literal}" for literal in literals for op in ("=", "<", ">="))
        first, last = literals[0], literals[-1]
        yield f"{column} <> {last}"
        yield f"{column} > {first} AND {column} <= {last}"
        yield f"{column} IN ({first}, {last})"
        yield f"NOT ({column} IN ({first}, {last}))"
        yield f"{column} IS NULL"
        yield f"{column} IS NOT NULL"
        if kind == "string":
            yield f"{column} LIKE 'a%'"
            yield f"{column} LIKE '😀%'"
