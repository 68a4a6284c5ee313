"""Explanations of the error types, which the `type` of a problem document links to: cause and fix."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from server.event import Refusal
from server.problems import Problem


class Explanation(NamedTuple):
    cause: str
    fix: str


EXPLANATIONS: dict[Refusal, Explanation] = {
    Refusal.MALFORMED: Explanation(
        "The body is not JSON in UTF-8, is empty, or matches none of the formats of the route. Or the request is not valid "
        "HTTP, which closes the connection.",
        "`detail` gives the byte offset of the syntax error. In a shell, put the JSON in single quotes.",
    ),
    Refusal.INVALID: Explanation(
        "The body is JSON, but a field is missing, has the wrong type, is out of range, or appears twice.",
        "`errors` lists each invalid field and its constraint. A retry of the same body fails again. In a batch, only the "
        "listed events were rejected.",
    ),
    Refusal.TOO_LARGE: Explanation(
        "The body is larger than the route takes, the batch has more than 1,000 events, or the headers have more than 32 KiB (431).",
        "Send smaller batches. If a single event is too large, remove content such as logs.",
    ),
    Refusal.TOO_SLOW: Explanation(
        "The headers or the body did not arrive in time.",
        "Try again. If it happens often, check that `Content-Length` matches the body.",
    ),
    Refusal.UNKNOWN_ROUTE: Explanation(
        "The path does not exist, the name of the pack is invalid, or the route does not support this method.",
        "Compare the path and the method with this page. Names of packs have up to 64 lowercase letters, digits, `-` and `_`.",
    ),
    Refusal.UNKNOWN_PROJECT: Explanation(
        "The path begins with `/p/` and the name of a project that does not exist.",
        "`footfall project list` lists all projects. Without `/p/…`, events belong to the project of the key or the host, "
        "otherwise to `default`.",
    ),
    Refusal.UNKNOWN_TARGET: Explanation(
        "The project restricts targets, and this target is not listed as public.",
        "Ask the operator to list the target, or send a listed one.",
    ),
    Refusal.TOO_MANY_TARGETS: Explanation(
        "The target is new, and the project has reached its maximum number of targets.",
        "Check that targets are names, not ids generated for each event. The setting `FOOTFALL_MAX_TARGETS` sets the maximum.",
    ),
    Refusal.TOO_BROAD: Explanation(
        "The query combines filters that no stored count covers, and reading the raw events would take too long.",
        "Use a shorter period or fewer filters.",
    ),
    Refusal.BAD_KEY: Explanation(
        "401: a key is required, or the key is unknown or was revoked. 403: the key lacks the scope.",
        "Send the key as `Authorization: Bearer …` or `X-Footfall-Key: …`. `footfall key list` lists keys and their scopes: "
        "`ingest` for sending, `read` for reading.",
    ),
    Refusal.LIMITED: Explanation(
        "This address exceeded the limit of requests or of events.",
        "Wait for the number of seconds in `Retry-After`. Send events in batches to use fewer requests.",
    ),
    Refusal.LOOP: Explanation(
        "The project forwards to another system (shadow mode), and this request came back: the other system is this server or forwards to it.",
        "Set another address with `footfall forward PROJECT --to URL`, or stop with `--stop`.",
    ),
    Refusal.BUSY: Explanation(
        "The server cannot store the event: its queue is full, its database accepts no writes, or it is shutting down. Nothing was stored.",
        "Try again after the number of seconds in `Retry-After`. `/health` reports the state of the database.",
    ),
    Refusal.FAILED: Explanation("An internal error.", "Try again later. The server's log has details."),
}


def anchor(refusal: Refusal) -> str:
    """Return the anchor of an error type, which `Problem.type` links to."""
    return f"problem-{refusal.value.replace('_', '-')}"


@cache
def kinds(refusal: Refusal) -> tuple[type[Problem], ...]:
    """Return the error classes of a refusal."""
    return tuple(kind for kind in _all(Problem) if kind.refusal is refusal and kind.__module__ == Problem.__module__)


def statuses(refusal: Refusal) -> list[int]:
    """Return the HTTP statuses of a refusal."""
    found = {kind.status for kind in kinds(refusal)}
    return sorted(found | {400} if refusal is Refusal.INVALID else found)


def refusals(status: int) -> list[Refusal]:
    """Return the refusals with an HTTP status."""
    return [refusal for refusal in Refusal if status in statuses(refusal)]


def _all(kind: type[Problem]) -> Iterator[type[Problem]]:
    for child in kind.__subclasses__():
        yield child
        yield from _all(child)
