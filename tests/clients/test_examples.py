"""The examples of the page run unchanged except for the address, and a published client works unmodified."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import CLIENTS, Project, Wire, environment, eventually, node

EXAMPLES = CLIENTS / "examples"


def example(name: str, to: Path, url: str) -> Path:
    """An example with its client in a separate folder."""
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text((EXAMPLES / name).read_text().replace("https://stats.example.com", url))
    return to


def run(command: list[str], url: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment(url, home, **env), capture_output=True, text=True, timeout=60, check=False)


def names(wire: Wire, at_least: int) -> list[str]:
    eventually(lambda: len(wire.events()) >= at_least)
    return sorted(event["name"] for event in wire.events())


@pytest.mark.parametrize("name", ["python.py", "python_argparse.py", "python_click.py"])
def test_python(name: str, home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    wire = make_wire()
    program = [sys.executable, str(example(name, tmp_path / "main.py", wire.url))]
    shutil.copy(CLIENTS / "footfall.py", tmp_path)
    status = run([*program, "telemetry", "status"], wire.url, home)
    assert (status.stdout, status.returncode) == ("telemetry: on (MYTOOL_TELEMETRY is set)\n", 0)
    built = run([*program, "build", "--watch"], wire.url, home)
    assert (built.stdout, built.stderr, built.returncode) == ("built\n", "", 0)
    assert "build" in names(wire, 1 + (name == "python.py"))
    (build,) = [event for event in wire.events() if event["name"] == "build"]
    assert (build["outcome"], build["properties"]) == ("success", {"flags": "--watch"})


def test_click_reports_a_wrong_use_as_a_failure(home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    wire = make_wire()
    program = [sys.executable, str(example("python_click.py", tmp_path / "main.py", wire.url))]
    shutil.copy(CLIENTS / "footfall.py", tmp_path)
    assert run([*program, "build", "--nothing"], wire.url, home).returncode == 2
    assert names(wire, 1) == ["build"]
    assert wire.events()[0]["outcome"] == "failure"
    assert wire.events()[0]["error"]["type"] == "NoSuchOption"


def test_shell(home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    wire = make_wire()
    program = ["dash", str(example("shell.sh", tmp_path / "mytool", wire.url))]
    shutil.copy(CLIENTS / "footfall.sh", tmp_path)
    assert run([*program, "telemetry"], wire.url, home).stdout == "telemetry: on (MYTOOL_TELEMETRY is set)\n"
    assert run([*program, "--watch"], wire.url, home).stdout == "built\n"
    assert names(wire, 2) == ["build", "cache"]


def test_javascript(home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    wire = make_wire()
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(CLIENTS / "footfall.js", tmp_path)
    program = [node(), str(example("javascript.js", tmp_path / "main.js", wire.url))]
    assert run([*program, "telemetry"], wire.url, home).stdout == "telemetry: on (MYTOOL_TELEMETRY is set)\n"
    assert run([*program, "--watch"], wire.url, home).stdout == "built\n"
    assert names(wire, 2) == ["build", "cache"]


def test_node_18_loads_its_modules_later(home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    """Node.js 18 has no `process.getBuiltinModule`."""
    wire = make_wire()
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "old.cjs").write_text("process.getBuiltinModule = undefined;")
    shutil.copy(CLIENTS / "footfall.js", tmp_path)
    (tmp_path / "main.js").write_text(
        'import { Footfall } from "./footfall.js";\nnew Footfall("mytool", process.env.HOST_URL).track("early");\nconsole.log("hello");\n'
    )
    ran = run([node(), "--require", str(tmp_path / "old.cjs"), str(tmp_path / "main.js")], wire.url, home)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("hello\n", "", 0)
    assert names(wire, 1) == ["early"]


def test_node_18_records_an_immediate_exit_in_a_bundle(home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    """A CommonJS program can load modules synchronously, before it awaits anything."""
    wire = make_wire()
    (tmp_path / "old.cjs").write_text("process.getBuiltinModule = undefined;")
    client = (CLIENTS / "footfall.js").read_text().replace("export class Footfall {", "exports.Footfall = class Footfall {")
    (tmp_path / "footfall.cjs").write_text(client)
    (tmp_path / "main.cjs").write_text(
        'const { Footfall } = require("./footfall.cjs");\n'
        'new Footfall("mytool", process.env.HOST_URL).start("build");\nconsole.log("hello");\nprocess.exit(3);\n'
    )
    ran = run([node(), "--require", str(tmp_path / "old.cjs"), str(tmp_path / "main.cjs")], wire.url, home)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("hello\n", "", 3)
    assert names(wire, 1) == ["build"]


def test_javascript_in_a_bundle_that_keeps_names_sends(home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    """esbuild with `--keep-names`, and so tsx, wraps functions in calls of `__name`, which the sender's process lacks."""
    wire = make_wire()
    (tmp_path / "package.json").write_text('{"type": "module"}')
    function = re.compile(r"^  const (\w+) = (\([^\n]*\) => \{\n.*?^  \});$", re.MULTILINE | re.DOTALL)
    wrapped, count = function.subn(r'  const \1 = __name(\2, "\1");', (CLIENTS / "footfall.js").read_text())
    assert count >= 3
    helper = 'const __name = (target, value) => Object.defineProperty(target, "name", { value, configurable: true });\n'
    (tmp_path / "footfall.js").write_text(helper + wrapped)
    (tmp_path / "main.js").write_text(
        'import { Footfall } from "./footfall.js";\nnew Footfall("mytool", process.env.HOST_URL).track("build");\n'
    )
    ran = run([node(), str(tmp_path / "main.js")], wire.url, home)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("", "", 0)
    assert names(wire, 1) == ["build"]


def test_a_javascript_tool_is_named_like_a_file(home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    """A name with other characters would lead out of the user's configuration folder, or hide the tool's folder in it."""
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(CLIENTS / "footfall.js", tmp_path)
    (tmp_path / "main.js").write_text(
        'import { Footfall } from "./footfall.js";\n'
        "const names = JSON.parse(process.argv[2]);\n"
        "console.log(JSON.stringify(names.map((name) => new Footfall(name, process.env.HOST_URL, { notice: false }).state().state)));\n"
    )
    good = ["a", "_my-tool.2", "A" * 64, "-"]
    bad = ["", ".mytool", "../mytool", "my/tool", "my tool", "A" * 65, "müller", "a\n"]
    ran = run([node(), str(tmp_path / "main.js"), json.dumps(good + bad)], make_wire().url, home)
    assert (json.loads(ran.stdout), ran.stderr) == (["on"] * len(good) + ["off"] * len(bad), "")


def test_javascript_errors_are_passed_on(home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    """Thrown errors, rejections and uncaught errors: the program ends as without telemetry, and the event has the error."""
    wire = make_wire()
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(CLIENTS / "footfall.js", tmp_path)
    endings = {
        "thrown": 'try { telemetry.run("thrown", () => { throw new TypeError("no"); }); } catch (error) { console.log(error.message); }',
        "rejected": 'await telemetry.run("rejected", async () => { throw new TypeError("no"); }).catch((error) => console.log(error.message));',
        "uncaught": 'telemetry.start("uncaught"); console.log("no"); throw new TypeError("no");',
    }
    for name, ending in endings.items():
        begin = 'import { Footfall } from "./footfall.js";\nconst telemetry = new Footfall("mytool", process.env.HOST_URL);\n'
        (tmp_path / f"{name}.js").write_text(begin + ending)
        ran = run([node(), str(tmp_path / f"{name}.js")], wire.url, home)
        assert (ran.stdout, ran.returncode) == ("no\n", 1 if name == "uncaught" else 0)
    assert names(wire, 3) == sorted(endings)
    assert {(event["outcome"], event["error"]["type"], event["error"]["message"]) for event in wire.events()} == {
        ("failure", "TypeError", "no")
    }


def test_go(home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    wire = make_wire()
    _go(tmp_path, "go.go", wire.url)
    program = str(tmp_path / "mytool")
    assert run([program, "telemetry"], wire.url, home).stdout == "telemetry: on (MYTOOL_TELEMETRY is set)\n"
    assert run([program, "--watch"], wire.url, home).stdout == "built\n"
    assert names(wire, 2) == ["build", "cache"]


def test_rust(home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    wire = make_wire()
    example("rust.rs", tmp_path / "main.rs", wire.url)
    shutil.copy(CLIENTS / "footfall.rs", tmp_path)
    subprocess.run(["rustc", "--edition", "2021", "-o", "mytool", "main.rs"], cwd=tmp_path, check=True, timeout=280)
    program = str(tmp_path / "mytool")
    assert run([program, "telemetry"], wire.url, home).stdout == "telemetry: on (MYTOOL_TELEMETRY is set)\n"
    assert run([program, "--watch"], wire.url, home).stdout == "built\n"
    assert names(wire, 2) == ["build", "cache"]


def _go(folder: Path, name: str, url: str) -> None:
    example(name, folder / "main.go", url)
    (folder / "footfall").mkdir()
    shutil.copy(CLIENTS / "footfall.go", folder / "footfall")
    (folder / "go.mod").write_text("module mytool\n\ngo 1.19\n")
    if "cobra" in name:
        subprocess.run(["go", "get", "github.com/spf13/cobra@v1.8.1"], cwd=folder, check=True, capture_output=True, timeout=280)
    subprocess.run(["go", "build", "-o", "mytool", "."], cwd=folder, check=True, timeout=280)


@pytest.mark.slow
def test_the_cobra_example_sends_an_event(home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    """The package of cobra comes from the Go module proxy."""
    wire = make_wire()
    _go(tmp_path, "go_cobra.go", wire.url)
    program = str(tmp_path / "mytool")
    assert run([program, "telemetry", "status"], wire.url, home).stdout == "telemetry: on (MYTOOL_TELEMETRY is set)\n"
    assert run([program, "build", "--watch"], wire.url, home).returncode == 0
    assert names(wire, 1) == ["build"]
    assert wire.events()[0]["properties"] == {"flags": "--watch"}


# From the npm registry: a published client of SonicJS's, and a parser of command lines.
PACKAGES = ("@sonicjs-cms/core@2.11.0", "hono@4", "drizzle-orm@0.44", "zod@4", "commander@14")
SONICJS = """
import { getTelemetryService } from "@sonicjs-cms/core/services";
const telemetry = getTelemetryService();
await telemetry.initialize({ installationId: "9b2f6c1e-1111-4222-8333-444455556666" });
await telemetry.trackInstallationStarted({ os: "linux", nodeVersion: "v20.10" });
await telemetry.trackInstallationCompleted({ success: true, duration: 812 });
await telemetry.track("error_occurred", { errorType: "at /home/alice/site" });
await new Promise((resolve) => setTimeout(resolve, 500));
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text('{"type": "module", "private": true}')
    npm = shutil.which("npm") or str(Path(sys.executable).with_name("npm"))
    quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--legacy-peer-deps"]
    env = {**os.environ, "PATH": f"{Path(node()).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([npm, "install", *quiet, *PACKAGES], cwd=folder, env=env, check=True, timeout=280)
    return folder


@pytest.mark.slow
def test_the_published_sonicjs_client_works_unmodified(installed: Path, home: Path, project: Project) -> None:
    (installed / "sonicjs.js").write_text(SONICJS)
    ran = subprocess.run(
        [node(), "sonicjs.js"], cwd=installed, env=environment("", home, SONICJS_TELEMETRY_ENDPOINT=project.url), capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    events: list[dict[str, Any]] = project.events(at_least=3)
    assert sorted(event["name"] for event in events) == ["error_occurred", "installation_completed", "installation_started"]
    assert {event["dialect"] for event in events} == {"sonicjs"}
    assert {event["outcome"] for event in events if event["name"] == "installation_completed"} == {"success"}
    assert "alice" not in str(events)
    assert project.ledger() == {"stored": 3, "duplicates": 0, "rejected": 0}


@pytest.mark.slow
def test_the_published_sonicjs_client_obeys_do_not_track(installed: Path, home: Path, project: Project) -> None:
    (installed / "sonicjs.js").write_text(SONICJS)
    env = environment("", home, SONICJS_TELEMETRY_ENDPOINT=project.url, DO_NOT_TRACK="1")
    subprocess.run([node(), "sonicjs.js"], cwd=installed, env=env, check=True, timeout=60)
    assert project.events() == []


@pytest.mark.slow
def test_the_commander_and_oclif_examples_send_events(installed: Path, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire()
    shutil.copy(CLIENTS / "footfall.js", installed)
    program = [node(), str(example("javascript_commander.js", installed / "main.js", wire.url))]
    assert run([*program, "telemetry", "status"], wire.url, home).stdout == "telemetry: on (MYTOOL_TELEMETRY is set)\n"
    assert run([*program, "build", "--watch"], wire.url, home).stdout == "built\n"
    example("javascript_oclif.js", installed / "prerun.js", wire.url)
    (installed / "oclif.js").write_text(
        'import prerun from "./prerun.js";\nawait prerun({ Command: { id: "deploy" }, argv: ["--force", "there"] });\n'
    )
    assert run([node(), str(installed / "oclif.js")], wire.url, home).returncode == 0
    assert names(wire, 2) == ["build", "deploy"]
    assert sorted(event["properties"]["flags"] for event in wire.events()) == ["--force", "--watch"]
