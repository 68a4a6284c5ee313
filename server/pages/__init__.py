"""The pages that people see, made on the server, and the files that go with them.

address    the server's own address, for the examples
markup     HTML from text, values and code
fields     the fields of a body, from its schema
routes     what the reference shows of each route
trouble    the kinds of problems
reference  the reference page
dashboard  the page that is a program
clients    files to copy into tools, and their page
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from string import Template
from typing import Any, NamedTuple
from urllib.parse import quote

from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.openapi import ResponseSpec
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from server import __version__
from server.pages import dashboard
from server.pages.address import base_url
from server.pages.client_pages import Clients
from server.pages.markup import colored, escape, figure, rooted
from server.pages.reference import reference
from server.pages.reference_entries import BASE
from server.problems import NotFound
from server.storage.projects import SCOPE_SLUG

AnyRequest = Request[object, object, State]

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}

ICON = "footfall.svg"
# What is served of the folder, and as what: the rest are templates.
_KINDS = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_FOREVER = "public, max-age=31536000, immutable"  # pages name files together with their hash
_A_WHILE = "public, max-age=3600"
_ROBOTS = b"User-agent: *\nDisallow: /\n"
_FIRST_EVENT = """'{
  "name": "hello",
  "installation_id": "my-laptop"
}'"""

# Safe under `set -u`; in the background, with no pipe of the script held.
_LINE = f"""case ${{DO_NOT_TRACK-}}${{MYTOOL_NO_TELEMETRY-}} in
  '' | 0) (curl -s -m 5 -X POST {BASE}/dl/mytool &) </dev/null >/dev/null 2>&1 ;;
esac"""


class File(NamedTuple):
    body: bytes
    kind: str
    etag: str


class Pages:
    """All pages and files, ready to be sent. Belongs into the application's state as `pages`.

    `document` is the OpenAPI document, `static` the folder with the sources (`settings.bundled("static")`).
    """

    def __init__(self, document: dict[str, Any], static: Path, *, base: str = "") -> None:
        self.base = base
        folder = static / "pages"
        self.files = {path.name: _file(path) for path in sorted(folder.iterdir()) if path.suffix in _KINDS}
        navigation, content = reference(document)
        shared = {"version": escape(__version__), **{_word(name): self._link(name) for name in self.files}}
        frame = Template((folder / "page.html").read_text(encoding="utf-8"))
        home = Template((folder / "home.html").read_text(encoding="utf-8")).substitute(shared, event=colored(_FIRST_EVENT))
        reading = Template((folder / "reference.html").read_text(encoding="utf-8")).substitute(
            shared, navigation=navigation, content=content
        )
        form = (folder / "login.html").read_text(encoding="utf-8")
        self.login = Template(rooted(frame.substitute(shared, title="Log in to Footfall", kind="home", content=form), base))
        self.home = rooted(frame.substitute(shared, title="Footfall", kind="home", content=home), base)
        self.reference = rooted(frame.substitute(shared, title="Footfall reference", kind="reference", content=reading), base)
        self.clients = Clients(static / "clients")
        offered = Template((folder / "clients.html").read_text(encoding="utf-8")).substitute(
            shared,
            project="{{project}}",
            next="{{next}}",
            navigation=self.clients.navigation,
            content=self.clients.content,
            line=figure("One line of shell", escape(_LINE), "example", copy=True),
        )
        self.clients_page = rooted(frame.substitute(shared, title="Clients for Footfall", kind="home", content=offered), base)

    def _link(self, name: str) -> str:
        return f"/static/pages/{name}?{self.files[name].etag[1:9]}"


def _file(path: Path) -> File:
    body = path.read_bytes()
    return File(body, _KINDS[path.suffix], _etag(body))


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _word(name: str) -> str:
    """A file's name as the templates know it: `footfall_css`."""
    return name.replace(".", "_").replace("-", "_")


def _sent(request: AnyRequest, body: bytes, kind: str, etag: str, cache: str) -> Response[bytes]:
    headers = {**SECURITY_HEADERS, "ETag": etag, "Cache-Control": cache}
    if etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=kind)


def _page(request: AnyRequest, html: str) -> Response[bytes]:
    """A page with the server's address in it: so it depends on who asks, and no cache between may keep it."""
    body = html.replace(BASE, escape(base_url(request))).encode()
    return _sent(request, body, "text/html", _etag(body), "private, no-cache")


_HTML = ResponseSpec(str, generate_examples=False, media_type=MediaType.HTML, description="The page.")
_TEXT = ResponseSpec(str, generate_examples=False, media_type=MediaType.TEXT, description="The file.")
_FILE = ResponseSpec(bytes, generate_examples=False, media_type="*/*", description="The file.")
_KNOWN = ResponseSpec(None, generate_examples=False, description="It is as you know it.")
_NONE = ResponseSpec(None, generate_examples=False, description="There is no such file.")


@get("/", summary="The first page", tags=["Pages"], responses={200: _HTML, 304: _KNOWN})
async def home(request: AnyRequest, state: State) -> Response[bytes]:
    """The dashboard; where it was not built, a page that says that the server runs, and how to send the first event."""
    if (page := dashboard.first_page(request, state)) is not None:
        return page
    return _page(request, state.pages.home)


@get("/docs", summary="This reference", tags=["Pages"], responses={200: _HTML, 304: _KNOWN})
async def docs(request: AnyRequest, state: State) -> Response[bytes]:
    """Every route, with the fields of its body and an example, and every kind of problem."""
    return _page(request, state.pages.reference)


@get("/static/pages/{name:str}", summary="What pages are made with", tags=["Pages"], responses={200: _FILE, 304: _KNOWN, 404: _NONE})
async def static_file(request: AnyRequest, state: State, name: FromPath[str]) -> Response[bytes]:
    """Styles, scripts and images."""
    file = state.pages.files.get(name)
    if file is None:
        raise NotFound("There is no such file.")
    named_with_hash = request.scope["query_string"].decode("latin-1") == file.etag[1:9]
    return _sent(request, file.body, file.kind, file.etag, _FOREVER if named_with_hash else _A_WHILE)


@get("/favicon.ico", summary="The icon", tags=["Pages"], responses={200: _FILE, 304: _KNOWN})
async def favicon(request: AnyRequest, state: State) -> Response[bytes]:
    """An SVG, whatever the name says."""
    file = state.pages.files[ICON]
    return _sent(request, file.body, file.kind, file.etag, _A_WHILE)


@get("/robots.txt", summary="Nothing here is for search engines", tags=["Pages"], responses={200: _TEXT, 304: _KNOWN})
async def robots(request: AnyRequest) -> Response[bytes]:
    """Asks robots to stay away."""
    return _sent(request, _ROBOTS, "text/plain", _etag(_ROBOTS), _A_WHILE)


@get("/clients", summary="Clients to copy into a tool", tags=["Pages"], responses={200: _HTML, 304: _KNOWN})
async def clients_page(request: AnyRequest, state: State) -> Response[bytes]:
    """Each client with this server's address in its examples. Waits for the first event where the reader may see it."""
    named = request.scope.get(SCOPE_SLUG)
    project, _ = await state.projects.find(dict(request.scope["headers"]), named)
    back = f"/p/{project.slug}/clients" if isinstance(named, str) else "/clients"
    return _page(request, state.pages.clients_page.replace("{{project}}", escape(project.slug)).replace("{{next}}", quote(back, safe="")))


@get("/clients/{name:str}", summary="A client's source", tags=["Pages"], responses={200: _FILE, 304: _KNOWN, 404: _NONE})
async def client_file(request: AnyRequest, state: State, name: FromPath[str]) -> Response[bytes]:
    """One file without dependencies, to be copied. Pages of any origin may import the one for JavaScript."""
    file = state.pages.clients.files.get(name)
    if file is None:
        raise NotFound("There is no such client.")
    response = _sent(request, file.body, file.kind, file.etag, _A_WHILE)
    response.headers.update({"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"})
    if name.endswith(".js"):
        response.headers["X-TypeScript-Types"] = f"./{name.removesuffix('.js')}.d.ts"  # for Deno
    return response


HANDLERS: tuple[ControllerRouterHandler, ...] = (home, docs, clients_page, client_file, static_file, favicon, robots, *dashboard.HANDLERS)
