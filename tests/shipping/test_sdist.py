"""The source archive is complete: it holds every file of the repository, and the README that a package index shows."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_source_archive_holds_every_tracked_file_and_the_readme(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (file,) = tmp_path.glob("footfall-*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        member = archive.extractfile(f"{file.name.removesuffix('.tar.gz')}/PKG-INFO")
        assert member is not None
        shown = member.read().decode()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    assert {name for name in listed if name and (ROOT / name).exists()} - names == set()
    assert "Description-Content-Type: text/markdown" in shown
    assert (ROOT / "README.md").read_text(encoding="utf-8").strip() in shown
