"""Whether `openapi-core` takes a request, or knows an answer, by a contract.

In: one JSON object a line, `document` (a path) and `message` as a witness is shown. Out: `taken`, or why not. Who may ask is not looked
at, nor where it is asked.
"""

import json
import sys
from urllib.parse import parse_qsl, urlencode, urlsplit

import yaml
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse
from werkzeug.datastructures import ImmutableMultiDict

HOST = "http://localhost"


def document(path):
    with open(path, encoding="utf-8") as text:
        read = yaml.safe_load(text)
    for holder in [read, *read.get("paths", {}).values()]:
        holder.pop("servers", None)
        holder.pop("security", None)
        for operation in holder.values():
            if isinstance(operation, dict):
                operation.pop("servers", None)
                operation.pop("security", None)
    return OpenAPI.from_dict(read)


def written(body, media):
    if media == "application/x-www-form-urlencoded":
        return urlencode(body, doseq=True).encode()
    if media.startswith("text/") and isinstance(body, str):
        return body.encode()
    return json.dumps(body).encode()


def judged(question):
    contract, message = document(question["document"]), question["message"]
    method, target = message["request"].split(" ", 1)
    parts = urlsplit(HOST + target)
    headers = dict(message.get("headers", {}))
    media = headers.pop("Content-Type", "")
    cookies = dict(pair.split("=", 1) for pair in headers.pop("Cookie", "").split("; ") if pair)
    body = written(message["body"], media) if "body" in message else b""
    is_answer = "status" in message
    request = MockRequest(
        HOST,
        method.lower(),
        parts.path,
        headers={} if is_answer else headers,
        cookies=cookies,
        data=b"" if is_answer else body,
        content_type="application/json" if is_answer or not media else media,
    )
    request.parameters.query = ImmutableMultiDict(parse_qsl(parts.query, keep_blank_values=True))
    try:
        if is_answer:
            answer = MockResponse(body, message["status"], headers=headers, content_type=media or "application/json")
            contract.validate_response(request, answer)
        else:
            contract.validate_request(request)
    except Exception as error:
        return f"{type(error).__name__}: {error} {error.__cause__ or ''}".replace("\n", " ")[:200]
    return "taken"


for line in sys.stdin:
    print(judged(json.loads(line)), flush=True)
