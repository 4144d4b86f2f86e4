"""A client of the registry that was not written here: grpcio, and what the server says of itself by reflection.

Usage: grpc_client.py HOST:PORT
A token in GUIJU_TOKEN is shown with each call.
Prints one line for each step. Any other answer than the expected one ends it with a traceback and exit code 1.
"""

import collections
import os
import sys
import uuid

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

METADATA = """
kind = "record"
domain = "common"
title_zh = "借阅证"
title_en = "Library card"
abstract = "图书馆的借阅证。"
abstract_en = "A card of a library."
owner = "Library"
steward = "Catalogue room"
registration_authority = "Library"
share_class = "1"
open = true
security_level = "S1"
update_cycle = "1"
"""

SCHEMA = """{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "x-guiju": {"vocabulary": "1"},
  "type": "object",
  "required": ["card", "holder"],
  "properties": {
    "card": {"type": "string", "maxLength": 8, "title": "card number", "x-guiju": {"titleZh": "证号"}},
    "holder": {"type": "string", "minLength": 1, "title": "holder", "x-guiju": {"titleZh": "持证人", "synonyms": ["持卡人"]}}
  }
}""".encode()


class Details(
    collections.namedtuple("Details", "method timeout metadata credentials wait_for_ready compression"),
    grpc.ClientCallDetails,
):
    """How a call is made."""


class Bearer(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Shows a token with each call."""

    def __init__(self, token):
        self.shown = ("authorization", f"Bearer {token}")

    def call(self, continuation, details, request):
        metadata = [*(details.metadata or []), self.shown]
        kept = (getattr(details, name, None) for name in Details._fields[3:])
        return continuation(Details(details.method, details.timeout, metadata, *kept), request)

    intercept_unary_unary = intercept_unary_stream = intercept_stream_unary = intercept_stream_stream = call


class Server:
    """Calls methods by name, with types that reflection brought."""

    def __init__(self, channel):
        self.channel = channel
        database = ProtoReflectionDescriptorDatabase(channel)
        self.services = database.get_services()
        self.pool = descriptor_pool.DescriptorPool(database)

    def type(self, name):
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))

    def call(self, path, request, **options):
        """`request` is a dict of fields, or an iterable of them where the method takes a stream."""
        service, name = path.split("/")
        method = self.pool.FindServiceByName(service).FindMethodByName(name)
        asked = message_factory.GetMessageClass(method.input_type)
        given = message_factory.GetMessageClass(method.output_type)
        shape = ("stream" if method.client_streaming else "unary", "stream" if method.server_streaming else "unary")
        stub = getattr(self.channel, "_".join(shape))(
            f"/{path}", request_serializer=asked.SerializeToString, response_deserializer=given.FromString
        )
        messages = (asked(**fields) for fields in request) if method.client_streaming else asked(**request)
        return stub(messages, timeout=30, **options)

    def registry(self, name, **fields):
        return self.call(f"guiju.registry.v1.Registry/{name}", fields)

    def conformance(self, name, **fields):
        return self.call(f"guiju.conformance.v1.Conformance/{name}", fields)


def refusal(call):
    """The code, reason and details of a call that must fail."""
    try:
        call()
    except grpc.RpcError as error:
        details = {}
        for detail in rpc_status.from_call(error).details:
            name = detail.TypeName().rsplit(".", 1)[1]
            details[name] = getattr(error_details_pb2, name)() if hasattr(error_details_pb2, name) else detail
            if details[name] is not detail:
                detail.Unpack(details[name])
        assert details["ErrorInfo"].domain == "guiju", details
        return error.code(), details["ErrorInfo"].reason, details
    raise AssertionError("it was not refused")


def equal(given, expected):
    assert given == expected, f"{given!r} is not {expected!r}"


def reflect(server):
    for name in ["guiju.registry.v1.Registry", "guiju.conformance.v1.Conformance", "grpc.health.v1.Health"]:
        assert name in server.services, server.services
    answer = server.call("grpc.health.v1.Health/Check", {"service": "guiju.registry.v1.Registry"})
    equal(answer.status, 1)
    unknown = {"service": "no.such.Service"}
    code, reason, _ = refusal(lambda: server.call("grpc.health.v1.Health/Check", unknown))
    equal((code, reason), (grpc.StatusCode.NOT_FOUND, "UNKNOWN_SERVICE"))
    watched = server.call("grpc.health.v1.Health/Watch", unknown)
    equal(next(watched).status, 3)
    watched.cancel()


def publish(server, operation):
    file = server.type("guiju.registry.v1.File")
    fields = dict(standard="bj.library/card", version="1.0.0", kind=1, metadata_toml=METADATA)
    fields["files"] = [file(path="schema.json", content=SCHEMA)]
    first = server.registry("Publish", operation_id=operation, **fields)
    assert first.is_new
    again = server.registry("Publish", operation_id=operation, **fields)
    assert not again.is_new
    equal(again.version, first.version)
    changed = [file(path="schema.json", content=SCHEMA.replace(b'"maxLength": 8', b'"maxLength": 9'))]
    code, reason, _ = refusal(
        lambda: server.registry("Publish", operation_id=str(uuid.uuid4()), **{**fields, "files": changed})
    )
    equal((code, reason), (grpc.StatusCode.ALREADY_EXISTS, "VERSION_EXISTS"))
    twice = [file(path="schema.json", content=SCHEMA.replace(b'"maxLength": 8', b'"maxLength": 8, "maxLength": 9'))]
    code, reason, details = refusal(
        lambda: server.registry("Publish", operation_id=str(uuid.uuid4()), **{**fields, "files": twice})
    )
    equal((code, reason), (grpc.StatusCode.INVALID_ARGUMENT, "BAD_FILE"))
    violation = details["BadRequest"].field_violations[0]
    equal(violation.field, "schema.json")
    assert "/maxLength` is given twice" in violation.description, violation
    return first.version


def publish_parts(server):
    header = dict(standard="bj.library/card", version="1.1.0", kind=1, metadata_toml=METADATA)
    header["operation_id"] = str(uuid.uuid4())
    request = server.type("guiju.registry.v1.PublishRequest")(**header)
    part = server.type("guiju.registry.v1.FilePart")
    pieces = [SCHEMA[at : at + 50] for at in range(0, len(SCHEMA), 50)]
    parts = [dict(header=request)] + [dict(file=part(path="schema.json", content=piece)) for piece in pieces]
    answer = server.call("guiju.registry.v1.Registry/PublishParts", parts)
    equal(answer.result.version.version, "1.1.0")


def resolve(server, published):
    answer = server.registry("Resolve", reference="bj.library/card@=1.0.0")
    equal(answer.version, published)
    equal(server.registry("Resolve", reference="bj.library/card@^1").version.version, "1.1.0")
    parts = list(server.registry("GetBundle", reference="bj.library/card@=1.0.0"))
    equal(parts[0].root, published.digest)
    assert any(part.piece.path == "schema.json" for part in parts)
    code, reason, details = refusal(lambda: server.registry("Resolve", reference="bj.library/cart"))
    equal((code, reason), (grpc.StatusCode.NOT_FOUND, "UNKNOWN_STANDARD"))
    assert "bj.library/card" in details["ErrorInfo"].metadata["near"], details
    code, reason, details = refusal(lambda: server.registry("Resolve", reference="no reference"))
    equal((code, reason), (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_FIELD"))
    equal(details["BadRequest"].field_violations[0].field, "reference")


def compare(server):
    """A candidate that breaks is refused; the details hold the verdict, in a type that reflection brought."""
    file = server.type("guiju.registry.v1.File")
    narrower = SCHEMA.replace(b'"maxLength": 8', b'"maxLength": 7')
    fields = dict(standard="bj.library/card", version="1.2.0", kind=1, metadata_toml=METADATA)
    fields.update(files=[file(path="schema.json", content=narrower)], operation_id=str(uuid.uuid4()))
    candidate = server.type("guiju.registry.v1.PublishRequest")(**fields)
    told = server.registry("CanPublish", candidate=candidate)
    equal((told.is_allowed, told.required_version), (False, "2.0.0"))
    code, reason, details = refusal(lambda: server.registry("Publish", **fields))
    equal((code, reason), (grpc.StatusCode.FAILED_PRECONDITION, "BUMP_TOO_SMALL"))
    equal(details["ErrorInfo"].metadata["required"], "2.0.0")
    verdict = server.type("guiju.registry.v1.Verdict")()
    assert details["Verdict"].Unpack(verdict), details
    change = verdict.changes[0]
    equal((change.code, change.witness.record), ("length-narrowed", '{"card":"aaaaaaaa","holder":"a"}'))
    server.registry("Publish", **{**fields, "version": "2.0.0", "operation_id": str(uuid.uuid4())})
    verdict = server.registry("Compare", old="bj.library/card@=2.0.0", new="bj.library/card@=1.0.0").verdict
    equal(verdict.old_in_new.WhichOneof("answer"), "proved_in_steps")
    equal(verdict.new_in_old.witness.record, '{"card":"aaaaaaaa","holder":"a"}')


def search(server):
    places = {"借阅证": "title", "library": "name", "holder": "data-element", "持卡": "data-element", "图书馆": "text"}
    for query, place in places.items():
        hits = server.registry("Search", query=query).hits
        equal([(hit.standard.standard, hit.matched_in) for hit in hits], [("bj.library/card", place)])
        assert query in hits[0].excerpt, hits
    equal([each.standard for each in server.registry("ListStandards", namespace="bj").standards], ["bj.library/card"])


def check(server):
    good = server.conformance("Check", reference="bj.library/card", record='{"card": "A1", "holder": "李"}'.encode())
    assert good.report.conforms, good
    bad = server.conformance("Check", reference="bj.library/card", record=b'{"card": "A1"}')
    assert not bad.report.conforms and bad.report.errors == 1, bad
    finding = bad.report.findings[0]
    assert finding.code and finding.message.en and finding.message.zh, finding
    malformed = server.conformance("Check", reference="bj.library/card", record=b'{"card": ')
    assert not malformed.report.conforms, malformed


def stream(server):
    """NDJSON cut at every seventh byte, so in the middle of characters too."""
    lines = [f'{{"card": "A{n}", "holder": "读者"}}' if n % 10 else '{"card": "much too long", "holder": "读者"}' for n in range(1000)]
    data = "\n".join(lines).encode()
    header = server.type("guiju.conformance.v1.CheckStreamHeader")(reference="bj.library/card", failing_only=True, format=2)

    def messages():
        yield dict(header=header)
        for at in range(0, len(data), 7):
            yield dict(chunk=data[at : at + 7])

    answers = list(server.call("guiju.conformance.v1.Conformance/CheckStream", messages()))
    failing = [answer.record.index for answer in answers if answer.HasField("record")]
    equal(failing, list(range(0, 1000, 10)))
    final = answers[-1].progress
    assert final.is_final, final
    equal((final.records, final.conforming, final.failing, final.bytes), (1000, 900, 100, len(data)))


def main(address):
    limit = [("grpc.max_receive_message_length", 8 << 20)]
    with grpc.insecure_channel(address, options=limit) as channel:
        token = os.environ.get("GUIJU_TOKEN")
        server = Server(grpc.intercept_channel(channel, Bearer(token)) if token else channel)
        reflect(server)
        print("reflected")
        published = publish(server, str(uuid.uuid4()))
        publish_parts(server)
        print("published")
        resolve(server, published)
        print("resolved")
        search(server)
        print("searched")
        check(server)
        print("checked")
        stream(server)
        print("streamed")
        compare(server)
        print("compared")


main(sys.argv[1])
