"""Runs in quick succession: the JavaScript client's sender stays for a few seconds, so that the next runs need not start one."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.clients.conftest import ACCEPTED, WITHIN, Host, Wire, eventually, queue_of, queued, settled
from tests.quick import first


@pytest.fixture
def node_host(make_host: Callable[[str], Host]) -> Host:
    return make_host("node")


def senders(home: Path) -> list[int]:
    """Process ids of the senders of this home folder."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except psutil.Error:
            continue
        if environment.get("HOME") == str(home) and "FOOTFALL_SENDER" in environment:
            found.append(process.pid)
    return found


@pytest.mark.parametrize("path", first(["", "/zürich"]))
def test_the_next_runs_leave_their_events_to_the_running_sender(
    node_host: Host, home: Path, make_wire: Callable[..., Wire], path: str
) -> None:
    may_answer = threading.Event()

    def answer(connection: socket.socket, wire: Wire) -> None:
        may_answer.wait(WITHIN)
        ACCEPTED(connection, wire)

    wire = make_wire(answer)
    node_host.run(f"{wire.url}{path}", home)
    assert eventually(lambda: wire.connections)
    first = senders(home)
    assert len(first) == 1
    for _ in range(2):
        node_host.run(f"{wire.url}{path}", home)
    assert senders(home) == first
    may_answer.set()
    assert eventually(lambda: len(wire.events()) == 3)
    assert settled(home)
    assert queued(home) == []
    assert not (queue_of(home) / "sender").exists()


def test_a_sender_waits_for_the_next_run_and_then_ends(node_host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire()
    node_host.run(wire.url, home)
    assert eventually(lambda: wire.events() and queued(home) == [])
    (queue_of(home) / f"{int(time.time() * 1000)}-next.0.json").write_text('{"name":"next"}\n')
    assert eventually(lambda: len(wire.events()) == 2)
    assert settled(home)
    assert not (queue_of(home) / "sender").exists()
    node_host.run(wire.url, home)
    assert eventually(lambda: len(wire.events()) == 3)


def test_a_killed_sender_holds_events_back_for_seconds_only(node_host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire()
    node_host.run(wire.url, home)
    assert eventually(lambda: wire.events() and queued(home) == [])
    for pid in senders(home):
        os.kill(pid, signal.SIGKILL)
    assert settled(home)
    node_host.run(wire.url, home)
    assert len(queued(home)) == 1
    file = queue_of(home) / "sender"
    written, rest = file.read_text().split(" ", 1)
    file.write_text(f"{int(written) - 15_000} {rest}")
    node_host.run(wire.url, home)
    assert eventually(lambda: len(wire.events()) == 3)


@pytest.mark.parametrize("other", first(["http://127.0.0.1:9 1.4.0", "{url} 1.3.0"]))
def test_another_version_of_the_tool_starts_its_own_sender(node_host: Host, home: Path, make_wire: Callable[..., Wire], other: str) -> None:
    """A sender has the address and the key of its version."""
    wire = make_wire()
    queue_of(home).mkdir(parents=True)
    (queue_of(home) / "sender").write_text(f"{int(time.time() * 1000)} {other.format(url=wire.url)}\n")
    node_host.run(wire.url, home)
    assert eventually(wire.events)


@pytest.mark.parametrize("broken", first(["", "x", "99999999999999 {url} 1.4.0\n", "\xff\x00"]))
def test_a_damaged_sender_file_does_not_stop_sending(node_host: Host, home: Path, make_wire: Callable[..., Wire], broken: str) -> None:
    wire = make_wire()
    queue_of(home).mkdir(parents=True)
    (queue_of(home) / "sender").write_text(broken.format(url=wire.url))
    ran = node_host.run(wire.url, home)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("hello\n", "", 3)
    assert eventually(wire.events)


@pytest.mark.parametrize("has_setsid", first([True, False]))
def test_the_sender_outlives_the_terminal_with_and_without_setsid(
    node_host: Host, home: Path, make_wire: Callable[..., Wire], tmp_path: Path, has_setsid: bool
) -> None:
    """`setsid` begins the sender's session. Without it, the sender ignores the signals of the terminal."""
    may_answer = threading.Event()

    def answer(connection: socket.socket, wire: Wire) -> None:
        may_answer.wait(WITHIN)
        ACCEPTED(connection, wire)

    wire = make_wire(answer)
    programs = tmp_path / "bin"
    programs.mkdir()
    if has_setsid:
        (programs / "setsid").symlink_to(shutil.which("setsid") or "/usr/bin/setsid")
    node_host.run(wire.url, home, PATH=str(programs))
    assert eventually(lambda: wire.connections)
    (sender,) = senders(home)
    assert (os.getsid(sender) == sender) is has_setsid
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(sender, number)
    may_answer.set()
    assert eventually(lambda: queued(home) == [] and wire.events())
    assert not (queue_of(home) / "wait").exists()


def test_a_sender_that_fails_leaves_no_file(node_host: Host, home: Path) -> None:
    node_host.run("http://127.0.0.1:9", home)
    assert eventually((queue_of(home) / "wait").exists)
    assert eventually(lambda: not (queue_of(home) / "sender").exists())
