"""Decompression of request bodies, limited to the maximum body size, so that a decompression bomb is rejected early."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from server.problems import Malformed, TooLarge, UnknownEncoding

_MAX_ENCODINGS = 3  # encodings applied to one body
_MAX_MEMBERS = 64  # members of one gzip body
_ZSTD_WINDOW = 8 * 1024 * 1024  # bytes; the window size that RFC 8878 requires decoders to support
_RAW, _WRAPPED, _GZIP = -zlib.MAX_WBITS, zlib.MAX_WBITS, 16 + zlib.MAX_WBITS


def inflate(body: bytes, header: bytes, limit: int) -> bytes:
    """Decompress a body. `header` is its Content-Encoding; `limit` is the maximum number of bytes after each step.

    Raises UnknownEncoding, TooLarge, and Malformed for a body that does not match the header. A body that looks like plain JSON is accepted:
    some proxies decompress a body and leave the header in place.
    """
    names = [name for name in header.decode("latin-1").lower().replace(" ", "").split(",") if name not in ("", "identity")]
    if len(names) > _MAX_ENCODINGS or not all(name in _DECODERS for name in names):
        raise UnknownEncoding
    for name in reversed(names):
        try:
            body = _DECODERS[name](body, limit)
        except _Broken:
            if body.lstrip()[:1] not in (b"{", b"["):
                raise Malformed(f"The body is not valid {name}, although its Content-Encoding is {name}; it may be truncated.") from None
    return body


def encoding_of(body: bytes) -> bytes:
    """Return the encoding that the first bytes of a body indicate, or an empty text. JSON never starts with these bytes."""
    if body.startswith(b"\x1f\x8b"):
        return b"gzip"
    if body.startswith(b"\x28\xb5\x2f\xfd"):
        return b"zstd"
    return b"deflate" if body[:1] == b"\x78" and int.from_bytes(body[:2]) % 31 == 0 else b""


class _Broken(Exception):
    """An invalid or truncated compressed body."""


def _gzip(body: bytes, limit: int) -> bytes:
    """Decompress one or more gzip members (RFC 1952)."""
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
    """Decompress the zlib format, which RFC 9110 calls `deflate`, or raw deflate data, which some clients send."""
    try:
        return _inflate_stream(body, limit, _WRAPPED)[0]
    except _Broken:
        return _inflate_stream(body, limit, _RAW)[0]


def _inflate_stream(body: bytes, limit: int, bits: int) -> tuple[bytes, bytes]:
    """Return the decompressed stream and the bytes after it."""
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
    """Decompress one or more Zstandard frames (RFC 8878)."""
    import zstandard  # noqa: PLC0415 - the import takes 10 ms, and few servers need it

    reader: Any = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(body, read_across_frames=True)
    try:
        return _check_size(reader.read(limit + 1), limit)
    except zstandard.ZstdError:
        raise _Broken from None


def _check_size(text: bytes, limit: int) -> bytes:
    if len(text) > limit:
        raise TooLarge(f"The decompressed body must be at most {limit} bytes.")
    return text


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {"gzip": _gzip, "x-gzip": _gzip, "deflate": _deflate, "zstd": _zstd}
