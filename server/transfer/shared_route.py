"""The HTTP route of links to saved questions, and their cached pages."""

from __future__ import annotations

import asyncio
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
from server.questions.report_templates import AnyTemplate, FunnelTemplate, RetentionTemplate
from server.questions.shared_answer import as_of, shared_answer
from server.questions.shared_reports import shared_funnel, shared_retention
from server.questions.template import Template
from server.services import Services
from server.storage.projects import ProjectError, slug_of
from server.storage.projects.shares import PATH, PREFIX, Shared, find_shared
from server.transfer.shared_page import HEADERS, answer_page, message_page, report_page

_RETRY_AFTER = 5 * MINUTE
_MAX_KEPT = 128
_GONE = ("No such link", "The link is invalid, has expired, or was revoked.")
_REFUSED = ("Cannot be shared", "The question has changed since the link was made, and can no longer be shared.")
_SLOW = ("Too many events", "The answer takes too long. Try again later.")


class _Page(NamedTuple):
    status: int
    body: str
    until: int  # epoch milliseconds


class SharedPages:
    """The pages of valid links. Each page is rendered at most once an hour (once a day with a comparison), one at a time, however many readers it has."""

    def __init__(self, state: Services) -> None:
        self._state = state
        self._pages: SingleFlightCache[Hashable, _Page] = SingleFlightCache(
            _MAX_KEPT, lambda page: page.until > epoch_ms(), at_once=1, is_cancelled=True
        )

    async def find(self, secret: str, now: int) -> Shared | None:
        """Return the valid link with a secret, or None. Reads the store, so that a link that another server revoked shows nothing at once."""
        return await find_shared(self._state.store, secret, now)

    async def page(self, shared: Shared, now: int) -> tuple[int, str]:
        """Return the status and the page of a link."""
        key = (shared.share, shared.question.name, shared.question.changed_at, shared.title)
        page = await self._pages.find(key, lambda: self._make(shared, now))
        return page.status, page.body

    async def _make(self, shared: Shared, now: int) -> _Page:
        frame = self._state.pages.shared
        try:
            template = saved.template_of(shared.question)
            if saved.share_problem(template) is not None:
                return _Page(404, message_page(frame, *_REFUSED), now + HOUR)
            body = await self._body(shared, template, now)
        except (ProjectError, BadQuery):
            return _Page(404, message_page(frame, *_REFUSED), now + HOUR)
        except TooBroad:
            return _Page(503, message_page(frame, *_SLOW), now + _RETRY_AFTER)
        is_daily = isinstance(template, Template) and template.is_compared
        return _Page(200, body, as_of(now, is_daily=is_daily) + (DAY if is_daily else HOUR))

    async def _body(self, shared: Shared, template: AnyTemplate, now: int) -> str:
        store, frame, project = self._state.store, self._state.pages.shared, shared.question.project
        least, history = self._state.settings.public_minimum, self._state.history
        if isinstance(template, FunnelTemplate):
            reached = await shared_funnel(store, project, template, least=least, history=history, now=now)
            return await asyncio.to_thread(report_page, frame, shared, reached, least)
        if isinstance(template, RetentionTemplate):
            returned = await shared_retention(store, project, template, least=least, history=history, now=now)
            return await asyncio.to_thread(report_page, frame, shared, returned, least)
        assert isinstance(template, Template)
        found = await shared_answer(store, project, template, least=least, history=history, now=now)
        return await asyncio.to_thread(answer_page, frame, shared, found, least)


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
