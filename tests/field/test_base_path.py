"""Promises to operators who serve Footfall under a path: everything works behind a real nginx, with the prefix stripped or kept."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright
from websockets.sync.client import connect

from server.settings import Settings, SettingsError, load
from tests import chromium
from tests.conftest import Server, free_port

TOKEN = "ff_the-admin-token-of-the-base-path-tests"
BASE = "/telemetry"
SITE = """
  server {{
    listen 127.0.0.1:{port};
    location {base}/ {{
      proxy_pass http://127.0.0.1:{server}{rest};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
    }}
  }}"""
MAIN = """daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
{sites}
}}
"""


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server under a base path, and its addresses behind an nginx that keeps the prefix and one that strips it."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    assert nginx, "these tests need nginx: apt-get install nginx-light"
    folder = tmp_path_factory.mktemp("base")
    env = {"FOOTFALL_ADMIN_TOKEN": TOKEN, "FOOTFALL_BASE_PATH": BASE, "FOOTFALL_TRUSTED_PROXIES": "loopback"}
    server = Server(folder, {**env, "FOOTFALL_PUBLIC": "counters,trending,badges,dashboard"})
    ports = {"kept": (free_port(), ""), "stripped": (free_port(), "/")}
    listed = [SITE.format(port=port, base=BASE, server=server.port, rest=rest) for port, rest in ports.values()]
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, sites="".join(listed)))
    server.start()
    process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
    urls = {name: f"http://127.0.0.1:{port}{BASE}" for name, (port, _) in ports.items()}
    try:
        for url in urls.values():
            wait_for(url)
        yield urls
    finally:
        process.terminate()
        process.wait(timeout=60)
        server.close()


def wait_for(url: str) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            if httpx.get(f"{url}/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise AssertionError(f"{url} does not answer")


@pytest.fixture(params=["kept", "stripped"])
def url(request: pytest.FixtureRequest, sites: dict[str, str]) -> str:
    return sites[request.param]


def links(html: str) -> set[str]:
    """The addresses on this host that a page names."""
    return {link for link in re.findall(r'\b(?:href|src|action)="([^"#]+)', html) if not link.startswith("http")}


def test_events_counts_badges_and_the_reference_are_under_the_path(url: str) -> None:
    assert httpx.post(f"{url}/dl/pack").status_code == 202
    assert httpx.post(f"{url}/p/default/v1/events", json={"name": "a", "installation_id": "i"}).status_code == 202
    assert httpx.post(f"{url}//v1/events", json={"name": "a", "installation_id": "i"}).status_code == 202
    assert "pack" in httpx.get(f"{url}/counts").json()
    assert httpx.get(f"{url}/badge/pack.svg").headers["content-type"].startswith("image/svg+xml")
    assert httpx.get(f"{url}/openapi.json").json()["servers"][0]["url"] == f"{BASE}/"
    assert f"curl {url}/v1/events" in httpx.get(f"{url}/docs").text


@pytest.mark.parametrize("page", ["/", "/docs", "/login", "/d/default", "/clients", "/embed/default/active"])
def test_every_link_and_file_of_a_page_is_found(url: str, page: str) -> None:
    answer = httpx.get(url + page, follow_redirects=True)
    assert answer.status_code == 200
    found = links(answer.text)
    assert found
    root = url.removesuffix(BASE)
    for link in found:
        assert link.startswith(f"{BASE}/"), link
        # The action of a form answers POST; without the built dashboard nothing else is there.
        assert httpx.get(root + link).status_code in ({200, 405} if link.endswith("/graphql") else {200}), link
    if 'name="footfall-base"' in answer.text:
        assert f'name="footfall-base" content="{BASE}"' in answer.text


def test_a_login_is_for_the_path_and_asks_graphql_and_live_events(url: str) -> None:
    with httpx.Client() as client:
        answer = client.post(f"{url}/login", data={"token": TOKEN, "next": "/"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{BASE}/")
        assert f"Path={BASE}/;" in answer.headers["set-cookie"] + ";"
        assert client.post(f"{url}/login", data={"token": TOKEN, "next": f"{BASE}/d/default"}).headers["location"] == f"{BASE}/d/default"
        asked = client.post(f"{url}/graphql", json={"query": "{me {kind}}"})
        assert asked.json() == {"data": {"me": {"kind": "SESSION"}}}
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        assert live(url, cookie) == "seen"
        assert client.post(f"{url}/logout").headers["location"] == f"{BASE}/login"


def live(url: str, cookie: str) -> str:
    """The name of an event that a subscription sees."""
    address = url.replace("http", "ws", 1) + "/graphql"
    with connect(address, subprotocols=["graphql-transport-ws"], additional_headers={"Cookie": cookie}, proxy=None) as socket:  # type: ignore[list-item]
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv(20))["type"] == "connection_ack"
        query = 'subscription { events(project: "default") { events { name } } }'
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        socket.send(json.dumps({"type": "ping"}))
        assert json.loads(socket.recv(20))["type"] == "pong"
        found: Any = None
        until = time.monotonic() + 20
        while found is None and time.monotonic() < until:
            assert httpx.post(f"{url}/v1/events", json={"name": "seen", "installation_id": "i"}).status_code == 202
            try:
                found = json.loads(socket.recv(1))
            except TimeoutError:
                continue
    return str(found["payload"]["data"]["events"]["events"][0]["name"])


@pytest.mark.slow
@pytest.mark.parametrize("url", ["kept", pytest.param("stripped", marks=pytest.mark.slow)], indirect=True)
def test_the_dashboard_runs_under_the_path_in_a_browser(url: str) -> None:
    assert httpx.post(f"{url}/v1/events", json={"name": "build", "installation_id": "i", "version": "1.0"}).status_code == 202
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        page = browser.new_page()
        failed: list[str] = []
        page.on("response", lambda answer: failed.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
        page.on("console", lambda message: failed.append(message.text) if message.type == "error" else None)
        page.goto(f"{url}/login#token={TOKEN}")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{url}/d/default")
        expect(page.get_by_role("link", name="Health")).to_be_visible(timeout=30_000)
        page.get_by_role("link", name="Health").click()
        page.wait_for_url(f"{url}/d/default/health")
        page.get_by_role("link", name="Live").click()
        page.wait_for_url(f"{url}/d/default/live")
        page.reload()
        expect(page.get_by_role("link", name="Live")).to_be_visible(timeout=30_000)
        assert failed == []
        browser.close()


def settings_of(**env: str) -> Settings:
    return load({f"FOOTFALL_{name}": value for name, value in env.items()})


def test_the_path_is_written_with_slashes_or_without_and_comes_with_the_public_address() -> None:
    assert [settings_of(BASE_PATH=text).base_path for text in ("/telemetry", "telemetry/", "/a/b/", "/", "")] == [
        "/telemetry", "/telemetry", "/a/b", "", "",
    ]  # fmt: skip
    assert settings_of(PUBLIC_URL="https://example.org/telemetry/").base_path == "/telemetry"
    assert settings_of(BASE_PATH="/telemetry").url == "http://127.0.0.1:8000/telemetry"
    for text in ("/a b", "/../x", '/"x', "/x?y", "//a//b"):
        with pytest.raises(SettingsError, match="FOOTFALL_BASE_PATH must be a path"):
            settings_of(BASE_PATH=text)


def test_without_a_base_path_the_prefixed_path_is_not_found(tmp_path: Path) -> None:
    server = Server(tmp_path, {}).start()
    try:
        assert server.client.get("/telemetry/counts").status_code == 404
        assert server.client.get("/counts").status_code == 200
    finally:
        server.close()


def test_the_dashboard_names_no_path_without_its_base() -> None:
    sources = Path(__file__).parents[2] / "static" / "src"
    fixed = re.compile(r'<a\b[^>]*\bhref="/|<(?:img|script)\b[^>]*\bsrc="/|<form\b[^>]*\baction="/|fetch\("/|location\.(?:origin|host\}/)')
    found = [
        f"{path.relative_to(sources)}:{number}: use BASE or ORIGIN of view/base.ts"
        for path in sorted(sources.rglob("*.ts*"))
        if path.name != "base.ts" and "generated" not in path.parts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if fixed.search(line)
    ]
    assert found == []
