"""Clients on a full disk, with an unusual home folder, with a folder of another user, or with other files in the queue."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import hosts
from tests.clients.conftest import ACCEPTED, WITHIN, Host, Wire, environment, eventually, queue_of, queued, replying, settled
from tests.clients.test_notice import on_terminal

# A limit of the size of files acts like a full disk. Programs in Go end when they exceed it.
LIMITED = [pytest.param(name, marks=[] if name == hosts.CHEAPEST else [pytest.mark.slow]) for name in hosts.NAMES if name != "go"]


def on_a_full_disk(host: Host, url: str, home: Path, blocks: int) -> subprocess.CompletedProcess[str]:
    """Run the host program so that no file can be longer than some blocks of 512 or 1,024 bytes."""
    command = ["sh", "-c", f'trap "" XFSZ; ulimit -f {blocks}; exec "$@"', "sh", *host.command]
    env = environment(url, home, PYTHONDONTWRITEBYTECODE="1")  # on a full disk, Python keeps a truncated compiled module
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=WITHIN, check=False)


@pytest.mark.parametrize("name", LIMITED)
def test_a_full_disk_does_not_affect_the_program_and_no_file_is_left(
    make_host: Callable[[str], Host], home: Path, make_wire: Callable[..., Wire], name: str
) -> None:
    host, wire = make_host(name), make_wire()
    ran = on_a_full_disk(host, wire.url, home, 0)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("hello\n", "", 3)
    assert settled(home)
    assert [path.name for path in home.rglob("*") if path.is_file()] == []
    host.run(wire.url, home)
    assert eventually(wire.events)


@pytest.mark.parametrize("name", LIMITED)
def test_a_full_disk_loses_no_event_that_waits(
    make_host: Callable[[str], Host], home: Path, make_wire: Callable[..., Wire], name: str
) -> None:
    """A sender must not delete events after a body that the disk cut."""

    def answer(connection: socket.socket, wire: Wire) -> None:
        try:
            json.loads(wire.requests[-1].partition(b"\r\n\r\n")[2])
        except ValueError:
            replying("400 Bad Request", "{}")(connection, wire)
        else:
            ACCEPTED(connection, wire)

    host, wire = make_host(name), make_wire(answer)
    queue_of(home).mkdir(parents=True)
    (queue_of(home).parent / "id").write_text("00000000-0000-4000-8000-000000000001\n")
    now = int(time.time() * 1000)
    for number in range(3):
        event = {"name": f"old-{number}", "properties": {"text": "x" * 1500}}
        (queue_of(home) / f"{now - 10 + number}-old{number}.0.json").write_text(json.dumps(event) + "\n")
    on_a_full_disk(host, wire.url, home, 2)
    assert settled(home)
    sent = [event["name"] for request in wire.requests if (event_list := parsed(request)) for event in event_list]
    waiting = [json.loads((queue_of(home) / name).read_text())["name"] for name in queued(home)]
    assert {"old-0", "old-1", "old-2"} <= {*sent, *waiting}


def parsed(request: bytes) -> list[dict[str, str]]:
    try:
        events: list[dict[str, str]] = json.loads(request.partition(b"\r\n\r\n")[2])["events"]
    except ValueError:
        return []
    return events


def test_a_home_that_cannot_be_written_sees_no_notice(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    """The notice would be shown in every run."""
    wire = make_wire()
    (home / ".config").write_text("a file where the folder should be")
    assert on_terminal(host, wire.url, home) == "hello\n"


@pytest.mark.each_client
def test_a_home_that_cannot_be_created_delays_nothing(host: Host, make_wire: Callable[..., Wire]) -> None:
    """In /proc, as under an automounter, `mkdir` answers that there is no such folder: Node.js tries forever with `recursive`."""
    ran = host.run(make_wire().url, Path("/proc/none"))
    assert (ran.stdout, ran.stderr, ran.returncode) == ("hello\n", "", 3)


@pytest.mark.parametrize("name", ['Jürgen\'s "home" ☃ $HOME `x` \\ 100%', "two  blanks ", "-n"])
def test_a_home_with_any_name_works(host: Host, tmp_path: Path, make_wire: Callable[..., Wire], name: str) -> None:
    wire, home = make_wire(), tmp_path / name
    home.mkdir()
    ran = host.run(wire.url, home)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("hello\n", "", 3)
    assert eventually(lambda: wire.events() and queued(home) == [])
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_home_that_is_not_utf_8_makes_no_other_folder(host: Host, tmp_path: Path, make_wire: Callable[..., Wire]) -> None:
    wire, home = make_wire(), tmp_path / os.fsdecode(b"J\xfcrgen")
    home.mkdir()
    env = {os.fsencode(name): os.fsencode(value) for name, value in environment(wire.url, "").items()}
    ran = subprocess.run(host.command, env={**env, b"HOME": os.fsencode(home)}, capture_output=True, text=True, timeout=WITHIN, check=False)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("hello\n", "", 3)
    assert list(tmp_path.iterdir()) == [home]


def test_a_configuration_folder_of_another_user_is_left_alone(
    host: Host, home: Path, make_wire: Callable[..., Wire], tmp_path: Path
) -> None:
    """`sudo` may keep XDG_CONFIG_HOME and set HOME: root's files would block the user."""
    wire = make_wire()
    folder = tmp_path / "other"
    (folder / "mytool" / "telemetry").mkdir(parents=True)
    variable = str(folder)
    if os.geteuid() == 0:
        os.chown(folder / "mytool", 12345, 12345)
    else:
        variable = "/"
    ran = host.run(wire.url, home, XDG_CONFIG_HOME=variable)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("hello\n", "", 3)
    status = host.telemetry(wire.url, home, "status", XDG_CONFIG_HOME=variable)
    assert status.stdout == "telemetry: off (there is no home folder)\n"
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    host.run(wire.url, home)
    assert eventually(wire.events)
    assert wire.connections == 1


def test_other_files_in_the_place_of_the_queue_are_not_touched(
    host: Host, home: Path, make_wire: Callable[..., Wire], tmp_path: Path
) -> None:
    """The queue is a link to a folder with more JSON files than the queue may hold events."""
    wire, folder = make_wire(), tmp_path / "notes"
    folder.mkdir()
    names = {"package.json", "notes.json.bak", "²-x.0.json", "1-x.0.json.old", ".json", *(f"note-{number}.json" for number in range(150))}
    for name in names:
        (folder / name).write_text('{"name":"private"}\n')
    queue_of(home).parent.mkdir(parents=True)
    queue_of(home).symlink_to(folder)
    host.run(wire.url, home)
    assert eventually(wire.events)
    assert [event["name"] for event in wire.events()] == ["build"]
    assert "private" not in host.telemetry(wire.url, home, "show").stdout
    host.telemetry(wire.url, home, "off")
    host.telemetry(wire.url, home, "erase")
    assert settled(home)
    assert names <= {path.name for path in folder.iterdir()}


@pytest.mark.slow
def test_thousands_of_events_that_wait_become_a_hundred(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire(lambda *_: None)
    queue_of(home).mkdir(parents=True)
    now = int(time.time() * 1000)
    for number in range(3_000):
        (queue_of(home) / f"{now - 3_000 + number}-{number}.0.json").write_text('{"name":"old"}\n')
    ran = host.run(wire.url, home)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("hello\n", "", 3)
    assert eventually(lambda: len(queued(home)) <= 101)
    assert eventually(lambda: wire.requests)
    assert settled(home)
    assert all(len(parsed(request)) <= 100 for request in wire.requests)


def test_events_of_a_clock_that_was_wrong_are_dropped(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire()
    queue_of(home).mkdir(parents=True)
    future = int(time.time() * 1000) + 30 * 86_400_000
    (queue_of(home) / f"{future}-future.0.json").write_text('{"name":"future"}\n')
    (queue_of(home) / f"{future}-taken.0.json.{future // 1000}").write_text('{"name":"future"}\n')
    (queue_of(home) / f"{int(time.time() * 1000)}-held.0.json.{future // 1000}").write_text('{"name":"held"}\n')
    host.run(wire.url, home)
    assert eventually(lambda: queued(home) == [] and wire.events())
    assert sorted(event["name"] for event in wire.events()) == ["build", "held"]


def test_an_erasure_leaves_no_local_record(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire()
    folder = queue_of(home).parent
    folder.mkdir(parents=True)
    for name in ("local.jsonl", "local.jsonl.old"):
        (folder / name).write_text('{"name":"build"}\n')
    assert host.telemetry(wire.url, home, "erase").returncode == 0
    assert [path.name for path in folder.rglob("*") if path.is_file()] == []


def test_an_event_of_long_text_in_any_script_is_no_larger_than_the_server_takes(
    home: Path, make_wire: Callable[..., Wire], tmp_path: Path, make_host: Callable[[str], Host]
) -> None:
    """JavaScript counts characters, servers count bytes."""
    wire = make_wire()
    node = make_host("node").command[0]
    client = Path(make_host("node").command[1]).with_name("footfall.js")
    program = tmp_path / "long.mjs"
    program.write_text(
        f'import {{ Footfall }} from "{client}";\n'
        f'const properties = Object.fromEntries([1, 2, 3, 4, 5, 6, 7].map((n) => ["p" + n, "漢 ".repeat(500)]));\n'
        f'new Footfall("mytool", "{wire.url}").track("build", {{ properties }});\n'
    )
    subprocess.run([node, program], env=environment(wire.url, home), timeout=WITHIN, check=True)
    assert eventually(wire.events)
    assert wire.events()[0]["properties"] == {"cut": True}
