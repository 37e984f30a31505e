"""Values as text that is equal only where the values are: what `TableText.java` prints, with floats by their bits."""

import base64
import datetime
import struct

import pyarrow as pa
import pyarrow.types as types

EPOCH = datetime.datetime(1970, 1, 1)


def instant(micros, zone):
    """As java.time.Instant prints it."""
    seconds, fraction = divmod(micros, 1_000_000)
    text = (EPOCH + datetime.timedelta(seconds=seconds)).isoformat()
    if fraction:
        text += "." + (f"{fraction // 1000:03}" if fraction % 1000 == 0 else f"{fraction:06}")
    return text + zone


def bits(value, code):
    if value != value:
        return "NaN"
    return struct.pack(">" + code, value).hex()


def of_arrow(scalar):
    """None for null; else the text."""
    if not scalar.is_valid:
        return None
    kind = scalar.type
    if types.is_struct(kind):
        return "{" + ", ".join(f"{field.name}={inside(scalar[i])}" for i, field in enumerate(kind)) + "}"
    if types.is_map(kind):
        return "{" + ", ".join(f"{of_arrow(entry[0])}={inside(entry[1])}" for entry in scalar.values) + "}"
    if types.is_list(kind) or types.is_large_list(kind):
        return "[" + ", ".join(inside(element) for element in scalar.values) + "]"
    if types.is_timestamp(kind):
        micros = scalar.cast(pa.timestamp("us", kind.tz)).cast(pa.int64()).as_py()
        return instant(micros, "Z" if kind.tz else "")
    if types.is_float32(kind):
        return bits(scalar.as_py(), "f")
    if types.is_float64(kind):
        return bits(scalar.as_py(), "d")
    value = scalar.as_py()
    if types.is_boolean(kind):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if types.is_decimal(kind):
        return f"{value:f}"
    return str(value)


def inside(scalar):
    text = of_arrow(scalar)
    return "null" if text is None else text


def rows_of_arrow(table):
    columns = [[of_arrow(scalar) for scalar in column] for column in table.columns]
    return sorted((list(row) for row in zip(*columns)), key=lambda row: int(row[0]))


def of_json(value, kind):
    """Of a value as the record has it. Records of these tests hold times, decimals and base64 in the canonical form."""
    if value is None:
        return None
    if isinstance(kind, dict):
        text = lambda inner, kind: "null" if inner is None else of_json(inner, kind)
        match kind["type"]:
            case "struct":
                fields = (f["name"] + "=" + text(value.get(f["name"]), f["type"]) for f in kind["fields"])
                return "{" + ", ".join(fields) + "}"
            case "array":
                return "[" + ", ".join(text(x, kind["elementType"]) for x in value) + "]"
            case "map":
                return "{" + ", ".join(f"{k}={text(v, kind['valueType'])}" for k, v in value.items()) + "}"
    if kind == "float":
        return bits(float(value), "f")
    if kind == "double":
        return bits(float(value), "d")
    if kind == "boolean":
        return "true" if value else "false"
    return str(value)


def of_kernel(text, kind):
    """Of what ReadTable prints of one column."""
    return of_json(text, kind) if kind in ("float", "double") and text is not None else text
