"""Downloads: a bare POST counts, and only a valid pack name creates a target."""

from __future__ import annotations

from typing import Any

import pytest

from server.dialects import peon_ping
from server.event import Receipt
from server.problems import NotFound, TooManyTargets


@pytest.mark.parametrize(
    ("route", "params", "name", "target"),
    [
        ("/dl/{pack}", ("glados",), "download", ("pack", "glados")),
        ("/preview/{pack}", ("sc_kerrigan",), "preview", ("pack", "sc_kerrigan")),
        ("/registry", (), "registry_fetch", None),
    ],
)
def test_a_bare_post_counts(ask: Any, reply: Any, route: str, params: tuple[str, ...], name: str, target: tuple[str, str] | None) -> None:
    decoded = peon_ping.decode(ask(route=route, params=params))
    (event,) = decoded.events
    assert (event.name, event.target, event.install, event.id, event.occurred_at) == (name, target, None, None, None)
    assert (event.context.dialect, event.properties, decoded.batch) == ("downloads", {}, False)
    answer = reply(peon_ping, decoded)
    assert (answer.status, answer.body) == (202, b"")


@pytest.mark.parametrize("pack", ["a", "0", "peon", "sc_kerrigan", "a-b_c", "x" * 64])
def test_a_registry_s_name_is_a_pack(ask: Any, pack: str) -> None:
    assert peon_ping.decode(ask(route="/dl/{pack}", params=(pack,))).events[0].target == ("pack", pack)


@pytest.mark.parametrize(
    "pack", ["", "-a", "_a", "A", "Peon", "a.b", "a b", "a/b", "../a", "a\n", "a%20", "\u0430", "é", "٣", "x" * 65, "a\0", "${pack_name}"]
)
def test_any_other_name_is_not_found(ask: Any, pack: str) -> None:
    for route in ("/dl/{pack}", "/preview/{pack}"):
        with pytest.raises(NotFound) as caught:
            peon_ping.decode(ask(route=route, params=(pack,)))
        assert caught.value.code == 404


def test_a_repeated_download_is_recognized_by_its_header_and_gets_the_same_answer(ask: Any, reply: Any) -> None:
    decoded = peon_ping.decode(ask(route="/dl/{pack}", params=("peon",), idempotency_key="k-1"))
    assert decoded.events[0].id == "k-1"
    assert reply(peon_ping, decoded, Receipt.DUPLICATE) == reply(peon_ping, decoded, Receipt.STORED)


def test_a_pack_beyond_the_limit_is_refused(ask: Any, reply: Any) -> None:
    decoded = peon_ping.decode(ask(route="/dl/{pack}", params=("one-more",)))
    with pytest.raises(TooManyTargets) as caught:
        reply(peon_ping, decoded, Receipt.TOO_MANY_TARGETS)
    assert (caught.value.code, caught.value.errors[0].path) == (422, "pack")


def test_routes_of_peon_ping_ignore_bodies() -> None:
    assert [(path.template, path.method, path.body, path.batch) for path in peon_ping.PATHS] == [
        ("/dl/{pack}", "POST", False, False),
        ("/preview/{pack}", "POST", False, False),
        ("/registry", "POST", False, False),
    ]
