"""Schemas made to cost: each small, each asking for far more than its size."""
import json, sys


def doubling(levels):
    defs = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": defs | {f"d{levels}": {"type": "object"}}}


def nested(levels):
    schema = {"type": "object"}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


def any_of():
    branch = {"properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    return {"anyOf": [branch | {"maxProperties": n + 1} for n in range(8)] + [{"type": "integer"}]}


def refusing():
    branch = {"properties": {"a": {"$ref": "#/$defs/n"}}}
    return {"$defs": {"n": {"anyOf": [branch, branch], "required": ["b"]}}, "$ref": "#/$defs/n"}


def expressions():
    of = lambda op: {"properties": {"op": {"const": op}, "args": {"items": {"$ref": "#"}}}, "required": ["op", "args"]}
    return {"type": "object", "anyOf": [of("and"), of("or"), {"properties": {"text": {"type": "string"}}, "required": ["text"]}]}


def pattern(text):
    return {"properties": {"a": {"pattern": text}}}


def large(count):
    return {"properties": {f"p{n}": {"pattern": f"^[\\p{{L}}\\p{{N}}]{{1,{400 + n % 100}}}$"} for n in range(count)}}


schemas = {
    "all-of-doubling": doubling(60),
    "any-of-recursive": any_of(),
    "any-of-refusing": refusing(),
    "expressions": expressions(),
    "any-of-in-place": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
    "nested-1000": nested(1000),
    "pattern-nested-repeat": pattern("^(a+)+$b"),
    "pattern-alternatives": pattern("^(a|a|aa)*b$"),
    "pattern-repeat-of-repeat": pattern("((a{1000}){1000}){1000}"),
    "pattern-look-ahead": pattern("^(?=(a+))\\1b"),
    "patterns-2000-large": large(2000),
    "minimums": {"properties": {"a": {"items": {"allOf": [{"minimum": n + 1} for n in range(3)]}}}},
    "any-name": {"additionalProperties": {"items": {"minimum": 1}}},
    "remarks": {"properties": {"a": {"items": {"allOf": [{"format": "cn-person-name"}] * 3}}}},
    "unique-items": {"properties": {"a": {"uniqueItems": True}}},
}
sys.setrecursionlimit(10_000)
json.dump(schemas[sys.argv[1]], sys.stdout)
