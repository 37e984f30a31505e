"""Makes vectors.json and the descriptor sets from the .proto files here, with Protobuf's own compiler and library.

    pip install -r requirements.txt
    python make.py

Each vector is a message as bytes, and the row that docs/protobuf.md says it becomes; the row is made from what the library
reads from those bytes, so that merging, defaults, presence and order are the library's and not Sluice's. A row that is
null is a message that the library refuses. Values are written as rust/core/src/decode/protobuf/vectors.rs reads them:
bytes in hexadecimal, maps as sorted lists of pairs, timestamps in microseconds, dates in days, decimals as text.
"""

import datetime
import decimal
import json
import math
import pathlib
import random
import struct
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import DecodeError
import google.type
import grpc_tools
from grpc_tools import protoc

HERE = pathlib.Path(__file__).parent
MESSAGES = {
    "two.proto": ["vectors.two.Two"],
    "three.proto": ["vectors.three.Three", "vectors.three.Known", "vectors.three.Outer"],
    "edition.proto": ["vectors.edition.Edition"],
    "latest.proto": ["vectors.latest.Latest"],
    "imports.proto": [],
}
WRAPPERS = {f"google.protobuf.{kind}Value" for kind in
            ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")}
JSON = {"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"}
EPOCH = datetime.date(1970, 1, 1)
PARTS = 4


def compile_set(file):
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    googleapis = pathlib.Path(list(google.type.__path__)[0]).parent.parent
    out = HERE / file.replace(".proto", ".set")
    code = protoc.main(["protoc", f"-I{HERE}", f"-I{well_known}", f"-I{googleapis}", "--include_imports",
                        f"--descriptor_set_out={out}", str(HERE / file)])
    assert code == 0, file
    return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())


# What a row has.

def real_oneofs(descriptor):
    def synthetic(oneof):
        return [field.name for field in oneof.fields] == [oneof.name.removeprefix("_")] and oneof.name.startswith("_")
    return [oneof for oneof in descriptor.oneofs if not synthetic(oneof)]


def row(message):
    descriptor, out, members = message.DESCRIPTOR, {}, set()
    for index, oneof in enumerate(real_oneofs(descriptor)):
        members.update(field.number for field in oneof.fields)
        given = message.WhichOneof(oneof.name)
        out[f"{oneof.name}_{index}"] = given and {
            field.name: single(field, getattr(message, field.name)) if field.name == given else None
            for field in oneof.fields}
    for field in descriptor.fields:
        if field.number not in members:
            out[field.name] = value(message, field)
    return out


def is_map(field):
    return field.type == Field.TYPE_MESSAGE and field.message_type.GetOptions().map_entry


def value(message, field):
    given = getattr(message, field.name)
    if is_map(field):
        key, inner = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
        pairs = [[single(key, k), single(inner, given[k])] for k in given]
        return sorted(pairs, key=lambda pair: json.dumps(pair[0], ensure_ascii=False))
    if field.is_repeated:
        return [single(field, element) for element in given]
    if field.has_presence and not message.HasField(field.name):
        return None
    return single(field, given)


def single(field, given):
    if field.type in (Field.TYPE_MESSAGE, Field.TYPE_GROUP):
        return known(field, given)
    if field.type == Field.TYPE_ENUM:
        found = field.enum_type.values_by_number.get(given)
        return found.name if found else f"UNKNOWN_ENUM_VALUE_{field.enum_type.name}_{given}"
    if field.type == Field.TYPE_BYTES:
        return given.hex()
    if isinstance(given, float) and math.isfinite(given):
        # As text: not every reader of JSON reads all digits.
        return {"$double": repr(given)}
    if isinstance(given, float):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(given, "NaN")
    return given


def known(field, message):
    name = message.DESCRIPTOR.full_name
    if name == "google.protobuf.Timestamp":
        return message.seconds * 1_000_000 + message.nanos // 1000
    if name == "google.type.Date":
        return (datetime.date(message.year, message.month, message.day) - EPOCH).days
    if name == "google.type.TimeOfDay":
        return ((message.hours * 60 + message.minutes) * 60 + message.seconds) * 1000 + message.nanos // 1_000_000
    if name == "confluent.type.Decimal":
        unscaled = decimal.Decimal(int.from_bytes(message.value, "big", signed=True))
        return f"{unscaled.scaleb(-message.scale):.3f}"
    if name in WRAPPERS:
        return single(message.DESCRIPTOR.fields_by_name["value"], message.value)
    if name in JSON:
        return {"$json": whole(json_format.MessageToDict(message))}
    if name == "google.protobuf.Empty":
        return True
    return row(message)


def whole(given):
    if isinstance(given, dict):
        return {key: whole(inner) for key, inner in given.items()}
    if isinstance(given, list):
        return [whole(inner) for inner in given]
    if isinstance(given, float) and given == int(given):
        return int(given)
    return given


# What messages hold.

def number(rng, low, high):
    return rng.choice([0, 1, low, high, rng.randint(low, high), max(low, -1), rng.randint(max(low, -300), 300)])


def fill_scalar(rng, field):
    kind = field.type
    if kind in (Field.TYPE_INT32, Field.TYPE_SINT32, Field.TYPE_SFIXED32):
        small = field.name == "small"
        return number(rng, -128, 127) if small else number(rng, -2**31, 2**31 - 1)
    if kind in (Field.TYPE_INT64, Field.TYPE_SINT64, Field.TYPE_SFIXED64):
        return number(rng, -2**63, 2**63 - 1)
    if kind in (Field.TYPE_UINT32, Field.TYPE_FIXED32):
        return number(rng, 0, 2**32 - 1)
    if kind in (Field.TYPE_UINT64, Field.TYPE_FIXED64):
        return number(rng, 0, 2**63 - 1)
    if kind == Field.TYPE_BOOL:
        return rng.random() < 0.5
    if kind == Field.TYPE_FLOAT:
        exact = struct.unpack("f", struct.pack("f", rng.uniform(-1e6, 1e6)))[0]
        return rng.choice([0.0, -0.0, 0.5, math.inf, -math.inf, math.nan, exact])
    if kind == Field.TYPE_DOUBLE:
        return rng.choice([0.0, -0.0, 0.1, math.inf, math.nan, rng.uniform(-1e300, 1e300)])
    if kind == Field.TYPE_STRING:
        return rng.choice(["", "a", "größe", "日本語 \"\\\n", "x" * rng.randint(0, 40)])
    if kind == Field.TYPE_BYTES:
        return rng.randbytes(rng.randint(0, 12))
    values = [found.number for found in field.enum_type.values]
    return rng.choice(values if field.enum_type.is_closed else values + [77])


def fill_json(rng, value, depth=0):
    kind = rng.randrange(6 if depth < 3 else 4)
    if kind == 0:
        value.null_value = 0
    elif kind == 1:
        value.number_value = rng.choice([0, -1, 1.5, 1e15, 123456, 1e-7])
    elif kind == 2:
        value.string_value = rng.choice(["", "é\u2028", "\"quoted\" \\ \u0001\n", "plain"])
    elif kind == 3:
        value.bool_value = rng.random() < 0.5
    elif kind == 4:
        value.struct_value.SetInParent()
        for key in rng.sample(["a", "b", "c\"", ""], rng.randint(0, 3)):
            fill_json(rng, value.struct_value.fields[key], depth + 1)
    else:
        value.list_value.SetInParent()
        for _ in range(rng.randint(0, 3)):
            fill_json(rng, value.list_value.values.add(), depth + 1)


def fill_message(rng, message, share):
    name = message.DESCRIPTOR.full_name
    if name == "google.protobuf.Timestamp":
        message.seconds = rng.choice([0, -1, 1_700_000_000, -62_135_596_800, 253_402_300_799])
        message.nanos = rng.choice([0, 1000, 999_999_000])
    elif name == "google.protobuf.Duration":
        message.seconds, message.nanos = rng.choice([(0, 0), (5, 1), (-5, -999_999_999), (315_576_000_000, 7)])
    elif name == "google.type.Date":
        message.year, message.month, message.day = rng.choice([(1, 1, 1), (9999, 12, 31), (2024, 2, 29)])
    elif name == "google.type.TimeOfDay":
        message.hours, message.minutes, message.seconds = rng.choice([(0, 0, 0), (23, 59, 59), (7, 0, 9)])
        message.nanos = rng.choice([0, 1_000_000, 999_000_000])
    elif name == "confluent.type.Decimal":
        unscaled, message.scale = rng.choice([(0, 0), (-1, 3), (12345678, 3), (-99, 1), (5, -2)])
        message.value = unscaled.to_bytes(8, "big", signed=True)
        message.precision = 12
    elif name in JSON:
        holder = message_factory.GetMessageClass(VALUE)()
        fill_json(rng, holder)
        if name == "google.protobuf.Value":
            message.CopyFrom(holder)
        elif name == "google.protobuf.Struct":
            message.fields["k"].CopyFrom(holder)
        else:
            message.values.add().CopyFrom(holder)
    else:
        fill(rng, message, share)


def fill(rng, message, share):
    for field in message.DESCRIPTOR.fields:
        if not field.is_required and rng.random() > share:
            continue
        given = getattr(message, field.name)
        if is_map(field):
            inner = field.message_type.fields_by_name["value"]
            for _ in range(rng.randint(0, 3)):
                key = fill_scalar(rng, field.message_type.fields_by_name["key"])
                if inner.message_type:
                    fill_message(rng, given[key], share / 2)
                else:
                    given[key] = fill_scalar(rng, inner)
        elif field.is_repeated:
            for _ in range(rng.randint(0, 4)):
                if field.message_type:
                    fill_message(rng, given.add(), share / 2)
                else:
                    given.append(fill_scalar(rng, field))
        elif field.message_type:
            given.SetInParent()
            fill_message(rng, given, share / 2)
        else:
            setattr(message, field.name, fill_scalar(rng, field))


# What becomes of their bytes.

def varint(bytes_, at):
    result = shift = 0
    while True:
        byte = bytes_[at]
        result |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return result, at


def fields_of(bytes_):
    """The encoded fields, tags included."""
    def end_of(at):
        tag, at = varint(bytes_, at)
        if tag & 7 == 0:
            return varint(bytes_, at)[1]
        if tag & 7 == 1:
            return at + 8
        if tag & 7 == 5:
            return at + 4
        if tag & 7 == 2:
            length, at = varint(bytes_, at)
            return at + length
        while varint(bytes_, at)[0] != (tag & ~7 | 4):
            at = end_of(at)
        return varint(bytes_, at)[1]
    at, out = 0, []
    while at < len(bytes_):
        end = end_of(at)
        out.append(bytes_[at:end])
        at = end
    return out


def variants(rng, one, two):
    yield "plain", one
    parts = fields_of(one)
    rng.shuffle(parts)
    yield "shuffled", b"".join(parts)
    # Messages are merged, of scalars and in oneofs the last one counts.
    yield "merged", one + two
    parts = fields_of(one + two + one)
    rng.shuffle(parts)
    yield "merged and shuffled", b"".join(parts)
    yield "cut", one[:rng.randint(0, len(one))]
    # A field that no schema here has, and an enum's value that its schema has not.
    yield "unknown", b"\xf8\xfa\x01\x07" + one


def main():
    global VALUE
    vectors = []
    for file, names in MESSAGES.items():
        pool = descriptor_pool.DescriptorPool()
        for proto in compile_set(file).file:
            pool.Add(proto)
        if file == "three.proto":
            VALUE = pool.FindMessageTypeByName("google.protobuf.Value")
        for name in names:
            make = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
            for case in range(10):
                rng = random.Random(f"{name} {case}")
                share = [0.0, 1.0, 0.5, 0.25][case % 4]
                messages = []
                for _ in range(2):
                    message = make()
                    fill(rng, message, share)
                    messages.append(message.SerializeToString(deterministic=True))
                for variant, encoded in variants(rng, *messages):
                    read = make()
                    try:
                        read.ParseFromString(encoded)
                        refused = not read.IsInitialized()
                    except DecodeError:
                        refused = True
                    vectors.append({"file": file, "message": name, "case": f"{case} {variant}",
                                    "bytes": encoded.hex(), "row": None if refused else row(read)})
    lines = ",\n".join(json.dumps(vector, ensure_ascii=False, sort_keys=True) for vector in vectors)
    (HERE / "vectors.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
