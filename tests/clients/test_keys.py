"""Write keys and addresses: where keys are visible, and events of one key or address that another one delivers."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.conftest import ACCEPTED, Host, Wire, eventually, hang, queue_of, queued, replying, settled
from tests.quick import first

OLD, NEW = "ff_key-of-an-old-version", "ff_key-of-a-new-release"
REFUSED = [(OLD, "401 Unauthorized"), (OLD, "403 Forbidden"), ("", "401 Unauthorized")]


def refusing(key: str, status: str) -> Callable[[socket.socket, Wire], None]:
    """Refuse one key, or requests without a key if it is empty."""
    refused = f"Authorization: Bearer {key}\r\n".encode()

    def answer(connection: socket.socket, wire: Wire) -> None:
        is_refused = refused in wire.requests[-1] if key else b"Authorization:" not in wire.requests[-1]
        (replying(status, "{}") if is_refused else ACCEPTED)(connection, wire)

    return answer


def attempts(home: Path) -> list[int]:
    return sorted(int(name.split(".")[1]) for name in queued(home))


@pytest.mark.each_client
def test_the_key_is_sent_and_is_in_no_command_line(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire(hang)
    host.run(wire.url, home, HOST_KEY=NEW)
    assert eventually(lambda: wire.requests)
    assert f"Authorization: Bearer {NEW}".encode() in wire.requests[0]
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(NEW.encode() in line for line in lines)


@pytest.mark.each_client
@pytest.mark.parametrize("key", [OLD, ""], ids=["key", "no key"])
def test_events_of_a_deleted_project_wait_for_a_version_with_another_address(
    host: Host, home: Path, make_wire: Callable[..., Wire], key: str
) -> None:
    """The queue may hold events of versions with another address, which the server of this one must not drop."""

    def answer(connection: socket.socket, wire: Wire) -> None:
        (ACCEPTED if b"/p/new/" in wire.requests[-1] else replying("404 Not Found", "{}"))(connection, wire)

    wire, wait = make_wire(answer), queue_of(home) / "wait"
    host.run(f"{wire.url}/p/old", home, HOST_KEY=key)
    assert eventually(wait.exists)
    assert settled(home)
    assert attempts(home) == [1]
    if not key:  # a version without a key cannot tell that another one was refused: it waits, too
        assert wait.read_text().split()[1:] == ["1", "-"]
        wait.unlink()
    host.run(f"{wire.url}/p/new", home, HOST_KEY=NEW if key else "")
    assert eventually(lambda: queued(home) == [])
    assert [len(json.loads(request.partition(b"\r\n\r\n")[2])["events"]) for request in wire.requests] == [1, 2]


@pytest.mark.each_client
@pytest.mark.parametrize("refused", first(REFUSED), ids=" ".join)
def test_a_version_with_a_valid_key_delivers_the_events_of_a_revoked_one(
    host: Host, home: Path, make_wire: Callable[..., Wire], refused: tuple[str, str]
) -> None:
    key, status = refused
    wire = make_wire(refusing(key, status))
    host.run(wire.url, home, HOST_KEY=key)
    assert eventually((queue_of(home) / "wait").exists)
    assert settled(home)
    assert attempts(home) == [1]
    host.run(wire.url, home, HOST_KEY=key)  # no attempt before the pause ends
    assert eventually(lambda: len(queued(home)) == 2)
    assert settled(home)
    assert wire.connections == 1
    host.run(wire.url, home, HOST_KEY=NEW)
    assert eventually(lambda: queued(home) == [])
    assert [len(json.loads(request.partition(b"\r\n\r\n")[2])["events"]) for request in wire.requests] == [1, 3]


def test_a_refused_event_is_not_kept_forever(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire(refusing(OLD, "401 Unauthorized"))
    queue_of(home).mkdir(parents=True)
    (queue_of(home) / f"{int(time.time() * 1000)}-last.99.json").write_text('{"name":"last"}\n')
    for tried in ([1, 100], [1, 2]):
        host.run(wire.url, home, HOST_KEY=OLD)
        assert eventually(lambda: attempts(home) == tried)  # noqa: B023 - called before the next round
        assert settled(home)
        (queue_of(home) / "wait").unlink()


def test_pauses_after_a_refused_key_grow(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire, wait = make_wire(refusing(OLD, "401 Unauthorized")), queue_of(home) / "wait"
    for failures in ("1", "2"):
        host.run(wire.url, home, HOST_KEY=OLD)
        assert eventually(lambda: wait.exists() and wait.read_text().split()[1:] == [failures, OLD[-4:]])  # noqa: B023
        assert settled(home)
        until = int(wait.read_text().split()[0])
        assert until - time.time() <= 15 * 2 ** int(failures)
        wait.write_text(f"1 {failures} {OLD[-4:]}\n")


def test_a_pause_of_the_server_holds_for_every_key(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire(refusing(OLD, "503 Service Unavailable"))
    host.run(wire.url, home, HOST_KEY=OLD)
    assert eventually((queue_of(home) / "wait").exists)
    host.run(wire.url, home, HOST_KEY=NEW)
    assert eventually(lambda: len(queued(home)) == 2)
    assert settled(home)
    assert wire.connections == 1
