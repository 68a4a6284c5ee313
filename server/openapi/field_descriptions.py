"""What each field means, for those that say nothing themselves. A description that a dialect gives with the type goes first."""

from __future__ import annotations

_REFERRERS = "`userAgent` and `referrer` are cut to 256 characters, the referrer to its origin; addresses are dropped."

# Of every schema that has such a field.
_EVERYWHERE = {
    "arch": "Architecture; `amd64` and `x86_64` become `x64`, `aarch64` becomes `arm64`.",
    "ci": "Whether it runs in CI; where `environment` is missing.",
    "data": "The event.",
    "event_type": "What happened.",
    "ignored": "Fields that were not understood, where there are any; the event is stored without them.",
    "events": "The events, up to 1,000.",
    "id": "Makes a repeated event known: an id of the same install counts once in 30 days.",
    "installation_id": "The anonymous id of one installation. Only its keyed hash is stored.",
    "name": "What happened, such as `build` or `install_failed`.",
    "os": "Operating system; `win32`, `Darwin` and the like become `windows`, `darwin`.",
    "outcome": "The end: `success` or `failure`. Another word is kept as a property.",
    "package_manager": "npm, pip, brew, …",
    "runtime": "What runs the tool, such as `node 20.10` or `python 3.12`.",
    "session_id": "What belongs together; only its keyed hash is stored.",
    "timestamp": "When it happened by the client's clock: ISO 8601 or epoch milliseconds. Missing: the time of arrival.",
    "version": "The tool's version.",
}

# Of one schema.
_HERE = {
    ("native.Event", "duration_ms"): "Milliseconds, from 0 to 30 days; fractions are welcome. Another number is ignored.",
    (
        "native.Event",
        "environment",
    ): "The actor that ran the tool: `person`, `ci`, `container`, `development` or `test`. Another word is kept "
    "as the reason of an unknown environment.",
    ("native.Event", "error"): "What went wrong. Texts are scrubbed of paths, addresses and secrets, and cut.",
    (
        "native.Event",
        "properties",
    ): "Anything else that is worth knowing; the first 100 are kept. Values are scrubbed of what tells who somebody is.",
    ("native.Event", "target"): "What the event is about: a pack, a template, a command, …",
    ("native.Target", "type"): "What kind of thing, such as `template`.",
    ("native.Target", "id"): "Which one of its kind.",
    ("native.Error", "type"): "The kind of error, such as `ENOENT` or `ValueError`.",
    ("native.Error", "message"): "What was said about it.",
    (
        "sonicjs.Event",
        "properties",
    ): "`os`, `nodeVersion`, `packageManager`, `durationMs`, `errorType`, `version` and the like count by themselves; "
    "all of them are kept.",
    ("sonicjs.InstallBody", "data"): "The install.",
    ("sonicjs.Install", "node_version"): "The version of Node.js, such as `v20.10`.",
    ("sonicjs.Install", "first_seen"): "Only ever moves back.",
    ("sonicjs.Install", "last_seen"): "Only ever moves forward.",
    ("flakedrop.Event", "type"): "`heartbeat`, `config_created`, `deployment`, or a new one.",
    ("flakedrop.FlatEvent", "type"): "`heartbeat`, `config_created`, `deployment`, or a new one.",
    ("flakedrop.Envelope", "type"): "`heartbeat`, `config_created`, `deployment`, or a new one.",
    ("flakedrop.Envelope", "data"): "The event; may be missing.",
    ("flakedrop.Event", "data"): "An object that holds the event.",
    ("flakedrop.Report", "user_id"): "The client's own hash of its user, which is hashed once more.",
    ("flakedrop.Report", "success"): "Whether a deployment went well.",
    ("engagement.Engagement", "targetType"): "`snippet`, `template`, `document`, or a type that the project adds.",
    ("engagement.Engagement", "targetId"): "Which one of its type; not blank.",
    (
        "engagement.Engagement",
        "kind",
    ): "`view`, `copy`, `download`, `template_use`, `builder_export`, `favorite`, `unfavorite`, `comment`, `vote_up`, "
    "`vote_down`, or a kind that the project adds.",
    ("engagement.Engagement", "userId"): "Who; only its keyed hash is stored.",
    ("engagement.Engagement", "sessionId"): "The session, by which views are counted once; only its keyed hash is stored.",
    ("engagement.Engagement", "metadata"): f"Whatever else is worth knowing. {_REFERRERS}",
    ("trackskills.ToolCall", "tool_name"): "The tool that was called.",
    ("trackskills.ToolCall", "tool_category"): "What kind of tool it is.",
    ("trackskills.ToolCall", "duration_ms"): "How long the call took, in milliseconds.",
    ("trackskills.ToolCall", "status"): "The end of the call: `success`, `error` or `timeout`. Any word is kept.",
    ("trackskills.ToolCall", "error_type"): "The kind of error.",
    ("trackskills.ToolCall", "error_message"): "What was said about it; scrubbed, and cut at 4,000 characters.",
    ("trackskills.ToolCall", "metadata"): "An object, or a string that holds one as JSON.",
    ("posthog.Batch", "batch"): "The events, up to 1,000.",
    ("posthog.Batch", "api_key"): "The project's key.",
    ("posthog.Batch", "sent_at"): "The time of sending by the client's clock. A clock that is wrong by a minute or more is corrected.",
    ("posthog.Event", "api_key"): "The project's key.",
    ("posthog.Event", "event"): "The name of the event, cut at 100 characters.",
    ("posthog.Event", "distinct_id"): "The anonymous id of one installation. Only its keyed hash is stored.",
    ("posthog.Event", "uuid"): "The id of the event: an id of the same install counts once in 30 days.",
    ("posthog.Event", "properties"): "The program's own properties are kept; those of the SDK (`$…`), addresses and URLs are not.",
    ("posthog.FlagRequest", "api_key"): "The project's key.",
    ("posthog.FlagRequest", "distinct_id"): "Ignored.",
    ("segment.Batch", "batch"): "The calls, up to 1,000.",
    ("segment.Batch", "writeKey"): "The project's key, where Basic authentication has none.",
    ("segment.Batch", "sentAt"): "The time of sending by the client's clock. A clock that is wrong by a minute or more is corrected.",
    ("segment.Message", "type"): "`track`, `page`, `screen`, `identify`, `group` or `alias`; the path names it for a single call.",
    ("segment.Message", "event"): "The name of the event, for `track`; cut at 100 characters.",
    ("segment.Message", "name"): "The name of a page or screen.",
    ("segment.Message", "messageId"): "The id of the call: an id of the same install counts once in 30 days.",
    ("segment.Message", "anonymousId"): "The anonymous id of one installation. Only its keyed hash is stored.",
    ("segment.Message", "userId"): "The id of a user, used as the install where `anonymousId` is missing. Only its keyed hash is stored.",
    ("segment.Message", "properties"): "The program's own properties are kept; addresses and URLs are not.",
    ("segment.Message", "context"): "`app.version`, `os.name`, `library` and `sessionId` are used; nothing else is kept.",
    ("segment.Message", "writeKey"): "The project's key, where Basic authentication has none.",
}


def meaning(schema: str, field: str) -> str | None:
    """What a field of a schema means, where we have words for it."""
    return _HERE.get((schema, field)) or _EVERYWHERE.get(field)
