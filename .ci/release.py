"""Build dist/ for a release: wheel, source archive, binary, image, software bill of materials, checksums.

Usage: python .ci/release.py [--check]. Refuses without a dated entry in CHANGELOG.md, and with uncommitted changes. --check only refuses.
"""

from __future__ import annotations

import hashlib
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


def objection(number: str, changelog: str, changed: str) -> str | None:
    """The reason not to release a version, given the CHANGELOG and git's short status; None if there is none."""
    if not re.search(rf"^## {re.escape(number)} \(\d{{4}}-\d{{2}}-\d{{2}}\)$", changelog, re.MULTILINE):
        return f"CHANGELOG.md has no entry `## {number} (YYYY-MM-DD)`"
    if changed:
        return "there are uncommitted changes"
    return None


def build(number: str) -> None:
    """Build every file of the release into dist/."""
    run("make", "--no-print-directory", "wheel")
    run("make", "--no-print-directory", "binary")
    (DIST / "footfall").rename(DIST / f"footfall-{number}-linux-{platform.machine()}")
    save_image(DIST / f"footfall-{number}-image.tar")
    describe(DIST / f"footfall-{number}.cdx.json")


def save_image(archive: Path) -> None:
    """Build the image and save it as an archive that `docker load` and `podman load` accept."""
    tool = run("make", "--no-print-directory", "image-tool")
    run("make", "--no-print-directory", "image", f"IMAGE_TOOL={tool}")
    if tool == "buildah":
        run(tool, "push", "footfall", f"docker-archive:{archive}:footfall:latest")
    else:
        run(tool, "save", "--output", archive, "footfall")


def describe(output: Path) -> None:
    """Write the software bill of materials (CycloneDX, JSON) of an installation of the wheel."""
    (wheel,) = DIST.glob("*.whl")
    with tempfile.TemporaryDirectory(prefix="footfall-release-") as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel)
        run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "pip", "setuptools")
        arguments = ("environment", "--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "--output-file", output, python)
        run(sys.executable, "-m", "cyclonedx_py", *arguments)


def write_sums(folder: Path) -> None:
    """Write the SHA-256 of each file of a folder, in the format of `sha256sum --check`."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != SUMS)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def main() -> int:
    number = version()
    reason = objection(number, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), run("git", "status", "--short"))
    if reason is not None:
        print(f"No release: {reason}.", file=sys.stderr)
        return 1
    if "--check" not in sys.argv:
        build(number)
        write_sums(DIST)
        print((DIST / SUMS).read_text(encoding="utf-8"), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
