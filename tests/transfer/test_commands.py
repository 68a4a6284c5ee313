"""The commands of an operator, and their memory, which is independent of the number of events."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from server.event import DAY, Context, Incoming
from server.settings import Settings
from server.transfer.commands import export_command, import_command, install_group
from tests.transfer.conftest import NOW, counted, fill, settings_in, with_store

MANY = 100_000
GROWTH = 60 << 20  # bytes: the allowed growth of a process that handles MANY rows, which take 200 MB together


def alike(count: int) -> Iterable[tuple[int, Incoming]]:
    """Events that are quick to store, because only their number matters for memory."""
    context = Context(dialect="native", os="linux", version="1.0.0")
    for number in range(count):
        at = NOW - 10 * DAY + number * 4_000
        yield (
            at,
            Incoming(
                name="run", install=f"install-{number % 500}", occurred_at=at, context=context, properties={"n": number, "text": "x" * 300}
            ),
        )


@pytest.mark.slow
def test_an_export_of_one_server_imports_into_another(run, fresh: Settings, origin: Settings, tmp_path: Path, monkeypatch) -> None:
    for form in ("csv", "jsonl", "parquet"):
        result = run(export_command, "events", "--output", tmp_path / f"all.{form}")
        assert result.exit_code == 0, result.output
        assert "3,000 rows of events" in result.stderr
    monkeypatch.setenv("FOOTFALL_DATA_DIR", str(fresh.data_dir))
    for form, message in (("csv", "3,000 events imported"), ("jsonl", "3,000 events already present"), ("parquet", "already present")):
        result = run(import_command, tmp_path / f"all.{form}")
        assert result.exit_code == 0, result.output
        assert message in result.stderr
    assert counted(fresh) == counted(origin)


def test_an_export_into_a_pipe_contains_nothing_else(run) -> None:
    result = run(export_command, "hourly", "--from", "2026-09-01", "--to", "2026-09-03")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows
    assert {row["hour"][:10] for row in rows} <= {"2026-09-01", "2026-09-02"}


def test_an_error_is_one_line(run, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "x.txt").write_text("hello\n")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "x.gz").write_bytes(b"\x1f\x8b and no more")
    for arguments in (
        (export_command, "events", "--project", "unknown"),
        (export_command, "events", "--output", tmp_path / "none" / "x.csv"),
        (import_command, tmp_path / "x.txt"),
        (import_command, tmp_path / "x.parquet"),
        (import_command, tmp_path / "x.gz"),
        (install_group, "show", "unknown"),
        (install_group, "erase"),
        (install_group, "show", "--hash", "xyz"),
    ):
        result = run(*arguments)
        assert (result.exit_code, result.stderr.count("✗"), result.stdout) == (1, 1, ""), result.output
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run(export_command, "events", "--format", "parquet")
    assert "footfall[parquet]" in result.stderr


def test_a_failed_export_leaves_no_half_of_a_file(run, tmp_path: Path) -> None:
    assert run(export_command, "events", "--project", "unknown", "--output", tmp_path / "x.csv").exit_code == 1
    assert list(tmp_path.glob("*x.csv*")) == []


def test_an_install_is_shown_and_erased_by_its_id_or_its_hash(run) -> None:
    shown = json.loads(run(install_group, "show", "install-7").stdout)
    assert shown["total_events"] > 20
    by_hash = json.loads(run(install_group, "show", "--hash", shown["install"]["install"]).stdout)
    assert by_hash == shown
    assert f"erased: {shown['total_events']:,} events" in run(install_group, "erase", "install-7").stderr
    assert run(install_group, "show", "install-7").exit_code == 1
    assert run(install_group, "erase", "--hash", shown["install"]["install"]).exit_code == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_memory_stays_flat(tmp_path: Path) -> None:
    origin, fresh = settings_in(tmp_path / "origin"), settings_in(tmp_path / "fresh")
    with_store(origin, lambda store, project: fill(origin, store, project, alike(MANY)))
    file = tmp_path / "all.csv"
    assert _growth(origin, "export_command", "events", "--output", str(file)) < GROWTH
    assert (
        _growth(origin, "export_command", "events", "--output", str(tmp_path / "all.parquet")) < 3 * GROWTH
    )  # pyarrow has buffers of its own
    assert _growth(fresh, "import_command", str(file)) < GROWTH
    with file.open("rb") as lines:
        assert sum(1 for _ in lines) > MANY


def _growth(settings: Settings, command: str, *arguments: str) -> int:
    """The peak growth of a process that runs a command, in bytes, from the kernel: getrusage includes the parent."""
    program = f"""
import re
from pathlib import Path
from server.transfer import commands
peak = lambda: int(re.search("VmHWM:\\\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1]) * 1024
before = peak()
try:
    commands.{command}({list(arguments)!r})
except SystemExit as ended:
    assert not ended.code
print(peak() - before)
"""
    env = {"FOOTFALL_DATA_DIR": str(settings.data_dir), "FOOTFALL_SECRET": "the same secret everywhere", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=280, check=True)
    return int(done.stdout.splitlines()[-1])
