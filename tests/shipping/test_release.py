"""The refusals of `make release`, and its checksums."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def release() -> Any:
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("changelog", "changed", "reason"),
    [
        ("# Changelog\n\n## 1.2.0 (2026-11-29)\n", "", None),
        ("# Changelog\n\n## 1.2.0 (unreleased)\n", "", "CHANGELOG.md has no entry"),
        ("# Changelog\n\n## 1.2.00 (2026-11-29)\n", "", "CHANGELOG.md has no entry"),
        ("# Changelog\n", "", "CHANGELOG.md has no entry"),
        ("## 1.2.0 (2026-11-29)\n", " M server/app.py", "uncommitted changes"),
    ],
)
def test_a_release_needs_a_dated_changelog_entry_and_a_clean_tree(release: Any, changelog: str, changed: str, reason: str | None) -> None:
    found = release.objection("1.2.0", changelog, changed)
    assert found == reason if reason is None else reason in found


def test_the_checksums_can_be_checked(release: Any, tmp_path: Path) -> None:
    (tmp_path / "footfall-1.2.0.tar.gz").write_bytes(b"source")
    (tmp_path / "footfall-1.2.0-linux-x86_64").write_bytes(b"binary")
    release.write_sums(tmp_path)
    checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert checked.stdout.splitlines() == ["footfall-1.2.0-linux-x86_64: OK", "footfall-1.2.0.tar.gz: OK"]


def test_the_image_is_built_by_the_first_tool_that_works(tmp_path: Path) -> None:
    """A docker client may be installed whose daemon does not run."""
    for tool, works in (("docker", False), ("podman", False), ("buildah", True)):
        script = tmp_path / tool
        script.write_text(f'#!/bin/sh\n[ {int(works)} = 1 ] && echo "{tool} $1"\n')
        script.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "MAKEFLAGS": ""}
    built = subprocess.run(["make", "--no-print-directory", "image"], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert built.stdout == "buildah build\n"
