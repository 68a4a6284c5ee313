"""Decompression stops at the size limit, so a bomb takes no more memory than an ordinary body."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
import zstandard

from server.ingest.encodings import inflate
from server.problems import Malformed, TooLarge

LIMIT = 1 << 20
ZEROS = bytes(64 << 20)
BOMBS = {"gzip": gzip.compress(ZEROS), "deflate": zlib.compress(ZEROS), "zstd": zstandard.ZstdCompressor().compress(ZEROS)}


@pytest.mark.parametrize("encoding", BOMBS)
def test_a_decompression_bomb_is_abandoned_at_the_limit(encoding: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            inflate(BOMBS[encoding], encoding.encode(), LIMIT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * LIMIT


def test_a_body_of_exactly_the_limit_is_read() -> None:
    for encoding, encode in (("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstandard.ZstdCompressor().compress)):
        assert inflate(encode(bytes(LIMIT)), encoding.encode(), LIMIT) == bytes(LIMIT)
        with pytest.raises(TooLarge):
            inflate(encode(bytes(LIMIT + 1)), encoding.encode(), LIMIT)


def test_a_row_of_thousands_of_empty_members_is_refused() -> None:
    with pytest.raises(Malformed):
        inflate(gzip.compress(b"") * 10_000, b"gzip", LIMIT)


def test_a_compressed_frame_that_needs_too_much_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True, write_content_size=False)
    writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = writer.compress(b"x" * 1_000) + writer.flush()
    with pytest.raises(Malformed):
        inflate(body, b"zstd", LIMIT)
