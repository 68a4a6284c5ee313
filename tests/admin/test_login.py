"""Login sessions: from the link of the first start to the logout."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.admin.auth import COOKIE
from server.admin.login import client_of, local
from tests.redis_server import running_redis

TOKEN = "ff_the-admin-token-of-the-tests-0123456789"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def log_in(url: str, token: str, **headers: str) -> httpx.Response:
    return httpx.post(f"{url}/login", data={"token": token, "next": "/docs"}, headers=headers)


def ask(url: str, query: str, cookie: str) -> Any:
    answer = httpx.post(f"{url}/graphql", json={"query": query}, cookies={COOKIE: cookie})
    return answer.json()["data"]


def test_log_in_by_the_link_of_the_first_start_and_log_out(make_server: Callable[..., Any]) -> None:
    server = make_server().start()
    printed = re.search(r"(http://\S+/login)#token=(\S+)", server.log.read_text())
    assert printed is not None, server.log.read_text()
    address, token = printed.groups()
    page = server.client.get(address)
    assert page.status_code == 200
    assert 'type="password"' in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"

    entered = log_in(server.url, token, **{"User-Agent": FIREFOX})
    assert (entered.status_code, entered.headers["location"]) == (303, "/docs")
    said = entered.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=lax" in said
    assert "secure" not in said  # browsers drop secure cookies over HTTP
    cookie = entered.cookies[COOKIE]
    (session,) = ask(server.url, "{sessions{id client current}}", cookie)["sessions"]
    assert session == {"id": "1", "client": "Firefox on Linux", "current": True}

    left = httpx.post(f"{server.url}/logout", cookies={COOKIE: cookie})
    assert left.status_code == 303
    assert ask(server.url, "{me{kind}}", cookie) == {"me": None}
    assert server.stop() == 0
    # Neither the store nor the log contains credentials or an address.
    kept = b"".join(path.read_bytes() for path in server.database.parent.glob("footfall.sqlite3*"))
    for secret in (token, cookie, "127.0.0.1", FIREFOX):
        assert secret.encode() not in kept
    assert cookie not in server.log.read_text()


def test_a_session_ends_with_its_key_or_when_it_is_revoked(filled: Any, admin: Any) -> None:
    made = admin.run("CreateKey", slug="demo", scopes=["READ"])["createKey"]
    cookies = [log_in(filled.url, made["secret"]).cookies[COOKIE] for _ in range(2)]
    for cookie in cookies:
        assert ask(filled.url, '{project(slug:"demo"){slug} me{allProjects scopes}}', cookie)["me"] == {
            "allProjects": False,
            "scopes": ["READ"],
        }
    sessions = admin.ask("{sessions{id}}")["sessions"]
    assert admin.run("RevokeSession", id=sessions[0]["id"])["revokeSession"]["ended"] == 1
    assert [ask(filled.url, "{me{kind}}", cookie)["me"] for cookie in cookies].count(None) == 1
    assert admin.run("RevokeKey", id=made["key"]["id"])["revokeKey"]["errors"] == []
    assert [ask(filled.url, "{me{kind}}", cookie)["me"] for cookie in cookies] == [None, None]
    assert log_in(filled.url, made["secret"]).status_code == 401


def test_all_other_sessions_are_ended_at_once(filled: Any) -> None:
    mine, others = log_in(filled.url, TOKEN).cookies[COOKIE], [log_in(filled.url, TOKEN).cookies[COOKIE] for _ in range(3)]
    ended = ask(filled.url, "mutation{revokeOtherSessions{ended}}", mine)["revokeOtherSessions"]["ended"]
    assert ended >= 3
    assert [ask(filled.url, "{me{kind}}", cookie)["me"] for cookie in others] == [None] * 3
    assert ask(filled.url, "{me{kind}}", mine)["me"] == {"kind": "SESSION"}


def test_an_unused_session_expires(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN=TOKEN).start()
    cookie = log_in(server.url, TOKEN).cookies[COOKIE]
    assert ask(server.url, "{me{kind}}", cookie)["me"]
    with closing(sqlite3.connect(server.database)) as connection, connection:
        connection.execute("UPDATE session SET seen_at = seen_at - 31 * 86400000")
    assert ask(server.url, "{me{kind}}", cookie)["me"] is None


def test_a_used_session_expires_too(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN=TOKEN).start()
    cookie = log_in(server.url, TOKEN).cookies[COOKIE]
    with closing(sqlite3.connect(server.database)) as connection, connection:
        connection.execute("UPDATE session SET created_at = created_at - 181 * 86400000")
    assert ask(server.url, "{me{kind}}", cookie)["me"] is None


def test_a_login_ignores_foreign_cookies_and_ends_the_previous_session(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN=TOKEN).start()
    first = httpx.post(f"{server.url}/login", data={"token": TOKEN}, cookies={COOKIE: "chosen-by-an-attacker"}).cookies[COOKIE]
    assert first != "chosen-by-an-attacker"
    assert ask(server.url, "{me{kind}}", "chosen-by-an-attacker")["me"] is None
    second = httpx.post(f"{server.url}/login", data={"token": TOKEN}, cookies={COOKIE: first}).cookies[COOKIE]
    assert second != first
    assert [ask(server.url, "{me{kind}}", cookie)["me"] for cookie in (first, second)] == [None, {"kind": "SESSION"}]


@pytest.mark.slow
def test_a_new_token_in_the_settings_replaces_the_old_one(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN="ff_the-first-token-which-leaked").start()
    cookie = log_in(server.url, "ff_the-first-token-which-leaked").cookies[COOKIE]
    other = server.footfall("key", "create", "default", "--scope", "read").stdout.strip()
    assert server.stop() == 0
    server.env["FOOTFALL_ADMIN_TOKEN"] = TOKEN
    server.start()
    assert log_in(server.url, "ff_the-first-token-which-leaked").status_code == 401
    assert ask(server.url, "{me{kind}}", cookie)["me"] is None
    assert log_in(server.url, TOKEN).status_code == log_in(server.url, other).status_code == 303
    assert server.stop() == 0
    server.env["FOOTFALL_ADMIN_TOKEN"] = "ff_the-first-token-which-leaked"  # such as on a forgotten replica
    server.start()
    assert log_in(server.url, "ff_the-first-token-which-leaked").status_code == 401
    assert log_in(server.url, TOKEN).status_code == 303
    assert "admin_token_revoked" in server.log.read_text()


@pytest.mark.slow
def test_attempts_count_over_all_replicas(make_server: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with running_redis(tmp_path / "redis") as redis:
        shared = {"FOOTFALL_REDIS_URL": redis.url, "FOOTFALL_SECRET": "a secret that both servers share", "FOOTFALL_ADMIN_TOKEN": TOKEN}
        urls = [make_server(**shared).start().url for _ in range(2)]
        statuses = [log_in(urls[number % 2], "ff_wrong").status_code for number in range(10)]
        assert statuses == [401] * 10
        assert [log_in(url, TOKEN).status_code for url in urls] == [429, 429]


def test_wrong_tokens_are_limited_and_not_logged(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN=TOKEN).start()
    for token in ("", "x", "ff_wrong", "a" * 10_000, "\0", TOKEN[:-1], "' OR 1=1 --"):
        answer = log_in(server.url, token)
        assert answer.status_code in (400, 401, 413), token[:50]
        assert "set-cookie" not in answer.headers
        if token:
            assert token[:50] not in answer.text or len(token) < 3
    statuses = [log_in(server.url, "ff_wrong").status_code for _ in range(8)]
    assert statuses[-1] == 429
    assert log_in(server.url, TOKEN).status_code == 429  # the right token is limited, too
    assert "ff_wrong" not in server.log.read_text()


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}])
def test_a_form_on_another_site_cannot_log_in_or_out(filled: Any, headers: dict[str, str]) -> None:
    assert log_in(filled.url, TOKEN, **headers).status_code == 403
    assert httpx.post(f"{filled.url}/logout", headers=headers).status_code == 403


def test_an_ingest_key_does_not_log_in(filled: Any, admin: Any) -> None:
    secret = admin.run("CreateKey", slug="demo", scopes=["INGEST"])["createKey"]["secret"]
    assert log_in(filled.url, secret).status_code == 401


@pytest.mark.parametrize(
    ("path", "goes"),
    [
        ("/docs", "/docs"), ("/?range=7", "/?range=7"), ("//evil.example", "/"), ("/\\evil.example", "/"), ("https://evil.example", "/"), ("", "/"),
        ("javascript:alert(1)", "/"), ("/\r\nSet-Cookie: a=b", "/"), ("/" + "x" * 600, "/"),
    ],
)  # fmt: skip
def test_a_login_redirects_to_this_server_only(path: str, goes: str) -> None:
    assert local(path) == goes


def test_a_browser_is_known_by_its_family_only() -> None:
    assert client_of(FIREFOX) == "Firefox on Linux"
    assert client_of("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit Safari/605") == "Safari on iOS"
    assert client_of("<script>alert(1)</script>") == "another client"


def test_behind_a_trusted_proxy_with_https_the_cookie_is_secure(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN=TOKEN, FOOTFALL_TRUSTED_PROXIES="loopback").start()
    answer = log_in(server.url, TOKEN, **{"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"})
    assert "secure" in answer.headers["set-cookie"].lower()


def test_a_lost_login_link_is_replaced(make_server: Callable[..., Any]) -> None:
    server = make_server().start()
    ran = server.footfall("login-link", "--base", "https://telemetry.example.org/")
    assert ran.returncode == 0, ran.stderr
    token = ran.stdout.strip().removeprefix("https://telemetry.example.org/login#token=")
    assert log_in(server.url, token).status_code == 303
