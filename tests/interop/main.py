"""`main.py --append PROGRAM --sluice PROGRAM --reader CLASSPATH --work FOLDER --ivy FOLDER [PART OF A TEST'S NAME...]`; see CONTRIBUTING.md."""

import argparse

import readers_test
import upkeep_test
import writers_test
from tools import Tests, Tools

parser = argparse.ArgumentParser()
for option in ("append", "sluice", "reader", "work", "ivy"):
    parser.add_argument(f"--{option}", required=True)
parser.add_argument("only", nargs="*")
options = parser.parse_args()
tests = Tests(options.only)
tools = Tools(options.append, options.sluice, options.reader, options.work, options.ivy)
readers_test.run(tests, tools)
writers_test.run(tests, tools)
upkeep_test.run(tests, tools)
tests.end()
