"""The image builds, runs as an unprivileged user on a read-only root, and survives a kill.

The bases named in the Containerfile cannot be had on every machine. A stand-in of each name is made from Debian's packages (and the Node.js
of this machine), so the test covers the Containerfile and what it adds, not the published bases.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.shipping.acceptance import accept

ROOT = Path(__file__).parents[2]
MAX_ADDED = 160_000_000
USER = "10001:10001"
SOCKET = ".s.PGSQL.5432"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400), pytest.mark.xdist_group("image")]


def run(*command: str | Path, attempts: int = 1, **named: Any) -> str:
    """The output of a command that must succeed, within `attempts` if it downloads packages."""
    for _ in range(attempts):
        ran = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **named)
        if ran.returncode == 0:
            break
    assert ran.returncode == 0, f"{command}\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}"
    return ran.stdout.strip()


class Buildah:
    """The buildah command without a daemon, with its images in a separate folder."""

    def __init__(self, folder: Path) -> None:
        self._options = ("--root", str(folder / "images"), "--runroot", str(folder / "run"), "--storage-driver", "vfs")
        self._env = {**os.environ, "BUILDAH_ISOLATION": "chroot"}

    def __call__(self, *arguments: str | Path, attempts: int = 1) -> str:
        return run("buildah", *self._options, *arguments, attempts=attempts, env=self._env, cwd=ROOT)


def suite() -> str:
    """The name of this machine's Debian release."""
    found = re.search(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


def debian(folder: Path) -> Path:
    """A root file system made from Debian's packages, as an archive."""
    archive = folder / "debian.tar"
    run("mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", suite(), archive, attempts=3)
    return archive


def stand_in(buildah: Buildah, name: str, archive: Path, node: bool) -> None:
    """An image that stands in for a published base."""
    container = buildah("from", "scratch")
    buildah("add", container, archive, "/")
    buildah("run", container, "--", "sh", "-c", "rm -f /usr/lib/python3*/EXTERNALLY-MANAGED; ln -sf /usr/bin/python3 /usr/local/bin/python")
    if CERTIFICATES.exists():  # registries may be reached through a mirror whose certificate only this machine knows
        buildah("copy", container, CERTIFICATES, CERTIFICATES)
        buildah("config", "--env", f"PIP_CERT={CERTIFICATES}", "--env", f"NODE_EXTRA_CA_CERTS={CERTIFICATES}", container)
    if node:
        program = Path(shutil.which("node") or "").resolve()
        packages = Path(run("npm", "root", "--global"))
        buildah("copy", container, program, "/usr/local/bin/node")
        buildah("copy", container, packages / "npm", "/usr/local/lib/node_modules/npm")
        linked = "ln -s /usr/local/lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm"
        buildah(
            "run", container, "--", "sh", "-c", f"{linked}; ln -s /usr/local/bin/node /usr/bin/node; npm config set cafile {CERTIFICATES}"
        )
    buildah("config", "--cmd", "python", container)
    buildah("commit", "--quiet", "--rm", container, name)


def build(folder: Path) -> tuple[Path, dict[str, Any], int]:
    """Build the image in a folder: its root file system, its configuration, and the bytes that it adds to its base."""
    buildah, archive = Buildah(folder), debian(folder)
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    bases = dict.fromkeys(re.findall(r"^FROM (\S+:\S+)", text, re.MULTILINE))
    for base in bases:
        stand_in(buildah, f"docker.io/library/{base}", archive, node=base.startswith("node"))
    buildah("build", "--quiet", "--pull-never", "--layers=false", "--file", "Containerfile", "--tag", "footfall", ".", attempts=3)
    config = json.loads(buildah("inspect", "--type", "image", "footfall"))["OCIv1"]["config"]
    container = buildah("from", "--pull-never", "footfall")
    root = Path(buildah("mount", container))
    added = sum(path.lstat().st_size for path in (root / "opt" / "footfall").rglob("*") if path.is_file() and not path.is_symlink())
    return root, config, added


@pytest.fixture(scope="module")
def image() -> Iterator[tuple[Path, dict[str, Any], int]]:
    """The root file system of the image, its configuration, and the bytes that it adds to its base. On disk: it takes gigabytes."""
    folder = Path(tempfile.mkdtemp(prefix="footfall-image-"))
    yield build(folder)
    shutil.rmtree(folder, ignore_errors=True)


def contained(root: Path, data: Path, config: dict[str, Any], socket: str = "/dev/null") -> tuple[str, ...]:
    """A command that runs the image's program as its user, on a read-only root with a data folder and a /tmp, in a mount namespace.

    `socket` appears as that of a PostgreSQL in /tmp: the folder that it is in is closed to the image's user.
    """
    steps = (
        f"mount --bind {root} {root}", f"mount -o remount,bind,ro {root}", f"mount --bind {data} {root}/data",
        f"mount -t tmpfs tmpfs {root}/tmp", f"touch {root}/tmp/{SOCKET}", f"mount --bind {socket} {root}/tmp/{SOCKET}",
        f"mount --rbind /proc {root}/proc", f"mount --rbind /dev {root}/dev",
        f'exec chroot --userspec={USER} {root} {" ".join(config["Entrypoint"])} "$@"',
    )  # fmt: skip
    return ("unshare", "--mount", "sh", "-c", " && ".join(steps), "footfall")


def settings(config: dict[str, Any]) -> dict[str, str]:
    """The environment that the image sets."""
    return dict(line.split("=", 1) for line in config["Env"])


def test_the_image_adds_little_to_its_base(image: tuple[Path, dict[str, Any], int]) -> None:
    assert image[2] <= MAX_ADDED


def test_the_image_runs_unprivileged_and_checks_itself(image: tuple[Path, dict[str, Any], int]) -> None:
    root, config, _ = image
    assert config["User"] == USER
    assert (config["Entrypoint"], config["Cmd"]) == (["footfall"], ["serve"])
    assert config["StopSignal"] == "SIGTERM"
    assert not (root / "opt/footfall/bin/pip").exists()
    assert "HEALTHCHECK" in (ROOT / "Containerfile").read_text(encoding="utf-8")


@pytest.fixture
def place(image: tuple[Path, dict[str, Any], int]) -> Callable[..., Any]:
    """A factory of servers that run in the image."""

    def put(server: Any, socket: str = "/dev/null") -> Any:
        root, config, _ = image
        data = server.folder / "data"
        data.mkdir(mode=0o700)
        os.chown(data, 10001, 10001)
        server.command = contained(root, data, config, socket)
        given = {name: value for name, value in server.env.items() if name.startswith("FOOTFALL_")}
        server.env = {**settings(config), **given, "FOOTFALL_DATA_DIR": "/data"}
        return server

    return put


def test_the_image_serves_on_a_read_only_root(place: Callable[..., Any], make_form: Callable[..., Any]) -> None:
    accept(place(make_form(())), place(make_form(())))


def test_the_image_serves_on_postgres_and_redis(place: Callable[..., Any], make_form: Callable[..., Any], scaled: dict[str, str]) -> None:
    url = scaled["FOOTFALL_DATABASE_URL"]
    (folder,) = parse_qs(urlsplit(url).query)["host"]
    accept(place(make_form((), **{**scaled, "FOOTFALL_DATABASE_URL": url.replace(folder, "/tmp")}), f"{folder}/{SOCKET}"))
