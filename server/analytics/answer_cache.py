"""Answers that took long serve for a while.

What a question costs grows with the installs that were active in its period: half a second for twenty thousand on thirty days. A dashboard
asks the same again every few seconds, and so does each that is open. So an answer about a large store may be given again for as long as
keeps the questions below a twentieth of one core, and is as old at most. Small stores are always asked anew.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from server.storage.engine import Store

LARGE = 64 * 1024 * 1024  # bytes of a store
SLOW = 0.1  # seconds
SHARE = 0.05  # of the time
_MOST_KEPT = 64

_ASKED: WeakKeyDictionary[Store, dict[Hashable, asyncio.Task[Any]]] = WeakKeyDictionary()

P = ParamSpec("P")
T = TypeVar("T")


class _Kept(NamedTuple):
    answer: Any
    until: float


_KEPT: WeakKeyDictionary[Store, dict[Hashable, _Kept]] = WeakKeyDictionary()


def reused(question: Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]:
    """A question whose answers may be reused; everything that it is asked with must be hashable."""

    @functools.wraps(question)
    async def ask(store: Store, /, *arguments: P.args, **named: P.kwargs) -> T:
        kept = _KEPT.setdefault(store, {})
        key = (question.__name__, arguments, tuple(sorted(named.items())))
        known = kept.get(key)
        began = time.monotonic()
        if known is not None and began < known.until:
            return known.answer  # type: ignore[no-any-return]
        answer = await question(store, *arguments, **named)
        took = time.monotonic() - began
        if took > SLOW and store.size() > LARGE:
            if len(kept) >= _MOST_KEPT:
                kept.clear()
            kept[key] = _Kept(answer, began + took / SHARE)
        return answer

    return ask


def shared(question: Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]:
    """A question that is asked once for all who want its answer at the same moment, as the parts of one page do."""

    @functools.wraps(question)
    async def ask(store: Store, /, *arguments: P.args, **named: P.kwargs) -> T:
        asked = _ASKED.setdefault(store, {})
        key = (question.__name__, arguments, tuple(sorted(named.items())))
        task = asked.get(key)
        if task is None:
            task = asked[key] = asyncio.create_task(question(store, *arguments, **named))
            task.add_done_callback(lambda _: asked.pop(key, None))
        # Whoever is cancelled takes it from nobody else.
        return await asyncio.shield(task)

    return ask
