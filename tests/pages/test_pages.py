"""The pages are complete and safe, and their examples work."""

from __future__ import annotations

import contextlib
import html
import json
import re
import shlex
import sqlite3
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from server import app
from server.dialects import DIALECTS
from server.event import Refusal, Request
from server.ingest.routing import Routes
from server.openapi import document
from server.pages.problem_page import EXPLANATIONS, kinds, statuses
from server.pages.reference import reference
from server.settings import bundled, load

SOURCES = bundled("static") / "pages"
PAGES = ("/", "/docs", "/clients", "/p/tool/clients")
TOKEN = "ff_an-admin-token-for-the-tests-of-the-pages"
SITES = [
    path.client_key(Request(route="", headers={}, address="", received_at=0, document=sample.body))
    for dialect in DIALECTS
    for path in dialect.PATHS
    for sample in path.samples
    if path.by_site and path.client_key
]
VOID = {"meta", "link", "img", "br", "wbr", "hr", "input"}


@pytest.fixture(scope="module")
def url(server_class: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server without rate limits that publishes everything, with a project `tool` an announced version, and the sites of the examples."""
    server = server_class(
        tmp_path_factory.mktemp("pages"), {"FOOTFALL_PUBLIC": "counters,trending,badges,stats,analytics", "FOOTFALL_DASHBOARD": "off"}
    )
    try:
        server.env["FOOTFALL_ADMIN_TOKEN"] = TOKEN
        server.start()
        with contextlib.closing(sqlite3.connect(server.database)) as connection, connection:
            announced = '{"latest_version":"1.4.0","release_date":"2026-03-14","update_url":"https://example.org/","critical":false}'
            connection.execute("UPDATE project SET latest_version = ? WHERE slug = 'default'", (announced,))
            connection.execute("UPDATE project SET sites = ? WHERE slug = 'default'", (json.dumps(SITES),))
        assert server.footfall("project", "create", "tool").returncode == 0
        yield server.url
    finally:
        server.close()


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=20) as opened:
        yield opened


class Reader(HTMLParser):
    """A strict parser: each element must be closed in order. Collects tags, ids, links and examples."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.figures: list[tuple[str, str, str]] = []  # (class, caption, code)
        self._figure: list[str] | None = None
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "figure":
            self._figure = [dict(attrs)["class"] or "", "", ""]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "figure" and self._figure:
            kind, caption, code = self._figure
            self.figures.append((kind, caption, code))
            self._figure = None

    def handle_data(self, data: str) -> None:
        if self._figure is not None:
            self._figure[1 if "figcaption" in self.open else 2] += data if "code" in self.open or "figcaption" in self.open else ""

    def attributes(self, name: str) -> list[str]:
        return [value or "" for _, attributes in self.tags for key, value in attributes.items() if key == name]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_well_formed_and_its_references_exist(client: httpx.Client, path: str) -> None:
    page = Reader(client.get(path).text)
    ids = page.attributes("id")
    assert len(ids) == len(set(ids)), "an id occurs twice"
    for target in page.attributes("href") + page.attributes("src"):
        if target.startswith("#"):
            assert target[1:] in ids, target
        else:
            assert client.get(target).status_code == 200, target


@pytest.mark.parametrize("path", PAGES)
def test_a_page_obeys_its_policy_and_loads_from_no_other_host(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    page = Reader(answer.text)
    assert "style" not in {tag for tag, _ in page.tags}
    assert all("src" in attributes for tag, attributes in page.tags if tag == "script")
    names = {name for _, attributes in page.tags for name in attributes}
    assert not {name for name in names if name == "style" or name.startswith("on")}
    for target in page.attributes("href") + page.attributes("src"):
        assert re.match(r"[#/](?!/)", target), target
    hosts = set(re.findall(r"https?://([^\s/\"'<&]+)", answer.text))
    assert hosts <= {client.base_url.netloc.decode()}, hosts


@pytest.mark.parametrize("path", sorted(SOURCES.iterdir()), ids=lambda path: path.name)
def test_no_source_names_another_host(path: Path) -> None:
    if path.suffix == ".png":
        return
    text = path.read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?://|//[a-z0-9-]+\.[a-z]|@import|url\(", text)


HOSTILE = [
    '"><script>alert(1)</script>',
    "evil.example/$(reboot)",
    "a';reboot;'",
    "`reboot`",
    "host:80 -o /etc/passwd",
    "",
    "ü.example",
]


@pytest.mark.parametrize("host", HOSTILE)
@pytest.mark.parametrize("path", PAGES)
def test_a_hostile_host_never_reaches_a_page(client: httpx.Client, path: str, host: str) -> None:
    answer = client.get(path, headers={b"Host": host.encode()})
    if answer.status_code == 400:  # rejected by the HTTP parser
        return
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "reboot" not in answer.text
    assert "passwd" not in answer.text
    assert str(client.base_url).rstrip("/") in answer.text


@pytest.mark.parametrize(
    ("headers", "path", "base"),
    [
        ({"Host": "t.example"}, "/docs", "http://t.example"),
        ({"Host": "t.example:8443", "X-Forwarded-Proto": "https"}, "/docs", "https://t.example:8443"),
        ({"Host": "t.example", "X-Forwarded-Proto": "https, http"}, "/", "https://t.example"),
        ({"Host": "t.example", "X-Forwarded-Proto": "javascript"}, "/", "http://t.example"),
        ({"Host": "[::1]:8000"}, "/", "http://[::1]:8000"),
        ({"Host": "t.example"}, "/p/tool/docs", "http://t.example/p/tool"),
    ],
)
def test_examples_use_the_url_of_the_request(client: httpx.Client, headers: dict[str, str], path: str, base: str) -> None:
    assert f"curl {base}/v1/events" in client.get(path, headers=headers).text


def test_every_problem_type_links_to_its_explanation(client: httpx.Client) -> None:
    page = Reader(client.get("/docs").text)
    ids = set(page.attributes("id"))
    assert EXPLANATIONS.keys() == set(Refusal)
    for refusal in Refusal:
        assert statuses(refusal)
        targets = {kind.type.fget(kind) for kind in kinds(refusal)}  # type: ignore[attr-defined]
        assert len(targets) == 1
        assert targets.pop().removeprefix("/docs#") in ids


def test_every_route_of_the_document_is_on_the_page(client: httpx.Client) -> None:
    text = html.unescape(re.sub(r"<[^>]+>", "", client.get("/docs").text))
    assert [path for path in client.get("/openapi.json").json()["paths"] if path not in text] == []


def test_every_example_gets_the_response_on_the_page(client: httpx.Client) -> None:
    """Run each command of the page in order, parsed as a shell would."""
    figures = Reader(client.get("/docs").text).figures
    commands = [
        (figure, following) for figure, following in zip(figures, [*figures[1:], ("", "", "")], strict=True) if "command" in figure[0]
    ]
    assert len(commands) > 15
    for (_, _, command), (kind, caption, expected) in commands:
        answer = curl(client, command)
        if "answer" not in kind:
            assert answer.is_success, command
            continue
        assert caption.split()[0] == str(answer.status_code), command
        assert alike(answer.json(), json.loads(expected), exact=answer.request.method == "POST"), (command, answer.text)


def test_the_home_page_shows_an_event_and_its_response(client: httpx.Client) -> None:
    page = client.get("/").text
    event, counting = (code for _, _, code in Reader(page).figures)
    assert curl(client, event).text in html.unescape(page)
    for line in counting.splitlines():
        answer = curl(client, line)
        assert answer.is_success
    assert answer.json()["hello"]["total"] == 1


def curl(client: httpx.Client, command: str) -> httpx.Response:
    """Send the request that a curl command describes."""
    name, *words = shlex.split(command)
    assert name == "curl"
    method, data, address = "", None, ""
    headers = {}
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            header, _, value = words.pop(0).partition(": ")
            headers[header] = value.replace("YOUR_KEY", TOKEN)
        elif word == "-d":
            data = words.pop(0)
        else:
            address = word
    if data is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return client.request(method or ("GET" if data is None else "POST"), address, content=data, headers=headers)


def alike(found: Any, shown: Any, *, exact: bool) -> bool:
    """Return whether a response matches the page: equal, except for ids and for numbers that change."""
    if isinstance(found, dict) and isinstance(shown, dict):
        return (found.keys() >= shown.keys()) and all(name == "id" or alike(found[name], shown[name], exact=exact) for name in shown)
    if isinstance(found, list) and isinstance(shown, list):
        return (not exact or len(found) == len(shown)) and all(
            alike(one, other, exact=exact) for one, other in zip(found, shown, strict=False)
        )
    return bool(found == shown) if exact else found is None or shown is None or type(found) is type(shown)


def test_files_are_cached_and_nothing_else_is_served_from_their_folder(client: httpx.Client) -> None:
    link = next(target for target in Reader(client.get("/docs").text).attributes("href") if target.startswith("/static/pages/footfall.css"))
    named, plain = client.get(link), client.get("/static/pages/footfall.css")
    assert named.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in named.headers["cache-control"]
    assert "immutable" not in plain.headers["cache-control"]
    assert client.get(link, headers={"If-None-Match": named.headers["etag"]}).status_code == 304
    for name in ("page.html", "nothing.css", "..%2fpages%2ffootfall.css", "%2e%2e/%2e%2e/pyproject.toml", "..", "%00", "footfall.css/x"):
        answer = client.get(f"/static/pages/{name}")
        assert answer.status_code == 404, name
        assert answer.headers["content-type"] == "application/problem+json"


def test_the_icon_and_robots_txt_are_served(client: httpx.Client) -> None:
    assert client.get("/favicon.ico").headers["content-type"] == "image/svg+xml"
    assert client.get("/robots.txt").text == "User-agent: *\nDisallow: /\n"


def test_a_page_that_the_browser_has_cached_is_answered_304(client: httpx.Client) -> None:
    first = client.get("/docs")
    assert first.headers["cache-control"] == "private, no-cache"
    assert client.get("/docs", headers={"If-None-Match": first.headers["etag"]}).status_code == 304


def test_text_of_the_document_is_escaped() -> None:
    """Escape texts of dialects that look like markup."""
    written = json.dumps(document(Routes().all, app._HANDLERS, load({}))).replace(
        "Record one event", "<img src=x onerror=alert(1)> one event"
    )
    _, content = reference(json.loads(written))
    assert "<img" not in content
    assert "&lt;img src=x onerror=alert(1)&gt; one event" in content


@pytest.mark.parametrize("path", ["/", "/docs", "/health", "/ready", "/counts", "/openapi.json", "/badge/nothing.svg", "/no/such/page"])
def test_every_route_answers_head_and_forbids_sniffing(client: httpx.Client, path: str) -> None:
    whole, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    for answer in (whole, head):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-length"] == str(len(whole.content))
