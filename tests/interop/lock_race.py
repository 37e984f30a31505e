"""Spark and Sluice commit to one table under the DynamoDB lock, at the same time; then the log is checked: see lock.md.

`lock_race.py --append PROGRAM --sluice PROGRAM --lock-jar FILE --ivy FOLDER --work FOLDER --s3 URL --bucket NAME --dynamodb URL
[--commits N] [--kill sluice|spark] [--break-lock]`. Half of the commits are Spark's. The keys of S3 and DynamoDB come from
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

import argparse
import collections
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tools import Appender, Failed, Refused

HERE = Path(__file__).parent
SPARKS = ("a", "b")
# Two workers of one connector, and one of another.
WORKERS = (("one", 0), ("one", 1), ("two", 0))
LOCK_TABLE = "delta_log"
NEW_ENTRY, COMPLETION = 'PutItem .*"false"', '(Put|Update)Item .*"true"'
# New entries wait a moment for one another, so that writers race for a version.
RACING = [{"match": NEW_ENTRY, "meet": 2}]
BREAKING = [{"match": NEW_ENTRY + ".*" + condition, "drop": condition} for condition in ("Expected", "ConditionExpression")]
KILLS_IN_COMMIT = 4
WORKER_KILLED_EVERY = 4.0
PATIENCE = 300


def python(program, *words):
    return [sys.executable, "-u", str(HERE / program), *words]


def run(*command, **environment):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=os.environ | environment)
    if done.returncode:
        raise Failed(f"{command[0]} ended with {done.returncode}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout


class Front:
    """wire.py before DynamoDB, with TLS and a port for each writer: Spark's lock reaches no other endpoint."""

    def __init__(self, work, dynamodb, writers, rules):
        self.log, self.rules, self.always, self.held = work / "wire.jsonl", work / "rules.json", rules, 0
        self.certificate, key, both = work / "certificate.pem", work / "key.pem", work / "both.pem"
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
            "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", self.certificate)
        both.write_text(key.read_text() + self.certificate.read_text())
        self.rule()
        command = python("wire.py", "--listen", *["0" for _ in writers], "--to", dynamodb.rpartition(":")[2], "--log", str(self.log),
                         "--tls", str(both), "--rules", str(self.rules))
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.ports = dict(zip(writers, map(int, self.process.stdout.readline().split()[2:])))
        for writer, port in self.ports.items():
            service = f"<ServiceName>dynamodb</ServiceName><Http>false</Http><Https>true</Https><Hostname>127.0.0.1:{port}</Hostname>"
            regions = f"<XML><Regions><Region><Name>us-east-1</Name><Endpoint>{service}</Endpoint></Region></Regions></XML>"
            (work / f"regions-{writer}.xml").write_text(regions)

    def rule(self, *rules):
        partial = self.rules.with_suffix(".partial")
        partial.write_text(json.dumps([*self.always, *rules]))
        partial.rename(self.rules)

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]

    def hold_next(self, writer, rule):
        """Waits until the request of the rule is held."""
        self.held += 1
        rule = rule | {"times": 1, "id": self.held}
        rule["match"] = f"^{self.ports[writer]} .*" + rule["match"]
        self.rule(rule)
        deadline = time.monotonic() + PATIENCE
        while not any(line.get("held", {}).get("id") == self.held for line in self.lines()):
            if time.monotonic() > deadline:
                raise Failed(f"no request for {rule}")
            time.sleep(0.1)

    def races(self, writer):
        """Entries put, and those of them refused as another's was there."""
        puts = [line for line in self.lines() if line["port"] == self.ports[writer] and "status" in line
                and re.search(NEW_ENTRY, f"{line['operation']} {line['body']}")]
        return len(puts), sum("ConditionalCheckFailed" in line["answer"] for line in puts)


class Race:
    def __init__(self, options):
        self.options, self.work = options, Path(options.work)
        self.uri = f"s3a://{options.bucket}/race"
        self.wanted = {"spark": options.commits // 2, "sluice": options.commits - options.commits // 2}
        self.done, self.kills, self.fenced = collections.Counter(), collections.Counter(), 0
        self.lock, self.failure = threading.Lock(), None
        self.sparks, self.workers, self.watch = {}, {}, None
        rules = RACING + (BREAKING if options.break_lock else [])
        writers = (*SPARKS, *(f"{connector}-{partition}" for connector, partition in WORKERS))
        self.front = Front(self.work, options.dynamodb, writers, rules)

    def spark_command(self, writer, *words):
        o, regions = self.options, self.work / f"regions-{writer if writer in SPARKS else SPARKS[0]}.xml"
        return python("lock_spark.py", "--lock-jar", o.lock_jar, "--ivy", o.ivy, "--table", self.uri, "--writer", writer, "--s3", o.s3,
                      "--regions", str(regions), *words)

    def settings(self, worker):
        """The scheme is Spark's although the URI's is not."""
        return {"delta.table.uri": self.uri.replace("s3a:", "s3:"), "delta.commit.lock": "dynamodb", "delta.dynamodb.path.scheme": "s3a",
                "delta.dynamodb.endpoint": f"https://127.0.0.1:{self.front.ports[worker]}", "delta.dynamodb.table": LOCK_TABLE,
                "delta.store.ca.file": str(self.front.certificate), "delta.s3.endpoint": self.options.s3,
                "delta.s3.path.style.access": "true"}

    def stores(self):
        o = self.options
        return ["--table", self.uri, "--s3", o.s3, "--dynamodb", o.dynamodb, "--lock-table", LOCK_TABLE, "--table-path", self.uri]

    def count(self, side, writer):
        with self.lock:
            self.done.update((side, writer))

    def ahead(self):
        """Sluice is faster; it waits, so that all of its commits are beside some of Spark's."""
        share = lambda side: self.done[side] / max(1, self.wanted[side])
        return share("sluice") > share("spark") + 0.02

    def guarded(self, work, *args):
        def body():
            try:
                work(*args)
            except Exception as e:
                self.failure = self.failure or f"{args}: {type(e).__name__}: {e}"
        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        return thread

    def kill_in_commit(self, side, names, kill):
        """After the entry, with the file not there yet; and with the file there, before the entry is complete."""
        after_entry = {"match": NEW_ENTRY, "late": 30}
        before_completion = {"match": COMPLETION, "delay": 30, "refuse": 400}
        for number in range(KILLS_IN_COMMIT):
            share = (number + 1) / (KILLS_IN_COMMIT + 1) * self.wanted[side]
            while self.done[side] < share:
                time.sleep(0.1)
            name = min(names, key=self.done.__getitem__)  # It has commits left.
            self.front.hold_next(name, (after_entry, before_completion)[number // 2])
            kill(name)
            self.front.rule()
            self.kills["in mid-commit"] += 1

    def kill_spark(self, writer):
        os.killpg(self.sparks[writer].pid, signal.SIGKILL)

    def kill_worker(self, name):
        self.workers[name].process.kill()

    # Spark

    def spark(self, writer, commits):
        next_number, done = 0, 0
        with open(self.work / f"spark-{writer}.jsonl", "a") as out, open(self.work / f"spark-{writer}.err", "a") as err:
            while done < commits:
                command = self.spark_command(writer, "--commits", str(commits - done), "--first", str(next_number))
                # A group of its own: Python and the JVM are killed at once.
                process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True, start_new_session=True)
                self.sparks[writer] = process
                for text in process.stdout:
                    if not text.startswith("{"):
                        continue
                    out.write(text)
                    out.flush()
                    line = json.loads(text)
                    if line["kind"] == "append":
                        next_number = line["number"] + 1
                        if line["ok"]:
                            done += 1
                            self.count("spark", writer)
                status = process.wait()
                if status not in (0, -signal.SIGKILL) or (status == 0 and done < commits):
                    raise Failed(f"Spark ended with {status} after {done} successes")

    # Sluice

    def open_worker(self, connector, partition):
        settings = {"name": connector, "partition": partition, **self.settings(f"{connector}-{partition}")}
        while True:
            worker = Appender([self.options.append, *[f"{key}={value}" for key, value in settings.items()]])
            self.workers[f"{connector}-{partition}"] = worker
            try:
                return worker, worker.take([])
            except Refused:
                if worker.process.returncode != -signal.SIGKILL:
                    raise

    def sluice(self, connector, partition, commits):
        name, random_numbers = f"{connector}-{partition}", random.Random(f"{connector}{partition}")
        next_kill = time.monotonic() + random_numbers.uniform(1, WORKER_KILLED_EVERY)
        worker, offset = self.open_worker(connector, partition)
        with open(self.work / f"sluice-{name}.jsonl", "w") as out:
            out.write(json.dumps({"connector": connector, "partition": partition}) + "\n")
            for _ in range(commits):
                while self.ahead():
                    time.sleep(0.02)
                committed = False
                while not committed:
                    killer = None
                    if self.options.kill == "sluice" and time.monotonic() > next_kill:
                        next_kill = time.monotonic() + WORKER_KILLED_EVERY
                        killer = threading.Timer(random_numbers.uniform(0, 0.6), worker.process.kill)
                        killer.start()
                    rows = [{"number": offset + n, "writer": name} for n in range(random_numbers.randint(1, 3))]
                    try:
                        offset = worker.commit(rows)
                        committed = True
                    except Refused as refused:
                        # Its entry may arrive after its end, and fence the next one.
                        fenced = self.options.kill == "sluice" and "wanted again" in str(refused)
                        if worker.process.returncode != -signal.SIGKILL and not fenced:
                            raise
                        self.fenced += fenced
                    if killer:
                        killer.join()
                    if killer or not committed:
                        self.kills["at random"] += bool(killer)
                        worker.process.kill()
                        worker.process.wait()
                        if committed:
                            self.report(out, offset)
                        worker, offset = self.open_worker(connector, partition)
                    elif committed:
                        self.report(out, offset)
                self.count("sluice", name)
            worker.close()

    def report(self, out, offset):
        out.write(json.dumps({"offset": offset}) + "\n")
        out.flush()

    # All

    def race(self):
        with open(self.work / "spark-c.jsonl", "w") as out, open(self.work / "spark-c.err", "w") as err:
            if subprocess.run(self.spark_command("c", "--create"), stdout=out, stderr=err, text=True).returncode:
                raise Failed(f"Spark cannot create the table: see {self.work.name}/spark-c.*")
        command = python("lock_check.py", "watch", *self.stores(), "--out", str(self.work / "watched.jsonl"))
        self.watch = subprocess.Popen(command)
        start, threads = time.monotonic(), []
        for number, writer in enumerate(SPARKS):
            threads.append(self.guarded(self.spark, writer, (self.wanted["spark"] + number) // len(SPARKS)))
        for number, (connector, partition) in enumerate(WORKERS):
            threads.append(self.guarded(self.sluice, connector, partition, (self.wanted["sluice"] + number) // len(WORKERS)))
        if self.options.kill == "spark":
            threads.append(self.guarded(self.kill_in_commit, "spark", SPARKS, self.kill_spark))
        if self.options.kill == "sluice":
            threads.append(self.guarded(self.kill_in_commit, "sluice", list(self.front.ports)[len(SPARKS):], self.kill_worker))
        said = time.monotonic()
        while any(thread.is_alive() for thread in threads) and not self.failure:
            time.sleep(0.2)
            if time.monotonic() > said + 20:
                said = time.monotonic()
                self.progress("after ", said - start)
        took = time.monotonic() - start
        time.sleep(1)
        self.watch.kill()
        if self.failure:
            raise Failed(self.failure)
        self.progress("", took)
        print(f"RACE killed: {dict(self.kills)}; units fenced by what a killed worker had sent: {self.fenced}", flush=True)
        for writer in self.front.ports:
            put, refused = self.front.races(writer)
            print(f"RACE entries put by {writer}: {put}, refused as another's was there: {refused}", flush=True)

    def progress(self, when, seconds):
        print(f"RACE {when}{seconds:.0f} s: {self.done['spark']} commits by Spark, {self.done['sluice']} by Sluice", flush=True)

    def read(self):
        """What others read, as files for the check."""
        lines = [json.loads(line) for line in run(*self.spark_command("reader", "--rows")).splitlines() if line.startswith("{")]
        by_spark = self.work / "Spark reads.json"
        by_spark.write_text(json.dumps([line["answer"] for line in lines if line["kind"] == "read" and line["ok"]][0]))
        none = self.work / "conditions.json"
        none.write_text("[]")
        environment = {"AWS_ENDPOINT_URL": self.options.s3, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
        deltars = json.loads(run(sys.executable, HERE / "deltars.py", self.uri, none, **environment))
        by_deltars = self.work / "delta-rs reads.json"
        by_deltars.write_text(json.dumps(deltars["rows"]))
        return [str(by_spark), str(by_deltars)]

    def end(self):
        for process in filter(None, (self.front.process, self.watch)):
            process.kill()
        for process in self.sparks.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)

    def check(self):
        rows = self.read()
        config = self.work / "connector.json"
        settings = self.settings("one-0")
        config.write_text(json.dumps(settings))
        audit = subprocess.run([self.options.sluice, "audit", settings["delta.table.uri"], "--config", str(config)],
                               capture_output=True, text=True)
        print(f"{'FAIL' if audit.returncode else 'PASS'} sluice audit", *(f"      {line}" for line in
              (audit.stdout + audit.stderr).splitlines()), sep="\n", flush=True)
        sparks = [str(self.work / f"spark-{writer}.jsonl") for writer in ("c", *SPARKS)]
        workers = [str(self.work / f"sluice-{connector}-{partition}.jsonl") for connector, partition in WORKERS]
        checked = subprocess.run(python("lock_check.py", "check", *self.stores(), "--watched", str(self.work / "watched.jsonl"),
                                        "--spark", *sparks, "--sluice", *workers, "--rows", *rows))
        return audit.returncode or checked.returncode


def main():
    parser = argparse.ArgumentParser()
    for name in ("append", "sluice", "lock-jar", "ivy", "work", "s3", "bucket", "dynamodb"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--commits", type=int, default=500)
    parser.add_argument("--kill", choices=("sluice", "spark"))
    parser.add_argument("--break-lock", action="store_true")
    options = parser.parse_args()
    race, status = Race(options), 1
    try:
        race.race()
        status = race.check()
    except Failed as failed:
        print(f"FAIL {failed}\n0 passed, 1 failed", flush=True)
    finally:
        race.end()
    sys.stdout.flush()
    # Threads of a race that failed still wait for their writers.
    os._exit(status)


main()
