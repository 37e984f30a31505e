"""Tables that Spark made and writes to, kept by `sluice maintain` and by tasks that merge: no reader sees another row for it."""

import os
import signal
import threading
import time
from pathlib import Path

from canonical import rows_of_arrow
from pyarrow import parquet
from tools import Failed, same
from writers_test import properties

COLUMNS = "v BIGINT, w STRING"
FEATURES = properties(
    columnMapping_mode="name", enableDeletionVectors="true", enableRowTracking="true", enableTypeWidening="true",
    enableInCommitTimestamps="true", checkpointPolicy="v2", enableChangeDataFeed="true")
TEXTS = "array('', ' ', ' x ', '%', '%20', '1:2', 'A=B', 'a/b', 'a\\\\\\\\b', 'it', 'q?#', '{[*]}', 'é', '😀', NULL)"

# Each is filled with rows 0 to 59 by five inserts of two files each. `then` are statements after the third insert, `last` after all;
# `tracked` tables keep the ids of rows. delta-rs does not read tables with type widening.
TABLES = {
    "no feature": {},
    "deletion vectors": {
        "with": properties(enableDeletionVectors="true"),
        "last": ["DELETE FROM {t} WHERE v % 7 = 3", "DELETE FROM {t} WHERE v = 20"],
    },
    "column mapping": {
        "with": properties(columnMapping_mode="name"),
        "then": ["ALTER TABLE {t} RENAME COLUMN w TO x", "ALTER TABLE {t} RENAME COLUMN x TO w",
                 "ALTER TABLE {t} ADD COLUMNS (st STRUCT<a: BIGINT, `b c`: STRING>)"],
        "last": ["UPDATE {t} SET st = named_struct('a', v, 'b c', w) WHERE v > 50", "ALTER TABLE {t} RENAME COLUMN st.a TO z"],
    },
    "row tracking": {
        "with": properties(enableRowTracking="true", enableDeletionVectors="true"), "tracked": True,
        "last": ["UPDATE {t} SET w = 'updated' WHERE v % 10 = 4", "DELETE FROM {t} WHERE v % 7 = 3"],
    },
    "row tracking, without deletion vectors": {
        "with": properties(enableRowTracking="true", enableDeletionVectors="false"), "tracked": True,
        "last": ["UPDATE {t} SET w = 'updated' WHERE v % 10 = 4"],
    },
    "partitions with texts": {
        "columns": "v BIGINT, w STRING, p STRING", "with": "PARTITIONED BY (p)",
        "select": f"id, concat('s', id), element_at({TEXTS}, cast(1 + id % 15 AS INT))",
    },
    "partitions with times": {
        "columns": "v BIGINT, w STRING, d DATE, ts TIMESTAMP, n DECIMAL(10, 2)", "with": "PARTITIONED BY (d, ts, n)",
        "select": "id, concat('s', id), date_add(DATE '1582-10-14', cast(id % 3 AS INT)), "
                  "timestamp_micros(1700000000123000 + 1000 * (id % 2)), CAST(id % 2 AS DECIMAL(10, 2)) / 4",
    },
    "type widening": {
        "columns": "v INT, w STRING, s SMALLINT, f FLOAT",
        "select": "cast(id AS INT), concat('s', id), cast(id AS SMALLINT), cast(id AS FLOAT) / 3",
        "with": properties(enableTypeWidening="true"),
        "then": ["ALTER TABLE {t} ALTER COLUMN v TYPE BIGINT", "ALTER TABLE {t} ALTER COLUMN s TYPE INT",
                 "ALTER TABLE {t} ALTER COLUMN f TYPE DOUBLE"],
    },
    "clustering": {"with": "CLUSTER BY (v)"},
    "all together": {
        "columns": "v INT, w STRING, p STRING", "with": "PARTITIONED BY (p) " + FEATURES, "tracked": True,
        "select": f"cast(id AS INT), concat('s', id), element_at({TEXTS}, cast(1 + id % 4 AS INT))",
        "then": ["ALTER TABLE {t} ALTER COLUMN v TYPE BIGINT", "ALTER TABLE {t} RENAME COLUMN w TO x",
                 "ALTER TABLE {t} RENAME COLUMN x TO w"],
        "last": ["UPDATE {t} SET w = 'updated' WHERE v % 10 = 4", "DELETE FROM {t} WHERE v % 7 = 3"],
    },
}
MERGE = ("--compact", "--all-partitions", "--min-files", "2")
KEEP_LOG = ("--checkpoint", "--checksum", "--compact-log")


def run(tests, tools):
    for name, table in TABLES.items():
        tests.run(f"upkeep: {name}", kept, tools, "u_" + "".join(c if c.isalnum() else "_" for c in name), table)
    for policy in ("classic", "v2"):
        tests.run(f"upkeep of the log: {policy} checkpoints", log_kept, tools, "log_" + policy, policy)
    for first in ("Spark", "Sluice"):
        for statement in ("OPTIMIZE", "DELETE"):
            name = f"upkeep race: {statement} by Spark, {first} first"
            tests.run(name, raced, tools, f"race_{statement}_{first}".lower(), statement, first == "Spark")
    tests.run("upkeep beside VACUUM by Spark", beside_vacuum, tools)


class Table:
    def __init__(self, tools, name, options):
        self.tools, self.location, self.options = tools, tools.location(name), options
        self.sql = f"delta.`{self.location}`"
        columns = options.get("columns", COLUMNS)
        tools.sql(f"CREATE TABLE {self.sql} ({columns}) USING delta {options.get('with', '')}")

    def insert(self, start, end):
        """Into two files."""
        select = self.options.get("select", "id, concat('s', id)")
        names = ", ".join(column.split()[0] for column in self.options.get("columns", COLUMNS).split(", ")
                          if column[0].islower())
        rows = f"SELECT /*+ REPARTITION(2) */ {select} FROM range({start}, {end})"
        self.tools.sql(f"INSERT INTO {self.sql} ({names}) {rows}")

    def run(self, *statements):
        for statement in statements:
            self.tools.sql(statement.format(t=self.sql))

    def fill(self):
        for number in range(5):
            self.insert(12 * number, 12 * number + 12)
            if number == 2:
                self.run(*self.options.get("then", []))
        self.run(*self.options.get("last", []))

    def maintain(self, *options):
        return self.tools.maintain(self.location, *options)

    def snapshot(self):
        """What Spark makes of the log when it has nothing of it in memory."""
        self.tools.spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
        return self.latest()

    def latest(self):
        log = self.tools.spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(self.tools.spark._jsparkSession, self.location)
        return log.update(False, self.none(), self.none())

    def none(self):
        return self.tools.spark._jvm.scala.Option.empty()

    def rows(self, more=""):
        return rows_of_arrow(self.tools.sql(f"SELECT *{more} FROM {self.sql}").toArrow())

    def rows_with_ids(self):
        """With what Spark knows of the rows' past, where it keeps that."""
        tracked = self.options.get("tracked")
        return self.rows(", _metadata.row_id, _metadata.row_commit_version" if tracked else "")

    def files(self):
        return len(self.tools.sql(f"SELECT * FROM {self.sql}").inputFiles())

    def operations(self):
        """The newest first."""
        return [row[0] for row in self.tools.sql(f"DESCRIBE HISTORY {self.sql}").select("operation").collect()]

    def others(self):
        """Rows by Delta Kernel, and by delta-rs."""
        kernel = sorted(self.tools.kernel_rows(self.location), key=lambda row: int(row[0]))
        is_widened = "TypeWidening" in self.options.get("with", "")
        return kernel, None if is_widened else self.tools.deltars(self.location)["rows"]


def kept(tools, name, options):
    table = Table(tools, name, options)
    table.fill()
    before, files, others = table.rows_with_ids(), table.files(), table.others()
    merged = table.maintain(*MERGE, *KEEP_LOG)
    validate(table)
    same("rows by Spark", table.rows_with_ids(), before)
    same("rows by others", table.others(), others)
    if not table.files() < files:
        raise Failed(f"{files} files before, {table.files()} after: {merged}")
    same("the newest commit", table.operations()[0], "OPTIMIZE")

    # All go on, and once more.
    table.insert(60, 66)
    table.run("DELETE FROM {t} WHERE v = 40 OR v = 61")
    tools.write(table.location, [[{"v": 70, "w": "s70"}], [{"v": 71, "w": "s71"}]])
    before, others = table.rows_with_ids(), table.others()
    table.maintain(*MERGE, *KEEP_LOG)
    validate(table)
    same("rows by Spark, then", table.rows_with_ids(), before)
    same("rows by others, then", table.others(), others)
    table.run("OPTIMIZE {t}", "UPDATE {t} SET w = 'again' WHERE v = 5")
    ids = [row[0] for row in before]
    same("rows in the end", [row[0] for row in table.rows()], ids)


def validate(table):
    """Spark opens the table from its log alone, and its state is what the checksum file says."""
    snapshot = table.snapshot()
    jvm = table.tools.spark._jvm
    if not snapshot.checksumOpt().isDefined():
        raise Failed(f"Spark knows no checksum of version {snapshot.version()}")
    empty = getattr(getattr(jvm.scala.collection.immutable, "Map$"), "MODULE$").empty()
    if not snapshot.validateChecksum(empty):
        raise Failed(f"Spark does not validate the checksum of version {snapshot.version()}")


def segment(snapshot):
    """What Spark read: the checkpoint's version, and the names of what comes after it."""
    files = snapshot.logSegment().deltas()
    names = [files.apply(at).getPath().getName() for at in range(files.size())]
    return snapshot.logSegment().checkpointProvider().version(), names


def log_kept(tools, name, policy):
    with_properties = properties(checkpointPolicy=policy, checkpointInterval=1000)
    table = Table(tools, name, {"with": with_properties})
    for v in range(24):
        table.insert(v, v + 1)
    before, others = table.rows(), table.others()
    table.maintain("--compact-log", "--checksum")
    validate(table)
    checkpoint, names = segment(table.latest())
    if checkpoint != -1 or not any(name.endswith(".compacted.json") for name in names):
        raise Failed(f"Spark passes over what was compacted: checkpoint {checkpoint}, {names}")
    same("rows of compacted commits", (table.rows(), table.others()), (before, others))

    table.maintain("--checkpoint")
    table.insert(24, 25)
    before, others = table.rows(), table.others()
    # So that nobody can do without.
    log = Path(table.location) / "_delta_log"
    for file in log.iterdir():
        if file.name.endswith(".json") and not ".checkpoint." in file.name and int(file.name.split(".")[0]) < 20:
            file.unlink()
    checkpoint, names = segment(table.snapshot())
    same("what Spark reads", (checkpoint, names), (24, [f"{25:020}.json"]))
    same("rows of a checkpoint", (table.rows(), table.others()), (before, others))
    columns = parquet.read_schema(log / f"{24:020}.checkpoint.parquet").names
    same("a V2 checkpoint", "checkpointMetadata" in columns, policy == "v2")
    table.run("DELETE FROM {t} WHERE v = 3")
    tools.write(table.location, [[{"v": 30, "w": "s30"}]])
    same("rows in the end", [row[0] for row in table.rows()], [str(v) for v in range(25) if v != 3] + ["30"])


# Of an insert, so that rewriting its files takes a while; and bytes a second at which `sluice maintain` takes one.
ROWS = 40_000
RATE = 2_000_000
STATEMENTS = {"OPTIMIZE": "OPTIMIZE {t}", "DELETE": f"DELETE FROM {{t}} WHERE v < {ROWS} AND v % 1000 = 7"}


def raced(tools, name, statement, spark_first):
    """One has read the table's files when the other one commits."""
    table = Table(tools, name, {"select": "id, concat(uuid(), uuid())"})
    for number in range(5):
        table.insert(ROWS * number, ROWS * (number + 1))
    whole, left = sums(table), sums(table, f"WHERE NOT (v < {ROWS} AND v % 1000 = 7)")
    statement, files = STATEMENTS[statement], data_files(table)
    if spark_first:
        maintain = tools.start_maintain(table.location, *MERGE, "--max-bytes-per-second", str(RATE))
        held_once_it_writes(maintain.pid, table, files, lambda: table.run(statement))
        said, refused = tools.end_maintain(maintain), None
        print(f"      {said.splitlines()[-3:]}", flush=True)
    else:
        spark = InBackground(lambda: table.run(statement))
        jvm = tools.spark.sparkContext._gateway.proc.pid
        held_once_it_writes(jvm, table, files, lambda: table.maintain(*MERGE))
        refused = spark.end()
        if refused and "CONCURRENT" not in refused.upper():
            raise Failed(f"Spark failed: {refused}")
    took_effect = "DELETE" in statement and not refused
    same("rows", sums(table), left if took_effect else whole)
    same("rows by delta-rs", len(tools.deltars(table.location)["rows"]), sums(table)[0])
    print(f"      {table.operations()[:3]}, Spark {'was refused' if refused else 'was not refused'}", flush=True)


def sums(table, condition=""):
    """Rows, different ones, and sums over their values."""
    columns = "COUNT(*), COUNT(DISTINCT v), SUM(v), SUM(xxhash64(w) % 1000000)"
    return tuple(table.tools.sql(f"SELECT {columns} FROM {table.sql} {condition}").collect()[0])


def data_files(table):
    return {entry.name for entry in os.scandir(table.location) if entry.name.endswith(".parquet")}


def removals(table):
    """Versions that take files away."""
    commits = Path(table.location, "_delta_log").glob("*[0-9].json")
    return {commit.name for commit in commits if '{"remove":' in commit.read_text()}


def held_once_it_writes(process, table, files, meanwhile):
    """Holds the process between the first data file that it writes and its commit."""
    before, deadline = removals(table), time.monotonic() + 60
    while data_files(table) <= files:
        if time.monotonic() > deadline:
            raise Failed("it writes no file")
        time.sleep(0.002)
    os.kill(process, signal.SIGSTOP)
    try:
        same("commits that remove when it was held", removals(table), before)
        meanwhile()
    finally:
        os.kill(process, signal.SIGCONT)


class InBackground:
    def __init__(self, work):
        self.failure, self.work = None, work
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            self.work()
        except Exception as e:
            self.failure = str(e)

    def end(self):
        """What it failed with, if it did."""
        self.thread.join(300)
        if self.thread.is_alive():
            raise Failed("it does not end")
        return self.failure


# Longer than anybody here has a file that no commit knows yet, and no longer than the test.
RETENTION_SECONDS = 15
COMPACTING = {
    "delta_compaction_enabled": "true", "delta_compaction_scope": "all", "delta_compaction_interval_ms": "1000",
    "delta_compaction_min_files": "3",
}


def beside_vacuum(tools):
    table = Table(tools, "beside_vacuum", {"with": properties(checkpointInterval=10)})
    tools.spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    ended, vacuumed = threading.Event(), []

    def vacuum():
        while not ended.wait(1):
            vacuumed.append(table.run(f"VACUUM {{t}} RETAIN {RETENTION_SECONDS / 3600:.6f} HOURS"))

    def maintain():
        while not ended.wait(2):
            table.maintain(*MERGE, *KEEP_LOG)

    appender = tools.start(table.location, **COMPACTING)
    others = [InBackground(vacuum), InBackground(maintain)]
    start, committed, ever = time.monotonic(), 0, set()
    # VACUUM takes Spark a second, or twenty.
    while time.monotonic() - start < 3 * RETENTION_SECONDS or (len(vacuumed) < 3 and time.monotonic() - start < 300):
        appender.commit([{"v": v, "w": f"s{v}"} for v in range(committed, committed + 5)])
        committed += 5
        ever |= data_files(table)
    appender.close()
    ended.set()
    same("failures", [other.end() for other in others], [None, None])
    same("rows by Spark", table.rows(), [[str(v), f"s{v}"] for v in range(committed)])
    same("rows by Delta Kernel", len(tools.kernel_rows(table.location)), committed)
    left, merged = data_files(table), table.operations().count("OPTIMIZE")
    print(f"      {committed} rows, {len(ever)} files, {len(left)} left, {merged} merges, {len(vacuumed)} times VACUUM", flush=True)
    if not (len(left) < len(ever) / 2 and merged > 1 and len(vacuumed) > 2):
        raise Failed("too little was merged or vacuumed to say anything")
