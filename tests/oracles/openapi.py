"""Whether `openapi-spec-validator` takes a document for OpenAPI 3.1: paths of files in, one a line; `ok` or why not out."""

import sys

import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator


def judged(path):
    try:
        with open(path, encoding="utf-8") as text:
            faults = list(OpenAPIV31SpecValidator(yaml.safe_load(text)).iter_errors())
    except Exception as error:  # what it cannot read it does not take
        faults = [error]
    return "ok" if not faults else repr(str(faults[0])[:100])


for line in sys.stdin:
    print(judged(line.rstrip("\n")), flush=True)
