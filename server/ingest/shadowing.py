"""Requests for the system that a project replaces: the client's own body and the headers that the system needs, without the client's address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from server.headers import AUTHORIZATION, FORWARDED_BY
from server.ingest.asgi import Header, Scope
from server.ingest.ingest_request import IngestRequest
from server.ingest.sizes import count_messages
from server.problems import ForwardingLoop
from server.storage.projects import KEY_PREFIX, LiveProject

_HEADERS = (b"content-type", b"content-encoding", b"user-agent", AUTHORIZATION)
_OUR_KEY = b"bearer " + KEY_PREFIX.encode()


class Shadow(Protocol):
    """The queue of requests to forward."""

    def offer(self, project: LiveProject, target: str, headers: list[Header], body: bytes, *, events: int, stored: int, at: int) -> None:
        """Forward a request in the background. `events` and `stored` are Footfall's counts, `at` is the time of arrival in epoch ms."""
        ...

    def skip(self, project: LiveProject, *, events: int, stored: int, at: int) -> None:
        """Count a request that cannot be forwarded."""
        ...


def check_loop(headers: Mapping[bytes, bytes], mark: bytes) -> None:
    """Raise ForwardingLoop for a request that the project with this mark has forwarded, which would otherwise loop forever."""
    if mark in headers.get(FORWARDED_BY, b"").replace(b" ", b"").split(b","):
        raise ForwardingLoop


def forward(shadow: Shadow, scope: Scope, current: IngestRequest, mark: bytes) -> None:
    """Offer a request that its project received to the system that the project forwards to. `mark` is the project's."""
    path, caller, decoded = current.match.route.path, current.caller, current.decoded
    assert caller is not None
    assert path.forwarded is not None
    events = len(decoded.events) + len(decoded.rejected) if decoded else count_messages(current.body)
    if current.headers.get(AUTHORIZATION, b"").lower().startswith(_OUR_KEY):  # wherever the SDK sent it
        shadow.skip(caller.project, events=events, stored=current.stored, at=current.received_at)
        return
    sent = dict(scope["headers"])  # `current.headers` has the key that was found in the body
    headers = [(name, sent[name]) for name in (*_HEADERS, *path.forwarded) if name in sent]
    headers.append((FORWARDED_BY, b", ".join(filter(None, (sent.get(FORWARDED_BY), mark)))))
    slash = "/" if scope["path"].endswith("/") else ""
    query = scope.get("query_string", b"").decode("latin-1")
    target = f"{path.template}{slash}{'?' if query else ''}{query}"
    shadow.offer(caller.project, target, headers, current.received_body, events=events, stored=current.stored, at=current.received_at)
