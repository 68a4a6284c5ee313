"""A minimal HTTP client transport that reads only the status of a response, up to a maximum number of bytes.

An HTTP library reads interim responses (1xx), headers and bodies for as long as a receiver sends them, and parses each block without
yielding. This transport stops after the status: a hostile or broken receiver costs `ANSWER_BYTES` at most. The caller sets the timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import ssl

import httpx

ANSWER_BYTES = 16 << 10
_FAREWELL = 0.2  # seconds to read the rest of a short response, so that the receiver sees a normal close
_BLOCK = 4 << 10
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r?\n")


class StatusTransport(httpx.AsyncBaseTransport):
    """A transport that connects directly, without a proxy, and keeps no connection open. Responses have a status and nothing else."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        reader, writer = await _connect(request)
        try:
            with contextlib.suppress(ConnectionError):  # a receiver may respond before it has read the whole request
                writer.write(_head(request) + await request.aread())
                await writer.drain()
            return httpx.Response(await _status(reader), request=request)
        except OSError as error:
            raise httpx.RemoteProtocolError("the connection was reset") from error
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()  # returns at once after an abort; the socket is then closed


async def _connect(request: httpx.Request) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = request.url
    is_secure = url.scheme == "https"
    name = request.extensions.get("sni_hostname", url.host)
    try:
        return await asyncio.open_connection(
            url.host,
            url.port or (443 if is_secure else 80),
            limit=ANSWER_BYTES,
            ssl=_certificates() if is_secure else None,
            server_hostname=name if is_secure else None,
        )
    except (OSError, ssl.SSLError) as error:
        raise httpx.ConnectError("no connection", request=request) from error


@functools.cache
def _certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _head(request: httpx.Request) -> bytes:
    """The request line and headers. httpx rejects line breaks in URLs; the header values are ours."""
    headers = [(name, value) for name, value in request.headers.raw if name.lower() not in (b"connection", b"accept-encoding")]
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path), *(b"%s: %s" % header for header in headers)]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])


async def _status(reader: asyncio.StreamReader) -> int:
    """Read the status of the first final (not 1xx) response."""
    left = ANSWER_BYTES

    async def line() -> bytes:
        nonlocal left
        try:
            found = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            raise httpx.RemoteProtocolError("the connection was closed without an answer") from error
        except asyncio.LimitOverrunError as error:
            raise httpx.ReadError("the line is too long") from error
        left -= len(found)
        if left < 0:
            raise httpx.ReadError("the answer is too long")
        return found

    while True:
        match = _STATUS.fullmatch(await line())
        if match is None:
            raise httpx.RemoteProtocolError("no HTTP")
        status = int(match[1])
        if not 100 <= status < 200 or status == 101:
            await _read_rest(reader, left)
            return status
        while (await line()).strip():
            pass


async def _read_rest(reader: asyncio.StreamReader, left: int) -> None:
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(_FAREWELL):
            while left > 0 and (block := await reader.read(_BLOCK)):
                left -= len(block)
