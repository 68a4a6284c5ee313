"""The server's URL as the client sees it, for the examples on the pages."""

from __future__ import annotations

import re

from litestar import Request

from server.services import Services, services_of
from server.storage.projects import SLUG, slug_of

# Plain hosts only: HTML escaping does not protect the shell that runs the examples.
_HOST = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def base_url(request: Request[object, object, Services]) -> str:
    """Return the server's URL, such as `https://telemetry.example`, with the base path, and with `/p/{slug}` if the request has it."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        host = _listening(request)
    forwarded = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    scheme = forwarded if forwarded in ("http", "https") else str(request.scope["scheme"])
    slug = slug_of(request.scope)
    project = f"/p/{slug}" if slug is not None and SLUG.fullmatch(slug) else ""
    prefix = services_of(request.app).pages.base + project
    return f"{'https' if scheme == 'https' else 'http'}://{host}{prefix}"


def _listening(request: Request[object, object, Services]) -> str:
    """Return the address that the server listens on, for requests without a valid `Host`."""
    host, port = request.scope.get("server") or ("localhost", None)
    name = f"[{host}]" if ":" in host else host
    shown = name if port is None else f"{name}:{port}"
    return shown if _HOST.fullmatch(shown) else "localhost"
