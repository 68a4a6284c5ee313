"""Messages of OTLP, as far as they are read, as tables for `protobuf.decode`."""

from __future__ import annotations

from typing import Any

from server.dialects.parsing.protobuf import Field, Table

LOGS, TRACES, METRICS = "/v1/logs", "/v1/traces", "/v1/metrics"

_ANY: Table = {
    1: Field("stringValue", "text"),
    2: Field("boolValue", "bool"),
    3: Field("intValue", "int"),
    4: Field("doubleValue", "double"),
}
_ATTRIBUTE: Table = {1: Field("key", "text"), 2: Field("value", _ANY)}
_ANY[5] = Field("arrayValue", {1: Field("values", _ANY, repeated=True)})
_ANY[6] = Field("kvlistValue", {1: Field("values", _ATTRIBUTE, repeated=True)})
_RECORD: Table = {
    1: Field("timeUnixNano", "fixed64"),
    5: Field("body", _ANY),
    6: Field("attributes", _ATTRIBUTE, repeated=True),
    11: Field("observedTimeUnixNano", "fixed64"),
    12: Field("eventName", "text"),
}
_POINTS: Table = {1: Field("dataPoints", "any", repeated=True)}
_METRIC: Table = {
    number: Field(name, _POINTS)
    for number, name in ((5, "gauge"), (7, "sum"), (9, "histogram"), (10, "exponentialHistogram"), (11, "summary"))
}


def _export(resources: str, scopes: str, items: str, item: Any) -> Table:
    scope = {2: Field(items, item, repeated=True)}
    resource = {1: Field("resource", {1: Field("attributes", _ATTRIBUTE, repeated=True)}), 2: Field(scopes, scope, repeated=True)}
    return {1: Field(resources, resource, repeated=True)}


# Route -> the names of its messages' levels.
LEVELS = {
    LOGS: ("resourceLogs", "scopeLogs", "logRecords"),
    TRACES: ("resourceSpans", "scopeSpans", "spans"),
    METRICS: ("resourceMetrics", "scopeMetrics", "metrics"),
}
TABLES = {
    LOGS: _export(*LEVELS[LOGS], _RECORD),
    TRACES: _export(*LEVELS[TRACES], "any"),
    METRICS: _export(*LEVELS[METRICS], _METRIC),
}
