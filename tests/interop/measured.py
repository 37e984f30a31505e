"""What opening and asking a table of `small-files` takes an engine, in a process of its own, for `cargo xtask bench --upkeep`:

`measured.py ENGINE TABLE QUERIES.json WARM --work FOLDER --ivy FOLDER [--all]`. ENGINE is spark or delta-rs; QUERIES.json is what
`small-files` printed; WARM is a small table of its, by which the engine gets going. Prints one JSON object on the last line. tests/tools/MeasureTable.java does the same with Delta Kernel.
"""

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=["spark", "delta-rs"])
    parser.add_argument("table")
    parser.add_argument("queries")
    parser.add_argument("warm")
    parser.add_argument("--work", required=True)
    parser.add_argument("--ivy", required=True)
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    queries = json.loads(Path(options.queries).read_text())
    conditions = {
        "day": f"day = DATE '{queries['day']}' AND kind = '{queries['kind']}'",
        "range": f"id >= {queries['from']} AND id < {queries['to']}",
    }
    if options.all:
        conditions["all"] = "TRUE"
    engine = Spark(options) if options.engine == "spark" else DeltaRs()
    told = {"seconds": {}, "found": {}}

    def timed(what, work, *args):
        start = time.monotonic()
        done = work(*args)
        told["seconds"][what] = time.monotonic() - start
        return done

    sums = "SELECT COUNT(*), SUM(id), SUM(amount) FROM t WHERE "
    engine.open(options.warm)
    for condition in conditions.values():
        engine.query(sums + condition)
    told["version"], told["files"] = timed("open", engine.open, options.table)
    for name, condition in conditions.items():
        told["found"][name] = timed(name, engine.query, sums + condition)
    told["peak"] = engine.peak()
    print(json.dumps(told), flush=True)
    sys.stdout.flush()
    # Spark's and Python's threads may not outlive the figures.
    os._exit(0)


class Spark:
    def __init__(self, options):
        from tools import session

        self.spark = session(Path(options.work), options.ivy, memory="4g")

    def open(self, table):
        frame = self.spark.read.format("delta").load(table)
        frame.createOrReplaceTempView("t")
        files = len(frame._jdf.inputFiles())
        newest = self.spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(self.spark._jsparkSession, table)
        return newest.unsafeVolatileSnapshot().version(), files

    def query(self, sql):
        return list(self.spark.sql(sql).collect()[0])

    def peak(self):
        return resident(self.spark.sparkContext._gateway.proc.pid)


class DeltaRs:
    def open(self, table):
        from deltalake import DeltaTable, QueryBuilder

        table = DeltaTable(table)
        self.engine = QueryBuilder().register("t", table)
        return table.version(), len(table.file_uris())

    def query(self, sql):
        import pyarrow

        return [column[0].as_py() for column in pyarrow.table(self.engine.execute(sql).read_all()).columns]

    def peak(self):
        return resident(os.getpid())


def resident(process):
    """The most that was, in bytes."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024


main()
