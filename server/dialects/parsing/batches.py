"""Many events in one body: each is read on its own, and the answer says what became of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from server.dialects.document import dotted, problem_of
from server.event import Decoded, FieldError, Incoming, Outcomes, Receipt, Rejection, Request, RequestId
from server.headers import IDEMPOTENCY_KEY
from server.identifiers import identifier
from server.problems import Failed, Invalid, TooLarge, TooManyTargets, UnknownTarget

MAX_EVENTS = 1_000
ID_FIELDS = ("id", "messageId", "uuid")
_IDS = frozenset(ID_FIELDS)

_REFUSED = {
    Receipt.UNKNOWN_TARGET: "is not among the targets of this project",
    Receipt.TOO_MANY_TARGETS: "is new, and this project has as many targets as it may have",
}


_STORED = Receipt.STORED  # looking a member up in its enum takes longer than to compare it


class Tally(msgspec.Struct):
    """Counts of a request's events by their fate; the answer to a batch. `ignored` names fields that were not understood, where there are any."""

    accepted: int
    duplicates: int
    rejected: list[Rejection]
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET


def gather(items: list[Any], read: Callable[[Any, int], Incoming], request: Request, *within: str) -> Decoded:
    """The events of a batch: `read` takes an item and its place. One that is `Invalid`, or holds one of the request's faults, is rejected, its
    neighbours are not. `within` is the path of the array.

    Raises `TooLarge` for more than 1,000, and `Invalid` where the array itself is ambiguous.
    """
    if len(items) > MAX_EVENTS:
        raise TooLarge(f"A batch holds at most {MAX_EVENTS:,} events")
    faulty = _faults_by_index(request, within) if request.faults else {}
    events: list[Incoming] = []
    positions: list[int] = []
    rejected: list[Rejection] = []
    for index, item in enumerate(items):
        if index in faulty:
            rejected.append(Rejection(index, (faulty[index],)))
            continue
        try:
            events.append(read(item, index))
        except Invalid as problem:
            rejected.append(Rejection(index, problem.errors))
        else:
            positions.append(index)
    return Decoded(events=events, rejected=rejected, positions=positions if rejected else [], batch=True)


def _faults_by_index(request: Request, within: tuple[str, ...]) -> dict[int, FieldError]:
    """The faults of a batch's events, by their places. Those of fields that no dialect reads, beside the array, matter to no event."""
    depth = len(within)
    if own := [fault for fault in request.faults if fault.path == within]:
        raise problem_of(own)
    return {
        index: FieldError(dotted(path[depth + 1 :]), message)
        for path, message in request.faults
        if path[:depth] == within and isinstance(index := path[depth], int)
    }


def event_id(document: Mapping[str, Any], request: Request, position: int | None = None) -> str | None:
    """The id that makes a repeated event known: the event's own, else the header `Idempotency-Key`.

    `position` is the event's place in a batch, whose events share one header.
    """
    if not _IDS.isdisjoint(document):
        for name in ID_FIELDS:
            value = document.get(name)
            if type(value) is str and (usable := identifier(value)) is not None:
                return usable
    return header_id(request, position)


def header_id(request: Request, position: int | None = None) -> RequestId | None:
    """The id that the header `Idempotency-Key` gives to an event."""
    if IDEMPOTENCY_KEY not in request.headers or (key := identifier(request.header(IDEMPOTENCY_KEY))) is None:
        return None
    return RequestId(key if position is None else f"{key}:{position}")


def tally(decoded: Decoded, outcomes: Outcomes, *, target: str = "target") -> Tally:
    """What became of each event of a batch. `target` is what the dialect calls the field that the store may refuse."""
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
    """Raises the problem of a single event that the store did not take, and returns for any other receipt."""
    if receipt is _STORED:
        return
    if receipt is Receipt.UNKNOWN_TARGET:
        raise UnknownTarget("The target is not among those of this project", errors=_refusal(receipt, target))
    if receipt is Receipt.TOO_MANY_TARGETS:
        raise TooManyTargets("The target is new, and there is room for no more", errors=_refusal(receipt, target))
    if receipt is Receipt.FAILED:
        raise Failed("The event could not be stored; the log says more")


def _refusal(receipt: Receipt, target: str) -> tuple[FieldError, ...]:
    message = _REFUSED.get(receipt)
    return (FieldError("", "could not be stored"),) if message is None else (FieldError(target, message),)
