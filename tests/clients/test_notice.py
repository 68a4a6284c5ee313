"""The first-run notice: shown once, on a terminal only, and before anything is written or sent."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.clients.conftest import Host, Wire, environment, eventually, queue_of


def on_terminal(host: Host, url: str, home: Path, *words: str, piped: bool = False, **env: str) -> str:
    """The output of a run on a terminal, without its standard output if that is piped."""
    ours, theirs = pty.openpty()
    try:
        variables = environment(url, home, MYTOOL_TELEMETRY="unset", **env)
        process = subprocess.Popen(
            [*host.command, *words], env=variables, stdin=theirs, stdout=subprocess.DEVNULL if piped else theirs, stderr=theirs
        )
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the last process has closed the terminal
            while piece := os.read(ours, 4096):
                shown += piece
        assert process.wait(timeout=60) == 3
        return shown.decode().replace("\r\n", "\n")
    finally:
        os.close(ours)


def test_the_notice_is_shown_once_and_then_the_event_is_sent(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire()
    first = on_terminal(host, wire.url, home)
    address = wire.url.removeprefix("http://")
    for promised in (
        f"mytool sends anonymous usage data to {address}",
        "mytool telemetry off",
        "MYTOOL_TELEMETRY=off",
        "DO_NOT_TRACK=1",
        "https://example.org/t",
    ):
        assert promised in first
    assert first.endswith("hello\n") or first.startswith("hello\n")
    assert on_terminal(host, wire.url, home) == "hello\n"
    assert eventually(lambda: len(wire.events()) == 2)
    assert all(event["interactive"] for event in wire.events())
    host.run(wire.url, home, MYTOOL_TELEMETRY="unset")  # in pipes from now on
    assert eventually(lambda: len(wire.events()) == 3)


def test_without_a_terminal_there_is_no_notice_and_no_event(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire()
    assert on_terminal(host, wire.url, home, "--json") == "hello\n"
    assert on_terminal(host, wire.url, home, piped=True) == ""
    assert on_terminal(host, wire.url, home, CI="true") == "hello\n"
    assert on_terminal(host, wire.url, home, DO_NOT_TRACK="1") == "hello\n"
    assert on_terminal(host, wire.url, home, HOME="unset") == "hello\n"
    assert list(home.rglob("*")) == []
    assert host.run(wire.url, home).stdout == "hello\n"
    assert eventually(wire.events)
    assert wire.connections == 1


def test_a_home_that_cannot_be_written_sees_no_notice_twice(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    """No event is sent if the client cannot record that the notice was shown."""
    wire = make_wire()
    (home / ".config").write_text("a file where the folder should be")
    on_terminal(host, wire.url, home)
    assert not queue_of(home).exists()
    assert wire.connections == 0
