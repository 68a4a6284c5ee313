"""Cache of answers that took long.

The cost of a question grows with the installs that were active in its period: half a second for twenty thousand installs and thirty days. Every
open dashboard repeats its questions every few seconds. An answer about a large store is therefore reused for as long as keeps its questions below
a twentieth of one core; it is at most that old. Answers about small stores are never reused.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from server.caching import SingleFlight, SingleFlightCache
from server.storage.engine import Store

LARGE = 64 * 1024 * 1024  # bytes of a store
SLOW = 0.1  # seconds
SHARE = 0.05  # of the time
_MOST_KEPT = 64

P = ParamSpec("P")
T = TypeVar("T")


class _Kept(NamedTuple):
    answer: Any
    until: float


_RUNNING: WeakKeyDictionary[Store, SingleFlight[Hashable, Any]] = WeakKeyDictionary()
_KEPT: WeakKeyDictionary[Store, SingleFlightCache[Hashable, _Kept]] = WeakKeyDictionary()


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
        began = time.monotonic()
        answer = await question(store, *arguments, **named)
        took = time.monotonic() - began
        if took > SLOW and store.size() > LARGE:
            cache.keep(key, _Kept(answer, began + took / SHARE))
        return answer

    return ask


def shared(question: Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]:
    """Make concurrent callers of a question, as the parts of one page are, share one answer."""

    @functools.wraps(question)
    async def ask(store: Store, /, *arguments: P.args, **named: P.kwargs) -> T:
        running = _RUNNING.setdefault(store, SingleFlight())
        return await asyncio.shield(running.start(_key(question, arguments, named), lambda: question(store, *arguments, **named)))

    return ask


def _key(question: Callable[..., object], arguments: tuple[object, ...], named: dict[str, object]) -> Hashable:
    """Return the key of a question: questions of several modules may have the same name."""
    return question.__module__, question.__qualname__, arguments, tuple(sorted(named.items()))
