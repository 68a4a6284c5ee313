"""The HTTP route of links to saved questions, and their cached pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from typing import NamedTuple

from litestar import MediaType, Response, get
from litestar.datastructures import State
from litestar.params import FromPath

from server.clock import epoch_ms
from server.event import DAY, HOUR, MINUTE
from server.problems import BadQuery, TooBroad
from server.public.public_access import AnyRequest, peer_of
from server.questions import saved
from server.questions.shared_answer import as_of, shared_answer
from server.storage.projects import SCOPE_SLUG, ProjectError
from server.storage.projects.shares import PATH, PREFIX, Shared, find_shared
from server.transfer.shared_page import HEADERS, answer_page, message_page

_KNOWN_FOR = 2.0  # seconds in which a link is not looked up again; another process may have revoked it meanwhile
_RETRY_AFTER = 5 * MINUTE
_MAX_KEPT = 128
_GONE = ("No such link", "The link is wrong, has expired, or was revoked.")
_REFUSED = ("Cannot be shared", "The question has changed since the link was made, and cannot be shared any more.")
_SLOW = ("Too many events", "The answer takes too long. Try again later.")


class _Page(NamedTuple):
    status: int
    body: str
    until: int  # epoch milliseconds


class SharedPages:
    """The pages of valid links. Each is made once an hour (once a day with a comparison), and one at a time, however many readers it has."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: dict[str, tuple[Shared, float]] = {}
        self._pages: dict[Hashable, _Page] = {}
        self._making: dict[Hashable, asyncio.Task[_Page]] = {}
        self._one_at_a_time = asyncio.Semaphore(1)

    async def find(self, secret: str, now: int) -> Shared | None:
        """Return the valid link with a secret, or None."""
        known, until = self._known.get(secret, (None, 0.0))
        if known is None or time.monotonic() > until:
            known = await find_shared(self._state.store, secret, now)
            self._known.pop(secret, None)
            if known is not None:
                _bound(self._known)
                self._known[secret] = known, time.monotonic() + _KNOWN_FOR
        return known if known is not None and known.expires_at > now else None

    async def page(self, shared: Shared, now: int) -> tuple[int, str]:
        """Return the status and the page of a link."""
        key = (shared.share, shared.question.name, shared.question.changed_at, shared.title)
        page = self._pages.get(key)
        if page is None or page.until <= now:
            making = self._making.get(key)
            if making is None:
                making = self._making[key] = asyncio.create_task(self._make(shared, now))
                making.add_done_callback(lambda task: self._made(key, task))
            page = await asyncio.shield(making)
        return page.status, page.body

    def _made(self, key: Hashable, task: asyncio.Task[_Page]) -> None:
        """Keep a page, also if all its readers are gone."""
        del self._making[key]
        if not task.cancelled() and task.exception() is None:
            _bound(self._pages)
            self._pages[key] = task.result()

    async def _make(self, shared: Shared, now: int) -> _Page:
        frame, settings = self._state.pages.shared, self._state.settings
        try:
            template = saved.template_of(shared.question)
            if saved.share_problem(template) is not None:
                return _Page(404, message_page(frame, *_REFUSED), now + HOUR)
            async with self._one_at_a_time:
                found = await shared_answer(
                    self._state.store,
                    shared.question.project,
                    template,
                    least=settings.public_minimum,
                    history=self._state.history,
                    now=now,
                )
        except (ProjectError, BadQuery):
            return _Page(404, message_page(frame, *_REFUSED), now + HOUR)
        except TooBroad:
            return _Page(503, message_page(frame, *_SLOW), now + _RETRY_AFTER)
        until = as_of(template, now) + (DAY if template.is_compared else HOUR)
        body = await asyncio.to_thread(answer_page, frame, shared, found, settings.public_minimum)
        return _Page(200, body, until)


def _bound(kept: dict[str, tuple[Shared, float]] | dict[Hashable, _Page]) -> None:
    """Make room for one more entry, in the place of the oldest."""
    if len(kept) >= _MAX_KEPT:
        del kept[next(iter(kept))]  # type: ignore[arg-type]


@get(f"{PATH}/{{secret:str}}", include_in_schema=False)
async def shared_question(request: AnyRequest, state: State, secret: FromPath[str]) -> Response[str]:
    """The answer of a saved question, for everyone who has the link."""
    now = epoch_ms()
    address = state.gate.address(peer_of(request), dict(request.scope["headers"]))
    await state.gate.guesses.check(address)
    pages: SharedPages = state.shared_pages
    shared = None
    if secret.startswith(PREFIX) and len(secret) < 100 and request.scope.get(SCOPE_SLUG) is None:
        shared = await pages.find(secret, now)
    if shared is None:
        await state.gate.guesses.count_wrong(address)
        return _response(404, message_page(state.pages.shared, *_GONE))
    return _response(*await pages.page(shared, now))


def _response(status: int, body: str) -> Response[str]:
    # `no-store`: a revoked link shows nothing, in browsers' caches either.
    return Response(body, status_code=status, media_type=MediaType.HTML, headers={**HEADERS, "Cache-Control": "no-store"})


HANDLERS = (shared_question,)
