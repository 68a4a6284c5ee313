"""One TLS context for all HTTP clients of a process. Each `httpx.Client` would load all certificates: 50 ms of CPU time."""

from __future__ import annotations

import os
import ssl
from functools import cache
from typing import Any

import httpx
from httpx._transports import default

_create = httpx.create_ssl_context


def share() -> None:
    """Load the certificates once in this process."""
    default.create_ssl_context = _context  # type: ignore[attr-defined]
    _context()


@cache
def _usual(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    return _create()


def _context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
    if verify is not True or cert is not None or not trust_env:
        return _create(verify, cert, trust_env)
    return _usual(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
