"""Tables that Sluice made, read by Spark, delta-rs and Delta Kernel for Java: the same values, with and without skipping."""

import predicates
import values
from canonical import of_kernel, rows_of_arrow
from tools import same

# Partitioned or not, mapped or not; the records are the same.
TABLES = {
    "plain": {},
    "mapped by name": {"properties": "delta.columnMapping.mode=name"},
    "mapped by id": {"properties": "delta.columnMapping.mode=id"},
    "mapped and partitioned": {"properties": "delta.columnMapping.mode=name", "by": "key"},
    "with features": {
        "properties": "delta.columnMapping.mode=id; delta.enableDeletionVectors=true; delta.enableRowTracking=true; "
        "delta.enableInCommitTimestamps=true; delta.checkpointPolicy=v2; delta.checkpointInterval=2",
    },
    "by string": {"by": "key"},
    "by date": {"by": "dt"},
    "by timestamp": {"by": "ts"},
    "by timestamp_ntz": {"by": "ntz"},
    "by decimal": {"by": "dec38"},
    "by boolean": {"by": "bool"},
    "by long and double": {"by": "l, d"},
}
FLOATS = {f["name"]: n for n, f in enumerate(values.FIELDS) if f["type"] in ("float", "double")}


def run(tests, tools):
    rows = values.records()
    for name, table in TABLES.items():
        location = tools.location(name.replace(" ", "_"))
        partitions = table.get("by", "").replace(" ", "").split(",")
        wanted = values.expected([as_partitioned(row, partitions) for row in rows])
        tests.run(f"write: {name}", write, tools, location, table, rows)
        everything = name == "plain"
        tests.run(f"Spark: {name}", by_spark, tools, location, wanted, partitions, everything)
        tests.run(f"delta-rs: {name}", by_deltars, tools, location, wanted, partitions)
        tests.run(f"Delta Kernel: {name}", by_kernel, tools, location, wanted, partitions)


def as_partitioned(row, partitions):
    """Delta's partition values have no empty text: it is null. -0.0 and 0.0 are one partition."""
    in_value = {"": None, 0.0: 0.0}
    return {
        name: in_value.get(value, value) if name in partitions and isinstance(value, (str, float)) else value
        for name, value in row.items()
    }


def write(tools, location, table, rows):
    units = [rows[n : n + values.ROWS_PER_FILE] for n in range(0, len(rows), values.ROWS_PER_FILE)]
    settings = {"delta_schema_json": values.SCHEMA, "delta_table_auto_create": "true"}
    if "properties" in table:
        settings["delta_table_properties"] = table["properties"]
    if "by" in table:
        settings["delta_partition_by"] = table["by"]
    tools.write(location, units, **settings)


def by_spark(tools, location, wanted, partitions, everything):
    table = f"delta.`{location}`"
    names = ", ".join(f"`{field['name']}`" for field in values.FIELDS)
    same("values", rows_of_arrow(tools.sql(f"SELECT {names} FROM {table}").toArrow()), wanted)

    files = len(tools.sql(f"SELECT * FROM {table}").inputFiles())
    if not len(tools.sql(f"SELECT * FROM {table} WHERE id = 3").inputFiles()) < files:
        raise AssertionError("a condition on id skips nothing")

    wanted_column = lambda name: everything or name == "id" or name in partitions
    conditions = list(predicates.few(wanted_column))
    flags = tools.sql("SELECT id, " + ", ".join(f"({c}) AS c{n}" for n, c in enumerate(conditions)) + f" FROM {table}").toArrow()
    flags = flags.to_pydict()
    without = [sorted(i for i, flag in zip(flags["id"], flags[f"c{n}"]) if flag) for n in range(len(conditions))]
    with_skipping = [[] for _ in conditions]
    for start in range(0, len(conditions), 25):
        parts = enumerate(conditions[start : start + 25], start)
        union = " UNION ALL ".join(f"SELECT {n} AS n, id FROM {table} WHERE {c}" for n, c in parts)
        for n, i in tools.sql(union).collect():
            with_skipping[n].append(i)
    found = [[condition, sorted(ids)] for condition, ids in zip(conditions, with_skipping)]
    same("filtered", found, [list(pair) for pair in zip(conditions, without)])


def by_deltars(tools, location, wanted, partitions):
    # delta-rs tells -0.0 from 0.0 where it picks partitions, in its own tables too, and nowhere else.
    zeros = [f'"{name}" = CAST(\'-0.0\' AS {kind})' for name, kind in (("f", "FLOAT"), ("d", "DOUBLE")) if name in partitions]
    read = tools.deltars(location, [condition for condition in predicates.many() if condition not in zeros])
    order = [read["names"].index(field["name"]) for field in values.FIELDS]
    same("values", [[row[n] for n in order] for row in read["rows"]], wanted)
    # delta-rs misses NaN in its own tables too: Parquet's bounds pass over it, and it trusts them.
    nan = {name: {row[0] for row in wanted if row[FLOATS[name]] == "NaN"} for name in FLOATS}
    found, right = [], []
    for condition, (without, by_filter) in read["ids"].items():
        unsure = nan.get(condition.split('"')[1], set())
        found.append([condition, [i for i in by_filter if str(i) not in unsure]])
        right.append([condition, [i for i in without if str(i) not in unsure]])
    same("filtered", found, right)


def by_kernel(tools, location, wanted, partitions):
    if "ts" in partitions:
        # Delta Kernel 4.0.0 cuts partition values in ISO 8601, which Spark writes too, to milliseconds.
        ts = [field["name"] for field in values.FIELDS].index("ts")
        wanted = [row[:ts] + [milliseconds(row[ts])] + row[ts + 1 :] for row in wanted]
    kinds = [field["type"] for field in values.FIELDS]
    rows = [[of_kernel(text, kind) for text, kind in zip(row, kinds)] for row in tools.kernel_rows(location)]
    same("values", sorted(rows, key=lambda row: int(row[0])), wanted)


def milliseconds(time):
    if time is None or "." not in time:
        return time
    seconds, fraction = time.rstrip("Z").split(".")
    return seconds + ("" if fraction[:3] == "000" else "." + fraction[:3]) + "Z"
