"""What both parts need: the session, the appending program, the other readers, and the counting."""

import functools
import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path

from pyspark.sql import SparkSession

HERE = Path(__file__).parent


class Failed(Exception):
    pass


def same(what, found, wanted):
    if found == wanted:
        return
    detail = f"found {str(found)[:600]}\n      wanted {str(wanted)[:600]}"
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        differing = [(f, w) for f, w in zip(found, wanted) if f != w]
        detail = f"{len(differing)} of {len(found)} differ; found\n      {str(differing[0][0])[:900]}\n      wanted\n      {str(differing[0][1])[:900]}"
    raise Failed(f"{what}: {detail}")


class Tests:
    """A test is a function; one that raises has failed, and the others run all the same."""

    def __init__(self, only):
        self.only, self.passed, self.failed = only, 0, []

    def run(self, name, test, *args):
        if self.only and not any(part in name for part in self.only):
            return
        start = time.monotonic()
        try:
            test(*args)
            self.passed += 1
            print(f"PASS {name} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception as e:
            self.failed.append(name)
            text = str(e) if isinstance(e, Failed) else traceback.format_exc()[-3000:]
            print(f"FAIL {name}\n      {text}", flush=True)

    def end(self):
        print(f"{self.passed} passed, {len(self.failed)} failed", flush=True)
        sys.stdout.flush()
        # Spark's and Python's threads may not outlive the verdict.
        os._exit(1 if self.failed else 0)


def session(work, ivy, memory="2g"):
    """A Spark that knows Delta."""
    settings = {
        "spark.jars.packages": "io.delta:delta-spark_2.13:4.0.0",
        "spark.jars.ivy": str(ivy),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.warehouse.dir": str(work / "warehouse"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.files.minPartitionNum": "1",
        "spark.driver.memory": memory,
        "spark.driver.extraJavaOptions": f"-Duser.timezone=UTC -Dderby.system.home={work}",
    }
    builder = SparkSession.builder.master("local[2]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


class Tools:
    def __init__(self, append, sluice, reader, work, ivy):
        self.append, self.sluice, self.reader, self.work = append, sluice, reader, Path(work).resolve()
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.ivy = ivy

    @functools.cached_property
    def spark(self):
        return session(self.work, self.ivy)

    def sql(self, text):
        return self.spark.sql(text)

    def location(self, name):
        return str(self.work / "tables" / name)

    def start(self, location, **settings):
        words = [f"{key.replace('_', '.')}={value}" for key, value in settings.items()]
        return Appender([self.append, f"delta.table.uri={location}", *words])

    def write(self, location, units, **settings):
        """Each unit is a list of records that becomes a commit."""
        appender = self.start(location, **settings)
        for unit in units:
            appender.commit(unit)
        appender.close()

    def start_maintain(self, location, *options):
        pipe = subprocess.PIPE
        command = [self.sluice, "maintain", location, *options]
        return subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True, encoding="utf-8")

    def end_maintain(self, process):
        """What it says; it has to succeed."""
        said = process.communicate()[0]
        if process.returncode:
            raise Failed(f"sluice maintain ended with {process.returncode}: {said[-1500:]}")
        return said

    def maintain(self, location, *options):
        return self.end_maintain(self.start_maintain(location, *options))

    def kernel_rows(self, location):
        """Delta Kernel's rows, as ReadTable prints them."""
        java = ["java", "-Xmx512m", "-cp", self.reader, "ReadTable", location, "rows"]
        done = subprocess.run(java, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C.UTF-8"})
        if done.returncode:
            raise Failed(f"ReadTable ended with {done.returncode}: {done.stderr[-1500:]}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def deltars(self, location, conditions=()):
        listed = self.work / "conditions.json"
        listed.write_text(json.dumps(list(conditions)))
        done = subprocess.run([sys.executable, str(HERE / "deltars.py"), location, str(listed)], capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"deltars.py ended with {done.returncode}: {done.stderr[-1500:]}")
        return json.loads(done.stdout)


class Refused(Exception):
    """What Sluice says when it ends itself."""


class Appender:
    def __init__(self, command):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, encoding="utf-8")

    def send(self, records, word):
        try:
            for record in records:
                self.process.stdin.write((record if isinstance(record, str) else json.dumps(record, ensure_ascii=False)) + "\n")
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline()
        if not answer.startswith("ok "):
            raise Refused(self.process.communicate()[1].strip())
        return int(answer[3:])

    def take(self, records):
        return self.send(records, "/take")

    def commit(self, records=()):
        return self.send(records, "/commit")

    def close(self):
        self.process.stdin.close()
        if self.process.wait(60):
            raise Refused(self.process.stderr.read().strip())
