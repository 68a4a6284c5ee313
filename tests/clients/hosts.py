"""Writes the host programs: the same small program in each language, with telemetry and without."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

Written = tuple[list[str], list[str], str]

PYTHON = """\
import os, sys
from footfall import Footfall

telemetry = Footfall("mytool", os.environ["HOST_URL"], version="1.4.0", command="mytool telemetry", about="https://example.org/t")
if sys.argv[1:2] == ["telemetry"]:
    sys.exit(telemetry.cli(sys.argv[2:]))
with telemetry.command("build", flags=sys.argv[1:]):
    print("hello")
    sys.exit(3)
"""
PYTHON_BARE = """\
import os, sys
print("hello")
sys.exit(3)
"""

SHELL = """\
#!/bin/sh
set -eu
FOOTFALL_TOOL=mytool FOOTFALL_URL=$HOST_URL FOOTFALL_VERSION=1.4.0 FOOTFALL_COMMAND="mytool telemetry" FOOTFALL_ABOUT=https://example.org/t
. '{clients}/footfall.sh'
if [ "${{1-}}" = telemetry ]; then
    shift
    footfall_cli "$@"
    exit
fi
footfall_trap build "$@"
echo hello
exit 3
"""
SHELL_BARE = """\
set -eu
echo hello
exit 3
"""

NODE = """\
import {{ Footfall }} from "{clients}/footfall.js";
const options = {{ version: "1.4.0", command: "mytool telemetry", about: "https://example.org/t" }};
const telemetry = new Footfall("mytool", process.env.HOST_URL, options);
const words = process.argv.slice(2);
if (words[0] === "telemetry") process.exit(await telemetry.cli(words.slice(1)));
telemetry.start("build", words);
console.log("hello");
process.exit(3);
"""
NODE_BARE = """\
console.log("hello");
process.exit(3);
"""


def _python(clients: Path, folder: Path) -> Written:
    (folder / "footfall.py").write_bytes((clients / "footfall.py").read_bytes())
    (folder / "mytool.py").write_text(PYTHON)
    (folder / "bare.py").write_text(PYTHON_BARE)
    return [sys.executable, str(folder / "mytool.py")], [sys.executable, str(folder / "bare.py")], "python "


def _shell(*shell: str, runtime: str) -> Callable[[Path, Path], Written]:
    def write(clients: Path, folder: Path) -> Written:
        (folder / "mytool").write_text(SHELL.format(clients=clients))
        (folder / "bare").write_text(SHELL_BARE)
        return [*shell, str(folder / "mytool")], [*shell, str(folder / "bare")], runtime

    return write


def _node(clients: Path, folder: Path) -> Written:
    program = shutil.which("node") or str(Path(sys.executable).with_name("node"))
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "footfall.js").write_bytes((clients / "footfall.js").read_bytes())
    (folder / "mytool.js").write_text(NODE.format(clients=folder))
    (folder / "bare.js").write_text(NODE_BARE)
    return [program, str(folder / "mytool.js")], [program, str(folder / "bare.js")], "node "


WRITERS: dict[str, Callable[[Path, Path], Written]] = {
    "python": _python,
    "dash": _shell("dash", runtime="dash"),
    "bash": _shell("bash", runtime="bash "),
    "busybox": _shell("busybox", "sh", runtime="busybox"),
    "node": _node,
}
NAMES = tuple(WRITERS)
