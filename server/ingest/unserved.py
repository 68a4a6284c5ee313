"""Posts to unserved paths, counted by the likely client, so that an operator sees a tool whose events are lost."""

from __future__ import annotations

import re

from server import logs
from server.clock import Clock
from server.dialects import DIALECTS
from server.dialects.parsing import LikelyClient
from server.event import LedgerEntry
from server.ingest.asgi import Scope
from server.ingest.event_writer import Writer
from server.ingest.gate import Caller, Gate
from server.metrics import Metrics
from server.problems import Problem
from server.storage.projects import LiveProject

log = logs.get(__name__)

REASON = "unserved_"  # prefix of the ledger's reasons, followed by a label
OTHER = "other"
_LIKELY: dict[str, LikelyClient] = {each.NAME: found for each in DIALECTS if (found := getattr(each, "CLIENT", None)) is not None}
# Labels with their clients.
CLIENTS = {**{label: client.title for label, client in _LIKELY.items()}, OTHER: "a client that posts to a path not listed on /docs"}
_LABELS = re.compile("|".join(f"(?P<{label}>{client.paths})" for label, client in _LIKELY.items()))


def label_of(path: str) -> str:
    """Return the label of a path, a key of `CLIENTS`. The path has no duplicate slashes."""
    match = _LABELS.fullmatch(path)
    return OTHER if match is None or match.lastgroup is None else match.lastgroup


class Unserved:
    """Counter of posts to unserved paths."""

    def __init__(self, gate: Gate, writer: Writer, metrics: Metrics, clock: Clock) -> None:
        self._gate = gate
        self._writer = writer
        self._metrics = metrics
        self._clock = clock

    async def note(self, scope: Scope, path: str, slug: str | None) -> None:
        """Count a post that got a 404 or 405 response."""
        caller = await self._caller(scope, dict(scope["headers"]), slug)
        self._count(path, caller.project if caller else None)

    async def _caller(self, scope: Scope, headers: dict[bytes, bytes], slug: str | None) -> Caller | None:
        client = scope.get("client")
        try:
            return await self._gate.caller(client[0] if client else "", headers, slug)
        except Problem:
            return None
        except Exception as error:
            log.warning("unserved_project_unknown", error=type(error).__name__)
            return None

    def _count(self, path: str, project: LiveProject | None) -> None:
        label = label_of(path)
        self._metrics.unserved[label] += 1
        self._writer.tally(project, LedgerEntry.REJECTED, f"{REASON}{label}", 1, self._clock())
