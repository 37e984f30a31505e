"""Tables that Spark made, one for each table feature: Sluice appends, Spark reads and writes on; or Sluice refuses by name."""

from canonical import rows_of_arrow
from delta.tables import DeltaTable, IdentityGenerator
from pyspark.sql.types import LongType, StringType, StructField, StructType
from tools import Failed, Refused, same

COLUMNS = "v BIGINT, w STRING"


def properties(**given):
    pairs = ", ".join(f"'delta.{name.replace('_', '.')}' = '{value}'" for name, value in given.items())
    return f"TBLPROPERTIES ({pairs})"


def legacy(version, reader=1, **more):
    return {"with": properties(minReaderVersion=reader, minWriterVersion=version, **more)}


# `columns` and `with` make the table; `then` are statements on it once it has rows 1 to 3; `gone` are rows that these delete.
APPENDED = {
    "no feature": {},
    "append only": {"with": properties(appendOnly="true"), "optimize": False},
    "column mapping by name": {
        "with": properties(columnMapping_mode="name"),
        "then": ["ALTER TABLE {t} RENAME COLUMN w TO x", "ALTER TABLE {t} RENAME COLUMN x TO w"],
    },
    "column mapping by name, later": {
        "then": ["ALTER TABLE {t} SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name', "
                 "'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5')",
                 "ALTER TABLE {t} RENAME COLUMN w TO x", "ALTER TABLE {t} RENAME COLUMN x TO w"],
    },
    "column mapping by id": {"with": properties(columnMapping_mode="id")},
    "deletion vectors": {
        "with": properties(enableDeletionVectors="true"), "then": ["DELETE FROM {t} WHERE v = 2"], "gone": [2],
    },
    "type widening": {
        "columns": "v INT, w STRING", "with": properties(enableTypeWidening="true"),
        "then": ["ALTER TABLE {t} ALTER COLUMN v TYPE BIGINT"],
    },
    "timestamp without time zone": {"columns": COLUMNS + ", n TIMESTAMP_NTZ"},
    "row tracking": {"with": properties(enableRowTracking="true"), "row_ids": True},
    "domain metadata": {"with": properties(feature_domainMetadata="supported")},
    "clustering": {"with": "CLUSTER BY (v)"},
    "in-commit timestamps": {"with": properties(enableInCommitTimestamps="true")},
    "in-commit timestamps, later": {"then": ["ALTER TABLE {t} SET TBLPROPERTIES ('delta.enableInCommitTimestamps' = 'true')"]},
    "v2 checkpoints": {"with": properties(checkpointPolicy="v2", checkpointInterval=2)},
    "change data feed": {"with": properties(enableChangeDataFeed="true"), "changes": True},
    "vacuum protocol check": {"with": properties(feature_vacuumProtocolCheck="supported")},
    "all together": {
        "with": "CLUSTER BY (v) " + properties(
            columnMapping_mode="name", enableDeletionVectors="true", enableRowTracking="true", enableTypeWidening="true",
            enableInCommitTimestamps="true", checkpointPolicy="v2", checkpointInterval=3),
        "then": ["DELETE FROM {t} WHERE v = 2"], "gone": [2], "row_ids": True,
    },
    "partitions": {"with": "PARTITIONED BY (w)"},
    "check constraint, dropped": {
        "then": ["ALTER TABLE {t} ADD CONSTRAINT c CHECK (v > 0)", "ALTER TABLE {t} DROP CONSTRAINT c"],
    },
    "default, dropped": {
        "with": properties(feature_allowColumnDefaults="supported"),
        "then": ["ALTER TABLE {t} ALTER COLUMN w SET DEFAULT 'x'", "ALTER TABLE {t} ALTER COLUMN w DROP DEFAULT"],
    },
    **{f"legacy writer version {version}": legacy(version) for version in (2, 3, 4)},
    "legacy writer version 5": legacy(5, reader=2),
    "legacy writer version 5, mapped": legacy(5, reader=2, columnMapping_mode="name"),
    "legacy writer version 6": legacy(6, reader=2),
}

# The feature that the refusal has to name.
REFUSED = {
    "checkConstraints": {"then": ["ALTER TABLE {t} ADD CONSTRAINT c CHECK (v > 0)"]},
    "generatedColumns": {"computed": {"generatedAlwaysAs": "v + 1"}, "insert": "v, w"},
    "identityColumns": {"computed": {"generatedAlwaysAs": IdentityGenerator()}, "insert": "v, w"},
    "allowColumnDefaults": {
        "columns": "v BIGINT, w STRING DEFAULT 'x'", "with": properties(feature_allowColumnDefaults="supported"),
    },
    "invariants": {"invariant": True},
    "icebergCompatV1": {"with": properties(columnMapping_mode="name", enableIcebergCompatV1="true")},
    "icebergCompatV2": {"with": properties(columnMapping_mode="name", enableIcebergCompatV2="true")},
}


def run(tests, tools):
    for name, table in APPENDED.items():
        tests.run(f"append: {name}", appended, tools, "a_" + "".join(c if c.isalnum() else "_" for c in name), table)
    for feature, table in REFUSED.items():
        tests.run(f"refuse: {feature}", refused, tools, "r_" + feature, table)
    tests.run("midstream: ALTER TABLE ADD COLUMN", added_midstream, tools)
    tests.run("midstream: type widening", widened_midstream, tools)
    tests.run("midstream: new column and wider type by Sluice, then Spark", evolved_by_sluice, tools)


class Table:
    def __init__(self, tools, name, table):
        self.tools, self.location = tools, tools.location(name)
        self.sql = f"delta.`{self.location}`"
        columns = table.get("columns", COLUMNS)
        self.names = table.get("insert") or ", ".join(c.split()[0] for c in columns.split(", ") if c.split()[0] in "vw")
        if table.get("invariant"):
            self.create_with_invariant()
        elif "computed" in table:
            # Spark's SQL has no such columns for tables without a catalog.
            builder = DeltaTable.create(tools.spark).location(self.location).addColumns(StructType.fromDDL(COLUMNS))
            builder.addColumn("g", "BIGINT", **table["computed"]).execute()
        else:
            tools.sql(f"CREATE TABLE {self.sql} ({columns}) USING delta {table.get('with', '')}")
        self.insert(1, 2)
        self.insert(3)
        for statement in table.get("then", []):
            tools.sql(statement.format(t=self.sql))

    def create_with_invariant(self):
        invariant = {"delta.invariants": '{"expression":{"expression":"v > 0"}}'}
        schema = StructType([StructField("v", LongType(), True, invariant), StructField("w", StringType())])
        self.tools.spark.createDataFrame([], schema).write.format("delta").save(self.location)

    def insert(self, *numbers):
        rows = ", ".join(f"({v}, 's{v}')" for v in numbers)
        self.tools.sql(f"INSERT INTO {self.sql} ({self.names}) VALUES {rows}")

    def expect(self, *numbers):
        rows = rows_of_arrow(self.tools.sql(f"SELECT v, w FROM {self.sql}").toArrow())
        same("rows by Spark", rows, [[str(v), record(v)["w"]] for v in sorted(numbers)])


def record(v):
    return {"v": v, "w": f"s{v}"}


def appended(tools, name, options):
    table = Table(tools, name, options)
    present = [v for v in (1, 2, 3) if v not in options.get("gone", [])]
    table.expect(*present)
    tools.write(table.location, [[record(10), record(11)], [record(12)]])
    table.expect(*present, 10, 11, 12)
    same("filtered rows", tools.sql(f"SELECT v FROM {table.sql} WHERE v >= 11 AND w < 's12'").collect(), [(11,)])

    table.insert(20)
    if options.get("optimize", True):
        tools.sql(f"OPTIMIZE {table.sql}")
        tools.sql(f"DELETE FROM {table.sql} WHERE v = 12")
    else:
        present.append(12)
    tools.write(table.location, [[record(30)], [record(31)], [record(32)]])
    present += [10, 11, 20, 30, 31, 32]
    table.expect(*present)
    kernel = sorted(int(row[0]) for row in tools.kernel_rows(table.location))
    same("rows by Delta Kernel", kernel, sorted(present))
    if options.get("row_ids"):
        ids = [row[0] for row in tools.sql(f"SELECT _metadata.row_id FROM {table.sql}").collect()]
        if None in ids or len(set(ids)) != len(ids):
            raise Failed(f"row ids {sorted(ids, key=str)}")
    if options.get("changes"):
        feed = tools.spark.read.format("delta").option("readChangeFeed", "true")
        feed = feed.option("startingVersion", 0).load(table.location)
        changes = feed.where("_change_type = 'insert'").select("v")
        same("inserts in the change feed", sorted(row[0] for row in changes.collect()), [1, 2, 3, 10, 11, 12, 20, 30, 31, 32])


def refused(tools, feature, options):
    table = Table(tools, "r_" + feature, options)
    try:
        tools.write(table.location, [[record(10)]])
    except Refused as refusal:
        if feature not in str(refusal):
            raise Failed(f"the refusal does not name {feature}: {refusal}")
        table.expect(1, 2, 3)
        return
    raise Failed("Sluice wrote to it")


MIDSTREAM = {"delta_commit_interval_ms": "600000", "delta_commit_max_records": "4"}


def added_midstream(tools):
    table = Table(tools, "midstream_add", {})
    appender = tools.start(table.location, **MIDSTREAM)
    appender.take([record(10), record(11)])
    tools.sql(f"ALTER TABLE {table.sql} ADD COLUMNS (x INT, st STRUCT<a: STRING>)")
    appender.commit([record(12), record(13)])
    appender.commit([record(v) | {"x": v, "st": {"a": "é"}} for v in (14, 15, 16, 17)])
    appender.close()
    table.expect(1, 2, 3, *range(10, 18))
    rows = tools.sql(f"SELECT v, x, st.a FROM {table.sql} WHERE v > 11 ORDER BY v").collect()
    same("new columns", rows, [(12, None, None), (13, None, None)] + [(v, v, "é") for v in (14, 15, 16, 17)])


def widened_midstream(tools):
    options = {"columns": "v INT, w STRING", "with": properties(enableTypeWidening="true")}
    table = Table(tools, "midstream_widen", options)
    appender = tools.start(table.location, **MIDSTREAM)
    appender.take([record(10), record(11)])
    tools.sql(f"ALTER TABLE {table.sql} ALTER COLUMN v TYPE BIGINT")
    appender.commit([record(12), record(13)])
    large = [2**40 + n for n in range(4)]
    appender.commit([record(v) for v in large])
    appender.close()
    table.expect(1, 2, 3, 10, 11, 12, 13, *large)
    same("filtered", tools.sql(f"SELECT v FROM {table.sql} WHERE v > 1099511627778").collect(), [(2**40 + 3,)])


def evolved_by_sluice(tools):
    options = {"columns": "v INT, w STRING", "with": properties(enableTypeWidening="true")}
    table = Table(tools, "evolved", options)
    rows = [record(10), record(2**40) | {"new": {"a": [1, 2]}}]
    tools.write(table.location, [rows], delta_schema_evolution="widen")
    table.expect(1, 2, 3, 10, 2**40)
    same("new column", tools.sql(f"SELECT new.a[1] FROM {table.sql} WHERE v > 10").collect(), [(2,)])
    tools.sql(f"INSERT INTO {table.sql} (v, w, new) VALUES (20, 's20', named_struct('a', array(3L)))")
    tools.sql(f"OPTIMIZE {table.sql}")
    tools.write(table.location, [[record(30)]])
    table.expect(1, 2, 3, 10, 2**40, 20, 30)
