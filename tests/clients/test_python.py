"""The Python client: all promised Python versions, wrappers, and no leftovers in the host program."""

from __future__ import annotations

import ast
import importlib.util
import json
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

from tests.clients.conftest import CLIENTS, Wire, environment, eventually, queued
from tests.quick import first

SOURCE = CLIENTS / "footfall.py"
PYTHONS = [found for minor in range(8, 15) if (found := shutil.which(f"python3.{minor}"))]


@pytest.fixture
def footfall() -> ModuleType:
    spec = importlib.util.spec_from_file_location("footfall", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(code: str, url: str, home: Path, python: str = sys.executable, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a program with a variable `telemetry`."""
    program = f"import os, sys; sys.path.insert(0, {str(CLIENTS)!r}); sys.dont_write_bytecode = True\nfrom footfall import Footfall\n"
    program += f"telemetry = Footfall('mytool', os.environ['HOST_URL'], version='1.4.0')\n{code}"
    return subprocess.run(
        [python, "-c", program], env=environment(url, home, **env), capture_output=True, text=True, timeout=60, check=False
    )


def test_the_source_is_python_3_8() -> None:
    ast.parse(SOURCE.read_text(), feature_version=(3, 8))


@pytest.mark.parametrize("python", first(PYTHONS or [sys.executable]), ids=lambda path: Path(path).name)
def test_each_python_of_this_machine_sends(python: str, home: Path, make_wire: Callable[..., Wire]) -> None:
    if subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode:
        python = sys.executable  # a shim without a Python behind it
    wire = make_wire()
    ran = run("telemetry.track('build', properties={'n': 1, 'deep': {'list': [1.5, None, True]}})", wire.url, home, python)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("", "", 0)
    (event,) = eventually(wire.events)
    assert event["properties"] == {"n": 1, "deep": {"list": [1.5, None, True]}}


def test_a_command_that_raises_is_a_failure_and_still_raises(home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire()
    code = """
@telemetry.command("deploy")
def deploy(path):
    '''Deploy.'''
    raise FileNotFoundError(f"no {path}; ask alice@example.org, token=hunter22, ghp_0123456789abcdefghij")

assert (deploy.__name__, deploy.__doc__) == ("deploy", "Deploy.")
deploy(os.environ["HOME"] + "/site")
"""
    ran = run(code, wire.url, home)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith("FileNotFoundError: no /")
    assert "footfall.py" not in ran.stderr.replace("in timed", "")[-200:]
    (event,) = eventually(wire.events)
    assert event["error"] == {"type": "FileNotFoundError", "message": "no ~/site; ask [email], token=[secret], [token]"}
    assert event["outcome"] == "failure"


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("pass", {"outcome": "success"}),
        ("sys.exit(0)", {"outcome": "success"}),
        ("sys.exit()", {"outcome": "success"}),
        ("sys.exit(2)", {"outcome": "failure", "error": {"type": "exit 2"}}),
        ("sys.exit('bad input')", {"outcome": "failure", "error": {"type": "SystemExit", "message": "bad input"}}),
        ("raise KeyboardInterrupt", {"properties": {"interrupted": True}}),
        ("raise type('Exit', (RuntimeError,), {'exit_code': 0})", {"outcome": "success"}),
    ],
)
def test_each_way_to_end_a_command_reports_its_outcome(
    home: Path, make_wire: Callable[..., Wire], ending: str, expected: dict[str, Any]
) -> None:
    wire = make_wire()
    run(f"with telemetry.command('x'):\n    {ending}", wire.url, home)
    (event,) = eventually(wire.events)
    assert {key: event[key] for key in ("outcome", "error", "properties") if key in event} == expected


def test_many_events_are_sent_by_few_processes(home: Path, make_wire: Callable[..., Wire]) -> None:
    wire, began = make_wire(), time.monotonic()
    run("for number in range(90): telemetry.track('step', properties={'number': number})", wire.url, home)
    assert eventually(lambda: len(wire.events()) == 90)
    assert wire.connections <= 4 + (time.monotonic() - began), "one more for each second, on a busy machine"
    assert len({event["id"] for event in wire.events()}) == 90


def test_a_long_running_host_has_no_children(home: Path, make_wire: Callable[..., Wire]) -> None:
    """The client leaves no zombie, and no child that `os.wait()` of the host would return."""
    wire = make_wire()
    code = """
import time
telemetry.track('tick')
try:
    os.wait()
except ChildProcessError:
    print("no child", flush=True)
sys.stdin.read()
"""
    program = f"import os, sys; sys.path.insert(0, {str(CLIENTS)!r})\nfrom footfall import Footfall\n"
    program += f"telemetry = Footfall('mytool', os.environ['HOST_URL'])\n{code}"
    process = subprocess.Popen(
        [sys.executable, "-B", "-c", program], env=environment(wire.url, home), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "no child\n"
    assert eventually(wire.events)
    assert psutil.Process(process.pid).children() == []
    process.communicate("")


def test_a_killed_program_keeps_its_waiting_events(home: Path, make_wire: Callable[..., Wire]) -> None:
    run("telemetry.track('first')", "http://127.0.0.1:9", home)
    assert eventually((home / ".config/mytool/telemetry/queue/wait").exists)
    run("telemetry.track('second'); os.kill(os.getpid(), 9)", "http://127.0.0.1:9", home)
    assert eventually(lambda: len(queued(home)) == 2)
    (home / ".config/mytool/telemetry/queue/wait").unlink()
    wire = make_wire()
    run("telemetry.track('third')", wire.url, home)
    assert eventually(lambda: len(wire.events()) == 3)


def test_a_zip_file_sends_in_the_process_with_a_bounded_exit(home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    archive = tmp_path / "tool.zip"
    main = "import os, sys\nfrom footfall import Footfall\nFootfall('mytool', os.environ['HOST_URL']).track('zipped')\n"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(SOURCE, "footfall.py")
        file.writestr("__main__.py", main)
    hanging = make_wire(lambda _, wire: wire.stopped.wait(60) and None)
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, str(archive)], env=environment(hanging.url, home), capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == ("", "", 0)
    assert time.monotonic() - began < 4.5  # less than the five seconds of a request
    assert len(queued(home)) == 1


SCRUBBED = [
    ("open /home/alice/x", "open ~/x"),
    (r"C:\Users\alice\x", r"~\x"),
    ("mail alice@example.org now", "mail [email] now"),
    ("https://user:pw@host/x", "https://[credentials]@host/x"),
    ("Authorization: Bearer abcdef123456", "Authorization: [secret] [token]"),
    ("bearer abc123", "bearer [token]"),
    ("PASSWORD=hunter2 x", "PASSWORD=[secret] x"),
    ("192.0.2.7 and 2001:db8:0:0:1::9", "[ip] and [ip]"),
    ("a" * 50, "[token]"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig", "[token]"),
    ("plain words stay", "plain words stay"),
]


@pytest.mark.parametrize(("text", "shown"), SCRUBBED)
def test_texts_are_scrubbed(footfall: ModuleType, text: str, shown: str) -> None:
    assert footfall._scrub(text) == shown


def test_names_of_the_user_and_the_machine_are_scrubbed(footfall: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "alice")
    monkeypatch.setenv("HOSTNAME", "alices-laptop")
    assert footfall._scrub("alice") == "[name]"
    assert footfall._scrub("at alices-laptop malice") == "at [name] malice"


def test_the_json_of_the_client_is_valid(footfall: ModuleType) -> None:
    value = {"t": True, "n": None, "i": -3, "f": 1.5, "s": 'q"\\\n\u2028é\U0001f600', "l": [1, [2]], "d": {"1": "x"}}
    assert json.loads(footfall._encode(value)) == value
    assert footfall._encode(float("nan")) == "null"
    json.loads(footfall._encode("\ud83c").encode())
