"""Cache of answers.

The cost of a question grows with the installs that were active in its period: half a second for twenty thousand installs and thirty days. Every open
dashboard repeats its questions every few seconds. An answer about a large store is therefore reused long enough to keep its questions below a
twentieth of one core. A quicker answer about a large store is reused until the next write, for at most ten seconds, if no other server writes to it.
Answers about small stores are never reused.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from server.caching import BoundedDict, SingleFlight, SingleFlightCache
from server.storage.engine import Store

LARGE = 64 * 1024 * 1024  # bytes of a store
SLOW = 0.1  # seconds
SHARE = 0.05  # of the time
QUICK = 0.005  # seconds: a cheaper answer is not kept
QUICK_FOR = 10.0  # seconds: a command in another process may write, too
_MOST_KEPT = 64
_MOST_QUICK = 128
_UNCHANGED_FOR = 1.0  # seconds

P = ParamSpec("P")
T = TypeVar("T")


class _Kept(NamedTuple):
    answer: Any
    until: float


class _Unchanged(NamedTuple):
    answer: Any
    version: int
    until: float


_UNCHANGED: WeakKeyDictionary[Store, BoundedDict[Hashable, _Unchanged]] = WeakKeyDictionary()
_RUNNING: WeakKeyDictionary[Store, SingleFlight[Hashable, Any]] = WeakKeyDictionary()
_KEPT: WeakKeyDictionary[Store, SingleFlightCache[Hashable, _Kept]] = WeakKeyDictionary()
_QUICK: WeakKeyDictionary[Store, BoundedDict[Hashable, _Unchanged]] = WeakKeyDictionary()


def reused(question: Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]:
    """Make the answers of a question reusable. All of its arguments must be hashable."""

    @functools.wraps(question)
    async def ask(store: Store, /, *arguments: P.args, **named: P.kwargs) -> T:
        cache = _KEPT.get(store)
        if cache is None:
            cache = _KEPT[store] = SingleFlightCache(_MOST_KEPT, lambda kept: time.monotonic() < kept.until)
        key = _key(question, arguments, named)
        kept = cache.get(key)
        if kept is not None:
            return kept.answer  # type: ignore[no-any-return]
        quick = _QUICK.setdefault(store, BoundedDict(_MOST_QUICK))
        unchanged = quick.get(key)
        if unchanged is not None and _is_unchanged(store, unchanged):
            return unchanged.answer  # type: ignore[no-any-return]
        began, version = time.monotonic(), store.version
        answer = await question(store, *arguments, **named)
        took = time.monotonic() - began
        if took > QUICK and store.size() > LARGE:
            if took > SLOW:
                cache.keep(key, _Kept(answer, began + took / SHARE))
            if store.sql.has_one_writer:
                quick.keep(key, _Unchanged(answer, version, began + QUICK_FOR))
        return answer

    return ask


def shared(question: Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]:
    """Make concurrent callers of a question, such as the parts of one page, share one answer. If all of them are cancelled, so is the question."""

    @functools.wraps(question)
    async def ask(store: Store, /, *arguments: P.args, **named: P.kwargs) -> T:
        running = _RUNNING.setdefault(store, SingleFlight())
        answer: T = await running.join(_key(question, arguments, named), lambda: question(store, *arguments, **named))
        return answer

    return ask


def reused_until_write(
    question: Callable[Concatenate[Store, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]:
    """Like `shared`, and reuse the answer until the next write, for at most a second, if no other process writes to the store.

    The parts of a page may also ask one after the other.
    """
    found = shared(question)

    @functools.wraps(question)
    async def ask(store: Store, /, *arguments: P.args, **named: P.kwargs) -> T:
        if not store.sql.has_one_writer:
            return await found(store, *arguments, **named)
        answers = _UNCHANGED.setdefault(store, BoundedDict(_MOST_KEPT))
        key = _key(question, arguments, named)
        kept = answers.get(key)
        if kept is not None and _is_unchanged(store, kept):
            return kept.answer  # type: ignore[no-any-return]
        version, until = store.version, time.monotonic() + _UNCHANGED_FOR
        answer = await found(store, *arguments, **named)
        answers.keep(key, _Unchanged(answer, version, until))
        return answer

    return ask


def _is_unchanged(store: Store, kept: _Unchanged) -> bool:
    """Return True while an answer may be reused: there was no write since, and it has not expired."""
    return kept.version == store.version and time.monotonic() < kept.until


def _key(question: Callable[..., object], arguments: tuple[object, ...], named: dict[str, object]) -> Hashable:
    """Return the key of a question: questions of several modules may have the same name."""
    return question.__module__, question.__qualname__, arguments, tuple(sorted(named.items()))
