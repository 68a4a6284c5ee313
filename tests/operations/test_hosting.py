"""The commands of a machine that hosts the server: `footfall health` and `footfall systemd`."""

from __future__ import annotations

import configparser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.quick import first


def test_health_follows_the_server(make_server: Callable[..., Any]) -> None:
    server = make_server()
    before = server.footfall("health")
    assert (before.returncode, before.stdout) == (1, "")
    assert f"no answer from port {server.port}" in before.stderr
    server.start()
    during = server.footfall("health")
    assert (during.returncode, during.stdout) == (0, "ok\n")
    server.stop()
    assert server.footfall("health").returncode == 1


@pytest.mark.parametrize("host", first(["0.0.0.0", "::1"]))
def test_health_asks_where_the_server_listens(make_server: Callable[..., Any], host: str) -> None:
    server = make_server(FOOTFALL_HOST=host)
    shown = "[::1]" if host == "::1" else "127.0.0.1"
    server.client.base_url = httpx.URL(f"http://{shown}:{server.port}")
    server.start()
    assert server.footfall("health").returncode == 0


def test_health_names_a_setting_that_cannot_be_used(make_server: Callable[..., Any]) -> None:
    ran = make_server(FOOTFALL_RATE_LIMIT="many").footfall("health")
    assert ran.returncode == 2
    assert "FOOTFALL_RATE_LIMIT" in ran.stderr


def test_the_systemd_unit_runs_this_program_sandboxed(make_server: Callable[..., Any]) -> None:
    ran = make_server().footfall("systemd", "--user", "telemetry", "--data", "/srv/telemetry")
    assert ran.returncode == 0
    assert "{" not in ran.stdout
    unit = configparser.RawConfigParser(strict=False, comment_prefixes=("#",))
    unit.read_string(ran.stdout)
    service = unit["Service"]  # directives are case-insensitive
    program, *arguments = service["ExecStart"].split()
    assert Path(program).is_file()
    assert arguments[-1] == "serve"
    assert (service["User"], service["ReadWritePaths"], service["ProtectSystem"]) == ("telemetry", "/srv/telemetry", "strict")
    assert "FOOTFALL_DATA_DIR=/srv/telemetry" in service["Environment"]
    assert "statedirectory" not in service
    assert "sudo install --directory --owner=telemetry --group=telemetry --mode=0700 /srv/telemetry" in ran.stderr


def test_the_systemd_unit_lets_systemd_create_a_folder_for_state(make_server: Callable[..., Any]) -> None:
    ran = make_server().footfall("systemd", "--data", "/var/lib/tools/footfall")
    assert "\nStateDirectory=tools/footfall\n" in ran.stdout
    assert "install --directory" not in ran.stderr


def test_the_systemd_unit_comes_with_a_warning_where_its_sandbox_hides_the_data(make_server: Callable[..., Any]) -> None:
    ran = make_server().footfall("systemd", "--data", "/home/ann/footfall")
    assert ran.returncode == 0
    assert "/home/ann/footfall is in a home folder, which the unit cannot read" in ran.stderr
    assert ran.stdout.startswith("# A sandboxed systemd unit")
