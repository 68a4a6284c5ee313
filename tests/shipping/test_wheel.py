"""The wheel is complete: an installation without the repository passes the acceptance test."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.shipping.acceptance import accept

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-P", "-m", "server")  # -P: not the package in the current folder


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from this checkout and unpacked as an installer does it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)]
    built = subprocess.run(build, capture_output=True, text=True, timeout=280, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("footfall-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_serves_on_sqlite(unpacked: Path, make_form: Callable[..., Any]) -> None:
    servers = [make_form(COMMAND) for _ in range(2)]
    for server in servers:
        server.env["PYTHONPATH"] = str(unpacked)
    asked = [sys.executable, "-P", "-c", "import server; print(server.__file__)"]
    assert subprocess.run(asked, env=servers[0].env, capture_output=True, text=True, check=True).stdout.startswith(str(unpacked))
    accept(*servers)


def test_the_wheel_holds_what_is_served_and_nothing_else(unpacked: Path) -> None:
    bundle = unpacked / "server" / "_bundle"
    for folder in ("graphql", "migrations", "static/clients", "static/pages"):
        there = {
            file.relative_to(CHECKOUT) for file in (CHECKOUT / folder).rglob("*") if file.is_file() and "__pycache__" not in file.parts
        }
        assert there <= {file.relative_to(bundle) for file in bundle.rglob("*")}
    assert {path.name for path in bundle.iterdir()} == {"graphql", "migrations", "static"}
    assert {path.name for path in (bundle / "static").iterdir()} == {"clients", "dist", "pages"}
    assert {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")} == {"server"}
