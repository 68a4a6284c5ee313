"""The nginx configuration of docs/deploy.md in a real nginx, with TLS: clients are limited separately, live events arrive, and a base path works."""

from __future__ import annotations

import json
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from socket import create_connection
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.sync.client import connect

from tests.conftest import Server, free_port

pytestmark = pytest.mark.slow

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy.md"
TOKEN = "ff_the-admin-token-of-the-nginx-tests-0123456"
EVENT = {"name": "build", "installation_id": "i"}
MAIN = """daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
{site}
}}
"""


def documented(folder: Path, port: int, server: Server, base: str) -> str:
    """The configuration of docs/deploy.md with this test's ports, certificate and path in place of the example's."""
    found = re.search(r"```nginx\n(.*?)```", DEPLOY.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    text = found[1]
    for example, here in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("listen [::]:443 ssl;", ""),  # some machines have no IPv6
        ("/etc/letsencrypt/live/stats.example.com/fullchain.pem", str(folder / "certificate.pem")),
        ("/etc/letsencrypt/live/stats.example.com/privkey.pem", str(folder / "key.pem")),
        ("location / {", f"location {base}/ {{"),
        ("http://127.0.0.1:8000;", f"http://127.0.0.1:{server.port};"),
    ):
        assert text.count(example) == 1, example
        text = text.replace(example, here)
    return text


def certificate(folder: Path) -> None:
    """A self-signed certificate for the example's host."""
    request = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=stats.example.com")
    files = ("-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem"))
    subprocess.run([*request, *files], capture_output=True, check=True)


class Site:
    """A server behind nginx, and clients with separate addresses."""

    def __init__(self, url: str, tls: ssl.SSLContext) -> None:
        self.url = url
        self.tls = tls

    def client(self, address: str) -> httpx.Client:
        """A client that connects to nginx from an address of this machine."""
        transport = httpx.HTTPTransport(verify=self.tls, local_address=address)
        return httpx.Client(base_url=self.url, transport=transport, headers={"host": "stats.example.com"}, timeout=20)


@pytest.fixture(params=["", "/telemetry"], ids=["a site of its own", "a path of a site"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A server that trusts nginx as described in docs/deploy.md, with a limit of three requests an hour for each address.

    `loopback` is written as nginx's own address: the clients have loopback addresses here, too.
    """
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    assert nginx, "these tests need nginx: apt-get install nginx-light"
    base = request.param
    server = Server(
        tmp_path,
        {
            "FOOTFALL_TRUSTED_PROXIES": "127.0.0.1",
            "FOOTFALL_PUBLIC_URL": f"https://stats.example.com{base}",
            "FOOTFALL_RATE_LIMIT": "3/hour",
            "FOOTFALL_ADMIN_TOKEN": TOKEN,
        },
    )
    port = free_port()
    certificate(tmp_path)
    (tmp_path / "nginx.conf").write_text(MAIN.format(folder=tmp_path, site=documented(tmp_path, port, server, base)))
    server.start()
    process = subprocess.Popen([nginx, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")], stderr=subprocess.DEVNULL)
    tls = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
    tls.check_hostname = False  # the address is 127.0.0.1
    found = Site(f"https://127.0.0.1:{port}{base}", tls)
    try:
        wait_for(found)
        yield found
    finally:
        process.terminate()
        process.wait(timeout=60)
        server.close()


def wait_for(site: Site) -> None:
    until = time.monotonic() + 20
    with site.client("127.0.0.1") as client:
        while time.monotonic() < until:
            try:
                if client.get("/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
    raise AssertionError(f"{site.url} does not answer")


def test_two_clients_behind_nginx_are_limited_apart(site: Site) -> None:
    with site.client("127.0.0.2") as one, site.client("127.0.0.3") as other:
        assert [one.post("/v1/events", json=EVENT).status_code for _ in range(4)] == [202, 202, 202, 429]
        assert other.post("/v1/events", json=EVENT).status_code == 202
        invented = {"x-forwarded-for": "203.0.113.9"}
        assert one.post("/v1/events", json=EVENT, headers=invented).status_code == 429
        assert [other.post("/v1/events", json=EVENT).status_code for _ in range(3)] == [202, 202, 429]


def test_a_login_and_live_events_pass_nginx(site: Site) -> None:
    with site.client("127.0.0.2") as client:
        answer = client.post("/login", data={"token": TOKEN, "next": "/"})
        assert answer.status_code == 303
        assert "Secure" in answer.headers["set-cookie"]
        cookie = answer.headers["set-cookie"].partition(";")[0]
        page = client.get("/docs").text
        assert "https://stats.example.com" in page
    assert live(site, cookie) == "build"


def live(site: Site, cookie: str) -> str:
    """The name of an event that a subscription receives through nginx."""
    here = urlsplit(site.url)
    connection = create_connection((str(here.hostname), here.port or 0), timeout=20)
    address = f"wss://stats.example.com{here.path}/graphql"
    protocols: Any = ["graphql-transport-ws"]
    headers = {"Cookie": cookie, "Origin": "https://stats.example.com"}
    with connect(address, sock=connection, subprotocols=protocols, additional_headers=headers, ssl=site.tls) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv(20))["type"] == "connection_ack"
        query = 'subscription { events(project: "default") { events { name } } }'
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        socket.send(json.dumps({"type": "ping"}))
        assert json.loads(socket.recv(20))["type"] == "pong"
        for address in ("127.0.0.4", "127.0.0.5", "127.0.0.6"):  # the subscription may begin after the first
            with site.client(address) as client:
                assert client.post("/v1/events", json=EVENT).status_code == 202
            try:
                found: Any = json.loads(socket.recv(5))
            except TimeoutError:
                continue
            return str(found["payload"]["data"]["events"]["events"][0]["name"])
    raise AssertionError("no event arrived")
