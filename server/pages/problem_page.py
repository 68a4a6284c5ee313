"""Every kind of problem, with what happened and how to mend it: where the `type` of a problem document leads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from server.event import Refusal
from server.problems import Problem


class Trouble(NamedTuple):
    happened: str
    mend: str


TROUBLES: dict[Refusal, Trouble] = {
    Refusal.MALFORMED: Trouble(
        "The body is not JSON in UTF-8, is empty where JSON was expected, or is in none of the formats that the route takes; or the request is "
        "not as HTTP wants it, which closes the connection.",
        "`detail` says from which byte on it cannot be read. In a shell, put the JSON in single quotes.",
    ),
    Refusal.INVALID: Trouble(
        "The body is JSON, but something in it is missing, of the wrong type or out of bounds; or it says something twice.",
        "`errors` names each field, with what it must be. Sending the same again will not help. In a batch, only the events that are named are "
        "missing.",
    ),
    Refusal.TOO_LARGE: Trouble(
        "The body is larger than the route takes, the batch has more than 1,000 events, or the headers have more than 32 KiB (431).",
        "Send smaller batches. A single event that is too large has something in it that does not belong there, such as a log.",
    ),
    Refusal.TOO_SLOW: Trouble(
        "The headers or the body did not arrive in time.",
        "Try again. If it happens often, compare `Content-Length` with what is really sent.",
    ),
    Refusal.UNKNOWN_ROUTE: Trouble(
        "Nothing is served under this path, no pack can have this name, or the route does not take this method.",
        "Compare path and method with this page. Names of packs are small letters, digits, `-` and `_`, up to 64.",
    ),
    Refusal.UNKNOWN_PROJECT: Trouble(
        "The path begins with `/p/` and the name of a project that is not there.",
        "`footfall project list` shows all projects. Without `/p/…`, events belong to the project of their key or host, else to `default`.",
    ),
    Refusal.UNKNOWN_TARGET: Trouble(
        "The project lists the targets that may be counted, and this is none of the public ones.",
        "Ask those who run the server to list the target, or send one that is listed.",
    ),
    Refusal.TOO_MANY_TARGETS: Trouble(
        "The target is new, and the project has as many distinct targets as it may have.",
        "Check that targets are names, not ids made up for each event. The server's `FOOTFALL_MAX_TARGETS` sets the bound.",
    ),
    Refusal.TOO_BROAD: Trouble(
        "The question combines filters for which no counts are kept, and looking through the raw events takes longer than it may.",
        "Ask about a shorter period, or with fewer filters.",
    ),
    Refusal.BAD_KEY: Trouble(
        "401: this wants a key and none came, or the key is not known here or was revoked. 403: the key is known, and may not do this.",
        "Send the key as `Authorization: Bearer …` or `X-Footfall-Key: …`. `footfall key list` shows keys with their scopes: `ingest` is for "
        "sending, `read` for reading.",
    ),
    Refusal.LIMITED: Trouble(
        "This address sent more requests, or more events, than the limit allows.",
        "Wait for as many seconds as `Retry-After` says. Sending events in batches makes fewer requests of them.",
    ),
    Refusal.BUSY: Trouble(
        "The server cannot promise at the moment that the event will be kept: its queue is full, its store takes no writes, or it is stopping.",
        "Try again after as many seconds as `Retry-After` says; nothing was stored. `/health` tells how the store is doing.",
    ),
    Refusal.FAILED: Trouble("Something went wrong on our side.", "Try again later. The server's log says what it was."),
}


def anchor(refusal: Refusal) -> str:
    """Where the page explains it, as `Problem.type` has it."""
    return f"problem-{refusal.value.replace('_', '-')}"


def kinds(refusal: Refusal) -> list[type[Problem]]:
    """The problems that a refusal is answered with."""
    return [kind for kind in _all(Problem) if kind.refusal is refusal and kind.__module__ == Problem.__module__]


def statuses(refusal: Refusal) -> list[int]:
    """The HTTP statuses that a refusal is answered with."""
    found = {kind.status for kind in kinds(refusal)}
    return sorted(found | {400} if refusal is Refusal.INVALID else found)


def refusals(status: int) -> list[Refusal]:
    """What an answer with that status may mean."""
    return [refusal for refusal in Refusal if status in statuses(refusal)]


def _all(kind: type[Problem]) -> Iterator[type[Problem]]:
    for child in kind.__subclasses__():
        yield child
        yield from _all(child)
