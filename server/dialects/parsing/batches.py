"""Batches: each event is read on its own, and the response reports the result of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from server.dialects.document import dotted, problem_of
from server.event import Decoded, FieldError, Incoming, InstallReport, Outcomes, Receipt, Rejection, Request, RequestId
from server.headers import IDEMPOTENCY_KEY
from server.identifiers import identifier
from server.problems import Failed, Invalid, TooLarge, TooManyTargets, UnknownTarget

MAX_EVENTS = 1_000
ID_FIELDS = ("id", "messageId", "uuid")
_IDS = frozenset(ID_FIELDS)

_REFUSED = {
    Receipt.UNKNOWN_TARGET: "is not a target of this project",
    Receipt.TOO_MANY_TARGETS: "is new, and this project has reached its maximum number of targets",
}


_STORED = Receipt.STORED  # an enum lookup takes longer than a comparison


class Tally(msgspec.Struct):
    """The response for a batch: counts of its events by result. `ignored` names fields that were not understood."""

    accepted: int
    duplicates: int
    rejected: list[Rejection]
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET


def gather(items: list[Any], read: Callable[[Any, int], Incoming | InstallReport | None], request: Request, *within: str) -> Decoded:
    """Decode a batch. `read` takes an item and its index; `within` is the path of the array.

    An item that is `Invalid` or has a fault is rejected, and the others are not affected. `read` may also return an install's report, or
    None for an item that is ignored. Raises `TooLarge` above 1,000 events, and `Invalid` if
    the array itself is ambiguous.
    """
    if len(items) > MAX_EVENTS:
        raise TooLarge(f"A batch must have at most {MAX_EVENTS:,} events.")
    faulty = _faults_by_index(request, within) if request.faults else {}
    events: list[Incoming] = []
    installs: list[InstallReport] = []
    positions: list[int] = []
    rejected: list[Rejection] = []
    for index, item in enumerate(items):
        if index in faulty:
            rejected.append(Rejection(index, (faulty[index],)))
            continue
        try:
            found = read(item, index)
        except Invalid as problem:
            rejected.append(Rejection(index, problem.errors))
            continue
        if type(found) is Incoming:
            events.append(found)
            positions.append(index)
        elif type(found) is InstallReport:
            installs.append(found)
    positions = positions if len(events) < len(items) else []
    return Decoded(events=events, installs=installs, rejected=rejected, positions=positions, batch=True)


def _faults_by_index(request: Request, within: tuple[str, ...]) -> dict[int, FieldError]:
    """Return the first fault of each event of a batch by index. Faults in other fields, which no dialect reads, do not matter."""
    depth = len(within)
    if own := [fault for fault in request.faults if fault.path == within]:
        raise problem_of(own)
    found: dict[int, FieldError] = {}
    for path, message in request.faults:
        if path[:depth] == within and isinstance(index := path[depth], int) and index not in found:
            found[index] = FieldError(dotted(path[depth + 1 :]), message)
    return found


def event_id(document: Mapping[str, Any], request: Request, position: int | None = None) -> str | None:
    """Return the id that makes a retry a duplicate: the event's own, else the `Idempotency-Key` header.

    `position` is the event's index in a batch, whose events share one header.
    """
    if not _IDS.isdisjoint(document):
        for name in ID_FIELDS:
            value = document.get(name)
            if type(value) is str and (usable := identifier(value)) is not None:
                return usable
    return header_id(request, position)


def header_id(request: Request, position: int | None = None) -> RequestId | None:
    """Return an event's id from the `Idempotency-Key` header."""
    if IDEMPOTENCY_KEY not in request.headers or (key := identifier(request.header(IDEMPOTENCY_KEY))) is None:
        return None
    return RequestId(key if position is None else f"{key}:{position}")


def tally(decoded: Decoded, outcomes: Outcomes, *, target: str = "target") -> Tally:
    """Return the result of each event of a batch. `target` is the dialect's name for the field that the store may reject."""
    accepted = duplicates = 0
    rejected, ignored = list(decoded.rejected), decoded.ignored or msgspec.UNSET
    if outcomes.receipts.count(_STORED) == len(outcomes.receipts):
        return Tally(len(outcomes.receipts), 0, rejected, ignored)
    for position, receipt in zip(decoded.positions or range(len(decoded.events)), outcomes.receipts, strict=True):
        if receipt is Receipt.STORED:
            accepted += 1
        elif receipt is Receipt.DUPLICATE or receipt is Receipt.DEBOUNCED:
            duplicates += 1
        else:
            rejected.append(Rejection(position, _refusal(receipt, target)))
    rejected.sort(key=lambda rejection: rejection.index)
    return Tally(accepted, duplicates, rejected, ignored)


def raise_refusal(receipt: Receipt, *, target: str = "target") -> None:
    """Raise the problem of a single event that was not stored. Returns for any other receipt."""
    if receipt is _STORED:
        return
    if receipt is Receipt.UNKNOWN_TARGET:
        raise UnknownTarget("The target is not a target of this project.", errors=_refusal(receipt, target))
    if receipt is Receipt.TOO_MANY_TARGETS:
        raise TooManyTargets(
            "The target is new, and this project has reached its maximum number of targets.", errors=_refusal(receipt, target)
        )
    if receipt is Receipt.FAILED:
        raise Failed("The event could not be stored. See the server log.")


def _refusal(receipt: Receipt, target: str) -> tuple[FieldError, ...]:
    message = _REFUSED.get(receipt)
    return (FieldError("", "could not be stored"),) if message is None else (FieldError(target, message),)
