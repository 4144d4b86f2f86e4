"""Peers that Python drives: `python.py SCHEMA RECORDS`.

A line on standard input names a road; the answer is CPU seconds, conforming, failing for one pass over the records.
"""

import json
import os
import re
import resource
import subprocess
import sys
import time

import fastjsonschema
import jsonschema_rs
import orjson

schema_file, records_file = sys.argv[1:]
with open(schema_file, encoding="utf-8") as file:
    schema = json.load(file)
with open(records_file, "rb") as file:
    records = file.read().splitlines()


def each(is_valid):
    """One pass in this process."""
    begin = time.process_time()
    conforming = sum(map(is_valid, records))
    return time.process_time() - begin, conforming, len(records) - conforming


def with_jsonschema_rs():
    validator = jsonschema_rs.validator_for(schema, validate_formats=True)
    return lambda: each(lambda line: validator.is_valid(orjson.loads(line)))


def with_fastjsonschema():
    check = fastjsonschema.compile(schema)

    def is_valid(line):
        try:
            check(orjson.loads(line))
            return True
        except fastjsonschema.JsonSchemaValueException:
            return False

    return lambda: each(is_valid)


def with_sourcemeta():
    """The whole command, its start included: that is how it is used."""
    command = [os.environ["SOURCEMETA"], "validate", schema_file, records_file]
    command += ["--fast", "--continue", "--format-assertion"]

    def run():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = subprocess.run(command, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        counts = re.search(r"(\d+) validated, (\d+) passed", said.stdout + said.stderr)
        # All conforming: nothing is said.
        total, passed = map(int, counts.groups()) if counts else (len(records), len(records))
        if said.returncode not in (0, 2) or total != len(records):
            sys.exit(f"{command}: {said.returncode}\n{said.stderr[-2000:]}")
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return seconds, passed, total - passed

    return run


ROADS = {"jsonschema-rs": with_jsonschema_rs, "fastjsonschema": with_fastjsonschema, "sourcemeta": with_sourcemeta}
built = {}
for line in sys.stdin:
    road = line.strip()
    if road not in built:
        built[road] = ROADS[road]()
    print(*built[road](), sep="\t", flush=True)
