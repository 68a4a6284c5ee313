"""The families of clients, as the reference names them: a title, some words, and samples of what they send.

A family that is missing here is still described, from its module's docstring and types: only less well.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from server.dialects import Dialect, engagement, flakedrop, sonicjs, trackskills
from server.dialects.parsing import Tally


class Family(NamedTuple):
    title: str
    about: str


class Sample(NamedTuple):
    """A body that a client may send, and what it shows."""

    shows: str
    body: Any


# In the order of the reference.
FAMILIES: dict[str, Family] = {
    "native": Family(
        "Footfall",
        "Footfall's own format, for new tools: one event, or a batch. It keeps fields that it does not know, and the answer's `ignored` names "
        "those that it does not understand.",
    ),
    "downloads": Family(
        "Downloads", "Counts without a body, an id or a care for the answer: for `curl` in a shell script, as peon-ping has it."
    ),
    "sonicjs": Family("SonicJS", "What `create-sonicjs` and the SonicJS CMS send: each record wrapped in `data`."),
    "engagement": Family(
        "Engagement", "What a site's visitors do with what it shows: views, copies, downloads, votes; as markdowntown has it."
    ),
    "flakedrop": Family("FlakeDrop", "Heartbeats and deployments, as the FlakeDrop CLI sends them: an object within an object."),
    "trackskills": Family("Track-Skills", "Calls of tools, from the Track-Skills clients. There is no id of an installation in the body."),
    "posthog": Family(
        "PostHog", "What PostHog's SDKs send. The project's key is `api_key`, or the bearer. Responses are those that the SDKs expect."
    ),
    "segment": Family(
        "Segment, RudderStack",
        "What the SDKs of Segment and RudderStack send. The project's key is the user name of Basic authentication, or `writeKey`.",
    ),
}

# (family, path) -> what else there is to know.
NOTES: dict[tuple[str, str], str] = {
    (
        "native",
        "/v1/events",
    ): "One event, the same in `data`, or many: an array, or an object with `events`. In a batch, a wrong event is among "
    "the `rejected`, with its place and its errors, and never loses its neighbours. Fields that are not named below are kept as properties. "
    "Without an `installation_id` (a consent tick, a download) the event counts, and no install does.",
    ("downloads", "/dl/{pack}"): "Whatever body is sent is ignored. `GET /counts` tells the counts.",
    (
        "engagement",
        "/v1/engagement",
    ): "A view is counted once in 30 minutes for one target and one session (or user, or else address and agent "
    'of the day); the others hear `{"counted": false}`. An array may hold up to 1,000.',
    ("sonicjs", "/v1/events"): "`installation_completed` counts as a success and `installation_failed` as a failure.",
    ("sonicjs", "/api/v1/events"): "`installation_completed` counts as a success and `installation_failed` as a failure.",
    ("flakedrop", "/v1/events"): "Types that are not known are kept and counted, and so are fields.",
    (
        "trackskills",
        "/api/track",
    ): "Whose call it was is told by the first of `Mcp-Session-Id`, `Authorization`, or address and agent, as a hash.",
}

_BUILD = {"name": "build", "installation_id": "9f0e8a2d6f1b7c34"}
_INSTALL = {"installation_id": "a3b1c6d2-90fe-4c4e-8f0f-6d6c1f0e9b77"}
_SONICJS = Sample(
    "An installation that went well",
    {
        "data": {
            **_INSTALL,
            "event_type": "installation_completed",
            "properties": {"os": "darwin", "nodeVersion": "v20.10", "packageManager": "npm", "durationMs": 8421},
            "timestamp": "2026-03-14T09:26:53.589Z",
        }
    },
)
_SONICJS_INSTALL = Sample(
    "An install",
    {
        "data": {
            "installation_id": "0d9b7f52-6a1e-4a43-b1c8-7e5f3f2a9c10",
            "os": "linux",
            "node_version": "v20.10",
            "package_manager": "npm",
            "first_seen": "2026-03-14T09:26:53Z",
        }
    },
)
_POSTHOG_EVENT = {
    "event": "build",
    "distinct_id": "9f0e8a2d6f1b7c34",
    "uuid": "28dd7555-b6fb-4cbb-94e6-8b71b52cf94c",
    "timestamp": "2026-03-14T09:26:53.589Z",
    "properties": {"version": "1.4.0", "$os": "Linux", "$python_version": "3.12.1"},
}
_POSTHOG = Sample("A batch", {"api_key": "phc_example", "sent_at": "2026-03-14T09:26:53.589Z", "batch": [_POSTHOG_EVENT]})
_POSTHOG_FLAGS = Sample("A request for flags", {"api_key": "phc_example", "distinct_id": "9f0e8a2d6f1b7c34"})
_SEGMENT_CALL = {
    "anonymousId": "9f0e8a2d6f1b7c34",
    "messageId": "5c4b9f0e-2d6f-4b7c-a3b1-c6d290feac4e",
    "timestamp": "2026-03-14T09:26:53.589Z",
    "context": {"app": {"version": "1.4.0"}, "os": {"name": "linux"}},
}

# (family, path) -> samples, the simplest one first. Each is answered, in the reference and by its tests, as the dialect answers it.
SAMPLES: dict[tuple[str, str], tuple[Sample, ...]] = {
    **{("posthog", path): (_POSTHOG,) for path in ("/batch", "/capture", "/e", "/i/v0/e", "/i/v1/analytics/events")},
    **{("posthog", path): (_POSTHOG_FLAGS,) for path in ("/flags", "/decide")},
    ("segment", "/v1/batch"): (Sample("A batch", {"batch": [{**_SEGMENT_CALL, "type": "track", "event": "build"}]}),),
    ("segment", "/v1/track"): (Sample("One event", {**_SEGMENT_CALL, "event": "build"}),),
    **{("segment", f"/v1/{kind}"): (Sample("A view", {**_SEGMENT_CALL, "name": "Settings"}),) for kind in ("page", "screen")},
    **{("segment", f"/v1/{kind}"): (Sample("A call", _SEGMENT_CALL),) for kind in ("identify", "group", "alias")},
    ("native", "/v1/events"): (
        Sample(
            "One event",
            {
                **_BUILD,
                "version": "1.4.0",
                "os": "linux",
                "arch": "x64",
                "outcome": "success",
                "duration_ms": 812,
                "ci": False,
                "properties": {"template": "starter"},
            },
        ),
        Sample(
            "A batch, one of which is wrong",
            {
                "events": [
                    {**_BUILD, "id": "01hx3v9k-1", "outcome": "failure", "error": {"type": "ENOENT", "message": "no such file"}},
                    {**_BUILD, "id": "01hx3v9k-2", "duration_ms": "1.2 s"},
                    {**_BUILD, "id": "01hx3v9k-3", "target": {"type": "template", "id": "starter"}},
                ]
            },
        ),
    ),
    ("sonicjs", "/v1/events"): (_SONICJS,),
    ("sonicjs", "/api/v1/events"): (_SONICJS,),
    ("sonicjs", "/v1/installs"): (_SONICJS_INSTALL,),
    ("sonicjs", "/api/v1/installs"): (_SONICJS_INSTALL,),
    ("flakedrop", "/v1/events"): (
        Sample(
            "A deployment",
            {
                "type": "deployment",
                "data": {
                    "data": {
                        "user_id": "9c56cc51b374c3ba189210d5b6d4bf57",
                        "version": "0.3.1",
                        "os": "darwin",
                        "arch": "arm64",
                        "timestamp": "2026-03-14T09:26:53.589793Z",
                        "success": True,
                        "file_count": 12,
                    }
                },
            },
        ),
    ),
    ("engagement", "/v1/engagement"): (
        Sample("A view", {"targetType": "snippet", "targetId": "hello-world", "kind": "view", "sessionId": "s-81f2"}),
        Sample(
            "Several at once",
            [
                {"targetType": "snippet", "targetId": "hello-world", "kind": "copy", "sessionId": "s-81f2"},
                {"targetType": "template", "targetId": "readme", "kind": "vote_up", "userId": "u-17"},
                {"targetType": "template", "kind": "download"},
            ],
        ),
    ),
    ("trackskills", "/api/track"): (
        Sample(
            "A call",
            {
                "tool_name": "search_docs",
                "tool_category": "search",
                "duration_ms": 184,
                "status": "success",
                "metadata": {"results": 12},
            },
        ),
    ),
    ("trackskills", "/api/track/batch"): (
        Sample(
            "Two calls",
            [
                {"tool_name": "search_docs", "duration_ms": 95, "status": "success"},
                {"tool_name": "fetch_page", "duration_ms": 30000, "status": "timeout"},
            ],
        ),
    ),
}


# (family, path) -> the types of body that a success has, any one of them.
GIVES: dict[tuple[str, str], tuple[Any, ...]] = {
    ("native", "/v1/events"): (Tally,),
    ("sonicjs", "/v1/events"): (sonicjs.EventAnswer,),
    ("sonicjs", "/api/v1/events"): (sonicjs.EventAnswer,),
    ("sonicjs", "/v1/installs"): (sonicjs.InstallAnswer,),
    ("sonicjs", "/api/v1/installs"): (sonicjs.InstallAnswer,),
    ("flakedrop", "/v1/events"): (flakedrop.Ok,),
    ("engagement", "/v1/engagement"): (engagement.CountedOne, engagement.Counted),
    ("trackskills", "/api/track"): (trackskills.TrackedOne,),
    ("trackskills", "/api/track/batch"): (trackskills.Tracked,),
}


def family(dialect: Dialect) -> Family:
    """How the reference names a dialect."""
    known = FAMILIES.get(dialect.NAME)
    if known is not None:
        return known
    about = (getattr(dialect, "__doc__", None) or "").partition("\n\n")[0]
    return Family(dialect.NAME.replace("_", " ").capitalize(), " ".join(about.split()))


def rank(name: str) -> int:
    """A family's place in the reference; those that it does not know come last."""
    known = list(FAMILIES)
    return known.index(name) if name in known else len(known)
