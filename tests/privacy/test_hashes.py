"""Keyed hashes of identifiers: equal within their scope, different in any other."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.event import Context, Incoming
from server.ingest.privacy import Privacy, conversion
from server.ingest.privacy.hashes import make_hmac, number

SECRET = b"a secret of the server's own"
PRIVACY = Privacy(SECRET)


def signed(key: bytes, message: bytes) -> int:
    return int.from_bytes(hmac.digest(key, message, "sha256")[:8], "big", signed=True)


@given(st.binary(max_size=200), st.binary(max_size=20), st.binary(max_size=300))
def test_the_prepared_hmac_is_hmac(key, prefix, message):
    assert make_hmac(key, prefix)(message) == hmac.digest(key, prefix + message, "sha256")


def test_a_project_has_a_key_of_its_own():
    assert PRIVACY.project_key(7) == hmac.digest(SECRET, b"footfall/project/7", "sha256")
    assert len({PRIVACY.project_key(project) for project in range(100)}) == 100


def test_an_install_is_the_first_64_bits_under_its_projects_key():
    assert PRIVACY.install(7, "abc") == signed(PRIVACY.project_key(7), b"install\0abc")
    assert PRIVACY.session(7, "abc") == signed(PRIVACY.project_key(7), b"session\0abc")
    assert PRIVACY.mark(7, "native", "abc") == signed(PRIVACY.project_key(7), b"mark\0native\0abc")


@given(st.text())
def test_every_hash_fits_into_64_bits(raw):
    for value in (PRIVACY.install(1, raw), PRIVACY.viewer(1, raw, raw, raw), PRIVACY.address(raw, 20_000)):
        assert -(2**63) <= value < 2**63


def test_a_lone_surrogate_can_be_hashed():
    assert PRIVACY.install(1, "\ud83d") != PRIVACY.install(1, "\ud83e")


def test_hashes_are_signed_64_bit_numbers():
    assert number(b"\xff" * 32) == -1
    assert number(b"\x7f" + b"\xff" * 31) == 2**63 - 1


def test_equal_ids_of_different_kinds_or_projects_have_different_hashes():
    numbers = [
        *(PRIVACY.install(project, "abc") for project in (1, 2)),
        PRIVACY.session(1, "abc"),
        *(PRIVACY.mark(1, dialect, "abc") for dialect in ("native", "sonicjs")),
        *(PRIVACY.viewer(1, *target, "abc") for target in (("pack", "peon"), ("pac", "kpeon"), ("pack", "peo"), ("snippet", "peon"))),
        *(PRIVACY.address("abc", day) for day in (1, 2)),
        Privacy(b"another secret").install(1, "abc"),
    ]
    assert len(set(numbers)) == len(numbers)


def test_a_visitor_is_another_install_each_day_and_no_id_has_its_hash():
    numbers = [PRIVACY.visitor(1, "198.51.100.7\ncurl", day) for day in (20_000, 20_001)]
    forged = [
        PRIVACY.install(1, raw) for raw in ("198.51.100.7\ncurl", "20000\0198.51.100.7\ncurl", "visitor\x0020000\x00198.51.100.7\ncurl")
    ]
    assert len({*numbers, *forged}) == len(numbers) + len(forged)


def test_the_parts_of_a_viewers_hash_are_unambiguous():
    assert PRIVACY.viewer(1, "a", "bc", "d") != PRIVACY.viewer(1, "ab", "c", "d") != PRIVACY.viewer(1, "a", "b", "cd")


def test_an_address_is_the_same_all_day_in_all_projects():
    assert PRIVACY.address("203.0.113.7", 20_000) == Privacy(SECRET).address("203.0.113.7", 20_000)
    assert PRIVACY.address("203.0.113.7", 20_000) != PRIVACY.address("203.0.113.7", 20_001)


def test_no_secret_is_refused():
    with pytest.raises(ValueError, match="secret"):
        Privacy(b"")


def test_the_cache_of_installs_is_bounded_over_all_projects_and_holds_no_id(monkeypatch):
    monkeypatch.setattr(conversion, "REMEMBERED", 10)
    privacy = Privacy(SECRET)

    def event(project, install):
        incoming = Incoming(name="x", install=install, context=Context())
        return privacy.event(incoming, id=1, project=project, dialect="native", received_at=0, picked=())

    for _ in range(2):
        for place in range(100):
            for project in (1, 2):
                assert event(project, f"install-{place}").install == privacy.install(project, f"install-{place}")
                assert event(project, "the same").install == privacy.install(project, "the same")
    remembered = privacy._hashes(1).cache
    assert remembered is privacy._hashes(2).cache
    assert 0 < len(remembered) <= 10
    assert all(type(part) is int for entry in remembered.items() for part in entry)
