"""HTML pages made on the server, and their static files.

address            the server's own URL, for examples
markup             HTML from text, values and code
schema_fields      the fields of a body, from its schema
reference_entries  the routes of the reference
problem_page       explanations of the error types
reference          the reference page
dashboard          the dashboard's single-page application
client_pages       client files to copy, and their page
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from string import Template
from typing import Any, NamedTuple
from urllib.parse import quote

from litestar import MediaType, Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from server import __version__
from server.caching import SingleFlightCache
from server.pages import dashboard
from server.pages.address import base_url
from server.pages.client_pages import Clients
from server.pages.markup import colored, escape, figure, with_base_path
from server.pages.reference import reference
from server.pages.reference_entries import BASE
from server.problems import NotFound
from server.services import Services
from server.storage.projects import slug_of

AnyRequest = Request[object, object, Services]

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}

ICON = "footfall.svg"
# Content types of the served files; the other files are templates.
_KINDS = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_FOREVER = "public, max-age=31536000, immutable"  # pages link to files with their hash
_A_WHILE = "public, max-age=3600"
_ROBOTS = b"User-agent: *\nDisallow: /\n"
_FIRST_EVENT = """'{
  "name": "hello",
  "installation_id": "my-laptop"
}'"""

# Safe under `set -u`. It runs in the background and holds none of the script's pipes.
_LINE = f"""case ${{DO_NOT_TRACK-}}${{MYTOOL_NO_TELEMETRY-}} in
  '' | 0) (curl -s -m 5 -X POST {BASE}/dl/mytool &) </dev/null >/dev/null 2>&1 ;;
esac"""


class File(NamedTuple):
    body: bytes
    kind: str
    etag: str


class Pages:
    """All pages and static files, rendered. Stored in the application's state as `pages`.

    The reference is rendered in a thread at its first request, from the OpenAPI document that `document` returns. `static` is the folder with the
    sources (`settings.bundled("static")`).
    """

    def __init__(self, document: Callable[[], Awaitable[dict[str, Any]]], static: Path, *, base: str = "") -> None:
        self.base = base
        self._document = document
        self._loaded: SingleFlightCache[None, str] = SingleFlightCache(1, lambda _: True)
        folder = static / "pages"
        self.files = {path.name: _file(path) for path in sorted(folder.iterdir()) if path.suffix in _KINDS}
        shared = {"version": escape(__version__), **{_word(name): self._link(name) for name in self.files}}
        frame = self._frame = Template((folder / "page.html").read_text(encoding="utf-8"))
        home = Template((folder / "home.html").read_text(encoding="utf-8")).substitute(shared, event=colored(_FIRST_EVENT))
        self._shared = shared
        self._reading = Template((folder / "reference.html").read_text(encoding="utf-8"))
        form = (folder / "login.html").read_text(encoding="utf-8")
        self.login = Template(with_base_path(frame.substitute(shared, title="Log in to Footfall", kind="home", content=form), base))
        alone = Template((folder / "shared.html").read_text(encoding="utf-8"))
        self.shared = Template(with_base_path(alone.safe_substitute(shared), base))
        self.home = with_base_path(frame.substitute(shared, title="Footfall", kind="home", content=home), base)
        self.clients = Clients(static / "clients")
        offered = Template((folder / "clients.html").read_text(encoding="utf-8")).substitute(
            shared,
            project="{{project}}",
            next="{{next}}",
            navigation=self.clients.navigation,
            content=self.clients.content,
            line=figure("One line of shell", escape(_LINE), "example", copy=True),
        )
        self.clients_page = with_base_path(frame.substitute(shared, title="Clients for Footfall", kind="home", content=offered), base)

    async def reference(self) -> str:
        """Return the page with all routes, rendered from the OpenAPI document."""
        return await self._loaded.find(None, self._render_reference)

    async def _render_reference(self) -> str:
        document = await self._document()

        def render() -> str:
            navigation, content = reference(document)
            reading = self._reading.substitute(self._shared, navigation=navigation, content=content)
            shown = self._frame.substitute(self._shared, title="Footfall reference", kind="reference", content=reading)
            return with_base_path(shown, self.base)

        return await asyncio.to_thread(render)

    def _link(self, name: str) -> str:
        return f"/static/pages/{name}?{self.files[name].etag[1:9]}"


def _file(path: Path) -> File:
    body = path.read_bytes()
    return File(body, _KINDS[path.suffix], _etag(body))


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _word(name: str) -> str:
    """Return a file's name as a template variable, such as `footfall_css`."""
    return name.replace(".", "_").replace("-", "_")


def _respond(request: AnyRequest, body: bytes, kind: str, etag: str, cache: str) -> Response[bytes]:
    headers = {**SECURITY_HEADERS, "ETag": etag, "Cache-Control": cache}
    if etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=kind)


def _page(request: AnyRequest, html: str) -> Response[bytes]:
    """Respond with a page that contains the server's URL. It depends on the request, so shared caches must not store it."""
    body = html.replace(BASE, escape(base_url(request))).encode()
    return _respond(request, body, "text/html", _etag(body), "private, no-cache")


_HTML = ResponseSpec(str, generate_examples=False, media_type=MediaType.HTML, description="The page.")
_TEXT = ResponseSpec(str, generate_examples=False, media_type=MediaType.TEXT, description="The file.")
_FILE = ResponseSpec(bytes, generate_examples=False, media_type="*/*", description="The file.")
_NOT_MODIFIED = ResponseSpec(None, generate_examples=False, description="Not modified.")
_NONE = ResponseSpec(None, generate_examples=False, description="No such file.")


@get("/", summary="Home page", tags=["Pages"], responses={200: _HTML, 304: _NOT_MODIFIED})
async def home(request: AnyRequest, state: Services) -> Response[bytes]:
    """The dashboard. Without a built dashboard: a page that explains how to send the first event."""
    if (page := dashboard.first_page(request, state)) is not None:
        return page
    return _page(request, state.pages.home)


@get("/docs", summary="This reference", tags=["Pages"], responses={200: _HTML, 304: _NOT_MODIFIED})
async def docs(request: AnyRequest, state: Services) -> Response[bytes]:
    """All routes with their fields and examples, and all error types."""
    return _page(request, await state.pages.reference())


@get(
    "/static/pages/{name:str}", summary="Static files of the pages", tags=["Pages"], responses={200: _FILE, 304: _NOT_MODIFIED, 404: _NONE}
)
async def static_file(request: AnyRequest, state: Services, name: FromPath[str]) -> Response[bytes]:
    """Styles, scripts and images."""
    file = state.pages.files.get(name)
    if file is None:
        raise NotFound("No such file.")
    named_with_hash = request.scope["query_string"].decode("latin-1") == file.etag[1:9]
    return _respond(request, file.body, file.kind, file.etag, _FOREVER if named_with_hash else _A_WHILE)


@get("/favicon.ico", summary="The icon", tags=["Pages"], responses={200: _FILE, 304: _NOT_MODIFIED})
async def favicon(request: AnyRequest, state: Services) -> Response[bytes]:
    """The icon as SVG."""
    file = state.pages.files[ICON]
    return _respond(request, file.body, file.kind, file.etag, _A_WHILE)


@get("/robots.txt", summary="Rules for crawlers", tags=["Pages"], responses={200: _TEXT, 304: _NOT_MODIFIED})
async def robots(request: AnyRequest) -> Response[bytes]:
    """Asks crawlers not to index the server."""
    return _respond(request, _ROBOTS, "text/plain", _etag(_ROBOTS), _A_WHILE)


@get("/clients", summary="Clients to copy into a tool", tags=["Pages"], responses={200: _HTML, 304: _NOT_MODIFIED})
async def clients_page(request: AnyRequest, state: Services) -> Response[bytes]:
    """All clients, with this server's URL in the examples. Shows the first event when it arrives, if the reader has access."""
    named = slug_of(request.scope)
    project, _ = await state.projects.find(dict(request.scope["headers"]), named)
    back = f"/p/{project.slug}/clients" if named is not None else "/clients"
    return _page(request, state.pages.clients_page.replace("{{project}}", escape(project.slug)).replace("{{next}}", quote(back, safe="")))


@get("/clients/{name:str}", summary="A client's source", tags=["Pages"], responses={200: _FILE, 304: _NOT_MODIFIED, 404: _NONE})
async def client_file(request: AnyRequest, state: Services, name: FromPath[str]) -> Response[bytes]:
    """A single file without dependencies, to copy. Pages of any origin may import the one for JavaScript."""
    file = state.pages.clients.files.get(name)
    if file is None:
        raise NotFound("No such client.")
    response = _respond(request, file.body, file.kind, file.etag, _A_WHILE)
    response.headers.update({"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"})
    if name.endswith(".js"):
        response.headers["X-TypeScript-Types"] = f"./{name.removesuffix('.js')}.d.ts"  # for Deno
    return response


HANDLERS: tuple[ControllerRouterHandler, ...] = (home, docs, clients_page, client_file, static_file, favicon, robots, *dashboard.HANDLERS)
