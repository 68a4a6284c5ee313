"""Keys that an SDK sends in its body or as a user name, moved to the header that the gate reads; and sites, which are not keys."""

from __future__ import annotations

import contextlib

from server.dialects.document import read
from server.dialects.parsing import Path
from server.event import Request
from server.headers import AUTHORIZATION
from server.problems import Malformed


def take_key(path: Path, request: Request, body: bytes) -> str:
    """Parse the document of a request, and set `Authorization` to the key that its SDK sent. Return the sites, if these name the project.

    Ignores a body that is not JSON, which raises `Malformed` when it is decoded.
    """
    assert path.client_key is not None
    if path.parse is None:
        with contextlib.suppress(Malformed):
            request.document, request.faults = read(body)
    key = path.client_key(request)
    if path.by_site:
        return key
    if key:
        request.headers[AUTHORIZATION] = b"Bearer " + key.encode()
    return ""
