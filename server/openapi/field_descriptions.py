"""Descriptions of fields. A description in the dialect's own type takes precedence."""

from __future__ import annotations

from server.event import CONTEXT_FIELDS

_REFERRERS = "`userAgent` is truncated to 256 characters, `referrer` to its origin. IP addresses are removed."

# For every schema with such a field. The others of a context are declared in `server.event.Context`.
_EVERYWHERE = {
    "arch": "Processor architecture. `amd64` and `x86_64` become `x64`, `aarch64` becomes `arm64`.",
    "ci": "Whether the tool runs in CI. Used if `environment` is missing.",
    "data": "The event.",
    "event_type": "Name of the event.",
    "ignored": "Fields that were not understood. Omitted if there are none. The event was stored without them.",
    "events": "The events, at most 1,000.",
    "id": "Idempotency id: events of one install with the same id count once in 30 days.",
    "installation_id": "Anonymous id of the installation. Only its keyed hash is stored.",
    "name": "Name of the event, such as `build` or `install_failed`.",
    "os": "Operating system. `win32`, `Darwin` and similar names are normalized to `windows`, `darwin`.",
    "outcome": "Outcome: `success` or `failure`. Other values are stored as a property.",
    "session_id": "Session id. Only its keyed hash is stored.",
    "timestamp": "Time of the event by the client's clock: ISO 8601 or epoch milliseconds. Default: the time of arrival.",
}

# For one schema.
_HERE = {
    ("native.Event", "duration_ms"): "Duration in milliseconds, from 0 to 30 days. May have decimals. Other numbers are ignored.",
    (
        "native.Event",
        "environment",
    ): "Environment that ran the tool: `person`, `ci`, `container`, `development` or `test`. Other values are stored "
    "as the reason of an unknown environment.",
    ("native.Event", "error"): "Error of a failed event. Paths, addresses and secrets are removed from its texts, which are truncated.",
    (
        "native.Event",
        "properties",
    ): "Additional properties, of which the first 100 are stored. Identifying information is removed from the values.",
    (
        "native.Event",
        "sample_rate",
    ): "Share of the events that the client sends, from 0 to 1. The event counts as 1 / `sample_rate` events, at most 1,000.",
    ("native.Event", "weight"): "Number of events that this one stands for, from 1 to 1,000. Takes precedence over `sample_rate`.",
    ("native.Event", "target"): "Target of the event, such as a pack, a template or a command.",
    ("native.Target", "type"): "Type of the target, such as `template`.",
    ("native.Target", "id"): "Id of the target, unique within its type.",
    ("native.Error", "type"): "Type of the error, such as `ENOENT` or `ValueError`.",
    ("native.Error", "message"): "Message of the error.",
    (
        "sonicjs.Event",
        "properties",
    ): "`os`, `nodeVersion`, `packageManager`, `durationMs`, `errorType`, `version` and similar names fill the event's own fields; "
    "all of them are stored.",
    ("sonicjs.InstallBody", "data"): "The install.",
    ("sonicjs.Install", "node_version"): "Version of Node.js, such as `v20.10`.",
    ("sonicjs.Install", "first_seen"): "First time the install was seen. The earliest value is kept.",
    ("sonicjs.Install", "last_seen"): "Last time the install was seen. The latest value is kept.",
    ("flakedrop.Event", "type"): "`heartbeat`, `config_created`, `deployment`, or any other type.",
    ("flakedrop.FlatEvent", "type"): "`heartbeat`, `config_created`, `deployment`, or any other type.",
    ("flakedrop.Envelope", "type"): "`heartbeat`, `config_created`, `deployment`, or any other type.",
    ("flakedrop.Envelope", "data"): "The event. Optional.",
    ("flakedrop.Event", "data"): "Object that contains the event.",
    ("flakedrop.Report", "user_id"): "The client's hash of its user, which is hashed again.",
    ("flakedrop.Report", "success"): "Whether the deployment succeeded.",
    ("engagement.Engagement", "targetType"): "`snippet`, `template`, `document`, or another type.",
    ("engagement.Engagement", "targetId"): "Id of the target, unique within its type. Must not be blank.",
    (
        "engagement.Engagement",
        "kind",
    ): "`view`, `copy`, `download`, `template_use`, `builder_export`, `favorite`, `unfavorite`, `comment`, `vote_up`, "
    "`vote_down`, or another kind.",
    ("engagement.Engagement", "userId"): "User id. Only its keyed hash is stored.",
    ("engagement.Engagement", "sessionId"): "Session id, by which repeated views are recognized. Only its keyed hash is stored.",
    ("engagement.Engagement", "metadata"): f"Additional properties. {_REFERRERS}",
    ("trackskills.ToolCall", "tool_name"): "Name of the tool.",
    ("trackskills.ToolCall", "tool_category"): "Category of the tool.",
    ("trackskills.ToolCall", "duration_ms"): "Duration of the call in milliseconds.",
    ("trackskills.ToolCall", "status"): "Outcome of the call: `success`, `error` or `timeout`. Other values are stored.",
    ("trackskills.ToolCall", "error_type"): "Type of the error.",
    ("trackskills.ToolCall", "error_message"): "Message of the error. Scrubbed, and truncated to 4,000 characters.",
    ("trackskills.ToolCall", "metadata"): "An object, or a string that contains one as JSON.",
}


def field_description(schema: str, field: str) -> str | None:
    """Return the description of a field, or None."""
    return _HERE.get((schema, field)) or _EVERYWHERE.get(field) or _declared(schema, field)


def _declared(schema: str, field: str) -> str | None:
    declared = CONTEXT_FIELDS.get(field)
    if declared is None:
        return None
    kind = "A boolean" if declared.kind == "flag" else "A string"
    others = f" {kind}; anything else is stored as a property." if schema == "native.Event" and declared.properties else ""
    return declared.description + others
