"""Compressed bodies, inflate within the bound of a body: a bomb is refused as soon as it is larger, and costs no more than a body of that size."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from server.problems import Malformed, TooLarge, UnknownEncoding

_MAX_ENCODINGS = 3  # encodings, one over the other
_MAX_MEMBERS = 64  # of one gzip body
_ZSTD_WINDOW = 8 * 1024 * 1024  # bytes of memory that a body may ask for: what RFC 8878 requires a reader to have
_RAW, _WRAPPED, _GZIP = -zlib.MAX_WBITS, zlib.MAX_WBITS, 16 + zlib.MAX_WBITS


def inflate(body: bytes, header: bytes, limit: int) -> bytes:
    """The body as it was before its client encoded it. `header` is its Content-Encoding, `limit` the most bytes at any step.

    Raises UnknownEncoding, TooLarge, and Malformed for a body that is not what its header says, unless it is JSON as it is: some proxies inflate
    a body and leave the header.
    """
    names = [name for name in header.decode("latin-1").lower().replace(" ", "").split(",") if name not in ("", "identity")]
    if len(names) > _MAX_ENCODINGS or not all(name in _DECODERS for name in names):
        raise UnknownEncoding
    for name in reversed(names):
        try:
            body = _DECODERS[name](body, limit)
        except _Broken:
            if body.lstrip()[:1] not in (b"{", b"["):
                raise Malformed(f"The body is not {name}, as its Content-Encoding says, or ends too early.") from None
    return body


class _Broken(Exception):
    """A body that is not in its encoding, or not all of it."""


def _gzip(body: bytes, limit: int) -> bytes:
    """RFC 1952: one member, or several in a row."""
    text, rest = _inflate_stream(body, limit, _GZIP)
    members = 1
    while rest.strip(b"\0"):
        if members >= _MAX_MEMBERS:
            raise _Broken
        more, rest = _inflate_stream(rest, limit - len(text), _GZIP)
        text += more
        members += 1
    return text


def _deflate(body: bytes, limit: int) -> bytes:
    """RFC 9110 means zlib's format; some clients send it without zlib's header."""
    try:
        return _inflate_stream(body, limit, _WRAPPED)[0]
    except _Broken:
        return _inflate_stream(body, limit, _RAW)[0]


def _inflate_stream(body: bytes, limit: int, bits: int) -> tuple[bytes, bytes]:
    """What a stream holds, and the bytes after it."""
    stream = zlib.decompressobj(bits)
    try:
        text = stream.decompress(body, limit + 1)
    except zlib.error:
        raise _Broken from None
    _check_size(text, limit)
    if not stream.eof:
        raise _Broken
    return text, stream.unused_data


def _zstd(body: bytes, limit: int) -> bytes:
    """RFC 8878: one frame, or several in a row."""
    import zstandard  # noqa: PLC0415 - ten milliseconds of every start, which few servers ever need

    reader: Any = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(body, read_across_frames=True)
    try:
        return _check_size(reader.read(limit + 1), limit)
    except zstandard.ZstdError:
        raise _Broken from None


def _check_size(text: bytes, limit: int) -> bytes:
    if len(text) > limit:
        raise TooLarge(f"At most {limit} bytes are taken here, once the body is inflate.")
    return text


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {"gzip": _gzip, "x-gzip": _gzip, "deflate": _deflate, "zstd": _zstd}
