"""The HTTP route of links to saved questions, and their cached pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from typing import NamedTuple

from litestar import MediaType, Response, get
from litestar.params import FromPath

from server.caching import SingleFlightCache
from server.clock import epoch_ms
from server.event import DAY, HOUR, MINUTE
from server.problems import BadQuery, TooBroad
from server.public.public_access import AnyRequest, peer_of
from server.questions import saved
from server.questions.shared_answer import as_of, shared_answer
from server.services import Services
from server.storage.projects import ProjectError, slug_of
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


class _KnownLink(NamedTuple):
    shared: Shared
    until: float  # of `time.monotonic`


class SharedPages:
    """The pages of valid links. Each is made once an hour (once a day with a comparison), and one at a time, however many readers it has."""

    def __init__(self, state: Services) -> None:
        self._state = state
        self._links: SingleFlightCache[str, _KnownLink] = SingleFlightCache(_MAX_KEPT, lambda link: time.monotonic() <= link.until)
        self._pages: SingleFlightCache[Hashable, _Page] = SingleFlightCache(_MAX_KEPT, lambda page: page.until > epoch_ms(), at_once=1)

    async def find(self, secret: str, now: int) -> Shared | None:
        """Return the valid link with a secret, or None."""
        link = self._links.get(secret)
        shared = await find_shared(self._state.store, secret, now) if link is None else link.shared
        if link is None and shared is not None:
            self._links.keep(secret, _KnownLink(shared, time.monotonic() + _KNOWN_FOR))
        return shared if shared is not None and shared.expires_at > now else None

    async def page(self, shared: Shared, now: int) -> tuple[int, str]:
        """Return the status and the page of a link."""
        key = (shared.share, shared.question.name, shared.question.changed_at, shared.title)
        page = await self._pages.find(key, lambda: self._make(shared, now))
        return page.status, page.body

    async def _make(self, shared: Shared, now: int) -> _Page:
        frame, settings = self._state.pages.shared, self._state.settings
        try:
            template = saved.template_of(shared.question)
            if saved.share_problem(template) is not None:
                return _Page(404, message_page(frame, *_REFUSED), now + HOUR)
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


@get(f"{PATH}/{{secret:str}}", include_in_schema=False)
async def shared_question(request: AnyRequest, state: Services, secret: FromPath[str]) -> Response[str]:
    """The answer of a saved question, for everyone who has the link."""
    now = epoch_ms()
    address = state.gate.address(peer_of(request), dict(request.scope["headers"]))
    await state.gate.guesses.check(address)
    pages = state.shared_pages
    shared = None
    if secret.startswith(PREFIX) and len(secret) < 100 and slug_of(request.scope) is None:
        shared = await pages.find(secret, now)
    if shared is None:
        await state.gate.guesses.count_wrong(address)
        return _response(404, message_page(state.pages.shared, *_GONE))
    return _response(*await pages.page(shared, now))


def _response(status: int, body: str) -> Response[str]:
    # `no-store`: a revoked link shows nothing, in browsers' caches either.
    return Response(body, status_code=status, media_type=MediaType.HTML, headers={**HEADERS, "Cache-Control": "no-store"})


HANDLERS = (shared_question,)
