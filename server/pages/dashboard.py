"""The dashboard: a single-page application, built from `static/` into `static/dist`."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path
from typing import Any, NamedTuple

from litestar import MediaType, Request, Response, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from server.pages.markup import with_base_path
from server.problems import MethodNotAllowed, NotFound
from server.services import Services

AnyRequest = Request[object, object, Services]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors "
)
_SECURE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin"}
PAGE_HEADERS = {**_SECURE, "Content-Security-Policy": f"{_POLICY}'none'", "X-Frame-Options": "DENY"}
FRAME_HEADERS = {**_SECURE, "Content-Security-Policy": f"{_POLICY}*"}  # for charts that other sites may embed
_KINDS = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
_PACKED = (("br", ".br"), ("gzip", ".gz"))  # in order of preference
_FOREVER = "public, max-age=31536000, immutable"  # a file in assets/ has a hash of its content in its name
_ASK = "no-cache"


class BuiltFile(NamedTuple):
    """A built file in all its encodings."""

    kind: str
    etag: str
    forms: dict[str, bytes]


class Dashboard:
    """The built files, in memory. Stored in the application's state as `dashboard`.

    `folder` is the build, None if there is none. The page links to its files relatively, and reads the base path from a meta tag. Both are
    filled in here, so one build serves any base path.
    """

    def __init__(self, folder: Path | None, *, base: str = "") -> None:
        self.files: dict[str, BuiltFile] = {}
        if folder is None:
            return
        for path in sorted(folder.rglob("*")):
            kind = _KINDS.get(path.suffix)
            if kind is not None and path.is_file():
                self.files[path.relative_to(folder).as_posix()] = _built(path, kind)
        if (index := folder / "index.html").is_file():
            self.files["index.html"] = _with_base_path(index, base)

    @property
    def is_built(self) -> bool:
        """Return whether the dashboard was built."""
        return "index.html" in self.files

    def page(self, request: AnyRequest, *, framed: bool = False) -> Response[bytes]:
        """Respond with the application's page, which routes by the URL itself. Raises NotFound if it was not built."""
        return self.file(request, "index.html", cache=_ASK, headers=FRAME_HEADERS if framed else PAGE_HEADERS)

    def file(self, request: AnyRequest, name: str, *, cache: str, headers: dict[str, str]) -> Response[bytes]:
        """Respond with a file, compressed if the client accepts it. Raises NotFound."""
        built = self.files.get(name)
        if built is None:
            raise NotFound("No such file, or the dashboard was not built.")
        accepted = _accepted(request.headers.get("accept-encoding", ""))
        form = next((form for form in built.forms if form in accepted), "identity")
        etag = f'{built.etag[:-1]}-{form}"'
        sent = {**headers, "ETag": etag, "Cache-Control": cache, "Vary": "Accept-Encoding"}
        if etag in request.headers.get("if-none-match", ""):
            return Response(b"", status_code=304, headers=sent)
        if form != "identity":
            sent["Content-Encoding"] = form
        return Response(built.forms[form], headers=sent, media_type=built.kind)


def _built(path: Path, kind: str) -> BuiltFile:
    body = path.read_bytes()
    forms = {form: packed.read_bytes() for form, suffix in _PACKED if (packed := path.with_name(path.name + suffix)).is_file()}
    return BuiltFile(kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"', {**forms, "identity": body})


def _with_base_path(path: Path, base: str) -> BuiltFile:
    """Adapt the page to a base path."""
    html = with_base_path(path.read_text(encoding="utf-8").replace('="./', '="/'), base)
    body = html.replace('name="footfall-base" content=""', f'name="footfall-base" content="{base}"').encode()
    return BuiltFile(
        _KINDS[".html"], f'"{hashlib.sha256(body).hexdigest()[:32]}"', {"gzip": gzip.compress(body, mtime=0), "identity": body}
    )


def _accepted(header: str) -> set[str]:
    """Return the supported encodings that a client accepts, from its header."""
    named = re.findall(r"(br|gzip)\s*(?:;\s*q=([\d.]+))?", header)
    return {form for form, quality in named if quality == "" or quality.strip("0.") != ""}


@get(["/d/{project:str}", "/d/{project:str}/{page:str}"], include_in_schema=False)
async def dashboard(request: AnyRequest, state: Services) -> Response[bytes]:
    """Serve a page of the dashboard."""
    found = state.dashboard
    return found.page(request)


@get("/embed/{project:str}/{chart:str}", include_in_schema=False)
async def embedded(request: AnyRequest, state: Services) -> Response[bytes]:
    """Serve a single chart, which other sites may embed in a frame."""
    found = state.dashboard
    return found.page(request, framed=True)


@get("/graphql", include_in_schema=False, media_type=MediaType.HTML)
async def explorer(request: AnyRequest, state: Services) -> Response[bytes]:
    """Serve the GraphQL explorer to browsers. Operations over GET are not supported."""
    found = state.dashboard
    if not found.is_built or "text/html" not in request.headers.get("accept", ""):
        raise MethodNotAllowed("Send operations with POST.", allowed="POST")
    return found.page(request)


@get("/assets/{name:str}", include_in_schema=False)
async def asset(request: AnyRequest, state: Services, name: FromPath[str]) -> Response[bytes]:
    """Serve a file of the application."""
    found = state.dashboard
    return found.file(request, f"assets/{name}", cache=_FOREVER, headers=_SECURE)


@get("/theme.js", include_in_schema=False)
async def theme(request: AnyRequest, state: Services) -> Response[bytes]:
    """Serve the script that runs before the first paint."""
    found = state.dashboard
    return found.file(request, "theme.js", cache=_ASK, headers=_SECURE)


HANDLERS: tuple[ControllerRouterHandler, ...] = (dashboard, embedded, explorer, asset, theme)


def first_page(request: AnyRequest, state: Services) -> Response[Any] | None:
    """Respond with the dashboard for `/`; None if it was not built."""
    found = state.dashboard
    return found.page(request) if found.is_built else None
