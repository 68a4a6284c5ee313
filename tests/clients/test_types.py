"""The TypeScript types of the JavaScript client, checked against the client by the TypeScript compiler."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import CLIENTS, node

TYPESCRIPT = Path(__file__).parents[2] / "static" / "node_modules" / "typescript" / "lib" / "tsc.js"

# `made/` holds the types that the compiler derives from footfall.js. An object of the real class fits the written types, and both have the same
# members.
MEMBERS = """
import { Footfall as Written } from "./footfall.js";
import { Footfall as Real } from "./made/footfall.js";

export const written: Written = new Real("mytool", "https://stats.example.org", { version: "1.4.0" });
export const untyped: Exclude<keyof Real, keyof Written>[] = [];
export const missing: Exclude<keyof Written, keyof Real>[] = [];
export const none: never[] = [...untyped, ...missing];
export const arguments_of: Parameters<typeof make> = ["mytool", "https://stats.example.org"];
function make(...words: ConstructorParameters<typeof Real>): Written {
  return new Written(words[0], words[1]);
}
"""
# Each line below `@ts-expect-error` must be an error: the compiler reports the ones that are not.
USE = """
import { Footfall, type Command, type Options, type State } from "./footfall.js";

const options: Options = { version: "1.4.0", key: "ff_key", notice: false, environment: "ci", installSource: "npm", packageManager: "npm" };
const telemetry = new Footfall("mytool", "https://stats.example.org", options);
telemetry.track("build", { outcome: "success", duration_ms: 812, properties: { files: 3, deep: { list: [1, "a", null] } }, extra: 1 });
const command: Command = telemetry.start("build", process.argv.slice(2));
command.end(new Error("no"));
export const count: number = telemetry.run("count", () => 3);
export const later: Promise<string> = telemetry.run("later", async () => "x", ["--watch"] as const);
export const state: State["state"] = telemetry.state().state;
export const code: Promise<number> = telemetry.cli(["status"]);
export const isErased: Promise<boolean> = telemetry.erase();
export const isStored: boolean = telemetry.choose("local");
export const shown: Record<string, unknown> = telemetry.event("example");
declare const process: { argv: string[] };

// @ts-expect-error the address is missing
new Footfall("mytool");
// @ts-expect-error no such option
new Footfall("mytool", "https://stats.example.org", { verion: "1.4.0" });
// @ts-expect-error no such outcome
telemetry.track("build", { outcome: "fine" });
// @ts-expect-error a text, not a number
telemetry.track("build", { duration_ms: "812" });
// @ts-expect-error no such choice
telemetry.choose("maybe");
// @ts-expect-error what the function returns
export const wrong: number = telemetry.run("x", () => "text");
// @ts-expect-error no such method
telemetry.flush();
"""
STRICT = ("--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--types", "")


def compile_types(folder: Path, *arguments: str) -> str:
    """The errors that the TypeScript compiler reports."""
    assert TYPESCRIPT.is_file(), "this test needs TypeScript: make dashboard"
    ran = subprocess.run([node(), str(TYPESCRIPT), *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return ran.stdout + ran.stderr


def prepare(folder: Path, program: str) -> None:
    """Put the client, its types and a program that uses them into a folder."""
    for name in ("footfall.js", "footfall.d.ts"):
        shutil.copy(CLIENTS / name, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "program.ts").write_text(program)


@pytest.mark.slow
def test_types_and_client_have_the_same_members(tmp_path: Path) -> None:
    prepare(tmp_path, MEMBERS)
    derive = ("--allowJs", "--declaration", "--emitDeclarationOnly", "--target", "es2022", "--module", "nodenext", "--types", "")
    (tmp_path / "source").mkdir()
    shutil.copy(CLIENTS / "footfall.js", tmp_path / "source")
    assert compile_types(tmp_path, *derive, "--outDir", "made", "source/footfall.js") == ""
    assert (tmp_path / "made" / "footfall.d.ts").is_file()
    assert compile_types(tmp_path, *STRICT, "program.ts") == ""


def test_types_accept_the_documented_use_and_report_mistakes(tmp_path: Path) -> None:
    prepare(tmp_path, USE)
    assert compile_types(tmp_path, *STRICT, "program.ts") == ""
