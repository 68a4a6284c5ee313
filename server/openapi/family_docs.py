"""Client families in the reference: title, introduction and sample requests.

A newer dialect has its title (`TITLE`), introduction (`ABOUT`) and samples (in `PATHS`) in its own module. One without them is described by its
module's docstring and its types.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from server.dialects import Dialect, engagement, flakedrop, sonicjs, trackskills
from server.dialects.parsing import Path, Sample, Tally


class Family(NamedTuple):
    title: str
    about: str


# In the order of the reference.
FAMILIES: dict[str, Family] = {
    "native": Family(
        "Footfall",
        "Footfall's own format, for new tools: one event or a batch. Unknown fields are stored as properties. The response "
        "lists values that were not understood in `ignored`.",
    ),
    "downloads": Family("Downloads", "Counts without a body or an id, for `curl` in shell scripts, as in peon-ping."),
    "sonicjs": Family("SonicJS", "The format of `create-sonicjs` and the SonicJS CMS: each record is wrapped in `data`."),
    "engagement": Family(
        "Engagement", "Interactions of a site's visitors with its content: views, copies, downloads and votes, as in markdowntown."
    ),
    "flakedrop": Family("FlakeDrop", "Heartbeats and deployments of the FlakeDrop CLI: an object nested in an object."),
    "trackskills": Family("Track-Skills", "Tool calls from the Track-Skills clients. The body contains no installation id."),
}

# (family, path) -> additional notes.
NOTES: dict[tuple[str, str], str] = {
    (
        "native",
        "/v1/events",
    ): "One event, one event in `data`, an array of events, or an object with `events`. In a batch, invalid events appear in "
    "`rejected` with their index and errors, and the other events are stored. Fields that are not listed below are stored as properties. "
    "Without an `installation_id` (such as a consent or a download), the event counts, but no install does.",
    ("downloads", "/dl/{pack}"): "The body is ignored. `GET /counts` returns the counts.",
    (
        "engagement",
        "/v1/engagement",
    ): "A view counts once in 30 minutes for a target and a session (or else a user, or the address and user agent "
    'of the day); repeated views return `{"counted": false}`. An array may contain up to 1,000 events.',
    ("sonicjs", "/v1/events"): "`installation_completed` counts as a success and `installation_failed` as a failure.",
    ("sonicjs", "/api/v1/events"): "`installation_completed` counts as a success and `installation_failed` as a failure.",
    ("flakedrop", "/v1/events"): "Unknown types and fields are stored and counted.",
    (
        "trackskills",
        "/api/track",
    ): "The caller is identified by a hash of the first of `Mcp-Session-Id`, `Authorization`, or address and user agent.",
}

_BUILD = {"name": "build", "installation_id": "9f0e8a2d6f1b7c34"}
_INSTALL = {"installation_id": "a3b1c6d2-90fe-4c4e-8f0f-6d6c1f0e9b77"}
_SONICJS = Sample(
    "A successful installation",
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

# (family, path) -> samples, simplest first. The reference and its tests show the dialect's real response to each.
SAMPLES: dict[tuple[str, str], tuple[Sample, ...]] = {
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
            "A batch with an invalid event",
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
            "Several interactions",
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


# (family, path) -> the possible types of a successful response.
RESPONSE_TYPES: dict[tuple[str, str], tuple[Any, ...]] = {
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
    """Return the title and the introduction of a dialect."""
    known = FAMILIES.get(dialect.NAME)
    if known is not None:
        return known
    if title := getattr(dialect, "TITLE", ""):
        return Family(title, getattr(dialect, "ABOUT", ""))
    about = (getattr(dialect, "__doc__", None) or "").partition("\n\n")[0]
    return Family(dialect.NAME.replace("_", " ").capitalize(), " ".join(about.split()))


def samples(dialect: Dialect, path: Path) -> tuple[Sample, ...]:
    """Return the sample requests of a dialect's path."""
    return path.samples or SAMPLES.get((dialect.NAME, path.template), ())


def rank(name: str) -> int:
    """Return the position of a family in the reference. Unknown families come last."""
    known = list(FAMILIES)
    return known.index(name) if name in known else len(known)
