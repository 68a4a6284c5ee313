"""Login and logout. A browser exchanges a token for a session cookie, which scripts and other sites cannot use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from limits import parse
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.types import ControllerRouterHandler

from server import logs
from server.admin.auth import ALL_PROJECTS, COOKIE, count, headers_of, same_site, session_cookie
from server.clock import epoch_ms
from server.pages import SECURITY_HEADERS
from server.pages.markup import escape
from server.problems import Forbidden
from server.services import Services
from server.storage.projects import audit, sessions

AnyRequest = Request[object, object, Services]

log = logs.get(__name__)

ATTEMPTS = parse("10/minute")
LONGEST = 300  # characters of a token
_HEADERS = {**SECURITY_HEADERS, "Cache-Control": "no-store"}
_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("curl/", "curl"))
_SYSTEMS = (("Android", "Android"), ("iPhone", "iOS"), ("iPad", "iOS"), ("Windows", "Windows"), ("Mac OS", "macOS"), ("Linux", "Linux"))
_LOCAL = re.compile(r"/(?![/\\])[\x21-\x7e]{0,500}")


@get("/login", include_in_schema=False)
async def login_page(request: AnyRequest, state: Services) -> Response[str]:
    """Show the form. It works without scripts. With scripts, a token in the URL's fragment fills it in and is removed from the URL."""
    return _page(state, local(request.query_params.get("next", "/"), state.settings.base_path), "")


@post("/login", status_code=303, include_in_schema=False, request_max_body_size=4096)
async def login(request: AnyRequest, state: Services) -> Response[Any]:
    """Begin a session. Raises Forbidden for a form of another site, Limited for too many attempts."""
    headers = headers_of(request.scope)
    if not same_site(headers):
        raise Forbidden("The form was submitted from another site.")
    await count(state, ATTEMPTS, "login", request.scope)
    form = await request.form()
    token, target = str(form.get("token", ""))[:LONGEST].strip(), local(str(form.get("next", "/")), state.settings.base_path)
    peer = request.client.host if request.client else ""
    address = state.gate.address(peer, headers)
    await state.gate.guesses.check(address)
    key = await state.projects.key_of(token) if token else None
    if key is None or not key.scopes & {"read", "admin"}:
        log.warning("login_refused")
        await state.gate.guesses.count_wrong(address)
        return _page(state, target, "The token is unknown, or lacks the scope to read.", status=401)
    await _end(state, headers)  # the browser's previous session, whose cookie is replaced
    agent = headers.get(b"user-agent", b"").decode("latin-1")
    number, cookie = await sessions.begin(state.store, key.id, client_of(agent), epoch_ms())
    await audit.record(
        state.store, now=epoch_ms(), actor=f"session {number}", action="session.begin", project=key.project.id if key.project else ALL_PROJECTS,
        detail=f"with key {key.id}",
    )  # fmt: skip
    return Response(
        b"",
        status_code=303,
        headers={**_HEADERS, "Location": target},
        cookies=[_cookie(request, state, cookie, sessions.LONGEST // 1000)],
    )


@post("/logout", status_code=303, include_in_schema=False, request_max_body_size=4096)
async def logout(request: AnyRequest, state: Services) -> Response[bytes]:
    """End the browser's session."""
    headers = headers_of(request.scope)
    if not same_site(headers):
        raise Forbidden("The form was submitted from another site.")
    await _end(state, headers)
    answered = {**_HEADERS, "Location": f"{state.settings.base_path}/login"}
    return Response(b"", status_code=303, headers=answered, cookies=[_cookie(request, state, "", 0)])


async def _end(state: Services, headers: Mapping[bytes, bytes]) -> None:
    """End the session of a browser, if it has one."""
    cookie = session_cookie(headers)
    found = await sessions.find(state.store, cookie, epoch_ms()) if cookie else None
    if found is not None:
        await sessions.revoke(state.store, found.id, epoch_ms())
        await audit.record(state.store, now=epoch_ms(), actor=f"session {found.id}", action="session.end", project=found.project)


def local(path: str, base: str = "") -> str:
    """Return a path of this server under the base path; the home page for anything else, such as another site's URL."""
    if not _LOCAL.fullmatch(path):
        path = "/"
    return path if path.startswith(f"{base}/") else base + path


def client_of(agent: str) -> str:
    """Describe a browser and its system by their families only."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "another client")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return f"{browser} on {system}" if system else browser


def _page(state: Services, target: str, wrong: str, *, status: int = 200) -> Response[str]:
    page = state.pages.login
    note = f'<p class="wrong" role="alert">{escape(wrong)}</p>' if wrong else ""
    return Response(page.substitute(next=escape(target), wrong=note), status_code=status, media_type=MediaType.HTML, headers=_HEADERS)


def _cookie(request: AnyRequest, state: Services, value: str, seconds: int) -> Cookie:
    secure = _secure(request, state)
    return Cookie(
        key=COOKIE, value=value, max_age=seconds, path=f"{state.settings.base_path}/", httponly=True, samesite="lax", secure=secure
    )


def _secure(request: AnyRequest, state: Services) -> bool:
    """Return whether the browser uses HTTPS, by the scheme or by a trusted proxy's header."""
    if request.scope["scheme"] == "https":
        return True
    peer = request.client.host if request.client else ""
    return bool(state.gate.trusts(peer)) and request.headers.get("x-forwarded-proto", "").partition(",")[0].strip() == "https"


HANDLERS: tuple[ControllerRouterHandler, ...] = (login_page, login, logout)
