"""Posts to unserved paths, counted by the likely client, so that an operator sees a tool whose events are lost.

Some clients cannot handle an error: Aptabase's Python SDK retries forever. Until their dialects exist, these clients get a success response,
and the ledger counts the dropped events.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from server import logs
from server.event import LedgerEntry
from server.ingest import asgi
from server.ingest.asgi import ClientGone, Reply, Scope
from server.ingest.event_writer import Writer
from server.ingest.gate import Caller, Gate, opted_out
from server.ingest.sizes import count_messages
from server.metrics import Metrics
from server.problems import Limited, Problem
from server.storage.projects import LiveProject

log = logs.get(__name__)

REASON = "unserved_"  # prefix of the ledger's reasons, followed by a label
OTHER = "other"
# Labels with their clients.
CLIENTS = {
    "posthog": "a PostHog SDK",
    "segment": "a Segment or RudderStack SDK",
    "otlp": "an OpenTelemetry exporter (OTLP over HTTP)",
    "plausible": "a Plausible client",
    "amplitude": "an Amplitude SDK",
    "aptabase": "an Aptabase SDK",
    "openpanel": "an OpenPanel or Mixpanel SDK",
    "umami": "an Umami client",
    OTHER: "a client that posts to a path not listed on /docs",
}
_PATHS = {
    "posthog": r"/(batch|capture|e|i/v\d+/e|i/v1/.*|flags|decide|engage|s)",
    "segment": r"/v1/(batch|track|identify|page|screen|group|alias|import|[tipsga])",
    "otlp": r"/(v1/(logs|traces|metrics)|v1development/profiles)",
    "plausible": r"/api/event",
    "amplitude": r"/(2/httpapi|2/batch|httpapi|identify|groupidentify)",
    "aptabase": r"/api/v0/events?",
    "openpanel": r"/(track|profile(/.*)?|import)",
    "umami": r"/api/(send|batch|collect)",
}
_LABELS = re.compile("|".join(f"(?P<{label}>{paths})" for label, paths in _PATHS.items()))

# Paths that return a success, with its body.
_ABSORBED = {
    "/v1/import": b'{"success":true}',
    "/api/v0/event": b"{}",
    "/api/v0/events": b"{}",
}
_LARGEST = 1 << 20  # bytes; larger bodies count as one event


def label_of(path: str) -> str:
    """Return the label of a path, a key of `CLIENTS`. The path has no duplicate slashes."""
    match = _LABELS.fullmatch(path)
    return OTHER if match is None or match.lastgroup is None else match.lastgroup


class Unserved:
    """Counter of posts to unserved paths, which returns a success to the clients that require one."""

    def __init__(self, gate: Gate, writer: Writer, metrics: Metrics, bodies: asgi.BodyReader, clock: Callable[[], int]) -> None:
        self._gate = gate
        self._writer = writer
        self._metrics = metrics
        self._bodies = bodies
        self._clock = clock

    def absorbs(self, scope: Scope, path: str) -> bool:
        """Return True if `absorb` handles this request."""
        return path in _ABSORBED and scope["method"] in ("POST", "OPTIONS")

    async def absorb(self, scope: Scope, receive: Any, send: Any, path: str, slug: str | None) -> None:
        """Return a success for any request, and count its events as limited, opted out or rejected."""
        if scope["method"] == "OPTIONS":
            await asgi.send_reply(send, asgi.PREFLIGHT)
            return
        headers = dict(scope["headers"])
        reply = Reply(200, asgi.with_content(b"application/json"), _ABSORBED[path])
        caller = await self._caller(scope, headers, slug)
        entry, events = LedgerEntry.REJECTED, 1
        try:
            if caller is not None:
                await self._gate.count(caller.requests)
            events = count_messages(await self._bodies.read(receive, headers, _LARGEST))
            if opted_out(headers):
                entry = LedgerEntry.OPTED_OUT
            elif caller is not None:
                await self._gate.count(caller.events, events)
        except ClientGone:
            return
        except Limited:
            entry = LedgerEntry.LIMITED
        except Problem:  # TooLarge or TooSlow
            self._count(path, caller.project if caller else None, entry, events)
            await asgi.send_last_reply(send, receive, reply._replace(closes=True))
            return
        self._count(path, caller.project if caller else None, entry, events)
        await asgi.send_reply(send, reply)

    async def note(self, scope: Scope, path: str, slug: str | None) -> None:
        """Count a post that got a 404 or 405 response."""
        caller = await self._caller(scope, dict(scope["headers"]), slug)
        self._count(path, caller.project if caller else None, LedgerEntry.REJECTED, 1)

    async def _caller(self, scope: Scope, headers: dict[bytes, bytes], slug: str | None) -> Caller | None:
        client = scope.get("client")
        try:
            return await self._gate.caller(client[0] if client else "", headers, slug)
        except Problem:
            return None
        except Exception as error:
            log.warning("unserved_project_unknown", error=type(error).__name__)
            return None

    def _count(self, path: str, project: LiveProject | None, entry: LedgerEntry, events: int) -> None:
        label = label_of(path)
        self._metrics.unserved[label] += events
        self._writer.tally(project, entry, f"{REASON}{label}" if entry is LedgerEntry.REJECTED else "", events, self._clock())
