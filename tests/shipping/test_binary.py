"""The binary needs no other file: in a root folder without Python, it passes the acceptance test."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.shipping.acceptance import accept

ROOT = Path(__file__).parents[2]
MAX_BYTES = 60_000_000
# The parts of the C library that the binary's own libraries open.
C_LIBRARY = ("libm.so.6", "librt.so.1", "libutil.so.1", "libresolv.so.2", "libnss_*.so.2", "libgcc_s.so.1")
# A user namespace lets an ordinary user change the root folder.
AS_ROOT = () if os.geteuid() == 0 else ("unshare", "--map-root-user")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("binary")]


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The binary, built from this checkout as `make binary` builds it."""
    folder = tmp_path_factory.mktemp("binary")
    built = subprocess.run([sys.executable, ".ci/binary.py", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "footfall"


def test_the_binary_is_small(binary: Path) -> None:
    assert binary.stat().st_size <= MAX_BYTES


def test_the_binary_says_its_version_with_an_empty_environment(binary: Path, tmp_path: Path) -> None:
    alone = tmp_path / "footfall"
    shutil.copy2(binary, alone)
    said = subprocess.run([alone, "--version"], cwd=tmp_path, env={}, capture_output=True, text=True, timeout=60, check=True).stdout
    assert re.fullmatch(r"footfall, version \d+\.\d+\.\d+\S*\n", said)


def test_the_binary_serves_on_sqlite_where_there_is_no_python(binary: Path, make_form: Callable[..., Any]) -> None:
    servers = [make_form((), FOOTFALL_DATA_DIR="/data") for _ in range(2)]
    for server in servers:
        empty_root(server.folder, binary)
        server.command = (*AS_ROOT, "chroot", str(server.folder), "/footfall")
        server.env = {name: value for name, value in server.env.items() if name.startswith("FOOTFALL_")} | {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"
        }
    accept(*servers)


def test_the_binary_serves_on_postgres_and_redis(binary: Path, make_form: Callable[..., Any], scaled: dict[str, str]) -> None:
    accept(make_form((str(binary),), **scaled))


def test_the_binary_drains_on_sigterm(binary: Path, make_form: Callable[..., Any]) -> None:
    server = make_form((str(binary),)).start()
    server.client.post("/dl/peon")
    begun = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begun < 10


def empty_root(folder: Path, binary: Path) -> None:
    """A root folder that contains only the binary and the C library that it is linked with."""
    shutil.copy2(binary, folder / "footfall")
    linked = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    needed = [Path(name) for name in re.findall(r"(/\S+) \(0x", linked)]
    for path in [*needed, *(path for pattern in C_LIBRARY for path in needed[0].parent.glob(pattern))]:
        there = folder / str(path).lstrip("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, there)
    for name in ("tmp", "data", "dev", "proc"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    (folder / "dev" / "null").touch()
