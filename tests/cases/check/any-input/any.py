"""Damages good inputs in every way that files come damaged, checks each in every form, and holds the answers against each other.

any.py SEED COUNT    prints what does not hold, and how many inputs held
"""

import collections
import csv
import io
import json
import random
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

TABLE = "编号,名称,性别,备注\r\n" + "".join(
    f'{n},"名,{n}",{"男女"[n % 2]},{"备注""x" * (n % 5)}\r\n' for n in range(1, 12)
)
RECORDS = [{"id": n, "name": f"名,{n}", "sex": "男女"[n % 2], "at": {"lon": 116.5}} for n in range(1, 12)]
LINES = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in RECORDS)
ARRAY = "[" + ",\n ".join(json.dumps(record, ensure_ascii=False) for record in RECORDS) + "]\n"
ONE = json.dumps(RECORDS[0], ensure_ascii=False, indent=2)
PIECES = [
    b"\r", b"\n", b"\r\n", b'"', b'""', b",", b";", b"\t", b"\0", b"\x1b[31m", b"\xff", b"\xfe", b"\x80", b"\xef\xbb\xbf", b"\\",
    b"\\ud800", b"NaN", b"1e400", b"9.11E+17", b"{", b"}", b"[", b"]", b'"id":1,', b"\xe2\x80\xae", b" ", b"[" * 200,
    "女".encode("gb18030"), "张三\n".encode("gb18030"), "张三\n".encode(), "㐀".encode("gb18030"), "�".encode(),
]
FORMS = {"en": ["text", "json", "ndjson", "junit", "sarif", "github"], "zh": ["text"]}


def damaged(dice):
    text = dice.choice([TABLE, TABLE, LINES, ARRAY, ONE])
    data = text.encode(dice.choice(["utf-8", "utf-8", "gb18030"]))
    for _ in range(dice.randrange(4)):
        at, end = sorted(dice.randrange(len(data) + 1) for _ in range(2))
        end = min(end, at + dice.choice([0, 0, 1, 3, 40]))
        data = data[:at] + dice.choice([b"", *PIECES]) + data[end:]
    if dice.random() < 0.1:
        data = data[: dice.randrange(len(data) + 1)]
    if dice.random() < 0.1:
        data = data.replace(b"\r\n", dice.choice([b"\r", b"\n", b"\n\n"]))
    return data


def guiju(*arguments):
    run = subprocess.run(["guiju", "check", "--schema", "schema.json", "input", *arguments], capture_output=True)
    return run.returncode, run.stdout, run.stderr.decode()


def judged(data):
    """What does not hold of one input."""
    Path("input").write_bytes(data)
    code, out, err = guiju("-o", "json", "--rejects", "out")
    answer = json.loads(out)
    counts = answer["counts"]
    if counts["records"] != counts["conforming"] + counts["failing"] + counts["unreadable"]:
        yield f"the records do not add up: {counts}"
    if code != (2 if answer["failures"] else 1 if counts["errors"] else 0) or (code == 2) != bool(err):
        yield f"exit code {code} is not true: {counts}, {answer['failures']}"
    if counts["failing"] + counts["unreadable"] and not counts["errors"]:
        yield f"a record fails without an error: {counts}"
    findings = [finding for file in answer["files"] for record in file["records"] for finding in record["findings"]]
    if any(finding["place"] is None for finding in findings):
        yield "a finding has no place"
    yield from others(code, counts, findings)
    if answer["files"]:
        yield from rejected(data, counts, findings)


def others(code, counts, findings):
    """What the other forms say otherwise."""
    for lang, forms in FORMS.items():
        for form in forms:
            same, out, err = guiju("-o", form, "--lang", lang, "--show", "0", "--jobs", "1")
            if same != code:
                yield f"{form} exits with {same}, json with {code}"
            text = out.decode()
            held = text if form in ("text", "github") else ""
            held += err
            if form == "json" and json.loads(text)["counts"] != counts:
                yield "one worker counts otherwise"
            if form == "ndjson" and json.loads(text.splitlines()[-1])["counts"] != counts:
                yield "ndjson counts otherwise"
            if form == "sarif":
                results = json.loads(text)["runs"][0]["results"]
                held = "".join(result["message"]["text"] for result in results)
                if len(results) != len(findings):
                    yield f"sarif has {len(results)} results of {len(findings)}"
            if form == "junit":
                tree = xml.fromstring(out)
                held = "".join(tree.itertext())
            if form == "github" and text.count("\n::") + text.startswith("::") < len(findings):
                yield "github has too few annotations"
            bad = [c for c in held if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or "\u202a" <= c <= "\u202e")]
            if bad:
                yield f"{form} lets {bad} through"


def rejected(data, counts, findings):
    """What of the input is lost, twice there, or changed in the files of --rejects."""
    parts = [Path(f"out/input.{part}.txt").read_bytes() for part in ("conforming", "rejected")]
    rows = list(csv.reader(io.StringIO(Path("out/input.errors.csv").read_text("utf-8-sig"), newline="")))
    if len(rows) - 1 != len(findings):
        yield f"the table of errors has {len(rows) - 1} rows of {len(findings)}"
    if parts[0].startswith(b"[") and data.lstrip(b"\xef\xbb\xbf \r\n")[:1] == b"[" and parts[1][-2:] in (b"]\n", b"]"):
        return
    lines = lambda text: collections.Counter(text.split(b"\n"))
    whole, both = lines(data), lines(parts[0]) + lines(parts[1])
    if whole - both or any(count > 2 * whole[line] for line, count in both.items() if line):
        yield f"lost {list(whole - both)}, new {list(both - whole)[:3]}"


def main(seed, count):
    dice, held = random.Random(seed), 0
    Path("schema.json").write_text(
        json.dumps({
            "type": "object", "required": ["id"],
            "properties": {
                "id": {"type": "integer", "x-guiju": {"titleZh": "编号"}},
                "name": {"type": "string", "maxLength": 6, "x-guiju": {"titleZh": "名称"}},
                "sex": {"enum": ["男", "女"], "x-guiju": {"titleZh": "性别"}},
                "note": {"type": "string", "x-guiju": {"synonyms": ["备注"]}},
                "at": {"type": "object", "properties": {"lon": {"type": "number"}}},
            },
        })
    )
    for _ in range(count):
        data = damaged(dice)
        faults = list(judged(data))
        held += not faults
        if faults:
            print(data, *faults, sep="\n  ")
    print(f"{held} of {count} inputs held")


main(int(sys.argv[1]), int(sys.argv[2]))
