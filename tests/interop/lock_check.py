"""Whether every commit of several writers under the DynamoDB lock is in the log, once, and as it was first written: see lock.md.

`lock_check.py watch STORES --out FILE`   until it is killed: a JSON line for each new ETag of a file N.json, looked for every 100 ms
`lock_check.py check STORES --watched FILE [--spark FILE...] [--sluice FILE...] [--rows FILE...]`   after the writers ended

STORES is `--table s3://BUCKET/PATH --s3 URL --dynamodb URL --lock-table NAME --table-path TEXT`. A --spark file is what lock_spark.py
printed, a --sluice file what lock_race.py wrote of a worker that began at offset 0: its connector, its partition and the offsets that it
was told are committed. A --rows file is a JSON list of what somebody read, [number, writer] each. The keys of S3 and DynamoDB come from
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

import argparse
import collections
import json
import re
import sys
import time
from pathlib import Path

import boto3

VERSION = re.compile(r"_delta_log/(\d{20})\.json$")
PAUSE = 0.1


class Stores:
    def __init__(self, options):
        self.s3 = boto3.client("s3", endpoint_url=options.s3, region_name="us-east-1")
        self.dynamodb = boto3.client("dynamodb", endpoint_url=options.dynamodb, region_name="us-east-1")
        self.bucket, _, self.path = options.table.split("://", 1)[1].rstrip("/").partition("/")
        self.lock_table, self.table_path = options.lock_table, options.table_path

    def versions(self):
        """Version: ETag, as listed."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{self.path}/_delta_log/")
        listed = (item for page in pages for item in page.get("Contents", []))
        return {int(m[1]): item["ETag"] for item in listed if (m := VERSION.search(item["Key"]))}

    def log_file(self, name):
        """The bytes, or None."""
        try:
            return self.s3.get_object(Bucket=self.bucket, Key=f"{self.path}/_delta_log/{name}")["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None

    def entries(self):
        query = self.dynamodb.get_paginator("query").paginate(
            TableName=self.lock_table, ConsistentRead=True, KeyConditionExpression="tablePath = :p",
            ExpressionAttributeValues={":p": {"S": self.table_path}})
        plain = lambda item: {name: next(iter(value.values())) for name, value in item.items()}
        return [plain(item) for page in query for item in page["Items"]]


def watch(options):
    stores, known = Stores(options), {}
    with open(options.out, "w", encoding="utf-8") as out:
        while True:
            for version, etag in stores.versions().items():
                if known.get(version) != etag:
                    known[version] = etag
                    out.write(json.dumps({"at": round(time.time(), 3), "version": version, "etag": etag}) + "\n")
                    out.flush()
            time.sleep(PAUSE)


def lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines() if line.startswith("{")]


class Check:
    def __init__(self, options):
        self.options, self.stores = options, Stores(options)
        self.passed = self.failed = 0
        self.etags = self.stores.versions()
        self.bytes = {version: self.stores.log_file(f"{version:020}.json") for version in sorted(self.etags)}
        self.infos = {}
        self.wanted = collections.Counter()  # rows
        for version, text in self.bytes.items():
            actions = [json.loads(line) for line in text.decode().splitlines()]
            self.infos[version] = next((a["commitInfo"] for a in actions if "commitInfo" in a), {})

    def say(self, name, problems):
        self.passed += not problems
        self.failed += bool(problems)
        print(f"{'FAIL' if problems else 'PASS'} {name}", *(f"      {p}" for p in problems[:20]), sep="\n", flush=True)

    def run(self):
        self.say(f"{len(self.etags)} versions without a gap", self.gaps())
        self.say("no version was overwritten", self.overwritten())
        self.say("lock entries are complete and name the bytes in the log", self.entries())
        for path in self.options.spark:
            self.spark(path)
        for path in self.options.sluice:
            self.sluice(path)
        for path in self.options.rows:
            self.rows(path)
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return self.failed

    def gaps(self):
        return [f"no version {v}" for v in range(max(self.etags, default=-1) + 1) if v not in self.etags]

    def overwritten(self):
        seen = collections.defaultdict(list)
        for line in lines(self.options.watched):
            seen[line["version"]].append(line["etag"])
        problems = [f"version {v} had ETags {etags}" for v, etags in seen.items() if len(etags) > 1]
        problems += [f"version {v} was never seen" for v in self.etags if v not in seen]
        return problems + [f"version {v} changed after the watch" for v, e in self.etags.items() if seen[v][-1:] not in ([], [e])]

    def entries(self):
        problems, entries = [], self.stores.entries()
        if len(entries) != len(self.etags):
            problems.append(f"{len(entries)} entries for {len(self.etags)} versions")
        for entry in entries:
            name = entry["fileName"]
            if entry["complete"] != "true" or not entry.get("expireTime", "").isdigit():
                problems.append(f"{name} is not complete: {entry}")
            temporary = self.stores.log_file(entry["tempPath"])
            if temporary is not None and temporary != self.bytes.get(int(name[:20])):
                problems.append(f"{name} does not hold the bytes of {entry['tempPath']}")
        return problems

    def spark(self, path):
        done = [line for line in lines(path) if line["kind"] in ("create", "append", "delete", "optimize")]
        writer = done[0]["writer"]
        found = collections.Counter(info.get("userMetadata") for info in self.infos.values())
        # Of the two lines for a statement the later one counts; who was killed in it left only the first.
        names = {f"{line['writer']}/{line['kind']}/{line['number']}": line for line in done}
        problems = [f"{name} was called a success and is in the log {found[name]} times" for name, line in names.items()
                    # An OPTIMIZE with nothing to do makes no commit.
                    if line["ok"] and found[name] != 1 and not (line["kind"] == "optimize" and found[name] == 0)]
        problems += [f"{name} was called a failure and is in the log: {line['error'][:300]}" for name, line in names.items()
                     if line["ok"] is False and found[name]]
        cut_off = [name for name, line in names.items() if line["ok"] is None]
        problems += [f"{name} was cut off and is in the log {found[name]} times" for name in cut_off if found[name] > 1]
        problems += [f"{name} is in the log, and nobody wrote it" for name in found
                     if name and name.startswith(f"{writer}/") and name not in names]
        for name, line in names.items():
            self.wanted[(line["number"], writer)] += line["kind"] == "append" and found[name]
        count = lambda ok: sum(line["ok"] is ok for line in names.values())
        self.say(f"Spark {writer}: {count(True)} successes and {count(False)} failures are in the log as reported; of {len(cut_off)} "
                 f"statements cut off {sum(found[name] for name in cut_off)} are in it", problems)

    def sluice(self, path):
        first, *told = lines(path)
        connector, partition = first["connector"], first["partition"]
        ids, intervals = collections.Counter(), []
        for info in self.infos.values():
            commit = info.get("sluice") or {}
            ids[commit.get("commit")] += 1
            intervals += [(x["fromOffset"], x["toOffset"], commit["commit"]) for u in commit.get("units", ()) for x in u["intervals"]
                          if (u["connector"], x["partition"]) == (connector, partition)]
        problems = [f"commit {i} is in the log {ids[i]} times" for *_, i in intervals if ids[i] != 1]
        next_offset = 0
        for begin, end, _ in sorted(intervals):
            if begin != next_offset:
                problems.append(f"after offset {next_offset} comes {begin}")
            next_offset = end
        ends = {end for _, end, _ in intervals}
        offsets = [line["offset"] for line in told]
        problems += [f"offset {offset} was committed, and no commit in the log ends there" for offset in offsets if offset not in ends]
        if next_offset != offsets[-1]:
            problems.append(f"the log ends at offset {next_offset}; {offsets[-1]} was committed last")
        self.wanted.update((number, f"{connector}-{partition}") for number in range(next_offset))
        self.say(f"Sluice {connector}-{partition}: {len(intervals)} commits up to offset {next_offset} join end to end (I4), "
                 f"{len(offsets)} were reported", problems)

    def rows(self, path):
        found = collections.Counter((int(number), writer) for number, writer in json.loads(Path(path).read_text()))
        wanted = +self.wanted
        problems = [f"{row} is wanted {wanted[row]} times and was read {found[row]} times"
                    for row in sorted(wanted.keys() | found.keys()) if wanted[row] != found[row]]
        self.say(f"{Path(path).stem}: {wanted.total()} rows of {len(wanted)} values", problems)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("do", choices=("watch", "check"))
    for name in ("table", "s3", "dynamodb", "lock-table", "table-path"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--out")
    parser.add_argument("--watched")
    parser.add_argument("--spark", nargs="*", default=[])
    parser.add_argument("--sluice", nargs="*", default=[])
    parser.add_argument("--rows", nargs="*", default=[])
    options = parser.parse_args()
    if options.do == "watch":
        watch(options)
    sys.exit(1 if Check(options).run() else 0)


main()
