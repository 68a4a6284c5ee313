"""The dashboard: one page with a program in it, built from `static/` into `static/dist`, and the files that it consists of."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path
from typing import Any, NamedTuple

from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from server.pages.markup import rooted
from server.problems import MethodNotAllowed, NotFound

AnyRequest = Request[object, object, State]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors "
)
_SECURE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin"}
ALONE = {**_SECURE, "Content-Security-Policy": f"{_POLICY}'none'", "X-Frame-Options": "DENY"}
FRAMED = {**_SECURE, "Content-Security-Policy": f"{_POLICY}*"}  # for the charts that other sites may show
_KINDS = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
_PACKED = (("br", ".br"), ("gzip", ".gz"))  # the best first
_FOREVER = "public, max-age=31536000, immutable"  # a file in assets/ has a hash of its content in its name
_ASK = "no-cache"


class Built(NamedTuple):
    """A file as it was built: as it is, and in the forms that were compressed then."""

    kind: str
    etag: str
    forms: dict[str, bytes]


class Dashboard:
    """The files of the build, in memory. Belongs into the application's state as `dashboard`. Without a build there is no dashboard.

    `folder` is where it was built, None where there is to be none. The page names its files relative to itself, and learns the base path
    from a meta tag: both are filled in here, since one build serves any base path.
    """

    def __init__(self, folder: Path | None, *, base: str = "") -> None:
        self.files: dict[str, Built] = {}
        if folder is None:
            return
        for path in sorted(folder.rglob("*")):
            kind = _KINDS.get(path.suffix)
            if kind is not None and path.is_file():
                self.files[path.relative_to(folder).as_posix()] = _built(path, kind)
        if (index := folder / "index.html").is_file():
            self.files["index.html"] = _based(index, base)

    @property
    def there(self) -> bool:
        """Whether it was built."""
        return "index.html" in self.files

    def page(self, request: AnyRequest, *, framed: bool = False) -> Response[bytes]:
        """The page, whatever of it is asked for: the program reads the address. Raises NotFound where it was not built."""
        return self.file(request, "index.html", cache=_ASK, headers=FRAMED if framed else ALONE)

    def file(self, request: AnyRequest, name: str, *, cache: str, headers: dict[str, str]) -> Response[bytes]:
        """One of the files, compressed if the client likes. Raises NotFound."""
        built = self.files.get(name)
        if built is None:
            raise NotFound("There is no such file, or the dashboard was not built.")
        wanted = _accepted(request.headers.get("accept-encoding", ""))
        form = next((form for form in built.forms if form in wanted), "identity")
        etag = f'{built.etag[:-1]}-{form}"'
        sent = {**headers, "ETag": etag, "Cache-Control": cache, "Vary": "Accept-Encoding"}
        if etag in request.headers.get("if-none-match", ""):
            return Response(b"", status_code=304, headers=sent)
        if form != "identity":
            sent["Content-Encoding"] = form
        return Response(built.forms[form], headers=sent, media_type=built.kind)


def _built(path: Path, kind: str) -> Built:
    body = path.read_bytes()
    forms = {form: packed.read_bytes() for form, suffix in _PACKED if (packed := path.with_name(path.name + suffix)).is_file()}
    return Built(kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"', {**forms, "identity": body})


def _based(path: Path, base: str) -> Built:
    """The page for a base path."""
    html = rooted(path.read_text(encoding="utf-8").replace('="./', '="/'), base)
    body = html.replace('name="footfall-base" content=""', f'name="footfall-base" content="{base}"').encode()
    return Built(_KINDS[".html"], f'"{hashlib.sha256(body).hexdigest()[:32]}"', {"gzip": gzip.compress(body, mtime=0), "identity": body})


def _accepted(header: str) -> set[str]:
    """The encodings that a client takes, of those that there may be."""
    named = re.findall(r"(br|gzip)\s*(?:;\s*q=([\d.]+))?", header)
    return {form for form, quality in named if quality == "" or quality.strip("0.") != ""}


@get(["/d/{project:str}", "/d/{project:str}/{page:str}"], include_in_schema=False)
async def dashboard(request: AnyRequest, state: State) -> Response[bytes]:
    """A page of the dashboard."""
    found: Dashboard = state.dashboard
    return found.page(request)


@get("/embed/{project:str}/{chart:str}", include_in_schema=False)
async def embedded(request: AnyRequest, state: State) -> Response[bytes]:
    """A chart by itself, which other sites may put into a frame."""
    found: Dashboard = state.dashboard
    return found.page(request, framed=True)


@get("/graphql", include_in_schema=False, media_type=MediaType.HTML)
async def explorer(request: AnyRequest, state: State) -> Response[bytes]:
    """The explorer, for a browser; nothing is asked over GET."""
    found: Dashboard = state.dashboard
    if not found.there or "text/html" not in request.headers.get("accept", ""):
        raise MethodNotAllowed("Operations are sent with POST.")
    return found.page(request)


@get("/assets/{name:str}", include_in_schema=False)
async def asset(request: AnyRequest, state: State, name: FromPath[str]) -> Response[bytes]:
    """A part of the program."""
    found: Dashboard = state.dashboard
    return found.file(request, f"assets/{name}", cache=_FOREVER, headers=_SECURE)


@get("/theme.js", include_in_schema=False)
async def theme(request: AnyRequest, state: State) -> Response[bytes]:
    """What runs before anything is drawn."""
    found: Dashboard = state.dashboard
    return found.file(request, "theme.js", cache=_ASK, headers=_SECURE)


HANDLERS: tuple[ControllerRouterHandler, ...] = (dashboard, embedded, explorer, asset, theme)


def first_page(request: AnyRequest, state: State) -> Response[Any] | None:
    """The dashboard for `/`; None where it was not built."""
    found: Dashboard = state.dashboard
    return found.page(request) if found.there else None
