"""OpenTelemetry's log exporters over HTTP, in JSON and protobuf: a log record with an event name is an event.

`parse` turns a request into one document per record, so that a rejected record can be kept and replayed alone. Traces and metrics are refused by a
partial success, because exporters log an error for each batch that gets a 404.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec

from server.dialects.document import read
from server.dialects.parsing import MAX_ERROR_MESSAGE, MAX_ERROR_TYPE, MAX_EVENTS, LikelyClient, Path, Sample, text, weight_in
from server.dialects.parsing import sdk_events as sdk
from server.dialects.parsing.otlp_messages import LEVELS, LOGS, METRICS, TABLES, TRACES
from server.dialects.parsing.protobuf import decode as decode_protobuf
from server.dialects.parsing.protobuf import length_field, varint
from server.event import Answer, Context, Decoded, Fault, FieldError, Incoming, Outcome, Outcomes, Receipt, Request
from server.problems import Invalid, Malformed

NAME = "otlp"
TITLE = "OpenTelemetry"
ABOUT = (
    "Log records with an event name, as OpenTelemetry's exporters send them over HTTP (OTLP), in JSON or protobuf. The key is a header, such as "
    "`OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20ff_…`."
)
CLIENT = LikelyClient("an OpenTelemetry exporter (OTLP over HTTP)", r"/(v1/(logs|traces|metrics)|v1development/profiles)")

_PROTOBUF, _JSON = b"application/x-protobuf", b"application/json"
_MAX_TEXT = 200  # characters of an attribute of a resource, which is repeated for each of its records
_MAX_DEPTH = 4  # levels of an attribute's value
_INT64 = 1 << 63

_REJECTED = {LOGS: "rejectedLogRecords", TRACES: "rejectedSpans", METRICS: "rejectedDataPoints"}
_REASONS = {
    LOGS: "Log records without an event name, or with values that cannot be stored, are dropped.",
    TRACES: "Footfall accepts log records with an event name, but no traces.",
    METRICS: "Footfall accepts log records with an event name, but no metrics.",
}

# --- requests ---


def parse(body: bytes, request: Request) -> tuple[Any, tuple[Fault, ...]]:
    """Parse a body into `{"batch": […]}` with one object per log record, or `{"count": …}` for traces and metrics. Raises `Malformed`."""
    exported = decode_protobuf(body, TABLES[request.route]) if _is_protobuf(request) else _json(body)
    if type(exported) is not dict:
        raise Malformed("An object is expected.")
    if request.route != LOGS:
        return {"count": _count(exported, request.route)}, ()
    records: list[dict[str, Any]] = []
    for resource, record in _items(exported, LOGS):
        records.append(_record(resource, record))
        if len(records) > MAX_EVENTS:
            break
    # `read` finds the values that cannot be stored, by the index of their record.
    return read(msgspec.json.encode({"batch": records}))


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return read(body)[0]  # accepts lone surrogates, and names the position of an error


def _is_protobuf(request: Request) -> bool:
    return "protobuf" in request.header(b"content-type").lower()


def _list(holder: Any, name: str) -> list[Any]:
    found = sdk.members(holder).get(name)
    return found if type(found) is list else []


def _items(exported: Any, route: str) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield the items of a request, each with the attributes of its resource."""
    resources, scopes, items = LEVELS[route]
    for group in _list(exported, resources):
        about = _resource(sdk.members(group).get("resource")) if route == LOGS else {}
        for scope in _list(group, scopes):
            for item in _list(scope, items):
                yield about, item


def _count(exported: Any, route: str) -> int:
    if route == TRACES:
        return sum(1 for _ in _items(exported, route))
    return sum(len(_list(kind, "dataPoints")) for _, metric in _items(exported, route) for kind in sdk.members(metric).values())


# --- records ---

_INSTALL, _SESSION, _ID = "app.installation.id", "session.id", "log.record.uid"
# The attributes of a resource that are used.
_USED = frozenset(
    {
        *(_INSTALL, _SESSION, "service.version", "os.type", "os.name", "host.arch", "process.runtime.name", "process.runtime.version"),
        *("telemetry.sdk.language", "deployment.environment.name", "deployment.environment", "container.id"),
    }
)
# Attributes with identifiers, command lines, paths, addresses or source code.
_DROPPED = (
    *(
        "app.installation.",
        "session.",
        "log.",
        "event.name",
        "exception.",
        "error.",
        "process.command",
        "process.executable",
        "process.pid",
    ),
    *(
        "process.parent",
        "process.owner",
        "process.working",
        "process.args",
        "user.",
        "user_agent.",
        "enduser.",
        "device.",
        "host.",
        "client.",
    ),
    *(
        "server.",
        "source.",
        "destination.",
        "network.",
        "net.",
        "peer.",
        "url.",
        "http.",
        "code.",
        "thread.",
        "service.instance.",
        "container.",
    ),
    *("os.", "telemetry.", "service.version", "deployment."),
)
_RUNTIMES = {"cpython": "python", "nodejs": "node"}


def _resource(resource: Any) -> dict[str, Any]:
    attributes = _attributes(resource)
    texts = {name: value[:_MAX_TEXT] for name, value in attributes.items() if name in _USED and type(value) is str}
    return texts | ({"ci": True} if any(name.startswith("cicd.") for name in attributes) else {})


def _record(resource: dict[str, Any], record: Any) -> dict[str, Any]:
    """Return a log record as one flat object. Its identifiers have the names of Footfall's own format, by which they are recognized."""
    fields = sdk.members(record)
    attributes = _attributes(fields)
    found = {
        "name": fields.get("eventName") or attributes.get("event.name"),
        "timestamp": _milliseconds(fields.get("timeUnixNano")) or _milliseconds(fields.get("observedTimeUnixNano")),
        "id": attributes.get(_ID),
        "installation_id": attributes.get(_INSTALL) or resource.get(_INSTALL),
        "session_id": attributes.get(_SESSION) or resource.get(_SESSION),
    }
    about = {name: value for name, value in resource.items() if name not in (_INSTALL, _SESSION)}
    own = {name: value for name, value in attributes.items() if name not in (_INSTALL, _SESSION, _ID)}
    return {**found, "resource": about, "properties": own, "body": _value(fields.get("body"), 0)}


def _attributes(holder: Any) -> dict[str, Any]:
    return _named(_list(holder, "attributes"), 0)


def _named(attributes: list[Any], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in attributes:
        name = sdk.members(attribute).get("key")
        value = _value(sdk.members(attribute).get("value"), depth)
        if type(name) is str and name and value is not None:
            found[name] = value
    return found


def _value(value: Any, depth: int) -> Any:
    """Return the value of an `AnyValue`, None for bytes, for an unknown kind, and below four levels."""
    for kind, inner in sdk.members(value).items():
        if kind in ("stringValue", "boolValue") and type(inner) in (str, bool):
            return inner
        if kind == "intValue":
            return _integer(inner)
        if kind == "doubleValue" and type(inner) in (int, float):
            return inner if inner - inner == 0 else None  # neither infinite nor NaN
        if depth < _MAX_DEPTH and kind == "arrayValue":
            return [_value(item, depth + 1) for item in _list(inner, "values")]
        if depth < _MAX_DEPTH and kind == "kvlistValue":
            return _named(_list(inner, "values"), depth + 1)
    return None


def _integer(value: Any) -> int | None:
    """Return a 64-bit number, which JSON also encodes as text."""
    if type(value) is str and len(value) <= 20 and value.removeprefix("-").isdecimal():
        value = int(value)
    return value if type(value) is int and -_INT64 <= value < _INT64 else None


def _milliseconds(value: Any) -> int | None:
    number = _integer(value)
    return number // 1_000_000 if number is not None and number > 0 else None


# --- events ---


def claims(request: Request) -> bool:
    return True


def decode(request: Request) -> Decoded:
    """The events of a request. A record without a name is an ordinary log, and is left out. Raises `TooLarge` above 1,000 records."""
    if request.route != LOGS:
        refused = sdk.members(request.document).get("count")
        return Decoded(batch=True, echo=(request.route, _is_protobuf(request), refused if type(refused) is int else 0))
    decoded = sdk.gather_messages(request, lambda item, _: _event(item))
    decoded.batch = True
    records = sdk.members(request.document).get("batch")
    decoded.echo = (request.route, _is_protobuf(request), len(records) if type(records) is list else 1)
    return decoded


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    """Return 200, with a partial success that counts the dropped records."""
    route, is_protobuf, records = decoded.echo
    rejected = (
        records - len(decoded.events) + sum(receipt in (Receipt.UNKNOWN_TARGET, Receipt.TOO_MANY_TARGETS) for receipt in outcomes.receipts)
    )
    return _partial(route, rejected, is_protobuf=is_protobuf)


def success(request: Request) -> Answer:
    return _partial(request.route, 0, is_protobuf=_is_protobuf(request))


def _partial(route: str, rejected: int, *, is_protobuf: bool) -> Answer:
    if is_protobuf:
        partial = varint(1 << 3) + varint(rejected) + length_field(2, _REASONS[route].encode())
        return Answer(200, length_field(1, partial) if rejected else b"", _PROTOBUF)
    partial_json = {"partialSuccess": {_REJECTED[route]: str(rejected), "errorMessage": _REASONS[route]}}
    return Answer(200, msgspec.json.encode(partial_json) if rejected else b"{}", _JSON)


def _event(item: Any) -> Incoming | None:
    if type(item) is not dict:
        raise Invalid(FieldError("", "expected an object"), status=400)
    if not item.get("name"):
        return None
    resource, properties = sdk.members(item.get("resource")), sdk.members(item.get("properties"))
    content = item.get("body")
    own = {name: value for name, value in properties.items() if not name.startswith(_DROPPED)}
    own = {**own, **(content if type(content) is dict else {} if content is None else {"body": content})}
    error_type = text(properties.get("error.type") or properties.get("exception.type"), MAX_ERROR_TYPE)
    result = sdk.outcome(properties)
    return Incoming(
        name=sdk.message_name(item["name"], "name"),
        install=sdk.usable_id(item.get("installation_id")),
        occurred_at=item["timestamp"] if type(item.get("timestamp")) is int else None,
        id=sdk.usable_id(item.get("id")),
        session=sdk.usable_id(item.get("session_id")),
        outcome=Outcome.FAILURE if error_type and result is Outcome.NONE else result,
        duration_us=sdk.duration_us(properties),
        error_type=error_type,
        error_message=text(properties.get("error.message") or properties.get("exception.message"), MAX_ERROR_MESSAGE, ""),
        context=_context(resource, properties),
        properties=sdk.kept_properties(own),
        weight=weight_in({**resource, **properties}),
    )


def _context(resource: Mapping[str, Any], properties: Mapping[str, Any]) -> Context:
    about = {**resource, **properties}
    words: dict[str, Any] = {"arch": about.get("host.arch")}
    if word := about.get("deployment.environment.name") or about.get("deployment.environment"):
        words["environment"] = word
    if "container.id" in about:
        words["container"] = True
    name, version = text(about.get("process.runtime.name")), text(about.get("process.runtime.version"))
    language = text(about.get("telemetry.sdk.language"))
    known = _RUNTIMES.get((name or language or "").lower(), name or language)
    return sdk.context(
        {**properties, **words, **({"ci": True} if "ci" in resource else {})},
        NAME,
        os=about.get("os.type") or about.get("os.name"),
        runtime=f"{known} {version.removeprefix('v')}" if known and version else known,
        version=about.get("service.version"),
    )


# --- routes ---


class Export(msgspec.Struct, kw_only=True, rename="camel"):
    """A request of OTLP, in protobuf's JSON form."""

    resource_logs: Annotated[list[dict[str, Any]] | None, msgspec.Meta(description="Log records, grouped by resource and scope.")] = None


class Traces(msgspec.Struct, kw_only=True, rename="camel"):
    """A request of OTLP with spans."""

    resource_spans: Annotated[list[dict[str, Any]] | None, msgspec.Meta(description="Spans, which are dropped.")] = None


class Metrics(msgspec.Struct, kw_only=True, rename="camel"):
    """A request of OTLP with data points."""

    resource_metrics: Annotated[list[dict[str, Any]] | None, msgspec.Meta(description="Data points, which are dropped.")] = None


def _attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


_SAMPLE_RECORD = {
    "timeUnixNano": "1773480413589000000",
    "eventName": "build",
    "attributes": [{"key": "process.exit.code", "value": {"intValue": "0"}}, _attribute("app.installation.id", "9f0e8a2d6f1b7c34")],
}
_SAMPLE_RESOURCE = {"attributes": [_attribute("service.version", "1.4.0"), _attribute("os.type", "linux")]}


def key_of(request: Request) -> str:
    """Return the bearer token of a request, which users configure as a header of the exporter, or an empty text."""
    scheme, _, token = request.header(b"authorization").strip().partition(" ")
    return sdk.client_key(token) if scheme.lower() == "bearer" else ""


PATHS = (
    Path(
        template=LOGS,
        batch=True,
        parse=parse,
        client_key=key_of,
        forwarded=(b"api-key", b"x-api-key"),
        summary="Send events as log records (OTLP)",
        accepts=(Export,),
        answers={200: "Stored. A partial success counts the records without an event name and those that cannot be stored."},
        samples=(
            Sample("An event", {"resourceLogs": [{"resource": _SAMPLE_RESOURCE, "scopeLogs": [{"logRecords": [_SAMPLE_RECORD]}]}]}),
            Sample(
                "A log without an event name", {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "started"}}]}]}]}
            ),
        ),
    ),
    Path(
        template=TRACES,
        batch=True,
        parse=parse,
        summary="Send traces (OTLP): all are rejected",
        accepts=(Traces,),
        answers={200: "A partial success that rejects all spans."},
        samples=(Sample("A span", {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "build"}]}]}]}),),
    ),
    Path(
        template=METRICS,
        batch=True,
        parse=parse,
        summary="Send metrics (OTLP): all are rejected",
        accepts=(Metrics,),
        answers={200: "A partial success that rejects all data points."},
        samples=(
            Sample(
                "A sum",
                {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "builds", "sum": {"dataPoints": [{"asInt": "1"}]}}]}]}]},
            ),
        ),
    ),
)
