"""Spark as one writer of a table that S3DynamoDBLogStore guards: see lock.md.

`lock_spark.py --lock-jar FILE --ivy FOLDER --table URI --writer NAME --commits N --s3 URL --regions FILE [--create]
[--first NUMBER] [--delete-every N] [--optimize-every N] [--set KEY=VALUE...] [--rows]`. Each append has one row, (number, writer), and
the same as userMetadata. Prints a JSON line before each statement (`ok` is null) and one after it: whether Spark called it a success.
`--rows` prints the whole table at the end. The keys of S3 and DynamoDB come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

import argparse
import json
import os
import sys
import time

from pyspark.sql import SparkSession

# hadoop-aws brings version 2 of the AWS SDK, the lock needs version 1. Jackson is Spark's own.
PACKAGES = "io.delta:delta-spark_2.13:4.0.0,org.apache.hadoop:hadoop-aws:3.4.1,com.amazonaws:aws-java-sdk-dynamodb:1.12.262"
EXCLUDED = ",".join(f"com.fasterxml.jackson.core:jackson-{part}" for part in ("annotations", "core", "databind"))


def session(options):
    # S3DynamoDBLogStore has no setting for the endpoint. Its SDK (Java, version 1) takes endpoints from a file of regions, by TLS only.
    java = [f"-Dcom.amazonaws.regions.RegionUtils.fileOverride={options.regions}",
            "-Dcom.amazonaws.sdk.disableCertChecking=true", "-Duser.timezone=UTC"]
    settings = {
        "spark.jars": options.lock_jar,
        "spark.jars.packages": PACKAGES,
        "spark.jars.excludes": EXCLUDED,
        "spark.jars.ivy": options.ivy,
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.delta.logStore.s3a.impl": "io.delta.storage.S3DynamoDBLogStore",
        "spark.io.delta.storage.S3DynamoDBLogStore.ddb.tableName": options.lock_table,
        "spark.io.delta.storage.S3DynamoDBLogStore.ddb.region": "us-east-1",
        "spark.hadoop.fs.s3a.endpoint": options.s3,
        "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.access.key": os.environ["AWS_ACCESS_KEY_ID"],
        "spark.hadoop.fs.s3a.secret.key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        "spark.sql.warehouse.dir": "/nonexistent",
        "spark.sql.shuffle.partitions": "1",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": " ".join(java),
    }
    settings.update(word.split("=", 1) for word in options.set)
    builder = SparkSession.builder.master("local[1]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel(options.level)
    return spark


def main():
    parser = argparse.ArgumentParser()
    for name in ("lock-jar", "ivy", "table", "writer", "s3", "regions"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("commits", "first", "delete-every", "optimize-every"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--create", action="store_true")
    parser.add_argument("--rows", action="store_true")
    parser.add_argument("--lock-table", default="delta_log")
    parser.add_argument("--level", default="ERROR")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    spark = session(options)
    table = f"delta.`{options.table}`"
    failed = 0

    def run(kind, number, statement):
        nonlocal failed
        start = time.time()
        line = {"writer": options.writer, "kind": kind, "number": number, "ok": None}
        print(json.dumps(line), flush=True)
        try:
            spark.conf.set("spark.databricks.delta.commitInfo.userMetadata", f"{options.writer}/{kind}/{number}")
            line["answer"] = [list(row) for row in spark.sql(statement).collect()]
            line["ok"] = True
        except Exception as e:
            failed += 1
            line |= {"ok": False, "error": f"{type(e).__name__}: {e}"[:1500]}
        print(json.dumps(line | {"took": round(time.time() - start, 3)}, default=str), flush=True)

    if options.create:
        run("create", 0, f"CREATE TABLE {table} (number BIGINT, writer STRING) USING delta")
    print(json.dumps({"writer": options.writer, "kind": "ready"}), flush=True)
    for number in range(options.first, options.first + options.commits):
        run("append", number, f"INSERT INTO {table} VALUES ({number}, '{options.writer}')")
        if options.delete_every and number % options.delete_every == options.delete_every - 1:
            # Its own rows of earlier rounds: no writer's append is undone by another's statement.
            run("delete", number, f"DELETE FROM {table} WHERE writer = '{options.writer}' AND number = {number}")
        if options.optimize_every and number % options.optimize_every == options.optimize_every - 1:
            run("optimize", number, f"OPTIMIZE {table}")
    if options.rows:
        run("read", 0, f"SELECT number, writer FROM {table}")
    sys.stdout.flush()
    os._exit(1 if failed else 0)


main()
