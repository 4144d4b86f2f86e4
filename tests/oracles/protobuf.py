"""What the readers of protobuf itself see in the messages that show a change of a contract.

A line of input is a JSON object: `old` and `new` are files with the descriptors of both versions (as `buf build` writes them),
`record` is the message with what we say of it. A line of output is `ok`, or what is otherwise.
"""

import functools
import json
import math
import struct
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message, message_factory, unknown_fields


@functools.cache
def pool(path):
    found = descriptor_pool.DescriptorPool()
    with open(path, "rb") as file:
        for each in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
            found.Add(each)
    return found


def unknown(seen, before=""):
    """The numbers of what was kept unread, each with those of the fields around it."""
    found = {f"{before}{field.field_number}" for field in unknown_fields.UnknownFieldSet(seen)}
    for field, value in seen.ListFields():
        if field.message_type and not field.message_type.GetOptions().map_entry:
            for each in value if field.is_repeated else [value]:
                found |= unknown(each, f"{before}{field.number}.")
    return found


def absent(pool, seen, number):
    """What is read of a field that is not there, by its name in JSON."""
    field = seen.DESCRIPTOR.fields_by_number.get(number)
    if field is None:
        field = pool.FindExtensionByNumber(seen.DESCRIPTOR, number)
        name, value = f"[{field.full_name}]", seen.Extensions[field]
    else:
        name, value = field.json_name, getattr(seen, field.name)
    if field.enum_type:
        value = field.enum_type.values_by_number[value].name
    elif isinstance(value, int) and field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
        value = str(value)
    elif isinstance(value, bytes):
        value = json_format.base64.b64encode(value).decode()
    return {name: value}


def see(pool, record):
    """What is seen, and what is kept unread; a text where the message is refused."""
    seen = message_factory.GetMessageClass(pool.FindMessageTypeByName(record["message"]))()
    try:
        if "bytes" in record:
            seen.ParseFromString(bytes.fromhex(record["bytes"]))
        else:
            json_format.ParseDict(record["json"], seen, descriptor_pool=pool)
    except (message.DecodeError, json_format.ParseError) as why:
        return f"refused: {why}", set()
    if not seen.IsInitialized():
        return f"refused: {seen.FindInitializationErrors()}", set()
    told = json_format.MessageToDict(seen, descriptor_pool=pool)
    if "absent" in record:
        told |= absent(pool, seen, record["absent"])
    return told, unknown(seen)


def alike(one, other, number=lambda value: value):
    """Numbers are compared by what is made of them."""
    if isinstance(one, str) and isinstance(other, str) and one.startswith("refused: "):
        return other.startswith("refused: ")
    if isinstance(one, float) or isinstance(other, float):
        numbers = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
        one, other = numbers.get(one, one), numbers.get(other, other)
        same = isinstance(one, (int, float)) and isinstance(other, (int, float))
        return same and (number(one) == number(other) or (math.isnan(one) and math.isnan(other)))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name], number) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(alike(*pair, number) for pair in zip(one, other))
    return type(one) is type(other) and one == other


def narrow(value):
    """As 32 bits hold it: of a float, either side writes as many digits as it likes."""
    return struct.pack("f", value) if abs(value) < 3e38 else value


def judged(line):
    record, views = line["record"], []
    for side in ("old", "new"):
        told, apart = see(pool(line[side]), record)
        if not alike(told, record[side], narrow):
            return f"{side}: {record[side]} was said, and {told} is seen"
        if apart != set(record.get(f"unknown_to_{side}", [])) and not isinstance(told, str):
            return f"{side}: {sorted(apart)} are kept unread"
        views.append(told)
    return f"both see {views[0]}" if alike(*views) else "ok"


for line in sys.stdin:
    print(judged(json.loads(line)), flush=True)
