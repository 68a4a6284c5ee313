"""Replay of rejected events: decodes the documents that `privacy.sealing` stored with the current decoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from server.dialects.document import read
from server.event import Decoded, Event, Incoming, Install, Request, RequestId
from server.event_id import received_at
from server.identifiers import MISSING
from server.ingest.decoding import decode, find_dialect
from server.ingest.privacy import Privacy
from server.ingest.privacy.sealing import KEY, VISITOR, Hashes, Sealed
from server.ingest.routing import Routes
from server.problems import Problem
from server.storage.projects import LiveProject

_ROUTES = Routes()
_sealed = msgspec.msgpack.Decoder(Sealed).decode


class Redecoded(NamedTuple):
    """A replayed event or install report."""

    event: Event | None
    install: Install | None


def redecode(privacy: Privacy, project: LiveProject, number: int, content: bytes) -> Redecoded | None:
    """Decode a rejected event again. `number` is its id. Returns None if the event is still invalid."""
    sealed = _sealed(content)
    at = received_at(number)
    route = next((route for route in _ROUTES.all if route.path.template == sealed.route), None)
    if route is None:
        return None
    headers = {name.encode(): value.encode("latin-1", "replace") for name, value in sealed.headers.items()}
    request = Request(route=sealed.route, headers=headers, address=f"{sealed.visitor:x}", received_at=at, params=sealed.params)
    try:
        if route.path.body:
            request.document, request.faults = read(sealed.body)
        dialect = find_dialect(route, request)
        decoded = decode(dialect, request)
    except Problem:
        return None
    return _converted(privacy, project, number, dialect.NAME, sealed, decoded)


def _converted(privacy: Privacy, project: LiveProject, number: int, dialect: str, sealed: Sealed, decoded: Decoded) -> Redecoded | None:
    if decoded.rejected or len(decoded.events) + len(decoded.installs) != 1:
        return None
    hashes, at = sealed.hashes, received_at(number)
    if decoded.installs:
        (report,) = decoded.installs
        found = hashes.get(report.install)
        install = privacy.install_report(report, project=project.id, received_at=at)
        return None if found is None else Redecoded(None, msgspec.structs.replace(install, id=found.install))
    (incoming,) = decoded.events
    anonymous = msgspec.structs.replace(incoming, install=None, session=None, id=None, visitor=None)
    event = privacy.event(anonymous, id=number, project=project.id, dialect=dialect, received_at=at, picked=project.picked)
    install_of = None if incoming.install is None else hashes.get(incoming.install)
    event.install = install_of.install if install_of else sealed.visitor if incoming.visitor is not None else None
    event.note = MISSING if incoming.install is not None and install_of is None else ""
    event.session = _session(hashes, incoming)
    if incoming.id is not None and (ids := hashes.get(incoming.id)) is not None:
        scope = _scope(incoming, event.install, ids)
        event.mark = ids.marks.get(scope)
        event.former = ids.marks[""] if scope and at < privacy.former_marks_until else None
    return Redecoded(event, None)


def _scope(incoming: Incoming, install: int | None, ids: Hashes) -> str:
    """Return the scope in which the event's id is unique, as in `Privacy.events`."""
    if type(incoming.id) is RequestId and KEY in ids.marks:
        return KEY
    if incoming.visitor is not None:
        return VISITOR
    return "" if install is None else f"install {install}"


def _session(hashes: dict[str, Hashes], incoming: Incoming) -> int | None:
    found = None if incoming.session is None else hashes.get(incoming.session)
    return None if found is None else found.session


def is_sealed(reason: str) -> bool:
    """Return True if the stored row holds a sealed document. Events rejected for their target are stored as events."""
    return reason not in ("unknown_target", "too_many_targets")


__all__: Sequence[str] = ("Redecoded", "is_sealed", "redecode")
