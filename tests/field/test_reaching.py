"""Promises to operators: probes get a response, URLs can be opened, and paths are the configured ones."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from server.doctor import examine
from server.settings import SettingsError, load
from tests.conftest import SECRET, Server

Make = Callable[..., Server]


@contextlib.contextmanager
def locked(store: Path | str) -> Iterator[None]:
    """Another process holds the store's lock."""
    if isinstance(store, Path):
        with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
        return
    with psycopg.connect(store) as remote:
        remote.execute("LOCK TABLE note IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.parametrize("field_engine", ["sqlite", "postgres"], scope="module")
def test_a_probe_is_answered_while_another_process_holds_the_store(field_server: Server) -> None:
    assert field_server.client.get("/health").json()["status"] == "ok"
    with locked(field_server.store):
        until = time.monotonic() + 5  # the last check of the store counts for a second, and another one may have begun before the lock
        while field_server.client.get("/health").status_code == 200 and time.monotonic() < until:
            time.sleep(0.1)
        for _ in range(2):
            asked = time.monotonic()
            answer = field_server.client.get("/health")
            assert answer.elapsed.total_seconds() < 1 or time.monotonic() - asked < 1
            assert answer.status_code == 503
            assert answer.json()["reason"] == "the store did not respond in time"
    until = time.monotonic() + 15
    while (answer := field_server.client.get("/health")).status_code != 200:
        assert time.monotonic() < until, answer.text
        time.sleep(0.1)
    assert answer.json()["reason"] is None


def test_the_container_listens_on_both_families(make_server: Make) -> None:
    containerfile = (Path(__file__).parents[2] / "Containerfile").read_text()
    assert "FOOTFALL_HOST=:: " in containerfile
    server = make_server(FOOTFALL_HOST="::", FOOTFALL_TRUSTED_PROXIES="loopback").start()
    for host in ("127.0.0.1", "[::1]"):
        assert httpx.get(f"http://{host}:{server.port}/health").status_code == 200
    for client, told in (("127.0.0.1", {}), ("[::1]", {"X-Forwarded-For": "2001:db8::1"})):
        assert httpx.post(f"http://{client}:{server.port}/dl/pack", headers=told).status_code == 202


@pytest.mark.slow
@pytest.mark.parametrize("host", ["::", "127.0.0.1,::1"])
def test_a_machine_without_ipv6_is_served_over_ipv4(make_server: Make, host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # A site module makes the process believe that its kernel has no IPv6.
    (tmp_path / "sitecustomize.py").write_text(
        "import errno, socket\n"
        "class Without(socket.socket):\n"
        "    def __init__(self, family=-1, *arguments, **named):\n"
        "        if family == socket.AF_INET6:\n"
        "            raise OSError(errno.EAFNOSUPPORT, 'Address family not supported by protocol')\n"
        "        super().__init__(family, *arguments, **named)\n"
        "socket.socket = Without\n"
    )
    server = make_server(FOOTFALL_HOST=host, PYTHONPATH=str(tmp_path)).start()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://[::1]:{server.port}/health")


def test_a_target_with_a_trailing_slash_is_created_as_a_folder(make_server: Make, tmp_path: Path) -> None:
    server = make_server().start()
    assert server.client.post("/dl/pack").status_code == 202
    new = tmp_path / "some" / "new"
    made = server.footfall("backup", "--to", f"{new}/")
    assert made.returncode == 0, made.stderr
    (copy,) = new.glob("*.sqlite3")
    elsewhere = tmp_path / "elsewhere" / "data"
    restored = server.footfall("restore", str(copy), "--to", f"{elsewhere}/", "--yes")
    assert restored.returncode == 0, restored.stderr
    assert sorted(path.name for path in elsewhere.iterdir() if path.suffix != ".lock") == ["footfall.sqlite3", "secret"]


async def test_doctor_distinguishes_another_footfall_from_its_own(make_server: Make) -> None:
    server = make_server().start()
    own = load({"FOOTFALL_DATA_DIR": server.env["FOOTFALL_DATA_DIR"], "FOOTFALL_PORT": str(server.port)})
    assert [found.level for found in await examine(own) if "runs on" in found.message] == ["ok"]
    (linked := server.folder / "linked").symlink_to(own.data_dir)
    assert [found.level for found in await examine(load({"FOOTFALL_DATA_DIR": str(linked), "FOOTFALL_PORT": str(server.port)}))].count(
        "problem"
    ) == 0
    other = load({"FOOTFALL_DATA_DIR": str(server.folder / "other"), "FOOTFALL_PORT": str(server.port), "FOOTFALL_SECRET": SECRET})
    (found,) = [found for found in await examine(other) if found.level == "problem"]
    assert "serves a different store" in found.message
    assert "FOOTFALL_PORT" in found.fix
    health = server.client.get("/health").text
    assert str(server.folder) not in health
    assert len(server.client.get("/health").json()["instance"]) == 16


@pytest.mark.parametrize(
    ("env", "link", "hint"),
    [
        ({"FOOTFALL_PUBLIC_URL": "https://telemetry.example.org/"}, "https://telemetry.example.org/login#token=", False),
        ({"FLY_APP_NAME": "my-footfall"}, "https://my-footfall.fly.dev/login#token=", False),
        ({"FLY_APP_NAME": "my-footfall", "FOOTFALL_PUBLIC_URL": "https://t.example"}, "https://t.example/login#token=", False),
        ({"FOOTFALL_HOST": "::"}, "http://127.0.0.1:{port}/login#token=", True),
    ],
)
def test_the_login_link_has_the_public_address_or_explains_what_to_replace(
    make_server: Make, env: dict[str, str], link: str, hint: bool
) -> None:
    server = make_server(**env).start()
    link = link.format(port=server.port)
    said = "from another machine, replace http://127.0.0.1"
    while "Ctrl-C" not in server.log.read_text():
        time.sleep(0.01)
    assert link in server.log.read_text()
    assert (said in server.log.read_text()) == hint
    again = server.footfall("login-link")
    assert again.stdout.startswith(link)
    assert (said in again.stderr) == hint


@pytest.mark.parametrize("url", ["telemetry.example.org", "https://", "ftp://x", "https://user@x", "https://x/?a"])
def test_an_invalid_public_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="FOOTFALL_PUBLIC_URL must be a URL"):
        load({"FOOTFALL_PUBLIC_URL": url})
