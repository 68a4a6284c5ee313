"""A wheel is all that a server needs: what is not in it, whoever installs it does not have."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from this checkout and unpacked as an installer does it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)]
    built = subprocess.run(build, capture_output=True, text=True, timeout=100, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("footfall-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_a_server_from_the_wheel_takes_events_and_shows_its_pages(unpacked: Path, server_class: Any, tmp_path: Path) -> None:
    server = server_class(tmp_path, {"PYTHONPATH": str(unpacked)})
    asked = [sys.executable, "-c", "import server; print(server.__file__)"]
    where = subprocess.run(asked, env=server.env, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert where.startswith(str(unpacked))
    try:
        server.start(cwd=tmp_path)
        assert server.client.post("/dl/peon").status_code == 202
        assert server.client.get("/counts").json() == {"peon": {"total": 1, "last7d": 1, "today": 1}}
        assert "/v1/engagement" in server.client.get("/docs").text
        page = server.client.get("/").text
        files = re.findall(r'(?:src|href)="(/[^"]+)"', page)
        assert any(file.startswith("/assets/") for file in files), page
        assert {file: server.client.get(file).status_code for file in files} == dict.fromkeys(files, 200)
        assert server.stop() == 0
    finally:
        server.close()


def test_the_wheel_holds_what_is_served_and_nothing_else(unpacked: Path) -> None:
    bundle = unpacked / "server" / "_bundle"
    for folder in ("graphql", "migrations", "static/pages"):
        there = {
            file.relative_to(CHECKOUT) for file in (CHECKOUT / folder).rglob("*") if file.is_file() and "__pycache__" not in file.parts
        }
        assert there <= {file.relative_to(bundle) for file in bundle.rglob("*")}
    assert {path.name for path in bundle.iterdir()} == {"graphql", "migrations", "static"}
    assert {path.name for path in (bundle / "static").iterdir()} == {"dist", "pages"}
    assert {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")} == {"server"}
