"""The refusals of `make release`, and its checksums."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
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
    ("changelog", "changed", "tool", "reason"),
    [
        ("# Changelog\n\n## 1.2.0 (2026-11-29)\n", "", "podman", None),
        ("# Changelog\n\n## 1.2.0 (unreleased)\n", "", "podman", "CHANGELOG.md has no entry"),
        ("# Changelog\n\n## 1.2.00 (2026-11-29)\n", "", "podman", "CHANGELOG.md has no entry"),
        ("# Changelog\n", "", "podman", "CHANGELOG.md has no entry"),
        ("## 1.2.0 (2026-11-29)\n", " M server/app.py", "podman", "uncommitted changes"),
        ("## 1.2.0 (2026-11-29)\n", "", "", "docker, podman or buildah"),
    ],
)
def test_a_release_needs_a_dated_changelog_entry_a_clean_tree_and_a_tool_for_the_image(
    release: Any, changelog: str, changed: str, tool: str, reason: str | None
) -> None:
    found = release.objection("1.2.0", changelog, changed, tool)
    assert found == reason if reason is None else reason in found


def test_the_bill_of_materials_names_the_released_version(release: Any) -> None:
    described = release.with_version('{"metadata": {"component": {"name": "footfall"}}, "components": []}', "1.2.0")
    assert json.loads(described)["metadata"]["component"] == {"name": "footfall", "version": "1.2.0"}


def test_a_refused_release_builds_nothing(tmp_path: Path) -> None:
    """The refusal comes before minutes of installing and building."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(clone)], check=True)
    for name in (".ci/release.py", "Makefile"):
        shutil.copy2(ROOT / name, clone / name)
    changelog = clone / "CHANGELOG.md"
    changelog.write_text(re.sub(r"^## 0\..*$", "", changelog.read_text(), flags=re.MULTILINE))
    made = subprocess.run(["make", "--no-print-directory", "release"], cwd=clone, capture_output=True, text=True, check=False)
    assert made.returncode != 0
    assert "CHANGELOG.md has no entry" in made.stderr
    assert not (clone / ".venv").exists()
    assert not (clone / "dist").exists()


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
