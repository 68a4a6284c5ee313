"""Build dist/ for a release: wheel, source archive, binary, image, software bill of materials, checksums.

Usage: python .ci/release.py [--check]. Refuses without a dated entry in CHANGELOG.md, with uncommitted changes, or without a tool that builds the
image. --check only runs these checks; it requires nothing but Python.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
SUMS = "SHA256SUMS"


def run(*command: str | Path) -> str:
    """The output of a command, which must succeed."""
    return subprocess.run([str(part) for part in command], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def version() -> str:
    """The version in server/__init__.py."""
    found = re.search(r'^__version__ = "(.+)"$', (ROOT / "server" / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


def objection(number: str, changelog: str, changed: str, image_tool: str) -> str | None:
    """The reason not to release a version, given the CHANGELOG, git's short status and the tool that builds the image; None if there is none."""
    if not re.search(rf"^## {re.escape(number)} \(\d{{4}}-\d{{2}}-\d{{2}}\)$", changelog, re.MULTILINE):
        return f"CHANGELOG.md has no entry `## {number} (YYYY-MM-DD)`"
    if changed:
        return "there are uncommitted changes"
    if not image_tool:
        return "the image requires docker, podman or buildah, and none of them works here"
    return None


def build(number: str, image_tool: str) -> None:
    """Build every file of the release into dist/."""
    run("make", "--no-print-directory", "wheel")
    run("make", "--no-print-directory", "binary")
    (DIST / "footfall").rename(DIST / f"footfall-{number}-linux-{platform.machine()}")
    save_image(DIST / f"footfall-{number}-image.tar", image_tool)
    describe(number, DIST / f"footfall-{number}.cdx.json")


def save_image(archive: Path, tool: str) -> None:
    """Build the image and save it as an archive that `docker load` and `podman load` accept."""
    run("make", "--no-print-directory", "image", f"IMAGE_TOOL={tool}")
    if tool == "buildah":
        run(tool, "push", "footfall", f"docker-archive:{archive}:footfall:latest")
    else:
        run(tool, "save", "--output", archive, "footfall")


def describe(number: str, output: Path) -> None:
    """Write the software bill of materials (CycloneDX, JSON) of an installation of the wheel."""
    (wheel,) = DIST.glob("*.whl")
    with tempfile.TemporaryDirectory(prefix="footfall-release-") as folder:
        python = environment(Path(folder) / "footfall", str(wheel))
        run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "pip", "setuptools")
        # In an environment of its own: PyInstaller would pack its packages into the binary.
        tool = environment(Path(folder) / "tool", f"{wheel}[release]")
        arguments = ("environment", "--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "--output-file", output, python)
        run(tool, "-m", "cyclonedx_py", *arguments)
    output.write_text(with_version(output.read_text(encoding="utf-8"), number), encoding="utf-8")


def environment(folder: Path, package: str) -> Path:
    """Install a package with the tested versions of its dependencies into a new environment. Return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", package)
    return python


def with_version(bill: str, number: str) -> str:
    """Add the version to the product in a bill of materials: pyproject.toml, from which the product is described, does not contain it."""
    document = json.loads(bill)
    document["metadata"]["component"]["version"] = number
    return json.dumps(document, indent=2) + "\n"


def write_sums(folder: Path) -> None:
    """Write the SHA-256 of each file of a folder, in the format of `sha256sum --check`."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != SUMS)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def main() -> int:
    number, tool = version(), run("make", "--no-print-directory", "image-tool")
    reason = objection(number, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), run("git", "status", "--short"), tool)
    if reason is not None:
        print(f"No release: {reason}.", file=sys.stderr)
        return 1
    if "--check" not in sys.argv:
        build(number, tool)
        write_sums(DIST)
        print((DIST / SUMS).read_text(encoding="utf-8"), end="")
        if "[project.urls]" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8"):
            print("Not ready for a package index: pyproject.toml has no [project.urls] (docs/decisions/publishing.md).", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
