"""Compressed bodies, and cheap refusal of decompression bombs."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
import zstandard

PATH_MATTERS = True  # the paths read headers and bodies differently
EVENT = b'{"name":"build","installation_id":"i-1"}'


def raw_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "x-gzip": lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:]),
    "deflate": zlib.compress,
    "DEFLATE": raw_deflate,
    "zstd": zstandard.ZstdCompressor().compress,
    "identity": bytes,
    "gzip, zstd": lambda body: zstandard.ZstdCompressor().compress(gzip.compress(body)),
}


def test_every_usual_encoding_is_read(field: Any) -> None:
    for encoding, encode in ENCODERS.items():
        answer = field.post(encode(EVENT), content_encoding=encoding)
        assert answer.status_code == 202, (encoding, answer.text)
    batch = json.dumps([{"name": "b", "installation_id": f"i-{number}"} for number in range(1_000)]).encode()
    assert field.post(gzip.compress(batch), content_encoding="gzip").json()["accepted"] == 1_000
    assert field.post(zstandard.ZstdCompressor().compress(b'{"tool_name":"t"}'), "/api/track", content_encoding="zstd").status_code == 200
    assert field.ledger()["stored"] == len(ENCODERS) + 1_001


def test_other_encodings_are_415_and_the_header_is_named(field: Any) -> None:
    for encoding in ("br", "compress", "gzip, br", "gzip, gzip, gzip, gzip"):
        answer = field.post(EVENT, content_encoding=encoding)
        assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip, deflate, zstd")
        assert [error["path"] for error in answer.json()["errors"]] == ["Content-Encoding"]
        assert "Content-Encoding" in answer.json()["detail"]


def test_a_body_that_is_not_what_its_header_says_is_400(field: Any) -> None:
    for encoding, body in (
        ("gzip", gzip.compress(EVENT)[:-9]),
        ("gzip", zlib.compress(EVENT)),
        ("deflate", b"\xff\xff\xff"),
        ("zstd", gzip.compress(EVENT)),
        ("zstd", zstandard.ZstdCompressor().compress(EVENT * 100)[:-5]),
    ):
        answer = field.post(body, content_encoding=encoding)
        assert answer.status_code == 400, (encoding, answer.text)


def test_a_body_that_a_proxy_has_inflated_is_read(field: Any) -> None:
    assert field.post(EVENT, content_encoding="gzip").status_code == 202


@pytest.mark.slow
@pytest.mark.one_path
def test_a_decompression_bomb_is_413_before_it_is_inflated(field: Any) -> None:
    bombs = {
        "gzip": gzip.compress(bytes(200 << 20), 9),
        "deflate": zlib.compress(bytes(200 << 20), 9),
        "zstd": zstandard.ZstdCompressor().compress(bytes(200 << 20)),
        "gzip, gzip": gzip.compress(gzip.compress(bytes(200 << 20), 9), 9),
    }
    for encoding, body in bombs.items():
        assert len(body) < 1 << 20
        answer = field.post(body, content_encoding=encoding)
        assert answer.status_code == 413, (encoding, answer.text)
    for encoding in ("gzip", "zstd"):
        assert field.post(ENCODERS[encoding](b"{" + b" " * 20_000 + EVENT[1:]), content_encoding=encoding).status_code == 413


def test_a_compressed_body_counts_by_its_decompressed_size(field: Any) -> None:
    answer = field.post(gzip.compress(b'[{"name":"ok"},{"name":""}]'), content_encoding="gzip")
    assert (answer.json()["accepted"], len(answer.json()["rejected"])) == (1, 1)
    (refusal,) = field.ledger()["tray"]
    assert json.loads(refusal["excerpt"]) == {"name": ""}
