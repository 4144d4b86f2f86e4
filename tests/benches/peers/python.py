"""Times peers on the same file: `python.py SCHEMA RECORDS RUNS` prints one line a peer: name, seconds, conforming, failing."""

import json
import sys
import time

import fastjsonschema
import jsonschema_rs

schema = json.load(open(sys.argv[1], encoding="utf-8"))
path, runs = sys.argv[2], int(sys.argv[3])


def with_jsonschema_rs():
    validator = jsonschema_rs.validator_for(schema, validate_formats=True)
    return lambda line: validator.is_valid(json.loads(line))


def with_fastjsonschema():
    check = fastjsonschema.compile(schema)

    def is_valid(line):
        try:
            check(json.loads(line))
            return True
        except fastjsonschema.JsonSchemaValueException:
            return False

    return is_valid


for name, build in [("jsonschema-rs (Python)", with_jsonschema_rs), ("fastjsonschema (Python)", with_fastjsonschema)]:
    is_valid = build()
    for _ in range(runs):
        begin = time.perf_counter()
        conforming = failing = 0
        with open(path, "rb") as records:
            for line in records:
                if is_valid(line):
                    conforming += 1
                else:
                    failing += 1
        print(name, time.perf_counter() - begin, conforming, failing, sep="\t", flush=True)
