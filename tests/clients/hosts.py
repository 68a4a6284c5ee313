"""Host programs: the same small program in each language, with and without telemetry."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Written = tuple[list[str], list[str], str]

PYTHON = """\
import os, sys
from footfall import Footfall

telemetry = Footfall("mytool", os.environ["HOST_URL"], version="1.4.0", command="mytool telemetry", about="https://example.org/t",
                     key=os.environ.get("HOST_KEY"), sample_rate=float(os.environ.get("HOST_SAMPLE_RATE", 0)))
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
FOOTFALL_SAMPLE_RATE=${{HOST_SAMPLE_RATE-}} FOOTFALL_KEY=${{HOST_KEY-}}
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
const {{ HOST_KEY: key, HOST_SAMPLE_RATE: sampleRate }} = process.env;
const options = {{ version: "1.4.0", key, command: "mytool telemetry", about: "https://example.org/t", sampleRate: Number(sampleRate) }};
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


GO = """\
package main

import (
	"fmt"
	"os"
	"strconv"

	"mytool/footfall"
)

func main() {
	rate, _ := strconv.ParseFloat(os.Getenv("HOST_SAMPLE_RATE"), 64)
	options := footfall.Options{
		Version: "1.4.0", Key: os.Getenv("HOST_KEY"), Command: "mytool telemetry", About: "https://example.org/t", SampleRate: rate,
	}
	telemetry := footfall.New("mytool", os.Getenv("HOST_URL"), options)
	if len(os.Args) > 1 && os.Args[1] == "telemetry" {
		os.Exit(telemetry.CLI(os.Args[2:]))
	}
	command := telemetry.Start("build", os.Args[1:])
	fmt.Println("hello")
	command.Exit(3)
}
"""
GO_BARE = """\
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println("hello")
	os.Exit(3)
}
"""

RUST = """\
mod footfall;

fn main() {
    let url = std::env::var("HOST_URL").unwrap_or_default();
    let sample_rate = std::env::var("HOST_SAMPLE_RATE").ok().and_then(|rate| rate.parse().ok()).unwrap_or_default();
    let key: &'static str = Box::leak(std::env::var("HOST_KEY").unwrap_or_default().into_boxed_str());
    let options = footfall::Options {
        version: "1.4.0", key, command: "mytool telemetry", about: "https://example.org/t", sample_rate, ..Default::default()
    };
    let telemetry = footfall::Footfall::new("mytool", &url, options);
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().map_or(false, |word| word == "telemetry") {
        std::process::exit(telemetry.cli(&words[1..]));
    }
    let command = telemetry.start("build", words.into_iter());
    println!("hello");
    command.exit(3)
}
"""
RUST_BARE = """\
fn main() {
    println!("hello");
    std::process::exit(3)
}
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


def _build(command: list[str], folder: Path) -> None:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def _go(clients: Path, folder: Path) -> Written:
    (folder / "go.mod").write_text("module mytool\n\ngo 1.19\n")
    for path, text in (("main.go", GO), ("bare/main.go", GO_BARE), ("footfall/footfall.go", (clients / "footfall.go").read_text())):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    _build(["go", "build", "-o", "mytool", "."], folder)
    _build(["go", "build", "-o", "bare/bare", "./bare"], folder)
    return [str(folder / "mytool")], [str(folder / "bare" / "bare")], "go "


def _rust(clients: Path, folder: Path) -> Written:
    for path, text in (("main.rs", RUST), ("bare.rs", RUST_BARE), ("footfall.rs", (clients / "footfall.rs").read_text())):
        (folder / path).write_text(text)
    _build(["rustc", "--edition", "2021", "-D", "warnings", "-o", "mytool", "main.rs"], folder)
    _build(["rustc", "--edition", "2021", "-o", "bare", "bare.rs"], folder)
    return [str(folder / "mytool")], [str(folder / "bare")], "rust"


WRITERS: dict[str, Callable[[Path, Path], Written]] = {
    "python": _python,
    "dash": _shell("dash", runtime="dash"),
    "bash": _shell("bash", runtime="bash "),
    "busybox": _shell("busybox", "sh", runtime="busybox"),
    "node": _node,
    "go": _go,
    "rust": _rust,
}
NAMES = tuple(WRITERS)
CHEAPEST = "dash"
SLOW = {"bash", "busybox", "rust"}  # other shells for the same client, and a second compiler
