"""Reads a table with delta-rs, in a process of its own: `deltars.py TABLE CONDITIONS.json`. Prints one JSON object."""

import json
import sys

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

from canonical import rows_of_arrow

location, conditions = sys.argv[1], json.load(open(sys.argv[2]))
table = DeltaTable(location)
engine = QueryBuilder().register("t", table)


def query(sql):
    return pa.table(engine.execute(sql).read_all())


everything = query("SELECT * FROM t")
ids = {}
if conditions:
    flags = query("SELECT id, " + ", ".join(f"({c}) AS c{n}" for n, c in enumerate(conditions)) + " FROM t").to_pydict()
    for n, condition in enumerate(conditions):
        without = sorted(i for i, flag in zip(flags["id"], flags[f"c{n}"]) if flag)
        by_filter = sorted(query(f"SELECT id FROM t WHERE {condition}").column(0).to_pylist())
        ids[condition] = [without, by_filter]
names = everything.column_names
print(json.dumps({"names": names, "rows": rows_of_arrow(everything), "ids": ids}))
