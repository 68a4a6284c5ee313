"""OTLP: log records in JSON and protobuf, and the refusal of traces and metrics."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from server.dialects import otlp
from server.dialects.parsing.protobuf import MAX_VALUES, length_field, varint
from server.event import Decoded, Environment, Outcome, Request
from server.problems import Malformed, TooLarge
from tests.dialects.conftest import RECEIVED_AT

PROTOBUF = {b"content-type": b"application/x-protobuf"}


def request(route: str = "/v1/logs", headers: dict[bytes, bytes] | None = None) -> Request:
    return Request(route=route, headers=headers or {}, address="198.51.100.4", received_at=RECEIVED_AT)


def read(body: Any, route: str = "/v1/logs") -> Decoded:
    """The events of a body: protobuf if it is bytes, else JSON."""
    asked = request(route, PROTOBUF if isinstance(body, bytes) else None)
    asked.document, asked.faults = otlp.parse(body if isinstance(body, bytes) else json.dumps(body).encode(), asked)
    return otlp.decode(asked)


def typed(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"kvlistValue": {"values": attributes(value)}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [typed(item) for item in value]}}
    kinds = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}
    return {kinds[type(value)]: value}


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": typed(value)} for key, value in values.items()]


def export(*records: Any, **resource: Any) -> dict[str, Any]:
    about = {"attributes": attributes({name.replace("_", "."): value for name, value in resource.items()})}
    return {"resourceLogs": [{"resource": about, "scopeLogs": [{"scope": {"name": "mycli"}, "logRecords": list(records)}]}]}


def record(**fields: Any) -> dict[str, Any]:
    values = {"app.installation.id": "inst-1", "process.exit.code": 2, "error.type": "ValueError", "command": "build"}
    return {"timeUnixNano": str((RECEIVED_AT - 30_000) * 1_000_000), "eventName": "cli command", "attributes": attributes(values), **fields}


# --- protobuf, written down field by field ---


def pb(number: int, content: bytes | str) -> bytes:
    return length_field(number, content.encode() if isinstance(content, str) else content)


def pb_value(value: Any) -> bytes:
    if isinstance(value, bool):
        return varint(2 << 3) + varint(int(value))
    if isinstance(value, int):
        return varint(3 << 3) + varint(value & (1 << 64) - 1)
    if isinstance(value, float):
        return varint(4 << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, list):
        return pb(5, b"".join(pb(1, pb_value(item)) for item in value))
    if isinstance(value, dict):
        return pb(6, b"".join(pb(1, pb_attribute(*item)) for item in value.items()))
    return pb(7, value) if isinstance(value, bytes) else pb(1, value)


def pb_attribute(key: str, value: Any) -> bytes:
    return pb(1, key) + pb(2, pb_value(value))


def pb_export(*records: bytes, resource: dict[str, Any] | None = None) -> bytes:
    about = b"".join(pb(1, pb_attribute(*item)) for item in (resource or {}).items())
    return pb(1, pb(1, about) + pb(2, pb(1, pb(1, "mycli")) + b"".join(pb(2, each) for each in records)))


def pb_record(name: str, **values: Any) -> bytes:
    time = varint(1 << 3 | 1) + struct.pack("<Q", (RECEIVED_AT - 30_000) * 1_000_000)
    named = b"".join(pb(6, pb_attribute(key.replace("__", "."), value)) for key, value in values.items())
    return time + named + pb(9, b"\0" * 16) + pb(12, name)


RESOURCE = {
    "service.version": "1.2.3",
    "os.type": "darwin",
    "host.arch": "arm64",
    "process.runtime.name": "cpython",
    "process.runtime.version": "3.11.7",
    "service.instance.id": "a-random-id-per-process",
    "host.name": "adas-laptop",
}
VALUES = {
    "app__installation__id": "inst-1", "session__id": "s-1", "process__exit__code": 2, "error__type": "ValueError", "command": "build",
    "ratio": 0.5, "deep": {"n": [1, True]}, "raw": b"\0\1", "process__command_args": ["--token", "x"], "url__full": "https://a.example/x",
    "exception__stacktrace": "File /home/ada/x.py",
}  # fmt: skip


def check(decoded: Decoded) -> None:
    (event,) = decoded.events
    assert (event.name, event.install, event.session, event.id) == ("cli command", "inst-1", "s-1", None)
    assert (event.occurred_at, event.outcome, event.error_type) == (RECEIVED_AT - 30_000, Outcome.FAILURE, "ValueError")
    where = event.context
    assert (where.dialect, where.os, where.arch, where.version, where.runtime) == ("otlp", "darwin", "arm64", "1.2.3", "python 3.11.7")
    assert event.properties == {"process.exit.code": 2, "command": "build", "ratio": 0.5, "deep": {"n": [1, True]}}


def test_an_event_in_protobuf_and_in_json_is_the_same() -> None:
    values = {key.replace("__", "."): value for key, value in VALUES.items() if key != "raw"}
    in_json = read(
        export({**record(), "attributes": attributes(values)}, **{key.replace(".", "_"): value for key, value in RESOURCE.items()})
    )
    in_protobuf = read(pb_export(pb_record("cli command", **VALUES), resource=RESOURCE))
    check(in_json)
    check(in_protobuf)


def test_a_number_is_a_text_in_json_of_protobuf_and_a_number_in_that_of_javascript() -> None:
    code: Any
    for code in ("2", 2):
        (event,) = read(export(record(attributes=[{"key": "process.exit.code", "value": {"intValue": code}}]))).events
        assert event.outcome is Outcome.FAILURE
    for code in ("9" * 30, 1 << 70, "x", None, True, []):
        (event,) = read(export(record(attributes=[{"key": "process.exit.code", "value": {"intValue": code}}]))).events
        assert event.outcome is Outcome.NONE


def test_an_older_emitter_names_its_event_in_an_attribute() -> None:
    old = {"observedTimeUnixNano": str(RECEIVED_AT * 1_000_000), "attributes": attributes({"event.name": "build"}), "body": typed({"a": 1})}
    (event,) = read(export(old)).events
    assert (event.name, event.occurred_at, event.properties) == ("build", RECEIVED_AT, {"a": 1})


def test_a_process_id_is_not_an_install(reply: Any) -> None:
    (event,) = read(export({"eventName": "build"}, service_instance_id="random")).events
    assert event.install is None
    (event,) = read(export({"eventName": "build"}, app_installation_id="inst-2")).events
    assert event.install == "inst-2"


def test_the_environment_comes_from_attributes_of_the_resource() -> None:
    def where(**resource: Any) -> Environment:
        return read(export({"eventName": "build"}, **resource)).events[0].context.environment

    assert where(deployment_environment_name="test") is Environment.TEST
    assert where(cicd_pipeline_name="release") is Environment.CI
    assert where(container_id="abc") is Environment.CONTAINER
    assert where() is Environment.UNKNOWN


def test_ordinary_logs_are_left_out_and_counted_in_the_answer(reply: Any) -> None:
    decoded = read(export(record(), {"body": typed("a log")}, record(eventName="x\0y")))
    assert (len(decoded.events), [each.index for each in decoded.rejected]) == (1, [2])
    answer = reply(otlp, decoded)
    assert (answer.status, json.loads(answer.body)["partialSuccess"]["rejectedLogRecords"]) == (200, "2")
    answer = reply(otlp, read(pb_export(pb_record("a"), pb(5, pb_value("a log")))))
    assert (answer.content_type, answer.body[2:4]) == (b"application/x-protobuf", b"\x08\x01")
    assert reply(otlp, read(export(record()))).body == b"{}"
    assert reply(otlp, read(pb_export(pb_record("a")))).body == b""


def test_traces_and_metrics_are_rejected_by_a_partial_success(reply: Any) -> None:
    spans = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "a"}, {"name": "b"}]}]}]}
    assert json.loads(reply(otlp, read(spans, "/v1/traces")).body)["partialSuccess"]["rejectedSpans"] == "2"
    points: dict[str, Any] = {
        "resourceMetrics": [{"scopeMetrics": [{"metrics": [{"sum": {"dataPoints": [{}, {}]}}, {"gauge": {"dataPoints": [{}]}}]}]}]
    }
    assert json.loads(reply(otlp, read(points, "/v1/metrics")).body)["partialSuccess"]["rejectedDataPoints"] == "3"
    assert reply(otlp, read(pb(1, pb(2, pb(2, pb(5, "a")) + pb(2, b""))), "/v1/traces")).body[2:4] == b"\x08\x02"
    metric = pb(1, "builds") + pb(7, pb(1, b"") + pb(1, b"") + varint(2 << 3) + varint(1))
    assert reply(otlp, read(pb(1, pb(2, pb(2, metric))), "/v1/metrics")).body[2:4] == b"\x08\x02"


@pytest.mark.parametrize(
    "body",
    [b"\x0a", b"\x0a\x05\x00", b"\x0a" + b"\xff" * 11 + b"\x01", b"\x0b", b"\x09\x00", b"\x80", b"\x0a\x02\x12\x7f"],
)
def test_broken_protobuf_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        read(body)


def test_a_body_of_many_or_deep_values_is_refused() -> None:
    with pytest.raises(Malformed):
        read(pb(1, pb(2, b"\x12\x00" * (MAX_VALUES + 1))))
    deep = pb_value("end")
    for _ in range(200):
        deep = pb(5, pb(1, deep))
    with pytest.raises(Malformed):
        read(pb_export(pb(6, pb(1, "a") + pb(2, deep)) + pb(12, "build")))
    with pytest.raises(TooLarge):
        read(export(*[{"eventName": "a"}] * 1_001))


def test_json_that_is_not_an_export_has_no_events() -> None:
    bodies: tuple[Any, ...] = (
        {},
        {"resourceLogs": 5},
        {"resourceLogs": [None, {"scopeLogs": [5, {"logRecords": [None, {"attributes": [5, {"key": 5}, {"key": "a", "value": 5}]}]}]}]},
    )
    for body in bodies:
        assert read(body).events == []
    for text in (b"", b"{", b"[]", b"5"):
        with pytest.raises(Malformed):
            otlp.parse(text, request())


def test_a_rejected_log_record_is_replayed_on_its_own() -> None:
    """A replay decodes the document of one record."""
    asked = request()
    asked.document, _ = otlp.parse(json.dumps(export(record())).encode(), asked)
    whole = otlp.decode(asked).events
    asked.document = asked.document["batch"]
    assert otlp.decode(asked).events == whole
